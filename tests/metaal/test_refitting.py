"""Models that a run has trained are not trained again, and nobody can tell by the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from metaal import Task, play
from metaal.rehearsal import Branches, branch, playing, refitting
from metaal.rehearsal.playing import layout_of
from metaal.rehearsal.refitting import refit
from metadata_store import MemoryStore
from tests.metaal.test_branching import branches_of, timeless

PLAN = Branches(("margin", "random", "k_center"), states=3, default="margin")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Labels of every training that takes place."""
    counts, fit = list[int](), Task.fit

    def counting(self: Task, x: Any, y: Any, *more: Any) -> Any:
        counts.append(len(y))
        return fit(self, x, y, *more)

    monkeypatch.setattr(Task, "fit", counting)
    playing._laid_out.cache_clear()
    return counts


def rehearsed(task: Task, *, forget: bool) -> tuple[MemoryStore, str]:
    store = MemoryStore()
    run = play("margin", task, store=store, full=False).run
    if forget:
        playing._laid_out.cache_clear()
    branch(task, store, run, PLAN)
    return store, run


@pytest.mark.parametrize("learner", ["logistic", "extra_trees", "naive_bayes", "mlp", "lightgbm"])
def test_branches_are_the_same_whether_the_runs_models_are_at_hand_or_not(learner: str, trained: list[int]) -> None:
    task = Task("wine", learner, batch=4, budget=32, seeds=1)
    made, fits = [], []
    for forget in (False, True):
        before = len(trained)
        store, run = rehearsed(task, forget=forget)
        made.append([timeless(record) for record in store.records(run)])
        fits.append(len(trained) - before)
        assert len(branches_of(store, run)) == 9
        assert all(record.values["branch.fit.seconds"] > 0 for record in branches_of(store, run))
        playing._laid_out.cache_clear()
    assert made[0] == made[1]
    # Each state's own model, and at least the first one of its branch of margin, which is what the run did.
    assert fits[0] <= fits[1] - 3 * 2


def test_two_policies_share_their_first_model(trained: list[int]) -> None:
    task = Task("wine", "logistic", batch=4, budget=8, seeds=1)
    for name in ("margin", "random"):
        play(name, task, store=MemoryStore(), full=False)
    assert len(trained) == 3 + 2


def test_what_is_kept_is_bounded_and_told_with_its_seconds(trained: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "KEPT", 2)
    task = Task("wine", "logistic")
    layout = layout_of(task)
    rows = [np.arange(20 + k) for k in range(3)]
    first = [refit(task, layout, seen, layout.pool_y[seen], keep=True) for seen in rows]
    assert len(layout.models) == 2
    assert refit(task, layout, rows[2], layout.pool_y[rows[2]]) == first[2], "the very model, and its own seconds"
    assert refit(task, layout, rows[0], layout.pool_y[rows[0]])[0] is not first[0][0], "the oldest went"
    assert trained == [20, 21, 22, 20]
    # Other labels, another order of the rows, a warm start: other models.
    other = layout.pool_y[rows[2]].copy()
    other[0] = (other[0] + 1) % 3
    refit(task, layout, rows[2], other)
    refit(task, layout, rows[2][::-1], layout.pool_y[rows[2][::-1]])
    refit(task, layout, rows[2], layout.pool_y[rows[2]], "warm", first[1][0])
    assert len(trained) == 7
    assert refit(task, layout, rows[2], layout.pool_y[rows[2]], "skip", first[1][0]) == (first[1][0], 0.0)


def test_large_models_and_ones_own_estimators_are_not_kept(trained: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(20)
    own = Task("wine", LogisticRegression())
    named = Task("wine", "logistic", seeds=2)
    for task, few in ((own, 500), (named, 19)):
        monkeypatch.setattr(refitting, "FEW", few)
        layout = layout_of(task)
        for _ in range(2):
            refit(task, layout, rows, layout.pool_y[rows], keep=True)
        assert layout.models == {}
    assert len(trained) == 4
