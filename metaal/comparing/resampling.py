"""Bootstrap intervals: over families, or over the seeds of given tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from metaal.errors import InputError

RESAMPLES = 10_000
Statistic = Callable[..., Any]
"""Takes arrays and ``axis``, as numpy.mean does."""


class Interval(NamedTuple):
    """An estimate with its confidence interval; NaN bounds where there is too little to resample."""

    estimate: float
    low: float
    high: float


def bootstrap(
    values: np.ndarray | Sequence[float],
    groups: np.ndarray | Sequence[Any] | None = None,
    statistic: Statistic = np.mean,
    seed: int = 0,
    resamples: int = RESAMPLES,
    *,
    confidence: float = 0.95,
    method: Literal["BCa", "percentile", "basic"] = "BCa",
) -> Interval:
    """Bootstrap interval of a statistic (scipy.stats.bootstrap).

    Parameters
    ----------
    values : f8[n], or f8[k, n] of k paired samples, which are resampled together
        Finite.
    groups : [n], optional
        A label each. Values of one group are averaged first and the groups resampled, so that the interval speaks of
        further groups (families), not of further values of these.
    statistic : callable
        Takes one array a sample and ``axis``. Default: the mean.
    seed : int
        Equal data and seeds give equal intervals.
    resamples : int
    confidence : float
        In (0, 1).
    method : str
        ``"BCa"`` (bias-corrected and accelerated), ``"percentile"`` or ``"basic"``.

    Returns
    -------
    Interval
        Bounds are NaN for fewer than two values (or groups), and the estimate itself where all values are equal.

    Raises
    ------
    InputError
        No values, some that are not finite, or other numbers out of range.

    References
    ----------
    Efron, 1987, Better bootstrap confidence intervals.

    Examples
    --------
    >>> bootstrap([1.0, 1.0, 1.0])
    Interval(estimate=1.0, low=1.0, high=1.0)
    """
    from scipy import stats

    data = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if data.ndim != 2 or data.shape[1] == 0 or not np.isfinite(data).all():
        raise InputError(f"bootstrap: got values of shape {np.shape(values)}; expected finite f8[n] or f8[k, n], n ≥ 1")
    if not 0 < confidence < 1 or resamples < 2:
        raise InputError(f"bootstrap: confidence {confidence}, resamples {resamples}; expected in (0, 1), and ≥ 2")
    if groups is not None:
        data = _group_means(data, groups)
    estimate = float(statistic(*data, axis=-1))
    if data.shape[1] < 2:
        return Interval(estimate, float("nan"), float("nan"))
    if _constant(data, statistic):
        return Interval(estimate, estimate, estimate)
    found = stats.bootstrap(
        tuple(data),
        statistic,
        paired=len(data) > 1,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // data.size),
        confidence_level=confidence,
        method=method,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high))


def _constant(data: np.ndarray, statistic: Statistic) -> bool:
    """Whether leaving any one value out changes nothing: then there is no spread to resample, and BCa divides by it."""
    n = data.shape[1]
    parts = []
    for start in range(0, n, 64):
        out = np.arange(start, min(start + 64, n))[:, None]
        others = np.arange(n - 1) + (np.arange(n - 1) >= out)  # every row but one
        parts.append(np.asarray(statistic(*data[:, others], axis=-1), dtype=np.float64))
    left = np.concatenate(parts)
    return bool(np.ptp(left) <= 1e-12 * max(1.0, float(np.abs(left).max())))


def _group_means(data: np.ndarray, groups: np.ndarray | Sequence[Any]) -> np.ndarray:
    labels = list(groups)
    if len(labels) != data.shape[1]:
        raise InputError(f"bootstrap: got {len(labels)} groups for {data.shape[1]} values; pass one label each")
    codes = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    code = np.array([codes[label] for label in labels])
    count = np.bincount(code)
    return np.stack([np.bincount(code, weights=row) / count for row in data])


def stratified(
    parts: Sequence[np.ndarray], *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = 0.95
) -> list[Interval]:
    """Percentile intervals of means of means, each part resampled by itself: they speak of these tasks alone.

    Parameters
    ----------
    parts : sequence of f8[n, k]
        One a task: the paired differences of its n seeds to k rivals. All rivals share the draws.
    seed, resamples, confidence
        As `bootstrap`.

    Returns
    -------
    list of Interval
        One a rival.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros((resamples, parts[0].shape[1]))
    offsets = np.arange(resamples)[:, None]
    for part in parts:
        size = len(part)
        drawn = rng.integers(size, size=(resamples, size)) + size * offsets
        times = np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size)
        means += times @ part / (size * len(parts))
    estimate = np.mean([part.mean(0) for part in parts], axis=0)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [Interval(*map(float, bounds)) for bounds in zip(estimate, low, high, strict=True)]
