"""The behaviour policy of rehearsals: mostly the default, often enough anything else, with the chances logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ARMS, DEFAULT_ARM, Action, ActionSet, Decision, read_action
from metaal.errors import PolicyError
from metaal.policies.arms import check_actions, check_arm, check_arms, check_multipliers

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True)
class Exploring:
    """Take the default action, or with probability ``share`` one of all actions, each with the same chance.

    The states that it meets stay near to those of a good policy, and still every action has a chance of at least
    share / A at every loop, so that its logs serve off-policy estimates.

    Parameters
    ----------
    arms : tuple of str
        Spellings of strategies; the default is put in front where it is missing.
    multipliers : tuple of float
        Batch multipliers, each > 0; 1 is put in front where it is missing.
    default : str
        The strategy that is taken most.
    share : float
        Probability, in (0, 1], of drawing from all actions alike.
    further : tuple of str
        Actions beside the product of arms and multipliers, such as ``"margin ×8"`` or ``"margin, share 0.25"``;
        their strategies must be among the arms.

    Raises
    ------
    PolicyError
        A strategy, multiplier or share that cannot be.

    Examples
    --------
    >>> Exploring(("margin", "random"), share=0.3).spelling
    "exploring('cluster_margin', 'margin', 'random', share=0.3)"
    """

    arms: tuple[str, ...] = ARMS
    multipliers: tuple[float, ...] = (1.0,)
    default: str = DEFAULT_ARM
    share: float = 0.5
    further: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", check_arm(self.default))
        arms, multipliers = check_arms(self.arms), check_multipliers(self.multipliers)
        object.__setattr__(self, "arms", tuple(dict.fromkeys((self.default, *arms))))
        further = check_actions(self.further)
        strange = [action.strategy for action in further if action.strategy not in self.arms]
        if strange:
            raise PolicyError(f"further: {strange[0]} is not among the arms; expected one of {', '.join(self.arms)}")
        object.__setattr__(self, "further", tuple(map(str, further)))
        object.__setattr__(self, "multipliers", tuple(dict.fromkeys((1.0, *multipliers))))
        number = isinstance(self.share, int | float) and not isinstance(self.share, bool)
        if not number or not 0 < self.share <= 1:
            raise PolicyError(f"share: got {self.share!r}, expected a number above 0 and at most 1, such as 0.5")
        object.__setattr__(self, "share", float(self.share))

    @property
    def spelling(self) -> str:
        """Text for the log."""
        parts = [repr(arm) for arm in self.arms]
        if self.multipliers != (1.0,):
            parts.append(f"multipliers={self.multipliers!r}")
        if self.default != DEFAULT_ARM:
            parts.append(f"default={self.default!r}")
        if self.further:
            parts.append(f"further={self.further!r}")
        return f"exploring({', '.join(parts)}, share={self.share!r})"

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action, the plain default first."""
        product = [Action(arm, multiplier) for arm in self.arms for multiplier in self.multipliers]
        return tuple(dict.fromkeys((*product, *map(read_action, self.further))))

    def offers(self, history: History) -> tuple[Action, ...]:
        """All of them, in every loop."""
        return self.actions

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Return the mixture; where the default cannot run, all actions alike."""
        usual = Action(self.default)
        uniform = np.full(len(actions), 1 / len(actions))
        if usual not in actions:
            return Decision(uniform, f"one of {len(actions)} actions at random ({self.default} is not possible)")
        probabilities = self.share * uniform
        probabilities[actions.index(usual)] += 1 - self.share
        why = f"exploring: {self.default}, or with probability {self.share:g} one of {len(actions)} actions"
        return Decision(probabilities, why)
