"""One strategy for ever: what almost everybody does, as a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision, Refit, certain
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
    share : float
        Share of the pool, in (0, 1], to compute outputs for.
    refit : str
        ``"full"``, ``"warm"`` or ``"skip"``: how the model is trained on the new labels, see `Action`.

    Examples
    --------
    >>> Fixed("power_margin(beta=2.0)").spelling
    'power_margin(beta=2.0)'
    >>> Fixed("margin", 4, refit="warm").spelling
    "fixed('margin', multiplier=4.0, refit='warm')"
    """

    strategy: str
    multiplier: float = 1.0
    share: float = 1.0
    refit: Refit = "full"

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", check_arm(self.strategy))
        object.__setattr__(self, "multiplier", check_multipliers((self.multiplier,))[0])
        object.__setattr__(self, "share", float(self.action.share))

    @property
    def action(self) -> Action:
        """What it does in every loop."""
        return Action(self.strategy, self.multiplier, self.share, self.refit)

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
        how = {"multiplier": (self.multiplier, 1.0), "share": (self.share, 1.0), "refit": (self.refit, "full")}
        said = "".join(f", {name}={value!r}" for name, (value, usual) in how.items() if value != usual)
        return f"fixed({self.strategy!r}{said})" if said else self.strategy

    def offers(self, history: History) -> tuple[Action, ...]:
        """The action; of a class that is made from this one, what its arms and multipliers say."""
        return tuple(Action(arm, m, self.share, self.refit) for arm in self.arms for m in self.multipliers)

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the action; it is an error if the outputs do not allow it."""
        if self.action not in actions:
            raise UnavailableError(f"{self.action} is not possible: {actions.reasons()}")
        return certain(actions, actions.index(self.action), "fixed strategy")
