"""What would have happened: label a batch in a copy, refit, and go on for some loops under the default strategy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.randomness import generator
from metaal.rehearsal.refitting import refit
from metaal.rehearsal.scoring import brier, scores
from metaal.rehearsal.showing import shown, wanted
from metaal.sampling import sample_rows
from metaal.shown import make_view
from strategy_zoo import get, propose

if TYPE_CHECKING:
    from metaal.actions import Refit
    from metaal.rehearsal.layout import Layout
    from metaal.rehearsal.rebuilding import State


@dataclass(frozen=True)
class Step:
    """One model of a branch.

    Parameters
    ----------
    labels : int
        Labels that it was trained on, the initial ones included.
    scores : dict
        On the guide split.
    fit, score : float
        Seconds of training it, and of computing its outputs of the pool (NaN where nothing asked for them).
    scored : int
        Pool rows that outputs were computed for.
    """

    labels: int
    scores: dict[str, float]
    fit: float
    score: float
    scored: int = 0


def guide_scores(layout: Layout, fitted: Any) -> dict[str, float]:
    """Every score of a model on the guide split: accuracy, balanced accuracy, log-loss, Brier; or RMSE and R²."""
    output = fitted.output(layout.guide_x)
    found = dict(scores(layout.kind, layout.guide_y, output))
    if layout.kind == "classification":
        found["brier"] = brier(layout.guide_y, output)
    return found


def follow(
    state: State,
    rows: np.ndarray,
    *,
    horizon: int,
    default: str,
    share: float = 1.0,
    how: Refit = "full",
    then: Sequence[str] = (),
) -> list[Step]:
    """Label ``rows`` in a copy of the state, refit, and go on under ``default`` until ``horizon`` batches are labelled.

    Every random number is the one that the run itself would have used, had it done this: the learner's seed goes with
    the number of labels, the strategy's with the loop. So branches differ by their batches alone, and a branch is bit
    by bit the run that takes this action and then the default. The run's budget does not cut a branch; an empty pool
    ends it early, and the last model then stands for the loops that are left.

    Parameters
    ----------
    state : State
        Only read.
    rows : i8[n]
        Pool rows to label first.
    horizon : int
        Batches labelled in all, ≥ 1.
    default : str
        Strategy that chooses all batches but the first and those of ``then``.
    share : float
        Share of the pool that is scored for the second batch.
    how : str
        Training on the first batch: ``"full"``, ``"warm"`` or ``"skip"``.
    then : sequence of str
        Strategies that choose the second batch and those after it; they must be possible in the state.

    Returns
    -------
    list of Step
        One for each batch.
    """
    task, layout, turn = state.task, state.layout, state.turn
    told, extra = len(state.seen) - len(layout.initial), wanted((default, *then), layout.kind)
    seen, y_seen, steps = state.seen, state.y_seen, list[Step]()
    unlabelled = np.ones(len(layout.pool_y), dtype=bool)
    unlabelled[seen] = False
    fitted, reference = state.fitted, state.turn.arrays["reference.ids"]
    while True:
        y_seen = np.concatenate([y_seen, layout.oracle.tell(rows, told)])
        seen, told = np.concatenate([seen, rows]), told + len(rows)
        unlabelled[rows] = False
        fitted, fit = refit(task, layout, seen, y_seen, "full" if steps else how, fitted)
        step = Step(len(seen), guide_scores(layout, fitted), fit, float("nan"))
        pool = np.flatnonzero(unlabelled)
        if len(steps) + 1 == horizon or not len(pool):
            return [*steps, *[step] * (horizon - len(steps))]
        if not steps:
            rng = generator(turn.seed, turn.stream, state.loop + 1, "sample")
            pool = pool[sample_rows(pool, share, reference, rng)]
        started = time.perf_counter()
        outputs = shown(task, layout, fitted, seen, y_seen, pool, extra)
        steps.append(Step(step.labels, step.scores, fit, time.perf_counter() - started, len(pool)))
        view = make_view(pool, {name: value for name, value in outputs.items() if name != "ids"})
        loop = state.loop + len(steps)
        name = then[len(steps) - 1] if len(steps) <= len(then) else default
        rng = generator(turn.seed, turn.stream, loop, f"strategy:{name}")
        count = layout.schedule.batch(loop, len(seen))
        rows = pool[propose(get(name), view, min(count, len(pool)), rng).rows]


def mean_gain(labels: Sequence[float] | np.ndarray, curve: Sequence[float] | np.ndarray, end: float) -> float:
    """Mean of a curve between the first label count and ``end``, by linear interpolation, less its first value.

    Examples
    --------
    >>> mean_gain([10, 20, 30], [0.5, 0.7, 0.7], 30)
    0.15
    """
    x, y = np.asarray(labels, dtype=np.float64), np.asarray(curve, dtype=np.float64)
    if end <= x[0]:
        return 0.0
    inside = x < end
    at = np.append(x[inside], end)
    values = np.append(y[inside], np.interp(end, x, y))
    return float(round(np.trapezoid(values, at) / (end - x[0]) - y[0], 12))


def leads(labels: np.ndarray, curve: np.ndarray, at: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Lead f8[H+1] of one branch over another at the same labels: of its mean, then after each of its H batches.

    Parameters
    ----------
    labels, curve : f8[H+1]
        Of the branch, the state it began in first.
    at, level : f8[K]
        Of the other one; NaN is the lead where it ends before.
    """
    after = np.where(labels <= at[-1], curve - np.interp(labels, at, level), np.nan)
    end = labels[-1]
    mean = np.nan if end > at[-1] else mean_gain(labels, curve, end) - mean_gain(at, level, end)
    return np.concatenate([[mean], after[1:]])
