"""TCM, rank fusion and growing batches: what they ask for, in whole runs and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import entropy, rankdata

from metaal import Action, ActionSet, History, Run, Task, UnavailableError, play, read_policy
from metaal.actions import STOP
from metaal.features import PROPOSAL
from metaal.policies.growing import Growing
from metaal.policies.tcm import Tcm
from metadata_store import open_store


def offered(*actions: Action, **missing: str) -> ActionSet:
    return ActionSet(
        actions, features=lambda strategy: np.zeros(len(PROPOSAL)), feature_names=PROPOSAL, unavailable=missing
    )


def in_loop(loop: int, labels: float = 6.0, batch: float = 5.0) -> History:
    rows = [{"labels.count": labels + batch * k, "loop.batch": batch} for k in range(loop + 1)]
    return History(rows, actions=["margin"] * loop, propensities=[1.0] * loop)


# --------------------------------------------------------------------- TCM


def test_tcm_covers_for_some_loops_and_then_asks_what_is_uncertain() -> None:
    task = Task("iris", "logistic", batch=4, budget=24)
    trace = play("tcm(loops=2)", task, full=False)
    names = trace.curve["action.name"].tolist()[:6]
    assert names == ["typiclust", "typiclust", "margin", "margin", "margin", "margin"]
    assert trace.curve["decision.reason"].iloc[1] == "loop 2 of 2 by coverage"
    assert trace.curve["decision.reason"].iloc[2] == "coverage ended after 2 loops"


@pytest.mark.parametrize(("labels", "loops", "covered"), [(6, 3, 3), (0, 3, 4), (6, 0, 0), (0, 0, 1)])
def test_the_first_query_of_a_run_without_labels_is_the_initial_pool(labels: int, loops: int, covered: int) -> None:
    policy, actions = Tcm("k_center", loops, "entropy"), offered(Action("k_center"), Action("entropy"))
    taken = [int(policy.decide(in_loop(k, labels), actions).probabilities.argmax()) for k in range(7)]
    assert taken == [0] * covered + [1] * (7 - covered)


def test_tcm_takes_what_is_possible() -> None:
    decision = Tcm().decide(in_loop(0), offered(Action("margin"), typiclust="no embedding"))
    assert decision.probabilities.tolist() == [1.0]
    assert decision.reason.endswith("(typiclust is not possible: no embedding)")
    late = Tcm().decide(in_loop(8), offered(Action("typiclust"), margin="no proba"))
    assert late.reason.endswith("(margin is not possible: no proba)")
    with pytest.raises(UnavailableError, match="neither typiclust nor margin is possible"):
        Tcm().decide(in_loop(0), offered(Action("random"), typiclust="no embedding", margin="no proba"))


# ------------------------------------------------------------------- Borda


def test_borda_asks_for_the_rows_with_the_best_sum_of_ranks() -> None:
    proba = np.random.default_rng(0).dirichlet([0.7, 1.0, 1.5], size=60)
    run = Run("r", policy="borda('margin', 'entropy')", store=open_store("memory:"))
    query = run.ask(12, ids=np.arange(60), proba=proba)
    top = np.sort(proba, axis=1)
    ranks = rankdata(top[:, 2] - top[:, 1]) + rankdata(-entropy(proba.T))
    assert sorted(query.ids.tolist()) == sorted(np.argsort(ranks, kind="stable")[:12].tolist())
    one, other = np.argsort(top[:, 2] - top[:, 1])[:12], np.argsort(-entropy(proba.T))[:12]
    assert set(query.ids.tolist()) not in (set(one.tolist()), set(other.tolist())), "neither of the two alone"


def test_borda_says_what_is_missing() -> None:
    run = Run("r", policy="borda('margin', 'k_center')", store=open_store("memory:"))
    with pytest.raises(UnavailableError, match="embedding"):
        run.ask(1, ids=np.arange(9), proba=np.full((9, 2), 0.5))
    policy = read_policy("borda('margin', 'k_center')")
    with pytest.raises(UnavailableError, match="no embedding"):
        policy.decide(in_loop(0), offered(Action("margin"), fuse="no embedding"))


# ----------------------------------------------------------------- growing


@pytest.mark.parametrize(("share", "rounds"), [(0.25, 10), (1.0, 4)])
def test_batches_are_a_share_of_the_labelled_rows(share: float, rounds: int) -> None:
    task = Task("digits", "naive_bayes", batch=10, budget=200)  # 20 rounds of one size, after 20 labels
    curve = play(Growing("margin", share), task, full=False).curve
    labels, asked = curve["labels"].tolist()[:-1], curve["query.count"].tolist()[:-1]
    assert asked[:-1] == [max(10, round(share * n)) for n in labels[:-1]]
    assert sum(asked) == 200, "the budget cuts the last one"
    assert len(asked) == rounds


@pytest.mark.parametrize(
    ("labels", "batch", "expected"),
    [
        (80.0, 5.0, 4.0),
        (20.0, 5.0, 1.0),
        (3.0, 5.0, 1.0),
        (0.0, 5.0, 1.0),
        (90.0, 7.0, 22 / 7),
        (math.nan, 5.0, 1.0),
        (80.0, math.nan, 1.0),
    ],
)
def test_the_offer_of_a_loop(labels: float, batch: float, expected: float) -> None:
    history = History([{"labels.count": labels, "loop.batch": batch}])
    assert list(Growing("margin").offers(history)) == [Action("margin", expected)]


def test_growing_takes_the_nearest_batch_of_a_set_without_its_own() -> None:
    policy, history = Growing("margin"), in_loop(0, labels=60.0)  # wants three times the batch of 5
    actions = [Action("margin", m) for m in (0.5, 1.0, 2.0, 8.0)]
    decision = policy.decide(history, offered(*actions, Action("random", 3.0), STOP))
    assert decision.probabilities.tolist() == [0, 0, 1, 0, 0, 0]
    assert decision.reason.endswith("(margin ×3 is not offered)")
    rich = [Action("margin", 3.0, refit="skip"), Action("margin", 3.0, share=0.5), Action("margin", 3.0)]
    assert policy.decide(history, offered(*rich)).probabilities.tolist() == [0, 0, 1]
    with pytest.raises(UnavailableError, match="margin ×3 is not possible: margin: no proba"):
        policy.decide(history, offered(Action("random"), margin="no proba"))
