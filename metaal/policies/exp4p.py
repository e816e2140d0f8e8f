"""Exp4.P over strategies: the bandit of Active Learning by Learning (ALBL)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ActionSet, Decision
from metaal.policies.arms import check_arms
from metaal.policies.parameters import arms_taken, real, spelled, whole, with_chances

if TYPE_CHECKING:
    from metaal.history import History

ROUNDS, DELTA = 100, 0.1


@dataclass(frozen=True)
class Exp4p:
    """Draw a strategy by weights that grow with importance-weighted rewards, and with what is not known of it.

    With N arms, T rounds and a weight w of each, arm i is drawn with p_i = (1 - N pmin) w_i / Σw + pmin. After a reward
    r of the arm that was drawn, every weight is multiplied by exp(pmin / 2 (ŷ_i + b / p_i)), where ŷ_i is r / p_i for
    that arm and 0 for the others, and b = √(ln(N / delta) / (N T)). All of it is computed again from the history in
    each loop.

    ALBL's reward is the accuracy of the retrained model on all the rows that were asked, each weighted by one over the
    chance of asking it. No model is here to be asked again, so the reward of a loop is the accuracy of the model that
    its labels trained on the batch of the *next* loop, before that batch is learnt (``surprise.accuracy.batch``). It is
    out of sample, where ALBL's is not, and comes a loop later. Its weight is 1 / (N p) with p the logged chance of the
    next loop's arm: on average over the draw that is the mean accuracy on all the arms' batches, so a model does not
    look worse because an arm that asks harder rows was drawn after it. As with ALBL a single reward may exceed 1.
    ALBL also rewards every strategy that would have asked the same row; here a batch is credited to the arm that was
    drawn.

    Loops without such a reward (nothing told, no ``proba``, another policy's action) change nothing. Where an arm
    cannot run, the others are drawn in proportion.

    Parameters
    ----------
    arms : tuple of str
        Spellings of strategies.
    rounds : int
        Loops T that are expected, 1 to 1,000,000.
    delta : float
        Chance, in [1e-9, 1], with which the bound of the regret may fail.
    pmin : float, optional
        Least chance of an arm, in [0, 1 / N]. Default: √(ln N / (N T)).

    Raises
    ------
    PolicyError
        A strategy or number that cannot be.

    Examples
    --------
    >>> Exp4p(("margin", "random"), rounds=30).spelling
    "exp4p('margin', 'random', rounds=30)"

    References
    ----------
    Hsu and Lin 2015, Active Learning by Learning; Beygelzimer, Langford, Li, Reyzin and Schapire 2011, Contextual
    Bandit Algorithms with Supervised Learning Guarantees.
    """

    arms: tuple[str, ...]
    rounds: int = ROUNDS
    delta: float = DELTA
    pmin: float | None = None

    def __post_init__(self) -> None:
        arms = check_arms(self.arms)
        given = {
            "arms": arms,
            "rounds": whole("exp4p", "rounds", self.rounds, 1, 1_000_000),
            "delta": real("exp4p", "delta", self.delta, 1e-9, 1),
            "pmin": None if self.pmin is None else real("exp4p", "pmin", self.pmin, 0, 1 / len(arms)),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The caller's batch."""
        return (1.0,)

    @property
    def spelling(self) -> str:
        """Text for the log."""
        options = {"rounds": (self.rounds, ROUNDS), "delta": (self.delta, DELTA), "pmin": (self.pmin, None)}
        return spelled("exp4p", self.arms, options)

    @property
    def least(self) -> float:
        """The least chance of an arm that is in force."""
        count = len(self.arms)
        usual = math.sqrt(math.log(count) / (count * self.rounds)) if self.pmin is None else self.pmin
        return min(usual, 1 / count)  # in very few rounds the bound asks for more than can be

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Draw by the weights that the history gives."""
        chances, rewards = self.chances(history)
        why = f"chances from {rewards} rewards" if rewards else "no reward is known yet"
        return with_chances(actions, dict(zip(self.arms, chances.tolist(), strict=True)), f"Exp4.P: {why}")

    def chances(self, history: History) -> tuple[np.ndarray, int]:
        """Chance f8[N] of each arm in the loop that is being decided, and the number of rewards behind it."""
        return self.updated(arms_taken(history, self.arms), self._rewards(history), history.propensities)

    def updated(self, taken: np.ndarray, rewards: np.ndarray, propensities: np.ndarray) -> tuple[np.ndarray, int]:
        """Chances f8[N] after a sequence of draws and rewards, and the number of rewards that counted.

        Parameters
        ----------
        taken : i8[T]
            Arm that was drawn; −1 for none of them.
        rewards : f8[T]
            NaN where there is none.
        propensities : f8[T]
            Chance with which the arm was drawn, in (0, 1].
        """
        count = len(self.arms)
        bonus = math.sqrt(math.log(count / self.delta) / (count * self.rounds))
        known = (taken >= 0) & np.isfinite(rewards) & (propensities > 0)
        logs = np.zeros(count)
        for k in np.flatnonzero(known):
            gain = bonus / np.maximum(self._mixed(logs), 1e-12)
            gain[taken[k]] += rewards[k] / propensities[k]
            logs = logs + self.least / 2 * gain
            logs -= logs.max()
        return self._mixed(logs), int(known.sum())

    def _mixed(self, logs: np.ndarray) -> np.ndarray:
        weights = np.exp(logs - logs.max())
        return (1 - len(self.arms) * self.least) * weights / weights.sum() + self.least

    def _rewards(self, history: History) -> np.ndarray:
        """Reward f8[T] of each decided loop: the weighted accuracy on the next loop's batch."""
        decided = len(history.actions)
        rewards = np.full(decided, np.nan)
        accuracy, chance = history.get("surprise.accuracy.batch"), history.propensities
        known = min(decided, len(accuracy))
        if known > 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                rewards[: known - 1] = accuracy[1:known] / (len(self.arms) * chance[1:known])
        return rewards
