"""Every policy keeps the contract, each check of it fires, and each policy does what its docstring says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metaal
from metaal import (
    ARMS,
    Action,
    ActionSet,
    Decision,
    Fixed,
    History,
    InputError,
    Learned,
    Policy,
    PolicyError,
    PolicyFileError,
    Prices,
    Run,
    Schedule,
    Task,
    UnavailableError,
    Uniform,
    play,
    read_policy,
)
from metaal.actions import STOP
from metaal.boosting import Params
from metaal.features import PROPOSAL, action_names, state_names
from metaal.policies import reading
from metaal.policies.learned import untrained
from metaal.testing import CHECKS, check_policy, make_actions, make_history
from metaal.trees import Trees, constant
from metadata_store import MemoryStore, open_store

WIDTH = len(action_names())
QUICK = Params(members=3, rounds=25, folds=3)


@pytest.fixture(scope="session")
def rehearsed() -> MemoryStore:
    """Short runs of two tasks, of the default and of two rivals, that saw the same outputs in their first loop."""
    store = open_store("memory:")
    for data, learner in (("iris", "logistic"), ("wine", "naive_bayes")):
        for seed in range(4):
            task = Task(data, learner, batch=4, budget=16, seeds=seed)
            for policy in ("cluster_margin", "fixed('k_center', multiplier=2.0)", "uniform('random', 'margin')"):
                play(policy, task, store=store)
    return store


@pytest.fixture(scope="session")
def fitted(rehearsed: MemoryStore) -> Learned:
    """A policy fitted on them, turned on its head and with gate and range opened, so that it does deviate."""
    policy = metaal.fit(rehearsed, score={"score.value": -1.0}, seed=0, params=QUICK)
    return replace(policy, gate=0.0, low=np.full(WIDTH, -1e6), high=np.full(WIDTH, 1e6))


PLAIN: list[Any] = [
    Fixed("margin"),
    Fixed("k_center(metric='cosine')", 0.5),
    Fixed("margin", 2.0, 0.25, "skip"),
    read_policy("default"),
    Uniform(),
    Uniform(("margin", "random"), (0.5, 1.0, 1 / 3)),
    Schedule(),
    Schedule((("random", 1), ("power_margin(beta=4.0)", 2, 2.0), ("margin", 0))),
    untrained("cluster_margin", Prices(), {}),
    untrained("margin", Prices(), {}),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("policy", PLAIN, ids=lambda policy: policy.spelling)
def test_policy_keeps_the_contract(policy: Any, check: str) -> None:
    CHECKS[check](policy)


@pytest.mark.parametrize("check", CHECKS)
def test_fitted_policy_keeps_the_contract(fitted: Learned, check: str) -> None:
    CHECKS[check](fitted)


def test_the_contract_sees_the_fitted_policy_deviate(fitted: Learned) -> None:
    """Else its checks would only ever have seen the default."""
    decisions = [fitted.decide(make_history(k), make_actions(fitted)) for k in (1, 4, 9)]
    assert all(decision.advantage is not None for decision in decisions)
    assert any("predicted" in decision.reason and "over" in decision.reason for decision in decisions)


# ------------------------------------------------------------- checks fire


class Good:
    """Keeps the contract, to be broken in one way at a time."""

    arms: Any = ("cluster_margin", "margin", "random")
    multipliers: Any = (1.0, 2.0)
    spelling: Any = "good"

    def decide(self, history: History, actions: ActionSet) -> Decision:
        weight = np.array([len(a.strategy) * a.multiplier for a in actions])
        return Decision(weight / weight.sum(), "by the length of the name")


class Memory(Good):
    """Remembers how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def decide(self, history: History, actions: ActionSet) -> Decision:
        self.calls += 1
        weight = np.array([len(a.strategy) + self.calls for a in actions])
        return Decision(weight / weight.sum(), "by the number of calls")


def deciding(function: Callable[[History, ActionSet], Any]) -> Good:
    policy = Good()
    policy.decide = function  # type: ignore[method-assign]
    return policy


def with_fields(**fields: Any) -> Good:
    policy = Good()
    for name, value in fields.items():
        setattr(policy, name, value)
    return policy


def even(actions: ActionSet) -> Decision:
    return Decision(np.full(len(actions), 1 / len(actions)), "even")


def first(history: History, actions: ActionSet) -> Decision:
    return Decision(np.eye(len(actions))[0], "the first one")


def unequal(history: History, actions: ActionSet) -> Decision:
    return Decision(np.full(len(actions), 0.5), "one half each")


def negative(history: History, actions: ActionSet) -> Decision:
    p = np.zeros(len(actions))
    p[:2] = 1.5, -0.5
    return Decision(p, "overdone")


def needs_two_loops(history: History, actions: ActionSet) -> Decision:
    assert np.isfinite(history.series("surprise.accuracy.batch")[-2])
    return even(actions)


def needs_rivals(history: History, actions: ActionSet) -> Decision:
    return Decision(np.append(np.zeros(len(actions) - 1), 1.0)[[-1, *range(len(actions) - 1)]], str(actions[1]))


def needs_numbers(history: History, actions: ActionSet) -> Decision:
    weight = np.array([history.last("pool.size") for _ in actions])
    return Decision(weight / weight.sum(), "proportional")


def sums_squares(history: History, actions: ActionSet) -> Decision:
    if len(history) > 100:
        raise RecursionError("too long")
    return even(actions)


def needs_space(history: History, actions: ActionSet) -> Decision:
    history.series("space.seen.mean")
    return even(actions)


def all_known(history: History, actions: ActionSet) -> Decision:
    return Decision(np.full(6, 1 / 6), "there are always six")


def changes_history(history: History, actions: ActionSet) -> Decision:
    history.values = history.values * 2
    return even(actions)


def changes_features(history: History, actions: ActionSet) -> Decision:
    actions.features("margin")[:] = 0
    return even(actions)


def changes_actions(history: History, actions: ActionSet) -> Decision:
    actions.unavailable["margin"] = "because"
    return even(actions)


def draws(history: History, actions: ActionSet) -> Decision:
    np.random.random()  # noqa: NPY002
    return even(actions)


def ties_by_place(history: History, actions: ActionSet) -> Decision:
    value = np.array([actions.features(a.strategy)[0] for a in actions])
    return Decision(np.eye(len(actions))[int(np.argmax(np.nan_to_num(value)))], "the highest margin")


def refuses(history: History, actions: ActionSet) -> Decision:
    raise UnavailableError("not today")


def speechless(history: History, actions: ActionSet) -> Decision:
    return Decision(even(actions).probabilities, "")


BROKEN: list[tuple[str, Any, str]] = [
    ("declares_itself", object(), "lacks"),
    ("declares_itself", with_fields(arms=()), "at least one"),
    ("declares_itself", with_fields(arms=["margin"]), "expected a tuple"),
    ("declares_itself", with_fields(arms=("margin", "margin")), "repeat"),
    ("declares_itself", with_fields(arms=("nothing",)), "not a strategy"),
    ("declares_itself", with_fields(arms=("margin( )",)), "canonically"),
    ("declares_itself", with_fields(multipliers=(0.0,)), "not a number > 0"),
    ("declares_itself", with_fields(multipliers=(True,)), "not a number > 0"),
    ("declares_itself", with_fields(spelling=" "), "needs a text"),
    ("declares_itself", with_fields(spelling="two\nlines"), "one line"),
    ("spelling_reads_back", with_fields(spelling="uniform"), "reads back with arms"),
    (
        "spelling_reads_back",
        with_fields(
            spelling="uniform('cluster_margin', 'margin', 'random', multipliers=(1.0, 2.0))",
        ),
        "decides otherwise in loop 0",
    ),
    ("gives_a_distribution", deciding(unequal), "sum to"),
    ("gives_a_distribution", deciding(negative), "negative"),
    ("gives_a_distribution", deciding(lambda h, a: even(a).probabilities), "expected a Decision"),
    ("gives_a_distribution", deciding(speechless), "no reason"),
    ("gives_a_distribution", deciding(refuses), "all its actions are possible"),
    ("decides_the_same_twice", Memory(), "the same question"),
    ("order_does_not_matter", deciding(first), "in the order"),
    ("order_does_not_matter", deciding(ties_by_place), "zero features"),
    ("first_loop", deciding(needs_two_loops), "in the first loop"),
    ("one_action", deciding(needs_rivals), "alone"),
    ("unknown_and_degenerate_series", deciding(needs_numbers), "with nan series"),
    ("many_loops", deciding(sums_squares), "in loop 399"),
    ("without_embedding", deciding(needs_space), "without an embedding"),
    ("without_embedding", deciding(all_known), "6,"),
    ("leaves_its_input_alone", deciding(changes_history), "values of the history"),
    ("leaves_its_input_alone", deciding(changes_features), "features of a proposal"),
    ("leaves_its_input_alone", deciding(changes_actions), "the actions"),
    ("leaves_its_input_alone", deciding(draws), "global generator"),
]


def test_the_policy_that_is_broken_below_is_good() -> None:
    check_policy(Good())  # type: ignore[arg-type]


@pytest.mark.parametrize(("check", "policy", "word"), BROKEN, ids=[f"{c}-{w}" for c, _, w in BROKEN])
def test_each_check_fires(check: str, policy: Any, word: str) -> None:
    with pytest.raises(AssertionError, match=word):
        CHECKS[check](policy)


def test_every_check_has_a_policy_that_breaks_it() -> None:
    assert {check for check, _, _ in BROKEN} == set(CHECKS)


def test_the_suite_names_check_and_policy() -> None:
    with pytest.raises(AssertionError, match="Good fails gives_a_distribution: in an ordinary loop the probabilities"):
        check_policy(deciding(unequal))  # type: ignore[arg-type]


# ------------------------------------------------------------ spell, read


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("margin", Fixed("margin")),
        (" margin ", Fixed("margin")),
        ("k_center( metric = 'euclidean' )", Fixed("k_center")),
        ("mix(margin=7, random=3)", Fixed("mix(margin=0.7, random=0.3)")),
        ("fixed('margin')", Fixed("margin")),
        ("fixed('margin', multiplier=0.1)", Fixed("margin", 0.1)),
        ("fixed('margin', 2)", Fixed("margin", 2.0)),
        ("fixed('margin', share=0.25, refit='warm')", Fixed("margin", 1.0, 0.25, "warm")),
        ("uniform", Uniform()),
        ("uniform()", Uniform()),
        ("uniform ('margin', 'random')", Uniform(("margin", "random"))),
        ("uniform(multipliers=(1, 2))", Uniform(ARMS, (1.0, 2.0))),
        ("schedule", Schedule()),
        ("schedule(('random', 2), ('margin', 0, 1.0))", Schedule((("random", 2), ("margin", 0)))),
        ("schedule(['random', 2, 0.5], ['margin', 0])", Schedule((("random", 2, 0.5), ("margin", 0)))),
    ],
)
def test_a_text_is_read_and_spelled(text: str, policy: Any) -> None:
    assert read_policy(text) == policy
    assert read_policy(policy.spelling) == policy
    assert read_policy(policy) is policy
    assert isinstance(policy, Policy)


@pytest.mark.parametrize("multiplier", [0.1, 1 / 3, 0.1 + 0.2, 1e-6, 1e6, 7, 1 + 2**-52])
def test_multipliers_survive_the_text_to_the_last_bit(multiplier: float) -> None:
    """A run is resumed from the text, and compares it with the policy's."""
    stages = (("random", 3, multiplier), ("margin", 0))
    for policy in (Fixed("margin", multiplier), Uniform(("margin",), (multiplier,)), Schedule(stages)):
        again = read_policy(policy.spelling)
        assert again == policy
        assert again.spelling == policy.spelling
        assert float(multiplier) in again.multipliers


def test_a_run_is_resumed_with_a_policy_of_odd_multipliers() -> None:
    store = open_store("memory:")
    run = Run("odd", policy=Uniform(("margin", "random"), (1 / 3, 0.1 + 0.2)), store=store)
    run.ask(6, ids=np.arange(9), proba=np.full((9, 2), 0.5))
    again = Run.resume("odd", store=store)
    assert again.policy == run.policy
    assert again.history.actions == run.history.actions


HOSTILE = [
    "",
    "()",
    "nothing",
    "margn",
    "fixed",
    "fixed()",
    "fixed('nothing')",
    "fixed(3)",
    "fixed(None)",
    "fixed('margin', multiplier=0)",
    "fixed('margin', multiplier=-1)",
    "fixed('margin', multiplier=True)",
    "fixed('margin', multiplier='2')",
    "fixed('margin', multiplier=1e999)",
    "fixed('margin', multiplier=1e308)",
    "fixed('margin', multiplier=1" + "0" * 400 + ")",
    "fixed('margin', multiplier=" + "9" * 6000 + ")",
    "fixed('margin', 'margin', 'margin')",
    "fixed(__import__('os').abort())",
    "fixed((lambda: 'margin')())",
    "fixed(f'{1}')",
    "fixed('margin' if 1 else 2)",
    "uniform('margin', 'margin')",
    "uniform('nothing')",
    "uniform(['margin'])",
    "uniform(*['margin'])",
    "uniform(**{'multipliers': (2,)})",
    "uniform(multipliers=(1,), multipliers=(2,))",
    "uniform(multipliers=())",
    "uniform(multipliers=2)",
    "uniform(other=1)",
    "uniform('margin')('random')",
    "uniform('margin').decide",
    "uniform('margin'",
    "uniform('margin') or 1",
    "uniform('margin'); 1",
    "uniform('\\d')",
    "uniform('mar\0gin')",
    "uniform(1if 1else 2)",
    "uniform(" + "-" * 9000 + "1)",
    "uniform(" + "(" * 3000 + ")" * 3000 + ")",
    "uniform(" + "[" * 90 + "]" * 90 + ")",
    "uniform(" + "'margin'," * 2000 + ")",
    "uniform({[]})",
    "uniform({1: {}})",
    "schedule(5)",
    "schedule(())",
    "schedule('margin')",
    "schedule(('margin',))",
    "schedule(('margin', 1))",
    "schedule(('margin', 0), ('random', 0))",
    "schedule(('margin', -1), ('random', 0))",
    "schedule(('margin', 1.0), ('random', 0))",
    "schedule(('margin', True), ('random', 0))",
    "schedule(('margin', 0, 0))",
    "schedule(('margin', 0, 'x'))",
    "schedule(('nothing', 0))",
    "schedule(b'm\\x00')",
    "default(3)",
    "default(x=3)",
    "narrow(" * 400 + "margin",
    "mix(" * 90 + "margin=1" + ")" * 90,
    "x" * 100_000,
    "none.metaal",
    "nul\0.metaal",
    "\ud800.metaal",
    "../../etc/passwd",
    "margin; import os",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_end_in_a_policy_error(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert str(caught.value)
    assert len(str(caught.value)) < 2000


def test_what_is_no_policy_is_refused() -> None:
    for thing in (None, 3, b"margin", ["margin"], object()):
        with pytest.raises(PolicyError, match="expected a text, a strategy, a function"):
            read_policy(thing)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match=r"margin.*or a policy: default, exploring, fixed, learned, uniform"):
        read_policy("margn")
    with pytest.raises(PolicyFileError, match="cannot be read"):
        read_policy("none.metaal")


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.metaal"
    untrained("margin", Prices(), {}).save(path)
    policy = read_policy(str(path))
    assert isinstance(policy, Learned)
    assert policy.spelling == str(path)
    CHECKS["spelling_reads_back"](policy)


def test_third_party_policies_are_found_with_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "mine"

        @staticmethod
        def load() -> Callable[..., Policy]:
            return lambda *arms: Uniform(arms or ("random",))

    looks = []

    def entry_points(group: str) -> list[type]:
        looks.append(group)
        return [Entry] if group == "metaal.policies" else []

    monkeypatch.setattr(reading.metadata, "entry_points", entry_points)
    monkeypatch.setattr(reading, "_third_parties", cache(reading._third_parties.__wrapped__))
    assert read_policy("mine") == Uniform(("random",))
    assert read_policy("mine('margin', 'entropy')") == Uniform(("margin", "entropy"))
    with pytest.raises(PolicyError, match="literal"):
        read_policy("mine(exit())")
    assert read_policy("margin") == Fixed("margin")
    assert looks == ["metaal.policies"], "every run would read the metadata of all installed packages again"


# --------------------------------------------------- fixed, uniform, schedule


def test_fixed_takes_its_action_or_says_why_not() -> None:
    policy = Fixed("badge", 2.0)
    actions = make_actions(Uniform(("margin", "badge"), (1.0, 2.0)))
    decision = policy.decide(make_history(), actions)
    assert actions[int(decision.probabilities.argmax())] == Action("badge", 2.0)
    alone = ActionSet([Action("margin")], features=lambda s: np.zeros(3), feature_names=(), unavailable={"badge": "hm"})
    with pytest.raises(UnavailableError, match=r"badge ×2 is not possible: badge: hm"):
        policy.decide(make_history(), alone)


def test_fixed_carries_out_the_whole_action_in_every_loop() -> None:
    task = metaal.Task("iris", "logistic", batch=4, budget=24, seeds=0)
    curve = metaal.play("fixed('margin', multiplier=2, share=0.5, refit='warm')", task, full=False).curve
    assert set(curve["action.name"].dropna()) == {"margin ×2, share 0.5, warm"}
    assert curve["query.count"].dropna().tolist() == [8, 8, 8]
    with pytest.raises(InputError, match="one of full, warm, skip"):
        read_policy("fixed('margin', refit='cold')")


def test_uniform_offers_every_pair_equally() -> None:
    policy = Uniform(("margin", "random"), (1.0, 2.0, 3.0))
    decision = policy.decide(make_history(), make_actions(policy))
    assert decision.probabilities.tolist() == [1 / 6] * 6


def taken(policy: Any, loops: int, arms: tuple[str, ...] | None = None) -> tuple[str, str]:
    actions = make_actions(policy, arms=arms)
    decision = policy.decide(make_history(loops), actions)
    assert decision.probabilities.max() == 1
    return str(actions[int(decision.probabilities.argmax())]), decision.reason


def test_the_schedule_follows_its_stages() -> None:
    names = [taken(Schedule(), loops)[0] for loops in (1, 2, 3, 10, 11, 500)]
    assert names == ["typiclust", "typiclust", "cluster_margin", "cluster_margin", "margin", "margin"]
    policy = Schedule((("random", 1, 0.5), ("margin", 2, 3.0), ("entropy", 0)))
    assert [taken(policy, loops)[0] for loops in (1, 2, 3, 4)] == ["random ×0.5", "margin ×3", "margin ×3", "entropy"]
    assert taken(policy, 2)[1] == "stage 2 of 3"


def test_the_schedule_falls_back_to_a_later_stage_and_says_so() -> None:
    name, reason = taken(Schedule(), 1, arms=("margin",))
    assert name == "margin"
    assert reason == "stage 1 of 3 (typiclust is not possible: left out by the test)"
    assert taken(Schedule(), 4, arms=("typiclust", "margin"))[0] == "margin"
    with pytest.raises(UnavailableError, match="no stage from margin on"):
        taken(Schedule(), 20, arms=("typiclust",))


@pytest.mark.parametrize("make", [lambda: Schedule(()), lambda: Schedule("margin"), lambda: Uniform(())])
def test_policies_without_actions_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(PolicyError, match="at least one"):
        make()


# ---------------------------------------------------------------- learned


def stump(feature: str, threshold: float, below: float, above: float, nan_left: bool = True) -> Trees:
    """One split: ``below`` where the feature is at most the threshold (or missing), else ``above``."""
    one = np.zeros(1, np.int32)
    return Trees(
        root=one,
        feature=one + action_names().index(feature),
        threshold=np.array([threshold]),
        left=one - 1,
        right=one - 2,
        nan_left=np.array([nan_left]),
        leaf=np.array([below, above]),
    )


def learned(*members: Trees, heads: dict[str, Trees] | None = None, **change: Any) -> Learned:
    """A policy over the default, random and margin that trusts its members; further heads have one member each."""
    fields: dict[str, Any] = {
        "heads": {"advantage": members, **{name: (trees,) for name, trees in (heads or {}).items()}},
        "low": np.full(WIDTH, -1e9),
        "high": np.full(WIDTH, 1e9),
        "scale": 0.01,
        "gate": 1.0,
        "actions": ("cluster_margin", "random", "random ×2"),
        "default": "cluster_margin",
        "prices": Prices(),
    }
    return Learned(**{**fields, **change})


def offered(policy: Learned, arms: tuple[str, ...] | None = None, **margin: float) -> ActionSet:
    """Its actions, where the feature "margin" of the proposals is as given (nought otherwise)."""
    place = PROPOSAL.index("margin")

    def features(strategy: str) -> np.ndarray:
        row = np.zeros(len(PROPOSAL))
        row[place] = margin.get(strategy, 0.0)
        return row

    possible = policy.arms if arms is None else arms
    known = [action for action in policy.offers(History([{}])) if action.stop or action.strategy in possible]
    return ActionSet(
        list(dict.fromkeys([*(Action(arm, m) for arm in possible for m in policy.multipliers), *known])),
        features=features,
        feature_names=PROPOSAL,
        unavailable={arm: "gone" for arm in policy.arms if arm not in possible},
    )


def costless(loops: int = 6) -> History:
    """A run that was told no seconds."""
    history = make_history(loops)
    rows = [dict(zip(history.names, row, strict=True)) for row in history.values.tolist()]
    rows = [{name: value for name, value in row.items() if not name.startswith("cost.")} for row in rows]
    return History(rows, actions=history.actions, propensities=history.propensities.tolist())


def choice(policy: Learned, actions: ActionSet, history: History | None = None) -> tuple[str, Decision]:
    decision = policy.decide(make_history() if history is None else history, actions).checked(actions)
    return str(actions[int(decision.probabilities.argmax())]), decision


UP = stump("diff.margin", 0.1, -1.0, 2.0)  # +2 units where the margin is above the default's by over 0.1


def test_learned_takes_the_best_action_and_explains_it() -> None:
    name, decision = choice(learned(UP, UP), offered(learned(UP, UP), random=0.5))
    assert name == "random"
    # 10 a point, held over three batches.
    assert decision.reason.startswith("predicted +2.00 pp over cluster_margin (cautious +2.00 pp), worth +60.00")
    assert decision.advantage is not None
    assert np.nanmax(decision.advantage) == pytest.approx(0.02)
    name, decision = choice(learned(UP, UP), offered(learned(UP, UP)))
    assert name == "cluster_margin"
    assert "nothing else is predicted to be better with confidence (at most +0.00 pp)" in decision.reason


def test_the_advantage_of_the_default_over_itself_is_nought() -> None:
    policy = learned(constant(5.0), actions=("cluster_margin",))
    name, decision = choice(policy, offered(policy))
    assert name == "cluster_margin"
    assert decision.advantage is not None
    assert np.nanmax(np.abs(decision.advantage)) == 0


def test_disagreement_of_the_members_keeps_the_default() -> None:
    one, two = constant(3.0), constant(-1.0)  # mean 1, standard deviation 2
    for gate, expected in ((0.0, "random"), (0.4, "random"), (0.6, "cluster_margin")):
        policy = learned(one, two, gate=gate, actions=("cluster_margin", "random"))
        assert choice(policy, offered(policy))[0] == expected


def test_an_infinite_gate_means_the_default_and_looks_at_nothing() -> None:
    for policy in (learned(UP, gate=float("inf")), learned()):
        actions = offered(policy, random=0.5)
        name, decision = choice(policy, actions)
        assert name == "cluster_margin"
        assert "no certain gain" in decision.reason
        assert actions.previewed == {}


def test_learned_falls_back_when_the_default_is_not_possible() -> None:
    policy = learned(UP)
    name, decision = choice(policy, offered(policy, ("random", "margin"), random=0.5))
    assert name == "margin"
    assert decision.reason == "cluster_margin is not possible, so the safe choice is taken"
    names = ("cluster_margin", "random ×2", "badge ×2", "random")
    last = learned(UP, actions=names)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        actions = offered(last, ("badge", "random")).permuted(order)
        assert choice(last, actions)[0] == "random", "the only pair with the caller's batch that the logs held"
    assert choice(policy, ActionSet([STOP, Action("random", 2.0)], features=np.zeros, feature_names=()))[0] != "stop"


def test_learned_takes_the_default_in_a_foreign_state() -> None:
    names, history = state_names(), make_history(8)
    low, high = np.full(WIDTH, -1e9), np.full(WIDTH, 1e9)
    for share, expected in ((0.1, "random"), (0.5, "cluster_margin")):
        high[: int(share * len(names))] = -1e8
        policy = learned(UP, low=low, high=high)
        name, decision = choice(policy, offered(policy, random=0.5), history)
        assert name == expected
    assert "of the state lies outside of the training range" in decision.reason
    never_seen = learned(UP, low=np.full(WIDTH, np.nan), high=np.full(WIDTH, np.nan))
    assert choice(never_seen, offered(never_seen, random=0.5), history)[0] == "cluster_margin"


def test_a_state_of_which_nothing_is_known_is_foreign() -> None:
    policy = learned(UP)
    for history in (History([{}]), make_history(series="nan")):
        name, decision = choice(policy, offered(policy, random=0.5), history)
        assert name == "cluster_margin"
        assert "100%" in decision.reason


def test_learned_never_takes_a_pair_that_the_logs_never_held() -> None:
    """Margin is offered as a way back only, and badge at the batch that was tried."""
    policy = learned(constant(2.0), actions=("cluster_margin", "badge ×2"), prices=Prices(round=1))
    assert policy.arms == ("cluster_margin", "margin", "badge")
    assert policy.multipliers == (1.0, 2.0)
    actions = offered(policy)
    name, decision = choice(policy, actions)
    assert name == "badge ×2"
    held = {("cluster_margin", 1.0), ("badge", 2.0)}
    assert decision.advantage is not None
    for action, advantage in zip(actions, decision.advantage, strict=True):
        assert np.isfinite(advantage) == ((action.strategy, action.multiplier) in held)
    assert set(actions.previewed) == {"cluster_margin", "badge"}, "previews that cannot matter are not paid for"
    default_only = learned(constant(2.0), actions=("cluster_margin",))
    assert choice(default_only, offered(default_only, margin=0.9))[0] == "cluster_margin"


def test_equal_predictions_do_not_depend_on_the_order() -> None:
    names = ("cluster_margin", "random", "badge", "entropy")
    policy = learned(constant(1.0), actions=names)
    for seed in range(5):
        actions = offered(policy)
        order = np.random.default_rng(seed).permutation(len(actions)).tolist()
        assert choice(policy, actions.permuted(order))[0] == "random"
    nought = learned(constant(0.0), actions=names)
    assert choice(nought, offered(nought).permuted([3, 2, 1, 0, 4]))[0] == "cluster_margin"


def test_prices_choose_the_batch_when_quality_is_equal() -> None:
    """An expensive round makes larger batches win, a worthless one leaves the default."""
    names = ("cluster_margin", "cluster_margin ×0.5", "cluster_margin ×2", "cluster_margin ×4")
    for prices, expected in (
        (Prices(round=5), "cluster_margin ×4"),
        (Prices(round=0), "cluster_margin"),
        (Prices(second=1), "cluster_margin ×4"),
    ):
        policy = learned(constant(0.0), actions=names, prices=prices, heads={"fit": constant(np.log(8.0))})
        name, decision = choice(policy, offered(policy), costless())
        assert name == expected
        assert decision.utility is not None
        saved = prices.round + 8 * prices.second
        by_name = dict(zip(map(str, offered(policy)), decision.utility, strict=True))
        assert by_name["cluster_margin ×4"] == pytest.approx(0.75 * saved)
        assert by_name["cluster_margin ×0.5"] == pytest.approx(-saved)


def test_a_loss_of_quality_is_weighed_against_the_rounds_saved() -> None:
    policy = learned(stump("multiplier", 0.5, 0.0, -1.0), actions=("cluster_margin", "cluster_margin ×2"))
    # 1 pp is worth 10 a batch, the mean is over four of them, two of which the action answers for: 20 for half a round.
    for price, expected in ((39.0, "cluster_margin"), (41.0, "cluster_margin ×2")):
        dear = replace(policy, prices=Prices(round=price, point=10))
        assert choice(dear, offered(dear))[0] == expected


def test_seconds_of_a_training_do_not_depend_on_whose_batch_it_is() -> None:
    slow = stump("state.labels.count", np.log(50.0), np.log(2.0), np.log(300.0))
    by_batch = stump("diff.margin", 0.1, np.log(7.0), np.log(70.0))
    for head, count, seconds in ((slow, 10.0, 2.0), (slow, 100.0, 300.0), (by_batch, 10.0, 7.0)):
        policy = learned(constant(0.0), heads={"fit": head})
        history, actions = History([{"labels.count": count, "pool.size": 9.0}]), offered(policy, random=0.7)
        decision = policy.decide(history, actions)
        assert decision.seconds is not None
        found = dict(zip(map(str, actions), decision.seconds, strict=True))
        assert found["cluster_margin"] == found["random"] == pytest.approx(seconds)
        assert found["random ×2"] == pytest.approx(seconds / 2), "for one batch of labels"
        assert np.isnan(found["margin"]), "it was not learnt"


def test_numbers_that_overflow_never_deviate() -> None:
    huge = learned(constant(1e308), constant(-1e308), scale=1e10, gate=0.0, heads={"fit": constant(1e308)})
    for prices in (Prices(), Prices(point=1e308), Prices(round=1e308), Prices(second=1e308)):
        policy = replace(huge, prices=prices)
        assert choice(policy, offered(policy))[0] == "cluster_margin"


def test_the_card_names_actions_gate_and_facts(fitted: Learned) -> None:
    card = fitted.card()
    for word in ("trained on: ", "decisions of 24 runs in 2 groups", "default action: cluster_margin", "k_center ×2"):
        assert word in card
    assert "never deviates" in untrained("margin", Prices(), {}).card()


def test_a_fitted_policy_drives_a_run_and_repeats(fitted: Learned) -> None:
    task = Task("iris", "logistic", batch=5, budget=20, seeds=7)
    one, two = (play(fitted, task, store=open_store("memory:"), name="fitted") for _ in range(2))
    assert one.curve["action.name"].tolist() == two.curve["action.name"].tolist()
    assert one.curve["decision.reason"].tolist() == two.curve["decision.reason"].tolist()


def test_decisions_that_are_no_distribution_are_refused_by_the_run() -> None:
    run = Run("bad", policy=deciding(unequal), store=open_store("memory:"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected 6 numbers ≥ 0 that sum to 1"), warnings.catch_warnings():
        run.ask(2, ids=np.arange(9), proba=np.full((9, 2), 0.5), embedding=np.eye(9))
