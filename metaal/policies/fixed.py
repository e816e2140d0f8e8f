"""One strategy for ever: what almost everybody does, as a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import UnavailableError
from metaal.policies.arms import check_arm, check_multipliers

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True)
class Fixed:
    """Take the same action in every loop.

    Parameters
    ----------
    strategy : str, Strategy or function
        Spelling of a strategy of the zoo, the strategy itself, or a function ``f(view, n, rng) -> rows``; kept as text.
    multiplier : float
        Rows to ask for, as a multiple of the caller's; > 0.

    Examples
    --------
    >>> Fixed("power_margin(beta=2.0)").spelling
    'power_margin(beta=2.0)'
    """

    strategy: str
    multiplier: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", check_arm(self.strategy))
        object.__setattr__(self, "multiplier", check_multipliers((self.multiplier,))[0])

    @property
    def arms(self) -> tuple[str, ...]:
        """The one strategy."""
        return (self.strategy,)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The one multiplier."""
        return (self.multiplier,)

    @property
    def spelling(self) -> str:
        """Text for the log."""
        if self.multiplier == 1:
            return self.strategy
        return f"fixed({self.strategy!r}, multiplier={self.multiplier!r})"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the action; it is an error if the outputs do not allow it."""
        wanted = Action(self.strategy, self.multiplier)
        if wanted not in actions:
            raise UnavailableError(f"{wanted} is not possible: {actions.reasons()}")
        return certain(actions, actions.index(wanted), "fixed strategy")
