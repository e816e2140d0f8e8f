"""Borda: several strategies vote by rank on every row, in every loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import PolicyError, UnavailableError
from metaal.policies.arms import check_arm, check_arms
from metaal.policies.parameters import spelled

if TYPE_CHECKING:
    from metaal.history import History


@dataclass(frozen=True)
class Borda:
    """Ask for the rows whose mean rank over several strategies is best; nothing is learnt.

    A constant policy over the zoo's ``fuse``, with equal weights: each strategy ranks the pool, and the places are
    added up as in a count by Borda. All strategies must be able to run on the outputs.

    Parameters
    ----------
    parts : tuple of str
        Spellings of two or more strategies.

    Raises
    ------
    PolicyError
        Fewer than two strategies, or one twice.

    Examples
    --------
    >>> Borda(("margin", "typiclust")).spelling, Borda(("margin", "typiclust")).arms
    ("borda('margin', 'typiclust')", ('fuse(margin=0.5, typiclust=0.5)',))

    References
    ----------
    Borda 1781, Mémoire sur les élections au scrutin; Dwork, Kumar, Naor and Sivakumar 2001, Rank Aggregation Methods
    for the Web.
    """

    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = check_arms(self.parts)
        if len(parts) < 2:
            raise PolicyError(f"borda: got the strategy {parts[0]!r} alone, expected two or more to be fused")
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "_fused", check_arm(f"fuse({', '.join(parts)})"))

    @property
    def arms(self) -> tuple[str, ...]:
        """The fused strategy."""
        return (str(self.__dict__["_fused"]),)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The caller's batch."""
        return (1.0,)

    @property
    def spelling(self) -> str:
        """Text for the log."""
        return spelled("borda", self.parts, {})

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the fused strategy; it is an error if the outputs do not allow it."""
        wanted = Action(self.arms[0])
        if wanted not in actions:
            raise UnavailableError(f"{wanted} is not possible: {actions.reasons()}")
        return certain(actions, actions.index(wanted), f"ranks of {len(self.parts)} strategies, added up")
