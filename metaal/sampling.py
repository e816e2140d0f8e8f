"""Which rows of the pool are worth computing outputs for, when only a share of it is to be scored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metaal.randomness import generator

if TYPE_CHECKING:
    from metaal.state import RunState

LEAST = 128
"""Rows that are scored at least, whatever the share: strategies and statistics need something to compare."""


def sample_rows(ids: np.ndarray, share: float, reference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions i8[m], ascending, of the rows to score.

    Rows of the reference subset come first, as long as they are at most half of the sample: the change of the model's
    opinion from loop to loop can be followed only on rows that are scored in both.

    Parameters
    ----------
    ids : (U,) array
        Keys of the pool.
    share : float
        In (0, 1]; at least `LEAST` rows are taken.
    reference : array
        Keys of the last loop's reference rows.
    rng : Generator

    Examples
    --------
    >>> rows = sample_rows(np.arange(1000), 0.25, np.arange(10), np.random.default_rng(0))
    >>> len(rows), bool(np.isin(np.arange(10), rows).all())
    (250, True)
    """
    size = len(ids)
    count = min(size, max(math.ceil(share * size), LEAST))
    if count == size:
        return np.arange(size)
    kept = np.flatnonzero(np.isin(ids, reference))[: count // 2]
    others = np.setdiff1d(np.arange(size), kept)
    drawn = rng.choice(others, count - len(kept), replace=False)
    return np.sort(np.concatenate([kept, drawn]))


def sample_next(state: RunState, ids: np.ndarray, *, seed: int, stream: str) -> np.ndarray:
    """Positions i8[m] of the rows to score before the run's next ask, as its last action said; all before the first."""
    if not state.asks:
        return np.arange(len(ids))
    last = state.asks[-1]
    rng = generator(seed, stream, state.loop + 1, "sample")
    return sample_rows(ids, float(last.values.get("action.share", 1.0)), last.arrays["reference.ids"], rng)
