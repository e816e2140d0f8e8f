"""SelectAL's idea: find out whether labels are few or many for this task, and choose the family of strategies by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import Action, ActionSet, Decision, certain
from metaal.errors import UnavailableError
from metaal.policies.arms import check_arms
from metaal.policies.parameters import arms_taken, spelled, whole

if TYPE_CHECKING:
    from metaal.history import History

WINDOW, EVERY = 2, 5


@dataclass(frozen=True)
class SelectAl:
    """Follow the strategy whose batches change the model more: a low-budget one at first, a high-budget one later.

    SelectAL leaves small parts out of the labelled set - rows that a low-budget strategy would have asked, rows that a
    high-budget one would have asked, rows at random - trains again, and takes the strategy whose rows are missed most
    in cross-validated accuracy. A policy has neither the model nor the labels, so this one is *not* that test but the
    nearest one that costs nothing: the models of two loops that follow each other differ in one batch, and so the
    change of the predictions on the reference rows (``churn.proba``) is what leaving that batch out would do to them.

    The approximation in full: predictions instead of accuracy (a change for the worse counts as well), the last batches
    instead of a chosen part, no random part as third option, and the pool without the rows just asked instead of a
    validation split. The effect of a loop is ``churn.proba`` times the labels before it over the labels that it brought
    (a derivative by the logarithm of the count, so that later loops are not small by themselves), and a strategy's
    effect is the mean over its last ``window`` loops that have one. The first loop is by ``low``, the second by
    ``high``; then whichever has the larger effect (``low`` if equal), and the other one again when it was not asked for
    ``every`` loops. Where nothing can be compared it takes ``low`` for ``window`` loops, then ``high``.

    Parameters
    ----------
    low, high : str, Strategy or function
        Strategies for small and for large budgets.
    window : int
        Loops that an effect is the mean of, 1 to 1,000.
    every : int
        Loops after which the other strategy is tried again, 2 to 1,000,000.

    Raises
    ------
    PolicyError
        A strategy or number that cannot be.

    Examples
    --------
    >>> SelectAl("prob_cover", "entropy").spelling
    "select_al('prob_cover', 'entropy')"

    References
    ----------
    Hacohen and Weinshall 2023, How to Select Which Active Learning Strategy is Best Suited for Your Specific Problem
    and Budget.
    """

    low: str = "typiclust"
    high: str = "margin"
    window: int = WINDOW
    every: int = EVERY

    def __post_init__(self) -> None:
        low, high = check_arms((self.low, self.high))
        given = {
            "low": low,
            "high": high,
            "window": whole("select_al", "window", self.window, 1, 1_000),
            "every": whole("select_al", "every", self.every, 2, 1_000_000),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def arms(self) -> tuple[str, ...]:
        """Both strategies."""
        return (self.low, self.high)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The caller's batch."""
        return (1.0,)

    @property
    def spelling(self) -> str:
        """Text for the log."""
        options = {"window": (self.window, WINDOW), "every": (self.every, EVERY)}
        return spelled("select_al", self.arms, options)

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Take the strategy of the larger effect, or the other one to try it again."""
        place, why = self._wanted(history)
        wanted, other = self.arms[place], self.arms[1 - place]
        if Action(wanted) in actions:
            return certain(actions, actions.index(Action(wanted)), why)
        if Action(other) not in actions:
            raise UnavailableError(f"neither {wanted} nor {other} is possible: {actions.reasons()}")
        why += f" ({wanted} is not possible: {actions.unavailable.get(wanted, 'not offered')})"
        return certain(actions, actions.index(Action(other)), why)

    def _wanted(self, history: History) -> tuple[int, str]:
        taken = arms_taken(history, self.arms)
        for place, words in ((0, "first"), (1, "then")):
            if not (taken == place).any():
                return place, f"{words} a batch by {self.arms[place]}, to compare what the two do"
        low, high = self.effects(history)
        if not np.isfinite([low, high]).all():
            few = int((taken == 0).sum()) < self.window
            return (0, "nothing to compare yet") if few else (1, "nothing to compare, and the first loops are over")
        better = 0 if low >= high else 1
        words = f"effect of {self.low} {low:.3g}, of {self.high} {high:.3g}"
        if not (taken[-self.every + 1 :] == 1 - better).any():
            return 1 - better, f"{words}; {self.arms[1 - better]} was not asked for {self.every - 1} loops"
        return better, words

    def effects(self, history: History) -> tuple[float, float]:
        """Change of the predictions per relative growth of the labels, for ``low`` and ``high``; NaN where unknown."""
        taken = arms_taken(history, self.arms)[: max(len(history) - 1, 0)]
        labels, churn = history.get("labels.count"), history.get("churn.proba")[1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = (churn * labels[:-1] / np.diff(labels))[: len(taken)]
        effect = np.where(np.diff(labels)[: len(taken)] > 0, effect, np.nan)
        means = []
        for place in (0, 1):
            own = effect[(taken == place) & np.isfinite(effect)][-self.window :]
            means.append(float(own.mean()) if len(own) else float("nan"))
        return means[0], means[1]
