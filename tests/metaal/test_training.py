"""Training reads the truth out of logs whose truth is known, and says so when there is nothing to learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metaal
from metaal import FitError, Fixed, History, Learned, Prices, Run
from metaal.boosting import MIN_BASE, Boosting, Evidence, Params, cross_gate
from metaal.features import PROPOSAL, action_names, state_features, state_names
from metaal.logs import HORIZON, read_log
from metaal.testing import make_actions
from metaal.training import MIN_DECISIONS, Decisions, advantages, group_spread, merged, read_decisions
from metadata_store import MemoryStore, Record, open_store

DEFAULT = "cluster_margin"
QUICK = Params(members=3, rounds=40, folds=4)
N, POOL = 4, 40
Gain = Callable[[bool, str], float]


def outputs(run: Run | None, task: int, flat: bool, loop: int) -> dict[str, Any]:
    """What a model in a flat (knows nothing) or a sharp state shows of the rows that are left."""
    rng = np.random.default_rng([task, flat, loop])
    logits = rng.normal(size=(POOL, 3)) * (0.3 if flat else 4.0)
    proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    embedding = np.random.default_rng(task).normal(size=(POOL, 3)).astype(np.float32)
    rows = np.setdiff1d(np.arange(POOL), [int(k) for k in run.labels] if run is not None else [])
    seen = np.setdiff1d(np.arange(POOL), rows)
    return {"ids": rows, "proba": proba[rows], "embedding": embedding[rows], "seen_embedding": embedding[seen]}


def simulate(
    store: Any, task: int, policy: Any, gain: Gain, *, flat: bool, loops: int = 4, score: bool = True, **more: Any
) -> None:
    """Log a run in which an action adds ``gain(flat, strategy)`` to the score a batch."""
    name = policy if isinstance(policy, str) else policy.spelling
    task_name = f"task {task}"
    run = Run(f"{task_name} {flat} {name}", policy=policy, stream=f"{task}", task=task_name, store=store, **more)
    level = 0.3 + 0.01 * task
    for loop in range(loops):
        query = run.ask(N, **outputs(run, task, flat, loop))
        told: dict[str, Any] = {"score": level, "half": -level / 2} if score else {}
        run.tell(query.ids % 3, seconds={"fit": 2.0, "score": 1.0}, **told)
        level += gain(flat, query.action)
    run.end(**({"score": level, "half": -level / 2} if score else {}))


def truth(flat: bool, action: str) -> float:
    """Random is better than the default where the model is flat, and worse where it is sharp; margin always is."""
    return {DEFAULT: 0.02, "margin": 0.01, "random": 0.06 if flat else 0.0}[action]


def campaign(gain: Gain, tasks: int = 20, **more: Any) -> MemoryStore:
    store = open_store("memory:")
    for task in range(tasks):
        for policy in (DEFAULT, "random", "margin"):
            simulate(store, task, policy, gain, flat=task % 2 == 0, **more)
    return store


@pytest.fixture(scope="module")
def logs() -> MemoryStore:
    return campaign(truth)


@pytest.fixture(scope="module")
def fitted(logs: MemoryStore) -> Learned:
    return metaal.fit(logs, seed=0, params=QUICK)


def decisions_of(store: Any, default: str = DEFAULT, **more: Any) -> Decisions:
    return read_decisions(read_log(store, score=more.pop("score", "score.value"), default=default, **more), default)


# ------------------------------------------------------------- the outcome


def test_the_fitted_policy_deviates_where_it_pays_and_not_elsewhere(fitted: Learned) -> None:
    assert np.isfinite(fitted.gate)
    chosen: dict[bool, list[str]] = {True: [], False: []}
    for task in range(100, 106):
        for flat in (True, False):
            run = Run("new", policy=fitted, stream=str(task), store=open_store("memory:"))
            for loop in range(4):
                query = run.ask(N, **outputs(run, task, flat, loop))
                run.tell(query.ids % 3)
                chosen[flat].append(query.action)
    assert chosen[True].count("random") >= 0.9 * len(chosen[True])
    assert set(chosen[False]) == {DEFAULT}


def test_the_predicted_advantage_has_the_size_of_the_true_one(fitted: Learned) -> None:
    run = Run("new", policy=fitted, stream="7", store=open_store("memory:"))
    run.ask(N, **outputs(run, 200, True, 0))
    # Random brings 0.04 more a batch, and the mean gain over three batches of a straight line is 1.5 batches' worth,
    # less where the run ends sooner: 0.06, 0.06, 0.04 and 0.02 in the four loops. A short boosting stays below.
    assert 0.02 < run.history.last("decision.advantage") < 0.06


def test_the_card_tells_what_was_learnt_from(fitted: Learned) -> None:
    card = fitted.card()
    assert "trained on: 240 decisions of 60 runs in 20 groups" in card
    assert fitted.facts["paired comparisons"] >= 40, "one first loop a task, two deviations from the default in each"
    assert "left-out gain: +" in card
    assert fitted.actions == (DEFAULT, "margin", "random")


def test_without_a_gain_the_policy_never_deviates() -> None:
    for gain in (lambda flat, action: 0.02, lambda flat, action: 0.02 if action == DEFAULT else 0.01):
        policy = metaal.fit(campaign(gain, tasks=6), seed=0, params=QUICK)
        assert policy.gate == float("inf")
        assert "never deviates" in policy.card()


def test_noise_is_not_taken_for_a_gain() -> None:
    rng = np.random.default_rng(5)
    policy = metaal.fit(campaign(lambda flat, action: float(rng.normal(0.02, 0.02)), tasks=8), seed=0, params=QUICK)
    assert policy.gate == float("inf")


def test_two_fits_give_equal_files(logs: MemoryStore, fitted: Learned, tmp_path: Path) -> None:
    metaal.fit(logs, seed=0, params=QUICK).save(tmp_path / "again.metaal")
    fitted.save(tmp_path / "first.metaal")
    first = (tmp_path / "first.metaal").read_bytes()
    assert first == (tmp_path / "again.metaal").read_bytes()
    metaal.fit(logs, seed=np.int64(0), params=QUICK).save(tmp_path / "numpy.metaal")  # type: ignore[arg-type]
    assert first == (tmp_path / "numpy.metaal").read_bytes()
    metaal.fit(logs, seed=1, params=QUICK).save(tmp_path / "other.metaal")
    assert first != (tmp_path / "other.metaal").read_bytes()


def test_prices_and_progress_are_used(logs: MemoryStore) -> None:
    said: list[str] = []
    policy = metaal.fit(logs, prices=Prices(round=3), params=QUICK, progress=said.append)
    assert policy.prices == Prices(round=3)
    assert said[0] == "reading the logged runs"
    assert len(said) == 4


def test_reported_values_are_never_read(fitted: Learned) -> None:
    """The same runs with test scores that would turn everything round give the same policy."""
    store = campaign(truth)
    for name in store.runs():
        bad = "random" in name
        for loop in range(5):
            report = {"report.score": float(bad), "report.accuracy": loop * (-1.0 if bad else 1.0)}
            store.append(Record(name, loop, "report", report))
    policy = metaal.fit(store, seed=0, params=QUICK)
    assert policy.card() == fitted.card()
    # The clock differs between the two campaigns, and only the head for seconds reads it.
    for one, two in zip(policy.heads["advantage"], fitted.heads["advantage"], strict=True):
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(array, two.arrays()[name])
    with pytest.raises(FitError, match=r"no run logged report\.accuracy"):
        metaal.fit(store, score="report.accuracy", params=QUICK)


# ---------------------------------------------------------------- the log


def test_paired_siblings_give_exactly_the_difference(logs: MemoryStore) -> None:
    decisions = decisions_of(logs)
    rows, advantage, weight, paired = advantages(decisions, DEFAULT, 0, QUICK)
    assert paired >= 40
    assert len(rows) == len(advantage) == len(weight)
    assert weight.mean() == pytest.approx(1)
    # The two first loops of a task; later ones pair only where two runs asked the same rows by chance.
    first = [k for k in range(paired) if decisions.state[rows[k], state_names().index("loop.since.first")] == 0]
    assert len(first) == 40
    for k, value in zip(rows[first], advantage[first], strict=True):
        flat = int(str(decisions.group[k]).split()[1]) % 2 == 0
        expected = HORIZON / 2 * (truth(flat, str(decisions.action[k])) - truth(flat, DEFAULT))
        assert value == pytest.approx(expected, abs=1e-12)


def test_plain_decisions_are_compared_with_what_the_default_brings(logs: MemoryStore) -> None:
    decisions = decisions_of(logs)
    rows, advantage, _, paired = advantages(decisions, DEFAULT, 0, QUICK)
    plain, value = rows[paired:], advantage[paired:]
    assert len(plain) > 50
    flat = np.array([int(str(g).split()[1]) % 2 == 0 for g in decisions.group[plain]])
    good = flat & (decisions.action[plain] == "random")
    assert value[good].min() > 0
    assert value[~good].max() < 0.005


def test_every_decision_is_read_as_it_was_taken(logs: MemoryStore) -> None:
    log = read_log(logs, score="score.value", default=DEFAULT)
    assert (log.runs, log.unscored) == (60, 0)
    assert len(log.decisions) == 60 * 4
    for decision in log.decisions[:12]:
        run = Run.resume(decision.run, store=logs)
        assert decision.strategy == run.history.actions[decision.loop]
        assert decision.propensity == 1
        assert decision.seconds > 3
        assert decision.multiplier == 1
        assert len(decision.history) == decision.loop + 1
        assert not any(name.startswith(("score.", "report.")) for name in decision.history.names)
        for later in ("query.count", "surprise.accuracy.batch", "oracle.told", "action.propensity"):
            assert np.isnan(decision.history.last(later))
        assert set(decision.previews) == {DEFAULT, decision.strategy}


def test_the_logged_state_is_the_one_that_the_policy_saw() -> None:
    """Else a policy would be trained on other features than it will be asked with."""
    seen: list[np.ndarray] = []

    class Spy(Fixed):
        def decide(self, history: History, actions: Any) -> Any:
            seen.append(state_features(history))
            return super().decide(history, actions)

    store = open_store("memory:")
    simulate(store, 1, Spy("random"), truth, flat=True)
    decisions = decisions_of(store)
    np.testing.assert_array_equal(decisions.state, np.array(seen))


def by_hand(scores: list[float | None], counts: list[int], batch: int = 10, tag: str = "t") -> MemoryStore:
    """A run as records, with given scores and label counts; the last pair belongs to the end."""
    store = open_store("memory:")
    begin = {"run.policy": "random", "run.task": tag, "run.default": DEFAULT, "tag.site": "berlin"}
    store.append(Record("hand", 0, "begin", begin))
    previews = {
        "preview.strategy": np.array([DEFAULT, "random"]),
        "preview.features": np.arange(2.0 * len(PROPOSAL)).reshape(2, -1),
        "query.ids": np.arange(3),
    }
    for loop, (score, count) in enumerate(zip(scores, counts, strict=True)):
        told = {} if score is None else {"score.value": score}
        if loop == len(scores) - 1:
            store.append(Record("hand", loop, "end", {**told, "labels.count": float(count)}))
            break
        ask = {
            "labels.count": float(count),
            "loop.batch": float(batch),
            "action.name": "random",
            "action.strategy": "random",
            "action.multiplier": 1.0,
            "action.propensity": 0.5,
            "state.digest": f"d{loop}",
        }
        ids = {"ids": np.arange(3) + 3 * loop, "labels": np.zeros(3, np.int64)}
        store.append(Record("hand", loop, "ask", ask, {**previews, "query.ids": ids["ids"]}))
        store.append(Record("hand", loop, "tell", told, ids))
    return store


def outcomes(*args: Any, **more: Any) -> dict[int, float]:
    log = read_log(by_hand(*args, **more), score="score.value", default=DEFAULT)
    return {decision.loop: decision.outcome for decision in log.decisions}


def test_the_outcome_is_the_mean_of_the_curve_over_three_batches() -> None:
    assert outcomes([0.5, 0.6, 0.7, 0.8], [10, 20, 30, 40]) == pytest.approx(
        {0: 0.15, 1: 0.1, 2: 0.05}  # the last two have less ahead of them
    )
    # A batch that is bigger or smaller than the caller's is measured over the same number of labels.
    assert outcomes([0.5, 0.8, 0.8], [10, 25, 70])[0] == pytest.approx((15 * 0.15 + 15 * 0.3) / 30)
    assert outcomes([0.5, 0.8], [10, 110])[0] == pytest.approx(0.3 * 0.3 / 2)


def test_a_decision_with_less_than_a_batch_ahead_does_not_count() -> None:
    assert set(outcomes([0.5, 0.6, 0.7], [10, 20, 25])) == {0}
    assert outcomes([0.5, 0.6], [10, 19]) == {}


def test_loops_without_a_score_are_bridged() -> None:
    assert outcomes([0.5, None, 0.7], [10, 20, 30]) == pytest.approx({0: 0.1})
    assert outcomes([None, None, 0.7], [10, 20, 30]) == {}


def test_withdrawn_labels_do_not_turn_the_curve_back() -> None:
    """The count falls from 30 to 20 in between; only loops with more labels than ever count."""
    found = outcomes([0.5, 0.6, 0.7, 0.1, 0.8], [10, 20, 30, 20, 40])
    assert found[0] == pytest.approx(0.15)
    assert found[2] == pytest.approx(0.05)
    assert found[3] == pytest.approx(0.35), "loops before the decision are not ahead of it"


def test_groups_are_tasks_or_tags() -> None:
    store = by_hand([0.5, 0.6, 0.7], [10, 20, 30])
    for groups, expected in (("task", "t"), ("site", "berlin")):
        log = read_log(store, groups=groups, score="score.value", default=DEFAULT)
        assert {decision.group for decision in log.decisions} == {expected}
    with pytest.raises(FitError, match=r"run 'hand' has no tag 'planet'; use 'task' or one of site"):
        metaal.fit(store, groups="planet")


def test_the_score_mapping_weighs_series_in_the_unit_of_the_first(logs: MemoryStore) -> None:
    """``user.half`` is −1/2 of the score: standardised, with a negative weight, it is the score again."""
    whole = decisions_of(logs).outcome
    for score, factor in (
        ({"score.value": 0.6, "user.half": -0.4}, 1.0),
        ({"score.value": 0.5, "user.half": 0.5}, 0.0),
        ({"score.value": 0.25, "user.half": 0.75}, -0.5),
        ({"score.value": 2.0, "user.half": -2.0}, 1.0),
    ):
        np.testing.assert_allclose(decisions_of(logs, score=score).outcome, factor * whole, atol=1e-12)
    np.testing.assert_allclose(decisions_of(logs, score="user.half").outcome, -whole / 2, atol=1e-12)
    np.testing.assert_allclose(decisions_of(logs, score={"user.half": -1.0}).outcome, whole / 2, atol=1e-12)


@pytest.mark.parametrize("score", [{}, {"score.value": 0.0}, {"score.value": float("nan")}, {"score.value": np.inf}])
def test_weights_that_mean_nothing_are_refused(logs: MemoryStore, score: dict[str, float]) -> None:
    with pytest.raises(FitError, match="expected a finite one"):
        metaal.fit(logs, score=score)


# ------------------------------------------------------- nothing to learn


def test_a_store_without_runs_is_refused() -> None:
    store = open_store("memory:")
    with pytest.raises(FitError, match="holds no run of metaal's"):
        metaal.fit(store)
    # Somebody else's records, with our words for other things.
    store.append(Record("foreign", 0, "begin", {"run.task": "t"}))
    store.append(Record("foreign", 0, "ask", {"question": "why"}))
    store.append(Record("other", 0, "tell", {"score": 0.5}))
    with pytest.raises(FitError, match="holds no run of metaal's"):
        metaal.fit(store)


def test_foreign_runs_beside_ours_are_passed_over() -> None:
    store = by_hand([0.5, 0.6, 0.7], [10, 20, 30])
    store.append(Record("foreign", 0, "ask", {"question": "why"}))
    assert read_log(store, score="score.value", default=DEFAULT).runs == 1


def test_few_decisions_give_a_warning_and_the_default() -> None:
    store = campaign(truth, tasks=4)
    assert len(decisions_of(store)) == 48 < MIN_DECISIONS
    with pytest.warns(UserWarning, match=r"48 logged decisions .* at least 60 .* always take cluster_margin"):
        policy = metaal.fit(store, params=QUICK)
    assert not policy.heads
    actions = make_actions(policy)
    decision = policy.decide(History([{}]), actions)
    assert str(actions[int(decision.probabilities.argmax())]) == DEFAULT
    assert "trained on: 48 decisions of 12 runs in 4 groups" in policy.card()


def test_runs_without_scores_are_counted_and_left_out() -> None:
    store = campaign(truth, tasks=1, score=False)
    simulate(store, 5, "random", truth, flat=True)
    with pytest.warns(UserWarning, match=r"4 logged decisions .*Pass score= to tell"):
        policy = metaal.fit(store)
    assert policy.facts["left out"] == "3 runs without scores"
    with pytest.raises(FitError, match=r"score: no run logged user\.f1; use score\.value"):
        metaal.fit(store, score={"score.value": 1, "user.f1": 2})


def test_logs_of_the_default_alone_are_refused() -> None:
    store = open_store("memory:")
    for task in range(16):
        simulate(store, task, DEFAULT, truth, flat=True)
    with pytest.raises(FitError, match="every logged decision took cluster_margin"):
        metaal.fit(store)


def test_logs_without_the_default_are_refused() -> None:
    store = open_store("memory:")
    for task in range(16):
        simulate(store, task, "random", truth, flat=True)
    with pytest.raises(FitError, match=rf"none of the 64 decisions .* 0 decisions of it .*\(at least {MIN_BASE}"):
        metaal.fit(store)


def test_logs_without_previews_of_the_default_do_not_count(logs: MemoryStore) -> None:
    with pytest.warns(UserWarning, match="0 logged decisions"):
        metaal.fit(logs, default="badge")


def test_previews_of_another_version_are_refused() -> None:
    store = open_store("memory:")
    for record in by_hand([0.5, 0.6, 0.7], [10, 20, 30]).records("hand"):
        arrays = dict(record.arrays)
        if "preview.features" in arrays:
            arrays["preview.features"] = arrays["preview.features"][:, :-1]
        store.append(Record(record.run, record.loop, record.event, record.values, arrays))
    with pytest.raises(FitError, match="this version reads"):
        metaal.fit(store)


def test_a_single_comparison_is_survived() -> None:
    """One deviation among many defaults: nothing to train an ensemble on, and no crash of LightGBM."""
    store = open_store("memory:")
    for task in range(16):
        simulate(store, task, DEFAULT, truth, flat=task % 2 == 0)
    simulate(store, 0, "random", truth, flat=True, loops=1)
    policy = metaal.fit(store, params=QUICK)
    assert policy.gate == float("inf")


# --------------------------------------------------------- gate and spread


def evidence(gain: np.ndarray, groups: int) -> Evidence:
    """States with one logged deviation each; its feature "diff.margin" tells the sign of the gain."""
    n = len(gain)
    x = np.random.default_rng(0).normal(size=(n, len(action_names())))
    x[:, action_names().index("diff.margin")] = np.sign(gain)
    group = np.array([f"g{k % groups}" for k in range(n)])
    return Evidence(
        x, gain / 0.01, gain, np.ones(n), group, np.array([f"d{k}" for k in range(n)]), np.ones(n, dtype=bool)
    )


def test_the_gate_opens_for_a_gain_that_left_out_groups_confirm() -> None:
    gain = np.where(np.arange(200) % 3 == 0, 0.03, -0.03)
    gate, report = cross_gate(Boosting(QUICK, 0), evidence(gain, 10), DEFAULT)
    assert np.isfinite(gate)
    # 67 of 200 states have 3 pp to gain: 1.005 pp if every choice is right.
    assert report["left-out gain"].startswith(("+0.99", "+1.00"))
    assert "(10 groups)" in report["left-out gain"]


def test_one_group_cannot_open_the_gate() -> None:
    gate, report = cross_gate(Boosting(QUICK, 0), evidence(np.full(100, 0.03), 1), DEFAULT)
    assert gate == float("inf")
    assert "not measurable" in report["left-out gain"]


def test_a_gain_of_two_groups_among_many_is_an_anecdote() -> None:
    data = evidence(np.where(np.arange(200) % 3 == 0, 0.03, -0.03), 10)
    few = np.isin(data.group, ["g0", "g1"])
    gate, _ = cross_gate(Boosting(QUICK, 0), replace(data, advantage=np.where(few, data.advantage, 0.0)), DEFAULT)
    assert gate == float("inf")


def test_groups_are_brought_to_one_spread() -> None:
    group = np.repeat(["a", "b"], 500)
    advantage = np.random.default_rng(0).normal(size=1000) * np.where(group == "a", 0.1, 0.001)
    spread = group_spread(advantage, np.ones(1000), group)
    assert spread[0] == pytest.approx(0.1, rel=0.1)
    assert 0.001 < spread[-1] < 0.02, "drawn towards that of all groups, as if by 20 more rows"
    assert group_spread(np.zeros(3), np.ones(3), group[:3]).tolist() == [1, 1, 1]


def test_the_state_and_the_proposals_are_what_is_learnt_from(logs: MemoryStore) -> None:
    decisions = decisions_of(logs)
    x = decisions.features(np.arange(5))
    assert x.shape == (5, len(action_names()))
    np.testing.assert_array_equal(x[:, : len(state_names())], decisions.state[:5])
    assert np.nanmax(np.abs(x[:, -4:])) == 0, "log2 of a multiplier and a share of one, trained from scratch"


def test_siblings_that_share_a_prefix_count_its_decisions_once() -> None:
    """Three runs with one common first decision: it is one decision with their mean outcome."""
    rows = 4
    columns: dict[str, Any] = {
        "state": np.zeros((rows, len(state_names()))),
        "proposal": np.arange(rows)[:, None] * np.ones(len(PROPOSAL)),
        "default": np.zeros((rows, len(PROPOSAL))),
        "outcome": np.array([0.1, 0.2, 0.3, 0.7]),
        "seconds": np.ones(rows),
        "action": np.array(["margin", "margin", "margin", "random"]),
        "group": np.array(["g"] * rows),
        "digest": np.array(["d"] * rows),
        "runs": 3,
        "unscored": 0,
    }
    once = merged(Decisions(**columns))
    assert once.action.tolist() == ["margin", "random"]
    np.testing.assert_allclose(once.outcome, [0.2, 0.7])
    assert once.proposal[:, 0].tolist() == [0, 3]
    different = merged(Decisions(**{**columns, "digest": np.array(["a", "b", "c", "d"])}))
    assert len(different) == 4


def test_the_order_in_which_runs_were_logged_changes_nothing(tmp_path: Path) -> None:
    """Parallel processes finish in any order; the policy must not depend on it."""
    jobs = [(policy, seed) for policy in ("cluster_margin", "margin", "random") for seed in range(4)]
    files = []
    for number, order in enumerate((jobs, jobs[::-1])):
        store = open_store("memory:")
        for policy, seed in order:
            metaal.play(policy, metaal.Task("iris", "naive_bayes", batch=3, budget=15, seeds=seed), store=store)
        policy_ = metaal.fit(store, params=QUICK)
        # Seconds are measured anew by every run; what is learnt of them is not what is compared here.
        policy_ = replace(policy_, heads={"advantage": policy_.heads["advantage"]})
        policy_.save(tmp_path / f"{number}.metaal")
        files.append((tmp_path / f"{number}.metaal").read_bytes())
    assert files[0] == files[1]
