"""Committee variance: ask where the members of a committee of regressors disagree most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.registry import register
from strategy_zoo.strategy import Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class CommitteeVariance(Strategy):
    """Variance of the predictions of a committee of regressors (the mean square around their mean).

    In the square of the target's unit. With one member every row scores 0, and the first rows are taken.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(committee_prediction=[[1.0, 5.0, 2.0], [1.0, 1.0, 3.0]])
    >>> answer = strategy_zoo.propose("committee_variance", view, 2, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.score.tolist()
    ([1, 2], [4.0, 0.25])

    References
    ----------
    RayChaudhuri and Hamey 1995, Minimisation of Data Collection by Active Learning. Burbidge, Rowland and King 2007,
    Active Learning for Regression Based on Query by Committee.
    """

    name: ClassVar[str] = "committee_variance"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("committee_prediction",)
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U M"
    reference: ClassVar[str] = "RayChaudhuri and Hamey 1995, Minimisation of Data Collection by Active Learning"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        members = field_of(view, "committee_prediction")
        # Member by member: a reduction by numpy may add in another order when a block has one row.
        mean, out = np.zeros(view.n), np.zeros(view.n)
        for member in members:
            mean += member
        mean /= len(members)
        for member in members:
            out += np.square(member - mean)
        return out / len(members)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (1.6 * M + 3) + 40 * n)
