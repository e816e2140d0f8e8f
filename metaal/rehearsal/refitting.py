"""The model of each loop, as the actions said to train it: from scratch, from the last one, or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import read_action

if TYPE_CHECKING:
    from metaal.actions import Refit
    from metaal.history import History
    from metaal.rehearsal.layout import Layout
    from metaal.rehearsal.learners import Fitted
    from metaal.rehearsal.task import Task


KEPT, FEW = 24, 500
"""Models of a run that are kept while its task is at hand, and labels above which one is too large for that."""


def refit(
    task: Task,
    layout: Layout,
    seen: np.ndarray,
    y_seen: np.ndarray,
    how: Refit = "full",
    last: Fitted | None = None,
    *,
    keep: bool = False,
) -> tuple[Fitted, float]:
    """The model after some labels, and the seconds that its training takes.

    A training from scratch on the same rows and labels gives the same model, bit by bit: one that a run has kept is
    not trained again for a branch or for the next policy, and its seconds are those of the first time.

    Parameters
    ----------
    seen : i8[L], y_seen : [L]
        Labelled rows and their labels, in the order in which they were told.
    how : str
        What the action before them said; ``"full"`` where there is no last model.
    last : Fitted, optional
        The model of the loop before.
    keep : bool
        Whether others are likely to ask for this model again.
    """
    if last is not None and how == "skip":
        return last, 0.0
    warm = last is not None and how == "warm"
    # Somebody's own estimator may be large, or not repeat.
    named = isinstance(task.learner, str) and not warm and len(seen) <= FEW
    key = (task.learner, task.name, task.seeds.learner, seen.tobytes(), y_seen.tobytes()) if named else ()
    if key in layout.models:
        return layout.models[key]
    started = time.perf_counter()
    fitted = task.fit(layout.pool_x[seen], y_seen, layout, last if warm else None)
    found = fitted, time.perf_counter() - started
    if named and keep:
        layout.models[key] = found
        if len(layout.models) > KEPT:
            del layout.models[next(iter(layout.models))]
    return found


def refitted(
    task: Task, layout: Layout, seen: np.ndarray, y_seen: np.ndarray, steps: Sequence[tuple[int, Refit]]
) -> Fitted:
    """The model of a loop whose predecessors are no longer at hand, trained again as the run did it.

    Parameters
    ----------
    steps : sequence of (int, str)
        Labels known in each loop so far, and how the model was trained on them; the last one is the loop asked for.
        Only those since the last training from scratch are repeated.
    """
    full = max((k for k, (_, how) in enumerate(steps) if how == "full"), default=0)
    last: Fitted | None = None
    for count, how in steps[full:]:
        last, _ = refit(task, layout, seen[:count], y_seen[:count], how, last)
    assert last is not None  # steps has at least the first model
    return last


def trained(history: History, initial: int, told: int) -> list[tuple[int, Refit]]:
    """The steps of `refitted` that a run's log tells of.

    Parameters
    ----------
    history : History
        Of the run.
    initial : int
        Labels that were known at first.
    told : int
        Labels that were told since; a query without its answer counts for nothing yet.
    """
    steps: list[tuple[int, Refit]] = [(initial, "full")]
    counts = history.get("query.count")
    for action, count in zip(history.actions, counts, strict=False):
        if steps[-1][0] + int(count) > initial + told:
            break
        if count:
            steps.append((steps[-1][0] + int(count), read_action(action).refit))
    return steps
