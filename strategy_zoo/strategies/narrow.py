"""Narrow: one strategy filters the pool, another one picks from what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from strategy_zoo._composing import by_position, combined
from strategy_zoo.entry import propose
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, default_of, whole
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Narrow(Strategy):
    """Keep the best factor * n rows by one strategy, then let another one choose n of them.

    The spelling is ``narrow(filter, pick)`` or ``narrow(filter, pick, factor=50)``. The first rows decide what an
    expensive strategy costs: it sees factor * n rows instead of the pool.

    Parameters
    ----------
    filter, pick : strategies, or their spellings.
    factor : 1 to 10,000. Rows kept for each row wanted.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]], embedding=[[0.0], [1.0], [9.0]], seen_embedding=[[0.0]]
    ... )
    >>> strategy_zoo.propose("narrow(margin, k_center, factor=2)", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Wei, Iyer and Bilmes 2015, Submodularity in Data Subset Selection and Active Learning (filtering by uncertainty
    before choosing a diverse batch).
    """

    name: ClassVar[str] = "narrow"
    family: ClassVar[str] = "fusion"
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "that of filter on U, plus that of pick on factor n"
    example: ClassVar[str] = "narrow(margin, k_center)"
    reference: ClassVar[str] = "Wei, Iyer and Bilmes 2015, Submodularity in Data Subset Selection and Active Learning"

    filter: Strategy = field()
    pick: Strategy = field()
    factor: int = 10

    def __post_init__(self) -> None:
        first, second = get(self.filter), get(self.pick)
        both = (first, second)
        given = {
            "filter": first,
            "pick": second,
            "factor": whole(self.name, "factor", self.factor, 1, 10_000),
            **combined(both),
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        # Sorted, so that ties inside `pick` go to the lower row of the pool as everywhere.
        near = np.sort(propose(self.filter, view, min(self.factor * n, view.n), rng).rows)
        answer = propose(self.pick, view.take(near), n, rng)
        return Proposal(near[answer.rows], answer.score, answer.part)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, self.factor * n)
        return self.filter.cost(U, L, C, D, kept) + self.pick.cost(kept, L, C, D, n) + kept * (C + D)

    @property
    def spelling(self) -> str:
        factor = "" if self.factor == default_of(self.__dataclass_fields__["factor"]) else f", factor={self.factor}"
        return f"narrow({self.filter.spelling}, {self.pick.spelling}{factor})"

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        usage = "narrow(filter, pick, factor=10)"
        return super().build((), by_position(cls.name, ("filter", "pick"), args, kwargs, usage))
