"""Discriminative: rows that a classifier most surely tells from the labelled ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F4, F8, Rows, blocks, lengths, snap
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, top, whole
from strategy_zoo.view import View

_UNLABELLED = 10  # training rows from the pool for each labelled one, as in the authors' program
_LEAST, _MOST = 1_000, 5_000  # but never fewer or more of them
_MOST_LABELLED = 5_000
_BITS = 20  # of a weight


@register
@dataclass(frozen=True, repr=False)
class Discriminative(Strategy):
    """Train a classifier to tell pool rows from labelled rows; ask for those it finds least like labelled ones.

    The batch is picked in `rounds` equal parts; after each one its rows count as labelled and the classifier is trained
    again. It is a logistic regression (L2 penalty of weight 1 on the sum of the log-losses, both sides of equal weight
    in all) on random Fourier features of the embedding, which stand for a Gaussian kernel as wide as the median
    distance between two rows; the authors train a neural network, which is nonlinear too. Its training rows are at most
    5,000 labelled ones and, drawn anew in each round, ten times as many rows of the pool (at least 1,000, at most
    5,000); the whole pool is scored. The score is the log-odds of being unlabelled; it can be compared inside a round
    only. With nothing labelled the first row is the one closest to the mean.

    Parameters
    ----------
    rounds : 1 to 1,000. Parts in which a batch is picked (never more than it has rows).
    features : 0 to 2,000. Random Fourier features; 0 means a linear classifier on the embedding, centred on its mean
        and divided by the root of its mean square.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [0.1], [5.0], [5.1]], seen_embedding=[[0.2], [0.3]])
    >>> strategy_zoo.propose("discriminative", view, 1, np.random.default_rng(0)).rows.tolist()
    [3]

    References
    ----------
    Gissin and Shalev-Shwartz 2019, Discriminative Active Learning.
    Rahimi and Recht 2007, Random Features for Large-Scale Kernel Machines.
    """

    name: ClassVar[str] = "discriminative"
    family: ClassVar[str] = "diversity"
    needs: ClassVar[tuple[str, ...]] = ("embedding", "seen_embedding")
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "rounds (U D features + min(U + L, 10000) features^2)"
    reference: ClassVar[str] = "Gissin and Shalev-Shwartz 2019, Discriminative Active Learning"

    rounds: int = 10
    features: int = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounds", whole(self.name, "rounds", self.rounds, 1, 1000))
        object.__setattr__(self, "features", whole(self.name, "features", self.features, 0, 2000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        (pool, seen), _ = snap(field_of(view, "embedding"), field_of(view, "seen_embedding"))
        lift = _Lift(pool, self.features, rng)
        left = np.ones(len(pool), bool)
        parts: list[tuple[Rows, F8]] = []
        if not len(seen):
            first = top(-lengths(pool), 1)  # the grid's origin is the mean
            parts.append((first, np.zeros(1)))
            left[first] = False
        size = math.ceil(n / self.rounds)
        weight = np.zeros(lift.width + 1)
        while (found := sum(len(rows) for rows, _ in parts)) < n:
            labelled = np.concatenate([seen, *(pool[rows] for rows, _ in parts)])
            labelled = labelled[subset(len(labelled), _MOST_LABELLED, rng)]
            free = np.flatnonzero(left)
            free = free[subset(len(free), min(_MOST, max(_LEAST, _UNLABELLED * len(labelled))), rng)]
            train = lift(np.concatenate([labelled, pool[free]]))
            weight = logistic(train, np.arange(len(train)) >= len(labelled), weight)
            score = _scores(pool, lift, weight)
            score[~left] = -np.inf
            rows = top(score, min(size, n - found))
            parts.append((rows, score[rows]))
            left[rows] = False
        return Proposal(np.concatenate([rows for rows, _ in parts]), np.concatenate([s for _, s in parts]))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        width = self.features or D
        train = min(L + n / 2, _MOST_LABELLED) + min(U, _MOST, max(_LEAST, _UNLABELLED * (L + n / 2)))
        scored = U * (width * (D / 8 + 12) if self.features else 2 * D)
        return float(min(n, self.rounds) * (scored + train * width * (width + 20) + width**3) + 5 * U * D)


class _Lift:
    """Gridded points as the features of the classifier."""

    def __init__(self, pool: F4, features: int, rng: np.random.Generator) -> None:
        self.width = features or pool.shape[1]
        sample = pool[subset(len(pool), 1000, rng)].astype(np.float64)
        self.size = float(np.sqrt(np.square(sample).mean())) or 1.0
        self.direction: F8 | None = None
        if features:
            pair = lengths(sample - sample[rng.permutation(len(sample))])
            wide = float(np.sqrt(np.median(pair))) or self.size
            direction = rng.standard_normal((pool.shape[1], features))
            # In whole numbers: products with gridded points are exact then, on any number of threads.
            bits = 52 - 24 - math.ceil(math.log2(max(2, pool.shape[1])))
            unit = np.ldexp(np.abs(direction).max(), -min(_BITS, bits))
            self.direction, self.turn = np.rint(direction / unit), np.float32(unit / wide)
            self.phase = (rng.random(features) * 2 * np.pi).astype(np.float32)

    def __call__(self, points: F4 | F8) -> F8:
        if self.direction is None:
            return np.asarray(points / self.size, np.float64)
        # The cosine takes ten times longer in double precision, which a random feature doesn't need.
        angle = (points.astype(np.float64, copy=False) @ self.direction).astype(np.float32)
        angle *= self.turn
        angle += self.phase
        np.cos(angle, out=angle)
        angle *= np.float32(math.sqrt(2 / self.width))
        return angle.astype(np.float64)


def _scores(pool: F4, lift: _Lift, weight: F8) -> F8:
    out = np.empty(len(pool))
    for start, block in blocks(pool, lift.width):
        # einsum adds up the features of a row in one thread, in one order.
        out[start : start + len(block)] = np.einsum("ij,j->i", lift(block), weight[:-1])
    return out + weight[-1]


def logistic(x: F8, positive: NDArray[np.bool_], start: F8) -> F8:
    """Weights and intercept that minimise |w|² / 2 plus the log-losses, both sides scaled to half the number of rows.

    Newton's method with halved steps. The last bits depend on the number of threads, so that the result is rounded.
    """
    design = np.column_stack([x, np.ones(len(x))])
    sign = np.where(positive, 1.0, -1.0)
    share = len(x) / 2 / np.where(positive, positive.sum(), (~positive).sum())
    ridge = np.append(np.ones(x.shape[1]), 1e-6)

    def loss(w: F8) -> float:
        return float((ridge * w * w).sum() / 2 + (share * np.logaddexp(0, -sign * (design @ w))).sum())

    weight, value = start, loss(start)
    for _ in range(50):
        wrong = 1 / (1 + np.exp(np.clip(sign * (design @ weight), -500, 500)))
        slope = ridge * weight - design.T @ (share * sign * wrong)
        bend = design.T @ (design * (share * wrong * (1 - wrong))[:, None])
        step = np.linalg.solve(bend + np.diag(ridge), slope)
        rate = 1.0
        while (lower := loss(weight - rate * step)) > value and rate > 1e-6:
            rate /= 2
        gain, weight, value = value - lower, weight - rate * step, lower
        if gain < 1e-12 * abs(value) or np.abs(step).max() < 1e-9:
            break
    peak = np.abs(weight).max()
    unit = np.ldexp(1.0, int(np.frexp(peak)[1]) - _BITS) if peak > 0 else 1.0
    return np.asarray(np.rint(weight / unit) * unit)
