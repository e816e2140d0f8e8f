"""Points on an integer grid, so that distances are exact.

Embeddings are rounded to integers of at most 23 bits, fewer for many columns. Products and sums of such numbers fit in
the 53 bits of a float64 without rounding, whatever the order of the additions: matrix products give the same bits on
any number of threads and any BLAS, duplicates are at distance zero exactly, and the fast form |x|² + |c|² - 2 x·c loses
nothing. The resolution is a millionth of the largest coordinate or better (up to 1,000 columns), which is about what
float32 holds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
Rows = NDArray[np.int64]

_COARSE = 8  # grid steps that a typical row should be from the mean, at least
_ENTRIES = 1 << 16  # entries of a block of points: 0.5 MB, so that it is still in the cache when it is used
_WIDE = 1 << 18  # entries of a block of distances: 2 MB
_CENTRES = 1024  # centres that a block of points is compared with at once


def snap(*arrays: F4 | F8, centre: bool = True, named: bool = True) -> tuple[list[F4], float]:
    """The arrays as integers (held in float32, which is exact), on one common grid, and the size of a grid step.

    With `centre`, the mean of the first array becomes the origin; distances don't change, but far fewer bits are lost.
    `named`: the arrays are a caller's embedding; a warning is given when a few huge values leave no bits for the rest.
    """
    columns = arrays[0].shape[1]
    bits = min(23, (51 - math.ceil(math.log2(max(2, columns)))) // 2)
    origin = np.zeros(columns)
    if centre and len(arrays[0]):
        origin = arrays[0].mean(axis=0, dtype=np.float64)
    peak = max((float(np.abs(block - origin).max()) for a in arrays for _, block in blocks(a)), default=0.0)
    # A power of two: dividing by it is exact. What a float64 can hardly hold is zero, as its step would be.
    step = math.ldexp(1.0, math.frexp(peak)[1] - bits) if peak > 1e-300 else 1.0
    if named:
        _warn_of_outliers(arrays[0], step)
    placed = []
    for array in arrays:
        out = np.empty(array.shape, np.float32)
        for start, block in blocks(array):
            out[start : start + len(block)] = np.rint((block - origin) / step)
        placed.append(out)
    return placed, step


def _warn_of_outliers(points: F4 | F8, step: float) -> None:
    some = points[:: max(1, len(points) // 1000)].astype(np.float64)
    # Of two rows that are far apart one is far from any third point. Where each row is far from the next one, in a
    # circle, at least half of them are far from the median: nearly always so, and told in a fifth of the time.
    if len(some) > 1 and np.abs(some - np.roll(some, 1, axis=0)).max(axis=1).min() > 5 * _COARSE * step:
        return
    # About the median: a huge value moves the mean itself.
    size = np.abs(some - np.median(some, axis=0)).max(axis=1, initial=0.0) if len(some) else np.empty(0)
    typical = float(np.median(size)) if len(size) else 0.0
    if 0 < typical < _COARSE * step:
        warnings.warn(
            f"the embedding's largest values are over a million times a typical row's (about {typical:.3g} from "
            "the median), so that distances between typical rows are lost; remove sentinel values such as -999999, or "
            "scale the columns",
            stacklevel=4,
        )


def blocks(points: Floats, width: int | None = None) -> Iterator[tuple[int, F8]]:
    """Pieces of rows as float64, so that rows times `width` (the columns if None) stays bounded."""
    rows = max(1, (_WIDE if width else _ENTRIES) // max(1, points.shape[1], width or 0))
    for start in range(0, len(points), rows):
        yield start, points[start : start + rows].astype(np.float64, copy=False)


def lengths(points: Floats) -> F8:
    """Squared length of each row."""
    out = np.empty(len(points))
    for start, block in blocks(points):
        out[start : start + len(block)] = np.einsum("ij,ij->i", block, block)
    return out


def products(points: Floats, row: int) -> F8:
    """Inner product of every row with one of them."""
    one = points[row].astype(np.float64)
    if points.dtype == np.float64 and points.size <= _ENTRIES:  # one block
        return np.asarray(points @ one)
    out = np.empty(len(points))
    for start, block in blocks(points):
        out[start : start + len(block)] = block @ one
    return out


def to_row(points: Floats, squared: F8, row: int) -> F8:
    """Squared distance of every row to one of them."""
    out = products(points, row)
    out *= -2
    out += squared
    out += squared[row]
    return out


def nearest(points: Floats, centres: Floats, squared: F8) -> tuple[Rows, F8]:
    """For each point the nearest centre (the first among equals) and the squared distance to it."""
    if 0 < len(centres) <= _CENTRES and len(points) * max(points.shape[1], len(centres)) <= _WIDE:
        # A single block of each, as in every round of a small k-means: there is nothing to be merged.
        column, value = _nearest(points.astype(np.float64, copy=False), *_turned(centres))
        return column, value + squared
    which = np.zeros(len(points), np.int64)
    best = np.full(len(points), np.inf)
    for first in range(0, len(centres), _CENTRES):
        some = _turned(centres[first : first + _CENTRES])
        for start, block in blocks(points, len(some[1])):
            part = slice(start, start + len(block))
            column, value = _nearest(block, *some)
            value += squared[part]
            closer = value < best[part]
            which[part] = np.where(closer, column + first, which[part])
            best[part] = np.where(closer, value, best[part])
    return which, best


def _turned(centres: Floats) -> tuple[F8, F8]:
    """Columns −2 c, and the squared length of each centre."""
    some = centres.astype(np.float64, copy=False)
    return np.ascontiguousarray(some.T) * -2, np.einsum("ij,ij->i", some, some)


def _nearest(block: F8, turned: F8, offset: F8) -> tuple[Rows, F8]:
    """Number of the nearest centre of each row, and its squared distance less the row's own squared length."""
    distance = block @ turned
    distance += offset
    column = distance.argmin(axis=1)
    return column, distance[np.arange(len(block)), column]
