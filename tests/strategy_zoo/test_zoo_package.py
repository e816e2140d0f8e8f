"""The package as a whole: its names, its weight, its direction, its examples."""

import ast
import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import strategy_zoo

ROOT = Path(strategy_zoo.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
MODULES = [
    "strategy_zoo",
    *(m.name for m in pkgutil.walk_packages(strategy_zoo.__path__, "strategy_zoo.")),
]


NAMES = """
FIELDS Mix Narrow Plain Proposal Space SpellingError Strategy Stream StreamStrategy Synthesis SynthesisStrategy
UnknownStrategyError UnmetNeedError View ViewError ZooError catalogue get names propose register synthesise unmet
"""


def test_public_names_are_these() -> None:
    assert sorted(strategy_zoo.__all__) == NAMES.split()
    assert (ROOT / "py.typed").exists()


LAZY = {"relabel": "scipy"}  # what a strategy imports when it is used, and not before


def test_importing_and_proposing_loads_no_heavy_module() -> None:
    code = (
        "import sys, numpy as np, strategy_zoo as z\n"
        "from strategy_zoo.testing import arrays\n"
        "view = z.View(**arrays(20))\n"
        f"lazy = {set(LAZY)}\n"
        "rows = [row for row in z.catalogue() if row['name'] not in lazy]\n"
        "[z.propose(row['example'], view, 2, np.random.default_rng(0)) for row in rows]\n"
        "heavy = ['sklearn', 'scipy', 'pandas', 'pyarrow', 'lightgbm', 'joblib', 'metaal', 'metadata_store']\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


INEXACT = {"bait": "inverts matrices by LAPACK, whose last bits depend on the threads; its docstring says so"}


def test_any_number_of_threads_gives_the_same_bits() -> None:
    code = (
        "import numpy as np, strategy_zoo as z\n"
        "from strategy_zoo.testing import arrays\n"
        "view = z.View(**arrays(3000, classes=7, columns=33, labelled=50))\n"
        "for row in z.catalogue():\n"
        "    answer = z.propose(row['example'], view, 30, np.random.default_rng(1))\n"
        "    print(row['name'], answer.rows.tolist(), answer.score.tobytes().hex())"
    )
    outputs = []
    for threads in ("1", "2"):
        variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(variables, threads)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        outputs.append(done.stdout.splitlines())
    one, two = outputs
    assert [a.split()[0] for a, b in zip(one, two, strict=True) if a != b and a.split()[0] not in INEXACT] == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_modules_import_the_standard_library_numpy_and_this_package_only(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "strategy_zoo"} | {LAZY.get(path.stem, "numpy")}
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert (node.module or "").split(".")[0] in allowed
        else:
            assert not isinstance(node, ast.Assert), "assert isn't validation: python -O removes it"


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_printed(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("name", strategy_zoo.names())
def test_every_strategy_has_an_example_and_a_reference(name: str) -> None:
    module = importlib.import_module(f"strategy_zoo.strategies.{name}")
    cls = strategy_zoo.registry.lookup(name)
    assert cls.__module__ == module.__name__
    text = cls.__doc__ or ""
    assert ">>> " in text
    assert "References\n" in text
    for field in cls.__dataclass_fields__.values():
        if not str(field.type).startswith("ClassVar"):
            assert field.name in text, f"{field.name} isn't described"
    words = " ".join(text.split())
    author, year = (
        cls.reference.split()[0].rstrip(","),
        next(w for w in cls.reference.split() if w.strip(",").isdigit()),
    )
    assert author in words
    assert year.strip(",") in words
    assert cls.reference.split(year)[1].strip(" ,") in words
