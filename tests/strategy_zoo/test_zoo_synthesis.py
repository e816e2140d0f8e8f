"""Query synthesis: points on the boundary and where the model doubts, in spaces that are honoured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.ensemble import RandomForestClassifier

import strategy_zoo.strategies.ascend_uncertainty as ascend_module
import strategy_zoo.strategies.bisect_boundary as bisect_module
from strategy_zoo import (
    SpellingError,
    UnmetNeedError,
    View,
    ViewError,
    ZooError,
    get,
    names,
    propose,
    register,
    registry,
)
from strategy_zoo.space import Space
from strategy_zoo.synthesis import Synthesis, SynthesisStrategy, answers, doubt, filled, projected, synthesise
from strategy_zoo.testing import CHECKS, arrays
from strategy_zoo.testing_kinds import CHECKS_SYNTHESIS, check_synthesis
from tests.strategy_zoo.shorthand import rng

SPELLINGS = [
    "bisect_boundary",
    "bisect_boundary(pairs=1, halvings=2)",
    "ascend_uncertainty",
    "ascend_uncertainty(measure='entropy', starts=1, steps=3)",
    "ascend_uncertainty(measure='least_confidence', steps=0)",
]


def sigmoid(score: np.ndarray) -> np.ndarray:
    right = 1 / (1 + np.exp(-score))
    return np.column_stack([1 - right, right])


def circle(points: np.ndarray) -> np.ndarray:
    """Two classes: inside and outside of a circle of radius 5."""
    return sigmoid(3 * (np.linalg.norm(points[:, :2], axis=1) - 5))


def view_of(predict: Any, columns: int = 2, n: int = 200, labelled: int = 30, seed: int = 0) -> View:
    points = rng(seed).uniform(-10, 10, (n + labelled, columns)).astype(np.float32)
    return View(embedding=points[:n], seen_embedding=points[n:], predict=predict)


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS_SYNTHESIS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_maker_keeps_the_contract_of_synthesis(spelling: str, check: str) -> None:
    CHECKS_SYNTHESIS[check](get(spelling))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_maker_keeps_the_contract_of_pools(spelling: str) -> None:
    for check in CHECKS.values():
        check(get(spelling))


def test_every_maker_is_here() -> None:
    assert {get(s).name for s in SPELLINGS} == {n for n in names() if registry.lookup(n).kind == "synthesis"}


# --- bisect_boundary -------------------------------------------------------------------------------------------------


def test_bisected_points_lie_on_the_boundary_and_all_around_it() -> None:
    made = synthesise("bisect_boundary", view_of(circle), Space([-10, -10], [10, 10]), 16, rng())
    assert np.linalg.norm(made.points, axis=1) == pytest.approx(np.full(16, 5), abs=1e-3)
    assert made.score == pytest.approx(np.zeros(16), abs=1e-2)
    # Points spread: around the circle no gap is wide, and no two are close.
    angle = np.sort(np.arctan2(made.points[:, 1], made.points[:, 0]))
    assert np.diff(np.append(angle, angle[0] + 2 * np.pi)).max() < 1.2
    distance = cdist(made.points, made.points) + np.eye(16) * 99
    assert distance.min() > 0.8


def test_bisection_halves_the_way_as_often_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(points: np.ndarray) -> np.ndarray:
        return sigmoid(points[:, :1].sum(axis=1) - 0.3)

    view = View(embedding=np.zeros((0, 1)), seen_embedding=[[0.0], [1.0]], predict=predict)
    for halvings in (1, 2, 5):
        made = synthesise(f"bisect_boundary(pairs=20, halvings={halvings})", view, Space([0], [1]), 1, rng())
        ends = [0.0, 1.0]
        for _ in range(halvings):
            middle = sum(ends) / 2
            ends = [middle, ends[1]] if middle < 0.3 else [ends[0], middle]
        expected = min(ends, key=lambda x: abs(x - 0.3))
        assert made.points[0, 0] == pytest.approx(expected)


def test_pairs_join_every_class_with_every_other() -> None:
    def predict(points: np.ndarray) -> np.ndarray:
        return np.eye(3)[np.clip(points[:, 0].astype(int), 0, 2)] * 0.97 + 0.01

    view = View(
        embedding=np.zeros((0, 2)),
        seen_embedding=np.column_stack([[0.5] * 20 + [1.5, 2.5], np.arange(22)]),
        predict=predict,
    )
    points = synthesise("bisect_boundary", view, Space([0, 0], [3, 22]), 40, rng()).points
    near = np.rint(points[:, 0])
    assert np.abs(points[:, 0] - near).max() < 1e-3
    assert set(near) == {1.0, 2.0}


def test_categories_switch_and_whole_numbers_round_on_the_way() -> None:
    # Category 9 is class 1, all others class 0: the boundary is the switch itself.
    def predict(points: np.ndarray) -> np.ndarray:
        return sigmoid(10 * (points[:, 2] == 9) - 5 + points[:, 1] * 0)

    space = Space([0, 0, 0], [1, 8, 9], integer=[1], categorical={2: [0, 4, 9]})
    seen = np.array([[0.1, 1, 0], [0.9, 7, 9], [0.5, 3, 4]], np.float32)
    view = View(embedding=np.zeros((0, 3)), seen_embedding=seen, predict=predict)
    points = synthesise("bisect_boundary", view, space, 10, rng()).points
    # Either side of the switch will do; the one below 9 has the smaller margin, in the last bits.
    assert set(points[:, 2]) == {0.0, 4.0}
    assert (points[:, 1] == np.rint(points[:, 1])).all()


def test_bisection_finds_a_second_class_in_the_pool_or_in_the_space() -> None:
    inside = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    pool = np.array([[9.0, 9.0], [-9.0, 9.0], [9.0, -9.0], [-9.0, -9.0]], np.float32)
    for view in (
        View(embedding=pool, seen_embedding=inside, predict=circle),
        View(embedding=pool[:0], seen_embedding=inside, predict=circle),
        View(embedding=pool[:0], predict=circle),
    ):
        made = synthesise("bisect_boundary", view, Space([-10, -10], [10, 10]), 5, rng())
        assert np.linalg.norm(made.points, axis=1) == pytest.approx(np.full(5, 5), abs=1e-3)


def test_bisection_of_a_model_of_one_class_gives_the_least_margins_it_finds() -> None:
    def predict(points: np.ndarray) -> np.ndarray:
        return sigmoid(2 + np.abs(points[:, 0]))

    made = synthesise("bisect_boundary", view_of(predict), Space([-10, -10], [10, 10]), 3, rng())
    assert np.abs(made.points[:, 0]).max() < 1
    assert made.score.tolist() == sorted(made.score, reverse=True)


def test_spread_is_farthest_first_from_the_best_point() -> None:
    unit, score = rng(1).random((60, 3)), rng(2).random(60)
    chosen = [int(score.argmax())]
    for _ in range(9):
        distance = cdist(unit, unit[chosen]).min(axis=1)
        chosen.append(int(distance.argmax()))
    assert bisect_module._spread(unit, score, 10).tolist() == chosen


def test_bisection_works_on_a_forest() -> None:
    points = rng(1).uniform(-10, 10, (400, 2))
    inside = (np.linalg.norm(points, axis=1) < 5).astype(int)
    forest = RandomForestClassifier(20, random_state=0).fit(points, inside)
    view = View(embedding=points, seen_embedding=points, predict=forest.predict_proba)
    made = synthesise("bisect_boundary", view, Space([-10, -10], [10, 10]), 12, rng())
    assert np.abs(np.linalg.norm(made.points, axis=1) - 5).mean() < 1


# --- ascend_uncertainty ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["margin", "entropy", "least_confidence"])
def test_ascent_ends_where_the_model_doubts_most(measure: str) -> None:
    made = synthesise(f"ascend_uncertainty(measure={measure!r})", view_of(circle), Space([-9, -9], [9, 9]), 8, rng())
    highest = {"margin": 0, "entropy": np.log(2), "least_confidence": 0.5}[measure]
    assert made.score == pytest.approx(np.full(8, highest), abs=0.01)
    assert np.linalg.norm(made.points, axis=1) == pytest.approx(np.full(8, 5), abs=0.1)
    assert made.score.tolist() == sorted(made.score, reverse=True)


def test_ascent_never_ends_below_its_start_and_more_steps_help() -> None:
    view, space = view_of(circle), Space([-30, -30], [30, 30])
    start = synthesise("ascend_uncertainty(steps=0)", view, space, 20, rng()).score
    few = synthesise("ascend_uncertainty(steps=5)", view, space, 20, rng()).score
    many = synthesise("ascend_uncertainty(steps=60)", view, space, 20, rng()).score
    assert (few >= start).all()
    assert few.mean() > start.mean()
    assert many.mean() > few.mean()
    assert many.min() > -0.1


def test_ascent_climbs_whole_numbers_and_categories() -> None:
    # Doubt is highest at (7, "2"), and falls with every step away from it.
    def predict(points: np.ndarray) -> np.ndarray:
        return sigmoid(0.3 * np.abs(points[:, 0] - 7) + 2 * (points[:, 1] != 2))

    space = Space([-50, 0], [50, 5], integer=[0], categorical={1: range(6)})
    view = View(embedding=np.zeros((0, 2)), predict=predict)
    made = synthesise("ascend_uncertainty(steps=120)", view, space, 3, rng())
    assert made.points[0].tolist() == [7, 2]
    assert len(np.unique(made.points, axis=0)) == 3  # the next best fill in for points that came out equal


def test_ascent_keeps_to_what_is_valid_and_climbs_along_its_edge() -> None:
    # The best place, the origin, is forbidden.
    def predict(points: np.ndarray) -> np.ndarray:
        return sigmoid(np.abs(points).sum(axis=1))

    space = Space([-5, -5], [5, 5], valid=lambda p: p[:, 0] + p[:, 1] > 3)
    made = synthesise("ascend_uncertainty(steps=200)", view_of(predict), space, 6, rng())
    assert (made.points.sum(axis=1) > 3).all()
    assert made.points.sum(axis=1) == pytest.approx(np.full(6, 3), abs=0.2)


def test_a_step_moves_a_whole_number_however_short_the_reach() -> None:
    space = Space([0, 0, 0], [100, 100, 1], integer=[0, 1])
    points = np.tile([50.0, 50.0, 0.5], (200, 1))
    moved = ascend_module._moved(space, points, np.full(200, 1e-6), rng())
    assert (np.abs(moved - points)[:, :2].sum(axis=1) == 1).all()
    assert set(np.flatnonzero((moved != points)[:, :2].any(axis=0))) == {0, 1}


def test_each_point_wanted_has_the_best_of_its_own_starts() -> None:
    score = np.array([5.0, 4.0, 1.0, 2.0, 0.0, 0.5])  # three points with two starts each
    points = np.arange(6.0)[:, None]
    assert ascend_module._best(points, score, 3).tolist() == [0, 3, 5]
    # The second group ended where the first did: the next best start stands in.
    points[[2, 3]] = 0
    assert ascend_module._best(points, score, 3).tolist() == [0, 1, 5]


def test_filling_takes_the_best_of_the_others_that_differ() -> None:
    points, score = np.array([[1.0], [2.0]]), np.array([0.9, 0.8])
    others, value = np.array([[2.0], [3.0], [4.0], [3.0]]), np.array([9.0, 1.0, 2.0, 1.0])
    for n, expected in ((3, [1, 2, 4]), (4, [1, 2, 4, 3]), (6, [1, 2, 4, 3, 1, 2])):
        got, scored = filled(points, score, others, value, n)
        assert got[:, 0].tolist() == expected
        assert scored[:3].tolist() == [0.9, 0.8, 2.0]


def test_small_spaces_give_points_again_only_when_there_are_no_others() -> None:
    space = Space([0, 0], [1, 2], integer=[0, 1])
    view = View(embedding=np.zeros((0, 2)), predict=lambda p: sigmoid(p[:, 0] - 0.5))
    for spelling in ("bisect_boundary", "ascend_uncertainty(starts=30)"):
        points = synthesise(spelling, view, space, 6, rng()).points
        assert len(np.unique(points, axis=0)) == 6
        assert len(synthesise(spelling, view, space, 9, rng()).points) == 9


# --- the projection --------------------------------------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 25), st.integers(1, 3), st.integers(0, 10_000))
@settings(deadline=None)
def test_projection_is_the_nearest_free_row_point_by_point(n: int, size: int, columns: int, seed: int) -> None:
    n = min(n, size)
    # Whole numbers, so that many rows and points tie.
    pool = rng(seed).integers(0, 4, (size, columns)).astype(np.float32)
    points = rng(seed + 1).integers(0, 4, (n, columns)).astype(float)
    left, expected = list(range(size)), []
    for point in points:
        row = min(left, key=lambda r: (((pool[r] - point) ** 2).sum(), r))
        left.remove(row)
        expected.append(row)
    assert projected(points, pool).tolist() == expected


def test_pool_mode_is_the_projection_of_points_in_the_box_of_the_pool() -> None:
    view = view_of(circle)
    box = Space.around(view.embedding)  # type: ignore[arg-type]
    for spelling in ("bisect_boundary", "ascend_uncertainty"):
        made = synthesise(spelling, view, box, 9, rng(4), project=True)
        answer = propose(spelling, view, 9, rng(4))
        assert made.rows is not None
        assert answer.rows.tolist() == made.rows.tolist()
        assert answer.score.tolist() == made.score.tolist()
        assert np.abs(np.linalg.norm(view.embedding[answer.rows], axis=1) - 5).mean() < 1.5  # type: ignore[index]


# --- Space -----------------------------------------------------------------------------------------------------------


def test_samples_are_even_over_what_is_valid() -> None:
    space = Space([0, 0, 0], [1, 3.7, 2], integer=[1], categorical={2: [0, 0.5, 2]}, valid=lambda p: p[:, 0] < 0.5)
    points = space.sample(6000, rng())
    assert points.shape == (6000, 3)
    assert points[:, 0].max() < 0.5
    assert abs(points[:, 0].mean() - 0.25) < 0.02
    for column, values in ((1, [0, 1, 2, 3]), (2, [0, 0.5, 2])):
        found, count = np.unique(points[:, column], return_counts=True)
        assert found.tolist() == values
        assert np.abs(count / 6000 - 1 / len(values)).max() < 0.03


@given(st.floats(-3, 9), st.floats(-3, 9), st.floats(-3, 9))
def test_repairing_goes_to_the_nearest_value_of_each_column(real: float, whole: float, kind: float) -> None:
    space = Space([0, 0.5, 0], [5, 4.2, 6], integer=[1], categorical={2: [0, 1, 6]})
    got = space.repaired([[real, whole, kind]])[0]
    assert got[0] == min(max(real, 0), 5)
    for value, given_value, options in ((got[1], whole, [1, 2, 3, 4]), (got[2], np.clip(kind, 0, 6), [0, 1, 6])):
        assert value in options
        assert abs(value - given_value) <= min(abs(option - given_value) for option in options) + 1e-12


def test_rare_valid_points_are_repeated_and_impossible_ones_refused() -> None:
    rare = Space([0], [1], valid=lambda p: p[:, 0] < 0.002)
    points = rare.sample(500, rng())
    assert points.shape == (500, 1)
    assert points.max() < 0.002
    with pytest.raises(ZooError, match=r"accepted none of 10000 points .* narrow the bounds"):
        Space([0], [1], valid=lambda p: p[:, 0] > 2).sample(3, rng())


def test_the_validity_function_cannot_change_the_points() -> None:
    def valid(points: np.ndarray) -> np.ndarray:
        points[:] = 99
        return np.ones(len(points), bool)

    assert Space([0], [1], valid=valid).sample(5, rng()).max() <= 1


def test_units_give_columns_one_size_and_categories_one_distance() -> None:
    space = Space([0, 10, 0], [2, 10, 5], categorical={2: [0, 1, 5]})
    unit = space.unit(np.array([[0, 10, 0], [2, 10, 0], [0, 10, 1], [0, 10, 5]], float))
    assert cdist(unit[:1], unit)[0] == pytest.approx([0, 1, 1, 1])
    assert cdist(unit[2:3], unit[3:])[0] == pytest.approx([1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Space([0, 1], [1]), "low has 2 columns and high has 1"),
        (lambda: Space([], []), "one bound per column"),
        (lambda: Space(0, 1), "one bound per column"),
        (lambda: Space([0, 3], [1, 2]), "low is 3 and high is 2 in column 1; swap them"),
        (lambda: Space([0, np.nan], [1, 2]), "low is nan in column 1"),
        (lambda: Space([0], [np.inf]), "high is inf in column 0"),
        (lambda: Space([-1.7e308], [1.7e308]), "overflows"),
        (lambda: Space(["a"], [1]), "can't be read"),
        (lambda: Space([0], [1], integer=[1]), "integer names column 1"),
        (lambda: Space([0], [1], integer=[True]), "integer names column True"),
        (lambda: Space([0.2], [0.8], integer=[0]), "no whole number from 0.2 to 0.8"),
        (lambda: Space([0], [1], categorical={-1: [0]}), "categorical names column -1"),
        (lambda: Space([0], [1], categorical={0: []}), "at least one"),
        (lambda: Space([0], [1], categorical={0: [0, 2]}), "all from 0 to 1"),
        (lambda: Space([0], [1], categorical={0: ["red"]}), "aren't numbers"),
        (lambda: Space([0], [1], integer=[0], categorical={0: [0]}), "integer and categorical"),
        (lambda: Space([0], [1], integer=0), "such as [0]"),
        (lambda: Space([0], [1], categorical=[1]), "expected values by column"),
        (lambda: Space([0], [1], valid=3), "valid is a int"),
        (lambda: Space([0], [1], valid=lambda p: 1.0).sample(1, rng()), "expected bool [200]"),
        (lambda: Space([0], [1], valid=lambda p: p[:, 0]).sample(1, rng()), "type float64"),
        (lambda: Space.around(), "no points"),
        (lambda: Synthesis(np.zeros(3), np.zeros(3)), "expected [n, D] and [n]"),
        (lambda: Synthesis(np.zeros((1, 1)), np.array([np.nan])), "NaN"),
    ],
)
def test_impossible_spaces_and_answers_say_why(make: Any, words: str) -> None:
    with pytest.raises(ZooError) as caught:
        make()
    assert words in str(caught.value)


def test_spaces_and_answers_are_read_only() -> None:
    space = Space([0.0], [1.0])
    made = Synthesis(np.zeros((2, 1)), np.zeros(2), np.arange(2))
    for array in (space.low, space.high, made.points, made.score, made.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    bounds = np.zeros(2)
    Space(bounds, bounds)
    bounds[0] = 1  # the caller's array stays the caller's


# --- the way in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"strategy": "margin"}, ZooError, "of the kind 'rowwise'"),
        ({"view": 3}, ZooError, "view is a int"),
        ({"space": 3}, ZooError, "space is a int"),
        ({"n": 0}, ZooError, "n is 0"),
        ({"n": True}, ZooError, "n is True"),
        ({"rng": np.random}, ZooError, "expected a numpy Generator"),
        ({"space": Space([0], [1])}, ZooError, "space has 1 columns, expected 2 as in embedding"),
        ({"view": View(embedding=np.zeros((3, 2)))}, UnmetNeedError, "pass predict= to View"),
        ({"view": View(prediction=[1.0], predict=circle), "project": True}, UnmetNeedError, "needs embedding"),
        ({"n": 201, "project": True}, ZooError, "the pool has 200 rows"),
    ],
)
def test_misuse_of_synthesise_says_why(change: dict[str, Any], error: type[ZooError], words: str) -> None:
    usual: dict[str, Any] = {
        "strategy": "bisect_boundary",
        "view": view_of(circle),
        "space": Space([0, 0], [1, 1]),
        "n": 2,
        "rng": rng(),
    }
    with pytest.raises(error) as caught:
        synthesise(**usual | change)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: np.zeros(len(p)), "answered with shape"),
        (lambda p: np.zeros((len(p), 0)), "answered with shape"),
        (lambda p: np.ones((len(p) + 1, 2)) / 2, "answered with shape"),
        (lambda p: np.ones((len(p), 2)), "expected probabilities"),
        (lambda p: np.full((len(p), 2), np.nan), "expected probabilities"),
        (lambda p: np.column_stack([p[:, 0] * 0 - 1, p[:, 0] * 0 + 2]), "expected probabilities"),
        (lambda p: [["a", "b"]] * len(p), "expected numbers"),
    ],
)
def test_predict_that_answers_with_something_else_is_named(answer: Any, words: str) -> None:
    for spelling in ("bisect_boundary", "ascend_uncertainty"):
        with pytest.raises(ViewError) as caught:
            propose(spelling, view_of(answer), 2, rng())
        assert "predict answered" in str(caught.value)
        assert words in str(caught.value)


def test_predict_sees_float64_points_of_its_own_in_bounded_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.synthesis as module

    sizes = []

    def predict(points: np.ndarray) -> np.ndarray:
        sizes.append(len(points))
        assert points.dtype == np.float64
        out = sigmoid(points[:, 0].copy())
        points[:] = 0  # its own copy
        return out

    monkeypatch.setattr(module, "_POINTS", 7)
    points = rng().random((20, 2))
    before = points.copy()
    found = answers(View(prediction=[0.0], predict=predict), points)
    assert sizes == [7, 7, 6]
    assert np.array_equal(points, before)
    assert np.array_equal(found, sigmoid(points[:, 0]))
    assert doubt(np.array([[0.7, 0.3]])).tolist() == pytest.approx([-0.4])


@pytest.mark.parametrize(
    "text",
    [
        "bisect_boundary(pairs=0)",
        "bisect_boundary(halvings=61)",
        "ascend_uncertainty(measure='gini')",
        "ascend_uncertainty(starts=0)",
        "ascend_uncertainty(steps=-1)",
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(SpellingError):
        get(text)


# --- the checks fire -------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    names()
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))


def broken(make: Any, **members: Any) -> SynthesisStrategy:
    """A maker whose points are those of random sampling, passed through `make`."""

    def synthesise(self: Any, view: View, space: Space, n: int, generator: Any) -> Synthesis:
        points = make(space.sample(n, generator), view, space, generator)
        return Synthesis(points, np.zeros(len(points)))

    given = {"__doc__": "Broken.", "name": "broken", "__module__": __name__, "synthesise": synthesise, **members}
    return register(dataclass(frozen=True, repr=False)(type("Broken", (SynthesisStrategy,), given)))()


def moved_out(points: Any, view: Any, space: Any, generator: Any) -> Any:
    return points + 1000


def halves(points: Any, view: Any, space: Any, generator: Any) -> Any:
    return np.clip(points + 0.25, space.low, space.high)


def blind(points: Any, view: Any, space: Any, generator: Any) -> Any:
    return Space(space.low, space.high, space.integer, space.categorical).sample(len(points), generator)


def never_refused(self: Any, view: Any, space: Any, n: int, generator: Any) -> Synthesis:
    return Synthesis(np.tile(space.low, (n, 1)), np.zeros(n))


def fails(self: Any, view: Any, space: Any, n: int, generator: Any) -> Synthesis:
    raise IndexError("nothing is valid")


BREAKS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("as_many_points_as_asked", lambda p, *_: p[:1], {}, "2 points were wanted"),
    ("points_are_different_where_they_can_be", lambda p, *_: np.repeat(p[:1], len(p), axis=0), {}, "only 1 differ"),
    ("points_lie_in_the_bounds", moved_out, {}, r"20 of 20 points lie outside of \[0.0, 10.0\]"),
    ("whole_numbers_and_categories_are_kept", halves, {}, "column 1 must be whole"),
    (
        "whole_numbers_and_categories_are_kept",
        lambda p, v, s, g: np.where(np.arange(p.shape[1]) == 3, 2.0, p),
        {},
        "column 3 may be 1, 4 or 6.5",
    ),
    ("validity_is_kept", blind, {}, "aren't valid"),
    ("impossible_spaces_are_refused", None, {"synthesise": never_refused}, "no point is valid"),
    ("impossible_spaces_are_refused", None, {"synthesise": fails}, "ends in IndexError"),
    (
        "same_generator_same_points",
        lambda p, *_: p + np.random.default_rng().random() * 1e-3,
        {},
        "different points",
    ),
    ("works_without_a_pool_and_without_labels", lambda p, v, *_: p[: v.n], {}, "shape"),
]


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(("check", "make", "members", "words"), BREAKS)
def test_check_fires_on_a_maker_that_breaks_it(check: str, make: Any, members: dict[str, Any], words: str) -> None:
    with pytest.raises((AssertionError, ZooError), match=words):
        CHECKS_SYNTHESIS[check](broken(make, **members))


def test_projection_gives_different_rows_fires_when_rows_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    import strategy_zoo.synthesis as module

    monkeypatch.setattr(module, "projected", lambda points, pool: np.zeros(len(points), int))
    with pytest.raises(AssertionError, match="7 points share 1 rows"):
        CHECKS_SYNTHESIS["projection_gives_different_rows"](get("bisect_boundary"))


@pytest.mark.usefixtures("scratch")
def test_check_synthesis_names_the_check_and_the_strategy() -> None:
    with pytest.raises(AssertionError, match="broken fails whole_numbers_and_categories_are_kept: "):
        check_synthesis(broken(halves))
    with pytest.raises(AssertionError, match="margin is no SynthesisStrategy"):
        check_synthesis("margin")


def test_every_check_for_makers_is_shown_to_fire() -> None:
    fired = {check for check, *_ in BREAKS} | {"projection_gives_different_rows"}
    assert fired == set(CHECKS_SYNTHESIS)


def test_samples_of_the_contract_have_a_model_to_ask() -> None:
    assert callable(arrays()["predict"])
