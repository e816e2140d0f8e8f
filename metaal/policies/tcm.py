"""TCM: coverage while the model knows nothing, then uncertainty, counted in loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import UnavailableError
from metaal.policies.arms import check_arms
from metaal.policies.parameters import spelled, whole

if TYPE_CHECKING:
    from metaal.history import History

LOOPS = 3


@dataclass(frozen=True)
class Tcm:
    """Ask by a strategy of coverage for some loops, then by one of uncertainty for ever.

    The authors choose the initial pool and the first steps by TypiClust, and switch to margin. So the loops are counted
    from the initial pool on: where a run begins with no label at all, its first query is that pool and comes on top.
    Three steps are this package's reading of "a few", as in the strategy ``tcm``, which counts labels instead of loops
    (a strategy has no memory of them); that one is what the plain text ``tcm`` means.

    Where one of the two cannot run on the outputs, the other one is taken, and the reason says so.

    Parameters
    ----------
    coverage, then : str, Strategy or function
    loops : int
        Loops of coverage after the initial pool, 0 to 1,000,000.

    Raises
    ------
    PolicyError
        A strategy or number that cannot be.

    Examples
    --------
    >>> Tcm("prob_cover", loops=2).spelling
    "tcm(coverage='prob_cover', loops=2)"

    References
    ----------
    Doucet, Estermann, Aczel and Wattenhofer 2024, Bridging Diversity and Uncertainty in Active learning with
    Self-Supervised Pre-Training.
    """

    coverage: str = "typiclust"
    loops: int = LOOPS
    then: str = "margin"

    def __post_init__(self) -> None:
        coverage, then = check_arms((self.coverage, self.then))
        for name, value in (("coverage", coverage), ("then", then)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "loops", whole("tcm", "loops", self.loops, 0, 1_000_000))

    @property
    def arms(self) -> tuple[str, ...]:
        """Both strategies."""
        return (self.coverage, self.then)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The caller's batch."""
        return (1.0,)

    @property
    def spelling(self) -> str:
        """Text for the log; ``coverage`` is always in it, because a plain ``tcm`` is the strategy."""
        options = {"loops": (self.loops, LOOPS), "then": (self.then, "margin")}
        return spelled("tcm", [], {"coverage": (self.coverage, None), **options})

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take coverage in the first loops, the other strategy later."""
        counts = history.get("labels.count")
        initial = int(len(counts) > 0 and counts[0] == 0)
        loop, end = len(history) - 1, self.loops + initial
        early = loop < end
        wanted, other = (self.coverage, self.then) if early else (self.then, self.coverage)
        why = f"loop {loop + 1} of {end} by coverage" if early else f"coverage ended after {end} loops"
        if Action(wanted) in actions:
            return certain(actions, actions.index(Action(wanted)), why)
        if Action(other) not in actions:
            raise UnavailableError(f"neither {wanted} nor {other} is possible: {actions.reasons()}")
        why += f" ({wanted} is not possible: {actions.unavailable.get(wanted, 'not offered')})"
        return certain(actions, actions.index(Action(other)), why)
