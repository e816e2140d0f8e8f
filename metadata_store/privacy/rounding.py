"""Numbers made coarse: counts to multiples of k, floats to a few digits, scores to ranks.

Every function gives the same again for what it has given, so a store that is exported at its own level does not change.
"""

from __future__ import annotations

import math

import numpy as np

from ..checks import INT64_MAX

MOST_BINS = 1024


def coarse_count(number: int, k: int, digits: int = 3) -> int:
    """Round a count to a multiple of k, with at most about `digits` digits.

    Parameters
    ----------
    number : any whole number; a negative one is rounded as its opposite.
    k : 1 or more.
    digits : counts above ``k * 10**digits`` are rounded to multiples of ``10 k``, and so on: an identifier that
        somebody logs as a number must not survive as its own neighbour.

    Returns
    -------
    int : within 64 bits.

    Examples
    --------
    >>> [coarse_count(n, 10) for n in (4, 5, 104, 123_456_789)]
    [0, 10, 100, 123000000]
    """
    step = k
    while abs(number) >= step * 10**digits:
        step *= 10
    size = min((abs(number) + step // 2) // step, INT64_MAX // step) * step
    return size if number >= 0 else -size


def coarse_float(number: float, digits: int = 3) -> float:
    """Round a float to so many significant digits; ±inf stay, and NaN, without the bits that one can hide in it.

    Examples
    --------
    >>> coarse_float(0.123456), coarse_float(-98765.4)
    (0.123, -98800.0)
    """
    if not math.isfinite(number):
        return math.nan if number != number else number
    rounded = float(f"{number:.{digits - 1}e}")
    if math.isinf(rounded):  # 1.797e308 goes up beyond the largest float
        return math.copysign(float(f"{math.floor(1.797 * 10 ** (digits - 1))}e{308 - digits + 1}"), number)
    return rounded


def coarse_floats(array: np.ndarray, digits: int = 3) -> np.ndarray:
    """Round every number of an array to so many significant digits; shape and dtype stay.

    Examples
    --------
    >>> coarse_floats(np.array([[0.123456], [2.0]])).tolist()
    [[0.123], [2.0]]
    """
    flat = [coarse_float(number, digits) for number in array.astype(np.float64).ravel().tolist()]
    with np.errstate(over="ignore"):
        return np.array(flat, np.float64).reshape(array.shape).astype(array.dtype)


def coarse_counts(array: np.ndarray, k: int, digits: int = 3) -> np.ndarray | None:
    """Round the bins of a histogram to multiples of k.

    Parameters
    ----------
    array : whole numbers of any dtype, floats too.
    k, digits : as in `coarse_count`.

    Returns
    -------
    i8 or f8 array of the same shape, as the input was whole or floating; None if the input holds no counts
    (text, NaN, fractions, less than 0) or more than 1,024 bins, which are rows rather than groups.

    Examples
    --------
    >>> coarse_counts(np.array([3, 7, 250], np.uint8), 10).tolist()
    [0, 10, 250]
    >>> coarse_counts(np.array([0.25, 0.75]), 10) is None
    True
    """
    if array.dtype.kind not in "iuf" or array.size > MOST_BINS:
        return None
    flat = array.ravel().tolist()
    if not all(math.isfinite(number) and number >= 0 and number == int(number) for number in flat):
        return None
    rounded = [coarse_count(int(number), k, digits) for number in flat]
    return np.array(rounded, np.float64 if array.dtype.kind == "f" else np.int64).reshape(array.shape)


def ranks(array: np.ndarray) -> np.ndarray | None:
    """Return the rank of each number, 0 for the highest; equal ones share the best of their ranks.

    Parameters
    ----------
    array : (n,) numbers; NaN comes last.

    Returns
    -------
    i8[n], or None for text or more dimensions.

    Examples
    --------
    >>> ranks(np.array([0.1, 0.9, 0.9, 0.5])).tolist()
    [3, 0, 0, 2]
    """
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        return None
    numbers = array.astype(np.float64)
    falling = np.sort(np.where(np.isnan(numbers), np.inf, -numbers))
    return np.searchsorted(falling, np.where(np.isnan(numbers), np.inf, -numbers)).astype(np.int64)
