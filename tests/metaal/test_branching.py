"""Counterfactual branches: what a run would have become, had it done something else at one of its states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from metaal import Fixed, Task, play
from metaal.errors import FitError, MismatchError, PolicyError, TaskError
from metaal.policies.schedule import Schedule
from metaal.rehearsal import Branches, Exploring, branch, branching, read_branches
from metaal.rehearsal.branching import chosen
from metaal.rehearsal.following import mean_gain
from metadata_store import MemoryStore, Record

PLAN = Branches(("margin", "random", "k_center"), states=2)
WINE = Task("wine", "logistic", batch=4, budget=32, seeds=1)


def rehearsed(task: Task, plan: Branches, share: float = 0.5) -> tuple[MemoryStore, str]:
    """A store with the run of a task and its branches."""
    store = MemoryStore()
    run = play(Exploring(plan.strategies, plan.multipliers, plan.default, share), task, store=store).run
    branch(task, store, run, plan)
    return store, run


def branches_of(store: MemoryStore, run: str) -> list[Record]:
    return [record for record in store.records(run) if record.event == "branch"]


def timeless(record: Record) -> tuple[Any, ...]:
    values = {name: value for name, value in record.values.items() if not name.endswith(".seconds")}
    return record.key, values, {name: array.tolist() for name, array in record.arrays.items()}


def test_a_branch_replayed_by_hand_has_the_same_scores() -> None:
    """Nothing of metaal's but the split: the log, NumPy and scikit-learn."""
    store, run = rehearsed(WINE, Branches(("random", "k_center"), states=2, default="margin"))
    parts = WINE.lay_out()
    told = [record for record in store.records(run) if record.event == "tell"]
    made = branches_of(store, run)
    assert len(made) == 2 * 3
    for record in made:
        seen = list(parts.initial)
        for tell in told[: record.loop]:
            seen += tell.arrays["ids"].tolist()
        batch = record.arrays["branch.ids"].tolist()
        for h in (1, 2, 3):
            seen += batch
            assert record.values[f"branch.h{h}.labels"] == len(seen)
            model = LogisticRegression(C=1.0, max_iter=300).fit(parts.pool_x[seen], parts.pool_y[seen])
            proba = model.predict_proba(parts.guide_x)
            truth, found = parts.guide_y, proba.argmax(1)
            own = proba[np.arange(len(truth)), truth]
            by_hand = {
                "accuracy": accuracy_score(truth, found),
                "balanced_accuracy": balanced_accuracy_score(truth, found),
                "log_loss": -np.log(np.maximum(own, 0.02)).mean(),
                "brier": ((proba - np.eye(3)[truth]) ** 2).sum(1).mean(),
            }
            for name, value in by_hand.items():
                assert record.values[f"branch.h{h}.{name}"] == pytest.approx(value, abs=1e-9), (record.key, h, name)
            pool = np.setdiff1d(np.arange(len(parts.pool_y)), seen)
            top = np.sort(model.predict_proba(parts.pool_x[pool]), axis=1)
            batch = pool[np.argsort(top[:, -1] - top[:, -2], kind="stable")[:4]].tolist()


@pytest.mark.parametrize(
    "task",
    [
        WINE,
        replace(WINE, learner="extra_trees", regime="noise(rate=0.4,kind='fatigue',after=5)+batch(size=3,growth=1.5)"),
        Task("diabetes", "ridge", batch=5, budget=30),
    ],
    ids=["clean", "tiring oracle, growing batches", "regression"],
)
def test_a_branch_is_bit_by_bit_the_run_that_takes_this_action_and_then_the_default(task: Task) -> None:
    default = "cluster_margin" if task.kind == "classification" else "greedy_x"
    plan = Branches(("random", "k_center"), states=2, default=default)
    store, run = rehearsed(task, plan, share=1e-9)  # the default at every loop
    score = "accuracy" if task.kind == "classification" else "r2"
    for record in branches_of(store, run):
        stages: tuple[Any, ...] = ((str(record.values["branch.strategy"]), 1), (default, 0))
        stages = ((default, record.loop), *stages) if record.loop else stages
        other = MemoryStore()
        trace = play(Schedule(stages), task, store=other)
        curve = trace.curve["guide"].tolist()
        for h in (0, 1, 2, 3):
            if record.loop + h < len(curve) - 1:  # the budget cuts the run's last batch, and no branch
                assert record.values[f"branch.h{h}.{score}"] == curve[record.loop + h], (record.key, h)


def test_the_branch_of_what_the_run_did_is_the_run_itself() -> None:
    store, run = rehearsed(WINE, replace(PLAN, states=5))
    tells = {record.loop: record for record in store.records(run) if record.event == "tell"}
    taken = [record for record in branches_of(store, run) if record.values["branch.taken"]]
    assert len(taken) == 5
    for record in taken:
        assert record.arrays["branch.ids"].tolist() == tells[record.loop].arrays["ids"].tolist()
        if record.loop + 1 in tells:
            assert record.values["branch.h1.accuracy"] == tells[record.loop + 1].values["score.value"]
            assert record.values["branch.h1.log_loss"] == tells[record.loop + 1].values["score.log_loss"]
    assert any(record.values["branch.strategy"] != "cluster_margin" for record in taken)


def test_a_branch_has_the_features_that_a_policy_was_shown() -> None:
    store, run = rehearsed(WINE, PLAN)
    asks = {record.loop: record for record in store.records(run) if record.event == "ask"}
    for record in branches_of(store, run):
        shown = asks[record.loop].arrays
        names = shown["preview.strategy"].tolist()
        if record.values["branch.strategy"] in names:
            logged = shown["preview.features"][names.index(record.values["branch.strategy"])]
            np.testing.assert_array_equal(record.arrays["branch.features"], logged)
        assert record.arrays["branch.features"].shape == shown["preview.features"].shape[1:]


def test_the_propensities_of_a_state_are_those_of_the_behaviour_policy() -> None:
    store, run = rehearsed(WINE, replace(PLAN, multipliers=(1.0, 2.0)), share=0.4)
    for loop in {record.loop for record in branches_of(store, run)}:
        of_state = [record.values for record in branches_of(store, run) if record.loop == loop]
        assert sum(values["branch.propensity"] for values in of_state) == pytest.approx(1)
        chances = {values["branch.action"]: values["branch.propensity"] for values in of_state}
        assert chances["cluster_margin"] == pytest.approx(0.6 + 0.4 / 8)
        assert chances["margin ×2"] == pytest.approx(0.4 / 8)
        assert sum(values["branch.taken"] for values in of_state) == 1


def test_proposals_of_the_same_rows_are_played_once_and_recorded_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    played = []
    original = branching.follow
    monkeypatch.setattr(
        branching, "follow", lambda state, rows, **how: played.append(rows) or original(state, rows, **how)
    )
    # The second one asks for margin's rows, in random order.
    plan = Branches(("margin", "narrow(margin, random, factor=1)", "random"), states=1)
    store, run = rehearsed(WINE, plan)
    made = branches_of(store, run)
    assert len(played) == 3
    assert [record.values["branch.played"] for record in made] == [0, 1, 1, 3]
    ids = [record.arrays["branch.ids"].tolist() for record in made[1:3]]
    assert ids[0] != ids[1]
    assert sorted(ids[0]) == sorted(ids[1])
    same = [record.values for record in made[1:3]]
    names = [name for name in same[0] if name.startswith("branch.h")]
    assert len(names) > 12
    assert [same[0][name] for name in names] == [same[1][name] for name in names]


def test_a_state_that_was_broken_off_is_completed_with_the_same_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, run = rehearsed(WINE, PLAN)
    made = branches_of(whole, run)
    rebuilt: list[int] = []
    original = branching.branch_state
    monkeypatch.setattr(branching, "branch_state", lambda s, p: rebuilt.append(s.loop) or original(s, p))
    for kept in (0, 1, 3, 4, 6):
        store = MemoryStore()
        for record in whole.records(run):
            if record.event != "branch" or record in made[:kept]:
                store.append(record)
        rebuilt.clear()
        assert branch(WINE, store, run, PLAN) == 8
        assert len(rebuilt) == 2 - kept // 4
        again = branches_of(store, run)
        assert [timeless(record) for record in again] == [timeless(record) for record in made]
        # What had been stored keeps its times too.
        for one, other in zip(again[:kept], made[:kept], strict=True):
            assert one.same_content(other)
    records = len(store.records(run))
    assert branch(WINE, store, run, PLAN) == 8
    assert len(store.records(run)) == records


def test_branches_of_another_plan_are_refused() -> None:
    store, run = rehearsed(WINE, PLAN)
    for other in (
        replace(PLAN, horizon=2),
        replace(PLAN, strategies=("random", "margin", "k_center")),
        replace(PLAN, states=1),
        replace(PLAN, default="margin"),
    ):
        with pytest.raises(MismatchError, match="go into another store"):
            branch(WINE, store, run, other)


def test_a_run_that_has_not_ended_is_refused() -> None:
    whole, run = rehearsed(WINE, replace(PLAN, states=0))
    store = MemoryStore()
    for record in whole.records(run):
        if record.event != "end":
            store.append(record)
    with pytest.raises(TaskError, match="has not ended"):
        branch(WINE, store, run, PLAN)


def test_a_state_that_comes_out_otherwise_is_refused() -> None:
    store, run = rehearsed(WINE, replace(PLAN, states=0))
    with pytest.raises(TaskError, match="cannot be built again bit by bit"):
        branch(replace(WINE, batch=5), store, run, PLAN)


def test_early_loops_are_branched_from_more_often_and_none_twice() -> None:
    store, run = rehearsed(replace(WINE, budget=60), replace(PLAN, states=0))
    records = list(store.records(run))
    loops = [record.loop for record in records if record.event == "ask"]
    counts = np.zeros(len(loops))
    for seed in range(300):
        begin = records[0]
        records[0] = Record(run, 0, "begin", {**begin.values, "run.seed": seed})
        drawn = chosen(records, replace(PLAN, states=3))
        assert len(set(drawn)) == 3
        assert drawn == sorted(drawn)
        assert drawn == chosen(records, replace(PLAN, states=3))
        counts[drawn] += 1
    assert counts[0] > 2 * counts[-3:].mean() > 0


def test_a_pool_that_runs_out_ends_a_branch_early() -> None:
    task = Task("iris", "naive_bayes", batch=30, budget=60)
    store, run = rehearsed(task, Branches(("random",), (1.0, 3.0), states=1))
    whole = branches_of(store, run)[-1].values
    assert whole["branch.action"] == "random ×3"
    assert whole["branch.labels"] == 69  # all of the 75 rows but the 6 known at first
    assert whole["branch.h1.labels"] == whole["branch.h3.labels"] == 75
    assert whole["branch.h1.accuracy"] == whole["branch.h3.accuracy"]


def test_branches_read_back_as_a_table_with_leads_on_the_default() -> None:
    store, run = rehearsed(WINE, replace(PLAN, multipliers=(1.0, 2.0)))
    table = read_branches(store)
    assert table[["run", "loop", "index"]].values.tolist() == [
        [*record.key[:2], record.index] for record in branches_of(store, run)
    ]
    for _, state in table.groupby("loop"):
        usual = state[state["action"] == "cluster_margin"].iloc[0]
        assert usual["advantage.accuracy"] == usual["advantage.h3.log_loss"] == 0
        for _, row in state.iterrows():
            # The default's branch goes on for one batch more, so that ×2 is compared at its own label counts.
            at, reach = ([usual[f"h{h}.{name}"] for h in range(5)] for name in ("labels", "accuracy"))
            for h in (1, 3):
                level = np.interp(row[f"h{h}.labels"], at, reach)
                assert row[f"advantage.h{h}.accuracy"] == pytest.approx(row[f"h{h}.accuracy"] - level, abs=1e-12)
            assert at[4 if row["multiplier"] > 1 else 3] == row["h3.labels"]
            loss = [usual[f"h{h}.log_loss"] for h in range(5)]
            ahead = np.interp(row["h3.labels"], at, loss) - row["h3.log_loss"]
            assert row["advantage.h3.log_loss"] == pytest.approx(ahead, abs=1e-12)
            end = row["h3.labels"]
            own = mean_gain([row[f"h{h}.labels"] for h in range(4)], [row[f"h{h}.brier"] for h in range(4)], end)
            theirs = mean_gain(at, [usual[f"h{h}.brier"] for h in range(5)], end)
            assert row["advantage.brier"] == pytest.approx(theirs - own)
    assert read_branches(store, runs=[run]).equals(table)
    with pytest.raises(FitError, match="no branches"):
        read_branches(store, runs=["other"])
    with pytest.raises(FitError, match="no branches"):
        read_branches(MemoryStore())


def test_a_regression_is_branched_by_its_own_scores() -> None:
    store, _ = rehearsed(
        Task("diabetes", "ridge", batch=5, budget=20), Branches(("random",), states=1, default="greedy_x")
    )
    table = read_branches(store)
    assert {"h1.r2", "h3.rmse", "advantage.rmse"} <= set(table)
    assert "h1.accuracy" not in table
    assert (table["advantage.h1.rmse"] * table["advantage.h1.r2"] >= 0).all()


def test_the_behaviour_policy_says_what_it_cannot_be() -> None:
    for share in (0, 1.5, "a", True):
        with pytest.raises(PolicyError, match="share"):
            Exploring(share=share)  # type: ignore[arg-type]
    assert Exploring(("margin",)).arms == ("cluster_margin", "margin")
    assert (
        Exploring(("margin",), default="random").spelling
        == "exploring('random', 'margin', default='random', share=0.5)"
    )


def test_where_the_default_cannot_run_all_actions_are_alike() -> None:
    store = MemoryStore()
    trace = play(Fixed("margin"), WINE, store=store)
    assert trace.run
    from metaal import Run

    policy = Exploring(("margin", "random"), share=0.2)
    query = Run("r", policy=policy, store=store).ask(1, ids=[0, 1], proba=[[0.6, 0.4], [0.5, 0.5]])
    assert query.propensity == pytest.approx(0.5)
