"""Information density: uncertain rows that resemble the rest of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, F8, blocks, snap
from strategy_zoo._kernel import directions
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, block_rows, choice, field_of, real, top
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class InformationDensity(Strategy):
    """Uncertainty times a power of the mean similarity to all rows of the pool (the row itself is one of them).

    The mean of cosines is one inner product with the mean direction of the pool, so no pairs are compared. The authors
    use the cosine between counts, which is never negative; between embeddings it often is, and negative numbers
    have no real power. By default the similarity is therefore (1 + cosine) / 2, in [0, 1]; with similarity='cosine' it
    is theirs, and a mean below 0 counts as 0. Rows of equal score are asked in the order of their uncertainty. A row of
    zeros has the cosine 0 with every other one.

    Parameters
    ----------
    beta : 0 to 100, no unit. Weight of the density; 0 is uncertainty alone.
    uncertainty : 'entropy' (in nats), 'margin' (1 - margin) or 'least_confidence' (1 - largest probability).
    similarity : 'shifted' or 'cosine'.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.45, 0.55], [0.4, 0.6]], embedding=[[-1.0, 0.0], [1.0, 0.1], [1.0, 0.0]]
    ... )
    >>> strategy_zoo.propose("information_density", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks.
    """

    name: ClassVar[str] = "information_density"
    family: ClassVar[str] = "density"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "U (C + D)"
    reference: ClassVar[str] = (
        "Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks"
    )

    beta: float = 1.0
    uncertainty: str = "entropy"
    similarity: str = "shifted"

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", real(self.name, "beta", self.beta, 0, 100))
        choice(self.name, "uncertainty", self.uncertainty, ("entropy", "margin", "least_confidence"))
        choice(self.name, "similarity", self.similarity, ("shifted", "cosine"))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        density = _mean_cosine(field_of(view, "embedding"))
        if self.similarity == "shifted":
            density = (1 + density) / 2
        doubt = np.empty(view.n)
        for start in range(0, view.n, step := block_rows(view)):
            doubt[start : start + step] = _doubt(field_of(view, "proba")[start : start + step], self.uncertainty)
        # Rounding leaves a direction's mean a little outside of its range.
        score = doubt * np.clip(density, 0, 1) ** self.beta
        near = np.flatnonzero(score >= score[top(score, n)[-1]])
        rows = near[np.lexsort((near, -doubt[near], -score[near]))[:n]]
        return Proposal(rows, score[rows])

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (2.2 * C + 10.6 * D + 66) + 300 * n)


def _doubt(proba: F8, kind: str) -> F8:
    if kind == "margin":
        return np.asarray(np.maximum(1 - margins(proba), 0))  # rows sum to 1 only nearly
    if kind == "least_confidence":
        return np.asarray(np.maximum(1 - proba.max(axis=1), 0))
    # The logarithm of 1 stands in where p = 0, because p log p goes to 0 there.
    return np.asarray(np.maximum(-(proba * np.log(np.where(proba > 0, proba, 1.0))).sum(axis=1), 0))


def _mean_cosine(embedding: F4) -> F8:
    """Mean cosine of each row to all rows, through the grid: exact but for the rounding to it."""
    (points,), step = snap(directions(embedding), centre=False)
    total = np.zeros(points.shape[1])
    for _, block in blocks(points):
        total += block.sum(axis=0)
    mean = np.rint(total / len(points))  # back on the grid, so that the products are exact
    out = np.empty(len(points))
    for start, block in blocks(points):
        out[start : start + len(block)] = block @ mean
    out *= step**2
    return out
