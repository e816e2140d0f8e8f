"""Thompson sampling over strategies: the bandit of TAILOR, which wants labels of the classes that are rare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ActionSet, Decision
from metaal.policies.arms import check_arms
from metaal.policies.parameters import arms_taken, real, spelled, with_chances

if TYPE_CHECKING:
    from metaal.history import History

DISCOUNT = 0.9
GRID = 4096


@dataclass(frozen=True)
class Thompson:
    """Draw each strategy with the chance that it is the best one, under a Beta posterior of its reward.

    The reward of a batch is how rare the classes of its labels are, so that the arm which balances the classes wins.
    TAILOR weighs each label by one over the number of labels of its class. A run logs the entropy of the labels, not
    their counts, and so the weight is logarithmic here: n H - the number of labels times their entropy - grows with
    every label by minus the logarithm of its class's share, and the growth over a loop, per label and in units of
    log C, is the reward (0: the one class that is known; 1: as rare as in balance, or rarer). In a run without the
    series ``labels.entropy`` it is the share of the batch that the model had not predicted.

    As in TAILOR every label counts as one observation, past ones are discounted in each loop, and all arms start from
    Beta(1, 1), which stays in force. TAILOR draws an arm for each row of a batch, and keeps a Dirichlet posterior over
    the classes in tasks with one label a row; here one arm makes the batch. The chances are computed on a grid, not
    drawn, so that the log has the propensities.

    Parameters
    ----------
    arms : tuple of str
        Spellings of strategies.
    discount : float
        Weight, in [0, 1], of a loop's observations one loop later.

    Raises
    ------
    PolicyError
        A strategy or number that cannot be.

    Examples
    --------
    >>> Thompson(("margin", "random"), discount=0.5).spelling
    "thompson('margin', 'random', discount=0.5)"

    References
    ----------
    Zhang, Shao, Verma and Nowak 2023, Algorithm Selection for Deep Active Learning with Imbalanced Datasets.
    """

    arms: tuple[str, ...]
    discount: float = DISCOUNT

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", check_arms(self.arms))
        object.__setattr__(self, "discount", real("thompson", "discount", self.discount, 0, 1))

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The caller's batch."""
        return (1.0,)

    @property
    def spelling(self) -> str:
        """Text for the log."""
        return spelled("thompson", self.arms, {"discount": (self.discount, DISCOUNT)})

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Draw by the chance of being the best of the possible arms."""
        alpha, beta = self.posterior(history)
        possible = [k for k, arm in enumerate(self.arms) if any(action.strategy == arm for action in actions)]
        if not possible:
            return with_chances(actions, {}, "Thompson: none of its arms is possible, so anything")
        chances = best_chances(alpha[possible], beta[possible])
        mean = alpha / (alpha + beta)
        top = max(possible, key=lambda k: (mean[k], -k))
        why = f"Thompson: chance of being best; highest mean reward {mean[top]:.2f} by {self.arms[top]}"
        return with_chances(actions, {self.arms[k]: float(p) for k, p in zip(possible, chances, strict=True)}, why)

    def posterior(self, history: History) -> tuple[np.ndarray, np.ndarray]:
        """Parameters α and β, f8[N] each ≥ 1, of every arm's reward."""
        alpha, beta = np.zeros(len(self.arms)), np.zeros(len(self.arms))
        rewards, counts = _rewards(history)
        for arm, reward, count in zip(arms_taken(history, self.arms), rewards, counts, strict=True):
            alpha, beta = alpha * self.discount, beta * self.discount
            if arm >= 0 and np.isfinite(reward) and np.isfinite(count) and count > 0:
                alpha[arm] += count * reward
                beta[arm] += count * (1 - reward)
        return alpha + 1, beta + 1


def _rewards(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Reward in [0, 1] and number of labels, f8[T] each, of every decided loop; NaN where unknown."""
    decided = len(history.actions)
    rewards, counts = np.full(decided, np.nan), np.full(decided, np.nan)
    entropy, labels = history.get("labels.entropy"), history.get("labels.count")
    if np.isfinite(entropy).any():
        known = min(decided, len(history) - 1)
        counts[:known] = np.diff(labels)[:known]
        with np.errstate(divide="ignore", invalid="ignore"):
            rewards[:known] = (np.diff(labels * entropy) / np.diff(labels))[:known]
    else:
        known = min(decided, len(history))
        rewards[:known] = 1 - history.get("surprise.accuracy.batch")[:known]
        counts[:known] = history.get("oracle.told")[:known]
    return np.clip(rewards, 0, 1), counts


def best_chances(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Chance f8[N] that each of N independent Beta variables is the largest.

    ∫ f_i(x) Π_{j≠i} F_j(x) dx on the midpoints of a grid; good to about 1e-4 for α + β up to 100,000.

    Parameters
    ----------
    alpha, beta : f8[N]
        ≥ 1.

    Examples
    --------
    >>> best_chances(np.array([2.0, 1.0]), np.array([1.0, 1.0])).round(3).tolist()
    [0.667, 0.333]
    """
    x = (np.arange(GRID) + 0.5) / GRID
    logs = (alpha[:, None] - 1) * np.log(x) + (beta[:, None] - 1) * np.log1p(-x)
    mass = np.exp(logs - logs.max(1, keepdims=True))
    mass /= mass.sum(1, keepdims=True)
    below = np.cumsum(mass, axis=1) - mass / 2  # the half cell shares a tie in one cell between the two
    chances = np.array([(mass[i] * np.delete(below, i, axis=0).prod(0)).sum() for i in range(len(alpha))])
    return np.asarray(chances / chances.sum(), dtype=np.float64)
