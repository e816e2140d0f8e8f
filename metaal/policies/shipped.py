"""The policy of a run that names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision
from metaal.policies.learned import Learned
from metaal.policies.learnedfile import load_shipped
from metaal.policies.schedule import Schedule
from metaal.prices import Prices

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True, eq=False)
class Default:
    """The best that was measured: the shipped learned policy, and the hand schedule where no probabilities are shown.

    Parameters
    ----------
    learned : Learned
    otherwise : Schedule
        For regressions, and for runs that show nothing but points.

    Examples
    --------
    >>> default(round=20).spelling
    'default(round=20)'
    """

    learned: Learned
    otherwise: Schedule = field(default_factory=Schedule)

    @property
    def arms(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self.learned.arms, *self.otherwise.arms)))

    @property
    def multipliers(self) -> tuple[float, ...]:
        """Those of the learned policy."""
        return self.learned.multipliers

    @property
    def default(self) -> str:
        """The strategy that advantages are measured against."""
        return self.learned.default

    @property
    def prices(self) -> Prices:
        """The learned policy's."""
        return self.learned.prices

    @property
    def spelling(self) -> str:
        """Text for the log."""
        return "default" + self.learned.spelling.removeprefix("learned")

    def offers(self, history: History) -> Sequence[Action]:
        """What either may take."""
        return tuple(dict.fromkeys((*self.learned.offers(history), *map(Action, self.otherwise.arms))))

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Ask the learned policy, where its default or at least margin can run."""
        shown = any(Action(arm) in actions for arm in (self.learned.default, "margin"))
        return (self.learned if shown else self.otherwise).decide(history, actions)


def default(*, explore: float = 0.0, **prices: float) -> Default:
    """The policy at other prices; see `load_shipped` for the parameters and errors."""
    return Default(load_shipped(explore=explore, **prices))
