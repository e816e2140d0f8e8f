"""Unseen class: rows that lie outside of the regions of all classes seen so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F4, F8, Rows, blocks, lengths
from strategy_zoo._labels import evenly, groups
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategies.k_center import KCenter
from strategy_zoo.strategy import Kind, Strategy, field_of, real, top
from strategy_zoo.view import View

_MOST_OTHERS = 1_000  # labelled rows of no class
_ENTRIES = 1 << 16  # of a block


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
    With nothing labelled every class is unseen: rows are chosen as k_center does, to cover the pool. Where the view
    holds `classes`, nothing tells which rows labelled otherwise belong together: each of them is a region of its own
    with the mean radius (above 1,000 of them: of 1,000, evenly spaced in the order in which they are given).

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
        score = self._checked(self.score(view, rng), 0, view.n)  # at once, so that the regions are worked out once
        rows = top(score, n)
        return Proposal(rows, score[rows])

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        pool, seen = field_of(view, "embedding"), field_of(view, "seen_embedding")
        if not len(seen):
            return np.zeros(len(pool))
        kept, group = _grouped(view)
        centres, radius = regions(seen if len(kept) == len(seen) else seen[kept], group, self.prior)
        turned, size = np.ascontiguousarray(centres.T) * -2, lengths(centres)
        least = np.full(len(pool), np.inf)
        for start, block in blocks(pool, len(centres)):
            row, region = _nearest(block, turned, size, radius)
            # Subtracted before squaring, as no grid is common to all blocks of a pool: the same in every block.
            for first in range(0, len(row), step := max(1, _ENTRIES // pool.shape[1])):
                mine, its = row[first : first + step], region[first : first + step]
                apart = block[mine]
                apart -= centres[its]
                apart /= radius[its, None]
                np.minimum.at(least, mine + start, np.einsum("ij,ij->i", apart, apart))
        return np.sqrt(least)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        regions = max(1, min(C, L))
        return float(U * (regions * (0.046 * D + 18) + 8.6 * D + 150) + L * (11 * D + 12) + 145_000)


def _grouped(view: View) -> tuple[Rows, Rows]:
    """The labelled rows that count, and the number of each one's region."""
    group = groups(field_of(view, "seen_y"))
    if not view.has("classes"):
        return np.arange(len(group)), group
    # The view has turned labels into columns, -1 for those of no class.
    other = np.flatnonzero(field_of(view, "seen_y") == -1)
    group[other] = group.max() + 1 + np.arange(len(other))
    kept = np.setdiff1d(np.arange(len(group)), np.setdiff1d(other, other[evenly(len(other), _MOST_OTHERS)]))
    return kept, groups(group[kept])


def _nearest(block: F8, turned: F8, size: F8, radius: F8) -> tuple[Rows, Rows]:
    """Rows of the block and regions that may be nearest to them, in pairs, usually one for each row.

    The product's last bits depend on the number of threads, so that all regions within its rounding are given.
    """
    own = np.einsum("ij,ij->i", block, block)
    about = block @ turned
    about += size
    about += own[:, None]
    rounding = np.add.outer(np.sqrt(own), np.sqrt(size))
    rounding *= rounding
    rounding *= 2.0**-50 * block.shape[1]
    about -= rounding
    about /= np.square(radius)
    rounding /= np.square(radius) / 2
    row, region = np.nonzero(about <= (about + rounding).min(axis=1, keepdims=True))
    return row, region


def regions(seen: F4, group: Rows, prior: float) -> tuple[F8, F8]:
    """Centres [K, D] and radii [K] of the classes."""
    size = np.bincount(group)
    centres = np.zeros((len(size), seen.shape[1]))
    for start, block in blocks(seen):
        mine = group[start : start + len(block)]
        order = np.argsort(mine, kind="stable")
        first = np.flatnonzero(np.diff(mine[order], prepend=-1))
        centres[mine[order[first]]] += np.add.reduceat(block[order], first, axis=0)
    centres /= size[:, None]
    within = np.zeros(len(size))
    for start, block in blocks(seen):
        mine = group[start : start + len(block)]
        apart = block - centres[mine]
        within += np.bincount(mine, np.einsum("ij,ij->i", apart, apart), len(size))
    free = len(seen) - len(size)
    pooled = within.sum() / free if free else 0.0
    if not pooled > 0:
        between = float(np.square(centres - centres.mean(axis=0)).sum(axis=1).mean())
        return centres, np.full(len(centres), np.sqrt(between) or 1.0)
    return centres, np.sqrt((within + prior * pooled) / (size - 1 + prior))
