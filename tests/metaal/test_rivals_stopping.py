"""Every stopping rule stops when its condition holds and not before, whatever the policy that it is put on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from metaal import Action, ActionSet, Decision, History, Run, Task, Uniform, play, read_policy
from metaal.actions import STOP
from metaal.features import PROPOSAL
from metaal.policies.growing import Growing
from metaal.policies.stopping import Stopping
from metaal.policies.stopping_rules import RULES
from metadata_store import open_store


def offered(policy: Stopping, history: History) -> ActionSet:
    return ActionSet(policy.offers(history), features=lambda strategy: np.zeros(len(PROPOSAL)), feature_names=PROPOSAL)


def stops(policy: Stopping, history: History) -> bool:
    actions = offered(policy, history)
    return bool(policy.decide(history, actions).probabilities[actions.index(STOP)] == 1)


def run_of(*, late: bool, **series: Sequence[float]) -> History:
    """A run with these series; with ``late`` they are known only after a loop, so that one more is being decided."""
    names = {name.replace("__", "."): values for name, values in series.items()}
    loops = len(next(iter(names.values())))
    rows = [{name: float(values[k]) for name, values in names.items()} for k in range(loops)]
    rows += [{"pool.size": 9.0}] if late else []
    return History(rows, actions=["margin"] * (len(rows) - 1), propensities=[1.0] * (len(rows) - 1))


CASES: list[tuple[str, bool, dict[str, Sequence[float]], bool]] = [
    ("stabilising", False, {"churn__kappa": [0.2, 0.5, 0.99, 0.99, 0.99]}, True),
    ("stabilising", False, {"churn__kappa": [0.2, 0.5, 0.98, 1.0, 0.995]}, True),  # the mean counts
    ("stabilising", False, {"churn__kappa": [0.2, 0.5, 0.96, 1.0, 1.0]}, False),
    ("stabilising", False, {"churn__kappa": [math.nan, 1.0, 1.0]}, False),
    ("stabilising", False, {"churn__kappa": [1.0, math.nan, 1.0, 1.0]}, True),  # a gap is passed over
    ("stabilising", False, {"churn__kappa": [1.0, 1.0, 1.0, math.nan]}, False),  # of now nothing is known
    ("classification_change", False, {"churn__label": [0.3, 0.1, 0.0]}, True),
    ("classification_change", False, {"churn__label": [0.0, 0.0, 0.004]}, False),
    ("overall_uncertainty", False, {"pool__entropy__mean": [0.5, 0.2, 0.01]}, True),
    ("overall_uncertainty", False, {"pool__entropy__mean": [0.001, 0.2, 0.0101]}, False),
    ("entropy", False, {"pool__entropy__q95": [0.5, 0.2, 0.01]}, True),
    ("entropy", False, {"pool__entropy__q95": [0.5, 0.2, 0.02]}, False),
    ("min_margin", False, {"pool__margin__q05": [0.0, 0.1, 0.463]}, True),
    ("min_margin", False, {"pool__margin__q05": [0.0, 0.9, 0.461]}, False),
    ("max_confidence", True, {"query__entropy__mean": [0.9, 0.4, 0.001]}, True),
    ("max_confidence", True, {"query__entropy__mean": [0.001, 0.001, 0.002]}, False),
    ("selected_accuracy", True, {"surprise__accuracy__batch": [0.3, 0.5, 0.9]}, True),
    ("selected_accuracy", True, {"surprise__accuracy__batch": [0.9, 1.0, 0.89]}, False),
    ("selected_accuracy", True, {"surprise__accuracy__batch": [0.9, 1.0, math.nan]}, False),
    ("confidence_drop", False, {"pool__confidence__mean": [0.5, 0.9, 0.8, 0.7, 0.69]}, True),
    ("confidence_drop", False, {"pool__confidence__mean": [0.9, 0.8, 0.8, 0.7]}, False),
    ("confidence_drop", False, {"pool__confidence__mean": [0.9, 0.8, 0.7]}, False),
    (
        "contradiction",
        True,
        {"surprise__accuracy__batch": [0.2, 0.4, 0.6, 0.8], "surprise__confidence__batch": [0.6, 0.7, 0.8, 0.9]},
        True,
    ),
    (
        "contradiction",
        True,
        {"surprise__accuracy__batch": [0.2, 0.4, 0.6, 0.8], "surprise__confidence__batch": [0.4, 0.6, 0.6, 0.9]},
        False,  # 0.32, 0.36, 0.24, 0.18: two falls in a row
    ),
]


@pytest.mark.parametrize(("rule", "late", "series", "expected"), CASES)
def test_a_rule_stops_when_its_condition_holds(
    rule: str, late: bool, series: dict[str, Sequence[float]], expected: bool
) -> None:
    history = run_of(late=late, **series)
    assert stops(Stopping("margin", rule, least=0), history) is expected
    assert not stops(Stopping("margin", rule, least=len(history)), history), "the least number of loops is not done"


def test_every_rule_has_a_case_that_stops_and_one_that_does_not() -> None:
    for rule in RULES:
        assert {expected for name, _, _, expected in CASES if name == rule} == {True, False}, rule


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_stops_a_run_of_which_nothing_is_known(rule: str) -> None:
    for rows in ([{}], [{}] * 9, [dict.fromkeys(("churn.kappa", "pool.entropy.mean"), math.nan)] * 9):
        history = History(rows, actions=["margin"] * (len(rows) - 1), propensities=[1.0] * (len(rows) - 1))
        assert not stops(Stopping("margin", rule, least=0), history)


@pytest.mark.parametrize("rule", RULES)
def test_the_thresholds_are_the_authors_unless_others_are_named(rule: str) -> None:
    policy = Stopping("margin", rule)
    assert (policy.threshold, policy.loops, policy.least) == (RULES[rule].threshold, RULES[rule].loops, 3)
    other = Stopping("margin", rule, threshold=0.25, loops=7, least=1)
    assert read_policy(other.spelling) == other
    assert (other.threshold, other.loops, other.least) == (0.25, 7, 1)


def test_more_loops_must_all_fulfil_the_condition() -> None:
    policy = Stopping("margin", "overall_uncertainty", threshold=0.1, loops=3, least=0)
    assert stops(policy, run_of(late=False, pool__entropy__mean=[0.5, 0.1, 0.05, 0.1]))
    assert not stops(policy, run_of(late=False, pool__entropy__mean=[0.5, 0.11, 0.05, 0.1]))
    falls = Stopping("margin", "confidence_drop", threshold=0.1, loops=2, least=0)
    assert stops(falls, run_of(late=False, pool__confidence__mean=[0.9, 0.75, 0.6]))
    assert not stops(falls, run_of(late=False, pool__confidence__mean=[0.9, 0.75, 0.7]))


@pytest.mark.parametrize("rule", ["stabilising", "classification_change"])
def test_a_model_that_was_not_trained_on_more_does_not_stop_by_agreeing_with_itself(rule: str) -> None:
    policy = Stopping("margin", rule, loops=2, least=0)
    names = {"churn.kappa": 1.0, "churn.label": 0.0}
    counts = {
        "growing": [10.0, 15.0, 20.0, 25.0],
        "late": [10.0, 15.0, 15.0, 15.0],
        "no new one": [10.0, 15.0, 20.0, 20.0],
    }
    for words, labels in counts.items():
        rows = [{**names, "labels.count": count} for count in labels]
        for action, expected in (
            ("margin", words == "growing"),
            ("margin, skip", False),
            ("margin, warm", words == "growing"),
        ):
            assert stops(policy, History(rows, actions=[action] * 3, propensities=[1.0] * 3)) is expected, (
                words,
                action,
            )


# ----------------------------------------------------------- what goes on


class Knowing:
    """Explores, and predicts something of each action."""

    arms = ("margin", "random")
    multipliers = (1.0, 2.0)
    spelling = "knowing"
    default = "random"
    checksum = "abc"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        worth = np.array([len(action.strategy) * action.multiplier for action in actions])
        return Decision(worth / worth.sum(), "by worth", advantage=worth, lower=-worth)


def test_what_the_other_policy_decides_is_passed_on() -> None:
    policy, history = Stopping(Knowing(), least=0), run_of(late=False, churn__kappa=[0.1, 0.2])
    actions = offered(policy, history).permuted([4, 0, 3, 1, 2])
    assert actions[0] == STOP
    decision = policy.decide(history, actions)
    alone = Knowing().decide(history, offered(policy, history).permuted([0, 3, 1, 2]))
    np.testing.assert_array_equal(decision.probabilities, [0, *alone.probabilities])
    assert decision.advantage is not None
    assert decision.lower is not None
    np.testing.assert_array_equal(decision.advantage, [np.nan, *alone.probabilities * 36])
    np.testing.assert_array_equal(decision.lower, -decision.advantage)
    assert decision.utility is None
    assert decision.reason.startswith("by worth; not stopped: agreement (kappa)")
    assert (policy.default, policy.checksum) == ("random", "abc")
    assert policy.spelling == "stopping('knowing', rule='stabilising', least=0)"


def test_a_growing_batch_goes_on_growing() -> None:
    history = History([{"labels.count": 80.0, "loop.batch": 5.0}])
    policy = Stopping(Growing("margin"))
    assert list(policy.offers(history)) == [Action("margin", 4.0), STOP]
    decision = policy.decide(history, offered(policy, history))
    assert decision.probabilities.tolist() == [1, 0]


@pytest.mark.parametrize(("kappa", "entropy"), [(1.0, 0.5), (0.5, 0.001), (1.0, 0.001), (0.5, 0.5)])
def test_either_of_two_rules_stops(kappa: float, entropy: float) -> None:
    policy = Stopping(Stopping("margin", "overall_uncertainty", least=0), "stabilising", least=0)
    history = run_of(late=False, churn__kappa=[kappa] * 4, pool__entropy__mean=[entropy] * 4)
    assert list(policy.offers(history)) == [Action("margin"), STOP]
    assert stops(policy, history) is (kappa == 1.0 or entropy == 0.001)


def test_without_a_stop_among_the_actions_the_other_policy_decides_alone() -> None:
    policy, history = Stopping(Uniform(("margin", "random")), least=0), run_of(late=False, churn__kappa=[1.0] * 4)
    assert stops(policy, history)
    some = ActionSet([Action("margin"), Action("random")], features=np.zeros, feature_names=())
    assert policy.decide(history, some).probabilities.tolist() == [0.5, 0.5]
    only = ActionSet([STOP], features=np.zeros, feature_names=())
    assert policy.decide(run_of(late=False, churn__kappa=[0.1]), only).probabilities.tolist() == [1.0]


def test_a_run_stops_by_itself_and_says_why() -> None:
    task = Task("iris", "logistic", batch=5, budget=100)
    store = open_store("memory:")
    stopped = play("stopping('margin', rule='classification_change')", task, store=store, full=False)
    names = [name for name in stopped.curve["action.name"].tolist() if isinstance(name, str)]
    assert names[-1] == "stop"
    assert set(names[:-1]) == {"margin"}
    assert 3 <= len(names) - 1 < 20
    churn = Run.resume(stopped.run, store=store).history.get("churn.label")
    assert churn[len(names) - 1] == 0
    assert (churn[3 : len(names) - 1] > 0).all(), "it stops at the first loop in which nothing changed"
    why = stopped.curve["decision.reason"].iloc[len(names) - 1]
    assert why == "stop: share of changed predictions 0, at most 0 is wanted (classification_change)"
    patient = play("stopping('margin', rule='classification_change', least=12)", task, full=False)
    assert len(patient.curve) > len(stopped.curve)
