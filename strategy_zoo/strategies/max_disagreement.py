"""Maximal disagreement: ask where one member of the committee contradicts the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import cleaned, consensus
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class MaxDisagreement(Strategy):
    """The largest Kullback-Leibler divergence of a member from the members' mean probabilities, in nats, in [0, log M].

    The paper averages over the members, which is the same number as `bald`, so it is no option here; the maximum, by
    modAL, asks for rows about which a single member dissents.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]], [[0.8, 0.2], [0.1, 0.9], [0.5, 0.5]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("max_disagreement", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 0, 2]

    References
    ----------
    McCallum and Nigam 1998, Employing EM and Pool-Based Active Learning for Text Classification.
    """

    name: ClassVar[str] = "max_disagreement"
    family: ClassVar[str] = "committee"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = (
        "McCallum and Nigam 1998, Employing EM and Pool-Based Active Learning for Text Classification"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        committee = field_of(view, "committee")
        mean = consensus(committee)
        # Where the mean is 0 every member is 0, and where a member is 0 its term is 0: logarithms of 1 stand in.
        of_mean = np.log(np.where(mean > 0, mean, 1.0))
        worst = np.zeros(view.n)
        for member in committee:
            excess = np.log(np.where(member > 0, member, 1.0))
            excess -= of_mean
            excess *= member
            np.maximum(worst, excess.sum(axis=1), out=worst)
        return cleaned(worst)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (3.5 * M + 3.5) + 3 * M + 60) + 110 * n)
