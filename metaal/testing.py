"""The contract of a policy as checks that anyone can run on their own.

    from metaal.testing import check_policy
    check_policy(MyPolicy())

Each check raises AssertionError with words. `CHECKS` maps names to checks, so that a test suite can show one line for
each: ``@pytest.mark.parametrize("check", CHECKS)``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import product

import numpy as np

from metaal.actions import Action, ActionSet, Decision, Policy
from metaal.errors import PolicyError, UnavailableError
from metaal.features import PROPOSAL
from metaal.history import History
from metaal.policies import read_policy
from metaal.statistics import STATISTICS
from strategy_zoo import ZooError, get

Check = Callable[[Policy], None]
CHECKS: dict[str, Check] = {}

LATER = ("query.", "surprise.", "oracle.", "action.", "decision.", "cost.decide.", "cost.select.", "cost.fit.")
"""Series that a loop has only after its decision; ``score.*`` is never shown to a policy."""
SPACE = ("space.", "task.dimension", "query.diversity", "query.coverage", "query.seen.")
"""Series that only an embedding gives."""


def check_policy(policy: Policy) -> None:
    """Run every check; the first failure raises AssertionError that names the check, the policy and the reason.

    >>> from metaal import Fixed
    >>> check_policy(Fixed("margin"))
    """
    for name, check in CHECKS.items():
        try:
            check(policy)
        except AssertionError as error:
            raise AssertionError(f"{type(policy).__name__} fails {name}: {error}") from error


def make_history(loops: int = 6, *, series: str = "random", embedding: bool = True, seed: int = 0) -> History:
    """A run of ``loops`` loops, the last of which is being decided.

    ``series`` says what every statistic of metaal's table looks like: "random" (in its range), "nan", "zero" or
    "constant". Without ``embedding`` the series that need one are missing.
    """
    rng = np.random.default_rng(seed)

    def value(name: str) -> float:
        low, high = STATISTICS[name].low, STATISTICS[name].high
        if series != "random":
            return {"nan": math.nan, "zero": 0.0, "constant": 1.0}[series]
        if low is not None and high is not None:
            return float(rng.uniform(low, high))
        return float(rng.normal() if low is None else low + rng.lognormal(2.0))

    names = [n for n in STATISTICS if not n.startswith("score.") and (embedding or not n.startswith(SPACE))]
    rows = [{name: value(name) for name in names} for _ in range(loops)]
    rows[-1] = {name: number for name, number in rows[-1].items() if not name.startswith(LATER)}
    return History(rows, actions=["margin"] * (loops - 1), propensities=[1.0] * (loops - 1))


def make_actions(
    policy: Policy,
    *,
    arms: tuple[str, ...] | None = None,
    features: str = "random",
    history: History | None = None,
) -> ActionSet:
    """The actions that a run offers the policy: what it offers itself, or its possible arms times its multipliers.

    ``features`` says what the proposals look like: "random", "nan" or "zero" (all alike).
    """

    def describe(strategy: str) -> np.ndarray:
        if features != "random":
            return np.full(len(PROPOSAL), np.nan if features == "nan" else 0.0)
        return np.random.default_rng(zlib.crc32(strategy.encode())).random(len(PROPOSAL))

    possible = policy.arms if arms is None else arms
    offers = getattr(policy, "offers", None)
    if offers is None:
        wanted = [Action(arm, float(multiplier)) for arm, multiplier in product(policy.arms, policy.multipliers)]
    else:
        wanted = list(offers(make_history() if history is None else history))
    return ActionSet(
        [action for action in wanted if action.stop or action.strategy in possible],
        features=describe,
        feature_names=PROPOSAL,
        unavailable={arm: "left out by the test" for arm in policy.arms if arm not in possible},
    )


def _check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def _say(condition: bool, reason: str) -> None:
    # Not an assert statement: the checks must also work under python -O.
    if not condition:
        raise AssertionError(reason)


def _decide(policy: Policy, history: History, actions: ActionSet, when: str = "in an ordinary loop") -> np.ndarray:
    """Probabilities f8[A] of a decision; whatever is wrong with it is said."""
    try:
        decision = policy.decide(history, actions)
    except UnavailableError as error:
        # A policy may refuse when something of what it wanted is missing, and only then.
        _say(
            bool(actions.unavailable) and bool(str(error)), f"{when} all its actions are possible, and it says: {error}"
        )
        raise
    except Exception as error:
        raise AssertionError(f"{when} decide() raised {type(error).__name__}: {error}") from error
    _say(isinstance(decision, Decision), f"{when} decide() returned a {type(decision).__name__}, expected a Decision")
    _say(isinstance(decision.reason, str) and bool(decision.reason), f"{when} the decision has no reason in words")
    p = np.asarray(decision.probabilities, dtype=np.float64)
    _say(p.shape == (len(actions),), f"{when} it gave {p.shape} probabilities for {len(actions)} actions")
    _say(bool(np.isfinite(p).all() and (p >= 0).all()), f"{when} a probability is negative or not finite: {p}")
    _say(abs(float(p.sum()) - 1) <= 1e-9, f"{when} the probabilities sum to {p.sum()!r}, expected 1")
    return p.copy()


@_check
def declares_itself(policy: Policy) -> None:
    """Arms are canonical spellings, multipliers numbers above 0, none twice; the spelling is one line of text."""
    _say(isinstance(policy, Policy), "it lacks one of arms, multipliers, spelling, decide")
    for field in ("arms", "multipliers"):
        values = getattr(policy, field)
        _say(isinstance(values, tuple) and bool(values), f"{field} is {values!r}, expected a tuple with at least one")
        _say(len(set(values)) == len(values), f"{field} repeat: {values}")
    for arm in policy.arms:
        try:
            canonical = get(arm).spelling
        except ZooError as error:
            raise AssertionError(f"arm {arm!r} is not a strategy: {error}") from error
        _say(arm == canonical, f"arm {arm!r} is not spelled canonically; write {canonical!r}")
    for multiplier in policy.multipliers:
        number = isinstance(multiplier, int | float) and not isinstance(multiplier, bool)
        _say(number and math.isfinite(multiplier) and multiplier > 0, f"multiplier {multiplier!r} is not a number > 0")
    text = policy.spelling
    _say(isinstance(text, str) and bool(text.strip()), f"the spelling is {text!r}; the log needs a text")
    _say(text.isprintable(), f"the spelling {text!r} is not one line of printable text")
    _say(text == policy.spelling, "the spelling changes from one look to the next")


@_check
def spelling_reads_back(policy: Policy) -> None:
    """If the spelling can be read, it gives the same policy."""
    try:
        again = read_policy(policy.spelling)
    except PolicyError:
        return  # an object without a text form must be passed again to resume
    for field in ("spelling", "arms", "multipliers"):
        one, two = getattr(policy, field), getattr(again, field)
        _say(one == two, f"{policy.spelling!r} reads back with {field} {two!r} instead of {one!r}")
    for loops in (1, 4, 20):
        history, actions = make_history(loops), make_actions(policy)
        same = np.array_equal(_decide(policy, history, actions), _decide(again, history, actions))
        _say(same, f"{policy.spelling!r} reads back as a policy that decides otherwise in loop {loops - 1}")


@_check
def gives_a_distribution(policy: Policy) -> None:
    """Probabilities, one for each action, ≥ 0, with sum 1; a reason in words."""
    for seed in range(5):
        _decide(policy, make_history(3 + seed, seed=seed), make_actions(policy))


@_check
def decides_the_same_twice(policy: Policy) -> None:
    """No chance and no hidden state: what came between does not matter."""
    for loops in (1, 5):
        first = _decide(policy, make_history(loops), make_actions(policy))
        again = _decide(policy, make_history(loops), make_actions(policy))
        _say(np.array_equal(first, again), f"the same question was answered with {first}, then with {again}")
        _decide(policy, make_history(12, seed=1), make_actions(policy, features="zero"))
        again = _decide(policy, make_history(loops), make_actions(policy))
        _say(np.array_equal(first, again), f"after another question {first} became {again}; keep no state")


@_check
def order_does_not_matter(policy: Policy) -> None:
    """Permuted actions get the permuted probabilities, also where all proposals are alike."""
    for features, loops in product(("random", "zero", "nan"), (1, 4, 12)):
        actions, history = make_actions(policy, features=features), make_history(loops)
        before = _decide(policy, history, actions)
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(actions)).tolist()
            after = _decide(policy, history, actions.permuted(order))
            same = np.allclose(after, before[order], rtol=0, atol=1e-12)
            _say(same, f"in the order {order} it gives {after}, expected {before[order]} ({features} features)")


@_check
def first_loop(policy: Policy) -> None:
    """A history of one row, with none of what is known only after a loop."""
    _decide(policy, make_history(1), make_actions(policy), "in the first loop")


@_check
def one_action(policy: Policy) -> None:
    """A single possible action is taken, or refused as unavailable."""
    for action in make_actions(policy):
        arms = policy.arms[:1] if action.stop else (action.strategy,)
        actions = make_actions(policy, arms=arms)
        place = actions.index(action)
        others = {str(action): "left out by the test" for action in actions} | actions.unavailable
        alone = ActionSet([actions[place]], features=actions.features, feature_names=PROPOSAL, unavailable=others)
        with suppress(UnavailableError):
            _decide(policy, make_history(), alone, f"with {actions[place]} alone")


@_check
def unknown_and_degenerate_series(policy: Policy) -> None:
    """Series that are all NaN, all zero or constant, and proposals of which nothing is known or all are alike."""
    for series, features, loops in product(("nan", "zero", "constant"), ("random", "nan", "zero"), (1, 2, 8)):
        when = f"with {series} series, {features} features, in loop {loops - 1}"
        _decide(policy, make_history(loops, series=series), make_actions(policy, features=features), when)


@_check
def many_loops(policy: Policy) -> None:
    """A long run."""
    _decide(policy, make_history(400), make_actions(policy), "in loop 399")


@_check
def without_embedding(policy: Policy) -> None:
    """Outputs without an embedding: its series are missing, and so are the arms that need it."""
    arms = tuple(arm for arm in policy.arms if not {"embedding", "seen_embedding"} & set(get(arm).needs))
    with suppress(UnavailableError):
        if arms:
            _decide(policy, make_history(embedding=False), make_actions(policy, arms=arms), "without an embedding")


@_check
def leaves_its_input_alone(policy: Policy) -> None:
    """History, actions and features are as before, and so is numpy's global generator."""
    history, actions = make_history(), make_actions(policy)
    features = {arm: actions.features(arm).copy() for arm in policy.arms}
    before = (history.names, history.values.copy(), history.actions, list(actions), dict(actions.unavailable))
    state = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    _decide(policy, history, actions)
    _say(np.array_equal(history.values, before[1], equal_nan=True), "it changed the values of the history")
    _say((history.names, history.actions) == (before[0], before[2]), "it changed the history")
    _say((list(actions), actions.unavailable) == before[3:], "it changed the actions")
    same = all(np.array_equal(actions.features(arm), value) for arm, value in features.items())
    _say(same, "it changed the features of a proposal")
    after = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    _say(state == after, "it drew from numpy's global generator; return probabilities, the run draws")
