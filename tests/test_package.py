"""What is shipped: three packages, typed, no tests; public names pinned; documentation examples that run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import metaal
from metaal.statistics import STATISTICS

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(metaal.__path__, "metaal.")
    if not module.name.endswith("__main__") and ".cli" not in module.name
)
NAMES = """
ARMS STATISTICS Action ActionSet Dataset Decision EmptyPoolError EvaluationError FitError Fixed History
InputError LeakError Learned MetaalError MismatchError OutOfTurnError Policy PolicyError PolicyFileError Prices Query
Result Run Schedule Seeds Task TaskError UnavailableError Uniform UnknownIdError describe estimate evaluate
fit load outputs play read_policy softmax
"""


def test_public_names_are_these_and_exist() -> None:
    assert sorted(metaal.__all__) == sorted(NAMES.split())
    assert all(getattr(metaal, name) is not None for name in metaal.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        metaal.nonsense  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_top_level_is_as_agreed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    else:
        names = {line.split("/")[0] for line in listed.stdout.split() if not line.startswith(".")}
    allowed = {"pyproject.toml", "README.md", "metaal", "strategy_zoo", "metadata_store", "benchmarks", "tests"}
    allowed |= {"Makefile", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "docs"}
    ignored = {"build", "dist", "metaal_demo", "runs", "eval_runs"}
    assert allowed <= names <= allowed | ignored


def test_the_wheel_holds_three_packages_and_no_tests(tmp_path: Path) -> None:
    """Built by the backend itself, without a network."""
    code = f"import hatchling.build, os; os.chdir({str(ROOT)!r}); print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"metaal", "strategy_zoo", "metadata_store"}
    for package in tops:
        assert f"{package}/py.typed" in names
    assert not [name for name in names if "test_" in name or name.startswith("tests")]


def test_every_logged_series_is_in_the_dictionary_and_within_its_range() -> None:
    from metadata_store import open_store

    store = open_store("memory:")
    for policy in ("uniform", "default", metaal.Fixed("margin", 2.0)):
        metaal.play(policy, metaal.Task("iris", "logistic", batch=4, budget=24), store=store)
    run = metaal.Run("committee", policy="margin", store=store)
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], 30)
    run.ask(4, ids=range(30), proba=proba, committee=rng.dirichlet([1, 1, 1], (5, 30)), prediction=rng.normal(size=30))
    run.skip(run.pending.ids[:1])
    run.tell([0, 1, 2], seconds={"fit": 1, "score": 1, "label": 1}, val_f1=0.5)
    run.change(run.history and [next(iter(run.labels))], [1])
    run.withdraw([next(iter(run.labels))])
    frame = store.frame()
    bookkeeping = ("run.", "tag.", "report.", "user.")
    texts = {
        "action.name",
        "action.strategy",
        "action.stop",
        "action.refit",
        "decision.reason",
        "state.digest",
        "state.pool",
    }
    texts |= {"score.balanced_accuracy", "score.log_loss"}  # further scores of the caller's, named by the caller
    logged = {name for name in frame if not name.startswith(bookkeeping)} - texts
    assert logged <= set(STATISTICS)
    unseen = set(STATISTICS) - logged
    assert unseen <= {"decision.advantage", "decision.lower"}, unseen  # of the learned policy alone
    assert len(STATISTICS) >= 60
    for name in logged:
        entry, values = STATISTICS[name], frame[name].dropna().to_numpy(dtype=float)
        assert entry.low is None or (values >= entry.low - 1e-9).all(), name
        assert entry.high is None or (values <= entry.high + 1e-9).all(), name


def test_statistics_are_described() -> None:
    assert metaal.describe("pool.margin.q05").high == 1
    assert metaal.describe("user.val_f1").meaning == "added by the user"
    with pytest.raises(metaal.InputError, match="user"):
        metaal.describe("pool.margin.q06")
    for entry in STATISTICS.values():
        assert entry.unit
        assert entry.meaning
        assert entry.cost
