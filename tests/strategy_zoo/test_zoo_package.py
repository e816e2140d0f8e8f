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


def test_public_names_are_these() -> None:
    assert sorted(strategy_zoo.__all__) == [
        *(
            "FIELDS",
            "Mix",
            "Narrow",
            "Plain",
            "Proposal",
            "Space",
            "SpellingError",
            "Strategy",
            "Stream",
            "StreamStrategy",
            "Synthesis",
            "UnknownStrategyError",
            "synthesise",
        ),
        *("UnmetNeedError", "View", "ViewError", "ZooError", "catalogue", "get", "names", "propose", "register"),
        "unmet",
    ]
    assert (ROOT / "py.typed").exists()


def test_importing_and_proposing_loads_no_heavy_module() -> None:
    code = (
        "import sys, numpy as np, strategy_zoo as z\n"
        "from strategy_zoo.testing import arrays\n"
        "view = z.View(**arrays(20))\n"
        "[z.propose(row['example'], view, 2, np.random.default_rng(0)) for row in z.catalogue()]\n"
        "heavy = ['sklearn', 'scipy', 'pandas', 'pyarrow', 'lightgbm', 'joblib', 'metaal', 'metadata_store']\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_any_number_of_threads_gives_the_same_bits() -> None:
    code = (
        "import numpy as np, strategy_zoo as z\n"
        "rng = np.random.default_rng(0)\n"
        "raw = rng.random((3000, 7)); raw /= raw.sum(axis=1, keepdims=True)\n"
        "view = z.View(proba=raw, embedding=rng.random((3000, 33)), seen_embedding=rng.random((50, 33)))\n"
        "for name in ('k_center', 'badge', 'typiclust', 'cluster_margin'):\n"
        "    answer = z.propose(name, view, 30, np.random.default_rng(1))\n"
        "    print(answer.rows.tolist(), answer.score.tobytes().hex())"
    )
    outputs = set()
    for threads in ("1", "2"):
        variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(variables, threads)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        outputs.add(done.stdout)
    assert len(outputs) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_modules_import_the_standard_library_numpy_and_this_package_only(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "strategy_zoo"}
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
