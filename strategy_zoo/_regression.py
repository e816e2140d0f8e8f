"""What strategies for regression share."""

from __future__ import annotations

import numpy as np

from strategy_zoo._grid import F4, F8, blocks
from strategy_zoo.errors import ViewError
from strategy_zoo.view import View


def seen_values(view: View) -> F8 | None:
    """The labels of the labelled rows as numbers; None when the view doesn't hold them, or nothing is labelled."""
    seen = view.seen_y
    if seen is None or not len(seen):
        return None
    if seen.dtype.kind not in "iufb":
        raise ViewError(
            f"seen_y has the type {seen.dtype} (first: {str(seen[0])[:40]!r}), expected numbers, because this strategy "
            "compares labels with predictions; pass the measured values as floats"
        )
    return seen.astype(np.float64)


def to_nearest_value(values: F8, others: F8) -> F8:
    """Distance of each value to the nearest one of the others (at least one)."""
    line = np.unique(others)
    right = np.searchsorted(line, values)
    out = np.abs(values - line[np.minimum(right, len(line) - 1)])
    return np.minimum(out, np.abs(values - line[np.maximum(right - 1, 0)]), out=out)


def least_products(points: F4, values: F8, centres: F4, centre_values: F8, squared: F8) -> tuple[F8, F8]:
    """For each gridded point the least (distance * difference of the values)² over the centres, and least distance²."""
    product, distance = np.full(len(points), np.inf), np.full(len(points), np.inf)
    for first in range(0, len(centres), 1024):
        some, mine = centres[first : first + 1024].astype(np.float64), centre_values[first : first + 1024]
        offset = np.einsum("ij,ij->i", some, some)
        turned = np.ascontiguousarray(some.T) * -2
        for start, block in blocks(points, len(some)):
            part = slice(start, start + len(block))
            both = block @ turned
            both += offset
            both += squared[part, None]
            np.minimum(distance[part], both.min(axis=1), out=distance[part])
            apart = values[part, None] - mine
            apart *= apart
            both *= apart
            np.minimum(product[part], both.min(axis=1), out=product[part])
    return product, distance


def counted_from_the_second(reached: F8, left: F8) -> F8:
    """The distances at the time of each pick, where the first row was compared with nothing.

    It counts as far as the second pick, or as the farthest row in `left` when it is the only one.
    """
    if np.isinf(reached[0]):
        reached[0] = reached[1] if len(reached) > 1 else max(0.0, float(left.max()))
    return reached
