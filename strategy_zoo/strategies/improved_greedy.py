"""Improved greedy sampling (iGS): rows that are unusual in the features and in the target at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import lengths, snap, to_row
from strategy_zoo._regression import counted_from_the_second, least_products, seen_values
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ImprovedGreedy(Strategy):
    """Greedily the row whose least product of distance in the embedding and distance in the target is largest.

    The product is taken with each labelled row (its label against the prediction) and each row picked before (its
    prediction standing for the label), and the least product counts; the score is this product at the time of the pick,
    in the unit of the embedding times that of the target. Where all products are zero, as with equal predictions, the
    row farthest in the embedding is next. Labelled rows count when the view holds both `seen_embedding` and `seen_y`;
    with none, the first row is the one closest to the mean of the embedding, which is the start of greedy_x (the
    authors choose more rows in that way before they train a model; here the caller has one).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     embedding=[[1.0], [2.0], [3.0]], prediction=[9.0, 5.0, 1.0], seen_embedding=[[0.0]], seen_y=[0.0]
    ... )
    >>> answer = strategy_zoo.propose("improved_greedy", view, 1, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.score.round(3).tolist()
    ([1], [10.0])

    References
    ----------
    Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling (iGS).
    """

    name: ClassVar[str] = "improved_greedy"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("prediction", "embedding")
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding", "seen_y")
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U (L + n) D"
    reference: ClassVar[str] = "Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling"

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        pool, seen = field_of(view, "embedding"), view.seen_embedding
        value, label = field_of(view, "prediction"), seen_values(view)
        if seen is None or label is None:
            seen, label = np.empty((0, pool.shape[1]), np.float32), np.empty(0)
        (points, others), step = snap(pool, seen)
        squared = lengths(points)
        # A power of two, so that squares of differences neither overflow nor vanish and no digit changes.
        unit = math.ldexp(1.0, math.frexp(max(np.abs(value).max(), np.abs(label).max(initial=0.0)))[1] - 1)
        value, label = value / unit, label / unit
        if len(others):
            product, distance = least_products(points, value, others, label, squared)
            row = _next(product, distance)
        else:
            product = np.full(len(points), np.inf)
            distance = product.copy()
            row = int(squared.argmin())  # the grid's origin is the mean
        rows, reached = np.empty(n, np.int64), np.empty(n)
        for i in range(n):
            rows[i], reached[i] = row, product[row]
            new = to_row(points, squared, row)
            np.minimum(distance, new, out=distance)
            new *= np.square(value - value[row])
            np.minimum(product, new, out=product)
            product[row] = distance[row] = -1  # never again
            row = _next(product, distance)
        return Proposal(rows, np.sqrt(counted_from_the_second(reached, product)) * step * unit)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (n * (4 + 0.4 * D) + L * (3.5 + 0.035 * D) + 6 * D + 160) + 5_000 * n)


def _next(product: np.ndarray, distance: np.ndarray) -> int:
    row = int(product.argmax())
    return row if product[row] > 0 else int(distance.argmax())
