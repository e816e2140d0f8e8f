"""Expected cost: ask where even the best decision is expected to cost most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import F8, highest, margins
from strategy_zoo.errors import SpellingError, ViewError
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, field_of, literal, real
from strategy_zoo.view import View

_MOST = 1e9  # of a cost, so that sums and differences stay finite and exact enough


@register
@dataclass(frozen=True, repr=False)
class ExpectedCost(Strategy):
    """The least expected cost over all predictions (the Bayes risk) under a matrix of costs.

    A prediction j is expected to cost sum_i p_i costs[i][j]. With the measure 'risk' the score is the cost of the best
    prediction; with 'margin' it is minus what the second best prediction costs more. Without a matrix every error costs
    1, for any number of classes: 'risk' is then least confidence and 'margin' is margin, up to rounding.

    Parameters
    ----------
    costs : None, or C rows of C numbers from -1e9 to 1e9, in any unit: costs[i][j] is the cost of predicting class j
        when class i is true, so the diagonal is usually 0. Gains are negative costs.
    measure : 'risk' or 'margin' (in the unit of the costs).

    Examples
    --------
    To miss class 1 is five times as bad as a false alarm, so the doubt about row 1 matters more than that about row 0.

    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5], [0.8, 0.2], [0.99, 0.01]])
    >>> spelling = "expected_cost(costs=((0, 1), (5, 0)))"
    >>> strategy_zoo.propose(spelling, view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Chen and Lin 2013, Active Learning for Multiclass Cost-Sensitive Classification Using Probabilistic Models (maximum
    expected cost, and cost-weighted minimum margin).
    """

    name: ClassVar[str] = "expected_cost"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C²"
    reference: ClassVar[str] = (
        "Chen and Lin 2013, Active Learning for Multiclass Cost-Sensitive Classification Using Probabilistic Models"
    )

    costs: tuple[tuple[float, ...], ...] | None = None
    measure: str = "risk"

    def __post_init__(self) -> None:
        choice(self.name, "measure", self.measure, ("risk", "margin"))
        if self.costs is not None:
            object.__setattr__(self, "costs", _matrix(self.name, self.costs))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba = field_of(view, "proba")
        if self.costs is None:
            return 1 - highest(proba) if self.measure == "risk" else -margins(proba)
        classes = proba.shape[1]
        if len(self.costs) != classes:
            raise ViewError(
                f"proba has {classes} classes, expected {len(self.costs)} as in costs; "
                f"pass {self.name} a matrix of {classes} rows with {classes} costs each"
            )
        if classes == 1:  # there is nothing to decide
            return np.full(len(proba), self.costs[0][0] if self.measure == "risk" else -2 * _MOST)
        best, second = np.full(len(proba), np.inf), np.full(len(proba), np.inf)
        by_class = np.ascontiguousarray(proba.T)
        for j in range(classes):
            risk = _risk(by_class, [row[j] for row in self.costs])
            np.minimum(second, np.maximum(best, risk), out=second)
            np.minimum(best, risk, out=best)
        return best if self.measure == "risk" else best - second

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (1.2 * C + 2 if self.costs is None else 0.3 * C * C + 3 * C + 33) + 40 * n)


def _risk(by_class: F8, costs: list[float]) -> F8:
    # Class by class instead of a matrix product, whose last bits depend on the number of threads and of rows.
    out = np.zeros(by_class.shape[1])
    for p, cost in zip(by_class, costs, strict=True):
        if cost:
            out += p * cost
    return out


def _matrix(owner: str, costs: Any) -> tuple[tuple[float, ...], ...]:
    if isinstance(costs, np.ndarray):
        costs = costs.tolist()
    rows = [list(row) if isinstance(row, tuple | list) else [] for row in costs] if _listed(costs) else []
    if not rows or any(len(row) != len(rows) for row in rows):
        shown = literal(costs)
        raise SpellingError(
            f"{owner}: costs is {shown if len(shown) <= 60 else shown[:57] + '...'}, expected a square matrix such as "
            "((0, 1), (5, 0)): one row per true class, one number per predicted class"
        )
    return tuple(tuple(real(owner, "a cost", cost, -_MOST, _MOST) for cost in row) for row in rows)


def _listed(value: Any) -> bool:
    return isinstance(value, tuple | list)
