"""Unseen class: rows that lie outside of the regions of all classes seen so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F4, F8, Rows, blocks
from strategy_zoo._labels import groups
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategies.k_center import KCenter
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class UnseenClass(Strategy):
    """Distance to the nearest region of a class that has labels, in radii of that region.

    A region has a centre, the mean of the class's labelled rows in the embedding, and a radius: the root of the mean
    squared distance of its rows to the centre (n - 1 degrees of freedom), drawn towards the mean radius of all classes,
    which counts as `prior` further rows. A row of a class not seen yet lies many radii from all regions. The authors of
    the reference use one covariance matrix for all classes instead, which few labels can't determine.

    Labels may be of any type. When no class has different rows, all regions have the same radius, the root of the mean
    squared distance between the classes' centres and their mean; when that is zero too, the score is a plain distance.
    With nothing labelled every class is unseen: rows are chosen as k_center does, to cover the pool.

    Parameters
    ----------
    prior : 0.001 to 1,000. How many rows the mean radius counts for.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     embedding=[[0.5], [4.0], [8.0]], seen_embedding=[[0.0], [1.0], [9.0], [11.0]], seen_y=["a", "a", "b", "b"]
    ... )
    >>> strategy_zoo.propose("unseen_class", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Lee, Lee, Lee and Shin 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks (distance to the nearest class region).
    """

    name: ClassVar[str] = "unseen_class"
    family: ClassVar[str] = "balance"
    needs: ClassVar[tuple[str, ...]] = ("embedding", "seen_embedding", "seen_y")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C D + L D"
    reference: ClassVar[str] = (
        "Lee et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks"
    )

    prior: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", real(self.name, "prior", self.prior, 0.001, 1000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        if not len(field_of(view, "seen_embedding")):
            return KCenter().propose(view, n, rng)
        return super().propose(view, n, rng)

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        pool, seen = field_of(view, "embedding"), field_of(view, "seen_embedding")
        if not len(seen):
            return np.zeros(len(pool))
        centres, radius = regions(seen, groups(field_of(view, "seen_y")), self.prior)
        out = np.empty(len(pool))
        for start, block in blocks(pool):
            least = np.full(len(block), np.inf)
            for centre, r in zip(centres, radius, strict=True):
                # Subtracted before squaring, as no grid is common to all blocks of a pool: slower, but row by row.
                apart = block - centre
                apart /= r
                np.minimum(least, np.einsum("ij,ij->i", apart, apart), out=least)
            out[start : start + len(block)] = np.sqrt(least)
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        blocks = 1 + U * C / 2**18  # in each of which the regions are worked out
        return float(U * (max(1, min(C, L)) * (2.4 * D + 15) + 30) + blocks * L * (4 * D + 100))


def regions(seen: F4, group: Rows, prior: float) -> tuple[F8, F8]:
    """Centres [K, D] and radii [K] of the classes."""
    points = seen.astype(np.float64)
    size = np.bincount(group)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(size) - size
    centres = np.add.reduceat(points[order], starts, axis=0) / size[:, None]
    apart = points - centres[group]
    within = np.bincount(group, np.einsum("ij,ij->i", apart, apart))
    free = len(points) - len(size)
    pooled = within.sum() / free if free else 0.0
    if not pooled > 0:
        between = float(np.square(centres - centres.mean(axis=0)).sum(axis=1).mean())
        return centres, np.full(len(centres), np.sqrt(between) or 1.0)
    return centres, np.sqrt((within + prior * pooled) / (size - 1 + prior))
