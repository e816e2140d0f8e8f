"""Actions weighed in the user's prices: which one is taken, and what one line says of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metaal.actions import Action, ActionSet
from metaal.policies.costs import Costs
from metaal.prices import Prices


@dataclass(frozen=True)
class Horizon:
    """Over which batches an advantage was learnt.

    Parameters
    ----------
    batches : int
        Over how many it is a mean, from the action's own on; ≥ 1.
    commit : int
        How many of them the action's strategy chose, the default the others; from 1 to ``batches``.
    """

    batches: int = 3
    commit: int = 1

    def __str__(self) -> str:
        whose = "the action's own" if self.commit == 1 else f"{self.commit} of the action's strategy"
        return f"{self.batches} batches of labels, {whose}, then the default's"


SHORT = Horizon()
"""That of logged runs; see `metaal.curve`."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """What is predicted of the actions of one loop.

    Parameters
    ----------
    actions : ActionSet
    default : int
        Place of the default.
    mean, deviation : f8[A]
        Advantage over the default in score, and the standard deviation of its members; NaN where nothing is known.
    gate : float
        Deviations below the mean at which the cautious bound lies.
    costs : Costs
    horizon : Horizon
    order : sequence of int
        Of equals, the one of the lowest number is taken: places in a list that does not depend on how ``actions`` is
        ordered.
    """

    actions: ActionSet
    default: int
    mean: np.ndarray
    deviation: np.ndarray
    gate: float
    costs: Costs
    horizon: Horizon
    order: Sequence[int]

    @property
    def lower(self) -> np.ndarray:
        """The cautious bound f8[A]."""
        return self.mean - self.gate * self.deviation

    def best(self, prices: Prices) -> tuple[int, np.ndarray]:
        """Place of the action taken, and the utility f8[A] of each one over the default's, a batch of labels.

        What is not a finite number is never taken, nor is another batch size, share or training that saves nothing.
        """
        worth = worth_of(self.actions, prices, self.horizon, self.actions[self.default].strategy)
        saved = self.costs.saved(prices)
        utility, cautious = worth * self.mean + saved, worth * self.lower + saved
        utility[self.default] = 0.0
        # Other batches, shares and trainings are there to save money: that they gain, too, was never proven.
        plain = np.array([action.plain for action in self.actions])
        allowed = (cautious > 0) & np.isfinite(utility) & (plain | (saved > 0))
        allowed[self.default] = True
        value = np.where(allowed, utility, -np.inf)
        ties = np.flatnonzero(value == value.max()).tolist()
        if self.default in ties:
            return self.default, utility
        return min(ties, key=lambda k: (self.order[k], str(self.actions[k]))), utility

    def explained(self, best: int, prices: Prices, spread: tuple[float, float] | None = None) -> str:
        """One line: what is expected of the action taken, what it costs, and what other prices would have chosen.

        Parameters
        ----------
        best : int
            As `best` says.
        prices : Prices
        spread : (float, float), optional
            10 and 90 % quantiles of its advantage, in score.
        """
        name, utility = self.actions[self.default].strategy, self.best(prices)[1]
        if best == self.default:
            why = f"the default; nothing else is predicted to be better with confidence (at most {self._most()} pp)"
        else:
            lower = f"{100 * self.lower[best]:+.2f} pp"
            if spread is not None:
                lower += f", 8 of 10 times {100 * min(spread):+.1f} to {100 * max(spread):+.1f}"
            why = f"predicted {100 * self.mean[best]:+.2f} pp over {name} (cautious {lower})"
            why += f", worth {utility[best]:+.2f} in your prices"
            costs = self._costs(best, prices)
            why += f"; {costs}" if costs else ""
        dear = self.best(_dear_rounds(prices))[0]
        return why if dear == best else f"{why}; with dear rounds it would be {self.actions[dear]}"

    def _most(self) -> str:
        """The largest advantage, in points."""
        return f"{100 * np.nanmax(self.mean):+.2f}"

    def _costs(self, best: int, prices: Prices) -> str:
        """Rounds and compute for a batch of labels."""
        action, words = self.actions[best], []
        if action.multiplier != 1:
            words.append(f"{self.costs.rounds[best]:.3g} rounds a batch of labels")
        # Measured seconds change from one playing to the next: they are named only where they were paid for.
        loop = self.costs.loop if prices.second > 0 else self.costs.plain
        more, usual = float(loop[best] - loop[self.default]), float(loop[self.default])
        if np.isfinite(more) and prices.second > 0:
            words.append(f"{more:+.2g} s")
        elif np.isfinite(more) and usual > 0 and (not action.plain or abs(more) > 0.05 * usual):
            words.append(f"{100 * more / usual:+.0f} % compute")
        return ", ".join(words)


def worth_of(actions: Sequence[Action], prices: Prices, horizon: Horizon, default: str) -> np.ndarray:
    """What one unit of each action's advantage (score, 0 to 1) is worth for one batch's worth of labels, f8[A].

    An advantage is a mean over the action's own batches and what follows; one decision answers for its part of those
    that the action's strategy chose.
    """
    batches = np.array([1.0 if action.stop else action.multiplier for action in actions])
    own = batches + np.array([0 if action.strategy in (default, "") else horizon.commit - 1 for action in actions])
    return prices.point * 100 * (batches + horizon.batches - 1) / own


def _dear_rounds(prices: Prices) -> Prices:
    """Prices of somebody who waits long for every round."""
    most = sys.float_info.max
    second, label = min(10 * prices.second, most), min(10 * prices.label, most)
    return replace(prices, second=second, round=min(10 * prices.round + label, most))
