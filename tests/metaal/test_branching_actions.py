"""Branches of everything that an action can say: batches, shares of the pool, warm and skipped training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from metaal import Run, Task, play
from metaal.actions import STOP, Action, ActionSet, Decision, certain, read_action
from metaal.errors import InputError, MismatchError, PolicyError
from metaal.policies.arms import check_actions
from metaal.rehearsal import Branches, Exploring, branch, read_branches
from metaal.rehearsal.refitting import refitted, trained
from metaal.sampling import LEAST, sample_rows
from metadata_store import MemoryStore, Record

FURTHER = (
    "margin ×4",
    "margin ×0.5",
    "margin, share 0.25",
    "margin, skip",
    "margin, warm",
    "margin ×2, share 0.5, skip",
)


@dataclass(frozen=True)
class Scripted:
    """Does what a list says, loop by loop, then its last entry for ever."""

    script: tuple[str, ...]
    spelling: str = "scripted"
    multipliers: tuple[float, ...] = (1.0,)

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(read_action(text).strategy for text in self.script if text != "stop"))

    def offers(self, history: Any) -> list[Action]:
        return [read_action(self.script[min(len(history) - 1, len(self.script) - 1)])]

    def decide(self, history: Any, actions: ActionSet) -> Decision:
        return certain(actions, 0, "as written")


def branches_of(store: MemoryStore, run: str) -> list[Record]:
    return [record for record in store.records(run) if record.event == "branch"]


def guide(task: Task, script: tuple[str, ...]) -> tuple[list[float], list[float]]:
    """Labels and guide scores of a run that follows a script."""
    curve = play(Scripted(script), task, store=MemoryStore()).curve
    return curve["labels"].tolist(), curve["guide"].tolist()


@pytest.mark.parametrize("learner", ["logistic", "mlp", "extra_trees", "lightgbm", "naive_bayes"])
def test_a_branch_is_bit_by_bit_the_run_that_takes_the_action(learner: str) -> None:
    task = Task("breast_cancer", learner, batch=4, budget=60, seeds=2)
    plan = Branches(("margin",), states=2, default="margin", further=FURTHER)
    store = MemoryStore()
    policy = Exploring(("margin",), default="margin", share=0.9, further=FURTHER)
    run = play(policy, task, store=store).run
    done = [str(record.values["action.name"]) for record in store.records(run) if record.event == "ask"]
    branch(task, store, run, plan, policy.arms)
    made = branches_of(store, run)
    warm = learner != "naive_bayes"
    assert len(made) == 2 * (7 if warm else 6)
    for record in made:
        action = str(record.values["branch.action"])
        labels, scores = guide(task, (*done[: record.loop], action, "margin"))
        for h in range(4):
            place = record.loop + h
            if place < len(scores) - 1:  # the last model of a run is always trained, and the budget may cut its batch
                assert record.values[f"branch.h{h}.labels"] == labels[place]
                assert record.values[f"branch.h{h}.accuracy"] == scores[place], (action, h)


def test_what_an_action_does_shows_in_its_branch() -> None:
    task = Task("digits", "logistic", batch=6, budget=60)
    store = MemoryStore()
    plan = Branches(("margin",), states=1, default="margin", further=FURTHER)
    run = play(Exploring(("margin",), default="margin"), task, store=store).run
    branch(task, store, run, plan)
    by_action = {str(row["action"]): row for row in read_branches(store).to_dict("records")}
    usual, left = by_action["margin"], by_action["margin"]["scored"]
    assert plan.reach == 6
    assert [usual[f"h{h}.labels"] - usual["h0.labels"] for h in range(7)] == [6 * h for h in range(7)]
    assert by_action["margin ×4"]["h1.labels"] == usual["h4.labels"]
    assert by_action["margin ×0.5"]["labels"] == 3
    assert by_action["margin, share 0.25"]["scored"] == -(-left // 4)
    assert by_action["margin, share 0.25"]["h1.accuracy"] == usual["h1.accuracy"]
    skipped = by_action["margin, skip"]
    assert skipped["h1.accuracy"] == usual["h0.accuracy"] != usual["h1.accuracy"]
    assert skipped["advantage.h1.accuracy"] == usual["h0.accuracy"] - usual["h1.accuracy"]
    assert by_action["margin, warm"]["h1.labels"] == usual["h1.labels"]
    assert (skipped["share"], skipped["refit"]) == (1.0, "skip")


def test_a_run_that_was_killed_goes_on_with_the_model_it_had() -> None:
    """Skipped and warm trainings depend on the loops before, which a new process has to repeat."""
    script = (
        "margin",
        "margin, skip",
        "margin, warm",
        "margin ×2, warm",
        "margin, skip",
        "margin, share 0.3",
        "margin",
    )
    task = Task("digits", "mlp", batch=8, budget=72)
    whole = MemoryStore()
    run = play(Scripted(script), task, store=whole).run
    records = whole.records(run)
    last = max(k for k, record in enumerate(records) if record.event == "tell")
    for cut in range(2, last + 1, 3):
        store = MemoryStore()
        for record in records[:cut]:
            store.append(record)
        play(Scripted(script), task, store=store)
        for one, other in zip(store.records(run), records, strict=True):
            assert one.key == other.key
            values = {name: value for name, value in one.values.items() if not name.endswith(".seconds")}
            assert values == {name: value for name, value in other.values.items() if not name.endswith(".seconds")}


def test_only_what_follows_the_last_full_training_is_repeated() -> None:
    task = Task("digits", "mlp", batch=8, budget=72)
    layout, calls = task.lay_out(), list[int]()

    class Counting(Task):
        def fit(self, x: Any, y: Any, layout: Any, last: Any = None) -> Any:
            calls.append(len(y))
            return super().fit(x, y, layout, last)

    counting = Counting("digits", "mlp", batch=8, budget=72)
    steps: list[Any] = [(20, "full"), (30, "warm"), (40, "full"), (50, "skip"), (60, "warm")]
    refitted(counting, layout, np.arange(60), layout.pool_y[:60], steps)
    assert calls == [40, 60]


def test_the_steps_of_a_run_are_those_whose_labels_were_told() -> None:
    from metaal.history import History

    rows = [{"query.count": 5.0}, {"query.count": 10.0}, {"query.count": 5.0}]
    history = History(rows, actions=("margin", "margin ×2, skip", "margin"), propensities=(1, 1, 1))
    assert trained(history, 10, 15) == [(10, "full"), (15, "full"), (25, "skip")]
    assert trained(history, 10, 20) == [(10, "full"), (15, "full"), (25, "skip"), (30, "full")]


def test_a_run_that_stops_while_its_model_is_old_is_examined_with_a_new_one() -> None:
    task = Task("digits", "logistic", batch=10, budget=200)
    curve = play(Scripted(("margin", "margin, skip", "stop")), task).curve
    assert curve["labels"].tolist() == [20, 30, 40]
    fresh = play(Scripted(("margin", "margin", "stop")), task).curve
    assert curve["accuracy"].iloc[-1] == fresh["accuracy"].iloc[-1]
    assert curve["guide"].iloc[-1] == fresh["guide"].iloc[-1]


# ------------------------------------------------------------------ sampling


def test_a_share_of_the_pool_is_drawn_the_same_after_a_restart_and_keeps_the_reference_rows() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 4000)
    store = MemoryStore()
    run = Run("r", policy=Scripted(("margin, share 0.1",)), store=store, seed=3)
    first = run.ask(5, ids=np.arange(4000), proba=proba)
    assert (first.share, first.refit) == (0.1, "full")
    assert run.pending is not None
    assert run.pending.share == 0.1
    run.tell(np.zeros(5, dtype=int))
    left = np.setdiff1d(np.arange(4000), first.ids)
    rows = run.sample(left)
    again = Run("r", policy=Scripted(("margin, share 0.1",)), store=store, seed=3)
    assert len(rows) == 400
    assert again.sample(left).tolist() == rows.tolist()
    ask = store.records("r")[1]
    reference = np.setdiff1d(ask.arrays["reference.ids"], first.ids)
    assert np.isin(reference[:200], left[rows]).sum() == 200
    query = again.ask(5, ids=left[rows], proba=proba[left[rows]], unscored=len(left) - len(rows))
    logged = store.records("r")[-1]
    assert logged.values["pool.size"] == 3995
    assert logged.values["cost.rows.scored"] == 400
    assert "churn.label" in logged.values
    assert set(query.ids.tolist()) <= set(left[rows].tolist())


def test_without_a_share_everything_is_scored() -> None:
    run = Run("r", policy="margin", store=MemoryStore())
    assert run.sample([7, 8, 9]).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="unscored"):
        run.ask(1, ids=[1, 2], proba=[[0.5, 0.5], [0.4, 0.6]], unscored=-1)


def test_few_rows_are_scored_whatever_the_share() -> None:
    rng = np.random.default_rng(0)
    assert len(sample_rows(np.arange(1000), 0.001, np.arange(0), rng)) == LEAST
    assert len(sample_rows(np.arange(50), 0.001, np.arange(0), rng)) == 50
    rows = sample_rows(np.arange(1000), 0.2, np.arange(500), rng)
    assert len(rows) == len(set(rows.tolist())) == 200
    assert (rows < 500).sum() >= 100
    assert (rows >= 500).sum() > 0  # the reference is at most half


# -------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    "action",
    [
        Action("margin"),
        Action("margin", 0.5),
        Action("power_margin(beta=2.0)", 8.0),
        Action("mix(margin=0.5, typiclust=0.5)", 2.0, 0.0625, "warm"),
        Action("margin", share=0.25),
        Action("margin", refit="skip"),
        STOP,
    ],
)
def test_an_action_reads_back_from_its_text(action: Action) -> None:
    assert read_action(str(action)) == action


@pytest.mark.parametrize("text", ["", "margin, share 0", "margin, share 2", "margin ×", "×2", "margin, share x"])
def test_what_is_no_action_is_refused_or_is_no_strategy(text: str) -> None:
    with pytest.raises(ValueError, match=r"action|can't read|not known|no strategy"):
        check_actions([text])


def test_plans_and_policies_refuse_actions_that_cannot_be() -> None:
    with pytest.raises(PolicyError, match="not among the arms"):
        Branches(("margin",), further=("random ×2",))
    with pytest.raises(PolicyError, match="none twice"):
        Exploring(("margin",), further=("margin ×2", "margin ×2"))
    with pytest.raises(InputError, match="full, warm, skip"):
        Action("margin", refit="never")  # type: ignore[arg-type]
    policy = Exploring(("margin",), (1.0, 2.0), further=("margin, skip",))
    assert [str(action) for action in policy.actions] == [
        "cluster_margin",
        "cluster_margin ×2",
        "margin",
        "margin ×2",
        "margin, skip",
    ]
    from metaal.policies import read_policy

    assert read_policy(policy.spelling) == policy


def test_a_policy_may_not_offer_a_strategy_that_it_does_not_name() -> None:
    class Strange(Scripted):
        arms = ("random",)  # type: ignore[assignment]

    with pytest.raises(PolicyError, match="not among its arms"):
        Run("r", policy=Strange(("margin",)), store=MemoryStore()).ask(1, ids=[0, 1], proba=[[0.5, 0.5], [0.4, 0.6]])


def test_who_commits_goes_on_with_the_strategy_of_the_action() -> None:
    task = Task("breast_cancer", "naive_bayes", batch=4, budget=60, seeds=2)
    plan = Branches(
        ("margin", "random", "typiclust"), states=1, default="margin", horizon=3, commit=2, further=("random ×2",)
    )
    store = MemoryStore()
    policy = Exploring(("margin",), default="margin", share=0.9)
    run = play(policy, task, store=store).run
    branch(task, store, run, plan, (*policy.arms, "random", "typiclust"))
    made = {str(record.values["branch.action"]): record for record in branches_of(store, run)}
    loop = next(iter(made.values())).loop
    before = ("margin",) * loop
    for action in ("margin", "random", "typiclust", "random ×2"):
        own = read_action(action).strategy
        labels, scores = guide(task, (*before, action, own, "margin"))
        values = made[action].values
        assert values["branch.commit"] == 2
        for h in range(4):
            assert values[f"branch.h{h}.labels"] == labels[loop + h]
            assert values[f"branch.h{h}.accuracy"] == scores[loop + h], (action, h)
    with pytest.raises(MismatchError, match="commit 2"):
        branch(task, store, run, Branches(plan.strategies, states=1, default="margin", horizon=3, further=plan.further))


@pytest.mark.parametrize("commit", [0, 4, 1.5, True])
def test_nobody_commits_for_longer_than_the_branch(commit: Any) -> None:
    with pytest.raises(InputError, match="commit"):
        Branches(("margin",), horizon=3, commit=commit)
