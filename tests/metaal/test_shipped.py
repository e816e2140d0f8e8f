"""The policy of a run that names none: the learned one where classes are predicted, the hand schedule elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metaal import Run, Task, play, read_policy
from metaal.errors import PolicyError
from metaal.evaluating.leaks import trained_on
from metaal.policies.shipped import Default, default
from metaal.testing import check_policy
from metadata_store import open_store

RNG = np.random.default_rng(0)
EMBEDDING, PREDICTION = RNG.normal(size=(40, 3)), RNG.normal(size=40)
PROBA = RNG.dirichlet([1, 1, 1], 40)


def test_a_classification_is_played_as_by_the_learned_policy() -> None:
    """The same rows and reasons: random numbers go with a strategy's name and the loop, not with the policy."""
    task = Task("iris", "naive_bayes", batch=4, budget=32, seeds=1)
    ours, learned = (play(name, task, full=False).curve for name in ("default", "learned"))
    for column in ("accuracy", "action.name", "decision.reason"):
        assert ours[column].tolist()[:-1] == learned[column].tolist()[:-1]
    assert set(ours["action.name"].dropna()) - {"cluster_margin"}, "it deviates somewhere, or nothing was compared"


@pytest.mark.parametrize(
    "outputs",
    [{"prediction": PREDICTION, "embedding": EMBEDDING}, {"prediction": PREDICTION}, {"embedding": EMBEDDING}],
    ids=["regression", "predictions", "points"],
)
def test_without_probabilities_it_is_the_hand_schedule(outputs: dict[str, np.ndarray]) -> None:
    taken = []
    for policy in ("default", "schedule"):
        run = Run("r", policy=policy, store=open_store("memory:"))
        query = run.ask(3, ids=np.arange(40), **outputs)
        taken.append((query.action, query.ids.tolist(), run.why()))
    assert taken[0] == taken[1]


def test_probabilities_without_points_get_margin() -> None:
    run = Run("r", store=open_store("memory:"))
    assert run.ask(3, ids=np.arange(40), proba=PROBA, prediction=PREDICTION).action == "margin"
    assert run.policy.spelling == "default"


def test_it_is_spelled_with_its_prices_and_keeps_the_contract() -> None:
    policy = read_policy("default(second=0.01, final=5.0)")
    assert isinstance(policy, Default)
    assert policy.spelling == "default(second=0.01, final=5.0)"
    assert (policy.prices.second, policy.prices.final) == (0.01, 5.0)
    assert read_policy("default").spelling == default().spelling == "default"
    with pytest.raises(PolicyError, match="expected explore or a price"):
        read_policy("default(seconds=1)")
    check_policy(default())


def test_it_is_not_judged_on_what_the_learned_policy_was_trained_on() -> None:
    assert trained_on(default()) == trained_on(read_policy("learned")) != frozenset()


def test_a_run_of_either_kind_goes_on_as_it_began(tmp_path: Path) -> None:
    left = np.arange(40)
    for loop in range(3):
        run = Run(tmp_path / "r", seed=1)
        query = run.ask(3, ids=left, proba=PROBA[left], embedding=EMBEDDING[left])
        assert query.loop == loop
        run.tell(np.zeros(3, dtype=int))
        run.close()
        left = np.setdiff1d(left, query.ids)
