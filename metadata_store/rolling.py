"""Statistics of sliding windows over the rows of a matrix, in O(log window) passes and the memory of a few matrices.

A window of W values is put together of blocks of 1, 2, 4, … values, as a number is of its bits. Whatever can be
combined from two neighbouring blocks can be had so: extremes, sums, and moments about the mean, which unlike running
sums of squares lose no digits, and of which one inf or NaN spoils no window but its own.

Reference: Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance: analysis and recommendations.

Examples
--------
>>> STATISTICS["sum"](np.array([[1.0, np.nan, 3.0, 4.0]]), 2)
array([[1., 1., 3., 7.]])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Block = tuple[np.ndarray, ...]


def shift(values: np.ndarray, n: int, fill: float = np.nan) -> np.ndarray:
    """Return every row moved n places to the right (to the left below 0), `fill` where nothing comes from.

    Examples
    --------
    >>> shift(np.array([[1.0, 2.0, 3.0]]), 1)
    array([[nan,  1.,  2.]])
    """
    moved = np.full(values.shape, fill)
    width = values.shape[1]
    if 0 <= n < width:
        moved[:, n:] = values[:, : width - n]
    elif -width < n < 0:
        moved[:, :n] = values[:, -n:]
    return moved


def fold(start: Block, window: int, combine: Callable[[Block, Block], Block], empty: tuple[float, ...]) -> Block:
    """Return what the last `window` columns combine to, at every column.

    Parameters
    ----------
    start : arrays f8[R, T] that describe each single value.
    window : 1 or more columns.
    combine : makes one description of two, the earlier columns first.
    empty : the description of no value, one number for each array.
    """

    def back(block: Block, n: int) -> Block:
        return tuple(shift(part, n, nothing) for part, nothing in zip(block, empty, strict=True))

    rest = min(window, max(start[0].shape[1], 1))
    whole: Block = tuple(np.full(part.shape, nothing) for part, nothing in zip(start, empty, strict=True))
    block, size, used = start, 1, 0
    while True:
        if rest & 1:
            whole = combine(back(block, used), whole)
            used += size
        rest >>= 1
        if not rest:
            return whole
        block, size = combine(back(block, size), block), 2 * size


def moments(values: np.ndarray, window: int) -> Block:
    """Return count, mean of x, mean of y, Σ(x−x̄)², Σ(x−x̄)(y−ȳ), Σ(y−ȳ)² of each window; x = column, y = value."""
    known = ~np.isnan(values)
    zero = np.zeros(values.shape)
    x = np.where(known, np.arange(values.shape[1], dtype=np.float64), 0.0)
    start = (known.astype(np.float64), x, np.where(known, values, 0.0), zero, zero, zero)

    def combine(one: Block, two: Block) -> Block:
        n = one[0] + two[0]
        share = two[0] / np.maximum(n, 1.0)
        # a block without values has mean 0, which says nothing: where one is empty, the other counts alone
        both = (one[0] > 0) & (two[0] > 0)
        dx, dy = np.where(both, two[1] - one[1], 0.0), np.where(both, two[2] - one[2], 0.0)
        weight = one[0] * share
        means = [
            np.where(both, a + d * share, np.where(two[0] > 0, b, a))
            for a, b, d in ((one[1], two[1], dx), (one[2], two[2], dy))
        ]
        spread = [a + b + d * weight for a, b, d in zip(one[3:], two[3:], (dx * dx, dx * dy, dy * dy), strict=True)]
        return (n, *means, *spread)

    with np.errstate(invalid="ignore", over="ignore"):  # inf − inf is NaN, and so is the window's moment
        return fold(start, window, combine, (0.0,) * 6)


def slope(values: np.ndarray, window: int) -> np.ndarray:
    """Return the least-squares slope of each window, NaN with fewer than two values.

    Examples
    --------
    >>> slope(np.array([[1.0, 3.0, 5.0]]), 5)
    array([[nan,  2.,  2.]])
    """
    _, _, _, xx, xy, _ = moments(values, window)
    return np.divide(xy, xx, out=np.full(values.shape, np.nan), where=xx > 0)


def _count(values: np.ndarray, window: int) -> np.ndarray:
    return fold(((~np.isnan(values)).astype(np.float64),), window, lambda a, b: (a[0] + b[0],), (0.0,))[0]


def _sum(values: np.ndarray, window: int) -> np.ndarray:
    known = np.where(np.isnan(values), 0.0, values)
    with np.errstate(invalid="ignore", over="ignore"):
        total = fold((known,), window, lambda a, b: (a[0] + b[0],), (0.0,))[0]
    return np.where(_count(values, window) > 0, total, np.nan)


def _mean(values: np.ndarray, window: int) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _sum(values, window) / _count(values, window)


def _std(values: np.ndarray, window: int) -> np.ndarray:
    count, _, _, _, _, yy = moments(values, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.where(count > 0, yy / count, np.nan))


def _least(values: np.ndarray, window: int) -> np.ndarray:
    return fold((values,), window, lambda a, b: (np.fmin(a[0], b[0]),), (np.nan,))[0]


def _most(values: np.ndarray, window: int) -> np.ndarray:
    return fold((values,), window, lambda a, b: (np.fmax(a[0], b[0]),), (np.nan,))[0]


STATISTICS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "mean": _mean,
    "sum": _sum,
    "std": _std,
    "min": _least,
    "max": _most,
    "count": _count,
}
"""What a window can be asked for, by name; missing values are left out."""
