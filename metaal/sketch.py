"""A bounded sample of the pool and the distances in it, computed once a loop and shared by everything that looks.

Statistics and proposal features need margins, ranks, densities and distances to the labelled rows. Computing them on
the whole pool for every candidate would cost more than training; a sample of fixed size keeps it at milliseconds for
any pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategy_zoo import View

SAMPLE = 2048
"""Rows on which quantiles of the outputs are computed."""
REFERENCE = 256
"""Rows on which distances are computed, and which churn follows through the loops."""
SEEN = 1024
"""Labelled rows that distances are computed to."""
DIRECTIONS = 16
"""Directions of the embedding in which the influence of rows on a linear model is computed."""


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances f8[A,B] between two sets of rows."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    square: np.ndarray = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :]
    square -= 2 * a @ b.T
    np.maximum(square, 0.0, out=square)
    np.sqrt(square, out=square)
    return square


def median(values: np.ndarray) -> float:
    """Median of finite numbers f8[n], n ≥ 1, which it reorders: that of `np.median` to the last bit, in a sixth of the
    time."""
    half = len(values) // 2
    values.partition(half)
    return float(values[half] if len(values) % 2 else (values[:half].max() + values[half]) / 2)


def quantile(ordered: np.ndarray, level: float) -> float:
    """A quantile of ascending numbers f8[n], n ≥ 1, to the last bit that of `np.quantile`, in a tenth of the time."""
    at = level * (len(ordered) - 1)
    low = int(at)
    a, b, part = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)]), at - low
    # From the nearer end, as numpy does.
    return b - (b - a) * (1 - part) if part >= 0.5 else a + (b - a) * part


def margins(proba: np.ndarray) -> np.ndarray:
    """Difference f8[U] of the two highest probabilities (1 where there is one class)."""
    if proba.shape[1] < 2:
        return np.ones(len(proba))
    top = np.partition(proba, -2, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def entropies(proba: np.ndarray) -> np.ndarray:
    """Entropy f8[U] over log C, in [0, 1]."""
    classes = proba.shape[1]
    if classes < 2:
        return np.zeros(len(proba))
    logs = np.log(proba, where=proba > 0, out=np.zeros_like(proba))
    return np.clip(-(proba * logs).sum(1) / np.log(classes), 0.0, 1.0)


class Sketch:
    """Sampled rows of one loop's view with what is known about them.

    Parameters
    ----------
    view : View
    rng : Generator
    reference : i8[R], optional
        Rows to use as reference; drawn from the pool if None.
    """

    def __init__(self, view: View, rng: np.random.Generator, reference: np.ndarray | None = None) -> None:
        self.view = view
        size = view.n
        self.rows = np.arange(size) if size <= SAMPLE else np.sort(rng.choice(size, SAMPLE, replace=False))
        if reference is None:
            reference = np.arange(size) if size <= REFERENCE else np.sort(rng.choice(size, REFERENCE, replace=False))
        self.reference = reference
        self.margin: np.ndarray | None = None
        self.predicted: np.ndarray | None = None
        if view.proba is not None:
            sample = view.proba[self.rows]
            self.margin, self.entropy = margins(sample), entropies(sample)
            self.confidence, self.predicted = sample.max(1), sample.argmax(1)
            self.mean_proba = sample.mean(0)
            self.sorted_margin, self.sorted_entropy = np.sort(self.margin), np.sort(self.entropy)
        self.scale = 1.0
        self.seen: np.ndarray | None = None
        self.seen_label: np.ndarray | None = None
        self.to_seen: np.ndarray | None = None
        self.nearest_label: np.ndarray | None = None
        self.neighbour: np.ndarray | None = None
        self.labelled = next((len(x) for x in (view.seen_y, view.seen_embedding) if x is not None), 0)
        self._ridge: _Ridge | None = None
        if view.embedding is not None and len(reference):
            self._measure_space(rng)

    def _measure_space(self, rng: np.random.Generator) -> None:
        embedding = self.view.embedding
        if embedding is None:
            return
        self.points = embedding[self.reference]
        between = distances(self.points, self.points)
        positive = between[between > 1e-12]
        self.scale = median(positive) if len(positive) else 1.0
        between.sort(axis=1)
        others = between[:, 1:11] / self.scale
        self.neighbour = others.mean(1) if others.shape[1] else np.zeros(len(self.points))
        seen = self.view.seen_embedding
        if seen is not None and len(seen):
            kept = np.arange(len(seen)) if len(seen) <= SEEN else np.sort(rng.choice(len(seen), SEEN, replace=False))
            self.seen = seen[kept]
            apart = distances(self.points, self.seen)
            self.to_seen = apart.min(1) / self.scale
            labels = self.view.seen_y
            if labels is not None and self.view.proba is not None and len(labels) == len(seen):
                self.seen_label = np.asarray(labels)[kept]
                self.nearest_label = self.seen_label[apart.argmin(1)]

    def influence(self, points: np.ndarray) -> dict[str, float]:
        """What rows f[B,D] would do to a ridge regression on the labelled rows; nothing where there are none.

        In `DIRECTIONS` random directions of the embedding (Johnson and Lindenstrauss 1984), each scaled to unit
        variance over the reference rows; the ridge is as much as one label.
        """
        if self.seen is None or len(self.points) < 2:
            return {}
        if self._ridge is None:
            self._ridge = _Ridge.of(self.points, self.seen)
        ridge = self._ridge
        z = (points.astype(np.float64) - ridge.centre) @ ridge.turned
        own = _leverage(z, ridge.inverse)
        if not ridge.usual > 0 or not own > 0:
            return {}
        after = _leverage(ridge.reference, np.linalg.inv(ridge.gram + z.T @ z))
        return {"leverage": float(np.log(own / ridge.usual)), "variance": 1 - after / ridge.usual}

    def rank(self, values: np.ndarray, ordered: np.ndarray) -> float:
        """Mean rank in [0, 1] of ``values`` among the ordered sample."""
        return float((np.searchsorted(ordered, values, side="left") / max(len(ordered), 1)).mean())


@dataclass(frozen=True, eq=False)
class _Ridge:
    """A ridge regression on the labelled rows.

    Parameters
    ----------
    centre : f8[D] · turned : f8[D,K], directions
    gram, inverse : f8[K,K], Gram matrix of the labelled rows, and its inverse
    reference : f8[R,K], reference rows · usual : float, their mean leverage
    """

    centre: np.ndarray
    turned: np.ndarray
    gram: np.ndarray
    inverse: np.ndarray
    reference: np.ndarray
    usual: float

    @classmethod
    def of(cls, points: np.ndarray, seen: np.ndarray) -> _Ridge:
        """That of labelled rows f[M,D], with reference rows f[R,D]."""
        points, seen = points.astype(np.float64), seen.astype(np.float64)
        centre, width = points.mean(0), points.shape[1]
        turned = np.eye(width)
        if width > DIRECTIONS:
            # The same directions in every loop and run: features must be comparable.
            turned = np.random.default_rng(0).standard_normal((width, DIRECTIONS)) / np.sqrt(width)
        spread = ((points - centre) @ turned).std(0)
        turned = turned * np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        reference, known = (points - centre) @ turned, (seen - centre) @ turned
        gram = known.T @ known + np.eye(turned.shape[1])
        inverse = np.linalg.inv(gram)
        return cls(centre, turned, gram, inverse, reference, _leverage(reference, inverse))


def _leverage(rows: np.ndarray, inverse: np.ndarray) -> float:
    """Mean of z inverse z over rows z f8[B,K]."""
    return float(((rows @ inverse) * rows).sum(1).mean())
