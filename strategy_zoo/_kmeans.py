"""k-means for pools that fit in memory: k-means++ seeding, then Lloyd's rounds with distances in blocks.

scikit-learn's k-means isn't used because its threads add up in an order that changes from run to run, so that the same
seed can give other rows on another machine. Here all sums are exact (see `_grid`): the result is the same bit for bit
on any number of threads.
"""

from __future__ import annotations

import numpy as np

from strategy_zoo._grid import F8, Floats, Rows, lengths, nearest, to_row


def seed_rows(points: Floats, k: int, rng: np.random.Generator, weight: F8 | None = None) -> Rows:
    """Rows chosen by k-means++: each with probability proportional to its squared distance to those chosen before.

    With weights, to the product of both, and the first one to its weight alone. Fewer than k when fewer different
    points (of a weight above zero) exist.
    """
    squared = lengths(points)
    first = int(rng.integers(len(points))) if weight is None else draw(weight, rng)
    if first is None:
        return np.empty(0, np.int64)
    chosen = [first]
    distance = to_row(points, squared, chosen[0])
    while len(chosen) < min(k, len(points)):
        row = draw(distance if weight is None else distance * weight, rng)
        if row is None:
            break
        chosen.append(row)
        np.minimum(distance, to_row(points, squared, row), out=distance)
    return np.array(chosen, np.int64)


def draw(weight: F8, rng: np.random.Generator) -> int | None:
    """A row with probability proportional to its weight; None when all weights are zero."""
    heap = weight.cumsum()
    total = float(heap[-1])
    if not total > 0:
        return None
    row = int(heap.searchsorted(rng.random() * total, side="right"))
    if row >= len(weight) or weight[row] <= 0:  # the product above was rounded up to the total
        row = int(np.flatnonzero(weight > 0)[-1])
    return row


def kmeans(points: Floats, k: int, rng: np.random.Generator, rounds: int = 20) -> Rows:
    """Cluster of each row of gridded points, numbered from 0 without gaps; at most k clusters, none of them empty."""
    label = _lloyd(points, k, rng, rounds, None)[1]
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def centres(points: Floats, k: int, rng: np.random.Generator, rounds: int = 20, weight: F8 | None = None) -> F8:
    """Centres of at most k clusters of gridded points, on the grid, each the closest one of some row.

    With weights, a centre is the weighted mean of its rows, and each of them serves some weight; at least one weight
    must be above zero.
    """
    found, label = _lloyd(points, k, rng, rounds, weight)
    return found[np.bincount(label, weight, len(found)) > 0]


def _lloyd(points: Floats, k: int, rng: np.random.Generator, rounds: int, weight: F8 | None) -> tuple[F8, Rows]:
    # Converted once, because every seed and every round reads all of it; callers bound the number of rows.
    exact = points.astype(np.float64)
    middle = exact[seed_rows(exact, k, rng, weight)]
    squared = lengths(exact)
    weighted = None if weight is None else np.multiply(exact.T, weight, order="C")
    label, distance = nearest(exact, middle, squared)
    for _ in range(rounds):
        size = np.bincount(label, minlength=len(middle))
        if not size.all():  # an empty centre goes to the point that is worst served
            empty = np.flatnonzero(size == 0)
            loss = distance if weight is None else distance * weight
            middle[empty] = exact[np.argsort(-loss, kind="stable")[: len(empty)]]
        count = size if weight is None else np.bincount(label, weight, len(middle))
        full = np.flatnonzero(count > 0)  # clusters of rows without weight stay where they are
        middle[full] = np.rint(_sums(exact, weighted, label, size, full) / count[full, None])  # back on the grid
        before = label
        label, distance = nearest(exact, middle, squared)
        if (before == label).all():
            break
    return middle, label


def _sums(exact: F8, weighted: F8 | None, label: Rows, size: Rows, full: Rows) -> F8:
    """Sum of each full cluster's rows; ``size`` has the number of rows of every cluster."""
    if weighted is not None:
        # Not exact, so the order counts: bincount adds up row after row on one thread.
        return np.stack([np.bincount(label, column, len(size))[full] for column in weighted], axis=1)
    order = label.argsort(kind="stable")
    return np.asarray(np.add.reduceat(exact[order], (size.cumsum() - size)[full], axis=0))


def pair_cost(columns: int) -> float:
    """Nanoseconds for the distance of a point to a centre, roughly."""
    return 0.04 * columns + 1.2


def fit_cost(rows: float, k: int, columns: int) -> float:
    """Nanoseconds to cluster so many rows, roughly: the seeds, then about 20 rounds (2 with a single cluster)."""
    rounds = 20 if k > 1 else 2
    seeds = k * rows * (0.1 * columns + 1.5)
    return float(seeds + rounds * rows * (0.7 * k * pair_cost(columns) + 1.4 * columns + 95) + 120_000)
