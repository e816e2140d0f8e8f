"""Off-policy estimates are right where the truth can be worked out, and refuse what they cannot know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from metaal import ActionSet, Decision, Fixed, History, Run, Schedule, Uniform, estimate
from metaal.actions import Action, certain
from metaal.errors import FitError
from metaal.features import PROPOSAL
from metaal.logs import read_log
from metadata_store import MemoryStore, Record, open_store

WORTH = {"cluster_margin": 0.03, "margin": 0.02, "random": 0.01, "random ×2": 0.05}
ARMS = ("cluster_margin", "margin", "random")


def simulate(store: Any, name: str, policy: Any, *, loops: int = 1, embedding: bool = True, **more: Any) -> None:
    """A run in which every action adds its worth to the score for each label's worth of a batch of three."""
    run = Run(name, policy=policy, store=store, **more)
    rng = np.random.default_rng(0)
    proba, space = rng.dirichlet(np.ones(3), 30), rng.normal(size=(30, 2))
    level = 0.4
    for _ in range(loops):
        rows = np.setdiff1d(np.arange(30), [int(k) for k in run.labels])
        shown = {"embedding": space[rows]} if embedding else {}
        query = run.ask(3, ids=rows, proba=proba[rows], **shown)
        run.tell(query.ids % 3, score=level)
        level += WORTH[query.action]
    run.end(score=level)


@pytest.fixture(scope="module")
def explored() -> MemoryStore:
    """One decision a run by the uniform policy over three arms."""
    store = open_store("memory:")
    for seed in range(120):
        simulate(store, f"run {seed:03d}", Uniform(ARMS), seed=seed)
    return store


def logged(store: Any) -> tuple[np.ndarray, np.ndarray]:
    """Strategies and outcomes, straight from the log."""
    found = read_log(store, score="score.value", default="cluster_margin").decisions
    return np.array([d.strategy for d in found]), np.array([d.outcome for d in found])


def test_the_value_of_a_fixed_strategy_is_its_own_mean(explored: MemoryStore) -> None:
    """With equal propensities SNIPS is the plain mean over the decisions that agree."""
    for arm in ARMS:
        found = estimate(arm, explored)
        assert found.value == pytest.approx(WORTH[arm] / 2)  # the mean over one batch of a straight line
        assert found.low == pytest.approx(found.value)
        assert found.high == pytest.approx(found.value)
        assert found.decisions == 120
        agree = (logged(explored)[0] == arm).sum()
        assert found.effective == pytest.approx(agree)
        assert found.support == pytest.approx(agree / 120)


def test_the_logging_policy_itself_gets_the_logged_mean(explored: MemoryStore) -> None:
    _, outcome = logged(explored)
    found = estimate(Uniform(ARMS), explored)
    assert found.value == pytest.approx(outcome.mean())
    assert found.logged == pytest.approx(outcome.mean())
    assert found.effective == pytest.approx(120)
    assert found.support == pytest.approx(1 / 3)
    assert found.low < found.value < found.high


def test_unequal_propensities_are_weighed() -> None:
    """Half of the runs drew from two arms, half from three: SNIPS by hand."""
    store = open_store("memory:")
    for seed in range(60):
        simulate(store, f"run {seed:03d}", Uniform(ARMS if seed % 2 else ARMS[:2]), seed=seed)
    rows = read_log(store, score="score.value", default="cluster_margin").decisions
    assert {round(1 / d.propensity) for d in rows} == {2, 3}
    w = np.array([(d.strategy in ARMS[1:]) / 2 / d.propensity for d in rows])
    y = np.array([d.outcome for d in rows])
    found = estimate(Uniform(ARMS[1:]), store)
    assert found.value == pytest.approx((w * y).sum() / w.sum())
    assert found.effective == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_multipliers_are_different_actions() -> None:
    store = open_store("memory:")
    for seed in range(40):
        simulate(store, f"run {seed}", Uniform(("random",), (1.0, 2.0)), seed=seed, loops=2)
    one, two = estimate(Fixed("random"), store), estimate(Fixed("random", 2.0), store)
    assert one.decisions == two.decisions == 80
    assert one.support + two.support == pytest.approx(1)
    assert two.value > one.value
    assert estimate(Fixed("random", 3.0), store).support == 0


def test_a_policy_that_follows_the_loops_is_followed() -> None:
    store = open_store("memory:")
    for seed in range(30):
        simulate(store, f"run {seed}", Uniform(ARMS), seed=seed, loops=2)
    schedule = Schedule((("random", 1), ("margin", 0)))
    rows = read_log(store, score="score.value", default="cluster_margin").decisions
    expected = [d.strategy == ("random" if d.loop == 0 else "margin") for d in rows]
    found = estimate(schedule, store)
    assert found.support == pytest.approx(np.mean(expected))
    assert found.value == pytest.approx(np.mean([d.outcome for d, yes in zip(rows, expected, strict=True) if yes]))


def test_a_schedule_falls_back_in_the_logs_as_it_would_have() -> None:
    """Without an embedding typiclust could not run, so the first stage is margin's."""
    store = open_store("memory:")
    for seed in range(10):
        simulate(store, f"run {seed}", "margin", seed=seed, embedding=False)
    assert estimate("schedule", store).support == 1
    assert estimate("typiclust", store).support == 0
    shown = open_store("memory:")
    simulate(shown, "run", "margin")
    assert estimate("schedule", shown).support == 0, "with one it would have run typiclust"
    assert estimate(Schedule((("margin", 1), ("typiclust", 0))), store).support == 1


def test_a_policy_that_could_not_go_on_agrees_with_nothing() -> None:
    store = open_store("memory:")
    simulate(store, "run", "margin", loops=2, embedding=False)
    found = estimate(Schedule((("margin", 1), ("typiclust", 0))), store)
    assert (found.decisions, found.support) == (2, 0.5)


@dataclass(frozen=True)
class Previewing:
    """Reads the proposals of both arms, as a learned policy does, and then takes random ones or the default."""

    bold: bool
    arms: tuple[str, ...] = ("cluster_margin", "random")
    multipliers: tuple[float, ...] = (1.0,)
    spelling: str = "previewing"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        assert all(np.shape(actions.features(action.strategy)) == (len(PROPOSAL),) for action in actions)
        wanted = Action("random" if self.bold else "cluster_margin")
        return certain(actions, list(actions).index(wanted) if wanted in actions else 0, "")


def test_a_learned_policy_chooses_between_what_was_previewed(explored: MemoryStore) -> None:
    strategy, outcome = logged(explored)
    eager = estimate(Previewing(bold=True), explored)
    assert eager.support == pytest.approx((strategy != "margin").mean())
    assert eager.value == pytest.approx(outcome[strategy != "margin"].mean())
    assert not eager.covered, "it was asked only about two actions of three, and takes the logged one of them"
    assert eager.weight == pytest.approx(3 * (strategy != "margin").mean())
    assert np.isnan([eager.guesses[name].value for name in ("ips", "dr", "switch_dr")]).all()
    assert "only a closed loop can tell" in str(eager)
    shy = estimate(Previewing(bold=False), explored)
    assert shy.covered
    assert shy.value == pytest.approx(WORTH["cluster_margin"] / 2)


def test_without_support_the_value_is_not_a_number(explored: MemoryStore) -> None:
    found = estimate("entropy", explored)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert all(np.isnan(guess.value) for guess in found.guesses.values())
    assert (found.decisions, found.effective, found.support, found.unseen) == (120, 0.0, 0.0, 1.0)
    assert found.logged == pytest.approx(logged(explored)[1].mean())
    assert "120 decisions" in str(found)
    assert found.cautions == [
        "no logged decision is one that the policy would have taken, so the logs say nothing about it"
    ]


def test_runs_without_scores_leave_nothing_to_estimate() -> None:
    store = open_store("memory:")
    run = Run("run", policy="margin", store=store)
    run.tell(run.ask(1, ids=[1, 2, 3], proba=np.full((3, 2), 0.5)).ids)
    found = estimate("margin", store)
    assert found.decisions == 0
    assert np.isnan([found.value, found.logged]).all()


def altered(store: Any, propensity: float | None) -> MemoryStore:
    """The store with another propensity in the last run's record."""
    out = open_store("memory:")
    for name in store.runs():
        for record in store.records(name):
            values = dict(record.values)
            if name == store.runs()[-1] and record.event == "ask":
                values.pop("action.propensity")
                if propensity is not None:
                    values["action.propensity"] = propensity
            out.append(Record(name, record.loop, record.event, values, record.arrays, record.at, record.index))
    return out


@pytest.mark.parametrize("propensity", [None, float("nan"), 0.0, -0.5, 1.5, float("inf")])
def test_a_missing_or_impossible_propensity_is_refused(explored: MemoryStore, propensity: float | None) -> None:
    with pytest.raises(FitError, match=r"run 'run 119', loop 0: propensity .* is not in \(0, 1\]"):
        estimate("margin", altered(explored, propensity))


def test_the_interval_covers_the_truth_and_repeats() -> None:
    rng = np.random.default_rng(0)
    store = open_store("memory:")
    for seed in range(40):
        simulate(store, f"run {seed}", "margin", seed=seed)
    noisy = open_store("memory:")
    for name in store.runs():
        for record in store.records(name):
            values = dict(record.values)
            if record.event == "end":
                values["score.value"] = float(values["score.value"]) + rng.normal(0, 0.01)
            noisy.append(Record(name, record.loop, record.event, values, record.arrays))
    one, two = estimate("margin", noisy), estimate("margin", noisy)
    assert one == two
    assert one != estimate("margin", noisy, seed=1)
    assert one.low < 0.01 < one.high
    assert one.high - one.low < 0.006
    assert "effective sample size 40" in str(one)
    assert one.cautions == []


class Careful(Fixed):
    """Random rows where the model is sure, margin elsewhere."""

    def __init__(self) -> None:
        super().__init__("random")

    @property
    def arms(self) -> tuple[str, ...]:
        return ("random", "margin")

    def decide(self, history: History, actions: ActionSet) -> Decision:
        arm = "random" if history.last("pool.margin.mean") > MIDDLE else "margin"
        return certain(actions, list(actions).index(Action(arm)), "")


MIDDLE = 0.62


def worth(action: str, margin: float) -> float:
    """What an action brings in the truth: random rows are good where the model is sure, and bad elsewhere."""
    slope = {"random": 0.1, "margin": -0.06, "cluster_margin": 0.0}[action]
    return 0.02 + slope * (margin - MIDDLE)


def closed_loop(store: Any, name: str, policy: Any, number: int, noise: float) -> float:
    """One loop on a pool of its own kind; returns what it brought, and logs it with noise."""
    rng = np.random.default_rng([number, 5])
    proba = rng.dirichlet(np.full(3, rng.uniform(0.1, 0.8)), 30)
    run = Run(name, policy=policy, store=store, seed=number)
    query = run.ask(3, ids=np.arange(30), proba=proba, embedding=rng.normal(size=(30, 2)))
    gain = worth(query.action.split(",")[0], run.history.last("pool.margin.mean"))
    run.tell(query.ids % 3, score=0.4)
    run.end(score=0.4 + 2 * (gain + rng.normal(0, noise)))  # the mean over a batch of a straight line is its half
    return gain


def test_the_estimates_agree_with_what_the_policy_gains_when_it_is_really_played() -> None:
    """Logged by a uniform policy with noise; the truth is the same pools in closed loop, without."""
    store, played = open_store("memory:"), open_store("memory:")
    for number in range(150):
        closed_loop(store, f"run {number:03d}", Uniform(ARMS), number, noise=0.02)
    gains = [closed_loop(played, f"run {number:03d}", Careful(), number, noise=0.0) for number in range(150)]
    truth = float(np.mean(gains))
    found = estimate(Careful(), store)
    assert found.covered
    assert found.cautions == []
    for name, guess in found.guesses.items():
        assert guess.low < truth < guess.high, name
        assert guess.high - guess.low < 0.03, name
    assert found.guesses["direct"].low > found.logged, "better than what was logged, and the model knows it"
    assert found.explained > 0


def test_logs_of_fixed_strategies_do_not_cover_another_one_and_it_is_said() -> None:
    store = open_store("memory:")
    for seed in range(40):
        simulate(store, f"run {seed}", ARMS[seed % 2], seed=seed)
    found = estimate("margin", store)
    assert not found.covered
    assert found.weight == pytest.approx(0.5)
    assert np.isnan(found.guesses["ips"].value)
    assert found.guesses["snips"].value == pytest.approx(WORTH["margin"] / 2)
    assert "made by fixed strategies" in str(found)
    assert not found.facts()["covered"]


def test_actions_that_were_never_logged_have_no_model() -> None:
    store = open_store("memory:")
    for seed in range(60):
        simulate(store, f"run {seed}", Uniform(ARMS), seed=seed)
    found = estimate(Uniform((*ARMS, "entropy")), store)
    assert found.unseen == pytest.approx(0.25)
    assert np.isnan([found.guesses[name].value for name in ("direct", "dr", "switch_dr")]).all()
    assert np.isfinite(found.value)
    assert "25% of its decisions take actions that were never logged" in str(found)


class Quarter(Fixed):
    """Margin on a quarter of the pool, or on all of it, at even odds."""

    def offers(self, history: History) -> list[Action]:
        return [Action("margin"), Action("margin", share=0.25)]

    def decide(self, history: History, actions: ActionSet) -> Decision:
        return Decision(np.full(2, 0.5))


def test_a_share_of_the_pool_is_another_action_than_all_of_it() -> None:
    store = open_store("memory:")
    for number in range(20):
        closed_loop(store, f"run {number:02d}", Quarter("margin"), number, noise=0.0)
    texts = [d.action for d in read_log(store, score="score.value", default="cluster_margin").decisions]
    assert set(texts) == {"margin", "margin, share 0.25"}
    found, own = estimate("margin", store), estimate(Quarter("margin"), store)
    assert found.support == pytest.approx(np.mean([text == "margin" for text in texts]))
    assert (own.support, own.unseen, own.weight) == (0.5, 0.0, 1.0)
