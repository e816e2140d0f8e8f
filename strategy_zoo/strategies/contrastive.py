"""Contrastive (CAL): rows that are near labelled rows, but predicted otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F4, F8, Rows
from strategy_zoo._labels import evenly
from strategy_zoo._uncertainty import margins
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, whole
from strategy_zoo.view import View

_MOST_LABELLED = 2_000  # among which neighbours are sought
_FLOOR = 1e-7  # smallest probability, so that divergences stay finite
_ENTRIES = 1 << 18  # of a block of distances
_HEADROOM = 1024  # how many times farther out than the labelled rows a coordinate may be


@register
@dataclass(frozen=True, repr=False)
class Contrastive(Strategy):
    """Mean divergence KL(neighbour || row) between class probabilities, over the nearest labelled rows, in nats.

    Neighbours are the nearest labelled rows by Euclidean distance of the embedding (all of them when fewer are
    labelled; among equally near ones those labelled first). Probabilities below 1e-7 are raised to it, and rows are
    scaled to sum 1 again. Above 2,000 labelled rows, neighbours are sought among 2,000 of them, evenly spaced in the
    order in which they are given. For finding neighbours, embeddings are rounded to a grid made from the labelled rows,
    on which coordinates that are more than 1,000 times farther from the labelled rows' mean than any labelled row's
    are cut. With nothing labelled the score is minus the margin.

    Parameters
    ----------
    neighbours : 1 to 1,000. Labelled rows with which a row is compared.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]], embedding=[[0.0], [1.0], [9.0]],
    ...     seen_proba=[[0.9, 0.1], [0.1, 0.9]], seen_embedding=[[0.5], [9.5]],
    ... )
    >>> strategy_zoo.propose("contrastive(neighbours=1)", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Margatina, Vernikos, Barrault and Aletras 2021, Active Learning by Acquiring Contrastive Examples.
    """

    name: ClassVar[str] = "contrastive"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding", "seen_embedding", "seen_proba")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U min(L, 2000) D"
    reference: ClassVar[str] = "Margatina et al. 2021, Active Learning by Acquiring Contrastive Examples"

    neighbours: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbours", whole(self.name, "neighbours", self.neighbours, 1, 1000))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba, embedding = field_of(view, "proba"), field_of(view, "embedding")
        seen, seen_proba = field_of(view, "seen_embedding"), field_of(view, "seen_proba")
        if not len(seen):
            return -margins(proba)
        kept = evenly(len(seen), _MOST_LABELLED)
        origin, step, limit = _grid_of(seen[kept])
        centres = _placed(seen[kept], origin, step, limit)
        told = _raised(seen_proba[kept])
        order = (told * np.log(told)).sum(axis=1)  # minus the neighbour's entropy
        k = min(self.neighbours, len(kept))
        squared, turned = np.einsum("ij,ij->i", centres, centres), np.ascontiguousarray(centres.T) * -2
        out = np.empty(len(proba))
        rows = max(1, _ENTRIES // max(len(kept), k * proba.shape[1]))
        for start in range(0, len(proba), rows):
            part = slice(start, start + rows)
            near = _nearest(_placed(embedding[part], origin, step, limit) @ turned + squared, k)
            surprise = -np.log(_raised(proba[part]))
            # Sum of q log q - q log p over classes, its mean over neighbours.
            out[part] = order[near].mean(axis=1) + (told[near].mean(axis=1) * surprise).sum(axis=1)
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(L, _MOST_LABELLED)
        return float(U * (kept * (8.5 + D / 20) + 2.4 * min(self.neighbours, kept) * C + 6 * D + 650))


def _grid_of(seen: F4) -> tuple[F8, float, float]:
    """Origin, step and largest number of a grid on which inner products are exact, made from the labelled rows alone.

    The grid of `_grid.snap` depends on all rows, so that blocks of a pool would be rounded differently.
    """
    # The largest product of a row and a labelled row is columns * _HEADROOM * 4 ** bits, which 53 bits must hold.
    bits = min(23, (41 - math.ceil(math.log2(max(2, seen.shape[1])))) // 2)
    origin = seen.mean(axis=0, dtype=np.float64)
    peak = float(np.abs(seen - origin).max())
    # Rows that are all the same have no peak; any step does, because all are equally near.
    step = math.ldexp(1.0, math.frexp(peak)[1] - bits) if peak > 0 else 1.0
    return origin, step, 2.0**bits * _HEADROOM


def _placed(points: F4, origin: F8, step: float, limit: float) -> F8:
    return np.asarray(np.clip(np.rint((points - origin) / step), -limit, limit))


def _raised(proba: F8) -> F8:
    raised = np.maximum(proba, _FLOOR)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _nearest(distance: F8, k: int) -> Rows:
    """Columns of the k smallest distances of each row, ascending; among equal distances the lower columns."""
    if k == distance.shape[1]:
        return np.broadcast_to(np.arange(k), distance.shape)
    last = np.partition(distance, k - 1, axis=1)[:, k - 1 : k]
    near = distance <= last
    for row in np.flatnonzero(np.count_nonzero(near, axis=1) > k):
        tied = np.flatnonzero(distance[row] == last[row])
        near[row, tied[k - np.count_nonzero(near[row]) :]] = False
    return np.nonzero(near)[1].reshape(len(near), k)
