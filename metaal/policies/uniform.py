"""The policy that explores: every action with the same probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ARMS, ActionSet, Decision
from metaal.policies.arms import check_arms, check_multipliers

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True)
class Uniform:
    """Draw one of the possible actions, each with the same probability.

    Parameters
    ----------
    arms : tuple of str
        Spellings of strategies.
    multipliers : tuple of float
        Batch multipliers, each > 0.

    Examples
    --------
    >>> Uniform(("margin", "random")).spelling
    "uniform('margin', 'random')"
    """

    arms: tuple[str, ...] = ARMS
    multipliers: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", check_arms(self.arms))
        object.__setattr__(self, "multipliers", check_multipliers(self.multipliers))

    @property
    def spelling(self) -> str:
        """Text for the log."""
        parts = [] if self.arms == ARMS else [repr(arm) for arm in self.arms]
        if self.multipliers != (1.0,):
            parts.append(f"multipliers={self.multipliers!r}")
        return f"uniform({', '.join(parts)})" if parts else "uniform"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Return the uniform distribution over the actions."""
        return Decision(np.full(len(actions), 1 / len(actions)), f"one of {len(actions)} actions at random")
