"""A policy trained elsewhere, corrected by the user's own runs: few change little, many decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_training import DEFAULT, QUICK, campaign, truth

import metaal
from metaal.errors import FitError
from metaal.history import History
from metaal.policies.learned import Learned, untrained
from metaal.prices import Prices
from metaal.testing import make_actions, make_history
from metadata_store import MemoryStore


@pytest.fixture(scope="module")
def base() -> Learned:
    """Trained where random is better on some tasks, as in `test_training`."""
    return metaal.fit(campaign(truth), seed=0, params=QUICK)


def opposite(flat: bool, action: str) -> float:
    """The user's world: whatever is not the default loses."""
    return 0.04 if action == DEFAULT else 0.0


def advantages(policy: Learned) -> list[float]:
    """Mean predicted advantage of each action over many states."""
    out = []
    for seed in range(20):
        actions = make_actions(policy)
        decision = policy.decide(make_history(4, seed=seed), actions)
        if decision.advantage is not None:
            out.append(float(np.nanmean(decision.advantage)))
    return out


def test_without_runs_the_policy_stays_what_it_is(base: Learned) -> None:
    assert metaal.fit(MemoryStore(), base=base) is base
    only_default = campaign(lambda flat, action: 0.02, tasks=1)
    assert set(metaal.fit(only_default, base=base, params=QUICK).actions) == set(base.actions)


def test_the_more_runs_the_more_they_count(base: Learned) -> None:
    x = np.random.default_rng(0).normal(size=(200, len(base.low)))
    before = base.predicted(x).mean()
    moved = []
    for tasks in (2, 6, 24):
        refined = metaal.fit(campaign(opposite, tasks=tasks), base=base, params=QUICK, seed=0)
        assert (refined.gate, refined.scale, refined.default) == (base.gate, base.scale, base.default)
        assert refined.facts["refined on"].endswith("%")
        moved.append(before - refined.predicted(x).mean())
    assert 0 < moved[0] < moved[1] < moved[2]


def test_the_users_runs_win_in_the_end(base: Learned) -> None:
    """On the user's own states the shipped gain is unlearnt."""
    mine = campaign(opposite, tasks=40)
    refined = metaal.fit(mine, base=base, params=QUICK, seed=0)
    from metaal.logs import read_log
    from metaal.training import read_decisions

    decisions = read_decisions(read_log(mine, score="score.value", default=DEFAULT), DEFAULT)
    rows = np.flatnonzero(decisions.action != DEFAULT)
    x = decisions.features(rows)
    assert base.scale * base.predicted(x).mean() > refined.scale * refined.predicted(x).mean()
    assert refined.scale * refined.predicted(x).mean() < -0.01


def test_two_refinements_are_equal_and_a_file_keeps_them(base: Learned, tmp_path: Any) -> None:
    mine = campaign(opposite, tasks=6)
    one, two = (metaal.fit(mine, base=base, params=QUICK, seed=3) for _ in range(2))
    one.save(tmp_path / "one.metaal")
    two.save(tmp_path / "two.metaal")
    assert (tmp_path / "one.metaal").read_bytes() == (tmp_path / "two.metaal").read_bytes()
    again = metaal.fit(mine, base=str(tmp_path / "one.metaal"), params=QUICK, prices=Prices(round=3))
    assert again.prices == Prices(round=3)


def test_only_learned_policies_can_be_refined(base: Learned) -> None:
    with pytest.raises(FitError, match="not a learned policy"):
        metaal.fit(MemoryStore(), base="margin")
    with pytest.raises(FitError, match="no model that could be refined"):
        metaal.fit(MemoryStore(), base=untrained(DEFAULT, Prices(), {}))
    assert isinstance(base.decide(History([{"pool.size": 5.0}]), make_actions(base)).reason, str)
