"""Strategies for rare classes, noisy votes and multi-label tasks agree with references written another way."""

import math
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from scipy.spatial.distance import hamming

from strategy_zoo import SpellingError, View, ViewError, get, propose
from strategy_zoo._labels import class_counts, evenly, groups, label_margins, with_ties
from strategy_zoo.strategies.category_vector_inconsistency import borda, entropy_distance
from strategy_zoo.strategies.unseen_class import regions
from strategy_zoo.testing import arrays
from tests.strategy_zoo.shorthand import margin_of, rng, rows, score


@pytest.mark.parametrize(
    "spelling",
    [
        "rare_first(power=0)",
        "rare_first(power=101)",
        "unseen_class(prior=0)",
        "unseen_class(prior='much')",
        "relabel(by='votes')",
        "relabel_or_new(accuracy=0.4)",
        "relabel_or_new(accuracy=1)",
        "multilabel_margin(over='median')",
    ],
)
def test_parameters_out_of_range_are_refused(spelling: str) -> None:
    name = spelling[spelling.index("(") + 1 : spelling.index("=")]
    with pytest.raises(SpellingError, match=name):
        get(spelling)


# --- helpers ---------------------------------------------------------------------------------------------------------


def test_class_counts_ignore_what_is_no_column() -> None:
    assert class_counts(np.array([0, 2, 2, -1, 3, 7]), 3).tolist() == [1, 0, 2]
    assert class_counts(np.array([True, False, True]), 2).tolist() == [1, 2]
    for other in (
        None,
        np.array(["a", "b"]),
        np.array([0.0, 1.0]),
        np.array([0, "a"], dtype=object),
        np.array([], int),
    ):
        assert class_counts(other, 3).tolist() == [0, 0, 0]


def test_groups_tell_labels_of_any_type_apart() -> None:
    for labels in (["x", "y", "x"], [3, -1, 3], [0.5, math.inf, 0.5], [True, False, True], [b"x", b"y", b"x"]):
        first, second, third = groups(np.array(labels)).tolist()
        assert first == third != second
        assert {first, second} == {0, 1}
    assert groups(np.array([None, "a", 1, None, ("t",)], dtype=object)[:4]).tolist() == [0, 1, 2, 0]
    assert groups(np.array([], dtype="U1")).tolist() == []
    lists = np.empty(2, dtype=object)
    lists[:] = [[1], [1]]
    with pytest.raises(ViewError, match="seen_y holds labels that can't be compared"):
        groups(lists)


@for_all(st.integers(0, 300), st.integers(2, 50))
def test_evenly_spaced_rows_are_different_sorted_and_reach_both_ends(size: int, most: int) -> None:
    kept = evenly(size, most)
    assert len(kept) == min(size, most)
    assert sorted(set(kept.tolist())) == kept.tolist()
    if size:
        assert kept[0] == 0
        assert kept[-1] == size - 1
        assert np.ptp(np.diff(kept)) <= 1 if size > 1 else True


@for_all(st.lists(st.tuples(st.integers(-9, 9), st.floats(0, 1)), min_size=1), st.sampled_from([1.0, 0.1, 1 / 7]))
def test_with_ties_never_overturns_the_first_score(pairs: list[tuple[int, float]], gap: float) -> None:
    first, second = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    both = with_ties(first * gap, second, gap)
    order = np.lexsort((-np.round(second, 9), -first))
    assert (np.diff(both[order]) <= 1e-9).all()
    for value in np.unique(first):
        assert (both[first == value] < both[first > value].min(initial=np.inf)).all()


# --- rare_first ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_rare_first_is_the_expected_rarity_of_the_class(power: float) -> None:
    proba = arrays(50, seed=3)["proba"]
    seen = [0] * 9 + [1] * 4 + [3]
    expected = [
        math.fsum(p * (1 / (seen.count(c) + 1)) ** power for c, p in enumerate(row)) / math.fsum(row) for row in proba
    ]
    ours = score(f"rare_first(power={power})", View(proba=proba, seen_y=seen))
    assert ours == pytest.approx(expected, abs=2e-9)
    assert rows(f"rare_first(power={power})", View(proba=proba, seen_y=seen), 50) == np.argsort(expected)[::-1].tolist()


def test_rare_first_is_the_first_step_of_balancing_the_classes() -> None:
    """With many labels the order is that of the expected gain of the sum of log(1 + labels)."""
    proba, seen = arrays(40)["proba"], np.repeat(np.arange(4), [400, 300, 200, 100])
    count = np.bincount(seen)
    gain = [sum(p * (math.log(count[c] + 2) - math.log(count[c] + 1)) for c, p in enumerate(row)) for row in proba]
    assert rows("rare_first", View(proba=proba, seen_y=seen), 40) == np.argsort(gain)[::-1].tolist()


def test_rare_first_asks_for_the_rarest_class_and_falls_back_to_margin() -> None:
    proba = np.repeat(np.eye(3), 4, axis=0) * 0.6 + rng(1).dirichlet([1, 1, 1], 12) * 0.4
    assert {row // 4 for row in rows("rare_first", View(proba=proba, seen_y=[0] * 5 + [1] * 5 + [2]), 4)} == {2}
    by_margin = np.argsort(margin_of(proba)).tolist()
    for seen in ([], [0, 1, 2], [0, 0, 1, 1, 2, 2], ["a", "b", "b"], [7, 8, 9]):
        assert rows("rare_first", View(proba=proba, seen_y=seen), 12) == by_margin
    # Rows that sum to 1 only nearly are equal all the same.
    noisy = proba * (1 + 5e-4 * rng(2).random((12, 1)))
    assert rows("rare_first", View(proba=noisy), 12) == np.argsort(margin_of(noisy)).tolist()
    # Certain rows of one class tie: the order of the file decides then, after the rarer class.
    assert rows("rare_first", View(proba=np.eye(2)[[0, 1, 0, 1]], seen_y=[0, 0, 1]), 4) == [1, 3, 0, 2]


# --- unseen_class ----------------------------------------------------------------------------------------------------


def radii_away(pool: np.ndarray, seen: np.ndarray, labels: list[Any], prior: float) -> np.ndarray:
    classes = sorted(set(labels), key=str)
    members = {c: seen[[i for i, label in enumerate(labels) if label == c]] for c in classes}
    trace = {c: float(np.trace(np.atleast_2d(np.cov(m.T)))) if len(m) > 1 else 0.0 for c, m in members.items()}
    free = sum(len(m) - 1 for m in members.values())
    pooled = sum((len(m) - 1) * trace[c] for c, m in members.items()) / free if free else 0
    if pooled == 0:
        pooled = float(np.array([m.mean(axis=0) for m in members.values()]).var(axis=0).sum()) or 1.0
    out = []
    for row in pool:
        away = []
        for c, m in members.items():
            squared = ((len(m) - 1) * trace[c] + prior * pooled) / (len(m) - 1 + prior)
            away.append(np.linalg.norm(row - m.mean(axis=0)) / math.sqrt(squared))
        out.append(min(away))
    return np.array(out)


@pytest.mark.parametrize("labelled", [1, 4, 30])
@pytest.mark.parametrize("prior", [0.1, 2.0])
@pytest.mark.parametrize("kind", ["columns", "words", "mixed"])
def test_unseen_class_is_the_distance_to_the_nearest_region_in_its_radii(
    labelled: int, prior: float, kind: str
) -> None:
    data = arrays(40, labelled=labelled, seed=labelled)
    names: list[Any] = {"columns": [0, 1, 2, 3], "words": ["cat", "dog", "eel", "fly"], "mixed": [1, "a", None, 2.5]}[
        kind
    ]
    labels = [names[c] for c in data["seen_y"]]
    seen_y = np.array(labels, dtype=object if kind == "mixed" else None)
    view = View(embedding=data["embedding"], seen_embedding=data["seen_embedding"], seen_y=seen_y)
    expected = radii_away(data["embedding"].astype(float), data["seen_embedding"].astype(float), labels, prior)
    ours = score(f"unseen_class(prior={prior})", view)
    assert ours == pytest.approx(expected, rel=1e-9)
    assert np.array_equal(
        ours, np.concatenate([score(f"unseen_class(prior={prior})", view.block(i, i + 1)) for i in range(40)])
    )


def test_unseen_class_adds_up_labels_of_many_blocks_in_memory_that_does_not_grow_with_them() -> None:
    data = arrays(5, labelled=20_000, columns=50)
    pool, seen, labels = data["embedding"], data["seen_embedding"], data["seen_y"]
    expected = radii_away(pool.astype(float), seen.astype(float), labels.tolist(), 2.0)
    view = View(embedding=pool, seen_embedding=seen, seen_y=labels)
    tracemalloc.start()
    answer = propose("unseen_class", view, 5, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.score == pytest.approx(expected[answer.rows], rel=1e-9)
    assert peak < seen.nbytes  # 4 MB; a copy of them in double precision has 8


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("spread", [1e-20, 1.0])
def test_unseen_class_gives_the_bits_of_subtracting_every_centre(offset: float, spread: float) -> None:
    pool, seen = (np.round(rng(s).normal(size=(400, 3)) * 2 + offset) * spread for s in (1, 2))  # ties, duplicates
    labels = rng(3).integers(0, 60, 400)
    view = View(embedding=pool, seen_embedding=seen, seen_y=labels)
    least = np.full(400, np.inf)
    for centre, radius in zip(*regions(np.asarray(view.seen_embedding), groups(labels), 2.0), strict=True):
        apart = (np.asarray(view.embedding, np.float64) - centre) / radius
        least = np.minimum(least, np.einsum("ij,ij->i", apart, apart))
    assert np.array_equal(score("unseen_class", view), np.sqrt(least))


def test_unseen_class_takes_rows_labelled_otherwise_as_regions_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.unseen_class as module

    seen = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [0.0, 9.0]])
    pool = [[0.0, 1.0], [9.0, 0.0], [4.5, 4.5], [0.0, 9.0]]  # the third lies between the two rows of no class
    view = View(embedding=pool, seen_embedding=seen, seen_y=["a", "a", "b", "c"], classes=["a"])
    known = View(embedding=pool, seen_embedding=seen, seen_y=["a", "a", "b", "c"], classes=["a", "b", "c"])
    assert score("unseen_class", view).tolist() == score("unseen_class", known).tolist()
    assert rows("unseen_class", view, 1) == [2]
    # Without classes a -1 is a label as any other.
    assert rows("unseen_class", View(embedding=pool, seen_embedding=seen, seen_y=[0, 0, -1, -1]), 4)[-1] == 2
    monkeypatch.setattr(module, "_MOST_OTHERS", 2)
    many = np.concatenate([seen[:3], [[5.0, 5.0]] * 7, seen[3:]])
    view = View(embedding=pool, seen_embedding=many, seen_y=[0, 0, *[1] * 9], classes=[0])
    assert score("unseen_class", view).tolist() == score("unseen_class", known).tolist()  # the first one and the last


def test_unseen_class_finds_a_class_that_has_no_label() -> None:
    owner = np.repeat(np.arange(4), 25)
    embedding = 6 * np.eye(4)[owner] + rng(1).normal(size=(100, 4)) * np.array([0.2, 0.5, 1.0, 0.5])[owner][:, None]
    known = np.concatenate([np.flatnonzero(owner == c)[:6] for c in range(3)])
    view = View(embedding=embedding, seen_embedding=embedding[known], seen_y=owner[known])
    assert set(owner[rows("unseen_class", view, 25)]) == {3}


def test_unseen_class_covers_the_pool_when_nothing_is_labelled() -> None:
    data = arrays(40, labelled=0)
    view = View(embedding=data["embedding"], seen_embedding=data["seen_embedding"], seen_y=data["seen_y"])
    assert rows("unseen_class", view, 9) == rows("k_center", view, 9)
    one = View(embedding=[[3.0], [5.0]], seen_embedding=[[2.0], [2.0]], seen_y=[0, 0])
    assert score("unseen_class", one).tolist() == [1.0, 3.0]  # no spread at all: plain distances


# --- relabel ---------------------------------------------------------------------------------------------------------


def binomial_doubt(lead: int, other: int) -> float:
    """I_0.5(lead + 1, other + 1), as the chance of at least lead + 1 heads in lead + other + 1 tosses."""
    tosses = lead + other + 1
    return float(Fraction(sum(math.comb(tosses, heads) for heads in range(lead + 1, tosses + 1)), 2**tosses))


def test_relabel_combines_label_and_model_doubt_as_the_paper_does_for_two_classes() -> None:
    positives, negatives = np.repeat(np.arange(6), 6), np.tile(np.arange(6), 6)
    p = rng(1).random(36)
    view = View(proba=np.column_stack([1 - p, p]), votes=np.column_stack([negatives, positives]))
    voted = positives + negatives > 0
    tail = scipy.stats.beta(positives + 1, negatives + 1).cdf(0.5)
    lu, mu = np.minimum(tail, 1 - tail), 0.5 - np.abs(0.5 - p)  # (S_LU) and (S_MU) of the paper
    assert lu[positives >= negatives] == pytest.approx(
        [binomial_doubt(a, b) for a, b in zip(positives, negatives, strict=True) if a >= b]
    )
    for by, expected in (("lu", lu), ("mu", mu), ("lmu", np.sqrt(lu * mu))):
        assert score(f"relabel(by={by!r})", view)[voted] == pytest.approx(expected[voted], abs=2e-9)
    ours = score("relabel", view)
    agrees = voted & ((p > 0.5) == (positives > negatives)) & (positives != negatives)
    against = voted & ~agrees & (positives != negatives)
    assert agrees.sum() > 5
    assert against.sum() > 5
    assert ours[agrees] == pytest.approx(np.sqrt(lu * mu)[agrees], abs=2e-9)
    assert ours[against] == pytest.approx(np.sqrt(lu * (1 - mu))[against], abs=2e-9)


@pytest.mark.parametrize("seed", range(3))
def test_relabel_doubts_the_leading_class_by_its_runner_up_and_by_the_model(seed: int) -> None:
    data = arrays(80, seed=seed)
    proba, votes = data["proba"], data["votes"]
    expected = []
    for p, v in zip(proba, votes, strict=True):
        lead, second = sorted(v)[::-1][:2]
        label = scipy.stats.beta.cdf(0.5, lead + 1, second + 1)
        model = 1 - max(p[c] for c in range(4) if v[c] == lead)
        two = sorted(p)[::-1][:2]
        expected.append(math.sqrt(label * model) if lead else -1 - (two[0] - two[1]))
    view = View(proba=proba, votes=votes)
    assert score("relabel", view) == pytest.approx(expected, abs=2e-9)
    picked = rows("relabel", view, 80)
    empty = [row for row in picked if not votes[row].any()]
    assert empty
    assert picked[-len(empty) :] == empty == sorted(empty, key=lambda r: margin_of(proba)[r])


def test_relabel_asks_first_where_a_sure_model_contradicts_few_votes() -> None:
    proba = [[0.99, 0.01]] * 4 + [[0.6, 0.4]]
    votes = [[1, 0], [0, 5], [0, 1], [3, 3], [1, 0]]
    assert rows("relabel", View(proba=proba, votes=votes), 5)[0] == 2
    # The paper's score sees a sure model and doubts none of the first four rows.
    assert rows("relabel(by='lmu')", View(proba=proba, votes=votes), 5)[0] == 4
    # Equal label doubt: the order of the margin.
    assert rows("relabel(by='lu')", View(proba=[[0.9, 0.1], [0.6, 0.4]], votes=[[1, 0], [0, 1]]), 2) == [1, 0]
    assert score("relabel(by='lu')", View(proba=np.ones((2, 1)), votes=[[1], [0]])) == pytest.approx([0, -2], abs=1e-9)


# --- relabel_or_new --------------------------------------------------------------------------------------------------


def value_of_a_vote(p: np.ndarray, votes: np.ndarray, accuracy: float) -> tuple[float, float]:
    """Expected gain in the probability of being right, by going through all answers; and the error now."""
    classes = len(p)

    def likelihood(answer: int, truth: int) -> float:
        return accuracy if answer == truth else (1 - accuracy) / (classes - 1)

    joint = [p[c] * math.prod(likelihood(a, c) ** votes[a] for a in range(classes)) for c in range(classes)]
    now = [j / sum(joint) for j in joint]
    after = 0.0
    for answer in range(classes):
        chance = [now[c] * likelihood(answer, c) for c in range(classes)]
        posterior = [x / sum(chance) for x in chance]
        after += sum(chance) * max(posterior)
    return after - max(now), 1 - max(now)


@pytest.mark.parametrize("accuracy", [0.5, 0.7, 0.95])
@pytest.mark.parametrize("classes", [2, 4])
def test_relabel_or_new_is_the_expected_error_that_a_vote_removes(accuracy: float, classes: int) -> None:
    data = arrays(60, classes=classes, seed=classes)
    value, error = np.transpose(
        [value_of_a_vote(p, v, accuracy) for p, v in zip(data["proba"], data["votes"], strict=True)]
    )
    view = View(proba=data["proba"], votes=data["votes"])
    spelling = f"relabel_or_new(accuracy={accuracy})"
    assert score(spelling, view) == pytest.approx(value, abs=2e-9)
    assert rows(spelling, view, 60) == np.lexsort((-error, -np.round(value * 2**30))).tolist()


def test_relabel_or_new_puts_new_and_voted_rows_on_one_scale() -> None:
    # A vote for the first class by an annotator who is right 8 times in 10 is worth as much as a model that says 0.8.
    view = View(proba=[[0.5, 0.5], [0.8, 0.2], [0.5, 0.5]], votes=[[1, 0], [0, 0], [0, 0]])
    ours = score("relabel_or_new", view)
    assert ours[0] == pytest.approx(ours[1], abs=1e-12)
    assert ours[2] == pytest.approx(0.3, abs=1e-9)  # least confidence 0.5, and 0.2 after one vote
    # Without votes and with certain answers, what a label removes is the least confidence.
    proba = arrays(30)["proba"]
    sure = score("relabel_or_new(accuracy=0.999)", View(proba=proba, votes=np.zeros_like(proba)))
    assert sure == pytest.approx(1 - proba.max(axis=1), abs=2e-3)
    # Votes speak up against a model that excludes their class.
    certain = View(proba=[[1.0, 0.0]] * 2, votes=[[0, 0], [0, 20]])
    assert rows("relabel_or_new", certain, 1) == [1]


# --- multi-label -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [1, 3, 40])
def test_multilabel_margin_by_hand(labels: int) -> None:
    p = rng(labels).random((30, labels))
    margins = [[abs(x - (1 - x)) for x in row] for row in p.tolist()]
    for over, how in (("min", min), ("max", max), ("mean", np.mean)):
        view = View(label_proba=p)
        assert score(f"multilabel_margin(over={over!r})", view) == pytest.approx([-how(m) for m in margins])
        whole = score(f"multilabel_margin(over={over!r})", view)
        parts = [score(f"multilabel_margin(over={over!r})", view.block(i, i + 1)) for i in range(30)]
        assert np.array_equal(whole, np.concatenate(parts))
    # For one label the margin is that of two classes.
    two = np.column_stack([1 - p[:, 0], p[:, 0]])
    assert rows("multilabel_margin", View(label_proba=p[:, :1]), 30) == rows("margin", View(proba=two), 30)


@pytest.mark.parametrize(("labels", "labelled"), [(3, 7), (12, 40), (5, 1)])
def test_label_cardinality_is_the_difference_to_the_mean_number_of_labels(labels: int, labelled: int) -> None:
    generator = rng(labels)
    p = generator.random((60, labels))
    seen = generator.integers(0, 2, (labelled, labels))
    mean = Fraction(int(seen.sum()), labelled)
    wrong = [abs(sum(x > 0.5 for x in row) - mean) for row in p.tolist()]
    least = np.abs(2 * p - 1).min(axis=1)
    view = View(label_proba=p, seen_labels=seen)
    ours = score("label_cardinality", view)
    assert rows("label_cardinality", view, 60) == sorted(range(60), key=lambda r: (-wrong[r], least[r]))
    for value, expected in zip(ours, wrong, strict=True):
        assert 0 <= value - float(expected) + 1e-12 <= 0.5 / labelled + 1e-9
    # Nothing labelled: the smallest margin alone.
    nothing = View(label_proba=p, seen_labels=seen[:0])
    assert rows("label_cardinality", nothing, 60) == rows("multilabel_margin", View(label_proba=p), 60)


def entropy_of(*counts: float) -> float:
    return float(scipy.stats.entropy(counts, base=2))


def set_distance(a: np.ndarray, b: np.ndarray) -> float:
    """1 - mutual information / joint entropy, or 1 for complements."""
    if hamming(a, b) == 1:
        return 1.0
    table = scipy.stats.contingency.crosstab(a, b, levels=([0, 1], [0, 1])).count
    joint = entropy_of(*table.ravel())
    shared = entropy_of(*table.sum(axis=0)) + entropy_of(*table.sum(axis=1)) - joint
    return 1 - shared / joint if joint else 0.0


def cvirs(p: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    margins = np.abs(p - (1 - p))
    ranks = np.column_stack([scipy.stats.rankdata(m) for m in margins.T])  # 1 = least sure, ties share the mean
    s = (len(p) - ranks).sum(axis=1) / (p.shape[1] * (len(p) - 1))
    v = [np.mean([set_distance(row, other) for other in seen]) if len(seen) else 1.0 for row in (p > 0.5).astype(int)]
    return s * v, s


@pytest.mark.parametrize(("labels", "labelled"), [(1, 4), (3, 7), (6, 30), (70, 9), (4, 0)])
def test_category_vector_inconsistency_agrees_with_the_formulas_of_the_paper(labels: int, labelled: int) -> None:
    for seed in range(2):
        p = rng(seed).random((40, labels))
        p[5:10] = p[:5]  # ties in every rank
        p[10:20] = np.round(p[10:20] * 8) / 8
        seen = rng(seed + 9).integers(0, 2, (labelled, labels))
        expected, borda_count = cvirs(p, seen)
        answer = propose("category_vector_inconsistency", View(label_proba=p, seen_labels=seen), 40, rng())
        assert answer.score == pytest.approx(expected[answer.rows], abs=1e-12)
        assert answer.score.tolist() == sorted(answer.score, reverse=True)
        assert borda(p) == pytest.approx(borda_count)
        order = [(round(expected[r], 10), round(borda_count[r], 10)) for r in answer.rows]
        assert order == sorted(order, reverse=True)


@for_all(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
@settings(deadline=None)
def test_entropy_distance_of_any_two_sets(pairs: list[tuple[bool, bool]]) -> None:
    a, b = np.array(pairs).T
    counts = [np.array([x]) for x in ((a & b).sum(), a.sum(), b.sum())]
    ours = entropy_distance(*counts, len(a))[0]
    assert ours == pytest.approx(set_distance(a.astype(int), b.astype(int)), abs=1e-12)
    assert entropy_distance(counts[0], counts[2], counts[1], len(a))[0] == pytest.approx(ours, abs=1e-12)


def test_category_vector_inconsistency_keeps_to_evenly_spaced_labelled_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.category_vector_inconsistency as module

    p, seen = rng(1).random((30, 5)), rng(2).integers(0, 2, (41, 5))
    monkeypatch.setattr(module, "_MOST_LABELLED", 5)
    monkeypatch.setattr(module, "_ENTRIES", 20)  # several blocks
    answer = propose("category_vector_inconsistency", View(label_proba=p, seen_labels=seen), 30, rng())
    assert answer.score == pytest.approx(cvirs(p, seen[::10])[0][answer.rows])


def test_category_vector_inconsistency_works_out_no_more_distances_than_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import strategy_zoo.strategies.category_vector_inconsistency as module

    done: list[int] = []

    def counted(*sizes: Any) -> np.ndarray:
        distance = entropy_distance(*sizes)
        done.append(distance.size)
        return distance

    monkeypatch.setattr(module, "entropy_distance", counted)
    view = View(label_proba=rng(1).random((30, 400)), seen_labels=rng(2).integers(0, 2, (7, 400)))
    propose("category_vector_inconsistency", view, 3, rng())
    assert sum(done) <= 30 * 7


def test_category_vector_inconsistency_of_one_row_and_of_sure_labels() -> None:
    one = View(label_proba=[[0.2, 0.9]], seen_labels=[[1, 1]])
    assert propose("category_vector_inconsistency", one, 1, rng()).rows.tolist() == [0]
    # All predicted sets equal the labelled one: the ranking decides.
    same = View(label_proba=[[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]], seen_labels=[[1, 0]])
    answer = propose("category_vector_inconsistency", same, 3, rng())
    assert answer.rows.tolist() == [1, 2, 0]
    assert answer.score.tolist() == [0, 0, 0]


def test_label_margins_are_those_of_a_label_and_its_absence() -> None:
    assert label_margins(np.array([[0.0, 0.5, 0.75, 1.0]])).tolist() == [[1.0, 0.0, 0.5, 1.0]]
