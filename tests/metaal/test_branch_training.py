"""From branches whose truth was planted, fit finds what is there, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import metaal
from metaal import FitError, History, Learned, Prices
from metaal.actions import Action, ActionSet
from metaal.boosting import Boosting, Params
from metaal.branch_gains import calibrated, chosen_gate, chosen_limit, limits_of
from metaal.branch_targets import Task, prepared
from metaal.branch_training import fit_branched, left_out
from metaal.branched import joined, read_branched
from metaal.features import PROPOSAL, action_names, state_names
from metaal.policies.learned import first_features
from metaal.policies.weighing import Horizon
from tests.metaal.planted import DEFAULT, OTHER, RISE, RIVAL, planted

QUICK = Params(members=3, rounds=30, folds=4, min_leaf=5, rate=0.15)
SIZE = 0.03


def truth(z: float, rng: np.random.Generator) -> float:
    """The rival is better exactly where its proposal is dense."""
    return SIZE if z > 0.5 else -SIZE


def noise(z: float, rng: np.random.Generator) -> float:
    return float(rng.normal(0, SIZE))


@pytest.fixture(scope="module")
def fitted() -> Learned:
    return metaal.fit(planted(truth), seed=0, params=QUICK)


def gain(policy: Learned) -> float:
    """The gain on left-out families that the card tells, in points."""
    return float(str(policy.facts["left-out gain"]).split()[0])


def chosen(policy: Learned, z: float) -> str:
    """What it does where the rival's proposal is as dense as this."""

    def features(strategy: str) -> np.ndarray:
        row = np.full(len(PROPOSAL), 0.5)
        row[PROPOSAL.index("density")] = z if strategy == RIVAL else 0.5
        row[PROPOSAL.index("margin")] = 0.0 if strategy == OTHER else 0.5
        row[PROPOSAL.index("overlap.default")] = float(strategy == DEFAULT)
        return row

    now = {"labels.count": 30.0, "pool.size": 470.0, "loop.batch": 10.0, "pool.margin.mean": 0.5}
    history = History([now], actions=[], propensities=[])
    offered = [action for action in policy.offers(history) if action.strategy in (DEFAULT, RIVAL, OTHER)]
    actions = ActionSet(offered, features=features, feature_names=PROPOSAL)
    return str(actions[int(policy.decide(history, actions).probabilities.argmax())])


def test_the_gate_opens_and_the_gain_has_the_right_size(fitted: Learned) -> None:
    data = read_branched(planted(truth))
    best = np.maximum(data.lead["accuracy"][data.action == RIVAL], 0).mean()
    assert best == pytest.approx(RISE * SIZE / 2, rel=0.2)
    assert np.isfinite(fitted.gate)
    assert 0.8 * 100 * best < gain(fitted) <= 100 * best + 1e-3


def test_it_deviates_where_the_feature_is_high_and_only_there(fitted: Learned) -> None:
    assert [chosen(fitted, z) for z in (0.05, 0.3, 0.7, 0.95)] == [DEFAULT, DEFAULT, RIVAL, RIVAL]


def test_the_predicted_advantage_is_in_score(fitted: Learned) -> None:
    column = action_names().index
    x = np.full((2, len(action_names())), 0.5)
    for name, values in (("proposal.density", (0.9, 0.1)), ("diff.density", (0.4, -0.4)), ("diff.margin", (0, 0))):
        x[:, column(name)] = values
    x[:, column("proposal.overlap.default")] = 0
    high, low = fitted.predicted(x) * fitted.scale
    assert high == pytest.approx(RISE * SIZE, rel=0.3)
    assert low == pytest.approx(-RISE * SIZE, rel=0.3)


def test_the_families_and_the_actions_are_told(fitted: Learned) -> None:
    assert fitted.facts["families"] == sorted(f"family {k}" for k in range(10))
    assert "360 branches at 120 states of 10 families" in fitted.card()
    assert fitted.actions[0] == DEFAULT
    assert set(fitted.actions) == {DEFAULT, RIVAL, OTHER}
    assert set(fitted.heads) >= {"advantage", "low", "high", "first", "fit", "score", "select", "ahead1", "ahead3"}
    assert "ahead6" not in fitted.heads, "no branch went so far"


def test_pure_noise_keeps_the_gate_closed() -> None:
    policy = metaal.fit(planted(noise), seed=0, params=QUICK)
    assert policy.gate == float("inf")
    assert "never deviates" in policy.card()
    assert {chosen(policy, z) for z in (0.05, 0.5, 0.95)} == {DEFAULT}


def test_two_fits_and_another_order_of_the_runs_give_equal_files(fitted: Learned, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(20).tolist()
    policies = [fitted, metaal.fit(planted(truth, order=order), seed=0, params=QUICK)]
    policies.append(metaal.fit(planted(truth), seed=1, params=QUICK))
    files = []
    for number, policy in enumerate(policies):
        policy.save(tmp_path / f"{number}.metaal")
        files.append((tmp_path / f"{number}.metaal").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]
    again = metaal.load(tmp_path / "0.metaal")
    assert [chosen(again, z) for z in (0.1, 0.9)] == [DEFAULT, RIVAL]


def test_two_families_cannot_open_the_gate() -> None:
    policy = metaal.fit(planted(truth, 2), seed=0, params=QUICK, prices=Prices(round=2))
    assert policy.gate == float("inf")
    assert "not measurable with 2 families" in policy.card()
    assert policy.facts["families"] == ["family 0", "family 1"]
    assert policy.prices == Prices(round=2)


def test_skipped_trainings_do_not_teach_what_a_training_costs() -> None:
    data = read_branched(planted(truth, 4, further=True))
    policy = fit_branched(data, default=DEFAULT, prices=Prices(), seed=0, params=QUICK)
    assert set(policy.actions) == {DEFAULT, RIVAL, OTHER, f"{DEFAULT} ×2", f"{DEFAULT}, skip"}
    x = data.x[:4].astype(np.float64)
    np.testing.assert_allclose(np.exp(policy._predict(x, "fit")[0][0]), 3, rtol=1e-6)
    np.testing.assert_allclose(np.exp(policy._predict(x, "score")[0][0]), 0.5, rtol=1e-6)


def test_a_score_that_was_not_logged_is_refused() -> None:
    data = read_branched(planted(truth, 1))
    with pytest.raises(FitError, match=r"no branch has 'f1'; expected some of accuracy, .*log_loss"):
        prepared(data, DEFAULT, {"f1": 1.0})


def test_states_speak_with_one_voice_whatever_their_size() -> None:
    def scaled(z: float, rng: np.random.Generator) -> float:
        return truth(z, rng) * (10.0 if rng.random() < 0.5 else 0.1)

    task = prepared(read_branched(planted(scaled, 4)), DEFAULT, {"accuracy": 1.0})
    rival = np.abs(task.ahead[(task.lead != 0) & task.plain])
    lead = np.abs(task.lead[(task.lead != 0) & task.plain])
    assert lead.max() / lead.min() == pytest.approx(100)
    assert rival.max() / rival.min() < 100
    assert (np.sign(task.ahead) == np.sign(task.lead)).all()
    # Beside the others of its state: what all plain actions share is gone, and what lies between two of them is not.
    for state in np.unique(task.state):
        here = task.state == state
        assert task.target[here & task.plain].mean() == pytest.approx(0, abs=1e-12)
        gap = task.target[here] - task.target[here & task.default]
        np.testing.assert_allclose(gap, task.ahead[here], atol=1e-12)


def tasks(lead: np.ndarray, families: int) -> Task:
    """States of a default and one rival each, families in turn."""
    n = len(lead)
    state, default = np.repeat(np.arange(n), 2), np.tile([True, False], n)
    both = np.stack([np.zeros(n), lead], axis=1).ravel()
    group = np.array([f"g{k % families}" for k in state])
    x = np.zeros((2 * n, 1))
    plain, batch = np.ones(2 * n, dtype=bool), np.full(2 * n, 10.0)
    return Task(x, x, both, both, both, state, group, default, plain, np.arange(2 * n), batch)


def test_the_gate_is_chosen_by_what_its_choices_bring() -> None:
    lead = np.where(np.arange(80) // 10 % 2 == 0, 0.02, -0.03)
    task = tasks(lead, 10)
    sure = np.where(np.abs(task.lead) > 0.025, 0.5, 0.01)  # the losing ones are predicted to win, with much doubt
    mean = np.where(task.default, 0.0, 0.3)
    gate, report = chosen_gate(mean, np.where(task.default, 0.0, sure), task)
    assert gate >= 1.0
    # Half of each family's states bring 2 points.
    assert report["left-out gain"].startswith("+1.000")
    assert "deviates in 100% of states" in report["left-out gain by gate"]["0"]


def test_a_gain_that_two_families_carry_is_an_anecdote() -> None:
    task = tasks(np.full(80, 0.02), 10)
    few = replace(task, lead=np.where(np.isin(task.group, ["g1", "g2"]), task.lead, 0.0))
    mean = np.where(task.default, 0.0, 1.0)
    assert np.isfinite(chosen_gate(mean, mean * 0, task)[0])
    assert chosen_gate(mean, mean * 0, few)[0] == float("inf")


def test_noise_seldom_opens_the_gate_although_the_best_of_several_is_looked_for() -> None:
    """One of forty may, by the confidence that is asked for."""
    rng, opened = np.random.default_rng(1), 0
    for _ in range(120):
        task = tasks(rng.normal(0, 0.03, 120), 10)
        mean, deviation = (np.where(task.default, 0.0, rng.normal(0, 0.1, 240)) for _ in range(2))
        opened += np.isfinite(chosen_gate(mean, np.abs(deviation), task)[0])
    assert opened <= 6


def in_batches(gain: dict[float, float], spread: float, seed: int = 0) -> Task:
    """Ten families whose states ask for batches of these sizes in turn, with what the rival gains in each."""
    size = np.resize(list(gain), 600)
    lead = np.random.default_rng(seed).normal([gain[k] for k in size.tolist()], spread)
    task = tasks(lead, 10)
    return replace(task, batch=np.repeat(size, 2))


def test_large_batches_must_have_shown_that_they_gain() -> None:
    def found(gain: dict[float, float], spread: float = 0.01) -> float:
        task = in_batches(gain, spread)
        mean = np.where(task.default, 0.0, 1.0)
        limits = limits_of(task.batch)
        assert [round(limit) for limit in limits[:-1]] == [6, 22], "between 3, 11 and 44"
        return chosen_limit(mean, mean * 0, task, limits, 1.0)[0]

    assert found({3: 0.02, 11: 0.02, 44: 0.02}) == float("inf")
    assert round(found({3: 0.02, 11: 0.02, 44: 0.0})) == 22
    assert round(found({3: 0.02, 11: 0.02, 44: -0.02})) == 22
    assert round(found({3: 0.02, 11: -0.02, 44: -0.02})) == 6
    assert found({3: -0.02, 11: -0.02, 44: 0.04}) == float("inf"), "what gains most on the whole"


def test_a_limit_is_fitted_told_kept_and_obeyed(tmp_path: Path) -> None:
    data = read_branched(planted(truth))
    column = action_names().index("state.loop.batch")
    large = np.isin(data.state, np.unique(data.state)[1::2])
    data.x[:, column] = np.log(np.where(large, 40.0, 10.0))
    # In large batches the rival's density means the contrary, and its own kind of proposal is not told apart.
    rng = np.random.default_rng(0)
    data.lead["accuracy"][large & (data.action == RIVAL)] = rng.normal(
        -0.02, 0.01, (large & (data.action == RIVAL)).sum()
    )
    policy = fit_branched(data, default=DEFAULT, prices=Prices(), seed=0, params=replace(QUICK, rounds=3))
    assert policy.largest == pytest.approx(20)
    assert "20 rows a batch" in policy.card()
    policy.save(tmp_path / "p.metaal")
    assert metaal.load(tmp_path / "p.metaal").largest == policy.largest
    assert fit_branched(data, default=DEFAULT, prices=Prices(), seed=0, params=QUICK, largest=5.0).largest == 5.0


def test_the_scale_is_the_slope_of_leads_on_predictions() -> None:
    task = tasks(np.linspace(-0.03, 0.03, 50), 5)
    scale, text = calibrated(task.lead / 0.007, task)
    assert scale == pytest.approx(0.007)
    assert "R² of left-out leads 1.000" in text
    assert calibrated(-task.lead, task)[0] == 1e-4, "predictions that are worse than none are not turned round"


def test_left_out_families_are_never_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared(read_branched(planted(truth, 4)), DEFAULT, {"accuracy": 1.0})
    boosting, trained = Boosting(QUICK, 0), list[set[str]]()
    members = boosting.members

    def spy(x: np.ndarray, y: np.ndarray, weight: np.ndarray, group: np.ndarray) -> object:
        trained.append(set(group.tolist()))
        return members(x, y, weight, group)

    monkeypatch.setattr(boosting, "members", spy)
    mean, deviation, unseen = left_out(boosting, data)
    assert len(trained) == 4
    assert all(len(groups) == 3 for groups in trained)
    assert set.intersection(*trained) == set()
    assert not mean[data.default].any()
    assert not deviation[data.default].any()
    assert not unseen[data.default].any()
    rival = data.lead != 0
    ahead = data.lead > 0
    # The rival's batch tells when it is ahead; the state alone, which is random, does not.
    assert mean[rival & ahead].mean() > 0.5 > 0 > mean[rival & ~ahead].mean()
    assert np.corrcoef(unseen[rival], data.lead[rival])[0, 1] < 0.8 * np.corrcoef(mean[rival], data.lead[rival])[0, 1]


def test_a_gate_that_is_given_is_used_if_it_gains_and_as_it_is_if_nothing_is_measured() -> None:
    given = {"default": DEFAULT, "prices": Prices(), "seed": 0, "params": QUICK}
    real, idle = read_branched(planted(truth)), read_branched(planted(noise))
    assert fit_branched(real, gate=0.7, **given).gate == 0.7
    assert fit_branched(idle, gate=0.7, **given).gate == float("inf")
    trial = fit_branched(idle, gate=0.7, measured=False, previews=2, **given)
    assert (trial.gate, trial.previews) == (0.7, 2)
    assert "left-out gain" not in trial.facts
    assert trial.informs > 0


def test_what_a_selection_costs_is_told_by_the_action_not_by_its_batch() -> None:
    data = read_branched(planted(truth, 4))
    policy = fit_branched(data, default=DEFAULT, prices=Prices(), seed=0, params=QUICK)
    state = data.x[0, : len(state_names())].astype(np.float64)
    rows = np.stack([first_features(state, k, Action(name)) for k, name in enumerate(policy.actions)])
    found = dict(zip(policy.actions, np.exp(policy._predict(rows, "select")[0][0]), strict=True))
    assert found[DEFAULT] < 0.12
    assert found[RIVAL] > 0.18


def test_several_stores_are_joined_row_by_row() -> None:
    one, two = read_branched(planted(truth, 2)), read_branched(planted(noise, 3, further=True))
    both = joined([one, two])
    assert len(both) == len(one) + len(two)
    assert len(np.unique(both.state)) == len(np.unique(one.state)) + len(np.unique(two.state))
    np.testing.assert_array_equal(both.x, np.concatenate([one.x, two.x]))
    np.testing.assert_array_equal(both.lead["accuracy"], np.concatenate([one.lead["accuracy"], two.lead["accuracy"]]))
    again = both.rows(both.state > one.state.max())
    np.testing.assert_array_equal(again.action, two.action)


def test_scores_keep_their_sign_and_losses_are_wanted_low() -> None:
    weights = {"score.value": 0.6, "score.log_loss": -0.4}
    ours = metaal.fit(planted(truth, 4), seed=0, params=QUICK, score=weights)
    assert ours.facts["score"] == {"accuracy": 0.6, "log_loss": 0.4}
    worse = metaal.fit(planted(truth, 4), seed=0, params=QUICK, score={"score.value": -1.0})
    assert worse.facts["score"] == {"accuracy": -1.0}
    data = read_branched(planted(truth, 4))
    rival = data.action == RIVAL
    found = {name: policy.predicted(data.x[rival].astype(float)) for name, policy in (("o", ours), ("w", worse))}
    assert np.corrcoef(found["o"], data.lead["accuracy"][rival])[0, 1] > 0.8
    assert np.corrcoef(found["w"], data.lead["accuracy"][rival])[0, 1] < -0.8


def test_plans_are_not_mixed() -> None:
    one = read_branched(planted(truth, 2))
    assert one.horizon == Horizon(3, 1)
    with pytest.raises(FitError, match=r"different plans: 3 batches .* and 4 batches of labels, 4 of the action's"):
        joined([one, replace(one, horizon=Horizon(4, 4))])
    policy = fit_branched(replace(one, horizon=Horizon(4, 2)), default=DEFAULT, prices=Prices(), seed=0, params=QUICK)
    assert "4 batches of labels, 2 of the action's strategy" in str(policy.facts["horizon"])
