"""Mix: a batch that several strategies share by quota."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from strategy_zoo._composing import combined, ingredients, read_weighted, scaled, weighted
from strategy_zoo.entry import propose
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Mix(Strategy):
    """Each ingredient fills its share of the batch with its own best rows; a row is taken once, by whoever comes first.

    The share of an ingredient is n * weight, rounded up or down by chance so that it is right on average: over many
    batches of one row, ``mix(margin=0.7, random=0.3)`` asks for a random row three times in ten. The turns of the
    ingredients are spread evenly over the batch. The score only repeats the order, because the ingredients' scores
    can't be compared; `part` says which ingredient asked.

    The spelling is ``mix(margin=0.7, random=0.3)``, or with parameters in the ingredients
    ``mix(k_center(metric='cosine'), margin, weights=(0.7, 0.3))``.

    Parameters
    ----------
    parts : at least two strategies, or their spellings.
    weights : positive numbers, one per part, scaled to sum 1; equal when left out.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5, 0.0], [0.34, 0.33, 0.33], [1.0, 0.0, 0.0], [0.4, 0.4, 0.2]])
    >>> mixture = strategy_zoo.get("mix(margin=0.5, least_confidence=0.5)")
    >>> answer = strategy_zoo.propose(mixture, view, 2, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.part.tolist()
    ([0, 1], [0, 1])

    References
    ----------
    Donmez, Carbonell and Bennett 2007, Dual Strategy Active Learning.
    """

    name: ClassVar[str] = "mix"
    family: ClassVar[str] = "fusion"
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "the sum of its parts"
    example: ClassVar[str] = "mix(margin=0.7, random=0.3)"
    reference: ClassVar[str] = "Donmez, Carbonell and Bennett 2007, Dual Strategy Active Learning"

    parts: tuple[Strategy, ...] = field()
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        parts = ingredients(self.name, self.parts, 2, self.example)
        weights = scaled(self.name, self.weights, len(parts))
        for key, value in {"parts": parts, "weights": weights, **combined(parts), "stochastic": True}.items():
            object.__setattr__(self, key, value)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        turns = self._turns(n, rng)
        # An ingredient is asked for n rows, because all rows but one may have been taken by others.
        wanted = [propose(part, view, n, rng).rows.tolist()[::-1] for part in self.parts]
        taken = np.zeros(view.n, bool)
        rows = np.empty(n, np.int64)
        for i, part in enumerate(turns):
            row = wanted[part].pop()
            while taken[row]:
                row = wanted[part].pop()
            rows[i], taken[row] = row, True
        return Proposal(rows, 1 - np.arange(n) / n, turns)

    def _turns(self, n: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Which ingredient chooses at each place of the batch."""
        share = np.asarray(self.weights) * n
        quota = np.floor(share + 1e-9).astype(np.int64)
        rest = np.maximum(share - quota, 0)
        seats = n - int(quota.sum())
        if seats > 0:
            # Systematic sampling: one uniform number seats the fractions, each with its own probability.
            edges = np.cumsum(rest)
            ticks = (np.arange(seats) + rng.random()) * (edges[-1] / seats)
            np.add.at(quota, np.minimum(np.searchsorted(edges, ticks, side="right"), len(quota) - 1), 1)
        # The j-th of q turns stands at (j + 1/2) / q of the way; ties go to the heavier share, then to the first named.
        part = np.repeat(np.arange(len(quota)), quota)
        place = np.concatenate([(np.arange(q) + 0.5) / q for q in quota if q])
        return part[np.lexsort((part, -quota[part], place))].astype(np.int64)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return sum(part.cost(U, L, C, D, n) for part in self.parts)

    @property
    def spelling(self) -> str:
        return weighted(self.name, self.parts, self.weights or ())

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        usage = "mix(margin=0.7, random=0.3) or mix(margin, k_center(metric='cosine'), weights=(0.7, 0.3))"
        return cls(*read_weighted(cls.name, args, kwargs, usage))
