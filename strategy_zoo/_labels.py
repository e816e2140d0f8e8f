"""Labels so far, as strategies need them: counts of class columns, groups of any labels, and ties put in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.errors import ViewError

F8 = NDArray[np.float64]
Rows = NDArray[np.int64]

_GAP = 2.0**-30  # scores that differ by less than a billionth count as equal


def class_counts(seen_y: NDArray[Any] | None, classes: int) -> Rows:
    """Labels so far of each column of proba; what isn't a whole number from 0 to classes - 1 counts for no class.

    >>> class_counts(np.array([0, 2, 2, 9]), 3).tolist()
    [1, 0, 2]
    """
    if seen_y is None or seen_y.dtype.kind not in "iub":
        return np.zeros(classes, np.int64)
    labels = seen_y.astype(np.int64)
    return np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes).astype(np.int64)


def groups(seen_y: NDArray[Any]) -> Rows:
    """The number of each row's class, from 0 without gaps, for labels of any type (equal labels are one class).

    >>> groups(np.array(["b", "a", "b"])).tolist()
    [1, 0, 1]
    """
    if seen_y.dtype.kind != "O":
        return np.unique(seen_y, return_inverse=True)[1].astype(np.int64)
    # Objects of several types can't be sorted, but they can be told apart.
    number: dict[Any, int] = {}
    try:
        return np.array([number.setdefault(label, len(number)) for label in seen_y.tolist()], np.int64)
    except TypeError as error:
        raise ViewError(
            f"seen_y holds labels that can't be compared ({error}); pass numbers, words or other hashable labels"
        ) from None


def evenly(size: int, most: int) -> Rows:
    """At most `most` row numbers below `size`, evenly spaced from the first to the last; no chance is involved.

    >>> evenly(10, 4).tolist()
    [0, 3, 6, 9]
    """
    if size <= most:
        return np.arange(size)
    return np.rint(np.linspace(0, size - 1, most)).astype(np.int64)


def with_ties(primary: F8, second: F8, gap: float = _GAP) -> F8:
    """The primary score in steps of `gap`, and within a step the second one (in [0, 1], higher = more wanted).

    A score with few values would put its many equals in the order of the file. The second score is worth at most half a
    step, so it never overturns the first.

    >>> with_ties(np.array([1.0, 2.0, 1.0]), np.array([0.0, 0.5, 1.0]), gap=1.0).tolist()
    [1.0, 2.25, 1.5]
    """
    return np.asarray((np.rint(primary / gap) + second / 2) * gap)


def label_margins(label_proba: F8) -> F8:
    """|P(label) - P(no label)| of each row and label of a multi-label task, in [0, 1]."""
    return np.asarray(np.abs(2 * label_proba - 1))
