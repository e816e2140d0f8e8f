"""What the command says before it plays: what is refused at once, and what a suite will cost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal.errors import InputError
from metaal.rehearsal import Exploring, Task, costing, play, read_suite
from metaal.rehearsal.costing import _EnoughError, _hours, _in_turn, _Limited, _spread, _timed, expected
from metaal.rehearsal.keeping import check_keeps_branches
from metaal.rehearsal.rehearsing import select
from metadata_store import Record, open_store
from metadata_store.privacy import Privacy, PrivacyWarning, private
from tests.metaal.calling import call
from tests.metaal.rehearsed import TASKS, write_suite

# ------------------------------------------------------------------ privacy


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_a_store_that_keeps_too_little_is_refused_before_anything_is_played(tmp_path: Path, level: Any) -> None:
    settings = Privacy("L2", key=bytes(range(32))) if level == "L2" else Privacy("L1")
    with private(open_store(tmp_path / "s"), settings) as store:
        with pytest.raises(InputError, match=f"level is {level}.*without a level, or of level L3"):
            check_keeps_branches(store)
        assert store.runs() == []
    before = sorted(path.name for path in (tmp_path / "s").rglob("*") if path.suffix != ".lock")
    words = ("--suite", write_suite(tmp_path), "--store", "s", "--only", "iris~*", "--jobs", "1")
    said = call("rehearse", *words, cwd=tmp_path, code=1).stderr
    assert f"its privacy level is {level}" in " ".join(said.split())
    with open_store(tmp_path / "s") as store:
        assert store.runs() == []
    assert sorted(path.name for path in (tmp_path / "s").rglob("*") if path.suffix != ".lock") == before


def test_a_store_that_keeps_everything_is_taken(tmp_path: Path) -> None:
    check_keeps_branches(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists(), "looking must not make a store"
    (tmp_path / "empty").mkdir()
    check_keeps_branches(str(tmp_path / "empty"))
    assert list((tmp_path / "empty").iterdir()) == []
    check_keeps_branches(open_store("memory:"))
    check_keeps_branches("memory:")
    check_keeps_branches(private(open_store("memory:"), "L0"))
    with open_store(tmp_path / "plain") as store:
        store.append(Record("r", 0, "begin", {"x": 1}))
    check_keeps_branches(tmp_path / "plain")
    with pytest.warns(PrivacyWarning):
        private(open_store(tmp_path / "all"), "L3").close()
    check_keeps_branches(tmp_path / "all")


# ------------------------------------------------------------------ words of the command


def test_the_command_asks_for_a_suite_and_a_store(tmp_path: Path) -> None:
    assert "pass --suite NAME or FILE" in " ".join(call("rehearse", cwd=tmp_path, code=2).stderr.split())
    assert "pass --store DIR" in " ".join(call("rehearse", "--suite", "tiny", cwd=tmp_path, code=2).stderr.split())


def test_a_dry_run_says_the_cpu_and_how_sure_it_is(tmp_path: Path) -> None:
    words = ("--suite", write_suite(tmp_path), "--dry-run", "--only", "*~naive_bayes~*")
    said = call("rehearse", *words, cwd=tmp_path).stdout
    assert "8 tasks, 24 loops, 96 branches at most" in said
    assert " of one process with a core to itself (" in said
    assert "by timing parts of 8 of the tasks here" in said
    assert [path.name for path in tmp_path.iterdir()] == ["mini.toml"]


# ------------------------------------------------------------------ the cost


def test_hours_are_each_learners_counts_times_the_mean_of_its_own_tasks() -> None:
    rates = {
        "a": [np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 2.0, 1.0, 0.0])],
        "b": [np.array([0.0, 0.0, 0.0, 10.0])],
    }
    counts = {"a": np.array([2.0, 10.0, 4.0, 100.0]), "b": np.array([1.0, 5.0, 2.0, 50.0])}
    assert _hours(rates, counts) * 3600 == pytest.approx(2 * 2 + 10 * 2 + 4 * 2 + 100 * 2 + 50 * 10)
    # A learner that was not reached costs what the learners that were reached cost on the average.
    unseen = {"c": np.array([1.0, 0.0, 0.0, 1.0])}
    assert _hours(rates, unseen) * 3600 == pytest.approx((2 + 0) / 2 + (2 + 10) / 2)
    assert math.isnan(_hours({}, counts))


def test_the_spread_is_that_of_the_tasks_that_were_timed() -> None:
    counts = {"a": np.array([0.0, 0.0, 0.0, 3600.0])}
    alike = {"a": [np.array([0.0, 0.0, 0.0, 2.0])] * 5}
    assert _spread(alike, counts) == (pytest.approx(2.0), pytest.approx(2.0))
    rng = np.random.default_rng(0)
    rates = {"a": [np.array([0.0, 0.0, 0.0, value]) for value in rng.exponential(1.0, 400)]}
    low, high = _spread(rates, counts)
    # Of a mean of 400: the 10 % and the 90 % quantile lie 1.28 standard errors away.
    assert (high - low) / 2 == pytest.approx(1.2816 * np.std([rate[3] for rate in rates["a"]]) / 20, rel=0.25)
    assert low < _hours(rates, counts) < high
    assert all(map(math.isnan, _spread({"a": rates["a"][:1]}, counts)))


def test_a_task_that_takes_long_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time at all one loop and one branch are played, and that is enough for numbers."""
    task, store = Task("iris", "logistic", batch=4, budget=40), open_store("memory:")
    with pytest.raises(_EnoughError):
        play(_Limited(Exploring(("margin",)), 0.0), task, store=store, name="timed", full=False)
    (run,) = store.runs()
    assert [record.event for record in store.records(run)].count("ask") == 1
    monkeypatch.setattr(costing, "SLICE", 0.0)
    seconds = np.asarray(_timed(read_suite("tiny"), task))
    assert seconds.shape == (4,)
    assert np.isfinite(seconds).all()
    assert (seconds >= 0).all()


def test_learners_take_turns_so_that_none_is_left_out(tmp_path: Path) -> None:
    tasks = select(read_suite(write_suite(tmp_path)))
    turns = [task.learner_name for task in _in_turn(tasks)]
    assert turns[:6] == ["logistic", "naive_bayes", "ridge"] * 2
    assert len(turns) == TASKS
    assert turns[-1] in ("logistic", "naive_bayes")


def test_a_suite_without_branches_costs_its_loops_alone(tmp_path: Path) -> None:
    text = Path(write_suite(tmp_path)).read_text(encoding="utf-8").replace("states = 2", "states = 0")
    suite = read_suite(write_suite(tmp_path, text))
    cost = expected(suite, select(suite, only="iris~naive_bayes~b4~s*"), seconds=1.0)
    assert (cost.tasks, cost.loops, cost.branches) == (2, 6, 0)
    assert 0 < cost.low <= cost.hours <= cost.high
