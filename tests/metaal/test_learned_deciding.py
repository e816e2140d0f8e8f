"""What the learned policy does with its heads: previews, costs, stopping, exploring, and what it says of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal import Action, ActionSet, History, Learned, PolicyError, PolicyFileError, Prices, Run, load
from metaal.actions import STOP, Decision, read_action
from metaal.features import PROPOSAL, action_names, state_features, state_names
from metaal.policies.costs import Costs, measured
from metaal.policies.learned import AHEAD, expected_gain, first_features
from metaal.policies.weighing import Horizon, worth_of
from metaal.trees import Trees, constant
from metadata_store import open_store

WIDTH, PLACE = len(action_names()), len(state_names())
HOW = ("cluster_margin, share 0.25", "cluster_margin, skip", "cluster_margin, warm", "cluster_margin ×4")
ACTIONS = ("cluster_margin", "random", "badge", "entropy", "typiclust", *HOW)


def split(feature: int, threshold: float, below: float, above: float) -> Trees:
    """One split: ``below`` where the feature is at most the threshold or missing, else ``above``."""
    one = np.zeros(1, np.int32)
    leaf, left = np.array([below, above]), np.array([True])
    return Trees(one, one + feature, np.array([threshold]), one - 1, one - 2, left, leaf)


def by(name: str, threshold: float, below: float, above: float) -> Trees:
    return split(action_names().index(name), threshold, below, above)


def made(heads: dict[str, Any], **change: Any) -> Learned:
    """A policy with these heads, one member each unless there are more."""
    given: dict[str, Any] = {
        "heads": {name: trees if isinstance(trees, tuple) else (trees,) for name, trees in heads.items()},
        "low": np.full(WIDTH, -1e9),
        "high": np.full(WIDTH, 1e9),
        "scale": 0.01,
        "gate": 1.0,
        "actions": ACTIONS,
        "default": "cluster_margin",
        "prices": Prices(),
    }
    return Learned(**{**given, **change})


def shown(policy: Learned, **margin: float) -> ActionSet:
    """What a run would offer it; the feature "margin" of the proposals is as given, nought otherwise."""

    def features(strategy: str) -> np.ndarray:
        return np.array([margin.get(strategy, 0.0) if name == "margin" else 0.0 for name in PROPOSAL])

    return ActionSet(policy.offers(past()), features=features, feature_names=PROPOSAL)


def past(*seconds: tuple[float, float], actions: tuple[str, ...] = (), scored: float = 1000.0) -> History:
    """Loops with seconds of fit and score, and the one that is decided; a pool of 1000 rows and batches of 10."""
    now = {"pool.size": 1000.0, "loop.batch": 10.0, "labels.count": 50.0, "cost.rows.scored": scored}
    rows = [{**now, "cost.fit.seconds": fit, "cost.score.seconds": score} for fit, score in seconds]
    names = actions or ("cluster_margin",) * len(seconds)
    return History([*rows, now], actions=names, propensities=[1.0] * len(names))


def taken(policy: Learned, actions: ActionSet, history: History | None = None) -> tuple[str, Decision]:
    decision = policy.decide(past() if history is None else history, actions).checked(actions)
    return str(actions[int(decision.probabilities.argmax())]), decision


# --------------------------------------------------------------- first stage

PROMISING = split(PLACE, 2.5, 1.0, -1.0)  # the actions numbered 0 to 2: the default, random and badge


def test_only_the_promising_arms_are_previewed_and_the_default_always() -> None:
    for head, expected in ((PROMISING, {"random", "badge"}), (split(PLACE, 2.5, -1.0, 1.0), {"entropy", "typiclust"})):
        policy = made({"advantage": constant(1.0), "first": head}, previews=2)
        actions = shown(policy)
        name, decision = taken(policy, actions)
        assert set(actions.previewed) == {"cluster_margin", *expected}
        assert name.split(" ")[0] in expected | {"cluster_margin"}
        assert decision.advantage is not None
        finite = [a for a, value in zip(actions, decision.advantage, strict=True) if np.isfinite(value)]
        assert {a.strategy for a in finite} == {"cluster_margin", *expected}
        assert len(finite) == 3 + len(HOW), "what is done with the default's batch needs no further preview"


def test_an_arm_whose_first_guess_is_best_but_not_previewed_is_never_taken() -> None:
    policy = made({"advantage": by("diff.margin", 0.1, -1.0, 2.0), "first": PROMISING}, previews=1)
    actions = shown(policy, badge=0.9, typiclust=0.9)
    assert taken(policy, actions)[0] == "cluster_margin", "random is the first of two that look alike, and is no better"
    assert set(actions.previewed) == {"cluster_margin", "random"}
    assert taken(replace(policy, previews=2), shown(policy, badge=0.9))[0] == "badge"


@pytest.mark.parametrize("previews", [0, 4, 99])
def test_all_arms_are_previewed_where_the_limit_does_not_bind(previews: int) -> None:
    policy = made({"advantage": constant(1.0), "first": PROMISING}, previews=previews)
    actions = shown(policy)
    taken(policy, actions)
    assert set(actions.previewed) == {"cluster_margin", "random", "badge", "entropy", "typiclust"}


def test_the_first_stage_repeats_in_any_order_of_the_actions_and_for_numbers_that_overflow() -> None:
    huge = Trees(**{**constant(0.0).arrays(), "root": np.array([~0, ~0], np.int32), "leaf": np.array([1e308])})
    for head in (constant(0.0), huge, PROMISING):
        policy, seen = made({"advantage": constant(1.0), "first": head}, previews=2), set()
        for seed in range(6):
            actions = shown(policy)
            actions = actions.permuted(np.random.default_rng(seed).permutation(len(actions)).tolist())
            seen.add((taken(policy, actions)[0], *sorted(actions.previewed)))
        assert len(seen) == 1


def test_the_first_stage_reads_the_state_the_number_and_how() -> None:
    state = state_features(past())
    x = first_features(state, 3, Action("margin", 4.0, 0.25, "skip"))
    np.testing.assert_array_equal(x, [*state, 3, 2, -2, False, True])


def test_an_overlap_with_another_default_is_not_read_as_one_with_ones_own() -> None:
    policy = made({"advantage": constant(2.0)}, actions=("cluster_margin", "random"))

    def features(strategy: str) -> np.ndarray:
        return np.ones(len(PROPOSAL))  # overlap of 1: the same rows

    for default, expected in (("cluster_margin", "cluster_margin"), ("random", "random")):
        actions = ActionSet(policy.offers(past()), features=features, feature_names=PROPOSAL, default=default)
        assert taken(policy, actions)[0] == expected
        assert actions.features("random")[-1] == 1.0, "nothing of what was passed is changed"


# --------------------------------------------------------------------- costs

SECONDS = {"fit": constant(np.log(8.0)), "score": constant(np.log(4.0)), "select": constant(np.log(2.0))}


def test_above_its_largest_batch_only_how_the_default_is_carried_out_is_chosen() -> None:
    heads = {"advantage": by("diff.margin", 0.1, 0.0, 2.0), **SECONDS}
    policy = made(heads, actions=("cluster_margin", "badge", HOW[1]))
    for largest, expected in ((10.0, "badge"), (9.9, "cluster_margin")):
        actions = shown(policy, badge=0.9)
        name, decision = taken(replace(policy, largest=largest), actions)
        assert name == expected
        assert ("badge" in actions.previewed) == (expected == "badge"), "what is not taken is not looked at"
        assert ("batches above 9.9 rows gained nothing" in decision.reason) == (expected != "badge")
    frugal = replace(policy, largest=9.9, prices=Prices(second=10))
    assert taken(frugal, shown(frugal, badge=0.9))[0] == HOW[1]


@pytest.mark.parametrize("largest", [0, -1.0, float("nan"), "many", [3]])
def test_a_file_whose_largest_batch_makes_no_sense_is_refused(largest: Any, tmp_path: Path) -> None:
    from metaal.policies.policyfile import read_policy_file, write_policy_file

    made({"advantage": constant(0.0)}, largest=12.0).save(tmp_path / "p.metaal")
    assert load(tmp_path / "p.metaal").largest == 12.0
    head, arrays, _ = read_policy_file(tmp_path / "p.metaal")
    write_policy_file(tmp_path / "q.metaal", {**head, "largest": largest}, arrays)
    with pytest.raises(PolicyFileError):
        load(tmp_path / "q.metaal")


def seconds(policy: Learned, history: History) -> dict[str, float]:
    actions = shown(policy)
    decision = taken(policy, actions, history)[1]
    assert decision.seconds is not None
    return dict(zip(map(str, actions), decision.seconds.tolist(), strict=True))


def test_every_way_to_carry_out_the_default_is_offered_and_costed() -> None:
    found = seconds(made({"advantage": constant(0.0), **SECONDS}), past())
    expected = dict(zip(HOW, (8 + 1 + 2, 4 + 2, 8 + 4 + 2, (8 + 4 + 2) / 4), strict=True))
    assert found["cluster_margin"] == pytest.approx(14)
    assert {name: found[name] for name in HOW} == pytest.approx(expected)


def test_the_runs_own_seconds_calibrate_each_phase() -> None:
    policy = made({"advantage": constant(0.0), **SECONDS})
    found = seconds(policy, past((99.0, 99.0), (0.8, 40.0)))
    assert found["cluster_margin"] == pytest.approx(0.8 + 40 + 2)
    assert found["cluster_margin, skip"] == pytest.approx(40 + 2)
    assert found["cluster_margin, share 0.25"] == pytest.approx(0.8 + 10 + 2)
    warm = made({"advantage": constant(0.0), "fit": by("warm", 0.5, np.log(8.0), np.log(2.0))})
    assert seconds(warm, past((1.6, 0.0)))["cluster_margin, warm"] == pytest.approx(0.4), "a quarter, as was learnt"


def test_a_run_that_was_told_seconds_needs_no_heads_for_them() -> None:
    found = seconds(made({"advantage": constant(0.0)}), past((3.0, 1.0)))
    assert found["cluster_margin"] == found["cluster_margin, warm"] == pytest.approx(4)
    assert found["cluster_margin, skip"] == pytest.approx(1)
    assert found["cluster_margin ×4"] == pytest.approx(1)
    assert all(np.isnan(value) for value in seconds(made({"advantage": constant(0.0)}), past()).values())


def test_trainings_that_were_skipped_and_pools_scored_in_part_are_no_measure() -> None:
    history = past((5.0, 2.0), (1.0, 2.0), (0.01, 2.0), actions=("margin, warm", "margin ×2, skip", "margin"))
    assert measured(history)["fit"] == 5.0, "of the loop before anything was warm or skipped"
    quarter = past((5.0, 2.0), scored=250.0)
    assert measured(quarter)["score"] == 8.0, "what the whole pool would have taken"
    assert seconds(made({"advantage": constant(0.0)}), quarter)["cluster_margin, share 0.25"] == pytest.approx(7)
    assert np.isnan(measured(past())["fit"])


def test_a_small_pool_is_scored_whole_whatever_the_share() -> None:
    actions = ActionSet([Action("margin"), Action("margin", share=0.01)], features=np.zeros, feature_names=())
    for pool, expected in ((100.0, 4.0), (256.0, 2.0), (12_800.0, 0.04), (1e9, 0.04)):
        history = History([{"pool.size": pool}])
        costs = Costs.of(actions, {"score": np.full(2, 4.0)}, history, 0)
        assert costs.loop[1] == pytest.approx(expected)


def test_prices_choose_how_the_default_is_carried_out() -> None:
    heads = {"advantage": constant(0.0), **SECONDS}
    for action in (HOW[1], HOW[0]):
        policy = made(heads, actions=("cluster_margin", action), prices=Prices(second=1))
        assert taken(policy, shown(policy))[0] == action
        assert taken(policy.at(Prices()), shown(policy))[0] == "cluster_margin", "what costs nothing saves nothing"
    # Skipping saves 8 seconds; a loss of 1 pp over three batches is worth 30.
    worse = made({**heads, "advantage": by("skip", 0.5, 0.0, -1.0)}, actions=("cluster_margin", HOW[1]))
    for price, expected in ((3.7, "cluster_margin"), (3.8, HOW[1])):
        assert taken(worse.at(Prices(second=price)), shown(worse))[0] == expected


def test_an_arm_that_selects_cheaply_wins_only_if_seconds_are_priced() -> None:
    select = split(PLACE, 0.5, np.log(9.0), np.log(1.0))  # by the action's number: the default is dear
    policy = made({"advantage": constant(0.0), "select": select}, actions=("cluster_margin", "random"))
    assert taken(policy.at(Prices(second=1)), shown(policy))[0] == "random"
    assert taken(policy, shown(policy))[0] == "cluster_margin"


def test_what_was_selected_last_is_no_measure_since_a_preview_may_have_paid_for_it() -> None:
    policy = made({"advantage": constant(0.0), **SECONDS})
    history = past((0.8, 40.0))
    rows = [{name: history.get(name)[k] for name in history.names} for k in range(2)]
    cached = History([{**rows[0], "cost.select.seconds": 1e-6}, rows[1]], actions=["margin"], propensities=[1.0])
    assert seconds(policy, cached) == pytest.approx(seconds(policy, history), nan_ok=True)


# ------------------------------------------------------------ price of a look


def looked(price: float, informs: float = 0.01, guess: float = 0.0, **change: Any) -> set[str]:
    """Arms that are previewed, each look costing 2 seconds, where their advantage is guessed as this many points."""
    first = split(PLACE, 0.5, 0.0, guess)
    heads = {"advantage": constant(0.0), "first": first, "select": constant(np.log(2.0))}
    policy = made(heads, informs=informs, previews=9, prices=Prices(second=price), centred=True, **change)
    actions = shown(policy)
    taken(policy, actions)
    return set(actions.previewed) - {"cluster_margin"}


def test_a_look_is_paid_for_only_where_its_knowledge_is_worth_it() -> None:
    # 10 a point over three batches: a standard deviation of a point is worth 30 × 0.3989 = 12 money before the look.
    assert looked(5.9) == {"random", "badge", "entropy", "typiclust"}
    assert looked(6.1) == set()
    assert looked(6.1, informs=0.02) == {"random", "badge", "entropy", "typiclust"}
    assert looked(6.1, guess=1.0) == {"random", "badge", "entropy", "typiclust"}, "what promises more is worth more"
    assert looked(5.9, guess=-3.0) == set()
    assert looked(1e-9, informs=0.0) == set(), "nothing can be learnt, and nothing is promised"


def test_without_a_price_of_seconds_a_look_is_free() -> None:
    assert looked(0.0, informs=0.0, guess=-9.0) == {"random", "badge", "entropy", "typiclust"}


def test_the_expected_gain_is_that_of_a_normal_value() -> None:
    rng = np.random.default_rng(0)
    mean, spread = np.array([-1.0, 0.0, 2.0, -3.0]), np.array([1.0, 2.0, 0.5, 0.0])
    drawn = np.maximum(mean + spread * rng.standard_normal((400_000, 4)), 0).mean(0)
    np.testing.assert_allclose(expected_gain(mean, spread), drawn, atol=0.01)
    assert expected_gain(np.array([-np.inf, 1e300]), np.array([1.0, 1e-300])).tolist() == [0.0, 1e300]


# ---------------------------------------------------------------------- stop


def stopping(*points: float, final: float = 1.0, **change: Any) -> Learned:
    """A policy that predicts these gains in points after 1, 3, 6 and 10 batches."""
    heads = {f"ahead{k}": constant(gain / 100) for k, gain in zip(AHEAD, points, strict=True)}
    return made({"advantage": constant(0.0), **heads}, prices=Prices(label=1, final=final), **change)


def test_a_stop_is_offered_only_where_the_end_has_a_value_and_can_be_predicted() -> None:
    assert STOP in stopping(1, 1, 1, 1).offers(past())
    assert STOP not in stopping(1, 1, 1, 1, final=0.0).offers(past())
    assert STOP not in made({"advantage": constant(0.0)}, prices=Prices(final=9)).offers(past())


@pytest.mark.parametrize(
    ("points", "stops"),
    [
        ((9, 29, 59, 99), True),  # 10 labels a batch at 1: the prices are 10, 30, 60, 100
        ((11, 29, 59, 99), False),
        ((9, 29, 59, 101), False),  # nothing now, but in ten batches
        ((-5, -5, -5, -5), True),
        ((10, 30, 60, 100), True),  # nothing is gained by going on
    ],
)
def test_it_stops_when_no_number_of_batches_pays(points: tuple[float, ...], stops: bool) -> None:
    policy = stopping(*points)
    name, decision = taken(policy, shown(policy))
    assert (name == "stop") == stops
    if stops:
        assert decision.reason.startswith("stop: ")
        assert "more labels are predicted to be worth at most" in decision.reason
    half = policy.at(replace(policy.prices, final=0.5))
    assert taken(half, shown(half))[0] == "stop", "none of them would pay at half the value"


def test_seconds_and_rounds_are_part_of_what_going_on_costs() -> None:
    policy = stopping(11, 11, 11, 11)
    assert taken(policy, shown(policy))[0] != "stop"
    for prices, history in ((Prices(final=1, round=2), past()), (Prices(final=1, second=1), past((2.0, 0.0)))):
        assert taken(policy.at(prices), shown(policy), history)[0] == "stop"


def test_the_mean_of_the_members_decides_whether_to_stop() -> None:
    heads = {"ahead1": (constant(0.0), constant(0.16))}  # 8 ± 8 points
    policy = made({"advantage": constant(0.0), **heads}, prices=Prices(final=1, label=0.79))
    assert taken(policy, shown(policy))[0] != "stop"
    dear = policy.at(Prices(final=1, label=0.81))
    assert taken(dear, shown(dear))[0] == "stop"


def test_what_is_unknown_or_overflows_does_not_stop() -> None:
    policy = stopping(-1, -1, -1, -1)
    unknown = History([{"pool.size": 9.0, "labels.count": 5.0}])  # no batch
    assert taken(policy, shown(policy), unknown)[0] != "stop"
    foreign = replace(policy, low=np.full(WIDTH, 1e6), high=np.full(WIDTH, 1e6))
    assert taken(foreign, shown(foreign))[0] == "cluster_margin"
    huge = tuple(
        Trees(**{**constant(0.0).arrays(), "root": np.array([~0, ~0], np.int32), "leaf": np.array([x])})
        for x in (1e308, -1e308)
    )
    wild = made({"advantage": constant(0.0), "ahead1": huge}, prices=Prices(final=1))
    assert taken(wild, shown(wild))[0] != "stop"


def test_a_policy_that_never_deviates_still_stops() -> None:
    policy = stopping(0, 0, 0, 0, gate=float("inf"))
    actions = shown(policy)
    assert taken(policy, actions)[0] == "stop"
    assert set(actions.previewed) == {"cluster_margin"}
    going = stopping(99, 99, 99, 99, gate=float("inf"))
    name, decision = taken(going, shown(going))
    assert name == "cluster_margin"
    assert "no certain gain" in decision.reason


def test_a_run_stops_when_its_policy_does() -> None:
    run = Run("r", policy=stopping(0, 0, 0, 0), store=open_store("memory:"))
    query = run.ask(2, ids=np.arange(9), proba=np.full((9, 2), 0.5), embedding=np.eye(9), seen_embedding=np.eye(9))
    assert query.stop
    assert len(query.ids) == 0


# ------------------------------------------------------------------- explore


def test_exploring_mixes_in_all_actions_but_the_stop() -> None:
    policy = stopping(99, 99, 99, 99).exploring(0.25)
    actions = shown(policy)
    decision = policy.decide(past(), actions).checked(actions)
    p = decision.probabilities
    assert p.sum() == pytest.approx(1, abs=1e-15)
    assert p[actions.index(STOP)] == 0
    share = 0.25 / (len(actions) - 1)
    assert p[actions.index(Action("cluster_margin"))] == pytest.approx(0.75 + share)
    assert np.sort(p)[1:-1].tolist() == pytest.approx([share] * (len(actions) - 2))
    assert "with probability 0.25" in decision.reason


def test_exploring_goes_on_where_the_policy_falls_back() -> None:
    for policy in (
        made({"advantage": constant(0.0)}, gate=float("inf")),
        made({"advantage": constant(0.0)}, low=np.full(WIDTH, 1e6), high=np.full(WIDTH, 1e6)),
        made({}),
    ):
        actions = shown(policy)
        assert (policy.exploring(0.5).decide(past(), actions).probabilities > 0).all()
    alone = ActionSet([STOP], features=np.zeros, feature_names=())
    assert made({}).exploring(0.5).decide(past(), alone).probabilities.tolist() == [1.0]
    stop = stopping(0, 0, 0, 0).exploring(0.5)
    assert taken(stop, shown(stop))[1].probabilities.max() == 1, "a stop is decided, not drawn"


def test_the_propensities_of_an_exploring_run_are_logged() -> None:
    store = open_store("memory:")
    policy = made({"advantage": constant(0.0)}).exploring(0.6)
    run = Run("r", policy=policy, store=store, seed=3)
    seen = np.zeros(1, np.int64)
    for _ in range(6):
        pool = np.setdiff1d(np.arange(60), seen)
        proba = np.random.default_rng(len(seen)).dirichlet([1, 1], len(pool))
        points = np.random.default_rng(0).normal(size=(60, 3))
        query = run.ask(2, ids=pool, proba=proba, embedding=points[pool], seen_embedding=points[seen], seen_y=seen % 2)
        run.tell(query.ids % 2)
        seen = np.union1d(seen, query.ids)
    asks = [record for record in store.records("r") if record.event == "ask"]
    for ask in asks:
        p = dict(zip(ask.arrays["actions"].tolist(), ask.arrays["actions.probability"].tolist(), strict=True))
        assert sum(p.values()) == pytest.approx(1)
        assert ask.values["action.propensity"] == p[str(ask.values["action.name"])]
        assert min(p.values()) == pytest.approx(0.6 / len(p))
    assert len({str(ask.values["action.name"]) for ask in asks}) > 1


@pytest.mark.parametrize("share", [-0.1, 1.0, 2, float("nan"), "x", None, True])
def test_a_share_that_is_no_probability_is_refused(share: Any) -> None:
    with pytest.raises(PolicyError, match=r"expected a probability in \[0, 1\)"):
        made({}).exploring(share)


def test_other_prices_and_exploring_keep_everything_else() -> None:
    policy = stopping(1, 2, 3, 4, previews=3, facts={"a": 1}, spelling="x.metaal", checksum="ab", gate=0.5)
    for changed, name, value in (
        (policy.at(Prices(point=3)), "prices", Prices(point=3)),
        (policy.exploring(0.1), "explore", 0.1),
    ):
        for field in fields(Learned):
            expected = value if field.name == name else getattr(policy, field.name)
            found = getattr(changed, field.name)
            assert found is expected or found == expected, field.name
    assert policy.explore == 0


# ---------------------------------------------------------------------- why


def test_the_reason_says_gain_cost_and_what_dear_rounds_would_choose() -> None:
    heads = {"advantage": by("diff.margin", 0.1, 0.0, 2.0), "low": constant(-1.0), "high": constant(3.0), **SECONDS}
    policy = made(heads, actions=("cluster_margin", "random ×2", "cluster_margin ×8"), prices=Prices(second=0.01))
    name, decision = taken(policy, shown(policy, random=0.5))
    assert name == "random ×2"
    assert decision.reason == (
        "predicted +2.00 pp over cluster_margin (cautious +2.00 pp, 8 of 10 times -1.0 to +3.0), worth +40.07 in your "
        "prices; 0.5 rounds a batch of labels, -7 s"
    )
    plain = made({"advantage": constant(0.0)}, actions=("cluster_margin", "cluster_margin ×8"))
    assert taken(plain, shown(plain))[1].reason == (
        "the default; nothing else is predicted to be better with confidence (at most +0.00 pp); with dear rounds it "
        "would be cluster_margin ×8"
    )


def test_what_the_reason_says_of_compute_repeats_unless_seconds_are_paid_for() -> None:
    policy = made({"advantage": constant(0.0), **SECONDS}, actions=("cluster_margin", HOW[3]), prices=Prices(round=1))
    reasons = {taken(policy, shown(policy), past((fit, 1.0)))[1].reason for fit in (1.0, 2.0, 3.0)}
    assert len(reasons) == 1
    assert "-75 % compute" in reasons.pop()  # four batches in one loop
    paid = policy.at(Prices(second=0.1))
    assert "-4.5 s" in taken(paid, shown(paid), past((3.0, 1.0)))[1].reason


def test_what_saves_nothing_is_not_taken_however_good_it_looks() -> None:
    for action in HOW:
        policy = made({"advantage": constant(0.0), "how": constant(9.0)}, actions=("cluster_margin", action))
        assert taken(policy, shown(policy))[0] == "cluster_margin"
    dear = policy.at(Prices(round=1))
    assert taken(dear, shown(dear))[0] == HOW[3]


def test_how_a_strategy_is_carried_out_adds_to_what_the_strategy_gains() -> None:
    heads = {
        "advantage": (by("diff.margin", 0.1, 0.0, 1.0), by("diff.margin", 0.1, 0.0, 3.0)),
        "how": (by("multiplier", 0.5, 0.0, -1.0), by("multiplier", 0.5, 0.0, -0.5)),
    }
    policy = made(heads, actions=("cluster_margin", "random", "random ×4"), prices=Prices(round=1), centred=True)
    actions = shown(policy, random=0.5)
    decision = taken(policy, actions)[1]
    found = dict(zip(map(str, actions), decision.advantage, strict=True))
    assert found["random"] == pytest.approx(0.02)
    assert found["random ×4"] == pytest.approx(0.0125)


# ------------------------------------------------------- numbers, permutations


def wild(*leaves: float) -> tuple[Trees, ...]:
    """Members of two trees each, whose sum may overflow."""
    root = np.array([~0, ~0], np.int32)
    return tuple(Trees(**{**constant(0.0).arrays(), "root": root, "leaf": np.array([leaf])}) for leaf in leaves)


@pytest.mark.parametrize("head", [wild(1e308), wild(-1e308), wild(1e308, -1e308), wild(1e308, 1.0)])
@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_a_head_of_infinite_or_unknown_numbers_never_deviates(head: tuple[Trees, ...], gate: float) -> None:
    for more in ({}, {"fit": head, "score": head, "select": head, "low": head, "high": head, "first": head}):
        policy = made({"advantage": head, **more}, gate=gate, previews=2)
        for prices in (Prices(), Prices(second=1e308, round=1e308, point=1e308, label=1e308)):
            assert taken(policy.at(prices), shown(policy), past((1.0, 1.0)))[0] == "cluster_margin"


def test_a_head_without_members_or_trees_counts_as_none() -> None:
    empty = Trees(**{name: array[:0] for name, array in constant(1.0).arrays().items()})
    policy = made({"advantage": (empty, constant(2.0)), "fit": (), "first": empty}, previews=1, gate=0.0)
    assert set(policy.heads) == {"advantage", "first"}
    decision = taken(policy, shown(policy))[1]
    assert decision.advantage is not None
    assert np.nanmax(decision.advantage) == pytest.approx(0.01), "the mean of 2 and of nothing, in hundredths"


def test_a_series_that_never_changed_in_training_is_not_foreign_by_rounding() -> None:
    state = state_features(past())
    learnt = np.concatenate([state, np.zeros(WIDTH - PLACE)]).astype(np.float32).astype(np.float64)
    policy = made({"advantage": constant(1.0)}, low=learnt, high=learnt)
    assert policy._foreign(state) == 0
    assert policy._foreign(state + 1) == 1


def test_permuted_actions_are_decided_alike_with_every_head() -> None:
    heads = {"advantage": by("diff.margin", 0.1, 0.5, 0.7), "first": PROMISING, **SECONDS}
    for prices in (Prices(), Prices(second=1), Prices(round=5), Prices(final=1e6)):
        policy = made({**heads, "ahead1": constant(1.0)}, previews=2, prices=prices)
        seen = set()
        for seed in range(6):
            actions = shown(policy, random=0.5, badge=0.5)
            actions = actions.permuted(np.random.default_rng(seed).permutation(len(actions)).tolist())
            name, decision = taken(policy, actions)
            seen.add((name, decision.reason))
        assert len(seen) == 1
        assert read_action(seen.pop()[0]) in policy.offers(past())


# ------------------------------------------------------------- out of range


def test_only_what_a_tree_reads_can_be_out_of_range() -> None:
    names = state_names()
    read = names.index("pool.size")
    policy = made({"advantage": (split(read, 1e9, 2.0, 2.0), constant(2.0))}, actions=("cluster_margin", "random"))
    low, high = policy.low.copy(), policy.high.copy()
    far = [k for k in range(len(names)) if k != read]
    low[far] = high[far] = 1e8
    assert taken(replace(policy, low=low, high=high), shown(policy))[0] == "random"
    low[read] = high[read] = 1e8
    name, decision = taken(replace(policy, low=low, high=high), shown(policy))
    assert (name, decision.reason) == (
        "cluster_margin",
        "the default, since 100% of the state lies outside of the training range",
    )


# ------------------------------------------------------------------ horizons


def test_a_decision_answers_for_its_part_of_the_batches_that_it_chose() -> None:
    prices, actions = Prices(point=1), [Action("margin"), Action("badge"), Action("margin", 4.0), Action("badge", 4.0)]
    assert (worth_of(actions, prices, Horizon(3, 1), "margin") / 100).tolist() == [3, 3, 6 / 4, 6 / 4]
    assert (worth_of(actions, prices, Horizon(4, 4), "margin") / 100).tolist() == [4, 1, 7 / 4, 1]
    assert (worth_of([STOP], prices, Horizon(4, 4), "margin") / 100).tolist() == [4]


@pytest.mark.parametrize(
    "horizon", [{"batches": 3, "commit": 4}, {"batches": True, "commit": 1}, {"batches": 0}, 3, None]
)
def test_a_file_whose_horizon_makes_no_sense_is_refused(horizon: Any, tmp_path: Path) -> None:
    from metaal.policies.policyfile import read_policy_file, write_policy_file

    policy = made({"advantage": constant(0.0)}, horizon=Horizon(5, 2), informs=0.25)
    policy.save(tmp_path / "p.metaal")
    again = load(tmp_path / "p.metaal")
    assert (again.horizon, again.informs) == (Horizon(5, 2), 0.25)
    head, arrays, _ = read_policy_file(tmp_path / "p.metaal")
    for change in ({"horizon": horizon}, {"informs": -1.0}, {"informs": float("nan")}):
        write_policy_file(tmp_path / "q.metaal", {**head, **change}, arrays)
        with pytest.raises(PolicyFileError):
            load(tmp_path / "q.metaal")
