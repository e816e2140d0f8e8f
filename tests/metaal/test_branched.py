"""Branches are read back with the state that a policy was shown, their leads on the default, and their costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metaal import FitError, History
from metaal.actions import read_action
from metaal.branched import Branched, read_branched
from metaal.features import PROPOSAL, action_features, action_names, state_features, state_names
from metaal.rehearsal import read_branches, rehearse
from metadata_store import MemoryStore, Record, open_store
from tests.metaal.planted import DEFAULT, LOSS, OTHER, RISE, RIVAL, STATES, planted


def fixed(z: float, rng: np.random.Generator) -> float:
    return 0.04 if z > 0.5 else -0.02


@pytest.fixture(scope="module")
def rehearsed() -> MemoryStore:
    store = open_store("memory:")
    rehearse("tiny", store)
    return store


@pytest.fixture(scope="module")
def data() -> Branched:
    return read_branched(planted(fixed, 3, further=True))


def test_a_rehearsed_suite_is_read_whole(rehearsed: MemoryStore) -> None:
    data, table = read_branched(rehearsed), read_branches(rehearsed)
    assert len(data) == len(table) == 4 * 3
    assert data.x.shape == (12, len(action_names()))
    assert np.unique(data.state).tolist() == [0, 1, 2, 3]
    assert set(data.action.tolist()) == {"cluster_margin", "margin", "random"}
    for phase in ("fit", "score", "select"):
        assert (data.seconds[phase] > 0).all()


def test_the_leads_are_those_of_the_table_of_branches(rehearsed: MemoryStore) -> None:
    data, table = read_branched(rehearsed), read_branches(rehearsed)
    table = table.set_index(["run", "action"])
    for name in ("accuracy", "log_loss", "brier", "h1.accuracy", "h1.log_loss"):
        rows = zip(data.context["run"], data.action, strict=True)
        expected = [table.loc[(run, action), f"advantage.{name}"] for run, action in rows]
        np.testing.assert_allclose(data.lead[name], expected, atol=1e-12)


def test_the_state_is_the_one_that_the_policy_was_shown() -> None:
    """Rehearsed with a policy that keeps what it sees."""
    from metaal import Task, play
    from metaal.rehearsal import Branches, Exploring, branch

    seen: dict[int, np.ndarray] = {}

    class Spy(Exploring):
        def decide(self, history: History, actions: Any) -> Any:
            seen[len(history) - 1] = state_features(history)
            return super().decide(history, actions)

    task, store = Task("iris", "naive_bayes", batch=4, budget=24), open_store("memory:")
    run = play(Spy(("margin", "random")), task, store=store).run
    plan = Branches(("margin", "random"), states=3)
    branch(task, store, run, plan)
    data = read_branched(store)
    loops = sorted({record.loop for record in store.records(run) if record.event == "branch"})
    assert len(loops) == 3
    for state, loop in enumerate(loops):
        for row in data.x[data.state == state]:
            np.testing.assert_array_equal(row[: len(state_names())], seen[loop].astype(np.float32))


def test_every_row_has_its_own_proposal_and_what_was_done_with_it(data: Branched) -> None:
    column = action_names().index
    rival = data.x[data.action == RIVAL]
    assert ((rival[:, column("proposal.density")] > 0.5) == (data.lead["accuracy"][data.action == RIVAL] > 0)).all()
    np.testing.assert_allclose(rival[:, column("diff.density")], rival[:, column("proposal.density")] - 0.5, atol=1e-6)
    assert set(data.x[data.action == f"{DEFAULT} ×2"][:, column("multiplier")]) == {1.0}
    assert set(data.x[data.action == f"{DEFAULT}, skip"][:, column("skip")]) == {1.0}
    for k in (0, len(data) // 2, len(data) - 1):
        own, action = data.x[k].astype(np.float64), read_action(str(data.action[k]))
        usual = data.x[(data.state == data.state[k]) & (data.action == DEFAULT)][0]
        wide = len(state_names())
        state, proposal, default = own[:wide], own[wide : wide + len(PROPOSAL)], usual[wide : wide + len(PROPOSAL)]
        np.testing.assert_allclose(action_features(state, proposal, default, action), own, atol=1e-6)


def test_leads_are_measured_at_the_same_labels_and_more_is_better(data: Branched) -> None:
    rival = data.action == RIVAL
    size = np.where(data.lead["accuracy"][rival] > 0, 0.04, -0.02)
    np.testing.assert_allclose(data.lead["accuracy"][rival], RISE * size, atol=1e-9)
    np.testing.assert_allclose(data.lead["h1.accuracy"][rival], size, atol=1e-9)
    np.testing.assert_allclose(data.lead["log_loss"][rival], 2 * RISE * size, atol=1e-9)
    # A straight line: twice the batch is no lead.
    for action, lead in ((DEFAULT, 0.0), (OTHER, RISE * LOSS), (f"{DEFAULT} ×2", 0.0)):
        np.testing.assert_allclose(data.lead["accuracy"][data.action == action], lead, atol=1e-9)


def test_what_the_default_goes_on_to_gain_is_known_as_far_as_it_went(data: Branched) -> None:
    np.testing.assert_allclose(data.ahead[:, :2], [[0.01, 0.03]] * len(data), atol=1e-9)
    assert np.isnan(data.ahead[:, 2:]).all()


def test_costs_and_places_go_with_the_rows(data: Branched) -> None:
    assert set(data.seconds["fit"][data.action == RIVAL]) == {3.0}
    assert set(data.seconds["select"]) == {0.1, 0.2}
    assert len(np.unique(data.state)) == 3 * 2 * STATES
    assert set(data.group.tolist()) == {f"family {k}" for k in range(3)}
    assert set(data.context["learner"].tolist()) == {"logistic"}
    first = data.rows(data.state == 0)
    assert len(first) == 5
    assert np.isnan(first.seconds["last.fit"]).all()
    assert set(data.rows(data.state == 1).seconds["last.fit"]) == {2.0}
    np.testing.assert_array_equal(first.x, data.x[:5])
    assert {len(values) for values in (*first.lead.values(), *first.context.values(), first.group, first.ahead)} == {5}


def test_the_order_of_the_runs_in_the_store_does_not_matter(data: Branched) -> None:
    other = read_branched(planted(fixed, 3, order=[3, 0, 5, 1, 4, 2], further=True))
    np.testing.assert_array_equal(data.x, other.x)
    assert data.action.tolist() == other.action.tolist()
    assert data.group.tolist() == other.group.tolist()


def test_a_store_without_branches_of_the_kind_is_refused() -> None:
    store = planted(fixed, 1)
    with pytest.raises(FitError, match="no branches of regression runs"):
        read_branched(store, kind="regression")
    with pytest.raises(FitError, match="make some with metaal rehearse"):
        read_branched(open_store("memory:"))


def test_a_state_without_the_defaults_own_branch_says_nothing() -> None:
    store = open_store("memory:")
    source = planted(fixed, 1)
    for name in source.runs():
        for record in source.records(name):
            if record.event != "branch" or record.loop or record.index:
                store.append(record)
    assert len(np.unique(read_branched(store).state)) == 2 * (STATES - 1)


def test_features_of_another_version_are_refused() -> None:
    store, source = open_store("memory:"), planted(fixed, 1)
    for name in source.runs():
        for record in source.records(name):
            arrays = {key: a[:-1] if key == "branch.features" else a for key, a in record.arrays.items()}
            store.append(Record(record.run, record.loop, record.event, record.values, arrays, index=record.index))
    with pytest.raises(FitError, match="this version reads"):
        read_branched(store)
