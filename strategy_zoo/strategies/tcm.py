"""TCM: TypiClust while labels are few, margin from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategies.margin import Margin
from strategy_zoo.strategies.typiclust import Typiclust
from strategy_zoo.strategy import Kind, Strategy, field_of, real, whole
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Tcm(Strategy):
    """TypiClust until there are `per_class` labels for each class on average, then margin.

    The authors count loops: an initial pool and a few steps by TypiClust, then margin, where in their smallest
    budgets a loop brings about one label per class. A strategy has no memory of loops, so labels are counted instead
    (the length of `seen_y`, or of `seen_embedding` without it; zero without both), against per_class * C: the default
    of 4 is an initial pool and three steps of one label per class, and is this package's translation. C is the number
    of columns of `proba`, whether a class was seen or not. A batch is chosen by one of the two as a whole, also when
    it begins just below the threshold.

    Parameters
    ----------
    per_class : 0 to 1,000,000. Labels per class from which margin takes over; 0 is margin from the start.
    neighbours : 1 to 1,000. That of `typiclust`.

    Examples
    --------
    >>> import strategy_zoo
    >>> proba, embedding = [[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]], [[0.0], [1.0], [9.0]]
    >>> early = strategy_zoo.View(proba=proba, embedding=embedding, seen_embedding=[[9.0]])
    >>> later = strategy_zoo.View(proba=proba, embedding=embedding, seen_embedding=[[9.0]] * 8)
    >>> [strategy_zoo.propose("tcm", view, 1, np.random.default_rng(0)).rows.tolist() for view in (early, later)]
    [[0], [2]]

    References
    ----------
    Doucet, Estermann, Aczel and Wattenhofer 2024, Bridging Diversity and Uncertainty in Active learning with
    Self-Supervised Pre-Training.
    """

    name: ClassVar[str] = "tcm"
    family: ClassVar[str] = "fusion"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding", "seen_y")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "that of typiclust while labels are few, then U C"
    limit: ClassVar[int | None] = Typiclust.limit
    reference: ClassVar[str] = (
        "Doucet et al. 2024, Bridging Diversity and Uncertainty in Active learning with Self-Supervised Pre-Training"
    )

    per_class: float = 4.0
    neighbours: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_class", real(self.name, "per_class", self.per_class, 0, 1e6))
        object.__setattr__(self, "neighbours", whole(self.name, "neighbours", self.neighbours, 1, 1000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        seen = view.seen_embedding if view.seen_y is None else view.seen_y
        labels = 0 if seen is None else len(seen)
        return self._stage(labels, field_of(view, "proba").shape[1]).propose(view, n, rng)

    def _stage(self, labels: int, classes: int) -> Strategy:
        return Margin() if labels >= self.per_class * classes else Typiclust(self.neighbours)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return self._stage(L, C).cost(U, L, C, D, n)
