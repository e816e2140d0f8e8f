"""A hand-written hand-over: one strategy for some loops, then the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import PolicyError, UnavailableError
from metaal.policies.arms import check_arm, check_multipliers
from strategy_zoo import get

if TYPE_CHECKING:
    from metaal.history import History

Stage = tuple[str, int] | tuple[str, int, float]

HAND_SCHEDULE: tuple[Stage, ...] = (("typiclust", 2), ("cluster_margin", 8), ("margin", 0))
"""Coverage while the model knows nothing, then uncertainty with diversity, then uncertainty alone."""

HAND_REGRESSION = ("improved_greedy", "greedy_y")
"""The hand schedule of a regression, the first that the outputs allow: iGS takes rows far from what is known in the
features and in the predictions at once; GSy, where no embedding is shown, in the predictions alone. Both are of Wu, Lin
and Huang 2019, Active Learning for Regression Using Greedy Sampling. Margins need probabilities; typiclust could run,
but does not look at what the model says."""


@dataclass(frozen=True)
class Schedule:
    """Follow stages of (strategy, loops) or (strategy, loops, batch multiplier); the last one has no end.

    The hand schedule, ``Schedule()``, is for classes. Where predictions are shown and no probabilities, which is what a
    regression looks like, it takes the first of `HAND_REGRESSION` that the outputs allow, from the first loop on.
    Stages of one's own stay what they are: for a regression, write ``Schedule((("improved_greedy", 0),))``.

    Parameters
    ----------
    stages : tuple
        Strategy spelling, number of loops ≥ 1 (0 for the last stage, which goes on for ever), and optionally the batch
        multiplier. A stage that the outputs do not allow (no embedding, say) is replaced by the nearest later one that
        they do.

    Raises
    ------
    PolicyError
        A stage cannot be read.

    Examples
    --------
    >>> Schedule().spelling
    'schedule'
    >>> Schedule((("random", 1), ("margin", 0))).spelling
    "schedule(('random', 1), ('margin', 0))"

    References
    ----------
    Hacohen, Dekel and Weinshall 2022, Active Learning on a Budget (typiclust first, uncertainty later). Citovsky et al.
    2021, Batch Active Learning at Scale (cluster_margin). Wu, Lin and Huang 2019 (the regression's rule).
    """

    stages: tuple[Stage, ...] = HAND_SCHEDULE

    def __post_init__(self) -> None:
        if isinstance(self.stages, str) or not self.stages:
            raise PolicyError("schedule: no stages; pass at least one (strategy, 0)")
        last = len(self.stages) - 1
        stages = tuple(_check_stage(stage, place, place == last) for place, stage in enumerate(self.stages))
        object.__setattr__(self, "stages", stages)

    @property
    def arms(self) -> tuple[str, ...]:
        """The strategies of all stages, each once; then those that the hand schedule has for a regression."""
        return tuple(dict.fromkeys((*(stage[0] for stage in self.stages), *self._regression)))

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The batch multipliers of all stages, each once."""
        return tuple(dict.fromkeys(_action(stage).multiplier for stage in self.stages))

    @property
    def spelling(self) -> str:
        """Text for the log."""
        return "schedule" if self.stages == HAND_SCHEDULE else f"schedule({', '.join(map(repr, self.stages))})"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the action of the stage that this loop belongs to, or the regression's."""
        arm = self._of_regression(actions)
        if arm is not None:
            why = f"{arm}: predictions are shown and no probabilities, so this is a regression"
            return certain(actions, actions.index(Action(arm)), why)
        loop, end, place = len(history) - 1, 0, 0
        for place, stage in enumerate(self.stages):  # noqa: B007 - the stage that is reached is what we want
            end += stage[1]
            if stage[1] == 0 or loop < end:
                break
        wanted = _action(self.stages[place])
        for stage in self.stages[place:]:
            if _action(stage) in actions:
                why = f"stage {place + 1} of {len(self.stages)}"
                if _action(stage) != wanted:
                    why += f" ({wanted} is not possible: {actions.unavailable.get(wanted.strategy, 'not offered')})"
                return certain(actions, actions.index(_action(stage)), why)
        raise UnavailableError(f"no stage from {wanted} on is possible: {actions.reasons()}")

    @property
    def _regression(self) -> tuple[str, ...]:
        return HAND_REGRESSION if self.stages == HAND_SCHEDULE else ()

    def _of_regression(self, actions: ActionSet) -> str | None:
        """The strategy for a regression; None where some stage has the probabilities it needs, or nothing is shown."""
        if any(_action(stage) in actions for stage in self.stages if "proba" in get(stage[0]).needs):
            return None
        return next((arm for arm in self._regression if Action(arm) in actions), None)


def _action(stage: Stage) -> Action:
    return Action(stage[0], stage[2] if len(stage) == 3 else 1.0)


def _check_stage(stage: Stage, place: int, last: bool) -> Stage:
    if (
        isinstance(stage, str)
        or len(stage) not in (2, 3)
        or not isinstance(stage[1], int)
        or isinstance(stage[1], bool)
    ):
        raise PolicyError(
            f"schedule: stage {place} is {stage!r}, expected (strategy, loops) or (strategy, loops, multiplier)"
        )
    if (stage[1] != 0) if last else (stage[1] < 1):
        raise PolicyError(
            f"schedule: stage {place} {stage!r} has {stage[1]} loops; every stage lasts at least 1 loop, and "
            "the last one "
            "has 0, which means for ever"
        )
    name = check_arm(stage[0])
    if len(stage) == 2 or stage[2] == 1:
        return (name, stage[1])
    return (name, stage[1], check_multipliers((stage[2],))[0])
