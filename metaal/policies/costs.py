"""What the actions of one loop cost in compute, on the machine that the run's own costs tell of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ActionSet
from metaal.prices import Prices
from metaal.sampling import LEAST

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs of each action for one batch's worth of labels.

    Parameters
    ----------
    loop : f8[A]
        Seconds of fit, score and select; NaN where unknown.
    plain : f8[A]
        The same as predicted, before the run's own seconds were looked at; it repeats to the last bit.
    rounds : f8[A]
        Loops.
    default : int
        Place of the default.
    """

    loop: np.ndarray
    plain: np.ndarray
    rounds: np.ndarray
    default: int

    @classmethod
    def of(cls, actions: ActionSet, phases: Mapping[str, np.ndarray], history: History, default: int) -> Costs:
        """Calibrate predicted seconds to the run, and count them by batch.

        Parameters
        ----------
        phases : mapping
            "fit", "score" and "select" → seconds f8[A] as predicted, on whatever machine was learnt on, for a model
            that is trained and a pool that is scored whole; any may be missing or NaN.
        history : History
            Whose last seconds say how fast this machine is; without any, the predictions stand as they are, and without
            predictions the last seconds stand for all actions alike. Its last row says how large the pool is.
        """
        batches = np.array([1.0 if action.stop else action.multiplier for action in actions])
        trained = np.array([action.refit != "skip" for action in actions])
        share = _scored(np.array([action.share for action in actions]), history.last("pool.size"))
        factors = {"fit": trained, "score": share, "select": np.ones(len(actions))}
        loops = []
        for own in (measured(history), {}):
            total, known = np.zeros(len(actions)), False
            for phase, factor in factors.items():
                seconds = phases.get(phase, np.full(len(actions), np.nan))
                last, usual = own.get(phase, float("nan")), float(seconds[default])
                if np.isfinite(last):
                    seconds = seconds * (last / usual) if usual > 0 else np.full(len(actions), last)
                if np.isfinite(seconds[default]):  # a phase of which nothing is known counts as equal for all
                    total, known = total + np.where(factor == 0, 0.0, seconds * factor), True
            loops.append(total / batches if known else np.full(len(actions), np.nan))
        return cls(loops[0], loops[1], 1 / batches, default)

    def saved(self, prices: Prices) -> np.ndarray:
        """Money f8[A] saved over the default, for one batch's worth of labels; unknown seconds count as equal."""
        less = self.loop[self.default] - self.loop
        less = np.where(np.isfinite(less), less, 0.0)
        return prices.second * less + prices.round * (self.rounds[self.default] - self.rounds)


def measured(history: History) -> dict[str, float]:
    """Last seconds of fit and score, NaN where none are known: of a training from scratch, and of a whole pool."""
    fit, score = history.get("cost.fit.seconds"), history.get("cost.score.seconds")
    for loop, action in enumerate(history.actions[: len(fit) - 1], start=1):
        if action.endswith((", skip", ", warm")):
            fit = np.where(np.arange(len(fit)) == loop, np.nan, fit)
    whole = score * np.maximum(history.get("pool.size") / history.get("cost.rows.scored"), 1.0)
    known = {"fit": fit, "score": np.where(np.isfinite(whole), whole, score)}
    out = {}
    # What was previewed is selected in no time, and what was not is seldom taken: "select" says nothing here.
    for phase, values in known.items():
        values = values[np.isfinite(values) & (values > 0)]
        out[phase] = float(values[-1]) if len(values) else float("nan")
    return out


def _scored(share: np.ndarray, pool: float) -> np.ndarray:
    """Shares f8[A] of the pool that are really scored: `metaal.sampling.LEAST` rows are, however few were wanted."""
    return np.minimum(1.0, np.maximum(share, LEAST / pool)) if pool > 0 else share
