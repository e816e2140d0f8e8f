"""What a decision was worth, read off the learning curve of its run.

It is the mean score over the labels that the next `HORIZON` batches bring, less the score at the decision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

HORIZON = 3
"""Batches of labels over which a decision's outcome is measured."""


def gains(
    labels: np.ndarray, good: np.ndarray, curves: Sequence[np.ndarray], loop: int, batch: float
) -> list[float] | None:
    """Outcome of one decision on each curve; None where it cannot be known.

    Parameters
    ----------
    labels : f8[T]
        Labels behind the model of each loop.
    good : bool[T]
        Where labels and scores are known.
    curves : sequence of f8[T]
        Scores of the model of each loop, before its batch is asked.
    loop : int
        Number in 0..T−1 of the decision's loop.
    batch : float
        Labels that the decision was to bring; with fewer ahead nothing is known.
    """
    if not good[loop]:
        return None
    ahead = _ahead(labels, good, loop)
    if not len(ahead) or not labels[ahead].max() >= labels[loop] + batch:
        return None
    end = min(labels[loop] + HORIZON * batch, labels[ahead].max())
    at = np.concatenate([[loop], ahead])
    return [_mean_gain(labels[at], curve[at], end) for curve in curves]


def _ahead(labels: np.ndarray, good: np.ndarray, loop: int) -> np.ndarray:
    """Later loops that have more labels than every one before them (labels can be withdrawn)."""
    out, most = [], labels[loop]
    for later in range(loop + 1, len(labels)):
        if good[later] and labels[later] > most:
            out.append(later)
            most = labels[later]
    return np.array(out, dtype=np.int64)


def _mean_gain(labels: np.ndarray, curve: np.ndarray, end: float) -> float:
    """Mean score over (labels[0], end] by linear interpolation, less the score at labels[0]."""
    inside = labels < end
    x = np.append(labels[inside], end)
    y = np.append(curve[inside], np.interp(end, labels, curve))
    return float(np.trapezoid(y, x) / (x[-1] - x[0]) - curve[0])
