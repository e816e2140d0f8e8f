"""Each strategy agrees with a reference written another way: by hand, by brute force, or by another library."""

import itertools
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from strategy_zoo import View, _grid, _kernel, get, propose
from strategy_zoo._grid import lengths, nearest, snap, to_row
from strategy_zoo._kmeans import draw, kmeans, seed_rows
from strategy_zoo.strategy import top
from strategy_zoo.testing import arrays
from tests.strategy_zoo.shorthand import rng, rows, score

PROBA = np.array([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0], [0.4, 0.35, 0.25], [1.0, 0.0, 0.0]])


# --- rowwise ---------------------------------------------------------------------------------------------------------


def test_uncertainty_scores_by_hand() -> None:
    view = View(proba=PROBA)
    assert score("margin", view) == pytest.approx([-0.3, 0.0, -0.05, -1.0])
    assert score("least_confidence", view) == pytest.approx([0.4, 0.5, 0.6, 0.0])
    assert rows("margin", view, 4) == [1, 2, 0, 3]
    assert rows("least_confidence", view, 4) == [2, 1, 0, 3]
    assert score("margin", View(proba=np.ones((3, 1)))).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("classes", [1, 2, 3, 31, 32, 33, 100])
def test_scores_agree_with_scipy_and_with_sorting(classes: int) -> None:
    proba = rng(classes).dirichlet(np.full(classes, 0.3), 500)
    proba[:20] = np.eye(classes)[np.arange(20) % classes]
    view = View(proba=proba)
    assert score("entropy", view) == pytest.approx(scipy.stats.entropy(proba, axis=1), abs=1e-12)
    ordered = np.sort(np.column_stack([proba, np.zeros(500)]) if classes == 1 else proba, axis=1)
    assert score("margin", view) == pytest.approx(ordered[:, -2] - ordered[:, -1], abs=1e-15)


@pytest.mark.parametrize(
    ("spelling", "method"),
    [("margin", "margin_sampling"), ("entropy", "entropy"), ("least_confidence", "least_confident")],
)
def test_scores_rank_as_scikit_activeml(spelling: str, method: str) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    proba = arrays(200)["proba"]
    theirs = pool.uncertainty_scores(proba, method=method)
    ours = score(spelling, View(proba=proba))
    # Theirs may be shifted (1 - margin); the differences between rows are the same.
    assert ours - ours.mean() == pytest.approx(theirs - theirs.mean(), abs=1e-12)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=1, max_size=30), st.integers(1, 40))
def test_top_is_the_stable_sort_for_any_ties(values: list[float], n: int) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:n]
    assert top(np.array(values), n).tolist() == expected


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=30), st.integers(1, 10), st.data())
def test_top_merges_over_any_partition(values: list[float], n: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    whole = np.array(values)
    both = np.concatenate([top(whole[:cut], n), top(whole[cut:], n) + cut])
    assert both[top(whole[both], n)].tolist() == top(whole, n).tolist()


def test_random_is_uniform_and_knows_its_probability() -> None:
    view = View(prediction=np.zeros(5))
    count: Counter[int] = Counter()
    generator = rng()
    for _ in range(4000):
        answer = propose("random", view, 2, generator)
        assert answer.probability is not None
        assert answer.probability.tolist() == [0.4, 0.4]
        count.update(answer.rows.tolist())
    assert scipy.stats.chisquare([count[row] for row in range(5)]).pvalue > 1e-4


def test_power_margin_draws_in_proportion_to_the_power_of_the_score() -> None:
    margin = np.array([0.0, 0.5, 0.75, 1.0])
    view = View(proba=np.column_stack([(1 + margin) / 2, (1 - margin) / 2]))
    for beta in (1.0, 2.0):
        generator = rng(3)
        first = Counter(propose(f"power_margin(beta={beta})", view, 1, generator).rows[0] for _ in range(6000))
        weight = (1 - margin) ** beta
        expected = 6000 * weight / weight.sum()
        assert first[3] == 0
        assert scipy.stats.chisquare([first[i] for i in range(3)], expected[:3]).pvalue > 1e-4


# --- balance ---------------------------------------------------------------------------------------------------------


def balanced_by_search(proba: np.ndarray, seen: list[int], n: int) -> list[int]:
    """The rule spelled out: scan all rows for the best (labels of the class, margin, row) again and again."""
    two = np.sort(proba, axis=1)
    margin, predicted = two[:, -1] - two[:, -2], proba.argmax(axis=1)
    count, left, out = Counter(seen), set(range(len(proba))), []
    while left and len(out) < n:
        # Only the least-margin row of a class may come next, and min() over all rows finds just that.
        row = min(left, key=lambda r: (count[predicted[r]], margin[r], r))
        left.remove(row)
        count[predicted[row]] += 1
        out.append(row)
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seen", [[], [0, 0, 0, 1, 3], [2] * 30])
def test_balanced_margin_agrees_with_an_exhaustive_search(seed: int, seen: list[int]) -> None:
    proba = arrays(40, seed=seed)["proba"]
    for n in (1, 7, 40):
        view = View(proba=proba, seen_y=np.array(seen, int))
        assert rows("balanced_margin", view, n) == balanced_by_search(proba, seen, n)


def test_balanced_margin_gives_equal_quota_and_more_to_rare_classes() -> None:
    proba = rng(2).dirichlet([4, 2, 2], 600)
    predicted = proba.argmax(axis=1)
    equal = Counter(predicted[rows("balanced_margin", View(proba=proba), 30)])
    assert set(equal.values()) == {10}
    rare = Counter(predicted[rows("balanced_margin", View(proba=proba, seen_y=[0] * 20 + [1] * 5), 20)])
    assert rare == {1: 8, 2: 12} or rare[2] > rare[1] > rare[0] == 0
    # Labels that are no column of proba count for nobody.
    words = rows("balanced_margin", View(proba=proba, seen_y=["a"] * 20), 30)
    assert words == rows("balanced_margin", View(proba=proba, seen_y=[-1, 3, 99]), 30)
    assert words == rows("balanced_margin", View(proba=proba), 30)


# --- k-center --------------------------------------------------------------------------------------------------------


def farthest_first(pool: np.ndarray, seen: np.ndarray, n: int, metric: Any) -> tuple[list[int], list[float]]:
    picked: list[int] = []
    reached: list[float] = []
    for _ in range(n):
        covered = np.concatenate([seen, pool[picked]])
        if len(covered):
            distance = cdist(pool, covered, metric).min(axis=1)
        else:
            distance = -cdist(pool, pool.mean(axis=0, keepdims=True))[:, 0]
        distance[picked] = -np.inf
        picked.append(int(distance.argmax()))
        reached.append(float(distance.max()))
    return picked, reached


# Not cosine with one column: on a line all directions are equal.
@pytest.mark.parametrize(
    ("metric", "columns"), [*(("euclidean", d) for d in (1, 2, 16)), ("cosine", 2), ("cosine", 16)]
)
@pytest.mark.parametrize("labelled", [1, 7, 1500])
def test_k_center_agrees_with_brute_force(metric: str, labelled: int, columns: int) -> None:
    given_arrays = arrays(80, columns=columns, labelled=labelled)
    pool, seen = given_arrays["embedding"].astype(float), given_arrays["seen_embedding"].astype(float)
    answer = propose(f"k_center(metric={metric!r})", View(embedding=pool, seen_embedding=seen), 10, rng())
    expected, reached = farthest_first(pool, seen, 10, metric)
    assert answer.rows.tolist() == expected
    assert answer.score == pytest.approx(reached, rel=1e-3, abs=1e-5)


def test_k_center_starts_next_to_the_mean_when_nothing_is_labelled() -> None:
    pool = arrays(80)["embedding"].astype(float)
    assert rows("k_center", View(embedding=pool), 10) == farthest_first(pool, pool[:0], 10, "euclidean")[0]
    empty = View(embedding=pool, seen_embedding=pool[:0])
    assert rows("k_center", empty, 10) == rows("k_center", View(embedding=pool), 10)


def test_k_center_takes_duplicates_last() -> None:
    pool = np.repeat(arrays(10)["embedding"], 3, axis=0)
    picked = rows("k_center", View(embedding=pool), 30)
    assert len({row // 3 for row in picked[:10]}) == 10
    answer = propose("k_center", View(embedding=pool, seen_embedding=pool[:3]), 30, rng())
    assert answer.score[9:].tolist() == [0.0] * 21


# --- BADGE -----------------------------------------------------------------------------------------------------------


def gradients(proba: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    residual = proba - np.eye(proba.shape[1])[proba.argmax(axis=1)]
    return np.einsum("uc,ud->ucd", residual, embedding).reshape(len(proba), -1)


@pytest.mark.parametrize("seed", range(4))
def test_badge_distances_are_those_of_the_gradients_written_out(seed: int) -> None:
    given_arrays = arrays(50, seed=seed)
    written = gradients(given_arrays["proba"], given_arrays["embedding"].astype(float))
    answer = propose("badge", View(**given_arrays), 20, rng(seed))
    assert answer.rows[0] == np.linalg.norm(written, axis=1).argmax()
    assert answer.score[0] == pytest.approx(np.linalg.norm(written, axis=1).max(), rel=1e-4)
    for i in range(1, 20):
        expected = cdist(written[answer.rows[i : i + 1]], written[answer.rows[:i]]).min()
        assert answer.score[i] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_badge_draws_in_proportion_to_the_squared_distance() -> None:
    given_arrays = arrays(6, seed=3)
    view = View(proba=given_arrays["proba"], embedding=given_arrays["embedding"])
    written = gradients(given_arrays["proba"], given_arrays["embedding"].astype(float))
    first = int(np.linalg.norm(written, axis=1).argmax())
    generator = rng(5)
    second = Counter(int(propose("badge", view, 2, generator).rows[1]) for _ in range(4000))
    weight = ((written - written[first]) ** 2).sum(axis=1)
    others = [row for row in range(6) if row != first]
    assert second[first] == 0
    expected = 4000 * weight[others] / weight.sum()
    assert scipy.stats.chisquare([second[row] for row in others], expected).pvalue > 1e-4


def test_badge_takes_certain_rows_last() -> None:
    given_arrays = arrays(30)
    given_arrays["proba"][10:] = np.eye(4)[np.arange(20) % 4]
    picked = rows("badge", View(**given_arrays), 30)
    # The certain rows have the gradient zero: one of them may come early, as a point of its own.
    assert sum(row >= 10 for row in picked[:11]) <= 1
    assert sorted(picked) == list(range(30))


# --- clusters --------------------------------------------------------------------------------------------------------


def blobs(sizes: list[int], spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    owner = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.array([[10.0 * i, 7.0 * (i % 2)] for i in range(len(sizes))])
    return centres[owner] + rng(seed).normal(size=(len(owner), 2)) * spread, owner


def test_cluster_margin_keeps_the_least_margins_and_visits_small_clusters_first() -> None:
    embedding, owner = blobs([30, 20, 10])
    proba = arrays(60, classes=3)["proba"]
    margin = np.sort(proba, axis=1)[:, -1] - np.sort(proba, axis=1)[:, -2]
    picked = rows("cluster_margin(factor=20)", View(proba=proba, embedding=embedding), 3)
    assert owner[picked].tolist() == [2, 1, 0]
    assert picked == [min(np.flatnonzero(owner == c), key=lambda r: margin[r]) for c in (2, 1, 0)]
    # factor = 1 leaves exactly the rows of margin.
    one = rows("cluster_margin(factor=1)", View(proba=proba, embedding=embedding), 9)
    assert sorted(one) == sorted(rows("margin", View(proba=proba), 9))
    kept = rows("cluster_margin(factor=3)", View(proba=proba, embedding=embedding), 9)
    assert set(kept) <= set(rows("margin", View(proba=proba), 27))


def typicality(points: np.ndarray, k: int) -> np.ndarray:
    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    return 1 / np.sort(distance, axis=1)[:, : min(k, len(points) - 1)].mean(axis=1)


@pytest.mark.parametrize("neighbours", [3, 20])
def test_typiclust_takes_the_typical_row_of_the_largest_clusters_without_labels(neighbours: int) -> None:
    embedding, owner = blobs([30, 25, 15, 10])
    seen = embedding[owner == 0][:1] + 0.05  # the largest cluster has a label
    view = View(embedding=embedding, seen_embedding=seen)
    answer = propose(f"typiclust(neighbours={neighbours})", view, 3, rng())
    assert owner[answer.rows].tolist() == [1, 2, 3]
    for row, value in zip(answer.rows, answer.score, strict=True):
        mine = np.flatnonzero(owner == owner[row])
        expected = typicality(embedding[mine].astype(np.float32).astype(float), neighbours)
        assert mine[expected.argmax()] == row
        assert value == pytest.approx(expected.max(), rel=1e-3)  # the step that keeps duplicates finite is small


def test_typiclust_spreads_over_clusters_before_it_takes_a_second_row() -> None:
    embedding, owner = blobs([20, 20, 20])
    # With more picks than blobs the blobs are split, yet nobody is picked twice and every blob is served.
    picked = rows("typiclust", View(embedding=embedding), 12)
    assert set(owner[picked]) == {0, 1, 2}
    assert len(set(picked)) == 12


def test_typiclust_uses_a_subset_of_large_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.typiclust as module

    monkeypatch.setattr(module, "_MOST_REFERENCES", 25)
    monkeypatch.setattr(_kernel, "MOST_ROWS", 90)
    monkeypatch.setattr(module, "_MOST_CLUSTERS", 5)
    embedding, owner = blobs([60, 60])
    view = View(embedding=embedding, seen_embedding=embedding[:100])
    picked = rows("typiclust", view, 20)
    assert len(set(picked)) == 20
    assert len(set(rows("typiclust", view, 110))) == 110
    # The most typical of a large cluster is near its middle even when neighbours are sought among a subset.
    first = rows("typiclust", View(embedding=embedding), 2)
    for row in first:
        assert np.linalg.norm(embedding[row] - embedding[owner == owner[row]].mean(axis=0)) < 0.1


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 12), st.integers(0, 1000))
@settings(deadline=None)
def test_kmeans_ends_in_a_fixed_point_with_nearest_centres(n: int, columns: int, k: int, seed: int) -> None:
    (points,), _ = snap(np.round(rng(seed).random((n, columns)) * 4))
    label = kmeans(points, k, rng(seed), rounds=100)
    groups = np.unique(label)
    assert groups.tolist() == list(range(len(groups)))
    assert 1 <= len(groups) <= min(k, len(np.unique(points, axis=0)))
    centres = np.array([np.rint(points[label == g].astype(float).mean(axis=0)) for g in groups])
    distance = cdist(points, centres, "sqeuclidean")
    assert distance[np.arange(n), label] == pytest.approx(distance.min(axis=1), abs=1e-6 * (1 + distance.max()))


def test_kmeans_finds_blobs_that_are_far_apart() -> None:
    embedding, owner = blobs([30, 20, 10])
    (points,), _ = snap(embedding)
    for seed in range(10):
        label = kmeans(points, 3, rng(seed))
        assert all(len(set(label[owner == c])) == 1 for c in range(3))


def test_kmeans_seeds_are_different_points() -> None:
    (points,), _ = snap(np.repeat(np.arange(4.0)[:, None], 5, axis=0))
    for seed in range(20):
        chosen = seed_rows(points, 10, rng(seed))
        assert len(chosen) == 4
        assert len({row // 5 for row in chosen}) == 4
    assert draw(np.zeros(3), rng()) is None
    assert draw(np.array([0.0, 1.0, 0.0]), rng()) == 1


@pytest.mark.parametrize("columns", [1, 3, 64, 5000])
def test_distances_on_the_grid_are_exact(columns: int) -> None:
    points = rng(1).normal(size=(40, columns)).astype(np.float32) * 1e4
    centres = np.concatenate([points[:5], rng(2).normal(size=(8, columns)).astype(np.float32)])
    (a, b), step = snap(points, centres)
    integers, others = [[int(v) for v in row] for row in a], [[int(v) for v in row] for row in b]
    exact = [[sum((x - y) ** 2 for x, y in zip(i, j, strict=True)) for j in others] for i in integers]
    squared = lengths(a)
    which, distance = nearest(a, b, squared)
    assert distance.tolist() == [min(row) for row in exact]
    assert which.tolist() == [row.index(min(row)) for row in exact]
    assert to_row(a, squared, 3).tolist() == [row[3] for row in exact]
    assert np.abs(a * step + points.mean(axis=0, dtype=float) - points).max() <= step


def test_nearest_works_over_many_blocks_of_points_and_centres() -> None:
    (points, centres), _ = snap(rng(1).normal(size=(3000, 3)), rng(2).normal(size=(2500, 3)))
    which, distance = nearest(points, centres, lengths(points))
    expected = cdist(points.astype(float), centres.astype(float), "sqeuclidean")
    assert np.array_equal(which, expected.argmin(axis=1))
    assert distance == pytest.approx(expected.min(axis=1), rel=1e-12)


# --- compositions ----------------------------------------------------------------------------------------------------


def test_narrow_is_pick_on_the_best_rows_of_filter() -> None:
    given_arrays = arrays()
    view = View(**given_arrays)
    near = sorted(rows("margin", view, 12))
    expected = [near[i] for i in rows("k_center", view.take(near), 4)]
    assert rows("narrow(margin, k_center, factor=3)", view, 4) == expected
    # Everything is kept when the factor covers the pool.
    assert rows("narrow(margin, k_center, factor=1000)", view, 4) == rows("k_center", view, 4)
    # With factor 1 the filter decides which rows, pick in which order.
    assert sorted(rows("narrow(margin, entropy, factor=1)", view, 4)) == sorted(rows("margin", view, 4))


def test_mix_gives_each_ingredient_its_quota_of_its_best_rows() -> None:
    view = View(**arrays())
    answer = propose("mix(margin=0.7, k_center=0.3)", view, 10, rng())
    assert Counter(answer.part.tolist()) == {0: 7, 1: 3}
    margin, centre = rows("margin", view, 10), rows("k_center", view, 10)
    taken: set[int] = set()
    for row, part in zip(answer.rows.tolist(), answer.part.tolist(), strict=True):
        best = next(r for r in (margin, centre)[part] if r not in taken)
        assert row == best
        taken.add(row)


def test_mix_of_one_row_follows_the_weights_on_average() -> None:
    view = View(**arrays())
    generator = rng(1)
    count = Counter(
        int(propose("mix(margin=0.6, entropy=0.1, k_center=0.3)", view, 1, generator).part[0]) for _ in range(3000)
    )
    assert scipy.stats.chisquare([count[i] for i in range(3)], [1800, 300, 900]).pvalue > 1e-4


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6), st.integers(1, 40), st.integers(0, 10_000))
@settings(deadline=None)
def test_mix_quotas_are_within_one_of_the_share(weights: list[float], n: int, seed: int) -> None:
    names = list(itertools.islice(itertools.cycle(["margin", "entropy", "random"]), len(weights)))
    mixture = get(f"mix({', '.join(names)}, weights={tuple(weights)!r})")
    answer = propose(mixture, View(**arrays()), n, rng(seed))
    share = np.array(weights) / sum(weights) * n
    count = np.bincount(answer.part, minlength=len(weights))
    assert np.all(np.abs(count - share) < 1 + 1e-6)
    assert answer.score.tolist() == sorted(answer.score, reverse=True)


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 1000), st.sampled_from([0.5, 3.0, 8.0, 12.0, 40.0, 90.0]))
@settings(deadline=None)
def test_rows_of_the_size_of_a_few_grid_steps_are_warned_about_and_no_others(
    n: int, columns: int, seed: int, size: float
) -> None:
    """The short way out of the check must never say otherwise than the check."""
    points = rng(seed).choice([-size, 0.0, size / 2, size], (n, columns))
    typical = np.median(np.abs(points - np.median(points, axis=0)).max(axis=1))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        _grid._warn_of_outliers(points, 1.0)
    assert bool(found) == (0 < typical < _grid._COARSE)


def test_nearest_says_the_same_in_one_block_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    (points, centres), _ = snap(np.round(rng(1).normal(size=(50, 4)) * 3), np.round(rng(2).normal(size=(9, 4)) * 3))
    one = nearest(points, centres, lengths(points)), to_row(points.astype(float), lengths(points), 7)
    monkeypatch.setattr(_grid, "_WIDE", 30)
    monkeypatch.setattr(_grid, "_ENTRIES", 30)
    monkeypatch.setattr(_grid, "_CENTRES", 4)
    many = nearest(points, centres, lengths(points)), to_row(points.astype(float), lengths(points), 7)
    for a, b in zip((*one[0], one[1]), (*many[0], many[1]), strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def test_a_sentinel_that_leaves_no_bits_for_the_rest_is_warned_about() -> None:
    points = np.random.default_rng(0).random((500, 3))
    propose("k_center", View(embedding=points), 3, rng())
    propose("k_center", View(embedding=points * [1, 1e6, 1]), 3, rng())  # a column of another unit is no sentinel
    points[7] = -1e9
    with pytest.warns(UserWarning, match="remove sentinel values"):
        propose("k_center", View(embedding=points), 3, rng())
