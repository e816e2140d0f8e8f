"""Uncertainty, committee and change strategies agree with references that are written another way."""

import itertools
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from strategy_zoo import SpellingError, View, ViewError, get, propose
from strategy_zoo._committee import information
from strategy_zoo._uncertainty import entropies, margins
from strategy_zoo.strategies.batch_bald import _Posterior, _sampled
from strategy_zoo.testing import arrays, check_strategy
from tests.strategy_zoo.shorthand import rng, rows

VARIANTS = [
    "power_entropy(beta=3.0)",
    "band(low=0.1, high=0.3, scale='chance')",
    "band(order='random')",
    "expected_cost(measure='margin')",
    "calibrated(margin, prior=0.0)",
    "calibrated(cluster_margin)",
    "calibrated(calibrated(entropy))",
    "calibrated(mix(margin=0.5, random=0.5))",
    "power_bald(beta=3.0)",
    "batch_bald(samples=5)",
    "expected_gradient_length(bias=True)",
]


def score(spelling: Any, view: View) -> np.ndarray:
    return np.asarray(get(spelling).score(view, rng()))


def members(M: int, U: int, C: int, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """A committee whose members differ by noise on the logits."""
    logits = rng(seed).normal(size=(U, C)) + noise * rng(seed + 1).normal(size=(M, U, C))
    e = np.exp(logits)
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("spelling", VARIANTS)
def test_variants_keep_the_contract(spelling: str) -> None:
    check_strategy(spelling)


# --- entropy with noise ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2, 5, 40])
def test_entropies_agree_with_scipy_and_with_entropy(classes: int) -> None:
    proba = rng(classes).dirichlet(np.full(classes, 0.3), 300)
    proba[:20] = np.eye(classes)[np.arange(20) % classes]
    assert entropies(proba) == pytest.approx(scipy.stats.entropy(proba, axis=1), abs=1e-12)
    assert entropies(proba).tolist() == score("entropy", View(proba=proba)).tolist()


def test_power_entropy_draws_in_proportion_to_the_power_of_the_entropy() -> None:
    proba = np.array([[0.5, 0.5], [0.8, 0.2], [0.9, 0.1], [1.0, 0.0]])
    for beta in (1.0, 2.0):
        generator = rng(3)
        spelling = f"power_entropy(beta={beta})"
        first = Counter(propose(spelling, View(proba=proba), 1, generator).rows[0] for _ in range(6000))
        weight = scipy.stats.entropy(proba, axis=1) ** beta
        expected = 6000 * weight / weight.sum()
        assert first[3] == 0
        assert scipy.stats.chisquare([first[i] for i in range(3)], expected[:3]).pvalue > 1e-4


@pytest.mark.parametrize("beta", [1e-6, 0.01, 1e6])
@pytest.mark.parametrize("name", ["power_entropy", "power_bald"])
def test_rows_without_weight_are_drawn_last_however_warm_and_by_chance(name: str, beta: float) -> None:
    committee = np.zeros((2, 80, 2))
    committee[:, :40] = [1.0, 0.0]
    committee[0, 40:], committee[1, 40:] = [0.9, 0.1], [0.2, 0.8]
    committee[:, 40:60] = [[[1 - 1e-6, 1e-6]], [[1.0, 0.0]]]
    view = View(proba=committee.mean(axis=0), committee=committee)
    answers = [rows(f"{name}(beta={beta})", view, 80, seed) for seed in range(3)]
    assert all(sorted(answer[40:]) == list(range(40)) for answer in answers)
    assert len({tuple(answer[40:]) for answer in answers}) == 3


# --- band ------------------------------------------------------------------------------------------------------------


def binary(confidence: list[float]) -> View:
    p = np.array(confidence)
    return View(proba=np.column_stack([p, 1 - p]))


def test_band_takes_the_middle_first_and_then_the_rows_nearest_to_the_band() -> None:
    view = binary([0.95, 0.51, 0.62, 0.72, 0.6, 0.69, 1.0])
    assert rows("band", view, 7) == [4, 2, 1, 5, 3, 0, 6] or rows("band", view, 7) == [4, 2, 5, 1, 3, 0, 6]
    assert score("band", view) == pytest.approx([-0.25, 0.01, 0.08, -0.02, 0.1, 0.01, -0.3])
    # An empty band still gives n rows, the nearest ones.
    assert rows("band(low=0.8, high=0.85)", binary([0.5, 0.99, 0.7]), 2) == [2, 1]
    assert rows("band(low=0.75, high=0.75)", binary([0.5, 0.76, 0.7]), 3) == [1, 2, 0]


@pytest.mark.parametrize("scale", ["probability", "chance"])
@pytest.mark.parametrize("seed", range(4))
def test_band_orders_as_a_sort_by_two_keys(scale: str, seed: int) -> None:
    proba = arrays(80, seed=seed)["proba"]
    confidence = proba.max(axis=1)
    if scale == "chance":
        confidence = (confidence - 0.25) / 0.75
    low, high = 0.4, 0.55

    def key(row: int) -> tuple[float, float]:
        c = confidence[row]
        return max(low - c, c - high, 0.0), abs(c - (low + high) / 2)

    expected = sorted(range(80), key=key)
    assert rows(f"band(low={low}, high={high}, scale={scale!r})", View(proba=proba), 80) == expected


def test_band_in_random_order_is_uniform_inside_and_sorted_outside() -> None:
    view = binary([0.95, 0.51, 0.6, 0.69, 0.75])
    count: Counter[int] = Counter()
    for seed in range(3000):
        picked = rows("band(order='random')", view, 5, seed)
        assert picked[3:] == [4, 0]
        count[picked[0]] += 1
    assert set(count) == {1, 2, 3}
    assert scipy.stats.chisquare([count[row] for row in (1, 2, 3)]).pvalue > 1e-4
    assert get("band(order='random')").stochastic
    assert not get("band").stochastic


def test_band_on_the_scale_of_chance_means_the_same_for_any_number_of_classes() -> None:
    for classes in (2, 5, 50):
        guess, sure = np.full(classes, 1 / classes), np.eye(classes)[0]
        view = View(proba=[guess, sure, (guess + sure) / 2])
        assert score("band(low=0.0, high=1.0, scale='chance')", view) == pytest.approx([0, 0, 0.5], abs=1e-12)
    assert score("band(low=0.5, high=1.0, scale='chance')", View(proba=[[1.0]])).tolist() == [0]


# --- expected cost ---------------------------------------------------------------------------------------------------


def costs(classes: int, seed: int = 0) -> np.ndarray:
    matrix = np.round(rng(seed).random((classes, classes)) * 10, 2)
    np.fill_diagonal(matrix, 0)
    return matrix


def spelled(matrix: np.ndarray, measure: str = "risk") -> str:
    return f"expected_cost(costs={tuple(map(tuple, matrix.tolist()))}, measure={measure!r})"


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_expected_cost_is_the_least_over_predictions_summed_out(classes: int, seed: int) -> None:
    proba = rng(seed).dirichlet(np.full(classes, 0.5), 40)
    matrix = costs(classes, seed) - 1  # gains too
    risk = [[sum(p[i] * matrix[i, j] for i in range(classes)) for j in range(classes)] for p in proba]
    ordered = np.sort(np.array(risk), axis=1)
    assert score(spelled(matrix), View(proba=proba)) == pytest.approx(ordered[:, 0], abs=1e-12)
    assert score(spelled(matrix, "margin"), View(proba=proba)) == pytest.approx(ordered[:, 0] - ordered[:, 1], abs=1e-9)


@pytest.mark.parametrize(("measure", "method"), [("risk", "least_confident"), ("margin", "margin_sampling")])
def test_expected_cost_agrees_with_scikit_activeml(measure: str, method: str) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    proba, matrix = arrays(200)["proba"], costs(4)
    theirs = pool.uncertainty_scores(proba, cost_matrix=matrix, method=method)
    assert score(spelled(matrix, measure), View(proba=proba)) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_expected_cost_without_costs_is_least_confidence_and_margin(classes: int) -> None:
    view = View(proba=arrays(100, classes=classes)["proba"])
    ones = 1 - np.eye(classes)
    assert score("expected_cost", view).tolist() == score("least_confidence", view).tolist()
    assert score(spelled(ones), view) == pytest.approx(score("least_confidence", view), abs=1e-12)
    assert score("expected_cost(measure='margin')", view).tolist() == score("margin", view).tolist()
    assert score(spelled(ones, "margin"), view) == pytest.approx(score("margin", view), abs=1e-12)


def test_expected_cost_says_when_the_matrix_does_not_fit() -> None:
    with pytest.raises(ViewError, match="proba has 4 classes, expected 2 as in costs"):
        propose("expected_cost(costs=((0, 1), (5, 0)))", View(**arrays()), 3, rng())
    one = View(proba=np.ones((3, 1)))
    assert score("expected_cost(costs=((2,),))", one).tolist() == [2, 2, 2]
    assert rows("expected_cost(costs=((2,),), measure='margin')", one, 2) == [0, 1]
    same = get("expected_cost(costs=[[0, 1], [5, 0]])")
    assert same == type(same)(costs=np.array([[0, 1], [5, 0]]))  # type: ignore[call-arg]
    assert same.spelling == "expected_cost(costs=((0.0, 1.0), (5.0, 0.0)))"


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("expected_cost(costs=((0, 1), (5,)))", "square matrix"),
        ("expected_cost(costs=(0, 1))", "square matrix"),
        ("expected_cost(costs=())", "square matrix"),
        ("expected_cost(costs=3)", "square matrix"),
        ("expected_cost(costs=((0, 'a'), (5, 0)))", "a cost is 'a'"),
        ("expected_cost(costs=((0, 1e999), (5, 0)))", "a cost is inf"),
        ("expected_cost(measure='least')", "measure is 'least'"),
        ("band(low=0.7, high=0.5)", "low at most high"),
        ("band(low=-0.1)", "low is -0.1"),
        ("band(high=1.1)", "high is 1.1"),
        ("band(scale='logit')", "scale is 'logit'"),
        ("band(order='last')", "order is 'last'"),
        ("power_entropy(beta=0)", "beta is 0"),
        ("power_bald(beta=-1.0)", "beta is -1.0"),
        ("batch_bald(samples=0)", "samples is 0"),
        ("batch_bald(samples=1.5)", "samples is 1.5"),
        ("expected_gradient_length(bias=1)", "bias is 1"),
        ("calibrated(k_center)", "doesn't read proba"),
        ("calibrated(entropy, prior=-1)", "prior is -1"),
        ("calibrated(entropy, margin)", "positional"),
        ("calibrated", "calibrated needs inner"),
        ("calibrated(0.5)", "expected a strategy"),
    ],
)
def test_parameters_out_of_range_are_refused(spelling: str, reason: str) -> None:
    with pytest.raises(SpellingError, match=reason):
        get(spelling)


# --- calibration -----------------------------------------------------------------------------------------------------


def labelled(L: int, C: int, sharp: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are `sharp` times too sure of themselves, and labels drawn from the honest ones."""
    honest = rng(seed).normal(size=(L, C)) * 1.5
    p = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    label = np.array([rng(seed * L + i).choice(C, p=p[i]) for i in range(L)])
    told = np.exp(honest * sharp)
    return told / told.sum(axis=1, keepdims=True), label


def loss(log_t: float, proba: np.ndarray, label: np.ndarray, prior: float) -> float:
    power = proba ** np.exp(-log_t)
    likelihood = np.log(power[np.arange(len(label)), label] / power.sum(axis=1)).sum()
    return float(-likelihood + prior * (np.exp(-log_t) - 1 + log_t))


@pytest.mark.parametrize(("L", "C"), [(5, 3), (60, 2), (60, 5), (600, 3)])
@pytest.mark.parametrize("prior", [0.0, 5.0])
@pytest.mark.parametrize("sharp", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_minimum_that_scipy_finds(L: int, C: int, prior: float, sharp: float) -> None:
    proba, label = labelled(L, C, sharp, seed=L + C)
    proba = np.maximum(proba, 1e-6)
    proba /= proba.sum(axis=1, keepdims=True)
    strategy = get(f"calibrated(entropy, prior={prior})")
    found = strategy.temperature(View(proba=proba, seen_proba=proba, seen_y=label))  # type: ignore[attr-defined]
    bounds = (np.log(1 / 20), np.log(20))
    theirs = scipy.optimize.minimize_scalar(
        loss, bounds=bounds, args=(proba, label, prior), method="bounded", options={"xatol": 1e-9}
    )
    assert np.log(found) == pytest.approx(theirs.x, abs=2e-4)
    if L == 600:
        assert found == pytest.approx(sharp, rel=0.3)


def test_the_temperature_stays_tame_with_few_or_certain_labels() -> None:
    proba = np.array([[0.6, 0.4]])
    few = View(proba=proba, seen_proba=np.repeat(proba, 3, axis=0), seen_y=[0, 0, 0])
    assert get("calibrated(entropy, prior=0.0)").temperature(few) == pytest.approx(1 / 20)  # type: ignore[attr-defined]
    assert 0.7 < get("calibrated(entropy)").temperature(few) < 1  # type: ignore[attr-defined]
    wrong = View(proba=proba, seen_proba=np.repeat(proba, 3, axis=0), seen_y=[1, 1, 1])
    assert get("calibrated(entropy, prior=0.0)").temperature(wrong) == pytest.approx(20)  # type: ignore[attr-defined]
    empty = View(proba=proba, seen_proba=np.empty((0, 2)), seen_y=[])
    assert get("calibrated(entropy)").temperature(empty) == 1  # type: ignore[attr-defined]
    assert score("calibrated(entropy)", empty).tolist() == score("entropy", empty).tolist()
    sure = View(proba=proba, seen_proba=[[1.0, 0.0]] * 9, seen_y=[0] * 9)
    assert get("calibrated(entropy)").temperature(sure) == pytest.approx(1, abs=1e-3)  # type: ignore[attr-defined]
    one = View(proba=[[1.0]], seen_proba=[[1.0]], seen_y=[0])
    assert get("calibrated(entropy)").temperature(one) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("inner", ["entropy", "margin", "cluster_margin(factor=3)", "expected_gradient_length"])
def test_calibrated_is_the_inner_strategy_on_tempered_probabilities(inner: str) -> None:
    given = arrays(200)
    given["seen_proba"], given["seen_y"] = labelled(80, 4, 2.5)
    del given["seen_embedding"], given["seen_labels"]
    given["proba"][:4] = np.eye(4)
    view = View(**given)
    strategy = get(f"calibrated({inner})")
    temperature = strategy.temperature(view)  # type: ignore[attr-defined]
    assert temperature > 1.5
    power = given["proba"] ** (1 / temperature)
    tempered = View(**given | {"proba": power / power.sum(axis=1, keepdims=True)})
    assert propose(strategy, view, 20, rng()).rows.tolist() == rows(inner, tempered, 20)
    assert strategy.kind == get(inner).kind
    if strategy.kind == "rowwise":
        assert score(strategy, view) == pytest.approx(score(inner, tempered), abs=1e-12)
    # What is calibrated already stays nearly as it is.
    twice = propose(f"calibrated(calibrated({inner}, prior=0.0), prior=0.0)", view, 20, rng())
    once = propose(f"calibrated({inner}, prior=0.0)", view, 20, rng())
    assert set(twice.rows) == set(once.rows)


def test_calibrated_fits_once_for_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.calibrated as module

    calls: list[int] = []
    fit = module._fit
    monkeypatch.setattr(module, "_fit", lambda *args: calls.append(1) or fit(*args))
    monkeypatch.setattr(module, "block_rows", lambda view: 7)
    view = View(**arrays())
    picked = rows("calibrated(entropy)", view, 60)
    assert len(calls) == 1
    best = score("calibrated(entropy)", view)
    assert picked == sorted(range(60), key=lambda row: (-best[row], row))


@pytest.mark.parametrize("labels", [list("abcabca"), [0, 1, 2, 3, 4, 0, 1], [-1, 0, 1, 2, 3, 0, 1], [0.5] * 7])
def test_calibrated_refuses_labels_that_are_no_columns(labels: list[Any]) -> None:
    with pytest.raises(ViewError, match=r"seen_y is .* expected columns of proba, whole numbers from 0 to 3"):
        propose("calibrated(entropy)", View(**arrays() | {"seen_y": np.array(labels)}), 3, rng())


def test_calibrated_leaves_out_labels_that_are_none_of_the_classes_of_the_view() -> None:
    proba, label = labelled(40, 3, 2.5)
    words = np.array(["ant", "bee", "cow"])
    given = {"proba": arrays(classes=3)["proba"], "classes": words}
    strategy: Any = get("calibrated(entropy)")
    mixed = np.append(words[label], ["dog", "dog"])
    view = View(**given, seen_proba=np.append(proba, proba[:2], axis=0), seen_y=mixed)
    assert strategy.temperature(view) == strategy.temperature(View(**given, seen_proba=proba, seen_y=words[label]))
    assert strategy.temperature(view) > 1.2
    assert len(rows("calibrated(entropy)", view, 5)) == 5
    none = View(**given, seen_proba=proba[:1], seen_y=["dog"])
    assert strategy.temperature(none) == 1


# --- votes -----------------------------------------------------------------------------------------------------------


def voted(committee: np.ndarray, row: int) -> list[int]:
    return sorted(Counter(int(np.argmax(m[row])) for m in committee).values())


@pytest.mark.parametrize(("M", "C"), [(1, 3), (2, 2), (5, 3), (8, 12), (3, 1)])
def test_votes_are_counted_by_hand(M: int, C: int) -> None:
    committee = members(M, 60, C, seed=M)
    view = View(committee=committee)
    entropy = [scipy.stats.entropy(voted(committee, row)) for row in range(60)]
    assert score("vote_entropy", view) == pytest.approx(entropy, abs=1e-6)
    ratio = [1 - max(voted(committee, row)) / M for row in range(60)]
    assert score("variation_ratio", view) == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize("spelling", ["vote_entropy", "variation_ratio"])
def test_equal_votes_are_ordered_by_the_consensus_and_unequal_ones_are_not(spelling: str) -> None:
    committee = members(8, 500, 10, noise=2.0)
    view = View(committee=committee)

    def key(row: int) -> tuple[float, float, int]:
        counted = voted(committee, row)
        primary = scipy.stats.entropy(counted) if spelling == "vote_entropy" else 1 - max(counted) / 8
        mean = np.sort(np.mean([m[row] for m in committee], axis=0))
        # Votes (4, 1, 1, 1, 1) and (2, 2, 2, 2) have the same entropy exactly; they must tie in spite of rounding.
        return -round(float(primary), 6), mean[-1] - mean[-2], row

    assert rows(spelling, view, 500) == sorted(range(500), key=key)
    assert len(Counter(tuple(voted(committee, row)) for row in range(500))) > 8


def test_a_member_votes_for_the_first_of_equal_classes() -> None:
    view = View(committee=[[[0.5, 0.5]], [[0.6, 0.4]]])
    assert score("vote_entropy", view) == pytest.approx([0], abs=1e-6)


class _Estimators:
    """A committee with modAL's interface whose predictions are given."""

    def __init__(self, committee: np.ndarray) -> None:
        self.committee, self.classes_ = committee, np.arange(committee.shape[2])

    def __len__(self) -> int:
        return len(self.committee)

    def __iter__(self) -> Any:
        return iter(self.committee)

    def vote(self, X: Any) -> np.ndarray:
        return np.asarray(self.committee.argmax(axis=2).T)

    def vote_proba(self, X: Any) -> np.ndarray:
        return np.asarray(self.committee.transpose(1, 0, 2))

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.asarray(self.committee.mean(axis=0))


@pytest.mark.parametrize(
    ("spelling", "function", "tolerance"),
    [
        ("vote_entropy", "vote_entropy", 1e-6),
        ("consensus_entropy", "consensus_entropy", 1e-12),
        ("max_disagreement", "KL_max_disagreement", 1e-12),
    ],
)
@pytest.mark.parametrize("M", [1, 2, 7])
def test_disagreement_agrees_with_modal(spelling: str, function: str, tolerance: float, M: int) -> None:
    modal = pytest.importorskip("modAL.disagreement")
    committee = members(M, 100, 4)
    committee[:, :5] = np.eye(4)[:1]
    theirs = getattr(modal, function)(_Estimators(committee), np.zeros((100, 1)))
    assert score(spelling, View(committee=committee)) == pytest.approx(theirs, abs=tolerance)


def test_votes_and_mean_divergence_agree_with_scikit_activeml() -> None:
    pool = pytest.importorskip("skactiveml.pool")
    committee = members(5, 100, 4)
    view = View(committee=committee)
    ballots = committee.argmax(axis=2).T
    assert score("vote_entropy", view) == pytest.approx(pool.vote_entropy(ballots, np.arange(4)), abs=1e-6)
    assert score("variation_ratio", view) == pytest.approx(pool.variation_ratios(ballots), abs=1e-6)
    # The mean divergence from the consensus is the mutual information: one strategy, not two.
    assert score("bald", view) == pytest.approx(pool.average_kl_divergence(committee.copy()), abs=1e-12)


# --- divergence and information --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_max_disagreement_and_bald_agree_with_sums_written_out(seed: int) -> None:
    committee = members(4, 50, 3, seed=seed)
    committee[:, :3] = np.eye(3)[None]  # certain and agreed
    committee[0, 3], committee[1:, 3] = [1, 0, 0], [0, 1, 0]  # certain and at odds
    view = View(committee=committee)
    mean = committee.mean(axis=0)
    divergence = np.array([[scipy.stats.entropy(m[u], mean[u]) for u in range(50)] for m in committee])
    assert score("max_disagreement", view) == pytest.approx(divergence.max(axis=0), abs=1e-12)
    assert score("bald", view) == pytest.approx(divergence.mean(axis=0), abs=1e-12)
    assert score("bald", view)[:3].tolist() == [0, 0, 0]
    assert score("max_disagreement", view)[3] == pytest.approx(np.log(4))
    assert score("consensus_entropy", view) == pytest.approx(scipy.stats.entropy(mean, axis=1), abs=1e-12)


@pytest.mark.parametrize("name", ["bald", "max_disagreement"])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_rows_on_which_all_members_agree_tie_at_zero(name: str, classes: int) -> None:
    one = rng(classes).dirichlet(np.full(classes, 0.3), 300)
    for size in (3, 5, 7):
        view = View(committee=np.stack([one] * size))
        assert score(name, view).tolist() == [0.0] * 300
        assert rows(name, view, 4) == [0, 1, 2, 3]
    # A difference that the inputs do hold is kept.
    shifted = 0.99 * one + 0.01 * np.roll(one, 1, axis=1)
    assert np.all(score(name, View(committee=np.stack([one, shifted]))) > 0)


def test_power_bald_draws_in_proportion_to_the_power_of_bald() -> None:
    committee = members(3, 4, 3, noise=2.0)
    committee[:, 3] = committee[0, 3]
    bald = information(committee)
    generator = rng(4)
    first = Counter(
        propose("power_bald(beta=2.0)", View(committee=committee), 1, generator).rows[0] for _ in range(6000)
    )
    assert first[3] == 0
    weight = bald[:3] ** 2
    assert scipy.stats.chisquare([first[i] for i in range(3)], 6000 * weight / weight.sum()).pvalue > 1e-4


# --- BatchBALD -------------------------------------------------------------------------------------------------------


def joint_information(committee: np.ndarray, picked: list[int]) -> float:
    """Mutual information of the labels of some rows and the member, by enumeration of all configurations."""
    M, _, C = committee.shape
    total = 0.0
    for labels in itertools.product(range(C), repeat=len(picked)):
        each = np.prod([committee[:, row, c] for row, c in zip(picked, labels, strict=True)], axis=0)
        total -= each.mean() * np.log(each.mean()) if each.mean() > 0 else 0.0
    for m in range(M):
        total -= sum(scipy.stats.entropy(committee[m, row]) for row in picked) / M
    return total


@pytest.mark.parametrize(("M", "U", "C"), [(2, 20, 2), (3, 30, 3), (6, 25, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_batch_bald_is_the_greedy_choice_by_brute_force(M: int, U: int, C: int, seed: int) -> None:
    committee = members(M, U, C, seed=seed, noise=1.5)
    committee[:, 1] = committee[:, 0]  # a duplicate
    answer = propose("batch_bald(samples=100000)", View(committee=committee), 5, rng())
    picked: list[int] = []
    before = 0.0
    for row, gain in zip(answer.rows.tolist(), answer.score.tolist(), strict=True):
        value = {r: joint_information(committee, [*picked, r]) for r in range(U) if r not in picked}
        assert row == max(value, key=lambda r: value[r]) or value[row] == pytest.approx(max(value.values()), abs=1e-6)
        assert gain == pytest.approx(value[row] - before, abs=2e-6)
        before = value[row]
        picked.append(row)


def test_batch_bald_agrees_with_scikit_activeml_where_that_is_exact() -> None:
    pool = pytest.importorskip("skactiveml.pool")
    committee = members(6, 40, 3, noise=1.5)
    # Theirs gives the joint information of the whole batch, ours what each row adds.
    theirs = pool.batch_bald(committee.copy(), 4, n_MC_samples=3**3, random_state=0)
    answer = propose("batch_bald", View(committee=committee), 4, rng())
    assert answer.rows.tolist() == np.nanargmax(theirs, axis=1).tolist()
    assert np.cumsum(answer.score) == pytest.approx(np.nanmax(theirs, axis=1), abs=1e-5)


def test_batch_bald_takes_different_questions_where_bald_repeats_one() -> None:
    committee = np.repeat(members(4, 6, 2, noise=2.0), 5, axis=1)
    view = View(committee=committee)
    assert len({row // 5 for row in rows("bald", view, 4)}) == 1
    assert len({row // 5 for row in rows("batch_bald", view, 4)}) > 1
    assert rows("batch_bald", view, 1) == rows("bald", view, 1)


def test_batch_bald_follows_bald_when_nothing_is_left_to_learn() -> None:
    # Two members that contradict each other on rows 0 to 4: one answer tells them apart.
    committee = members(1, 12, 3).repeat(2, axis=0)
    committee[0, :5], committee[1, :5] = [1, 0, 0], [0, 0, 1]
    answer = propose("batch_bald", View(committee=committee), 12, rng())
    assert answer.rows.tolist() == rows("bald", View(committee=committee), 12)
    assert answer.score == pytest.approx([np.log(2)] + [0] * 11, abs=1e-6)
    alone = propose("batch_bald", View(committee=committee[:1]), 4, rng())
    assert alone.score.tolist() == [0] * 4


def test_sampled_information_is_near_the_exact_one_and_never_far_above_log_m() -> None:
    committee = members(5, 300, 3, noise=0.5)
    view = View(committee=committee)
    exact = propose("batch_bald(samples=100000)", view, 7, rng())
    for seed in range(5):
        sampled = propose("batch_bald(samples=200)", view, 7, rng(seed))
        truth = joint_information(committee, sampled.rows.tolist())
        assert truth > 0.98 * exact.score.sum()
        assert sampled.score.sum() == pytest.approx(truth, rel=0.05)
    long = propose("batch_bald(samples=200)", view, 150, rng())
    assert 0.8 * np.log(5) < long.score.sum() < 1.15 * np.log(5)


def test_looking_again_only_where_it_can_matter_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.batch_bald as module

    view = View(committee=members(4, 200, 3))
    lazy = propose("batch_bald(samples=100000)", view, 6, rng())

    def eager(posterior: Any, proba: Any, entropy: Any, bound: Any) -> int:
        gain = posterior.gain(proba, entropy)
        bound[bound > -1] = gain[bound > -1]
        return int(bound.argmax())

    monkeypatch.setattr(module, "_best", eager)
    again = propose("batch_bald(samples=100000)", view, 6, rng())
    assert again.rows.tolist() == lazy.rows.tolist()
    monkeypatch.undo()
    # Blocks of a few rows at a time give the same too.
    monkeypatch.setattr(module, "_ENTRIES", 1)
    small = propose("batch_bald(samples=100000)", view, 6, rng())
    assert small.rows.tolist() == lazy.rows.tolist()
    assert small.score.tolist() == lazy.score.tolist()


def test_batch_bald_sees_the_best_rows_by_bald_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.batch_bald as module

    monkeypatch.setattr(module, "_CANDIDATES", 10)
    view = View(committee=members(5, 300, 3))
    assert set(rows("batch_bald", view, 4)) <= set(rows("bald", view, 10))
    assert set(rows("batch_bald", view, 10)) <= set(rows("bald", view, 20))
    assert len(set(rows("batch_bald", view, 290))) == 290


@pytest.mark.parametrize("seed", range(3))
def test_sampled_masses_are_right_on_average_and_large_ones_stay(seed: int) -> None:
    mass = rng(seed).random(40) ** 6
    mass /= mass.sum()
    total = np.zeros(40)
    generator = rng(seed)
    for _ in range(4000):
        kept, new = _sampled(mass, 12, generator)
        assert 11 <= len(kept) <= 12
        assert new.sum() == pytest.approx(1, abs=0.1)
        total[kept] += new
    assert total / 4000 == pytest.approx(mass, abs=4e-3)
    assert np.all(np.isin(np.argsort(-mass)[:4], kept))


def test_labels_of_sampled_configurations_are_as_likely_as_they_should_be() -> None:
    # A thousand configurations of equal mass, each with the same chances: the sample must show these chances.
    weight = rng().dirichlet([1, 1], 1000)
    posterior = _Posterior(weight, np.ones(1000))
    proba = np.array([[0.3, 0.7], [0.7, 0.3]])
    mean = posterior.weight.T @ posterior.mass
    for seed in range(10):
        after = posterior.after(proba, 1000, rng(seed))
        assert after.weight.T @ after.mass == pytest.approx(mean, abs=5e-3)


def test_weights_of_members_sum_to_one_exactly_so_that_no_gain_is_negative() -> None:
    weight = rng().dirichlet(np.ones(7), 200)
    assert _Posterior(weight, np.ones(200)).weight.sum(axis=1).tolist() == [1.0] * 200


# --- change ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_flips_are_sorted_by_change_of_class_and_then_by_total_variation(classes: int) -> None:
    given = arrays(120, classes=classes)
    now, before = given["proba"], given["previous"]
    now[:30] = before[:30] * 0.98 + now[:30] * 0.02

    def key(row: int) -> tuple[bool, float]:
        moved = sum(max(a - b, 0) for a, b in zip(now[row], before[row], strict=True))
        return int(np.argmax(now[row])) == int(np.argmax(before[row])), -moved

    view = View(proba=now, previous=before)
    expected = sorted(range(120), key=key)
    if classes > 1:
        assert rows("flips", view, 120) == expected
    flipped = now.argmax(axis=1) != before.argmax(axis=1)
    assert np.all(score("flips", view)[flipped] > 1)
    assert np.all(score("flips", view)[~flipped] <= 0.5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bias", [False, True])
def test_expected_gradient_length_is_that_of_gradients_written_out(seed: int, bias: bool) -> None:
    given = arrays(40, seed=seed)
    proba, x = given["proba"], given["embedding"].astype(float)
    proba[:4] = np.eye(4)
    proba[4] = [1 - 3e-9, 1e-9, 1e-9, 1e-9]
    inputs = np.column_stack([x, np.ones(40)]) if bias else x
    expected = [
        sum(p[c] * np.linalg.norm(np.outer(p - np.eye(4)[c], v)) for c in range(4))
        for p, v in zip(proba, inputs, strict=True)
    ]
    found = score(f"expected_gradient_length(bias={bias})", View(proba=proba, embedding=x))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert found[:4].tolist() == [0] * 4


def test_wide_embeddings_are_squared_in_blocks_and_give_the_same_bits() -> None:
    x = rng().normal(size=(20_000, 100)).astype(np.float32)
    view = View(proba=np.full((20_000, 2), 0.5), embedding=x)
    tracemalloc.start()
    found = score("expected_gradient_length", view)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6  # the squares of all rows would be 16 MB
    assert found.tolist() == (np.sqrt(0.5) * np.sqrt(np.square(x, dtype=float).sum(axis=1))).tolist()
    assert get("expected_gradient_length").bias is False  # type: ignore[attr-defined]
    numpys: Any = type(get("expected_gradient_length"))
    assert numpys(bias=np.True_).spelling == "expected_gradient_length(bias=True)"


def test_the_gradient_is_that_of_the_logarithmic_loss() -> None:
    p = np.array([0.2, 0.5, 0.3])
    x = np.array([1.5, -2.0])
    weight = np.linalg.lstsq(x[None], np.log(p)[None], rcond=None)[0]

    def cross_entropy(flat: np.ndarray, c: int) -> float:
        logits = x @ flat.reshape(2, 3)
        return float(np.log(np.exp(logits).sum()) - logits[c])

    lengths = [np.linalg.norm(scipy.optimize.approx_fprime(weight.ravel(), cross_entropy, 1e-7, c)) for c in range(3)]
    found = score("expected_gradient_length", View(proba=[p], embedding=[x]))
    assert found == pytest.approx([np.dot(p, lengths)], rel=1e-5)


def test_margins_stay_bit_for_bit() -> None:
    proba = arrays(50)["proba"]
    two = np.sort(proba, axis=1)
    assert margins(proba).tolist() == (two[:, -1] - two[:, -2]).tolist()
