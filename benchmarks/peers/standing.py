"""What stands for a fitted model where a peer wants one: it answers with the probabilities that the view holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_zoo.errors import UnmetNeedError
from strategy_zoo.view import View


class Answers:
    """Probabilities of the pool's rows by what they hold; equal rows have equal ones, as from any model.

    Parameters
    ----------
    view : View
        With proba and embedding.
    """

    def __init__(self, view: View) -> None:
        if view.proba is None or view.embedding is None:
            raise UnmetNeedError("a peer's strategy needs proba and embedding; pass both to the view")
        self.x = view.embedding.astype(np.float64)
        self.proba = np.array(view.proba)
        self._row = {line.tobytes(): k for k, line in enumerate(self.x)}

    def __call__(self, x: Any) -> np.ndarray:
        """f8[k,C] of rows f8[k,D] of the pool.

        Raises
        ------
        KeyError
            A row is not of the pool: a stand-in cannot predict what was not shown.
        """
        lines = np.ascontiguousarray(x, dtype=np.float64)
        if lines.shape == self.x.shape and np.array_equal(lines, self.x):
            return self.proba.copy()
        rows = [self._row[line.tobytes()] for line in lines]
        found: np.ndarray = self.proba[rows]
        return found


def table(view: View) -> tuple[np.ndarray, np.ndarray]:
    """All rows f8[U+L,D], those of the pool first so that they keep their numbers, and labels f8[U+L], NaN for none."""
    if view.embedding is None:
        raise UnmetNeedError("a peer's strategy needs embedding; pass it to the view")
    seen = np.zeros((0, view.embedding.shape[1])) if view.seen_embedding is None else view.seen_embedding
    y = np.full(view.n + len(seen), np.nan)
    if view.seen_y is not None:
        y[view.n :] = view.seen_y
    return np.concatenate([view.embedding, seen]).astype(np.float64), y


def seed_of(rng: np.random.Generator) -> int:
    """A seed for a package that takes numbers."""
    return int(rng.integers(2**31))


def whole(rows: np.ndarray, n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """The first ``n`` different rows i8[n]; where a peer names one twice, others at random make up for it.

    (scikit-activeml 1.0's Badge does where all gradient embeddings that are left are equal.) Without this its run would
    fail, or have fewer labels than its rivals'.

    Examples
    --------
    >>> whole(np.array([4, 4]), 2, 6, np.random.default_rng(0)).tolist()
    [4, 5]
    """
    first = np.sort(np.unique(rows, return_index=True)[1])
    kept = np.asarray(rows, dtype=np.int64)[first][:n]
    rest = np.setdiff1d(np.arange(size), kept)
    return np.concatenate([kept, rng.choice(rest, n - len(kept), replace=False)])
