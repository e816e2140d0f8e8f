"""Doubly robust outcomes are right where the propensities or the model are, and plain means are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metaal.robust import LEAST, Observed, brought, chances, known_of

N = 4000


def observed(seed: int = 0, *, groups: int = 40, bend: float = 1.0) -> tuple[Observed, np.ndarray]:
    """Decisions that depend on the score, which also drives the outcome; b brings 0.02 more than a.

    With ``bend`` the outcome is a step of the score, which no straight line follows.
    """
    rng = np.random.default_rng(seed)
    state, level = rng.normal(size=(N, 3)), rng.normal(size=N)
    group = rng.integers(groups, size=N)
    likely = np.where(level > 0.5, 0.9, 0.2)
    is_b = rng.random(N) < likely
    drift = 0.1 * ((1 - bend) * level + bend * (level > 0.5))
    outcome = drift + 0.02 * is_b + 0.01 * rng.normal(size=N) + 0.05 * rng.normal(size=groups)[group]
    propensity = np.where(is_b, likely, 1 - likely)
    phase = rng.integers(1, 9, size=N).astype(float)
    action = np.where(is_b, "b", "a")
    known = known_of(state, level, phase)
    return Observed(state, known, phase, action, outcome, propensity, group, group), is_b


@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize("bend", [0.0, 1.0])
def test_the_gain_is_found_where_the_plain_means_are_far_off(logged: bool, bend: float) -> None:
    data, is_b = observed(bend=bend)
    if not logged:
        data = replace(data, propensity=np.full(N, np.nan))
    plain = data.outcome[is_b].mean() - data.outcome[~is_b].mean()
    assert plain > 0.06, "what is done in good states looks good"
    values = brought(data, ["a", "b"], "a")
    assert values.shape == (N, 2)
    assert (values[:, 1] - values[:, 0]).mean() == pytest.approx(0.02, abs=0.006)


def test_a_gain_that_depends_on_the_state_is_seen_there() -> None:
    data, is_b = observed(bend=0.0)
    data = replace(data, outcome=data.outcome + 0.1 * is_b * (data.state[:, 2] > 0))
    gain = np.diff(brought(data, ["a", "b"], "a"))[:, 0]
    good = data.state[:, 2] > 0
    assert gain[good].mean() == pytest.approx(0.12, abs=0.02)
    assert gain[~good].mean() == pytest.approx(0.02, abs=0.02)


def test_what_a_whole_group_has_more_of_is_no_gain() -> None:
    """Groups where b is common are better whatever is done: alike for all actions, so it cancels."""
    data, is_b = observed(bend=0.0)
    share = np.bincount(data.group, weights=is_b) / np.bincount(data.group)
    data = replace(data, outcome=data.outcome + 5.0 * share[data.group])
    assert np.diff(brought(data, ["a", "b"], "a")).mean() == pytest.approx(0.02, abs=0.006)


def test_propensities_that_were_logged_are_used_and_others_estimated() -> None:
    data, _ = observed()
    chance, logged = chances(data)
    assert logged.all()
    np.testing.assert_array_equal(chance, data.propensity)
    mixed = data.propensity.copy()
    mixed[:1000], mixed[1000:2000] = np.nan, 1.0
    found, logged = chances(replace(data, propensity=mixed))
    assert logged.tolist() == [False] * 2000 + [True] * 2000, "a fixed strategy's 1 does not say how common it is"
    np.testing.assert_array_equal(found[2000:], data.propensity[2000:])
    assert np.abs(found[:2000] - data.propensity[:2000]).mean() < 0.05
    assert found.min() >= LEAST


def test_a_single_action_or_group_is_survived() -> None:
    data, _ = observed()
    one = replace(data, action=np.full(N, "a"), propensity=np.full(N, np.nan), group=np.zeros(N, dtype=np.int64))
    chance, logged = chances(one)
    assert (chance == 1).all()
    assert not logged.any()
