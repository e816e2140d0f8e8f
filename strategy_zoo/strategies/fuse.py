"""Fuse: rank the pool by several strategies and join the ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._composing import combined, ingredients, read_weighted, scaled, weighted
from strategy_zoo.entry import propose
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, block_rows, choice, literal, top, whole
from strategy_zoo.view import View

F8 = NDArray[np.float64]


@register
@dataclass(frozen=True, repr=False)
class Fuse(Strategy):
    """Rank all rows of the pool by each ingredient, and take the rows whose joint rank is best.

    Ranks count from 1 (most wanted). A rowwise ingredient ranks every row by its score; rows with equal scores share
    the mean of their ranks. A batch ingredient ranks the rows that it proposes, factor * n of them; all the others
    share the mean of the ranks that are left. With 'borda' the joint rank is the weighted mean of the ranks, and the
    score is the part of the pool that the row beats, in [0, 1]; with 'geometric' it is the weighted geometric mean,
    which one excellent rank lifts far more, and the score is one over it. `part` says which ingredient ranked the row
    best.

    Unlike `mix`, where each ingredient fills its own places of the batch, a row is taken here because the ingredients
    agree on it. The spelling is ``fuse(margin=0.7, k_center=0.3)``, or with parameters in the ingredients
    ``fuse(margin, k_center(metric='cosine'), weights=(0.7, 0.3), rule='geometric')``.

    Parameters
    ----------
    parts : at least two strategies, or their spellings.
    weights : positive numbers, one per part, scaled to sum 1; equal when left out.
    rule : 'borda' (arithmetic mean of ranks) or 'geometric' (geometric mean of ranks).
    factor : 1 to 10,000. Rows that a batch ingredient ranks, for each row wanted.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]], embedding=[[0.0], [9.0], [5.0]], seen_embedding=[[0.0]]
    ... )
    >>> strategy_zoo.propose("fuse(margin, k_center)", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Dwork, Kumar, Naor and Sivakumar 2001, Rank Aggregation Methods for the Web.
    """

    name: ClassVar[str] = "fuse"
    family: ClassVar[str] = "fusion"
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "the sum of its parts (batch ones for factor n rows), plus U log U"
    example: ClassVar[str] = "fuse(margin=0.5, k_center=0.5)"
    reference: ClassVar[str] = "Dwork, Kumar, Naor and Sivakumar 2001, Rank Aggregation Methods for the Web"

    parts: tuple[Strategy, ...] = field()
    weights: tuple[float, ...] | None = None
    rule: str = "borda"
    factor: int = 5

    def __post_init__(self) -> None:
        parts = ingredients(self.name, self.parts, 2, self.example)
        given = {
            "parts": parts,
            "weights": scaled(self.name, self.weights, len(parts)),
            "rule": choice(self.name, "rule", self.rule, ("borda", "geometric")),
            "factor": whole(self.name, "factor", self.factor, 1, 10_000),
            **combined(parts),
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        joint, best, part = np.zeros(view.n), np.full(view.n, np.inf), np.zeros(view.n, np.int64)
        for i, (ingredient, weight) in enumerate(zip(self.parts, self.weights or (), strict=True)):
            rank = self._ranks(ingredient, view, n, rng)
            part[rank < best] = i
            np.minimum(best, rank, out=best)
            joint += weight * (np.log(rank) if self.rule == "geometric" else rank)
        rows = top(-joint, n)
        if self.rule == "geometric":
            score = np.exp(-joint[rows])
        else:
            score = np.clip((view.n - joint[rows]) / max(1, view.n - 1), 0, 1)
        return Proposal(rows, score, part[rows])

    def _ranks(self, part: Strategy, view: View, n: int, rng: np.random.Generator) -> F8:
        """Rank of every row by one ingredient, from 1; rows that it doesn't tell apart share their mean rank."""
        if part.kind == "rowwise":
            return shared_ranks(_scores(part, view, rng))
        rows = propose(part, view, min(self.factor * n, view.n), rng).rows
        rank = np.full(view.n, (len(rows) + 1 + view.n) / 2)
        rank[rows] = np.arange(1, len(rows) + 1)
        return rank

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        asked = min(U, self.factor * n)
        total = sum(part.cost(U, L, C, D, n if part.kind == "rowwise" else asked) for part in self.parts)
        sorts = sum(8 * math.log2(U + 1) + 10 if part.kind == "rowwise" else 5 for part in self.parts)
        return total + U * (sorts + 10 * len(self.parts)) + 1e5 * len(self.parts)

    @property
    def spelling(self) -> str:
        rest = "" if self.rule == "borda" else f", rule={literal(self.rule)}"
        rest += "" if self.factor == 5 else f", factor={self.factor}"
        return weighted(self.name, self.parts, self.weights or (), rest)

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        own = {key: kwargs[key] for key in ("rule", "factor") if key in kwargs}
        others = {key: value for key, value in kwargs.items() if key not in own}
        usage = "fuse(margin=0.7, k_center=0.3) or fuse(margin, badge, weights=(0.7, 0.3), rule='geometric')"
        return cls(*read_weighted(cls.name, args, others, usage), **own)


def _scores(part: Strategy, view: View, rng: np.random.Generator) -> F8:
    score = np.empty(view.n)
    for start in range(0, view.n, step := block_rows(view)):
        block = view.block(start, start + step)
        score[start : start + block.n] = part._checked(part.score(block, rng), start, block.n)
    return score


def shared_ranks(score: F8) -> F8:
    """Rank of each row from 1, highest score first; equal scores share the mean of their ranks.

    >>> shared_ranks(np.array([0.5, 0.9, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    size = np.diff(np.append(first, len(score)))
    rank = np.empty(len(score))
    rank[order] = np.repeat(first + (size + 1) / 2, size)
    return rank
