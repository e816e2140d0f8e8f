"""Active Learning by Learning, written from the paper, with libact's published choices where the paper leaves it open.

A bandit (Exp4.P) draws among experts, each of which has a row to ask for; the reward of a draw is the
importance-weighted accuracy, over the rows asked so far, of a model trained on all labels. libact asks one row at a
time; here a batch is n draws without replacement, in which an expert that had its row taken offers its next one, and
the n updates are made when the labels are there. With n = 1 the weights are libact's. Two further differences: the
uniform expert draws among the rows that are left (libact's also draws labelled ones, which gives further updates), and
HintSVM, an expert of libact's example that needs its own C code, is left out.

Sources: Hsu and Lin 2015, Active Learning by Learning. Beygelzimer et al. 2011, Contextual Bandit Algorithms with
Supervised Learning Guarantees. Yang et al. 2017, libact: Pool-based Active Learning in Python.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from strategy_zoo import propose
from strategy_zoo.errors import UnmetNeedError
from strategy_zoo.plain import Plain, Rule
from strategy_zoo.view import View


@dataclass(frozen=True, eq=False)
class Exp4P:
    """The bandit of ALBL: its arms are the experts, so the advice of expert k is arm k.

    Parameters
    ----------
    weights : f8[K]
        Above 0; all 1 at first.
    rounds : int
        T, the draws that the constants are set for, ≥ 1.
    delta : float
        Chance with which the guarantee may fail, in (0, 1].

    Examples
    --------
    >>> Exp4P(np.ones(2), rounds=100).probabilities.tolist()
    [0.5, 0.5]
    """

    weights: np.ndarray
    rounds: int
    delta: float = 0.1

    @property
    def least(self) -> float:
        """p_min = √(ln K / (K T)), at most 1 / K."""
        count = len(self.weights)
        return float(min(np.sqrt(np.log(count) / (count * self.rounds)), 1 / count))

    @property
    def probabilities(self) -> np.ndarray:
        """p_k = (1 − K p_min) w_k / Σ w + p_min, f8[K]."""
        found: np.ndarray = (1 - len(self.weights) * self.least) * self.weights / self.weights.sum() + self.least
        return found

    def updated(self, advice: np.ndarray, probabilities: np.ndarray, drawn: float, reward: float) -> Exp4P:
        """The bandit after one draw.

        Parameters
        ----------
        advice : f8[K]
            Probability that each expert gave to the row that was drawn.
        probabilities : f8[K]
            Of the arms when it was drawn.
        drawn : float
            q = Σ p_k advice_k, the row's own probability.
        reward : float
            In [0, 1].
        """
        count = len(self.weights)
        gain = reward * advice / drawn
        bonus = np.sqrt(np.log(count / self.delta) / (count * self.rounds)) / probabilities
        weights = self.weights * np.exp(self.least / 2 * (gain + bonus))
        return replace(self, weights=weights / weights.max())  # only their ratios count


@dataclass(frozen=True, eq=False)
class Draw:
    """One row that was asked for, and how it came to be."""

    advice: np.ndarray
    probabilities: np.ndarray
    chance: float


@dataclass(frozen=True, eq=False)
class Memory:
    """The bandit at the beginning of a loop."""

    bandit: Exp4P
    seen: np.ndarray
    """f8[L,D]: the labelled rows then."""
    first: int
    """Rows that were labelled when it began."""
    draws: tuple[Draw, ...] = ()
    """Of the rows labelled since, in order."""


@dataclass(eq=False)
class Albl:
    """The strategy: a callable ``(view, n, rng) -> rows`` that goes on with its bandit from loop to loop.

    What it remembers is recognised by the labelled rows: if those of the last loop aren't the first ones of this
    loop's, or rows were labelled that it did not ask for, another run has begun (or one was resumed in another
    process), and the bandit begins anew. Asking twice in one loop gives the same bandit.

    Parameters
    ----------
    experts : sequence of str or function
        Strategies of the zoo, or functions; a uniform expert comes after them.
    rounds : int
        T: the labels that the bandit's constants and rewards are set for.
    delta : float
    """

    experts: Sequence[str | Rule]
    rounds: int = 100
    delta: float = 0.1
    _memory: Memory | None = field(default=None, repr=False)
    _asked: list[tuple[np.ndarray, tuple[Draw, ...]]] = field(default_factory=list, repr=False)

    @property
    def weights(self) -> np.ndarray:
        """Of the experts and the uniform one, f8[K], the largest 1."""
        return np.ones(len(self.experts) + 1) if self._memory is None else self._memory.bandit.weights

    def __call__(self, view: View, n: int, rng: np.random.Generator) -> np.ndarray:
        """Rows i8[n] of the pool."""
        if view.embedding is None or view.seen_embedding is None or view.seen_y is None:
            raise UnmetNeedError("albl needs embedding, seen_embedding and seen_y; pass all of them to the view")
        memory = self._recalled(view)
        if memory is not self._memory:
            self._memory, self._asked = memory, []
        ranked = [propose(_plain(expert), view, min(view.n, 2 * n), rng).rows.tolist() for expert in self.experts]
        left = np.ones(view.n, dtype=bool)
        p = memory.bandit.probabilities
        rows: list[int] = []
        draws: list[Draw] = []
        for _ in range(n):
            advice = np.zeros((len(p), view.n))
            advice[-1, left] = 1 / left.sum()
            for line, order in zip(advice, ranked, strict=False):
                # Where all that it ranked is taken it has no opinion.
                wanted = next((row for row in order if left[row]), None)
                line[:] = advice[-1] if wanted is None else 0
                if wanted is not None:
                    line[wanted] = 1
            chance = p @ advice
            row = int(rng.choice(view.n, p=chance / chance.sum()))
            rows.append(row)
            draws.append(Draw(advice[:, row].copy(), p, float(chance[row])))
            left[row] = False
        self._asked.append((view.embedding[rows].astype(np.float64), tuple(draws)))
        return np.array(rows)

    def _recalled(self, view: View) -> Memory:
        """The bandit as of this loop: as it was, with the new labels' rewards, or a new one."""
        seen = np.asarray(view.seen_embedding, dtype=np.float64)
        old = self._memory
        fresh = Memory(Exp4P(np.ones(len(self.experts) + 1), self.rounds, self.delta), seen, len(seen))
        if old is None or len(seen) < len(old.seen) or not np.array_equal(seen[: len(old.seen)], old.seen):
            return fresh
        new = seen[len(old.seen) :]
        if not len(new):
            return old
        draws = next((d for x, d in self._asked if x.shape == new.shape and np.array_equal(x, new)), None)
        return fresh if draws is None else self._rewarded(old, seen, view, draws)

    def _rewarded(self, old: Memory, seen: np.ndarray, view: View, draws: tuple[Draw, ...]) -> Memory:
        """One update for each new row; its reward counts the rows asked up to it."""
        asked = (*old.draws, *draws)
        right = _right(seen, np.asarray(view.seen_y))[old.first :]
        weighted = np.cumsum(right / np.array([draw.chance for draw in asked]))
        bandit = old.bandit
        for k, draw in enumerate(draws, start=len(old.draws)):
            reward = float(weighted[k]) / (view.n + len(seen)) / self.rounds
            bandit = bandit.updated(draw.advice, draw.probabilities, draw.chance, min(reward, 1.0))
        return Memory(bandit, seen, old.first, asked)


def _right(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether a logistic regression trained on all of these rows predicts each one's label, f8[L]."""
    if len(np.unique(y)) < 2:
        return np.ones(len(y))
    found: np.ndarray = _logistic(x, y, 1.0).predict(x) == y
    return found.astype(np.float64)


def _logistic(x: np.ndarray, y: np.ndarray, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # features that aren't scaled make it want more rounds
        return LogisticRegression(C=strength).fit(x, y)


def least_sure(view: View, n: int, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """libact's uncertainty sampling by a logistic regression of its own: rows whose best class is least probable."""
    x, y = np.asarray(view.seen_embedding, dtype=np.float64), np.asarray(view.seen_y)
    if len(np.unique(y)) < 2:
        return rng.permutation(view.n)[:n]
    best = _logistic(x, y, strength).predict_proba(np.asarray(view.embedding, dtype=np.float64)).max(axis=1)
    return np.argsort(best, kind="stable")[:n]


def _plain(expert: str | Rule) -> str | Plain:
    return expert if isinstance(expert, str) else Plain(expert, "expert")


def albl(view: View, n: int, rng: np.random.Generator) -> np.ndarray:
    """libact's example without HintSVM: two logistic regressions' uncertainty, and uniform."""
    return _LIBACT(view, n, rng)


def albl_zoo(view: View, n: int, rng: np.random.Generator) -> np.ndarray:
    """Experts that ask what our strategies would, on the task's own model."""
    return _ZOO(view, n, rng)


EXPERTS: Sequence[Rule] = (partial(least_sure, strength=1.0), partial(least_sure, strength=0.01))
"""Those of libact's example, the uniform one and HintSVM aside."""

# One bandit a process: runs are played one after the other, and each is recognised by its labelled rows.
_LIBACT = Albl(EXPERTS)
_ZOO = Albl(("margin", "k_center", "typiclust"))

RULES: Mapping[str, Rule] = {"albl": albl, "albl.zoo": albl_zoo}
