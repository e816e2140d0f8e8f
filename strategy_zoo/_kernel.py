"""What strategies that spread over a pool share: directions, scales, closest rows, and greedy coverage.

Coverage is the mean over the pool of the similarity to the most similar row that is labelled or picked. Greedy picks
are found lazily (Minoux 1978): a gain can only fall while rows are added, so an old gain is an upper bound, and only
rows whose bound is still among the best are worked out again. All distances are exact (see `_grid`), the rest is
elementwise or added up by numpy itself in a fixed order: picks are the same on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategy_zoo._grid import F4, F8, Floats, Rows, blocks, lengths, nearest, to_row
from strategy_zoo._narrowing import subset
from strategy_zoo.strategy import field_of
from strategy_zoo.view import View

Similarity = Callable[[F8], F4]  # of squared distances in grid units; falls with the distance, never below 0

MOST_ROWS = 50_000
MOST_NUMBERS = 6_400_000  # rows * columns: 50,000 rows of 128 columns, 12,500 rows of 512
MOST_SEEN = 10_000  # labelled rows that count
MOST_REFERENCES = 1_000  # rows over which coverage is averaged
MOST_KEPT = 4_000_000  # distances that are kept: 32 MB
_PAIRS = 5_000
_ENTRIES = 1 << 18  # entries of a block of similarities: 2 MB, so that it stays in the cache
_FIRST = 16  # rows whose gain is worked out again at once


def most_rows(columns: int) -> int:
    """How many rows of so many columns are looked at: 50,000, fewer when they are wide."""
    return max(1, min(MOST_ROWS, MOST_NUMBERS // max(1, columns)))


def pool_and_seen(view: View) -> tuple[F4, F4]:
    """Embedding of the pool, and of the labelled rows: no rows where the view doesn't hold them."""
    pool, seen = field_of(view, "embedding"), view.seen_embedding
    return pool, np.empty((0, pool.shape[1]), np.float32) if seen is None else seen


def gathered(view: View, n: int, metric: str, rng: np.random.Generator) -> tuple[Rows, F4, F4]:
    """The rows of the pool that are looked at, their embedding, and that of the labelled rows that count.

    Random subsets above the stated sizes; as directions where the metric is 'cosine'.
    """
    pool, seen = pool_and_seen(view)
    kept = subset(len(pool), max(most_rows(pool.shape[1]), n), rng)
    pool, seen = pool[kept], seen[subset(len(seen), MOST_SEEN, rng)]
    return (kept, directions(pool), directions(seen)) if metric == "cosine" else (kept, pool, seen)


def directions(embedding: F4) -> F4:
    """Rows scaled to length one; rows of zeros stay zero. Scaled by the largest entry first, so that squares fit."""
    out = np.empty(embedding.shape, np.float32)
    step = max(1, _ENTRIES // max(1, embedding.shape[1]))
    for start in range(0, len(out), step):
        block = embedding[start : start + step]
        peak = np.abs(block).max(axis=1, keepdims=True)
        scaled = block / np.where(peak > 0, peak, 1)
        size = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
        out[start : start + step] = scaled / np.where(size > 0, size, 1)
    return out


def typical_distance(points: Floats, rng: np.random.Generator) -> float:
    """Median distance of random pairs of rows; the mean one where more than half are equal, 1 where all are."""
    if len(points) < 2:
        return 1.0
    first = rng.integers(len(points), size=_PAIRS)
    second = (first + 1 + rng.integers(len(points) - 1, size=_PAIRS)) % len(points)  # never the row itself
    difference = points[first].astype(np.float64) - points[second]
    distance = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return float(np.median(distance)) or float(distance.mean()) or 1.0


def smallest_distance(points: Floats) -> float:
    """Smallest distance above zero between two rows; 0 when there is none."""
    squared, least = lengths(points), np.inf
    turned = np.ascontiguousarray(points.astype(np.float64).T) * -2
    for start, block in blocks(points, len(points)):
        distance = block @ turned
        distance += squared
        distance += squared[start : start + len(block), None]
        least = min(least, float(distance.min(where=distance > 0, initial=np.inf)))
    return float(np.sqrt(least)) if np.isfinite(least) else 0.0


def gaussian(lengthscale: float) -> Similarity:
    """exp(-distance² / lengthscale²), the lengthscale in grid steps."""
    # Different points of a grid are a step apart or more: a smaller lengthscale changes nothing, but would overflow.
    factor = np.float32(-1 / max(lengthscale, 0.01) ** 2)

    def similarity(distance: F8) -> F4:
        out = distance.astype(np.float32)
        out *= factor
        return np.exp(out, out=out)

    return similarity


def representatives(points: Floats, centres: F8, n: int, weight: F8 | None = None) -> tuple[Rows, F8]:
    """The row closest to each centre, the heaviest cluster first, and the cluster's share of all weight.

    A row that stands for a cluster already leaves the next one to the closest row that is left. Where centres are
    fewer than n, the rest are the heaviest rows, those far from their centre first; their score is 0.
    """
    squared = lengths(points)
    label, distance = nearest(points, centres, squared)
    closest = nearest(centres, points, lengths(centres))[0]
    share = np.bincount(label, weight, len(centres)) / (len(points) if weight is None else weight.sum())
    free = np.ones(len(points), bool)
    rows = []
    order = np.argsort(-share, kind="stable")
    for c in order:
        row = int(closest[c])
        if not free[row]:
            row = int(np.where(free, _to_point(points, squared, centres[c]), np.inf).argmin())
        rows.append(row)
        free[row] = False
    left = np.flatnonzero(free)
    heavy = np.zeros(len(left)) if weight is None else weight[left]
    rest = left[np.lexsort((left, -distance[left], -heavy))[: n - len(rows)]]
    return np.concatenate([np.array(rows, np.int64), rest]), np.concatenate([share[order], np.zeros(len(rest))])


def _to_point(points: Floats, squared: F8, centre: F8) -> F8:
    """Squared distance of every row to a point, but for a constant."""
    out = np.empty(len(points))
    for start, block in blocks(points):
        out[start : start + len(block)] = block @ (centre * -2)
    out += squared
    return out


class Coverage:
    """How well the rows are covered, and what each one would add.

    The mean over all rows is estimated by at most 1,000 random ones and, so that the estimate is fair to rows that
    are not among them, the row that is added itself. With 1,000 rows or fewer it is exact.
    """

    def __init__(
        self, points: F4, seen: F4, similarity: Similarity, rng: np.random.Generator, weight: F8 | None = None
    ) -> None:
        self._points, self._similarity = points.astype(np.float64), similarity  # converted once, read many times
        self._squared = lengths(self._points)
        self._references = subset(len(points), MOST_REFERENCES, rng)
        self._turned = np.ascontiguousarray(self._points[self._references].T) * -2
        self._weight = None if weight is None else weight.astype(np.float32)
        self._full = float(similarity(np.zeros(1))[0])
        self._reached = np.zeros(len(points), np.float32)
        if len(seen):
            self._reached = similarity(nearest(self._points, seen, self._squared)[1])
        self._column = np.full(len(points), -1)
        self._column[self._references] = np.arange(len(self._references))
        # Where many rows gain alike, each pick asks about all of them again: the distances are then worth their memory.
        few = len(points) * len(self._references) <= MOST_KEPT
        self._between = self._distances(np.arange(len(points))) if few else None

    def greedy(self, n: int) -> tuple[Rows, F8]:
        """n rows, each the one that adds most to the mean coverage, and what it adds; equal ones: the lower row.

        Rows that add nothing come last, the least covered first.
        """
        size = len(self._points)
        bound, fresh = np.full(size, np.inf), np.zeros(size, bool)
        rows: list[int] = []
        gain: list[float] = []
        while len(rows) < n:
            fresh[:] = False
            row = self._best(bound, fresh)
            if bound[row] <= 0:
                break
            rows.append(row)
            gain.append(bound[row] / size)
            np.maximum(self._reached, self._similarity(to_row(self._points, self._squared, row)), out=self._reached)
            bound[row] = -1
        left = np.setdiff1d(np.arange(size), rows)
        rest = left[np.argsort(self._reached[left], kind="stable")[: n - len(rows)]]
        return np.array([*rows, *rest], np.int64), np.array(gain + [0.0] * len(rest))

    def _best(self, bound: F8, fresh: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
        batch = _FIRST
        while not fresh[row := int(bound.argmax())]:
            reached = bound[fresh].max(initial=0.0)
            old = np.flatnonzero((bound >= reached) & ~fresh)
            if np.isfinite(bound[row]) and len(old) > batch:
                old = np.sort(old[np.argpartition(-bound[old], batch)[:batch]])
            bound[old] = self._gains(old)
            fresh[old] = True
            batch *= 2
        return row

    def _distances(self, rows: Rows) -> F8:
        """Squared distances from some rows to the references."""
        distance = self._points[rows] @ self._turned
        distance += self._squared[self._references]
        distance += self._squared[rows, None]
        return distance

    def _gains(self, rows: Rows) -> F8:
        # Rounding keeps the order of sums of this fixed shape, so that an old gain is a bound to the last bit.
        size, many = len(self._points), len(self._references)
        out = np.empty(len(rows))
        reached = self._reached[self._references]
        weight = None if self._weight is None else self._weight[self._references]
        step = max(1, _ENTRIES // many)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            rise = self._similarity(self._distances(some) if self._between is None else self._between[some])
            rise -= reached
            np.maximum(rise, 0, out=rise)
            if weight is not None:
                rise *= weight
            column = self._column[some]
            inside = np.flatnonzero(column >= 0)
            rise[inside, column[inside]] = 0
            own = np.maximum(self._full - self._reached[some].astype(np.float64), 0)
            if self._weight is not None:
                own *= self._weight[some]
            others = np.maximum(many - (column >= 0), 1)
            out[start : start + step] = own + rise.sum(axis=1) * ((size - 1) / others)
        out[np.isnan(out)] = 0.0  # a weight that is no number adds nothing; the search would not end on it
        return out


def cover_cost(rows: int, seen: int, columns: int, n: int) -> float:
    """Nanoseconds for n greedy picks, roughly."""
    passes = 1 + 0.25 * float(np.log2(n + 1))  # over all rows, of the lazy search
    pairs = passes * min(rows, MOST_REFERENCES) * (0.03 * columns + 2.8) + seen * (0.04 * columns + 1.2)
    return rows * (pairs + n * (0.5 * columns + 12)) + 30_000 * n


def balls(points: Floats, squared: F8, rows: Rows, limit: float) -> Rows:
    """For each point, how many of the rows are at a squared distance below the limit (itself included)."""
    out = np.zeros(len(points), np.int64)
    bound = np.ceil(min(limit, 2.0**52))  # squared distances are whole numbers, so that this changes nothing
    for first in range(0, len(rows), 1024):
        some = rows[first : first + 1024]
        turned = np.ascontiguousarray(points[some].astype(np.float64, copy=False).T) * -2
        offset = squared[some]
        step = max(1, _ENTRIES // len(some))
        for start in range(0, len(points), step):
            part = slice(start, start + step)
            distance = points[part].astype(np.float64, copy=False) @ turned
            distance += offset
            out[part] += np.count_nonzero(distance < (bound - squared[part])[:, None], axis=1)
    return out
