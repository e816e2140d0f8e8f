"""Bootstrap intervals against scipy, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from metaal.comparing import bootstrap, stratified
from metaal.errors import InputError


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(0).exponential(1, 30)
    for method in ("BCa", "percentile", "basic"):
        found = bootstrap(values, method=method, seed=3, resamples=999, confidence=0.9)  # type: ignore[arg-type]
        reference = stats.bootstrap(
            (values,),
            np.mean,
            method=method,
            n_resamples=999,
            confidence_level=0.9,
            vectorized=True,
            rng=np.random.default_rng(3),
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
        assert found.estimate == pytest.approx(values.mean())


def test_groups_are_resampled_whole() -> None:
    """Ten families of 20 equal values are ten values, not 200."""
    means = np.random.default_rng(1).normal(0, 1, 10)
    values, groups = np.repeat(means, 20), np.repeat([f"f{k}" for k in range(10)], 20)
    assert bootstrap(values, groups) == pytest.approx(bootstrap(means), abs=0.01)
    alone = bootstrap(values)
    grouped = bootstrap(values, groups)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_groups_weigh_the_same_whatever_their_size() -> None:
    found = bootstrap([0.0, 0.0, 0.0, 1.0], ["a", "a", "a", "b"])
    assert found.estimate == 0.5


def test_paired_samples_are_resampled_together() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(10, 3, 40)

    def ratio(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(x.mean(axis) / y.mean(axis))

    found = bootstrap(np.stack([2 * a, a]), statistic=ratio, resamples=500)
    assert (found.low, found.high) == pytest.approx((2, 2))


def test_too_little_to_resample() -> None:
    assert bootstrap([2.0]).estimate == 2.0
    assert np.isnan(bootstrap([2.0]).low)
    assert np.isnan(bootstrap([1.0, 3.0], ["a", "a"]).high)
    assert bootstrap([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)


def test_bad_calls_of_bootstrap() -> None:
    for arguments, more, words in (
        (([],), {}, "expected finite"),
        (([1.0, np.nan],), {}, "expected finite"),
        (([1.0, 2.0], ["a"]), {}, "1 groups for 2 values"),
        (([1.0, 2.0],), {"confidence": 1.0}, "confidence 1.0"),
        (([1.0, 2.0],), {"resamples": 1}, "resamples 1"),
    ):
        with pytest.raises(InputError, match=words):
            bootstrap(*arguments, **more)  # type: ignore[arg-type]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Skewed differences of 40 families, in 300 repetitions; a 95 % interval misses some five in a hundred."""
    rng = np.random.default_rng(5)
    hits = 0
    for k in range(300):
        found = bootstrap(rng.exponential(1, 40) - 1, seed=k, resamples=400)
        hits += found.low <= 0 <= found.high
    assert 0.88 < hits / 300 < 0.98


def test_strata_are_resampled_by_themselves() -> None:
    """Tasks that differ, with seeds that don't: there is nothing to be unsure of in these tasks."""
    parts = [np.full((5, 1), level) for level in (0.0, 10.0, 50.0)]
    assert stratified(parts) == [(20.0, 20.0, 20.0)]
    rng = np.random.default_rng(6)
    part = rng.normal(0, 1, (50, 2))
    one, other = stratified([part])
    reference = stats.bootstrap(
        (part[:, 1],), np.mean, method="percentile", rng=np.random.default_rng(9)
    ).confidence_interval
    assert (other.low, other.high) == pytest.approx((reference.low, reference.high), abs=0.02)
    assert one.estimate == pytest.approx(part[:, 0].mean())


def test_equal_differences_get_equal_intervals_and_repeat() -> None:
    values = np.random.default_rng(7).normal(0, 1, (12, 1))
    one, other = stratified([np.hstack([values, values])], seed=4)
    assert one == other
    assert stratified([values], seed=4)[0] == pytest.approx(one)
    assert stratified([values], seed=5) != [one]
