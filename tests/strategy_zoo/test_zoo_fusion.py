"""Compositions: joint ranks, progressive filtering, hand-over and spread labels, each against a reference."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import strategy_zoo.strategies.refine as refine_module
import strategy_zoo.strategies.smooth as smooth_module
from strategy_zoo import SpellingError, View, ViewError, get, propose
from strategy_zoo.strategies.fuse import Fuse, shared_ranks
from strategy_zoo.strategies.refine import Refine
from strategy_zoo.testing import CHECKS, arrays
from tests.strategy_zoo.shorthand import rng, rows

SPELLINGS = [
    "fuse(margin=0.5, k_center=0.5)",
    "fuse(margin, badge, weights=(0.3, 0.7), rule='geometric', factor=2)",
    "refine(margin, k_center)",
    "refine(badge, random, pick=margin, rounds=2, subsets=3, share=0.8)",
    "tcm",
    "tcm(per_class=1.0)",
    "smooth(margin)",
    "smooth(badge, share=0.9, neighbours=3, alpha=0.3)",
    "smooth(fuse(entropy=0.5, tcm=0.5))",
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_composition_keeps_the_contract(spelling: str, check: str) -> None:
    CHECKS[check](get(spelling))


# --- fuse ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=1, max_size=30))
def test_shared_ranks_are_those_of_scipy(values: list[float]) -> None:
    assert shared_ranks(np.array(values)).tolist() == scipy.stats.rankdata(-np.array(values)).tolist()


def joint(view: View, spellings: list[str], weights: list[float], rule: str, n: int, factor: int) -> np.ndarray:
    """Joint rank of each row, from the scores or from the proposals of the ingredients."""
    ranks = []
    for spelling in spellings:
        strategy = get(spelling)
        if strategy.kind == "rowwise":
            ranks.append(scipy.stats.rankdata(-np.asarray(strategy.score(view, rng()))))
        else:
            listed = rows(spelling, view, min(view.n, n * factor))
            rest = np.mean(range(len(listed) + 1, view.n + 1)) if len(listed) < view.n else 0
            ranks.append([listed.index(r) + 1 if r in listed else rest for r in range(view.n)])
    if rule == "geometric":
        return np.prod([np.power(rank, weight) for rank, weight in zip(ranks, weights, strict=True)], axis=0)
    return np.average(np.array(ranks), axis=0, weights=weights)


@pytest.mark.parametrize("rule", ["borda", "geometric"])
@pytest.mark.parametrize("seed", range(4))
def test_fuse_agrees_with_the_joint_rank_of_its_parts(seed: int, rule: str) -> None:
    view = View(**arrays(50, seed=seed))
    spellings, weights = ["margin", "k_center", "entropy"], [0.5, 0.3, 0.2]
    for n, factor in ((1, 5), (6, 2), (20, 5)):
        spelling = f"fuse(margin=0.5, k_center=0.3, entropy=0.2, rule={rule!r}, factor={factor})"
        expected = joint(view, spellings, weights, rule, n, factor)
        answer = propose(spelling, view, n, rng())
        # Joint ranks may tie but for the last bit, so the ranks are compared and not the rows.
        assert expected[answer.rows] == pytest.approx(np.sort(expected)[:n], rel=1e-12)
        wanted = 1 / expected if rule == "geometric" else (50 - expected) / 49
        assert answer.score == pytest.approx(wanted[answer.rows], rel=1e-9)


def test_fuse_by_hand_and_its_part_is_who_ranked_the_row_best() -> None:
    # margin ranks rows 0 1 2 3, least_confidence 2 1 0 3
    proba = [[0.5, 0.5, 0.0], [0.45, 0.4, 0.15], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]]
    view = View(proba=proba)
    assert get("margin").score(view, rng()).argsort()[::-1].tolist() == [0, 1, 2, 3]
    assert get("least_confidence").score(view, rng()).argsort()[::-1].tolist() == [2, 1, 0, 3]
    answer = propose("fuse(margin=0.6, least_confidence=0.4)", view, 4, rng())
    # 0.6 + 1.2 = 1.8, 2, 1.8 + 0.4 = 2.2, 4
    assert answer.rows.tolist() == [0, 1, 2, 3]
    assert answer.score == pytest.approx([2.2 / 3, 2 / 3, 1.8 / 3, 0])
    assert answer.part.tolist() == [0, 0, 1, 0]
    # One excellent rank counts for more than two good ones: 3^0.4 = 1.55, 2, 3^0.6 = 1.93.
    assert rows("fuse(margin=0.6, least_confidence=0.4, rule='geometric')", view, 4) == [0, 2, 1, 3]


def test_fuse_of_two_equal_strategies_is_that_strategy() -> None:
    view = View(**arrays())
    for rule in ("borda", "geometric"):
        assert rows(f"fuse(margin, margin, rule={rule!r})", view, 9) == rows("margin", view, 9)
    assert rows("fuse(margin=0.999999, k_center=0.000001)", view, 9) == rows("margin", view, 9)


def test_fuse_scores_large_pools_in_blocks() -> None:
    view = View(proba=rng().dirichlet(np.ones(200), 3000))
    expected = joint(view, ["margin", "entropy"], [0.5, 0.5], "borda", 5, 5)
    assert expected[rows("fuse(margin=0.5, entropy=0.5)", view, 5)] == pytest.approx(np.sort(expected)[:5])


# --- refine ----------------------------------------------------------------------------------------------------------


def test_refine_on_whole_subsets_is_pick_among_the_union_of_the_parts() -> None:
    view = View(**arrays())
    union = sorted({*rows("margin", view, 6), *rows("entropy", view, 6)})
    expected = [union[i] for i in rows("k_center", view.take(union), 6)]
    # With share = 1 every subset is all rows that are left, so nothing depends on chance.
    assert rows("refine(margin, entropy, rounds=1, share=1)", view, 6) == expected
    again = view.take(union)
    union2 = sorted({*rows("margin", again, 6), *rows("entropy", again, 6)})
    expected2 = [union[union2[i]] for i in rows("badge", again.take(union2), 6, seed=3)]
    assert rows("refine(margin, entropy, rounds=2, share=1, pick=badge)", view, 6, seed=3) == expected2


def test_refine_keeps_wanted_rows_and_loses_unwanted_ones() -> None:
    margin = np.linspace(0, 1, 400)
    proba = np.column_stack([(1 + margin) / 2, (1 - margin) / 2])
    view = View(proba=proba, embedding=rng().normal(size=(400, 3)))
    count: Counter[int] = Counter()
    for seed in range(20):
        count.update(rows("refine(margin, pick=random)", view, 10, seed))
    assert max(count) < 100  # the rest of the pool is cleaned away
    assert len(count) > 20  # yet more is left than the ten best rows


def test_refine_sees_subsets_of_the_documented_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine_module, "_MOST_FIRST", 40)
    monkeypatch.setattr(refine_module, "_MOST_LEFT", 30)
    sizes: list[tuple[int, int]] = []

    def seen(view: View, n: int, generator: np.random.Generator) -> Any:
        sizes.append((view.n, n))
        return generator.choice(view.n, n, replace=False)

    strategy = Refine((seen,), pick=seen, rounds=3, subsets=4, share=0.5)  # type: ignore[arg-type]
    propose(strategy, View(**arrays(200)), 8, rng())
    assert sizes[:4] == [(40, 8)] * 4  # 0.5 * 200 is more than the first round may see
    assert all(8 <= size <= 15 and n == 8 for size, n in sizes[4:12])  # half of at most 30
    assert len(sizes) == 13
    sizes.clear()
    propose(strategy, View(**arrays(200)), 100, rng())
    assert all(size >= 100 for size, _ in sizes)  # never fewer than are wanted


# --- tcm -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("labels", "early"), [(0, True), (1, True), (15, True), (16, False), (40, False)])
def test_tcm_hands_over_at_its_number_of_labels_per_class(labels: int, early: bool) -> None:
    view = View(**arrays(labelled=labels))
    expected = rows("typiclust", view, 7, seed=2) if early else rows("margin", view, 7)
    assert rows("tcm", view, 7, seed=2) == expected
    assert rows("tcm(per_class=0)", view, 7) == rows("margin", view, 7)
    small = rows("tcm(per_class=1000, neighbours=2)", view, 7, seed=2)
    assert small == rows("typiclust(neighbours=2)", view, 7, seed=2)


def test_tcm_counts_labels_wherever_they_are_shown() -> None:
    given_arrays = arrays(labelled=20)
    base = {name: given_arrays[name] for name in ("proba", "embedding")}
    margin = rows("margin", View(**base), 5)
    assert rows("tcm", View(**base, seen_y=["word"] * 16), 5) == margin
    assert rows("tcm", View(**base, seen_embedding=given_arrays["seen_embedding"]), 5) == margin
    assert rows("tcm", View(**base), 5) == rows("typiclust", View(**base), 5)


# --- smooth ----------------------------------------------------------------------------------------------------------


def spread_labels(pool: np.ndarray, seen: np.ndarray, label: np.ndarray, classes: int, k: int, alpha: float) -> Any:
    """Zhou et al. in closed form on the whole graph, its matrices written out."""
    nodes = np.concatenate([pool, seen]).astype(float)
    distance = cdist(nodes, nodes, "sqeuclidean")
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1, kind="stable")[:, :k]
    joined = np.zeros(distance.shape, bool)
    np.put_along_axis(joined, near, True, axis=1)
    width = 2 * np.take_along_axis(distance, near, axis=1).mean()
    weight = np.where(joined | joined.T, np.exp(-np.where(np.isinf(distance), 0, distance) / width), 0)
    degree = weight.sum(axis=1)
    s = weight / np.sqrt(np.outer(degree, degree))
    y = np.zeros((len(nodes), classes))
    y[len(pool) + np.arange(len(seen)), label] = 1
    return (1 - alpha) * np.linalg.solve(np.eye(len(nodes)) - alpha * s, y)[: len(pool)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k", "alpha"), [(3, 0.5), (10, 0.7), (66, 0.6)])
def test_smooth_spreads_labels_as_the_closed_form(k: int, alpha: float, seed: int) -> None:
    g = arrays(seed=seed)
    expected = spread_labels(g["embedding"], g["seen_embedding"], g["seen_y"], 4, k, alpha)
    strategy = get(f"smooth(margin, neighbours={k}, alpha={alpha})")
    found = strategy.spread(g["embedding"], g["seen_embedding"], g["seen_y"], 4, rng())  # type: ignore[attr-defined]
    assert found == pytest.approx(expected, abs=1e-5)
    assert expected.max() > 1e-3
    share = found.sum(axis=1, keepdims=True)
    blend = 0.3 * np.divide(found, share, where=share > 0, out=np.zeros_like(found)) + 0.7 * g["proba"]
    blend[share[:, 0] == 0] = g["proba"][share[:, 0] == 0]
    want = rows("entropy", View(proba=blend / blend.sum(axis=1, keepdims=True)), 9)
    assert rows(f"smooth(entropy, share=0.3, neighbours={k}, alpha={alpha})", View(**g), 9) == want


def test_smooth_ranks_as_scikit_learns_label_spreading_on_its_own_graph() -> None:
    from sklearn.semi_supervised import LabelSpreading

    g = arrays(80)
    pool, seen = g["embedding"].astype(float), g["seen_embedding"].astype(float)
    label = np.arange(7) % 4
    nodes = np.concatenate([pool, seen])

    # Theirs takes any kernel: the one of our graph, without its diagonal.
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        distance = cdist(nodes, nodes, "sqeuclidean")
        np.fill_diagonal(distance, np.inf)
        near = np.argsort(distance, axis=1, kind="stable")[:, :5]
        joined = np.zeros(distance.shape, bool)
        np.put_along_axis(joined, near, True, axis=1)
        width = 2 * np.take_along_axis(distance, near, axis=1).mean()
        return np.where(joined | joined.T, np.exp(-np.where(np.isinf(distance), 0, distance) / width), 0)

    theirs = LabelSpreading(kernel=kernel, alpha=0.5, max_iter=1000, tol=1e-12)
    theirs.fit(nodes, np.concatenate([np.full(80, -1), label]))
    strategy = get("smooth(margin, neighbours=5, alpha=0.5)")
    found = strategy.spread(g["embedding"], g["seen_embedding"], label, 4, rng())  # type: ignore[attr-defined]
    reached = found.sum(axis=1) > 1e-12
    assert reached.sum() > 60
    scaled = found[reached] / found[reached].sum(axis=1, keepdims=True)
    assert scaled == pytest.approx(theirs.label_distributions_[:80][reached], abs=1e-4)


def test_smooth_changes_nothing_without_labels_or_share() -> None:
    g = arrays()
    plain = rows("margin", View(**g), 9)
    assert rows("smooth(margin, share=0)", View(**g), 9) == plain
    base = {name: g[name] for name in ("proba", "embedding")}
    assert rows("smooth(margin)", View(**base, seen_embedding=g["seen_embedding"][:0], seen_y=[]), 9) == plain
    assert rows("smooth(margin, share=1)", View(**g), 9) != plain


def test_smooth_leaves_rows_alone_that_no_label_reaches() -> None:
    embedding = np.array([[0.0], [0.1], [1000.0], [1000.1]])
    view = View(proba=[[0.9, 0.1]] * 4, embedding=embedding, seen_embedding=[[0.05]], seen_y=[0])
    strategy = get("smooth(margin, neighbours=1)")
    spread = strategy.spread(  # type: ignore[attr-defined]
        embedding.astype(np.float32), np.array([[0.05]], np.float32), np.array([0]), 2, rng()
    )
    assert (spread[2:] == 0).all()
    assert (spread[:2, 0] > 0).all()
    answer = propose("smooth(margin, neighbours=1)", view, 4, rng())
    assert dict(zip(answer.rows.tolist(), answer.score.round(9).tolist(), strict=True)) == {
        0: -0.9,
        1: -0.9,
        2: -0.8,
        3: -0.8,
    }


def test_smooth_of_large_pools_gives_other_rows_the_mean_of_their_nearest_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smooth_module, "_MOST_ANCHORS", 60)
    owner = np.repeat([0, 1], 150)
    embedding = (rng().normal(size=(300, 2)) + 8 * owner[:, None]).astype(np.float32)
    seen = np.array([[0.0, 0.0], [8.0, 8.0]], np.float32)
    strategy = get("smooth(margin, neighbours=5)")
    spread = strategy.spread(embedding, seen, np.array([0, 1]), 2, rng())  # type: ignore[attr-defined]
    anchors = np.sort(rng().choice(300, 60, replace=False))
    assert (spread.argmax(axis=1) == owner).mean() > 0.99
    # By hand for one row that is no anchor: the weights are those of the graph's width.
    nodes = np.concatenate([embedding[anchors], seen]).astype(float)
    between = cdist(nodes, nodes, "sqeuclidean")
    np.fill_diagonal(between, np.inf)
    width = 2 * np.sort(between, axis=1)[:, :5].mean()
    value = np.concatenate([spread[anchors], np.zeros((2, 2))])
    for row in np.setdiff1d(np.arange(300), anchors)[:40]:
        distance = cdist(embedding[row : row + 1].astype(float), nodes, "sqeuclidean")[0]
        near = np.argsort(distance)[:5]
        if (near < 60).all():  # labelled nodes are not shown outside
            assert spread[row] == pytest.approx(np.exp(-distance[near] / width) @ value[near], rel=1e-3)


@pytest.mark.parametrize("labels", [["a", "b", "c", "d", "a", "b", "c"], [0, 1, 2, 3, 4, 0, 0], [0.5] * 7, [-1] * 7])
def test_smooth_says_which_labels_it_expects(labels: Any) -> None:
    with pytest.raises(ViewError, match=r"seen_y holds .* expected columns of proba, 0 to 3"):
        propose("smooth(margin)", View(**arrays() | {"seen_y": labels}), 3, rng())
    assert rows("smooth(margin)", View(**arrays() | {"seen_y": [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0]}), 3)


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fuse(margin=1, random=3)", "fuse(margin=0.25, random=0.75)"),
        ("fuse(margin, badge)", "fuse(margin=0.5, badge=0.5)"),
        ("fuse(margin, badge, rule='borda', factor=5)", "fuse(margin=0.5, badge=0.5)"),
        (
            "fuse(margin=1, badge=1, rule='geometric', factor=7)",
            "fuse(margin=0.5, badge=0.5, rule='geometric', factor=7)",
        ),
        (
            "fuse(k_center(metric='cosine'), margin, weights=(3, 1))",
            "fuse(k_center(metric='cosine'), margin, weights=(0.75, 0.25))",
        ),
        ("refine(margin, badge, pick=k_center, rounds=5)", "refine(margin, badge)"),
        ("refine(margin, pick=badge, share=1)", "refine(margin, pick=badge, share=1.0)"),
        ("smooth(inner=margin, share=0.5)", "smooth(margin)"),
        ("smooth(narrow(margin, badge), alpha=0.5)", "smooth(narrow(margin, badge), alpha=0.5)"),
    ],
)
def test_compositions_have_one_canonical_text(text: str, canonical: str) -> None:
    assert get(text).spelling == canonical
    assert get(canonical) == get(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fuse", "2 to 32"),
        ("fuse(margin=1, rule='geometric')", "2 to 32"),
        ("fuse(margin, badge, rule='mean')", "expected one of 'borda', 'geometric'"),
        ("fuse(margin, badge, factor=0)", "factor is 0"),
        ("fuse(margin, badge, weights=(1, 2, 3))", "expected 2 numbers"),
        ("fuse(margin, badge=1)", "expected either"),
        ("fuse(margin=1, badge=0)", "a weight is 0"),
        ("fuse(margin=1e9, badge=1e-9)", "leave that ingredient out"),
        ("refine", "1 to 32"),
        ("refine(margin, 3)", "refine got margin, 3"),
        ("refine(margin, depth=3)", "depth"),
        ("refine(margin, pick=3)", "pick is 3"),
        ("refine(margin, rounds=0)", "rounds is 0"),
        ("refine(margin, share=0)", "share is 0"),
        ("tcm(per_class=-1)", "per_class is -1"),
        ("tcm(margin)", "positional"),
        ("smooth", "needs inner"),
        ("smooth(k_center)", "reads no proba"),
        ("smooth(margin, share=1.1)", "share is 1.1"),
        ("smooth(margin, alpha=1)", "alpha is 1"),
        ("smooth(margin, badge)", "expected smooth"),
        ("smooth(3)", "inner is 3"),
    ],
)
def test_refused_compositions_say_why(text: str, words: str) -> None:
    with pytest.raises(SpellingError) as caught:
        get(text)
    assert words in str(caught.value)


def compose(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    fused = st.builds(
        lambda p, w, r, f: Fuse(p, w[: len(p)], r, f),
        parts,
        st.tuples(*[st.floats(0.001, 1000)] * 3),
        st.sampled_from(["borda", "geometric"]),
        st.integers(1, 100),
    )
    refined = st.builds(Refine, parts, inner, st.integers(1, 20), st.integers(1, 100), st.floats(0.01, 1))
    return fused | refined


@given(st.recursive(st.sampled_from(["margin", "badge", "tcm", "smooth(entropy)"]).map(get), compose, max_leaves=5))
@settings(max_examples=60, deadline=None)
def test_every_composition_reads_back_from_its_spelling(strategy: Any) -> None:
    assert get(strategy.spelling) == strategy
    assert get(strategy.spelling).spelling == strategy.spelling


def test_compositions_need_what_their_ingredients_need() -> None:
    assert get("fuse(margin=0.5, k_center=0.5)").needs == ("proba", "embedding")
    assert not get("fuse(margin=0.5, k_center=0.5)").stochastic
    assert get("fuse(margin=0.5, random=0.5)").stochastic
    assert get("refine(margin)").needs == ("proba", "embedding")
    assert get("refine(margin, pick=margin)").needs == ("proba",)
    assert get("smooth(margin)").needs == ("proba", "embedding", "seen_embedding", "seen_y")
    assert get("smooth(balanced_margin)").uses == ()


def test_smooth_leaves_out_rows_whose_label_is_no_class() -> None:
    given = arrays(30, labelled=9)
    words = np.array(list("abcd"))
    known = np.arange(9) % 3 > 0
    label = np.where(known, words[given["seen_y"]], "none")
    some = {name: given[name][known] for name in ("seen_embedding", "seen_y")}
    pool = {name: given[name] for name in ("proba", "embedding")}
    with_all = View(**pool, seen_embedding=given["seen_embedding"], seen_y=label, classes=words)
    assert rows("smooth(margin)", with_all, 9) == rows("smooth(margin)", View(**pool, **some), 9)
    none = View(**pool, seen_embedding=given["seen_embedding"], seen_y=["none"] * 9, classes=words)
    assert rows("smooth(margin)", none, 9) == rows("margin", none, 9)


def test_smooth_keeps_the_probabilities_of_rows_that_labels_reach_only_by_underflow() -> None:
    """Rows outside of the graph whose closeness to it is a denormal number: dividing by it gave NaN."""
    draw = np.random.default_rng(0)
    pool, seen = draw.normal(size=(1100, 2)), draw.normal(size=(50, 2))
    proba, label = draw.dirichlet(np.ones(3), 1100), draw.integers(0, 3, 50)
    used = np.random.default_rng(5)
    smooth_module.subset(50, 1000, used)
    outside = np.setdiff1d(np.arange(1100), smooth_module.subset(1100, 1000, used))
    pool[outside] = np.stack([np.linspace(1, 40, len(outside)), np.zeros(len(outside))], axis=1)
    view = View(proba=proba, embedding=pool, seen_embedding=seen, seen_y=label)
    smooth = get("smooth(margin)")
    reached = smooth.spread(view.embedding, view.seen_embedding, view.seen_y, 3, np.random.default_rng(5)).sum(1)
    far = (reached < 1e-200) & (reached > 0)
    assert far.any(), "some are just in reach of the last number above nought"
    answer = propose(smooth, view, 1100, np.random.default_rng(5))
    assert np.isfinite(answer.score).all()
    own = np.sort(proba, axis=1)
    got = dict(zip(answer.rows.tolist(), answer.score.tolist(), strict=True))
    for row in np.flatnonzero(far):
        assert got[int(row)] == pytest.approx(own[row, -2] - own[row, -1], abs=1e-6)
