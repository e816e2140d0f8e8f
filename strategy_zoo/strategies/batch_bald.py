"""BatchBALD: the rows whose labels together tell most about the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import information
from strategy_zoo._uncertainty import F8
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, block_rows, field_of, top, whole
from strategy_zoo.view import View

_CANDIDATES = 2_000
_CLASSES = 100
_STEPS = float(1 << 26)  # products of two multiples of 1 / _STEPS, and sums of them up to 1, are exact in float64
_TINY = 1e-300
_NOTHING = 1e-6  # nats
_ENTRIES = 1 << 17


@register
@dataclass(frozen=True, repr=False)
class BatchBald(Strategy):
    """Greedily the row that adds most to the mutual information of the batch's labels, jointly, and the model.

    The members stand for draws from the posterior of the model. What a row adds, and its score, is its BALD under the
    posterior weights of the members given the labels of the rows picked before, averaged over all configurations of
    those labels: the difference of the joint mutual informations with and without the row, computed without taking the
    difference of large numbers. Configurations that leave the same weights are one. When more than `samples` are left,
    the likely ones stay and of the others some are drawn, so that every expected value stays exact; the sample is
    carried on from pick to pick instead of drawn anew for each as in the authors' program.

    What a row adds can only shrink as the batch grows, so a row is looked at again only when its last value could still
    be the best one (with sampled configurations this holds nearly). The rows come from the best 2,000 by BALD, or from
    the best 2 n if that is more. The information can't exceed log M: once no row adds more than a millionth of a nat,
    because the labels so far tell the members apart, the rest of the batch follows BALD, with score 0.

    Parameters
    ----------
    samples : 1 to 100,000. Configurations of labels up to which the information is exact, and sampled beyond. With more
        than 100 classes proportionally fewer, so that the time doesn't grow with the classes any further.

    Examples
    --------
    Row 1 says the same as row 0; row 2 says less, but something else.

    >>> import strategy_zoo
    >>> members = [[[1, 0], [1, 0], [0.8, 0.2]], [[1, 0], [1, 0], [0.2, 0.8]], [[0, 1], [0, 1], [0.5, 0.5]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("batch_bald", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 2]

    References
    ----------
    Kirsch, van Amersfoort and Gal 2019, BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active
    Learning.
    """

    name: ClassVar[str] = "batch_bald"
    family: ClassVar[str] = "bayesian"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "M U C + n samples C"
    reference: ClassVar[str] = (
        "Kirsch, van Amersfoort and Gal 2019, BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian "
        "Active Learning"
    )

    samples: int = 1000

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", whole(self.name, "samples", self.samples, 1, 100_000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        committee = field_of(view, "committee")
        bald = np.empty(view.n)
        for start in range(0, view.n, step := block_rows(view)):
            bald[start : start + step] = information(committee[:, start : start + step])
        near = np.sort(top(bald, max(_CANDIDATES, 2 * n)))  # sorted, so that ties go to the lower row of the pool
        proba = np.ascontiguousarray(committee[:, near].transpose(2, 0, 1))
        rows, gain = _greedy(_snapped(proba), bald[near], n, _fewer(self.samples, len(proba)), rng)
        return Proposal(near[rows], gain)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        # How often a row is looked at depends on the committee: nearly always in the first picks of several classes,
        # where little bounds the gains, then about one in five, and hardly ever after a hundred picks.
        near, first = min(_CANDIDATES, U), 1.9 if C > 2 else 0.4
        looks = near * (first * min(n - 1, 9) + 0.38 * min(max(n - 10, 0), 90))
        return float(U * (C * (3.5 * M + 3.5) + 3 * M + 60) + C * looks * _fewer(self.samples, C) + 80_000)


def _fewer(samples: int, classes: int) -> int:
    return max(1, min(samples, samples * _CLASSES // classes))


def _greedy(
    proba: F8, bald: F8, n: int, samples: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and what each of them added; proba is [C, M, K] in whole steps."""
    members = proba.shape[1]
    entropy = _terms(proba).sum(axis=0)  # [M, K]
    posterior = _Posterior(np.full((1, members), 1 / members), np.ones(1))
    bound = bald.copy()
    rows = np.empty(n, np.int64)
    gain = np.zeros(n)
    for i in range(n):
        # Without labels so far the bound is the gain itself.
        row = int(bound.argmax()) if i == 0 else _best(posterior, proba, entropy, bound)
        if bound[row] <= _NOTHING:
            left = np.flatnonzero(bound > -1)
            rows[i:] = left[top(bald[left], n - i)]
            break
        rows[i], gain[i] = row, bound[row]
        bound[row] = -1
        if i + 1 < n:
            posterior = posterior.after(proba[:, :, row], samples, rng)
    return rows, gain


def _best(posterior: _Posterior, proba: F8, entropy: F8, bound: F8) -> int:
    """The row with the largest gain; the gains that were worked out on the way replace their bounds."""
    step = max(1, _ENTRIES // len(posterior.mass))
    order = np.argsort(-bound, kind="stable")
    best = -1.0
    for start in range(0, len(order), step):
        some = order[start : start + step]
        some = some[bound[some] > -1]
        # An equal bound may belong to a lower row, which has to win the tie.
        if len(some) == 0 or bound[some[0]] < best:
            break
        bound[some] = posterior.gain(proba[:, :, some], entropy[:, some])
        best = max(best, float(bound[some].max()))
    return int(bound.argmax())


class _Posterior:
    """What configurations of the labels so far leave of the members: weights [S, M], and each one's mass [S]."""

    def __init__(self, weight: F8, mass: F8) -> None:
        weight = _snapped(weight)
        # The weights sum to 1 exactly, so that no gain is negative (Jensen's inequality, class by class).
        largest = (np.arange(len(weight)), weight.argmax(axis=1))
        weight[largest] += 1 - weight.sum(axis=1)
        self.weight, where = np.unique(weight, axis=0, return_inverse=True)
        self.mass = np.bincount(where.reshape(-1), mass) / mass.sum()

    def gain(self, proba: F8, entropy: F8) -> F8:
        """The mean BALD of some rows: proba [C, M, k], entropy [M, k]."""
        mixed = np.zeros((len(self.mass), proba.shape[2]))
        for of_class in proba:
            mixed += _terms(self.weight @ of_class)
        mixed *= self.mass[:, None]
        expected = (self.weight * self.mass[:, None]).sum(axis=0)
        return np.maximum(_total(mixed) - _total(expected[:, None] * entropy), 0)

    def after(self, proba: F8, samples: int, rng: np.random.Generator) -> _Posterior:
        """The posterior when a row with the probabilities [C, M] gets its label, whatever it will be."""
        answer = proba @ self.weight.T  # [C, S]
        # Class by class, and in each in the order of the weights: the comb of the sampling is spread over both. The
        # other way round, rows of equal mass would meet its teeth at the same place, and all get the same label.
        mass = (answer * self.mass).reshape(-1)
        chosen = np.flatnonzero(mass > 0)
        mass = mass[chosen]
        if len(chosen) > samples:
            kept, mass = _sampled(mass, samples, rng)
            chosen = chosen[kept]
        label, before = np.divmod(chosen, len(self.mass))
        weight = self.weight[before] * proba[label]
        return _Posterior(weight / answer[label, before][:, None], mass)


def _sampled(mass: F8, samples: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """About `samples` of the positive masses: all large ones as they are, the small ones by chance, at one larger mass.

    The cut c between large and small is where the chances min(1, mass / c) sum to `samples`; who is kept gets the mass
    max(mass, c), so that everybody's expected mass is what it was.
    """
    falling = np.sort(mass)[::-1]
    tail = np.cumsum(falling[::-1])[::-1][:samples]
    cut = tail / (samples - np.arange(len(tail)))
    c = cut[int(np.argmax(falling[: len(tail)] <= cut))]
    # Systematic sampling: one uniform number, then each tick of a regular comb takes what it falls on.
    heap = np.cumsum(np.minimum(mass / c, 1))
    ticks = np.arange(samples) + rng.random()
    kept = np.unique(np.minimum(np.searchsorted(heap, ticks, side="right"), len(mass) - 1))
    return kept, np.maximum(mass[kept], c)


def _snapped(values: F8) -> F8:
    """Values in [0, 1] as multiples of 2^-26: matrix products of them are exact, on any number of threads."""
    return np.rint(values * _STEPS) / _STEPS


def _total(nats: F8) -> F8:
    """Sums of columns; in steps of 2^-44 they are exact, so that equal rows tie however many are worked out at once."""
    return np.asarray(np.rint(nats * 2.0**44).sum(axis=0) / 2.0**44)


def _terms(p: F8) -> F8:
    """-p log p, which is 0 where p = 0."""
    return -p * np.log(np.maximum(p, _TINY))
