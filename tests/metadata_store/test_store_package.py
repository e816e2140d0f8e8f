"""The package from outside: what it exports, what it imports, and the first format on disk."""

import doctest
import importlib
import json
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import metadata_store
from metadata_store import DirectoryStore

FIXTURE = Path(__file__).parent / "fixtures" / "v1"


def test_exports():
    assert sorted(metadata_store.__all__) == metadata_store.__all__
    wanted = {"Record", "Store", "open_store", "MemoryStore", "DirectoryStore", "StoreError", "ConflictError"}
    assert wanted <= set(metadata_store.__all__)
    assert all(hasattr(metadata_store, name) for name in metadata_store.__all__)


def test_importing_and_appending_stay_light(tmp_path):
    code = (
        "import sys, metadata_store as m\n"
        "m.open_store(sys.argv[1]).append(m.Record('r', 0, 'tell', {'x': 1.0, 't': 'a'}))\n"
        "heavy = {'pandas', 'sklearn', 'lightgbm', 'scipy', 'metaal', 'strategy_zoo'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=True)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(metadata_store.__path__)])
def test_examples_work(name):
    module = importlib.import_module(f"metadata_store.{name}")
    assert doctest.testmod(module).failed == 0


def test_the_first_format_is_still_read(tmp_path):
    shutil.copytree(FIXTURE / "store", tmp_path / "store")
    expected = json.loads((FIXTURE / "expected.json").read_text())
    with DirectoryStore(tmp_path / "store", create=False) as store:
        assert store.verify().ok
        found = [as_data(record) for run in store.runs() for record in store.records(run)]
        assert found == expected


def as_data(record):
    values = {name: value if type(value) is not float else repr(value) for name, value in record.values.items()}
    arrays = {
        name: [array.dtype.str, list(array.shape), array.tobytes().hex()] for name, array in record.arrays.items()
    }
    return [record.run, record.loop, record.event, record.index, record.at, values, arrays]
