"""Every rival keeps the contract of a policy and reads back from its text."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal import ActionSet, Fixed, PolicyError, Prices, Uniform, load, read_policy
from metaal.features import PROPOSAL
from metaal.policies.arms import check_multipliers
from metaal.policies.borda import Borda
from metaal.policies.exp4p import Exp4p
from metaal.policies.growing import Growing
from metaal.policies.learned import untrained
from metaal.policies.select_al import SelectAl
from metaal.policies.stopping import Stopping
from metaal.policies.stopping_rules import RULES
from metaal.policies.tcm import Tcm
from metaal.policies.thompson import Thompson
from metaal.testing import check_policy, make_history

ROOT = Path(__file__).parents[2]

RIVALS: list[Any] = [
    Tcm(),
    Tcm("k_center(metric='cosine')", loops=0, then="entropy"),
    Borda(("margin", "typiclust")),
    Borda(("margin", "k_center(metric='cosine')", "random")),
    Exp4p(("margin", "typiclust", "random")),
    Exp4p(("margin",), rounds=1, delta=1),
    Exp4p(("margin", "power_margin(beta=4.0)"), rounds=7, delta=0.5, pmin=0.25),
    Thompson(("margin", "typiclust", "random")),
    Thompson(("margin",), discount=0),
    SelectAl(),
    SelectAl("k_center", "entropy", window=1, every=3),
    Growing("cluster_margin"),
    Growing("k_center(metric='cosine')", share=1),
    *(Stopping("margin", rule=rule, least=0) for rule in RULES),
    Stopping(Uniform(("margin", "random"), (0.5, 2.0)), rule="entropy", threshold=0.5, loops=2, least=9),
    Stopping(Stopping(Growing("margin"), rule="min_margin")),
]


@pytest.mark.parametrize("policy", RIVALS, ids=lambda policy: policy.spelling)
def test_the_contract_holds(policy: Any) -> None:
    check_policy(policy)


@pytest.mark.parametrize("policy", [p for p in RIVALS if hasattr(p, "offers")], ids=lambda policy: policy.spelling)
def test_what_a_policy_offers_by_itself_keeps_the_contract_too(policy: Any) -> None:
    for series, loops in product(("random", "nan", "zero", "constant"), (1, 2, 9)):
        history = make_history(loops, series=series)
        values = history.values.copy()
        offers = list(policy.offers(history))
        assert offers == list(policy.offers(history)), "the same history, the same offers"
        assert {action.strategy for action in offers if not action.stop} <= set(policy.arms)
        assert not all(action.stop for action in offers), "something can be asked"
        check_multipliers(dict.fromkeys(action.multiplier for action in offers))
        actions = ActionSet(offers, features=lambda strategy: np.zeros(len(PROPOSAL)), feature_names=PROPOSAL)
        chances = policy.decide(history, actions).checked(actions).probabilities
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(offers)).tolist()
            again = policy.decide(history, actions.permuted(order)).probabilities
            np.testing.assert_array_equal(again, chances[order])
        np.testing.assert_array_equal(history.values, values)


@pytest.mark.parametrize("policy", RIVALS, ids=lambda policy: policy.spelling)
def test_the_text_reads_back_as_an_equal_policy(policy: Any) -> None:
    again = read_policy(policy.spelling)
    assert type(again) is type(policy)
    assert again.spelling == policy.spelling
    assert again == policy


def test_a_policy_file_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "mine.metaal"
    untrained("margin", Prices(), {}).save(path)
    policy = read_policy(f"stopping({str(path)!r}, rule='min_margin')")
    assert isinstance(policy, Stopping)
    assert policy.checksum == load(path).checksum != ""
    assert policy.default == "margin"
    assert read_policy(policy.spelling).spelling == policy.spelling
    check_policy(policy)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("growing('cluster_margin', share=0.25)", "growing('cluster_margin')"),
        ("growing('margin', 2)", "growing('margin', share=2.0)"),
        ("select_al", "select_al('typiclust', 'margin')"),
        ("tcm(loops=5)", "tcm(coverage='typiclust', loops=5)"),
        ("tcm('prob_cover', 2)", "tcm(coverage='prob_cover', loops=2)"),
        ("stopping('margin')", "stopping('margin', rule='stabilising')"),
        ("stopping('margin', threshold=0.99, loops=3, least=3)", "stopping('margin', rule='stabilising')"),
        ("stopping('margin', loops=5)", "stopping('margin', rule='stabilising', loops=5)"),
        ("exp4p('margin', 'random', rounds=100)", "exp4p('margin', 'random')"),
        ("borda('margin', 'entropy')", "borda('margin', 'entropy')"),
    ],
)
def test_what_is_usual_is_left_out_of_the_text(text: str, spelling: str) -> None:
    assert read_policy(text).spelling == spelling


@pytest.mark.parametrize("text", ["tcm", "tcm(per_class=2.0)", "tcm(3.0)", "tcm(neighbours=5)"])
def test_tcm_without_a_parameter_of_the_policy_is_the_strategy_as_before(text: str) -> None:
    policy = read_policy(text)
    assert isinstance(policy, Fixed)
    assert policy.strategy.startswith("tcm")
    assert read_policy(policy.spelling) == policy


WRONG = {
    "borda": "at least one strategy",
    "borda('margin')": "expected two or more",
    "borda('margin', 'margin')": "none twice",
    "exp4p": "at least one strategy",
    "exp4p('margin', rounds=0)": "rounds is 0, expected a whole number from 1",
    "exp4p('margin', rounds=1.5)": "rounds is 1.5",
    "exp4p('margin', 'random', pmin=0.6)": "pmin is 0.6, expected a number from 0 to 0.5",
    "exp4p('margin', delta=0)": "delta is 0",
    "exp4p(('margin', 'random'))": "",
    "thompson('margin', discount=1.1)": "discount is 1.1, expected a number from 0 to 1",
    "thompson('margin', discount=True)": "discount is True",
    "thompson('margin', discount=1e999)": "discount is inf",
    f"thompson('margin', discount=1{'0' * 400})": "discount is 1000",
    "select_al('margin', 'margin')": "none twice",
    "select_al(every=1)": "every is 1, expected a whole number from 2",
    "select_al(window=0)": "window is 0",
    "growing": "strategy",
    "growing('margin', share=0)": "share is 0",
    "growing('margin', share='a lot')": "share is 'a lot'",
    "tcm(loops=-1)": "loops is -1",
    "tcm(coverage='margin')": "none twice",
    "tcm(coverage='typo')": "typo",
    "tcm(per_class=2.0, loops=3)": "per_class",
    "stopping": "inner",
    "stopping('typo')": "typo",
    "stopping(5)": "expected a text, a strategy",
    "stopping('margin', rule='stabilizing')": "stabilising",
    "stopping('margin', rule=['entropy'])": "no rule is called ['entropy']",
    "stopping('margin', loops=0)": "loops is 0",
    "stopping('margin', threshold='high')": "threshold is 'high'",
    "stopping('margin', least=-1)": "least is -1",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:60])
def test_what_cannot_be_is_refused_in_words(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert WRONG[text] in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_rival_is_not_imported_before_it_is_read() -> None:
    code = (
        "import sys, metaal; print('metaal.policies.thompson' in sys.modules, metaal.read_policy('select_al').arms[0])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["False", "typiclust"]


def test_numpy_numbers_are_numbers() -> None:
    assert Thompson(("margin",), discount=np.float64(0.5)).spelling == "thompson('margin', discount=0.5)"
    assert Exp4p(("margin",), rounds=np.int64(7)).spelling == "exp4p('margin', rounds=7)"
