"""Strategies that spread a batch or look at neighbours agree with references written another way, and with peers."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist

from strategy_zoo import SpellingError, View, get, propose
from strategy_zoo.strategies.discriminative import logistic
from strategy_zoo.testing import arrays
from tests.strategy_zoo.shorthand import margin_of, rng, rows, score


@pytest.mark.parametrize(
    "spelling",
    [
        "falcun(gamma=-1)",
        "falcun(gamma=1001)",
        "falcun(gamma='x')",
        "contrastive(neighbours=0)",
        "contrastive(neighbours=2.5)",
        "drop_query(share=1)",
        "drop_query(share=-0.1)",
        "discriminative(rounds=0)",
        "discriminative(features=-1)",
        "discriminative(features=2001)",
    ],
)
def test_parameters_out_of_range_are_refused(spelling: str) -> None:
    name = spelling[spelling.index("(") + 1 : spelling.index("=")]
    with pytest.raises(SpellingError, match=name):
        get(spelling)


# --- peers -----------------------------------------------------------------------------------------------------------


def table(proba: np.ndarray, embedding: np.ndarray | None = None, answers: list[Any] | None = None) -> Any:
    """A scikit-activeml classifier whose outputs are given: row i of a data set X whose first column is i."""
    base = pytest.importorskip("skactiveml.base")

    class Table(base.SkactivemlClassifier):  # type: ignore[misc]
        calls = 0

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> Any:
            at = np.asarray(X)[:, 0].astype(int)
            return proba[at].copy() if embedding is None else (proba[at].copy(), embedding[at].copy())

        def predict(self, X: Any) -> Any:
            # The first call is about the rows as they are, the others about noisy ones.
            type(self).calls += 1
            if type(self).calls == 1:
                at = np.asarray(X)[:, 0].astype(int)
                return proba[at].argmax(axis=1), embedding[at]  # type: ignore[index]
            return answers[type(self).calls - 2]  # type: ignore[index]

    return Table(classes=list(range(proba.shape[1])))


def numbered(n: int) -> np.ndarray:
    return np.arange(n, dtype=float)[:, None]


# --- FALCUN ----------------------------------------------------------------------------------------------------------


def falcun_chances(proba: np.ndarray, picked: list[int], gamma: float) -> np.ndarray:
    """Chances of the next row, by the formulas (1) to (6) of the paper, distances worked out from scratch."""
    left = [row for row in range(len(proba)) if row not in picked]
    unsure = {row: 1 - margin_of(proba[[row]])[0] for row in left}
    far = {row: min([unsure[row], *(np.abs(proba[row] - proba[p]).sum() for p in picked)]) for row in left}
    low, high = min(far.values()), max(far.values())
    out = np.zeros(len(proba))
    for row in left:
        out[row] = (unsure[row] + ((far[row] - low) / (high - low) if high > low else 0)) ** gamma
    return out / out.sum()


@pytest.mark.parametrize("gamma", [0.0, 1.0, 4.0])
def test_falcun_draws_as_the_paper_says(gamma: float) -> None:
    proba = arrays(5, seed=4)["proba"]
    generator, times = rng(3), 6000
    seen = Counter(tuple(rows_of(f"falcun(gamma={gamma})", proba, 3, generator)) for _ in range(times))
    chance = {}
    for order in itertools.permutations(range(5), 3):
        chance[order] = np.prod([falcun_chances(proba, list(order[:i]), gamma)[order[i]] for i in range(3)])
    assert sum(chance.values()) == pytest.approx(1)
    often = [order for order, p in chance.items() if p * times >= 5]
    count = [seen[order] for order in often]
    expected = [chance[order] * times for order in often]
    count.append(times - sum(count))
    expected.append(times - sum(expected))
    if expected[-1] < 5:  # too rare for the test's approximation
        count, expected = [*count[:-2], count[-2] + count[-1]], [*expected[:-2], expected[-2] + expected[-1]]
    assert scipy.stats.chisquare(count, expected).pvalue > 1e-4


def rows_of(spelling: str, proba: np.ndarray, n: int, generator: np.random.Generator) -> list[int]:
    return propose(spelling, View(proba=proba), n, generator).rows.tolist()


def test_falcun_score_is_uncertainty_plus_diversity_at_the_draw() -> None:
    proba = arrays(40, seed=1)["proba"]
    answer = propose("falcun", View(proba=proba), 40, rng(2))
    picked = answer.rows.tolist()
    assert sorted(picked) == list(range(40))
    unsure = 1 - margin_of(proba)
    for i, value in enumerate(answer.score[:-1]):
        chance = falcun_chances(proba, picked[:i], 1.0)
        far = np.minimum(unsure, cdist(proba, proba[picked[:i]], "cityblock").min(axis=1) if i else unsure)
        left = np.setdiff1d(np.arange(40), picked[:i])
        wish = unsure[left] + (far[left] - far[left].min()) / np.ptp(far[left])
        assert value == pytest.approx(wish[left == picked[i]][0])
        assert chance[left] == pytest.approx(wish / wish.sum())


def test_falcun_takes_equal_rows_late_and_certain_rows_last() -> None:
    proba = np.array([[0.5, 0.5, 0.0]] * 5 + [[0.0, 0.5, 0.5]] * 5 + [[1.0, 0.0, 0.0]] * 5)
    for seed in range(20):
        picked = rows("falcun(gamma=200)", View(proba=proba), 15, seed)
        assert sorted(row // 5 for row in picked[:2]) == [0, 1]
        assert [row // 5 for row in picked[10:]] == [2] * 5
    # Certain rows alone have the wish 0: any order is as likely as another.
    first = Counter(rows("falcun", View(proba=np.eye(4)), 4, seed)[0] for seed in range(400))
    assert scipy.stats.chisquare([first[row] for row in range(4)]).pvalue > 1e-4


def test_badge_takes_probabilities_that_a_double_can_hardly_hold_for_certain() -> None:
    view = View(proba=[[1.0, 5e-324]] * 4, embedding=arrays(4)["embedding"])
    answer = propose("badge", view, 4, rng())
    assert sorted(answer.rows.tolist()) == [0, 1, 2, 3]
    assert answer.score.tolist() == [0.0] * 4


def test_falcun_wants_rows_that_sum_to_a_little_more_than_1_as_little_as_certain_ones() -> None:
    proba = np.array([[1.0005, 0.0]] * 3 + [[0.6, 0.4], [0.5, 0.5]])
    for seed in range(10):
        answer = propose("falcun(gamma=99.5)", View(proba=proba), 5, rng(seed))
        assert answer.rows[:2].tolist() == [4, 3]
        assert answer.score[2:].tolist() == [0, 0, 0]


def test_falcun_differs_from_scikit_activeml_by_when_distances_are_scaled() -> None:
    """Both scale distances to [0, 1]; theirs keep the scaled ones, ours and the authors' scale afresh.

    Theirs also leave the first draw unscaled and count picked rows when scaling. None of this shows in the first two
    draws when the pool holds a row of margin 0 and a row of margin 1, whose distances are 1 and 0.
    """
    pool = pytest.importorskip("skactiveml.pool")
    proba = np.vstack([arrays(12, seed=2)["proba"], [[0.5, 0.5, 0, 0]], [[1, 0, 0, 0]]])
    clf, gamma = table(proba), 3.0
    picked, utility = pool.Falcun(gamma=gamma, random_state=0).query(
        numbered(14), np.full(14, np.nan), clf, fit_clf=False, batch_size=5, return_utilities=True
    )
    picked = [int(row) for row in picked]
    for i in range(2):
        assert np.nan_to_num(utility[i]) == pytest.approx(falcun_chances(proba, picked[:i], gamma), abs=1e-12)
    unsure = 1 - margin_of(proba)
    far = unsure.copy()
    for i in range(1, 5):
        far = np.minimum(far, np.abs(proba - proba[picked[i - 1]]).sum(axis=1))
        far = (far - far.min()) / np.ptp(far)
        theirs = (unsure + far) ** gamma
        theirs[picked[:i]] = 0
        assert np.nan_to_num(utility[i]) == pytest.approx(theirs / theirs.sum(), abs=1e-12)
    assert np.abs(np.nan_to_num(utility[4]) - falcun_chances(proba, picked[:4], gamma)).max() > 1e-3


# --- contrastive -----------------------------------------------------------------------------------------------------


def divergence_to_neighbours(given: dict[str, Any], k: int) -> np.ndarray:
    out = []
    for row, p in zip(given["embedding"].astype(float), given["proba"], strict=True):
        near = np.argsort(np.linalg.norm(given["seen_embedding"].astype(float) - row, axis=1), kind="stable")[:k]
        out.append(np.mean([scipy.stats.entropy(given["seen_proba"][i], p) for i in near]))
    return np.array(out)


@pytest.mark.parametrize(("labelled", "k", "columns"), [(1, 10, 5), (7, 3, 5), (7, 7, 1), (150, 10, 40), (150, 1, 2)])
def test_contrastive_is_the_mean_divergence_of_the_nearest_labelled_rows(labelled: int, k: int, columns: int) -> None:
    for seed in range(3):
        given = arrays(50, labelled=labelled, columns=columns, seed=seed)
        ours = score(f"contrastive(neighbours={k})", View(**given))
        assert ours == pytest.approx(divergence_to_neighbours(given, k), rel=1e-4)  # probabilities are floored at 1e-7


@pytest.mark.parametrize("k", [1, 4])
def test_contrastive_scores_as_scikit_activeml(k: int) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    given = arrays(40, labelled=20, seed=3)
    given["proba"][:5] = np.eye(4)[[0, 1, 2, 3, 0]]  # floored alike
    both = np.vstack([given["seen_proba"], given["proba"]])
    embedding = np.vstack([given["seen_embedding"], given["embedding"]]).astype(float)
    y = np.append(np.zeros(20), np.full(40, np.nan))
    _, theirs = pool.ContrastiveAL(nearest_neighbors_dict={"n_neighbors": k}, random_state=0).query(
        numbered(60), y, table(both, embedding), fit_clf=False, batch_size=1, return_utilities=True
    )
    assert score(f"contrastive(neighbours={k})", View(**given)) == pytest.approx(theirs[0, 20:], rel=1e-9)


def test_contrastive_prefers_rows_labelled_first_among_equally_near_ones() -> None:
    given = arrays(20, labelled=6, seed=1)
    given["seen_embedding"] = np.repeat(given["seen_embedding"][:2], 3, axis=0)  # 0 1 2 are one point, 3 4 5 another
    ours = score("contrastive(neighbours=2)", View(**given))
    assert ours == pytest.approx(divergence_to_neighbours(given, 2), rel=1e-4)
    assert len(np.unique(ours)) == 20


def test_contrastive_falls_back_to_margin_and_keeps_to_evenly_spaced_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.contrastive as module

    given = arrays(30, labelled=0)
    assert score("contrastive", View(**given)) == pytest.approx(-margin_of(given["proba"]))
    monkeypatch.setattr(module, "_MOST_LABELLED", 5)
    many = arrays(30, labelled=41)
    kept = [0, 10, 20, 30, 40]
    few = many | {name: many[name][kept] for name in ("seen_embedding", "seen_proba", "seen_y", "seen_labels")}
    assert score("contrastive(neighbours=3)", View(**many)) == pytest.approx(divergence_to_neighbours(few, 3), rel=1e-4)


def test_contrastive_gives_a_row_the_same_score_in_any_block_and_far_from_all_labels() -> None:
    given = arrays(64, labelled=90, columns=7)
    given["embedding"][::9] *= 1e6
    view = View(**given)
    whole = score("contrastive", view)
    for size in (1, 7, 64):
        parts = [score("contrastive", view.block(a, a + size)) for a in range(0, 64, size)]
        assert np.array_equal(whole, np.concatenate(parts))
    # A distant row's neighbours are decided by coordinates that were cut; its score is finite and ordinary.
    assert whole.min() >= 0
    assert whole.max() < 30


# --- DropQuery -------------------------------------------------------------------------------------------------------


def dropped(seed: int = 0, passes: int = 5) -> tuple[dict[str, Any], np.ndarray]:
    """Three blobs; about half of the rows are contradicted by most passes."""
    generator = rng(seed)
    owner = np.repeat(np.arange(3), [30, 20, 10])
    embedding = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])[owner] + generator.normal(size=(60, 2))
    given = {"proba": arrays(60, classes=3, seed=seed)["proba"], "embedding": embedding.astype(np.float32)}
    predicted = given["proba"].argmax(axis=1)
    wrong = generator.random((passes, 60)) < generator.random(60)
    given["stochastic"] = np.eye(3)[np.where(wrong, (predicted + 1) % 3, predicted)] * 0.7 + 0.1
    return given, wrong.mean(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_drop_query_takes_the_row_closest_to_the_middle_of_the_contradicted_rows_of_each_blob(seed: int) -> None:
    given, share = dropped(seed)
    points = given["embedding"].astype(float)
    candidates = np.flatnonzero(share > 0.5)
    owner = (points[:, 0] > 25) + 2 * (points[:, 1] > 25)
    expected = []
    for blob in sorted(range(3), key=lambda b: -(owner[candidates] == b).sum()):
        mine = candidates[owner[candidates] == blob]
        expected.append(int(mine[np.linalg.norm(points[mine] - points[mine].mean(axis=0), axis=1).argmin()]))
    answer = propose("drop_query", View(**given), 3, rng(seed))
    assert sorted(answer.rows.tolist()) == sorted(expected)
    sizes = [(owner[candidates] == owner[row]).sum() for row in answer.rows]
    assert sizes == sorted(sizes, reverse=True)
    assert answer.score.tolist() == share[answer.rows].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_drop_query_picks_as_scikit_activeml_on_clear_clusters(seed: int) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    given, _ = dropped(seed)
    answers = list(given["stochastic"].argmax(axis=2))
    clf = table(given["proba"], given["embedding"].astype(float), answers)
    X = numbered(60) + 0.25  # nothing is zero, so that the peer's own dropout is all that could change a row
    theirs = pool.DropQuery(n_dropout_samples=5, cluster_algo_dict={"random_state": 0, "n_init": 10}, random_state=0)
    picked = theirs.query(X, np.full(60, np.nan), clf, fit_clf=False, batch_size=3)
    assert sorted(rows("drop_query", View(**given), 3, seed)) == sorted(int(row) for row in picked)


def test_drop_query_fills_up_by_share_and_then_by_margin() -> None:
    given, share = dropped(1)
    wanted = sorted(range(60), key=lambda r: (-share[r], margin_of(given["proba"])[r]))
    few = int((share > 0.5).sum())
    for n in (few, few + 5, 60):
        assert rows("drop_query", View(**given), n) == wanted[:n]
    assert (
        rows("drop_query(share=0.9)", View(**given), int((share > 0.9).sum()) + 3)
        == wanted[: int((share > 0.9).sum()) + 3]
    )


def test_drop_query_bounds_candidates_and_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.drop_query as module

    given, share = dropped(2)
    candidates = set(np.flatnonzero(share > 0.2).tolist())
    monkeypatch.setattr(module, "_MOST_CLUSTERS", 3)
    picked = rows("drop_query(share=0.2)", View(**given), 9)
    # Three clusters, visited three times: the three rows closest to each centre.
    points = given["embedding"].astype(float)
    owner = (points[:, 0] > 25) + 2 * (points[:, 1] > 25)
    assert set(picked) <= candidates
    for blob in range(3):
        mine = np.array([row for row in sorted(candidates) if owner[row] == blob])
        order = mine[np.linalg.norm(points[mine] - points[mine].mean(axis=0), axis=1).argsort()]
        assert [row for row in picked if owner[row] == blob] == order[:3].tolist()
    monkeypatch.setattr(module, "_MOST_CANDIDATES", 12)
    several = {tuple(rows("drop_query(share=0.2)", View(**given), 3, seed)) for seed in range(10)}
    assert len(several) > 1
    assert all(set(some) <= candidates for some in several)
    assert len(set(rows("drop_query(share=0.2)", View(**given), 20))) == 20


# --- discriminative --------------------------------------------------------------------------------------------------


def scaled(pool: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = pool.mean(axis=0)
    size = np.sqrt(np.square(pool - centre).mean())
    return (pool - centre) / size, (seen - centre) / size


@pytest.mark.parametrize("seed", range(4))
def test_discriminative_regression_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn.linear_model import LogisticRegression

    x = rng(seed).normal(size=(80, 4)) * [1, 5, 0.1, 1]
    positive = rng(seed).random(80) < 0.8
    x[positive] += [0.5, 9, 0, 0]  # nearly separable
    weight = logistic(x, positive, np.zeros(5))
    theirs = LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=100_000).fit(x, positive)
    assert weight[:-1] == pytest.approx(theirs.coef_[0], abs=2e-4)
    assert weight[-1] == pytest.approx(theirs.intercept_[0], abs=2e-4)


@pytest.mark.parametrize(("rounds", "greedy"), [(1, True), (6, False)])
def test_discriminative_picks_as_scikit_activeml(rounds: int, greedy: bool) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    for seed in range(3):
        given = arrays(50, labelled=8, seed=seed)
        unlabelled, seen = scaled(given["embedding"].astype(float), given["seen_embedding"].astype(float))
        y = np.append(np.zeros(8), np.full(50, np.nan))
        discriminator = SklearnClassifier(
            LogisticRegression(class_weight="balanced", tol=1e-9, max_iter=100_000), classes=[0, 1], random_state=0
        )
        theirs = pool.DiscriminativeAL(greedy_selection=greedy, random_state=0).query(
            np.vstack([seen, unlabelled]), y, discriminator, batch_size=6
        )
        ours = rows(f"discriminative(rounds={rounds}, features=0)", View(**given), 6, seed)
        assert ours == [int(row) - 8 for row in theirs]


def test_discriminative_finds_regions_without_labels_that_no_plane_separates() -> None:
    # Labels on both sides of the rows in the middle: a linear classifier can't ask for the middle, a lifted one does.
    generator = rng(5)
    owner = np.repeat([0, 1, 2], 40)
    embedding = np.array([-10.0, 0.0, 10.0])[owner][:, None] + generator.normal(size=(120, 3)) * [1, 0.1, 0.1]
    seen = np.concatenate([embedding[:10], embedding[80:90]]) + 0.01
    view = View(embedding=embedding, seen_embedding=seen)
    for seed in range(5):
        picked = rows("discriminative(features=300)", view, 4, seed)
        assert (owner[picked] == 1).mean() >= 0.75
    assert (owner[rows("discriminative(features=0)", view, 4)] == 1).mean() < 0.5


def test_discriminative_spreads_over_what_is_unlabelled_in_rounds() -> None:
    owner = np.repeat(np.arange(5), 20)
    embedding = 8 * np.eye(5)[owner] + rng(1).normal(size=(100, 5)) * 0.3
    view = View(embedding=embedding, seen_embedding=embedding[:5])
    for seed in range(5):
        picked = owner[rows("discriminative", view, 8, seed)]
        assert set(picked[:6]) >= {1, 2, 3, 4}
    # In one round all picks come at once, best log-odds first.
    answer = propose("discriminative(rounds=1)", view, 8, rng())
    assert answer.score.tolist() == sorted(answer.score, reverse=True)
    parts = propose("discriminative(rounds=4)", view, 8, rng()).score.reshape(4, 2)
    assert (parts[:, 0] >= parts[:, 1]).all()


def test_discriminative_starts_next_to_the_mean_and_samples_large_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.strategies.discriminative as module

    pool = arrays(200)["embedding"].astype(float)
    view = View(embedding=pool, seen_embedding=pool[:0])
    picked = rows("discriminative", view, 5)
    assert picked[0] == np.linalg.norm(pool - pool.mean(axis=0), axis=1).argmin()
    sizes: list[tuple[int, int]] = []
    real = module.logistic

    def watched(x: Any, positive: Any, start: Any) -> Any:
        sizes.append((int((~positive).sum()), int(positive.sum())))
        return real(x, positive, start)

    monkeypatch.setattr(module, "logistic", watched)
    monkeypatch.setattr(module, "_LEAST", 20)
    monkeypatch.setattr(module, "_MOST", 60)
    monkeypatch.setattr(module, "_MOST_LABELLED", 9)
    for labelled in (1, 4, 30):
        sizes.clear()
        seen = arrays(200, labelled=labelled)["seen_embedding"]
        assert len(set(rows("discriminative(rounds=2)", View(embedding=pool, seen_embedding=seen), 4))) == 4
        sides = [min(9, labelled), min(9, labelled + 2)]
        assert sizes == [(side, min(60, max(20, 10 * side))) for side in sides]
