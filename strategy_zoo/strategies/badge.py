"""BADGE: diverse rows with large gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import lengths, products, snap
from strategy_zoo._kmeans import draw
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Badge(Strategy):
    """k-means++ sampling on the gradients that the predicted labels would cause in a linear last layer.

    The gradient of a row is (p - onehot(argmax p)) ⊗ embedding, with C * D entries. It is never built: the inner
    product of two gradients is the product of the inner products of their factors. The first row is the one with the
    longest gradient, as in the authors' program; the others are drawn in proportion to the squared distance to the rows
    before, which is also the score (as a distance). A `gradient` in the view is not read.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5], [1.0, 0.0], [0.6, 0.4]], embedding=[[2.0], [2.0], [-1.0]])
    >>> strategy_zoo.propose("badge", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 2]

    References
    ----------
    Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, Deep Batch Active Learning by Diverse, Uncertain Gradient
    Lower Bounds.
    """

    name: ClassVar[str] = "badge"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U n (C + D)"
    reference: ClassVar[str] = "Ash et al. 2020, Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds"

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba = field_of(view, "proba")
        residual = proba.copy()
        residual[np.arange(len(proba)), proba.argmax(axis=1)] -= 1
        (a,), step_a = snap(residual, centre=False, named=False)
        del residual
        (x,), step_x = snap(field_of(view, "embedding"), centre=False)
        squared = lengths(a) * lengths(x)  # |g|² = |a|² |x|²
        distance = squared.copy()
        rows = np.empty(n, np.int64)
        reached = np.empty(n)
        left = np.ones(len(a), bool)
        for i in range(n):
            row = int(distance.argmax()) if i == 0 else draw(distance, rng)
            if row is None:  # the gradients that are left equal those picked: any row is as good as another
                row = int(rng.choice(np.flatnonzero(left)))
            rows[i], reached[i], left[row] = row, distance[row], False
            if i + 1 < n:
                # |g - h|² = |g|² + |h|² - 2 (a·b)(x·y); the clip removes what rounding leaves between duplicates.
                cross = products(a, row)
                cross *= products(x, row)
                new = squared + squared[row] - 2 * cross
                new[new < 1e-9 * squared] = 0
                # Before the first pick the distance stood for the length; the origin itself is no centre.
                distance = new if i == 0 else np.minimum(distance, new, out=distance)
                distance[~left] = 0
        return Proposal(rows, np.sqrt(reached) * step_a * step_x)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * n * (C + D + 6) + 6 * U * (C + D) + 100_000)
