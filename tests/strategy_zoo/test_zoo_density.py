"""Density and coverage: each strategy agrees with a reference written another way, and with other libraries."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from scipy.spatial.distance import cdist

import strategy_zoo._kernel as kernel
from strategy_zoo import View, get, propose
from strategy_zoo._grid import lengths, snap
from strategy_zoo._kmeans import centres, kmeans, seed_rows
from strategy_zoo.errors import SpellingError
from strategy_zoo.strategies import k_center, prob_cover
from strategy_zoo.testing import arrays, check_strategy
from tests.strategy_zoo.shorthand import rng, rows

COVERING = ("max_herding", "uncertainty_herding", "facility_location", "prob_cover")
CLUSTERING = ("k_means", "weighted_k_means", "clue")


def unit(points: np.ndarray) -> np.ndarray:
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def blobs(sizes: list[int], spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    owner = np.repeat(np.arange(len(sizes)), sizes)
    middle = np.array([[10.0 * i, 7.0 * (i % 2)] for i in range(len(sizes))])
    return (middle[owner] + rng(seed).normal(size=(len(owner), 2)) * spread).astype(np.float32), owner


def sample(n: int = 60, labelled: int = 7, columns: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    given = arrays(n, labelled=labelled, columns=columns, seed=seed)
    return {name: given[name] for name in ("proba", "embedding", "seen_embedding")}


def half_margin(proba: np.ndarray) -> np.ndarray:
    ordered = np.sort(proba, axis=1)
    return 1 - (ordered[:, -1] - ordered[:, -2])


@pytest.mark.parametrize(
    "spelling",
    [
        *("information_density", "information_density(beta=2.5, uncertainty='margin', similarity='cosine')"),
        *("k_means", "weighted_k_means", "weighted_k_means(factor=2)", "clue", "clue(temperature=0.1)"),
        *("prob_cover", "prob_cover(radius=2.0, metric='cosine')", "max_herding", "max_herding(metric='cosine')"),
        *("uncertainty_herding", "uncertainty_herding(lengthscale=0.001)", "facility_location"),
        "facility_location(metric='cosine')",
    ],
)
def test_density_strategies_pass_the_contract(spelling: str) -> None:
    check_strategy(spelling)


@pytest.mark.parametrize(
    ("spelling", "word"),
    [
        *(("information_density(beta=-1)", "beta"), ("information_density(beta=101)", "beta")),
        *(("information_density(uncertainty='x')", "uncertainty"), ("information_density(similarity=1)", "similarity")),
        *(("weighted_k_means(factor=0)", "factor"), ("weighted_k_means(factor=1.5)", "factor")),
        *(("clue(temperature=0)", "temperature"), ("prob_cover(radius=0)", "radius")),
        *(
            ("prob_cover(radius='a')", "radius"),
            ("prob_cover(purity=0)", "purity"),
            ("prob_cover(purity=1.1)", "purity"),
        ),
        *(("prob_cover(clusters=1)", "clusters"), ("prob_cover(metric='l1')", "metric")),
        *(("max_herding(lengthscale=0)", "lengthscale"), ("max_herding(metric='l1')", "metric")),
        *(("uncertainty_herding(lengthscale=-1)", "lengthscale"), ("uncertainty_herding(metric=2)", "metric")),
        *(("facility_location(metric='l1')", "metric"), ("k_means(k=3)", "k")),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(spelling: str, word: str) -> None:
    with pytest.raises(SpellingError, match=rf"\b{re.escape(word)}\b"):
        get(spelling)


def test_rows_that_sum_to_a_little_more_than_1_have_no_doubt_instead_of_less_than_none() -> None:
    proba = np.array([[1.0005, 0.0]] * 3 + [[0.6, 0.4], [0.5, 0.5], [0.9, 0.1]])
    view = View(proba=proba, embedding=np.arange(6.0)[:, None])
    for spelling in (
        *("uncertainty_herding", "weighted_k_means", "clue", "information_density(uncertainty='margin')"),
        "information_density(uncertainty='least_confidence')",
    ):
        answer = propose(spelling, view, 6, rng())
        assert answer.rows.tolist() == [4, 3, 5, 0, 1, 2]
        assert (answer.score[:3] > 0).all()
        assert answer.score[3:].tolist() == [0, 0, 0]


# --- information density ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uncertainty", ["entropy", "margin", "least_confidence"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("similarity", ["shifted", "cosine"])
def test_information_density_is_uncertainty_times_the_mean_over_all_pairs(
    uncertainty: str, beta: float, similarity: str
) -> None:
    given = sample(80, seed=3)
    given["embedding"] -= 4  # cosines of both signs
    cosine = 1 - cdist(given["embedding"].astype(float), given["embedding"].astype(float), "cosine")
    assert cosine.mean(axis=1).min() < 0 < cosine.mean(axis=1).max()
    density = ((1 + cosine) / 2 if similarity == "shifted" else cosine).mean(axis=1)
    doubt = {
        "entropy": scipy.stats.entropy(given["proba"], axis=1),
        "margin": half_margin(given["proba"]),
        "least_confidence": 1 - given["proba"].max(axis=1),
    }[uncertainty]
    expected = doubt * np.maximum(density, 0) ** beta
    answer = propose(
        f"information_density(beta={beta}, uncertainty={uncertainty!r}, similarity={similarity!r})",
        View(**given),
        80,
        rng(),
    )
    assert answer.score == pytest.approx(expected[answer.rows], abs=2e-6)
    # Equal scores (all rows of a mean cosine below zero) in the order of the uncertainty.
    exact = sorted(range(80), key=lambda r: (-np.round(expected[r], 9), -doubt[r]))
    assert answer.rows.tolist() == exact
    few = propose(f"information_density(beta={beta}, similarity={similarity!r})", View(**given), 7, rng())
    assert (
        few.rows.tolist() == rows(f"information_density(beta={beta}, similarity={similarity!r})", View(**given), 80)[:7]
    )


def test_information_density_without_weight_is_entropy() -> None:
    view = View(**sample())
    assert rows("information_density(beta=0.0)", view, 20) == rows("entropy", view, 20)


def test_information_density_bounds_that_of_modal_from_below() -> None:
    """modAL's density is the mean of 1 / (1 + cosine distance) = 1 / (2 - cosine): convex, so Jensen bounds it."""
    modal = pytest.importorskip("modAL.density")
    pool = sample(150, columns=3, seed=4)["embedding"].astype(float) - 5
    theirs = modal.information_density(pool, metric="cosine")
    half = np.full((150, 2), 0.5)
    answer = propose("information_density", View(proba=half, embedding=pool), 150, rng())
    shifted = np.empty(150)
    shifted[answer.rows] = answer.score / np.log(2)
    mean = 2 * shifted - 1  # back to the mean cosine
    assert np.all(theirs >= 1 / (2 - mean) - 1e-9)
    assert scipy.stats.spearmanr(theirs, shifted).statistic > 0.9
    # Where each row has one cosine to all others there is nothing to average, and both agree.
    same = np.repeat(pool[:1], 5, axis=0)
    equal = propose("information_density", View(proba=half[:5], embedding=same), 5, rng()).score / np.log(2)
    assert modal.information_density(same, metric="cosine") == pytest.approx(1 / (2 - (2 * equal - 1)), rel=1e-5)
    # By default theirs is the Euclidean one, another quantity, which falls with the distance from the crowd.
    assert scipy.stats.spearmanr(modal.information_density(pool), shifted).statistic < 0.9


# --- clusters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_centres_are_those_of_scikit_learn_from_the_same_seeds(seed: int, weighted: bool, columns: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    (points,), step = snap(rng(seed).normal(size=(200, columns)))
    weight = rng(seed + 10).random(200) if weighted else None
    start = points[seed_rows(points.astype(float), 6, rng(seed), weight)].astype(float)
    theirs = cluster.KMeans(6, init=start * step, n_init=1, max_iter=100, tol=0, algorithm="lloyd")
    theirs.fit(points * step, sample_weight=weight)
    assert centres(points, 6, rng(seed), 100, weight) * step == pytest.approx(theirs.cluster_centers_, abs=1e-4)


def test_whole_weights_are_repeated_rows() -> None:
    points, _ = blobs([40, 30], spread=3.0)
    weight = rng(1).integers(1, 4, 70)
    (grid,), _ = snap(points)
    assert weight.max() > 1
    # From one seed: the mean of all rows, so that the draws of the seeds don't matter.
    single = centres(grid, 1, rng(), weight=weight.astype(float))
    assert single == pytest.approx(centres(np.repeat(grid, weight, axis=0), 1, rng()), abs=1)


def test_rows_without_weight_neither_seed_nor_pull() -> None:
    points, owner = blobs([30, 20, 10])
    (grid,), _ = snap(points)
    weight = (owner < 2).astype(float)
    for seed in range(10):
        assert set(owner[seed_rows(grid, 2, rng(seed), weight)]) == {0, 1}
        found = centres(grid, 5, rng(seed), weight=weight)
        inside = grid[owner < 2].astype(float)
        assert np.all(cdist(found, inside).min(axis=1) < cdist(found, grid[owner == 2].astype(float)).min(axis=1))
    assert len(seed_rows(grid, 2, rng(), np.zeros(60))) == 0


def test_clusters_are_the_same_from_weighted_and_plain_sums() -> None:
    (grid,), _ = snap(rng(2).normal(size=(150, 4)))
    label = kmeans(grid, 5, rng(3), rounds=50)
    expected = np.array([np.rint(grid[label == c].astype(float).mean(axis=0)) for c in range(5)])
    assert sorted(centres(grid, 5, rng(3), 50).tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("name", CLUSTERING)
def test_clustering_takes_the_middle_of_each_blob_heaviest_first(name: str) -> None:
    embedding, owner = blobs([40, 25, 15, 8])
    proba = np.full((88, 2), 0.5)  # all weights are equal
    answer = propose(name, View(proba=proba, embedding=embedding), 4, rng())
    if name == "weighted_k_means":  # it keeps 10 rows for each one wanted
        answer = propose("weighted_k_means(factor=30)", View(proba=proba, embedding=embedding), 4, rng())
    assert owner[answer.rows].tolist() == [0, 1, 2, 3]
    assert answer.score == pytest.approx(np.array([40, 25, 15, 8]) / 88)
    for row in answer.rows:
        mine = np.flatnonzero(owner == owner[row])
        middle = embedding[mine].astype(float).mean(axis=0, keepdims=True)
        assert row == mine[cdist(middle, embedding[mine].astype(float))[0].argmin()]


def test_weights_move_the_pick_to_the_uncertain_side() -> None:
    embedding = np.linspace(0, 1, 21)[:, None]
    for name, weight in (
        ("weighted_k_means(factor=100)", half_margin),
        ("clue", lambda p: scipy.stats.entropy(p, axis=1)),
    ):
        high = np.linspace(0.5, 0.999, 21)  # the rows become certain from left to right
        proba = np.column_stack([high, 1 - high])
        w = weight(proba)
        expected = np.abs(embedding[:, 0] - (w * embedding[:, 0]).sum() / w.sum()).argmin()
        picked = rows(name, View(proba=proba, embedding=embedding), 1)
        assert picked == [expected]
        assert expected < 10  # left of the middle


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0])
def test_the_temperature_of_clue_divides_the_logits(temperature: float) -> None:
    logits = rng(1).normal(size=(40, 4)) * 2
    soft = scipy.special.softmax(logits, axis=1)
    weight = scipy.stats.entropy(scipy.special.softmax(logits / temperature, axis=1), axis=1)
    embedding = rng(2).normal(size=(40, 2))
    answer = propose(f"clue(temperature={temperature})", View(proba=soft, embedding=embedding), 1, rng())
    middle = (weight[:, None] * embedding).sum(axis=0, keepdims=True) / weight.sum()
    assert answer.rows[0] == cdist(middle, embedding)[0].argmin()
    # The shares of two clusters are those of the entropy.
    blob, owner = blobs([25, 15])
    two = propose(f"clue(temperature={temperature})", View(proba=soft, embedding=blob), 2, rng())
    shares = np.bincount(owner, weight) / weight.sum()
    assert two.score == pytest.approx(np.sort(shares)[::-1])


def test_clue_agrees_with_scikit_activeml() -> None:
    pool = pytest.importorskip("skactiveml.pool")
    classifier = pytest.importorskip("skactiveml.classifier")
    embedding, owner = blobs([40, 30, 20])
    y = np.full(90, np.nan)
    y[[0, 45, 80]] = [0, 1, 0]
    left = np.flatnonzero(np.isnan(y))
    clf = classifier.ParzenWindowClassifier(classes=[0, 1], random_state=0).fit(embedding, y)
    proba = clf.predict_proba(embedding[left])
    picked = rows("clue", View(proba=proba, embedding=embedding[left]), 3)
    query = pool.Clue(random_state=0, cluster_algo_dict={"random_state": 0, "n_init": 3})
    theirs = query.query(embedding.astype(float), y, clf, fit_estimator=False, batch_size=3)
    assert {int(left[row]) for row in picked} == {int(row) for row in theirs}
    assert set(owner[theirs]) == {0, 1, 2}


def test_clue_gives_scikit_activeml_s_rows_for_the_same_centres() -> None:
    """Only the order differs: theirs is that of the clusters' numbers, ours begins with the heaviest cluster."""
    pool = pytest.importorskip("skactiveml.pool")
    base = pytest.importorskip("skactiveml.base")
    given = sample(70, seed=5)

    class Known(base.SkactivemlClassifier):  # type: ignore[misc,name-defined]
        def fit(self, X: Any, y: Any) -> "Known":
            return self

        def predict_proba(self, X: Any) -> Any:
            return given["proba"]

    class Ours:
        def __init__(self, n_clusters: int) -> None:
            self.n_clusters = n_clusters

        def fit_transform(self, X: np.ndarray, y: Any, sample_weight: np.ndarray) -> np.ndarray:
            (points,), _ = snap(X.astype(np.float32))
            return cdist(points.astype(float), centres(points, self.n_clusters, rng(1), weight=sample_weight))

    embedding = given["embedding"].astype(float)
    theirs = pool.Clue(random_state=0, cluster_algo=Ours).query(
        embedding, np.full(70, np.nan), Known(classes=[0, 1, 2, 3]), fit_estimator=False, batch_size=9
    )
    assert sorted(rows("clue", View(proba=given["proba"], embedding=embedding), 9, seed=1)) == sorted(theirs.tolist())


def test_weighted_k_means_stays_inside_the_least_margins() -> None:
    view = View(**sample(100))
    for factor in (1, 3):
        picked = rows(f"weighted_k_means(factor={factor})", view, 12)
        assert set(picked) <= set(rows("margin", view, 12 * factor))
    assert sorted(rows("weighted_k_means(factor=1)", view, 12)) == sorted(rows("margin", view, 12))


@pytest.mark.parametrize("name", CLUSTERING)
def test_duplicates_are_filled_up_without_repeating_a_row(name: str) -> None:
    embedding = np.repeat(rng(1).normal(size=(4, 3)), 5, axis=0)
    proba = sample(20)["proba"]
    answer = propose(name, View(proba=proba, embedding=embedding), 11, rng())
    assert len(set(answer.rows.tolist())) == 11
    assert {row // 5 for row in answer.rows[:4].tolist()} == {0, 1, 2, 3}
    assert np.all(answer.score[:4] > 0)
    assert answer.score[4:].tolist() == [0.0] * 7
    if name != "k_means":
        weight = half_margin(proba) if name == "weighted_k_means" else scipy.stats.entropy(proba, axis=1)
        rest = sorted(set(range(20)) - set(answer.rows[:4].tolist()), key=lambda r: -weight[r])
        assert answer.rows[4:].tolist() == rest[:7]


def test_a_row_that_is_closest_to_two_centres_stands_for_the_heavier_one() -> None:
    points = np.array([[0.0], [4.0], [-5.0], [5.0], [5.5]], np.float32) * 1024
    middle = np.array([[-1.0], [1.0], [5.0]]) * 1024
    found, share = kernel.representatives(points, middle, 3)
    # Rows by centre: {0, 2} (0 is as close to both of them, the first one has it), none, {1, 3, 4}.
    assert found.tolist() == [3, 0, 1]
    assert share == pytest.approx([0.6, 0.4, 0.0])


@pytest.mark.parametrize("name", ["k_means", "clue"])
def test_large_pools_are_clustered_by_a_subset_and_searched_as_a_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "MOST_ROWS", 30)
    embedding, owner = blobs([80, 60], spread=1.0)
    view = View(proba=np.full((140, 2), 0.5), embedding=embedding)
    picks = [propose(name, view, 2, rng(seed)) for seed in range(5)]
    assert len({tuple(answer.rows.tolist()) for answer in picks}) > 1  # subsets differ, and with them the centres
    for answer in picks:
        assert owner[answer.rows].tolist() == [0, 1]
        assert answer.score == pytest.approx([80 / 140, 60 / 140])
    assert len(set(rows(name, view, 100))) == 100


# --- coverage --------------------------------------------------------------------------------------------------------


def naive(
    similarity: np.ndarray, to_seen: np.ndarray, n: int, weight: np.ndarray | None = None
) -> tuple[list[int], list[float]]:
    """Greedy coverage with the whole matrix of pairs, every gain worked out in every step."""
    weight = np.ones(len(similarity)) if weight is None else weight
    reached = to_seen.max(axis=1) if to_seen.size else np.zeros(len(similarity))
    picked: list[int] = []
    gain: list[float] = []
    for _ in range(n):
        value = [
            -np.inf if c in picked else float((weight * np.maximum(similarity[:, c] - reached, 0)).mean())
            for c in range(len(similarity))
        ]
        best = int(np.argmax(value))
        picked.append(best)
        gain.append(value[best])
        reached = np.maximum(reached, similarity[:, best])
    return picked, gain


def rbf(lengthscale: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda a, b: np.exp(-(cdist(a, b) ** 2) / lengthscale**2)


@pytest.mark.parametrize("labelled", [0, 1, 9])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("spelling", "similarity", "scaled", "weighted"),
    [
        ("max_herding(lengthscale=3.0)", rbf(3.0), False, False),
        ("max_herding(lengthscale=0.3, metric='cosine')", rbf(0.3), True, False),
        ("uncertainty_herding(lengthscale=2.0)", rbf(2.0), False, True),
        ("uncertainty_herding(lengthscale=0.5, metric='cosine')", rbf(0.5), True, True),
        ("facility_location", lambda a, b: 1000 - cdist(a, b), False, False),
        ("facility_location(metric='cosine')", lambda a, b: 2 - cdist(a, b, "cosine"), True, False),
    ],
)
def test_covering_picks_are_those_of_the_naive_greedy_method(
    spelling: str, similarity: Any, scaled: bool, weighted: bool, seed: int, labelled: int
) -> None:
    given = sample(300, labelled=labelled, columns=4, seed=seed)
    pool, seen = given["embedding"].astype(float), given["seen_embedding"].astype(float)
    if scaled:
        pool, seen = unit(pool), unit(seen)
    between, to_seen = similarity(pool, pool), similarity(pool, seen) if labelled else np.empty((300, 0))
    weight = half_margin(given["proba"]) if weighted else None
    expected, gain = naive(between, to_seen, 25, weight)
    answer = propose(spelling, View(**given), 25, rng())
    assert answer.rows.tolist() == expected
    # Without labels the first gain of facility location holds a constant that is larger than any distance.
    first = 1 if spelling == "facility_location" and not labelled else 0
    assert answer.score[first:] == pytest.approx(gain[first:], rel=1e-3, abs=1e-6)


def test_herding_chooses_its_lengthscale_from_the_data() -> None:
    given = sample(400, labelled=6, columns=3)
    pool, seen = given["embedding"].astype(float), given["seen_embedding"].astype(float)
    view = View(**given)
    # Uncertainty herding: the smallest distance above zero between labelled rows.
    least = float(cdist(seen, seen)[np.triu_indices(6, 1)].min())
    twice = View(**given | {"seen_embedding": np.repeat(seen, 2, axis=0)})
    by_hand = rows(f"uncertainty_herding(lengthscale={least!r})", view, 20)
    assert rows("uncertainty_herding", view, 20) == by_hand == rows("uncertainty_herding", twice, 20)
    # Both without labels: the median distance of pairs over the root of 2, estimated by pairs drawn at random.
    (points,), step = snap(pool)
    guess = kernel.typical_distance(points, rng()) * step
    assert guess == pytest.approx(np.median(cdist(pool, pool)[np.triu_indices(400, 1)]), rel=0.03)
    alone = View(proba=given["proba"], embedding=pool)
    for name in ("max_herding", "uncertainty_herding"):
        spelled = f"{name}(lengthscale={guess / 2**0.5!r})"
        assert rows(name, alone, 20) == rows(spelled, alone, 20)
    assert kernel.typical_distance(points[:1], rng()) == 1.0
    assert kernel.typical_distance(points[[0, 0, 0]], rng()) == 1.0
    assert kernel.smallest_distance(points[:0]) == kernel.smallest_distance(points[[3, 3]]) == 0.0


def test_uncertainty_herding_becomes_margin_for_a_short_lengthscale_and_herding_for_equal_doubt() -> None:
    given = sample(120)
    view = View(**given)
    assert rows("uncertainty_herding(lengthscale=1e-9)", view, 30) == rows("margin", view, 30)
    for proba in (np.full((120, 2), 0.5), np.eye(2)[np.arange(120) % 2]):
        level = View(**given | {"proba": proba})
        assert rows("uncertainty_herding(lengthscale=2.0)", level, 15) == rows("max_herding(lengthscale=2.0)", view, 15)


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("labelled", [0, 8])
def test_max_herding_agrees_with_scikit_activeml(labelled: int, normalised: bool) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    given = sample(150, labelled=labelled, seed=2)
    both = np.concatenate([given["embedding"], given["seen_embedding"]]).astype(float)
    y = np.concatenate([np.full(150, np.nan), np.zeros(labelled)])
    scale = 0.5 if normalised else 4.0
    query = pool.MaxHerding(normalize_samples=normalised, metric_dict={"gamma": 1 / scale**2}, random_state=0)
    theirs, utility = query.query(both, y, batch_size=20, return_utilities=True)
    metric = "cosine" if normalised else "euclidean"
    answer = propose(f"max_herding(lengthscale={scale}, metric={metric!r})", View(**given), 20, rng())
    assert answer.rows.tolist() == theirs.tolist()
    assert answer.score == pytest.approx(np.nanmax(utility, axis=1), rel=1e-3, abs=1e-6)


def test_coverage_of_large_pools_is_a_fair_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    given = sample(90, labelled=0)
    (points,), step = snap(given["embedding"])
    weight = half_margin(given["proba"])
    alike = rbf(3.0)(points * step, points * step)
    exact = (weight[:, None] * alike).mean(axis=0)
    monkeypatch.setattr(kernel, "MOST_REFERENCES", 30)
    estimates = []
    for seed in range(300):
        cover = kernel.Coverage(points, points[:0], kernel.gaussian(3.0 / step), rng(seed), weight)
        estimates.append(cover._gains(np.arange(90)) / 90)
    assert np.std(estimates, axis=0).min() > 0
    error = np.std(estimates, axis=0) / 300**0.5
    assert np.all(np.abs(np.mean(estimates, axis=0) - exact) < 5 * error)
    # Far apart, each row covers itself alone, whether it is among those 30 or not.
    picked = kernel.Coverage(points, points[:0], kernel.gaussian(1e-9), rng(), weight).greedy(12)[0]
    assert picked.tolist() == np.argsort(-weight, kind="stable")[:12].tolist()


@pytest.mark.parametrize("name", COVERING)
def test_large_pools_are_covered_by_a_subset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MOST_ROWS", 60)
    monkeypatch.setattr(kernel, "MOST_REFERENCES", 25)
    monkeypatch.setattr(prob_cover, "_MOST_REFERENCES", 25)
    monkeypatch.setattr(prob_cover, "_MOST_PURITY_ROWS", 20)
    embedding, owner = blobs([80, 60, 40])
    view = View(proba=np.full((180, 3), 1 / 3), embedding=embedding, seen_embedding=embedding[:1] + 0.01)
    for seed in range(5):
        picked = rows(name, view, 2, seed)
        assert set(owner[picked]) == {1, 2}  # blob 0 has a label
    assert len({tuple(rows(name, view, 2, seed)) for seed in range(5)}) > 1
    assert len(set(rows(name, view, 100))) == 100
    assert sorted(rows(name, view, 180)) == list(range(180))


@pytest.mark.parametrize("name", COVERING)
def test_duplicates_of_labelled_rows_and_of_picks_come_last(name: str) -> None:
    different = sample(12)["embedding"]
    embedding = np.concatenate([different, different])
    view = View(proba=np.full((24, 2), 0.5), embedding=embedding, seen_embedding=different[:3])
    spelling = "prob_cover(radius=0.01)" if name == "prob_cover" else name
    answer = propose(spelling, view, 24, rng())
    assert sorted(row % 12 for row in answer.rows[:9].tolist()) == list(range(3, 12))
    assert answer.rows[:9].max() < 12  # the lower one of two equal rows
    assert answer.score[8] > 0
    assert answer.score[9:].tolist() == [0.0] * 15


# --- ProbCover -------------------------------------------------------------------------------------------------------


def cover_by_hand(pool: np.ndarray, seen: np.ndarray, radius: float, n: int) -> tuple[list[int], list[float]]:
    """Sets of neighbours; a pick is the first row with the most that are uncovered, then the one farthest away."""
    distance = cdist(pool, pool)
    ball = [set(np.flatnonzero(row < radius).tolist()) for row in distance]
    near = cdist(pool, seen).min(axis=1) if len(seen) else np.full(len(pool), np.inf)
    covered = set(np.flatnonzero(near < radius).tolist())
    picked: list[int] = []
    share: list[float] = []
    for _ in range(n):
        left = [row for row in range(len(pool)) if row not in picked]
        best = max(left, key=lambda row: (len(ball[row] - covered), -row))
        new = len(ball[best] - covered)
        if not new:
            best = max(left, key=lambda row: (near[row], -row))
        picked.append(best)
        share.append(new / len(pool))
        covered |= ball[best]
        near = np.minimum(near, distance[best])
    return picked, share


@pytest.mark.parametrize("labelled", [0, 1, 9])
@pytest.mark.parametrize("radius", [0.5, 2.0, 4.0, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_prob_cover_agrees_with_sets_of_neighbours(radius: float, labelled: int, seed: int) -> None:
    given = sample(200, labelled=labelled, columns=3, seed=seed)
    pool, seen = given["embedding"].astype(float), given["seen_embedding"].astype(float)
    expected, share = cover_by_hand(pool, seen, radius, 60)
    answer = propose(f"prob_cover(radius={radius})", View(**given), 60, rng())
    assert answer.rows.tolist() == expected
    assert answer.score == pytest.approx(share)
    turned, around = cover_by_hand(unit(pool), unit(seen), radius / 10, 30)
    answer = propose(f"prob_cover(radius={radius / 10}, metric='cosine')", View(**given), 30, rng())
    assert answer.rows.tolist() == turned
    assert answer.score == pytest.approx(around)


def test_rows_at_just_the_radius_are_outside() -> None:
    view = View(embedding=np.arange(6.0)[:, None])
    answer = propose("prob_cover(radius=1.0)", view, 6, rng())
    assert answer.score == pytest.approx([1 / 6] * 6)
    wider = propose("prob_cover(radius=1.01)", view, 2, rng())
    assert wider.rows.tolist() == [1, 4]


@pytest.mark.parametrize("labelled", [0, 6])
def test_prob_cover_takes_a_row_of_the_largest_degree_of_scikit_activeml(labelled: int) -> None:
    """Degrees tie often; scikit-activeml draws among equal ones, here the first row is taken."""
    pool = pytest.importorskip("skactiveml.pool")
    given = sample(120, labelled=labelled, columns=3, seed=6)
    both = np.concatenate([given["embedding"], given["seen_embedding"]]).astype(float)
    y = np.concatenate([np.full(120, np.nan), np.zeros(labelled)])
    answer = propose("prob_cover(radius=2.5)", View(**given), 15, rng())
    assert answer.score[-1] > 0
    for i, row in enumerate(answer.rows):
        y_now = y.copy()
        y_now[answer.rows[:i]] = 0
        # With one radius scikit-activeml measures no purity, and warns that it found none.
        with pytest.warns(UserWarning, match="maximum purity was -1"):
            _, utility = pool.ProbCover(deltas=[2.5], random_state=0).query(both, y_now, return_utilities=True)
        assert utility[0, row] == np.nanmax(utility)
        assert answer.score[i] * 120 == pytest.approx(utility[0, row])


def test_the_radius_is_the_largest_one_with_pure_balls() -> None:
    pool = pytest.importorskip("skactiveml.pool")
    embedding, owner = blobs([50, 40, 30], spread=1.8)
    (points,), step = snap(embedding)
    squared = lengths(points)
    for purity in (0.5, 0.9, 0.95, 1.0):
        radius = prob_cover._pure(points, squared, owner, purity, rng()) ** 0.5 * step
        distance = cdist(embedding.astype(float), embedding.astype(float))

        def pure(r: float, distance: np.ndarray = distance) -> float:
            impure = (distance < r) & (owner[:, None] != owner)
            return float(1 - impure.any(axis=1).mean())

        assert pure(radius * (1 - 1e-5)) >= purity > pure(radius * (1 + 1e-4))
    # The pick with this radius is that of the radius written out.
    far, far_owner = blobs([50, 40, 30], spread=0.8)
    view = View(embedding=far, proba=np.full((120, 3), 1 / 3))
    (grid,), unit_step = snap(far)
    found = prob_cover._pure(grid, lengths(grid), far_owner, 0.95, rng()) ** 0.5 * unit_step
    assert rows("prob_cover", view, 10) == rows(f"prob_cover(radius={found!r})", view, 10)
    assert rows("prob_cover(clusters=3)", View(embedding=far), 10) == rows("prob_cover", view, 10)
    # scikit-activeml tries a list of radii: it ends at the last one of the list that isn't larger.
    deltas = np.arange(0.5, 12, 0.25)
    query = pool.ProbCover(n_classes=3, deltas=deltas, cluster_algo_dict={"n_init": 5}, random_state=0)
    query.query(far.astype(float), np.full(120, np.nan))
    assert query.delta_max_ == pytest.approx(deltas[deltas < found].max())


# --- k-center, TypiClust and BADGE against scikit-activeml ------------------------------------------------------------


def test_k_center_agrees_with_scikit_activeml() -> None:
    pool = pytest.importorskip("skactiveml.pool")
    given = sample(150, labelled=5, seed=7)
    both = np.concatenate([given["embedding"], given["seen_embedding"]]).astype(float)
    y = np.concatenate([np.full(150, np.nan), np.zeros(5)])
    theirs, utility = pool.CoreSet(random_state=0).query(both, y, batch_size=25, return_utilities=True)
    answer = propose("k_center", View(**given), 25, rng())
    assert answer.rows.tolist() == theirs.tolist()
    assert answer.score == pytest.approx(np.nanmax(utility, axis=1), rel=1e-4)


def test_k_center_expects_a_small_pool_to_be_compared_with_all_that_is_labelled() -> None:
    small, large = (get("k_center").cost(U, 100_000, 1, 32, 1) for U in (1_000, 100_000))
    assert small > 1_000 * 100_000
    assert large < 100_000 * 100_000  # a bound spares most rows of a large one


@pytest.mark.parametrize("few", [1, 7, 40])
def test_k_center_gives_the_same_rows_however_few_labels_make_the_bound(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = sample(300, labelled=90, columns=2)
    given["embedding"] = np.round(given["embedding"])  # many ties and duplicates
    given["seen_embedding"] = np.round(given["seen_embedding"])
    whole = propose("k_center", View(**given), 300, rng())
    monkeypatch.setattr(k_center, "_FEW", few)
    monkeypatch.setattr(k_center, "_AT_ONCE", 5)
    lazy = propose("k_center", View(**given), 300, rng())
    assert lazy.rows.tolist() == whole.rows.tolist()
    assert lazy.score.tolist() == whole.score.tolist()


def test_typiclust_agrees_with_scikit_activeml_on_blobs() -> None:
    """The typicalities differ by the small number that keeps duplicates finite; L + n clusters in both."""
    pool = pytest.importorskip("skactiveml.pool")
    embedding, owner = blobs([30, 25, 20, 15])
    y = np.full(90, np.nan)
    y[[3, 35]] = 0  # the two largest blobs have a label
    left = np.flatnonzero(np.isnan(y))
    query = pool.TypiClust(k=5, random_state=0, cluster_algo_dict={"random_state": 0, "n_init": 5})
    theirs = query.query(embedding.astype(float), y, batch_size=2)
    view = View(embedding=embedding[left], seen_embedding=embedding[[3, 35]])
    answer = propose("typiclust(neighbours=5)", view, 2, rng())
    assert left[answer.rows].tolist() == theirs.tolist()
    assert owner[theirs].tolist() == [2, 3]


def test_badge_weighs_rows_as_scikit_activeml_but_for_the_origin() -> None:
    """scikit-activeml keeps the squared length of a gradient as an upper bound of its distance; ours drops it, as the
    authors' program does: after the first pick only distances to picks count."""
    pool = pytest.importorskip("skactiveml.pool")
    base = pytest.importorskip("skactiveml.base")
    given = sample(60, seed=8)

    class Known(base.SkactivemlClassifier):  # type: ignore[misc,name-defined]
        def fit(self, X: Any, y: Any) -> "Known":
            return self

        def predict_proba(self, X: Any) -> Any:
            return given["proba"]

    embedding = given["embedding"].astype(float)
    theirs, chance = pool.Badge(random_state=0).query(
        embedding, np.full(60, np.nan), Known(classes=[0, 1, 2, 3]), fit_clf=False, batch_size=2, return_utilities=True
    )
    answer = propose("badge", View(proba=given["proba"], embedding=embedding), 2, rng())
    assert answer.rows[0] == theirs[0]
    residual = given["proba"] - np.eye(4)[given["proba"].argmax(axis=1)]
    gradient = np.einsum("uc,ud->ucd", residual, embedding).reshape(60, -1)
    length, apart = (gradient**2).sum(axis=1), ((gradient - gradient[theirs[0]]) ** 2).sum(axis=1)
    bounded = np.minimum(length, apart)
    others = np.arange(60) != theirs[0]
    assert chance[1][others] == pytest.approx((bounded / bounded.sum())[others])
    assert answer.score[1] ** 2 == pytest.approx(apart[answer.rows[1]], rel=1e-3)
