"""The hand schedule in a regression: a rule for numbers, from the first loop on; classes keep theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal import (
    Action,
    ActionSet,
    Fixed,
    Run,
    Schedule,
    Task,
    UnavailableError,
    estimate,
    evaluate,
    play,
    read_policy,
)
from metaal.policies.schedule import HAND_REGRESSION, HAND_SCHEDULE
from metaal.rehearsal.playing import layout_of
from metaal.testing import check_policy, make_actions, make_history
from metadata_store import open_store

RNG = np.random.default_rng(0)
EMBEDDING, PREDICTION = RNG.normal(size=(40, 3)), RNG.normal(size=40)
PROBA = RNG.dirichlet([1, 1, 1], 40)


def asked(policy: Any = "schedule", loops: int = 1, **outputs: Any) -> list[str]:
    """Strategies of the first loops of a run that is shown these outputs."""
    run, left, names = Run("r", policy=policy, store=open_store("memory:")), np.arange(40), []
    for _ in range(loops):
        query = run.ask(3, ids=left, **{name: value[left] for name, value in outputs.items()})
        run.tell(np.zeros(3))
        left = np.setdiff1d(left, query.ids)
        names.append(query.action)
    return names


def test_predictions_without_probabilities_get_the_rule_for_numbers_in_every_loop() -> None:
    assert asked(loops=12, prediction=PREDICTION, embedding=EMBEDDING) == ["improved_greedy"] * 12


def test_without_an_embedding_the_predictions_alone_decide() -> None:
    assert asked(loops=2, prediction=PREDICTION) == ["greedy_y", "greedy_y"]


def test_probabilities_mean_classes_whatever_else_is_shown() -> None:
    assert asked(loops=3, proba=PROBA, prediction=PREDICTION, embedding=EMBEDDING) == [
        *("typiclust", "typiclust"),
        "cluster_margin",
    ]
    assert asked(proba=PROBA, prediction=PREDICTION) == ["margin"]
    assert asked(embedding=EMBEDDING) == ["typiclust"]


def test_the_reason_says_that_it_is_a_regression() -> None:
    run = Run("r", policy="schedule", store=open_store("memory:"))
    run.ask(3, ids=np.arange(40), prediction=PREDICTION, embedding=EMBEDDING)
    assert "predictions are shown and no probabilities, so this is a regression" in run.why()


def test_classes_are_played_as_they_were_before_there_was_a_rule_for_numbers() -> None:
    """The log of a classification has none of the arms for numbers among its actions."""
    task, store = Task("iris", "logistic", batch=4, budget=48, seeds=1), open_store("memory:")
    trace = play("schedule", task, store=store)
    asks = [record for record in store.records(trace.run) if record.event == "ask"]
    assert {name for ask in asks for name in ask.arrays["actions"].tolist()} == {arm for arm, _ in HAND_SCHEDULE}
    names = trace.curve["action.name"].dropna().tolist()
    assert names == ["typiclust"] * 2 + ["cluster_margin"] * 8 + ["margin"] * 2


@pytest.mark.parametrize("learner", ["ridge", "gaussian_process"])
def test_a_regression_is_played_as_by_improved_greedy_alone(learner: str) -> None:
    """The same rows: the strategy's random numbers go with its name and the loop, not with the policy."""
    task = Task("diabetes", learner, batch=5, budget=60, seeds=3)
    ours, alone = play("default", task), play("improved_greedy", task)
    assert ours.curve["r2"].tolist() == alone.curve["r2"].tolist()
    assert ours.curve["action.name"].dropna().unique().tolist() == ["improved_greedy"]


def test_the_first_batch_is_the_one_computed_by_hand() -> None:
    """Wu, Lin and Huang 2019: the largest least product of distances in the features and in the target, greedily."""
    task, store = Task("diabetes", "ridge", batch=4, budget=4, seeds=2), open_store("memory:")
    run = play("default", task, store=store).run
    first = next(record for record in store.records(run) if record.event == "ask")
    layout = layout_of(task)
    x, known = layout.pool_x.astype(np.float32).astype(float), list(layout.initial)
    fitted = task.fit(layout.pool_x[layout.initial], layout.initial_y, layout)
    value = fitted.prediction(layout.pool_x)
    value[layout.initial] = layout.pool_y[layout.initial]
    picked = []
    for _ in range(4):
        apart = np.linalg.norm(x[:, None] - x[known], axis=2) * np.abs(value[:, None] - value[known])
        least = apart.min(1)
        least[known] = -1
        picked.append(int(least.argmax()))
        known.append(picked[-1])
    assert first.arrays["query.ids"].tolist() == picked


def test_a_broken_off_regression_goes_on_as_it_began(tmp_path: Path) -> None:
    left = np.arange(40)
    for loop in range(3):
        run = Run(tmp_path / "r", policy="default", seed=1)
        query = run.ask(3, ids=left, prediction=PREDICTION[left], embedding=EMBEDDING[left])
        run.tell(np.zeros(3))
        run.close()
        left = np.setdiff1d(left, query.ids)
        assert (query.loop, query.action) == (loop, "improved_greedy")


def test_stages_of_ones_own_stay_what_they_are() -> None:
    mine = Schedule((("random", 1), ("margin", 0)))
    assert mine.arms == ("random", "margin")
    assert asked(mine, prediction=PREDICTION, embedding=EMBEDDING) == ["random"]
    with pytest.raises(UnavailableError, match="no stage from margin on"):
        asked(mine, loops=2, prediction=PREDICTION, embedding=EMBEDDING)
    own = Schedule((("greedy_x", 1), ("improved_greedy", 0)))
    assert asked(own, loops=2, prediction=PREDICTION, embedding=EMBEDDING) == ["greedy_x", "improved_greedy"]


def test_the_hand_schedule_keeps_its_spelling_and_the_contract() -> None:
    assert Schedule().spelling == Schedule(HAND_SCHEDULE).spelling == "schedule"
    assert read_policy("schedule") == Schedule()
    assert Schedule().arms == ("typiclust", "cluster_margin", "margin", *HAND_REGRESSION)
    check_policy(Schedule())


def test_where_every_stage_with_probabilities_is_impossible_the_loop_does_not_matter() -> None:
    policy = Schedule()
    actions = make_actions(policy, arms=("typiclust", *HAND_REGRESSION))
    for loops in (1, 2, 5, 40):
        decision = policy.decide(make_history(loops), actions)
        assert actions[int(decision.probabilities.argmax())] == Action("improved_greedy")
    features = ActionSet([Action("greedy_y")], features=actions.features, feature_names=actions.feature_names)
    assert policy.decide(make_history(4), features).reason.startswith("greedy_y: ")


def test_estimates_and_evaluations_know_the_rule() -> None:
    store = open_store("memory:")
    tasks = [Task("diabetes", "ridge", batch=5, budget=15)]
    result = evaluate(
        {"default": "default", "iGS": Fixed("improved_greedy"), "random": "random"}, tasks, seeds=range(2)
    )
    assert not len(result.errors)
    r2 = {name: rows["aulc"].tolist() for name, rows in result.runs.groupby("policy")}
    assert r2["default"] == r2["iGS"] != r2["random"]
    for seed in range(4):
        play("improved_greedy", tasks[0].with_seed(seed), store=store)
        play("random", tasks[0].with_seed(seed), store=store)
    assert estimate("default", store).support == pytest.approx(0.5)
