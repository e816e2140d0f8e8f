"""k-means for pools that fit in memory: k-means++ seeding, then Lloyd's rounds with distances in blocks.

scikit-learn's k-means isn't used because its threads add up in an order that changes from run to run, so that the same
seed can give other rows on another machine. Here all sums are exact (see `_grid`): the result is the same bit for bit
on any number of threads.
"""

from __future__ import annotations

import numpy as np

from strategy_zoo._grid import F8, Floats, Rows, lengths, nearest, to_row


def seed_rows(points: Floats, k: int, rng: np.random.Generator) -> Rows:
    """Rows chosen by k-means++: each with probability proportional to its squared distance to those chosen before.

    Fewer than k when fewer different points exist.
    """
    squared = lengths(points)
    chosen = [int(rng.integers(len(points)))]
    distance = to_row(points, squared, chosen[0])
    while len(chosen) < min(k, len(points)):
        row = draw(distance, rng)
        if row is None:
            break
        chosen.append(row)
        np.minimum(distance, to_row(points, squared, row), out=distance)
    return np.array(chosen, np.int64)


def draw(weight: F8, rng: np.random.Generator) -> int | None:
    """A row with probability proportional to its weight; None when all weights are zero."""
    heap = np.cumsum(weight)
    if not heap[-1] > 0:
        return None
    row = int(np.searchsorted(heap, rng.random() * heap[-1], side="right"))
    if row >= len(weight) or weight[row] <= 0:  # the product above was rounded up to the total
        row = int(np.flatnonzero(weight > 0)[-1])
    return row


def kmeans(points: Floats, k: int, rng: np.random.Generator, rounds: int = 20) -> Rows:
    """Cluster of each row of gridded points, numbered from 0 without gaps; at most k clusters, none of them empty."""
    # Converted once, because every seed and every round reads all of it; callers bound the number of rows.
    exact = points.astype(np.float64)
    centres = exact[seed_rows(exact, k, rng)]
    squared = lengths(exact)
    label, distance = nearest(exact, centres, squared)
    for _ in range(rounds):
        _move(centres, exact, label, distance)
        before = label
        label, distance = nearest(exact, centres, squared)
        if np.array_equal(before, label):
            break
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def _move(centres: F8, points: F8, label: Rows, distance: F8) -> None:
    """Put each centre in the middle of its points, and an empty one on the point that is worst served."""
    order = np.argsort(label, kind="stable")
    full, start, count = np.unique(label[order], return_index=True, return_counts=True)
    total = np.add.reduceat(points[order], start, axis=0)
    centres[full] = np.rint(total / count[:, None])  # back on the grid, so that distances stay exact
    empty = np.setdiff1d(np.arange(len(centres)), full)
    if len(empty):
        centres[empty] = points[np.argsort(-distance, kind="stable")[: len(empty)]]
