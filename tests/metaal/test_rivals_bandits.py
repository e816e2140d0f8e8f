"""Exp4.P, Thompson sampling and the budget test, against formulas and numbers of others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from metaal import Action, ActionSet, History, Task, UnavailableError, play
from metaal.features import PROPOSAL
from metaal.policies.exp4p import Exp4p
from metaal.policies.select_al import SelectAl
from metaal.policies.thompson import Thompson, best_chances
from metadata_store import open_store

ARMS = ("margin", "typiclust", "random")

PLAYED = [(0, 0.9), (1, 0.2), (2, 0.5), (0, 1.0), (0, 0.8), (1, 0.0), (2, 0.7), (0, 0.95)]
# libact's published update (T=20, delta=0.1, each strategy asks for a row of its own), run by itself on `PLAYED`
LIBACT = [
    [0.333333, 0.333333, 0.333333],
    [0.358135, 0.320933, 0.320933],
    [0.354455, 0.326724, 0.318821],
    [0.346519, 0.320505, 0.332975],
    [0.373378, 0.307681, 0.318941],
    [0.393118, 0.298278, 0.308604],
    [0.391354, 0.299286, 0.30936],
    [0.377838, 0.292609, 0.329553],
    [0.401253, 0.282633, 0.316114],
]


def offered(arms: tuple[str, ...], *missing: str) -> ActionSet:
    return ActionSet(
        [Action(arm) for arm in arms if arm not in missing],
        features=lambda strategy: np.zeros(len(PROPOSAL)),
        feature_names=PROPOSAL,
        unavailable=dict.fromkeys(missing, "left out by the test"),
    )


def chances_after(policy: Exp4p, played: list[tuple[int, float]]) -> list[np.ndarray]:
    """Chances before each round and after the last, where every arm was drawn with the chance it had."""
    out: list[np.ndarray] = []
    propensities: list[float] = []
    for k in range(len(played) + 1):
        taken, rewards = np.array([a for a, _ in played[:k]], int), np.array([r for _, r in played[:k]], float)
        chances, count = policy.updated(taken, rewards, np.array(propensities))
        assert count == k
        out.append(chances)
        propensities += [float(chances[played[k][0]])] if k < len(played) else []
    return out


def test_the_chances_are_those_that_libact_gives() -> None:
    np.testing.assert_allclose(chances_after(Exp4p(ARMS, rounds=20), PLAYED), LIBACT, atol=6e-7)


@pytest.mark.parametrize(
    ("rounds", "delta", "pmin"), [(20, 0.1, None), (100, 0.5, 0.01), (5, 1.0, 0.2), (1, 0.1, None)]
)
def test_the_chances_follow_the_formula_of_the_paper(rounds: int, delta: float, pmin: float | None) -> None:
    """Algorithm 1 of Beygelzimer et al., with one action for each expert, written out."""
    n = len(ARMS)
    least = min(1 / n, math.sqrt(math.log(n) / (n * rounds))) if pmin is None else pmin
    w = [1.0] * n
    expected = []
    for arm, reward in [*PLAYED, (0, 0.0)]:
        p = [(1 - n * least) * v / sum(w) + least for v in w]
        expected.append(p)
        y = [reward / p[i] if i == arm else 0.0 for i in range(n)]
        w = [
            v * math.exp(least / 2 * (y[i] + math.sqrt(math.log(n / delta) / (n * rounds)) / p[i]))
            for i, v in enumerate(w)
        ]
    np.testing.assert_allclose(chances_after(Exp4p(ARMS, rounds, delta, pmin), PLAYED), expected, rtol=1e-12)


def history_of(actions: list[str], propensities: list[float], accuracies: list[float]) -> History:
    rows = [{"surprise.accuracy.batch": a} for a in accuracies]
    return History([*rows, {"pool.size": 9.0}], actions=actions, propensities=propensities)


def test_a_reward_is_the_weighted_accuracy_on_the_next_batch() -> None:
    policy = Exp4p(ARMS)
    history = history_of(["margin", "random", "typiclust ×2"], [0.5, 0.25, 0.8], [0.1, 0.4, 0.6])
    chances, count = policy.chances(history)
    assert count == 2, "the last batch's reward is not known before the next one is labelled"
    expected, _ = policy.updated(np.array([0, 2]), np.array([0.4 / (3 * 0.25), 0.6 / (3 * 0.8)]), np.array([0.5, 0.25]))
    np.testing.assert_allclose(chances, expected, rtol=1e-12)


def test_the_weighted_accuracy_is_on_average_that_on_all_batches() -> None:
    """Whichever arm is drawn next, the model is judged by the mean over all arms' batches."""
    accuracy, p = np.array([0.3, 0.9, 0.6]), np.array([0.2, 0.7, 0.1])
    rewards = []
    for arm in range(3):
        history = history_of(["margin", ARMS[arm]], [1 / 3, float(p[arm])], [0.5, float(accuracy[arm])])
        rewards.append(Exp4p(ARMS)._rewards(history)[0])
    assert float(p @ np.array(rewards)) == pytest.approx(accuracy.mean())


def test_loops_without_reward_or_of_others_change_nothing() -> None:
    policy = Exp4p(ARMS)
    for history in (
        history_of(["margin", "random"], [0.5, 0.5], [0.5, math.nan]),
        history_of(["badge", "random"], [0.5, 0.5], [0.5, 0.5]),
        history_of(["stop", "nonsense ×"], [1.0, 1.0], [0.5, 0.5]),
        History([{}]),
        History([{"pool.size": 3.0}] * 3, actions=["margin"] * 2, propensities=[1.0] * 2),
    ):
        chances, count = policy.chances(history)
        assert count == 0
        np.testing.assert_allclose(chances, 1 / 3)
        assert "no reward is known yet" in policy.decide(history, offered(ARMS)).reason


@pytest.mark.parametrize("good", range(3))
def test_exp4p_finds_the_good_arm_and_keeps_trying_the_others(good: int) -> None:
    policy, rng = Exp4p(ARMS, rounds=2000), np.random.default_rng(good)
    taken, rewards, propensities = np.zeros(0, int), np.zeros(0), np.zeros(0)
    p = np.full(3, 1 / 3)
    for _ in range(25):  # eighty rounds with the same chances, then those chances anew
        for arm in rng.choice(3, 80, p=p).tolist():
            taken, propensities = np.append(taken, arm), np.append(propensities, p[arm])
            rewards = np.append(rewards, 0.9 if arm == good else 0.2)
        p, _ = policy.updated(taken, rewards, propensities)
    assert p.argmax() == good
    assert p[good] > 0.8
    assert p.min() >= policy.least - 1e-12


def test_after_one_labelling_budget_the_chances_are_still_near_uniform() -> None:
    """As measured for ALBL on three arms and 75 queries: an arm that is 20 points better hardly stands out."""
    policy, ends = Exp4p(ARMS, rounds=75), []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        taken, rewards, propensities = np.zeros(0, int), np.zeros(0), np.zeros(0)
        p = np.full(3, 1 / 3)
        for _ in range(75):
            arm = int(rng.choice(3, p=p))
            reward = float(rng.random() < (0.7 if arm == 0 else 0.5))
            taken, rewards, propensities = (
                np.append(taken, arm),
                np.append(rewards, reward),
                np.append(propensities, p[arm]),
            )
            p, _ = policy.updated(taken, rewards, propensities)
        ends.append(p)
    mean = np.mean(ends, axis=0)
    assert 1 / 3 < mean[0] < 0.6
    assert mean[1:].min() > 0.15


@pytest.mark.parametrize("reward", [0.0, 1.0, 50.0])
def test_long_runs_of_one_reward_stay_a_distribution(reward: float) -> None:
    size = 5000
    p, _ = Exp4p(ARMS).updated(np.zeros(size, int), np.full(size, reward), np.full(size, 0.05))
    assert np.isfinite(p).all()
    assert p.sum() == pytest.approx(1)
    assert p.min() >= Exp4p(ARMS).least - 1e-12
    if reward == 0:
        np.testing.assert_allclose(p, 1 / 3, err_msg="three arms without any reward are alike")


def test_arms_that_cannot_run_leave_their_chance_to_the_others() -> None:
    history = history_of(["margin", "random", "margin"], [1 / 3] * 3, [0.9, 0.9, 0.9])
    chances, _ = Exp4p(ARMS).chances(history)
    decision = Exp4p(ARMS).decide(history, offered(ARMS, "typiclust"))
    np.testing.assert_allclose(decision.probabilities, chances[[0, 2]] / chances[[0, 2]].sum())


# ------------------------------------------------------- Thompson sampling


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [
        ([1.0, 1.0], [1.0, 1.0]),
        ([3.0, 2.0], [2.0, 5.0]),
        ([1.0, 40.0, 8.5], [1.0, 20.0, 3.25]),
        ([400.0, 420.0], [600.0, 580.0]),
        ([1.0, 1.0, 1.0, 30.0], [1.0, 9.0, 1.0, 1.0]),
    ],
)
def test_the_chance_of_being_best_is_the_integral(alpha: list[float], beta: list[float]) -> None:
    every = [stats.beta(a, b) for a, b in zip(alpha, beta, strict=True)]
    expected = []
    for i, one in enumerate(every):
        others = [other for j, other in enumerate(every) if j != i]

        def density(x: float, one=one, others=others) -> float:  # type: ignore[no-untyped-def]
            return float(one.pdf(x) * np.prod([other.cdf(x) for other in others]))

        points = sorted({float(q) for e in every for q in e.ppf([0.001, 0.5, 0.999])})
        expected.append(integrate.quad(density, 0, 1, points=points, limit=500)[0])
    np.testing.assert_allclose(best_chances(np.array(alpha), np.array(beta)), expected, atol=1e-4)


def labelled(batches: list[list[int]], actions: list[str], classes: int = 3) -> History:
    """Rows of a run that began with one label a class, as metaal logs them (scipy's entropy, not ours)."""
    counts, rows = np.ones(classes), []
    for batch in [*batches, []]:
        rows.append({"labels.entropy": stats.entropy(counts) / math.log(classes), "labels.count": float(counts.sum())})
        counts += np.bincount(batch, minlength=classes)
    return History(rows, actions=actions, propensities=[0.5] * len(actions))


def test_the_reward_is_how_rare_the_new_labels_are() -> None:
    """n H grows by n log n - Σ n_k log n_k, worked out here from the counts themselves."""
    policy = Thompson(("margin", "random"), discount=1.0)
    batches = [[0, 0, 0], [1, 2], [0, 0, 0, 0]]
    alpha, beta = policy.posterior(labelled(batches, ["margin", "random", "margin"]))
    counts, expected = np.ones(3), {"margin": [0.0, 0.0], "random": [0.0, 0.0]}

    def mass(c: np.ndarray) -> float:
        return float(c.sum() * math.log(c.sum()) - (c * np.log(c)).sum())

    for batch, arm in zip(batches, ("margin", "random", "margin"), strict=True):
        more = counts + np.bincount(batch, minlength=3)
        reward = min((mass(more) - mass(counts)) / (len(batch) * math.log(3)), 1.0)
        expected[arm][0] += len(batch) * reward
        expected[arm][1] += len(batch) * (1 - reward)
        counts = more
    np.testing.assert_allclose(alpha, [1 + expected["margin"][0], 1 + expected["random"][0]], rtol=1e-9)
    np.testing.assert_allclose(beta, [1 + expected["margin"][1], 1 + expected["random"][1]], rtol=1e-9)
    means = alpha / (alpha + beta)
    assert means[0] < means[1], "labels of the rare classes are worth more"


def test_thompson_prefers_the_arm_that_balances_the_classes() -> None:
    batches = [[0] * 6, [1, 2, 1, 2, 1, 2]] * 3
    history = labelled(batches, ["margin", "random"] * 3)
    decision = Thompson(("margin", "random")).decide(history, offered(("margin", "random")))
    assert decision.probabilities[1] > 0.99
    assert "by random" in decision.reason
    never = Thompson(("margin", "random", "badge")).decide(history, offered(("margin", "random", "badge")))
    assert never.probabilities[2] > 0.05, "an arm that was not tried is"


def test_thompson_forgets() -> None:
    batches = [[0] * 6, *([[1, 2]] * 8)]
    history = labelled(batches, ["margin", *(["random"] * 8)])
    kept, _ = Thompson(("margin", "random"), discount=1.0).posterior(history)
    half, beta = Thompson(("margin", "random"), discount=0.5).posterior(history)
    assert half[0] - 1 == pytest.approx((kept[0] - 1) * 0.5**8)
    _, all_of_it = Thompson(("margin", "random"), discount=1.0).posterior(history)
    assert beta[0] - 1 == pytest.approx((all_of_it[0] - 1) * 0.5**8)


def test_thompson_falls_back_on_what_the_model_did_not_expect() -> None:
    rows = [{"surprise.accuracy.batch": 0.25, "oracle.told": 8.0}, {"surprise.accuracy.batch": 1.0, "oracle.told": 4.0}]
    history = History([*rows, {}], actions=["margin", "random"], propensities=[0.5, 0.5])
    alpha, beta = Thompson(("margin", "random"), discount=1.0).posterior(history)
    np.testing.assert_allclose(alpha, [7, 1])
    np.testing.assert_allclose(beta, [3, 5])


def test_thompson_passes_over_loops_without_new_labels() -> None:
    rows = [{"labels.entropy": 1.0, "labels.count": 3.0}] * 3
    policy = Thompson(("margin", "random"))
    alpha, beta = policy.posterior(History(rows, actions=["margin"] * 2, propensities=[1.0] * 2))
    np.testing.assert_allclose([*alpha, *beta], 1)
    without = policy.decide(History(rows), offered(("badge",)))
    assert without.probabilities.tolist() == [1.0]


# ------------------------------------------------------------- budget test


def run_of(taken: str, effects: list[float]) -> History:
    """A run in which ``taken`` ("l" low, "h" high) changed the predictions by ``effects`` of the relative growth."""
    rows, labels = [{"labels.count": 10.0}], 10.0
    for effect in effects:
        churn = effect * 5 / labels
        labels += 5
        rows.append({"labels.count": labels, "churn.proba": churn})
    names = {"l": "typiclust", "h": "margin"}
    return History(rows, actions=[names[key] for key in taken], propensities=[1.0] * len(taken))


def wanted(history: History, policy: SelectAl | None = None) -> str:
    policy = policy or SelectAl()
    decision = policy.decide(history, offered(policy.arms))
    return policy.arms[int(decision.probabilities.argmax())]


@pytest.mark.parametrize(
    ("taken", "effects", "expected"),
    [
        ("", [], "typiclust"),
        ("l", [0.5], "margin"),
        ("lh", [0.5, 0.2], "typiclust"),
        ("lh", [0.2, 0.5], "margin"),
        ("lh", [0.4, 0.4], "typiclust"),
        ("lhll", [0.9, 0.5, 0.3, 0.2], "margin"),  # the mean of the last two is compared
        ("lhll", [0.1, 0.5, 0.7, 0.8], "typiclust"),
        ("lhlll", [0.1, 0.5, 0.7, 0.8, 0.9], "typiclust"),
        ("lhllll", [0.1, 0.5, 0.7, 0.8, 0.9, 0.9], "margin"),  # not asked for four loops: tried again
        ("lhhhhh", [0.1, 0.5, 0.7, 0.8, 0.9, 0.9], "typiclust"),
        ("lhhhhhl", [0.1, 0.5, 0.7, 0.8, 0.9, 0.9, 0.2], "margin"),
        ("lh", [math.nan, math.nan], "typiclust"),
        ("lhl", [math.nan, math.nan, math.nan], "margin"),
    ],
)
def test_the_budget_test_follows_the_larger_effect(taken: str, effects: list[float], expected: str) -> None:
    assert wanted(run_of(taken, effects)) == expected


def test_the_effects_are_changes_per_relative_growth_of_the_labels() -> None:
    low, high = SelectAl().effects(run_of("lhlh", [0.5, 0.1, 0.3, 0.7]))
    assert (low, high) == pytest.approx((0.4, 0.4))
    low, high = SelectAl(window=1).effects(run_of("lhlh", [0.5, 0.1, 0.3, 0.7]))
    assert (low, high) == pytest.approx((0.3, 0.7))


def test_the_budget_test_takes_the_other_strategy_where_one_cannot_run() -> None:
    policy = SelectAl()
    decision = policy.decide(run_of("", []), offered(policy.arms, "typiclust"))
    assert decision.probabilities.tolist() == [1.0]
    assert "typiclust is not possible: left out by the test" in decision.reason
    with pytest.raises(UnavailableError, match="neither typiclust nor margin"):
        policy.decide(run_of("", []), offered(("random",)))


@pytest.mark.parametrize(
    "policy", ["exp4p('margin', 'typiclust', 'random')", "thompson('margin', 'typiclust')", "select_al"]
)
def test_a_run_repeats_and_its_log_has_the_chances(policy: str) -> None:
    task = Task("iris", "logistic", batch=4, budget=32, seeds=3)
    one, two = (play(policy, task, store=open_store("memory:"), full=False).curve for _ in range(2))
    assert one["action.name"].tolist() == two["action.name"].tolist()
    assert one["decision.reason"].tolist() == two["decision.reason"].tolist()
    assert one["decision.reason"].iloc[-2] != one["decision.reason"].iloc[0], "what happened is taken into account"
