"""What the actions of one loop cost in compute, on the machine that the run's own costs tell of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ActionSet
from metaal.prices import Prices

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs of each action for one batch's worth of labels.

    Parameters
    ----------
    loop : f8[A]
        Seconds of fit, score and select; NaN where unknown.
    rounds : f8[A]
        Loops.
    default : int
        Place of the default.
    """

    loop: np.ndarray
    rounds: np.ndarray
    default: int

    @classmethod
    def of(cls, actions: ActionSet, phases: Mapping[str, np.ndarray], history: History, default: int) -> Costs:
        """Calibrate predicted seconds to the run, and count them by batch.

        Parameters
        ----------
        phases : mapping
            "fit", "score" and "select" → seconds f8[A] as predicted, on whatever machine was learnt on.
        history : History
            Whose last seconds say how fast this machine is; without any, the predictions stand as they are.
        """
        batches = np.array([1.0 if action.stop else action.multiplier for action in actions])
        trained = np.array([action.refit != "skip" for action in actions])
        shares = np.array([action.share for action in actions])
        seconds = {}
        for phase, predicted in phases.items():
            past = history.get(f"cost.{phase}.seconds")
            past = past[np.isfinite(past) & (past > 0)]
            usual = predicted[default]
            factor = float(past[-1] / usual) if len(past) and np.isfinite(usual) and usual > 0 else 1.0
            seconds[phase] = predicted * factor
        loop = np.where(trained, seconds["fit"], 0.0)
        # A phase of which nothing is known counts as equal for all.
        loop = loop + np.nan_to_num(seconds["score"] * shares) + np.nan_to_num(seconds["select"])
        return cls(loop / batches, 1 / batches, default)

    def saved(self, prices: Prices) -> np.ndarray:
        """Money f8[A] saved over the default, for one batch's worth of labels; unknown seconds count as equal."""
        less = np.nan_to_num(self.loop[self.default] - self.loop)
        return prices.second * less + prices.round * (self.rounds[self.default] - self.rounds)
