"""Off-policy estimators against formulas written out, and against a bandit whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from metaal.estimation import _covers
from metaal.expecting import Expectation, expect
from metaal.offpolicy import ESTIMATORS, Guess, effective, guesses, switch_at

NAMES = "abc"


@dataclass
class Bandit:
    """Runs of four decisions between three actions, with states, a bad and known logging policy, and a target."""

    runs: int
    seed: int
    floor: float = 0.05
    steep: float = 1.0
    linear: bool = False

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        count = 4 * self.runs
        self.run, self.loop = np.repeat(np.arange(self.runs), 4), np.tile(np.arange(4), self.runs)
        x = rng.normal(size=(count, 2))
        self.x = x
        bent = x[:, 0] / (1 + self.loop), np.sin(2 * x[:, 1])
        first, second = x.T if self.linear else bent
        self.worth = np.stack([0.02 + 0.01 * x[:, 0], 0.03 - 0.02 * first, 0.01 + 0.02 * second], 1)
        odds = np.exp(self.steep * np.stack([-x[:, 0], x[:, 0], -x[:, 1]], 1))
        logging = (1 - 3 * self.floor) * odds / odds.sum(1, keepdims=True) + self.floor
        best = np.where(self.loop < 2, 1, np.where(x[:, 1] > 0, 2, 0))
        self.target = 0.9 * np.eye(3)[best] + 0.1 / 3
        at = np.arange(count)
        self.action = np.minimum((rng.random(count)[:, None] > logging.cumsum(1)).sum(1), 2)
        self.outcome = self.worth[at, self.action] + rng.normal(0, 0.01, self.runs)[self.run]
        self.outcome += rng.normal(0, 0.03, count)
        self.propensity, self.agreement = logging[at, self.action], self.target[at, self.action]
        self.weight = self.agreement / self.propensity

    @property
    def truth(self) -> float:
        """What the target policy gains in these states."""
        return float((self.target * self.worth).sum(1).mean())

    def model(self) -> Expectation:
        mixes = [dict(zip(NAMES, row, strict=True)) for row in self.target]
        names = [NAMES[k] for k in self.action]
        return expect(self.x, np.log1p(self.loop), names, mixes, self.outcome, self.run)

    def estimates(self) -> dict[str, Guess]:
        return guesses(self.outcome, self.weight, self.run, self.model())[0]


def test_every_estimator_is_its_formula() -> None:
    """The same, a decision at a time."""
    bandit = Bandit(30, 1, floor=0.01, steep=2.0)
    model = bandit.model()
    found, threshold = guesses(bandit.outcome, bandit.weight, bandit.run, model)
    sums = dict.fromkeys(ESTIMATORS, 0.0)
    total = 0.0
    for y, p, pi, q, expected in zip(
        bandit.outcome, bandit.propensity, bandit.agreement, model.predicted, model.expected, strict=True
    ):
        w = pi / p
        total += w
        sums["ips"] += w * y
        sums["snips"] += w * y
        sums["direct"] += expected
        sums["dr"] += expected + w * (y - q)
        sums["switch_dr"] += expected + (w * (y - q) if w <= threshold else 0.0)
    count = len(bandit.outcome)
    for name, guess in found.items():
        assert guess.value == pytest.approx(sums[name] / (total if name == "snips" else count)), name
        assert guess.low < guess.value < guess.high


def test_the_model_never_predicts_a_run_that_it_saw() -> None:
    """With outcomes that only their own run could tell, it predicts nothing of them; and ridge regression agrees."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    run = np.repeat(np.arange(20), 3)
    luck = rng.normal(size=20)[run]
    state = np.eye(20)[run]
    model = expect(state, np.ones(60), ["a"] * 60, [{"a": 1.0}] * 60, luck, run)
    assert model.explained < 0.05
    assert np.corrcoef(model.predicted, luck)[0, 1] < 0.1
    slope = rng.normal(size=60)
    y = 0.5 + 2 * slope
    honest = expect(slope[:, None], np.ones(60), ["a"] * 60, [{"a": 1.0}] * 60, y, run)
    assert honest.explained > 0.999
    standard = (slope - slope.mean()) / slope.std()
    alone = Ridge(alpha=1e-3).fit(standard[run != 4][:, None], y[run != 4])
    assert honest.predicted[run == 4] == pytest.approx(alone.predict(standard[run == 4][:, None]), abs=1e-3)


@dataclass
class Repeated:
    """The truth over all states, and many logs of 60 runs with their estimates."""

    linear: bool
    logs: int

    def __post_init__(self) -> None:
        self.truth = Bandit(100_000, 999, linear=self.linear).truth
        bandits = [Bandit(60, seed, linear=self.linear) for seed in range(self.logs)]
        self.plain = np.array([bandit.outcome.mean() for bandit in bandits])
        self.found = [bandit.estimates() for bandit in bandits]

    def covered(self, name: str) -> float:
        return float(np.mean([found[name].low <= self.truth <= found[name].high for found in self.found]))

    def values(self, name: str) -> np.ndarray:
        return np.array([found[name].value for found in self.found])


@pytest.fixture(scope="module")
def bent() -> Repeated:
    """A world in which the linear model of the direct method is wrong."""
    return Repeated(linear=False, logs=60)


@pytest.fixture(scope="module")
def straight() -> Repeated:
    """A world in which it is right."""
    return Repeated(linear=True, logs=40)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "direct"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(bent: Repeated, name: str) -> None:
    """Of 60 intervals of 95 %, 50 or fewer would be a chance of 1 in 2,000."""
    assert bent.covered(name) > 50 / 60
    values = bent.values(name)
    assert abs(values.mean() - bent.truth) < 4 * values.std() / np.sqrt(len(values))
    width = np.mean([found[name].high - found[name].low for found in bent.found])
    assert 3 < width / values.std() < 5.5


def test_the_direct_method_is_as_good_as_its_model(bent: Repeated, straight: Repeated) -> None:
    assert straight.covered("direct") > 32 / 40
    assert bent.covered("direct") < 50 / 60
    assert straight.values("direct").std() < 0.9 * straight.values("ips").std()


def test_the_plain_mean_of_the_log_is_wrong_where_the_estimates_are_right(bent: Repeated) -> None:
    assert abs(bent.plain.mean() - bent.truth) > 0.007
    assert abs(bent.values("dr").mean() - bent.truth) < 0.003
    assert bent.values("dr").std() < bent.values("ips").std()


def test_switching_helps_where_a_few_weights_rule() -> None:
    """Hardly explored actions: weights of a hundred."""
    errors: dict[str, list[float]] = {"dr": [], "switch_dr": []}
    switched = 0
    for seed in range(40):
        bandit = Bandit(60, seed, floor=0.001, steep=2.0)
        model = bandit.model()
        found, threshold = guesses(bandit.outcome, bandit.weight, bandit.run, model)
        switched += bool(np.isfinite(threshold))
        for name in errors:
            errors[name].append(found[name].value - bandit.truth)
    assert switched > 5
    assert np.mean(np.square(errors["switch_dr"])) < 0.5 * np.mean(np.square(errors["dr"]))


def test_nothing_is_switched_where_all_weights_are_alike() -> None:
    bandit = Bandit(20, 0)
    assert switch_at(bandit.outcome, np.ones(80), bandit.model()) == np.inf
    assert switch_at(bandit.outcome[:1], np.ones(1), bandit.model()) == np.inf


def test_the_effective_sample_size() -> None:
    assert effective(np.array([2.0, 2.0, 2.0])) == pytest.approx(3)
    assert effective(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective(np.zeros(3)) == 0


def test_weights_that_cover_the_policy_have_mean_one() -> None:
    assert np.mean([_covers(b.weight, b.run) for b in (Bandit(60, seed) for seed in range(40))]) > 0.9
    run = np.repeat(np.arange(12), 3)
    fixed = (run % 4 == 0).astype(float)  # four strategies, each sure of itself: one of them is judged
    assert not _covers(fixed, run)
    assert _covers(np.ones(36), run)


def test_few_runs_get_wider_intervals_and_one_gets_none() -> None:
    from scipy.stats import norm, t

    y = np.random.default_rng(3).normal(size=12)
    zeros = np.zeros((12, 1))
    nothing = Expectation(zeros[:, 0], zeros[:, 0], zeros, zeros, np.eye(1), 0.0)
    guess = guesses(y, np.ones(12), np.arange(12), nothing)[0]["ips"]
    draws = np.random.default_rng(7).integers(12, size=(20_000, 12))
    share = norm.cdf(np.sqrt(12 / 11) * t.ppf(0.025, 11))
    assert share < 0.02
    low, high = np.quantile(y[draws].mean(1), [share, 1 - share])
    assert (guess.low, guess.high) == pytest.approx((low, high), abs=0.05)
    alone = guesses(y, np.ones(12), np.zeros(12, dtype=np.int64), nothing)[0]["ips"]
    assert alone.value == pytest.approx(y.mean())
    assert np.isnan([alone.low, alone.high]).all()
    assert str(alone) == f"{100 * y.mean():+.2f}"
    assert str(Guess(float("nan"), 0.0, 0.0)) == "–"


def test_a_single_run_has_no_model() -> None:
    run = np.zeros(4, dtype=np.int64)
    model = expect(np.zeros((4, 0)), np.arange(4.0), list("aabb"), [{"a": 1.0}] * 4, np.arange(4.0), run)
    found = guesses(np.arange(4.0), np.ones(4), run, model)[0]
    assert found["snips"].value == pytest.approx(1.5)
    for name in ("direct", "dr", "switch_dr"):
        assert np.isnan(found[name].value)


def test_many_runs_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    import metaal.offpolicy as module

    bandit: Any = Bandit(50, 2)
    whole = bandit.estimates()
    monkeypatch.setattr(module, "_BLOCK", 50 * 300)
    assert bandit.estimates() == whole
