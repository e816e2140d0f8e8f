"""Strategies for regression agree with references written another way, and with scikit-activeml."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from strategy_zoo import SpellingError, View, ViewError, get, propose
from strategy_zoo.testing import arrays, check_strategy
from tests.strategy_zoo.shorthand import rng, score

NAMES = [
    *("greedy_x", "greedy_y", "improved_greedy", "committee_variance", "expected_model_change_regression"),
    *("largest_cluster_max_distance", "quantile_width"),
]


def rows(spelling: str, view: View, n: int) -> list[int]:
    return propose(spelling, view, n, rng()).rows.tolist()


def pool(n: int = 60, labelled: int = 7, columns: int = 5, seed: int = 0) -> dict[str, Any]:
    given = arrays(n, labelled=labelled, columns=columns, seed=seed)
    given["seen_y"] = rng(seed + 100).random(labelled) * 1.5
    return given


@pytest.mark.parametrize("name", NAMES)
def test_strategies_are_for_regression_only(name: str) -> None:
    assert get(name).task == ("regression",)


def test_quantile_width_keeps_the_contract_with_its_parameter_set() -> None:
    check_strategy("quantile_width(relative=True)")


# --- greedy sampling -------------------------------------------------------------------------------------------------


def greedily(n: int, count: int, seen: int, distance: Any, start: int) -> tuple[list[int], list[float]]:
    """The rule in words: the row whose least distance to all that is labelled or picked is largest."""
    picked: list[int] = []
    reached: list[float] = []
    for _ in range(n):
        best, value = -1, -1.0
        for row in range(count):
            if row in picked:
                continue
            covered = [distance(row, "seen", s) for s in range(seen)] + [distance(row, "pool", p) for p in picked]
            least = min(covered) if covered else float(row == start)
            if least > value:
                best, value = row, least
        picked.append(best)
        reached.append(value)
    return picked, reached


def rule(given: dict[str, Any], method: str, seen: bool = True) -> tuple[Any, int, int]:
    """Distance function, number of labelled rows and first row of a greedy rule; method holds 'x', 'y' or both."""
    x = {"pool": given["embedding"].astype(float), "seen": given["seen_embedding"].astype(float)}
    y = {"pool": given["prediction"], "seen": given["seen_y"]}

    def distance(row: int, side: str, other: int) -> float:
        far = float(np.linalg.norm(x["pool"][row] - x[side][other])) if "x" in method else 1.0
        return far * (abs(float(y["pool"][row] - y[side][other])) if "y" in method else 1.0)

    middle = y["pool"][:, None] if method == "y" else x["pool"]
    start = int(np.linalg.norm(middle - middle.mean(axis=0), axis=1).argmin())
    return distance, len(y["seen"]) if seen else 0, start


@pytest.mark.parametrize(("name", "method"), [("greedy_x", "x"), ("greedy_y", "y"), ("improved_greedy", "xy")])
@pytest.mark.parametrize("labelled", [0, 1, 7])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_rules_agree_with_loops_over_all_pairs(name: str, method: str, labelled: int, seed: int) -> None:
    given = pool(40, labelled, seed=seed)
    distance, seen, start = rule(given, method)
    expected, reached = greedily(12, 40, seen, distance, start)
    answer = propose(name, View(**given), 12, rng())
    assert answer.rows.tolist() == expected
    # The first row of an unlabelled pool counts as far as the second.
    assert answer.score == pytest.approx(reached if labelled else [reached[1], *reached[1:]], rel=1e-4)


@pytest.mark.parametrize("name", ["greedy_x", "greedy_y", "improved_greedy", "largest_cluster_max_distance"])
def test_the_only_pick_of_an_unlabelled_pool_counts_as_far_as_the_farthest_row(name: str) -> None:
    view = View(**pool(labelled=0))
    assert propose(name, view, 1, rng()).score[0] == propose(name, view, 2, rng()).score[1]
    alone = View(embedding=[[3.0]], prediction=[2.0])
    assert propose(name, alone, 1, rng()).score.tolist() == [0.0]


def test_greedy_x_is_k_center_in_every_digit() -> None:
    view = View(**pool())
    one, two = propose("greedy_x", view, 20, rng()), propose("k_center", view, 20, rng())
    assert one.rows.tolist() == two.rows.tolist()
    assert one.score.tolist() == two.score.tolist()


def test_greedy_y_takes_the_lower_row_of_a_tie_and_duplicates_last() -> None:
    view = View(prediction=[1.0, 3.0, -1.0, 3.0, 1.0], seen_y=[1.0, 1.0])
    answer = propose("greedy_y", view, 5, rng())
    assert answer.rows.tolist() == [1, 2, 0, 3, 4]
    assert answer.score.tolist() == [2.0, 2.0, 0.0, 0.0, 0.0]
    assert rows("greedy_y", View(prediction=[4.0, 2.0, 0.0, 2.0]), 3) == [1, 0, 2]


def test_improved_greedy_takes_the_least_product_not_the_product_of_the_least_distances() -> None:
    # Row 0 is near one labelled row in x and near the other in y, so both least distances are small.
    view = View(embedding=[[0.1], [2.0]], prediction=[9.9, 2.0], seen_embedding=[[0.0], [10.0]], seen_y=[0.0, 10.0])
    answer = propose("improved_greedy", view, 1, rng())
    assert answer.rows.tolist() == [1]
    assert answer.score[0] == pytest.approx(min(2 * 2, 8 * 8), rel=1e-5)
    both = View(embedding=[[1.0], [2.0]], prediction=[9.0, 2.0], seen_embedding=[[0.0], [10.0]], seen_y=[0.0, 10.0])
    assert propose("improved_greedy", both, 1, rng()).score[0] == pytest.approx(9.0, rel=1e-5)
    assert rows("improved_greedy", both, 1) == [0]


def test_improved_greedy_falls_back_to_the_embedding_when_predictions_say_nothing() -> None:
    given = pool()
    given["prediction"][:] = 0.25
    given["seen_y"][:] = 0.25
    view = View(**given)
    assert rows("improved_greedy", view, 20) == rows("greedy_x", view, 20)
    # Equal predictions that differ from the labels separate the first pick only.
    given["seen_y"][:] = 3.0
    assert rows("improved_greedy", View(**given), 20) == rows("greedy_x", View(**given), 20)


def test_improved_greedy_needs_both_halves_of_the_labelled_rows() -> None:
    given = pool()
    alone = View(**{name: given[name] for name in ("embedding", "prediction")})
    for half in ("seen_y", "seen_embedding"):
        view = View(**{name: given[name] for name in ("embedding", "prediction", half)})
        assert rows("improved_greedy", view, 9) == rows("improved_greedy", alone, 9)


def test_improved_greedy_does_not_depend_on_the_unit_of_the_target() -> None:
    given = pool()
    expected = propose("improved_greedy", View(**given), 9, rng())
    for unit in (2.0**-600, 2.0**600, 1e-170, 1e170):
        other = given | {"prediction": given["prediction"] * unit, "seen_y": given["seen_y"] * unit}
        answer = propose("improved_greedy", View(**other), 9, rng())
        assert answer.rows.tolist() == expected.rows.tolist()
        assert answer.score / unit == pytest.approx(expected.score, rel=1e-9)


def test_improved_greedy_works_over_many_blocks_of_rows_and_of_labelled_rows() -> None:
    given = pool(2500, 1500, columns=3)
    x, y = (
        cdist(given["embedding"], given["seen_embedding"]),
        cdist(given["prediction"][:, None], given["seen_y"][:, None]),
    )
    least = (x * y).min(axis=1)
    answer = propose("improved_greedy", View(**given), 1, rng())
    assert answer.rows[0] == least.argmax()
    assert answer.score[0] == pytest.approx(least.max(), rel=1e-4)


@pytest.mark.parametrize("name", ["greedy_y", "improved_greedy"])
def test_words_as_labels_are_refused_with_the_name_of_the_field(name: str) -> None:
    given = pool(12) | {"seen_y": list("abcabca")}
    with pytest.raises(ViewError, match=r"seen_y has the type <U1 \(first: 'a'\), expected numbers"):
        propose(name, View(**given), 3, rng())
    numbers = pool(12) | {"seen_y": np.arange(7)}
    floats = numbers | {"seen_y": np.arange(7.0)}
    assert rows(name, View(**numbers), 5) == rows(name, View(**floats), 5)


def regression_task(seed: int) -> tuple[Any, Any, Any, View, Any]:
    """Features, half-labelled targets and fitted model of scikit-activeml, and our view of them."""
    base = pytest.importorskip("skactiveml.regressor")
    linear = pytest.importorskip("sklearn.linear_model")
    x = rng(seed).normal(size=(40, 4)).astype(np.float32).astype(float)
    y = x @ [1.0, -2.0, 0.5, 0.0] + np.sin(3 * x[:, 0])
    y[10:] = np.nan
    model = base.SklearnRegressor(linear.LinearRegression()).fit(x, y)
    view = View(embedding=x[10:], prediction=model.predict(x[10:]), seen_embedding=x[:10], seen_y=y[:10])
    return x, y, model, view, base


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "method"), [("greedy_y", "GSy"), ("improved_greedy", "GSi")])
def test_greedy_rules_in_the_target_agree_with_scikit_activeml(name: str, method: str, seed: int) -> None:
    theirs = pytest.importorskip("skactiveml.pool")
    x, y, model, view, _ = regression_task(seed)
    picked, utilities = theirs.GreedySamplingTarget(method=method).query(
        x, y, model, fit_reg=False, batch_size=8, return_utilities=True
    )
    answer = propose(name, view, 8, rng())
    assert answer.rows.tolist() == (picked - 10).tolist()
    assert answer.score == pytest.approx(np.nanmax(utilities, axis=1), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_greedy_x_agrees_with_scikit_activeml(seed: int) -> None:
    theirs = pytest.importorskip("skactiveml.pool")
    x, y, _, view, _ = regression_task(seed)
    picked, utilities = theirs.GreedySamplingX().query(x, y, batch_size=8, return_utilities=True)
    answer = propose("greedy_x", view, 8, rng())
    assert answer.rows.tolist() == (picked - 10).tolist()
    assert answer.score == pytest.approx(np.nanmax(utilities, axis=1), rel=1e-4)
    # With nothing labelled theirs starts at the least sum of distances, ours (as the paper) at the mean.
    start = theirs.GreedySamplingX().query(x, np.full(40, np.nan))[0]
    assert start == cdist(x, x).sum(axis=1).argmin()
    assert rows("greedy_x", View(embedding=x), 1) == [cdist(x, x.mean(axis=0, keepdims=True))[:, 0].argmin()]


# --- committees ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [1, 2, 5, 20])
def test_committee_variance_is_the_variance(members: int) -> None:
    given = rng(members).normal(size=(members, 300)) + 1e3
    ours = score("committee_variance", View(committee_prediction=given))
    assert ours == pytest.approx(np.var(given, axis=0), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", ["committee_variance", "expected_model_change_regression"])
def test_scores_of_single_rows_are_those_of_the_whole_pool(name: str) -> None:
    given = rng(1).normal(size=(11, 50))
    view = View(committee_prediction=given, prediction=given[0] + 0.1, embedding=rng(2).normal(size=(50, 33)))
    whole = score(name, view)
    for size in (1, 7, 49):
        parts = [score(name, view.block(a, min(50, a + size))) for a in range(0, 50, size)]
        assert np.concatenate(parts).tolist() == whole.tolist()


def test_committee_variance_is_the_square_of_scikit_activemls_score() -> None:
    theirs = pytest.importorskip("skactiveml.pool")
    x, y, _, _, base = regression_task(4)
    neighbours = pytest.importorskip("sklearn.neighbors")
    committee = [base.SklearnRegressor(neighbours.KNeighborsRegressor(k)).fit(x, y) for k in (1, 2, 5)]
    picked, utilities = theirs.QueryByCommittee().query(
        x, y, committee, fit_ensemble=False, batch_size=6, return_utilities=True
    )
    answer = propose("committee_variance", View(committee_prediction=[m.predict(x[10:]) for m in committee]), 6, rng())
    assert answer.rows.tolist() == (picked - 10).tolist()
    assert answer.score == pytest.approx(np.nanmax(utilities, axis=1) ** 2, rel=1e-9)


def test_expected_model_change_is_the_mean_length_of_the_gradients_written_out() -> None:
    given = pool()
    x, f, members = given["embedding"].astype(float), given["prediction"], given["committee_prediction"]
    expected = [
        np.mean([np.sqrt(sum(((f[i] - label[i]) * value) ** 2 for value in x[i])) for label in members])
        for i in range(60)
    ]
    assert score("expected_model_change_regression", View(**given)) == pytest.approx(expected, rel=1e-12)


def test_expected_model_change_agrees_with_scikit_activeml(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("skactiveml.pool._expected_model_change_maximization")
    x, y, model, view, _ = regression_task(2)
    learners: list[Any] = []
    bootstrap = module._bootstrap_estimators

    def spied(*args: Any, **kwargs: Any) -> Any:
        learners.extend(bootstrap(*args, **kwargs))
        return learners

    monkeypatch.setattr(module, "_bootstrap_estimators", spied)
    query = module.ExpectedModelChangeMaximization(bootstrap_size=4, n_train=0.9, random_state=0)
    picked, utilities = query.query(x, y, model, fit_reg=False, batch_size=5, return_utilities=True)
    assert len(learners) == 4
    same = View(
        embedding=view.embedding,
        prediction=view.prediction,
        committee_prediction=[learner.predict(x[10:]) for learner in learners],
    )
    assert score("expected_model_change_regression", same) == pytest.approx(utilities[0][10:], rel=1e-9)
    assert rows("expected_model_change_regression", same, 5) == (picked - 10).tolist()


# --- LCMD ------------------------------------------------------------------------------------------------------------


def lcmd_by_search(x: np.ndarray, seen: np.ndarray, n: int) -> tuple[list[int], list[float]]:
    centres = [*seen]
    picked: list[int] = []
    reached: list[float] = []
    for _ in range(n):
        if not centres:
            row, far = int(np.linalg.norm(x, axis=1).argmax()), np.inf
        else:
            distance = cdist(x, np.array(centres), "sqeuclidean")
            clusters = [np.flatnonzero(distance.argmin(axis=1) == c) for c in range(len(centres))]
            largest = max(clusters, key=lambda members: distance[members].min(axis=1).sum() if len(members) else -1.0)
            row = int(max(largest, key=lambda i: distance[i].min()))
            far = float(np.sqrt(distance[row].min()))
        picked.append(row)
        reached.append(far)
        centres.append(x[row])
    return picked, reached


@pytest.mark.parametrize("labelled", [0, 1, 7])
@pytest.mark.parametrize("columns", [1, 2, 16])
@pytest.mark.parametrize("seed", range(3))
def test_largest_cluster_max_distance_agrees_with_a_search(labelled: int, columns: int, seed: int) -> None:
    given = pool(70, labelled, columns, seed)
    expected, reached = lcmd_by_search(given["embedding"].astype(float), given["seen_embedding"].astype(float), 15)
    answer = propose("largest_cluster_max_distance", View(**given), 15, rng())
    assert answer.rows.tolist() == expected
    assert answer.score == pytest.approx(reached if labelled else [reached[1], *reached[1:]], rel=1e-3, abs=1e-4)


def test_largest_cluster_max_distance_leaves_a_row_between_two_centres_to_the_earlier_one() -> None:
    # Row 1 is 2 away from the labelled row and from the first pick. With the former it belongs to the larger cluster.
    view = View(embedding=[[4.0], [2.0], [-3.0], [2.25], [2.25]], seen_embedding=[[0.0]])
    assert rows("largest_cluster_max_distance", view, 2) == [0, 2]


def test_largest_cluster_max_distance_prefers_crowds_where_k_center_prefers_outliers() -> None:
    crowd = rng(1).normal(size=(50, 2))
    view = View(embedding=np.vstack([crowd, [[14.0, 0.0]]]), seen_embedding=[[0.0, 0.0], [10.0, 0.0]])
    assert rows("k_center", view, 1) == [50]
    assert rows("largest_cluster_max_distance", view, 1) == [int(np.linalg.norm(crowd, axis=1).argmax())]


def test_largest_cluster_max_distance_takes_duplicates_last() -> None:
    embedding = np.repeat(arrays(10)["embedding"], 3, axis=0)
    picked = rows("largest_cluster_max_distance", View(embedding=embedding), 30)
    assert len({row // 3 for row in picked[:10]}) == 10
    assert sorted(picked) == list(range(30))
    assert picked[10:] == sorted(picked[10:])


# --- quantiles -------------------------------------------------------------------------------------------------------


def test_quantile_width_by_hand() -> None:
    quantiles = [[1.0, 2.0, 5.0], [-3.0, 0.0, 3.0], [0.0, 0.0, 0.0], [-2.0, -1.5, -1.0]]
    assert score("quantile_width", View(quantiles=quantiles)).tolist() == [4, 6, 0, 1]
    assert score("quantile_width(relative=True)", View(quantiles=quantiles)) == pytest.approx([4 / 6, 1, 0, 1 / 2.5])
    even = [[1.0, 2.0, 6.0, 9.0]]
    assert score("quantile_width(relative=True)", View(quantiles=even)) == pytest.approx([8 / 12])


def test_relative_width_ranks_as_width_over_middle() -> None:
    quantiles = np.sort(rng(3).normal(size=(200, 5)), axis=1)
    ratio = (quantiles[:, 4] - quantiles[:, 0]) / np.abs(quantiles[:, 2])
    assert rows("quantile_width(relative=True)", View(quantiles=quantiles), 200) == np.argsort(-ratio).tolist()


def test_quantile_width_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ViewError, match="quantiles has one column, expected at least two"):
        propose("quantile_width", View(quantiles=[[1.0], [2.0]]), 1, rng())
    for value in ("'yes'", "1", "None"):
        with pytest.raises(SpellingError, match=r"relative is .*, expected True or False"):
            get(f"quantile_width(relative={value})")
    assert get("quantile_width(relative=False)").spelling == "quantile_width"
    assert get("quantile_width(relative=True)").spelling == "quantile_width(relative=True)"
