"""Quantities of a row's class probabilities that several strategies share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]

_BLOCK = 1 << 18  # entries
_NEVER = -1e9  # no logarithm of a number above 0, with noise at beta = 1e-6, is as low


def highest(proba: F8) -> F8:
    """Largest probability of each row."""
    if proba.shape[1] > 32:
        return np.asarray(proba.max(axis=1))
    # Column by column: several times faster than a maximum over short rows.
    out = proba[:, 0].copy()
    for column in range(1, proba.shape[1]):
        np.maximum(out, proba[:, column], out=out)
    return out


def margins(proba: F8) -> F8:
    """Largest minus second largest probability of each row; 1 when there is one class only.

    In [0, 1], or a thousandth above 1 where a row sums to that much. (Counts of votes have margins too.)
    """
    if proba.shape[1] == 1:
        return np.ones(len(proba))
    # Column by column instead of a partition of each row: several times faster for the few classes that are usual.
    if proba.shape[1] <= 32:
        first, second = np.maximum(proba[:, 0], proba[:, 1]), np.minimum(proba[:, 0], proba[:, 1])
        for column in range(2, proba.shape[1]):
            value = proba[:, column]
            np.maximum(second, np.minimum(first, value), out=second)
            np.maximum(first, value, out=first)
        first -= second
        return first
    two = np.partition(proba, proba.shape[1] - 2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def entropies(proba: F8) -> F8:
    """Shannon entropy of each row in nats, in [0, log C]."""
    out = np.empty(len(proba))
    step = max(1, _BLOCK // proba.shape[1])
    for start in range(0, len(proba), step):
        block = proba[start : start + step]
        # The logarithm of 1 stands in where p = 0, because p log p goes to 0 there.
        out[start : start + step] = -(block * np.log(np.where(block > 0, block, 1.0))).sum(axis=1)
    return out


def powered(weight: F8, beta: float, rng: np.random.Generator) -> F8:
    """Scores whose n largest are rows drawn without replacement, with chances in proportion to weight ** beta.

    Rows without weight come after all others, by chance among themselves.
    """
    some = weight > 0
    return np.where(some, np.log(np.where(some, weight, 1.0)), _NEVER) + rng.gumbel(size=len(weight)) / beta
