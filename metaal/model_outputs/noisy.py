"""Predictions under noise: what dropout is to networks, for any classifier of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metaal.model_outputs.embedded import points_name, restored, to_points
from metaal.model_outputs.models import Unavailable
from metaal.model_outputs.rows import is_sparse, numbers
from metaal.model_outputs.source import Source
from metaal.randomness import generator

NOISES = ("dropout", "gaussian")


def stochastic(source: Source) -> np.ndarray:
    """f8[S, U, C]: one pass after the other with independent noise on what the last step gets.

    ``("dropout", rate)``: each entry is replaced with probability `rate` by its column's mean over the pool, in sparse
    rows by 0; the entries that stay aren't scaled. ``("gaussian", scale)``: adds normal noise with `scale` times the
    column's standard deviation. A pass draws from its own generator in the order of the rows, so that blocks of any
    size get the same noise.

    References
    ----------
    Gupte, Aklilu, Nirschl and Yeung-Levy 2024, Revisiting Active Learning in the Era of Vision Foundation Models.
    """
    classes = source.proba_classes()
    out = np.empty((source.passes, source.n, classes))
    spread = _Moments()
    for _, rows in source.blocks(source.X):
        spread.add(_numbers(source, rows))
    rngs = [generator(source.seed, "outputs", number, "stochastic") for number in range(source.passes)]
    frame = restored(source)
    for part, rows in source.blocks(source.X):
        points = _numbers(source, rows)
        disturb = _disturber(source.noise, spread, points)
        for number, rng in enumerate(rngs):
            out[number, part] = source.last.predict_proba(frame(disturb(points, rng)))
    return out


def _numbers(source: Source, rows: Any) -> Any:
    points = to_points(source)(rows)
    if is_sparse(points):
        return points.tocsr()
    try:
        return numbers(points, np.float64)
    except ValueError as error:
        raise Unavailable(
            f"noise is added to numbers, and {points_name(source)} with {error}; put what encodes X into a Pipeline "
            "with the estimator"
        ) from None


def _disturber(noise: tuple[str, float], spread: _Moments, example: Any) -> Callable[[Any, np.random.Generator], Any]:
    kind, rate = noise
    if is_sparse(example):
        if kind == "gaussian":
            raise Unavailable("Gaussian noise would fill sparse rows; pass noise=('dropout', rate)")
        return lambda points, rng: _thinned(points, rng.random(points.nnz) >= rate)
    if kind == "gaussian":
        scale = rate * np.sqrt(spread.square / spread.count)
        return lambda points, rng: points + scale * rng.standard_normal(points.shape)
    return lambda points, rng: np.where(rng.random(points.shape) < rate, spread.mean, points)


def _thinned(points: Any, kept: np.ndarray) -> Any:
    out = points.copy()
    out.data = out.data * kept
    return out


class _Moments:
    """Mean and sum of squared deviations of columns, block by block (Chan, Golub and LeVeque 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.square: Any = 0.0

    def add(self, block: Any) -> None:
        if is_sparse(block):
            return  # its entries are thinned, not replaced
        size, mean = len(block), block.mean(axis=0)
        total, delta = self.count + size, mean - self.mean
        self.square = self.square + np.square(block - mean).sum(axis=0) + delta**2 * (self.count * size / total)
        self.mean = self.mean + delta * (size / total)
        self.count = total
