"""Streams: decisions as in the papers and in scikit-activeml, budgets that hold, streams that resume."""

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from strategy_zoo import SpellingError, UnmetNeedError, View, ZooError, get, names, propose, register, registry
from strategy_zoo.stream import Stream, StreamStrategy
from strategy_zoo.testing import CHECKS, arrays
from strategy_zoo.testing_kinds import CHECKS_STREAM, check_stream
from tests.strategy_zoo.shorthand import rng

SPELLINGS = [
    "stream_random",
    "stream_fixed_uncertainty",
    "stream_variable_uncertainty",
    "stream_variable_uncertainty(spread=1.0)",
    "stream_split",
    "stream_band(low=0.1, high=0.6)",
    "stream_density",
    "stream_density(window=7, spread=0.0)",
]


def rows_of(n: int, classes: int = 3, seed: int = 0, sharp: float = 1.0) -> np.ndarray:
    return rng(seed).dirichlet(np.full(classes, 1 / sharp), n)


def asked(spelling: str, n: int, seed: int = 0, **fields: Any) -> list[int]:
    return np.flatnonzero(Stream(spelling, rng(seed)).offer_many(View(**fields))).tolist()


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS_STREAM)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_stream_strategy_keeps_the_contract_of_streams(spelling: str, check: str) -> None:
    strategy = get(spelling)
    assert isinstance(strategy, StreamStrategy)
    CHECKS_STREAM[check](strategy)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_stream_strategy_keeps_the_contract_of_pools(spelling: str) -> None:
    for check in CHECKS.values():
        check(get(spelling))


def test_every_stream_strategy_is_here() -> None:
    assert {get(s).name for s in SPELLINGS} == {n for n in names() if registry.lookup(n).kind == "stream"}


# --- definitions -----------------------------------------------------------------------------------------------------


class Written:
    """The framework of Žliobaitė et al. written out: a budget by forgetting, and a rule that is asked within it."""

    def __init__(self, share: float, window: int) -> None:
        self.share, self.window, self.spent, self.threshold = share, window, 0.0, 1.0

    def run(self, confidence: np.ndarray, rule: Any) -> list[int]:
        out = []
        for i, value in enumerate(confidence.tolist()):
            left = self.spent / self.window < self.share
            label = left and rule(self, value)
            self.spent = (self.window - 1) * self.spent / self.window + (1 if label else 0)
            if label:
                out.append(i)
        return out


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_fixed_uncertainty_agrees_with_the_framework_written_out(share: float, classes: int) -> None:
    proba = rows_of(3000, classes, seed=classes, sharp=0.3)
    expected = Written(share, 150).run(
        proba.max(axis=1), lambda w, value: value <= 1 / classes + w.share * (1 - 1 / classes) + 1e-12
    )
    assert len(expected) > 50
    assert asked(f"stream_fixed_uncertainty(share={share}, window=150)", 3000, proba=proba) == expected


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_variable_uncertainty_agrees_with_the_framework_written_out(share: float) -> None:
    def rule(w: Written, value: float) -> bool:
        label = value < w.threshold
        w.threshold = w.threshold * (1 - 0.02) if label else w.threshold * (1 + 0.02)
        return label

    proba = rows_of(3000, sharp=3)
    written = Written(share, 100)
    if share == 1:
        written.share = 2.0  # no limit at all
    expected = written.run(proba.max(axis=1), rule)
    assert asked(f"stream_variable_uncertainty(share={share}, step=0.02)", 3000, proba=proba) == expected


def test_split_agrees_with_the_framework_written_out_on_the_same_draws() -> None:
    draws = rng(5)

    def rule(w: Written, value: float) -> bool:
        if draws.random() < 0.25:
            return draws.random() < w.share
        label = value < w.threshold
        w.threshold *= 0.99 if label else 1.01
        return label

    proba = rows_of(2000, sharp=2)
    expected = Written(0.2, 100).run(proba.max(axis=1), rule)
    assert asked("stream_split(share=0.2, chance=0.25)", 2000, 5, proba=proba) == expected


def test_band_from_zero_to_the_share_is_fixed_uncertainty() -> None:
    proba = rows_of(2000, 4, sharp=0.5)
    for share in (0.1, 0.25):
        one = asked(f"stream_band(low=0, high={share}, share={share})", 2000, proba=proba)
        assert one == asked(f"stream_fixed_uncertainty(share={share})", 2000, proba=proba)


def test_band_asks_inside_only_and_fills_a_pool_from_its_edge() -> None:
    above = np.array([0.0, 0.15, 0.3, 0.45, 0.9, 0.2])
    proba = np.column_stack([(1 + above) / 2, (1 - above) / 2])
    assert asked("stream_band(share=1, low=0.1, high=0.4)", 6, proba=proba) == [1, 2, 5]
    answer = propose("stream_band(low=0.1, high=0.4)", View(proba=proba), 5, rng())
    assert set(answer.rows[:3].tolist()) == {1, 2, 5}
    assert answer.rows[3:].tolist() == [3, 0]  # 0.05 and 0.1 away; 0.9 is farthest
    # Rows inside that found no budget come before all outside, the least confident first.
    wish = get("stream_band(low=0.1, high=0.4)").wish(above)  # type: ignore[attr-defined]
    assert np.argsort(-wish, kind="stable").tolist() == [1, 5, 2, 3, 0, 4]


def density_factors(points: np.ndarray, window: int) -> list[int]:
    """For each point: how many points of the window have it as their new nearest neighbour."""
    out, kept, nearest = [], [], []
    for i in range(len(points)):
        distance = cdist(points[i : i + 1], points[kept])[0] if kept else np.empty(0)
        closer = [d < m for d, m in zip(distance, nearest, strict=True)]
        out.append(sum(closer))
        nearest = [min(d, m) for d, m in zip(distance, nearest, strict=True)]
        nearest.append(min(distance, default=np.inf))
        kept.append(i)
        kept, nearest = kept[-window:], nearest[-window:]
    return out


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("window", "columns"), [(1, 3), (5, 1), (20, 3), (100, 8)])
def test_density_counts_new_nearest_neighbours_as_written_out_and_as_scikit_activeml(
    window: int, columns: int, ties: bool
) -> None:
    points = rng(window).normal(size=(120, columns)).astype(np.float32).astype(float)
    if ties:  # whole numbers along one axis: many distances are equal
        points = np.rint(points * 2) * (np.arange(columns) == 0)
    strategy = get(f"stream_density(window={window})")
    state: dict[str, Any] = {**strategy.begin(), "recent": np.empty(0), "nearest": np.empty(0)}
    found = []
    for point in points:
        found.append(strategy.density(state, point))
        state["seen"] += 1
    assert found == density_factors(points, window)
    from skactiveml.stream import StreamDensityBasedAL

    theirs = StreamDensityBasedAL(window_size=window, random_state=0)
    theirs.update([], [])
    others = []
    for point in points:
        others.append(theirs._calculate_ldf([point]))
        theirs.window_.append(point)
    assert found == others


def test_density_asks_dense_rows_below_the_threshold_while_the_count_allows_it() -> None:
    points, proba = rng(3).normal(size=(800, 2)).astype(np.float32), rows_of(800, sharp=2)
    factor = density_factors(points.astype(float), 30)
    two = np.sort(proba, axis=1)
    threshold, count, expected = 1.0, 0, []
    for i in range(800):
        if factor[i] > 0 and count / (i + 1) < 0.15:
            if two[i, -1] - two[i, -2] < threshold:
                threshold, count = threshold * 0.95, count + 1
                expected.append(i)
            else:
                threshold *= 1.05
    found = asked("stream_density(share=0.15, window=30, step=0.05, spread=0)", 800, proba=proba, embedding=points)
    assert found == expected
    assert len(found) > 100


# --- scikit-activeml -------------------------------------------------------------------------------------------------


def theirs(manager: Any, utilities: np.ndarray) -> list[int]:
    out = []
    for i, value in enumerate(utilities):
        picked = manager.query_by_utility(np.array([value]))
        manager.update([[0.0]], picked)
        out += [i] * len(picked)
    return out


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_fixed_uncertainty_decides_as_scikit_activeml(classes: int) -> None:
    from skactiveml.stream.budgetmanager import FixedUncertaintyBudgetManager

    proba = rows_of(1500, classes, sharp=0.4)
    manager = FixedUncertaintyBudgetManager(classes=list(range(classes)), w=100, budget=0.2)
    expected = theirs(manager, 1 - proba.max(axis=1))
    assert asked("stream_fixed_uncertainty(share=0.2)", 1500, proba=proba) == expected
    assert len(expected) > 30


def test_variable_uncertainty_decides_as_scikit_activeml() -> None:
    from skactiveml.stream.budgetmanager import VariableUncertaintyBudgetManager

    proba = rows_of(1500, sharp=2)
    expected = theirs(VariableUncertaintyBudgetManager(s=0.01, w=100, budget=0.1), 1 - proba.max(axis=1))
    assert asked("stream_variable_uncertainty", 1500, proba=proba) == expected
    assert 100 < len(expected) < 180


def test_variable_uncertainty_of_a_small_share_differs_from_scikit_activeml_by_its_longer_window_only() -> None:
    from skactiveml.stream.budgetmanager import VariableUncertaintyBudgetManager

    proba = rows_of(4000, sharp=2)
    ours = asked("stream_variable_uncertainty(share=0.01)", 4000, proba=proba)
    # In a window of 100 rows one label is the whole share: theirs lets through far more than was asked for.
    short = theirs(VariableUncertaintyBudgetManager(w=100, budget=0.01), 1 - proba.max(axis=1))
    assert len(short) > 1.4 * 0.01 * 4000
    assert len(ours) < 1.3 * 0.01 * 4000
    assert ours == theirs(VariableUncertaintyBudgetManager(w=1000, budget=0.01), 1 - proba.max(axis=1))


def test_split_without_chance_decides_as_scikit_activeml_with_hardly_any() -> None:
    from skactiveml.stream.budgetmanager import SplitBudgetManager

    proba = rows_of(1500, sharp=2)
    manager = SplitBudgetManager(v=1e-12, s=0.01, w=100, budget=0.1, random_state=0)
    assert asked("stream_split(chance=0)", 1500, proba=proba) == theirs(manager, 1 - proba.max(axis=1))


def test_density_differs_from_scikit_activeml_in_the_threshold_of_sparse_rows_only() -> None:
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.stream import StreamDensityBasedAL
    from skactiveml.stream.budgetmanager import DensityBasedSplitBudgetManager

    points, proba = rng(4).normal(size=(300, 2)).astype(np.float32), rows_of(300, 2)

    class Model(SklearnClassifier):
        def predict_proba(self, X: Any) -> Any:
            return proba[[np.flatnonzero((points == x).all(axis=1))[0] for x in np.asarray(X, np.float32)]]

    from sklearn.dummy import DummyClassifier

    model = Model(DummyClassifier(), classes=[0, 1]).fit(points[:2].astype(float), [0, 1])
    # With a threshold that hardly moves both ask for the dense rows of small margin.
    manager = DensityBasedSplitBudgetManager(theta=1.0, s=1e-9, delta=1e-12, budget=0.3, random_state=0)
    other = StreamDensityBasedAL(window_size=20, budget_manager=manager, budget=0.3, random_state=0)
    expected = []
    for i, point in enumerate(points.astype(float)):
        picked = other.query(candidates=[point], clf=model)
        other.update([point], picked)
        expected += [i] * len(picked)
    spelling = "stream_density(share=0.3, window=20, step=0.0001, spread=0)"
    ours = asked(spelling, 300, proba=proba, embedding=points)
    assert ours == expected
    assert len(ours) > 50
    # When it moves, theirs also rises at rows that no window row is close to, ours doesn't.
    stream = Stream("stream_density(share=1, window=20, step=0.1, spread=0)", rng())
    far = np.array([[0.0], [1.0], [50.0], [500.0]])
    stream.offer_many(View(proba=[[1.0, 0.0]] * 4, embedding=far))
    assert stream.state["inner"]["threshold"] == pytest.approx(1.1)  # row 1 alone is anybody's new neighbour


# --- budget and pool -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
def test_budget_on_a_stream_that_is_always_in_doubt_is_the_share(share: float) -> None:
    view = View(proba=np.full((60_000, 2), 0.5))
    count = Stream(f"stream_band(share={share})", rng()).offer_many(view).sum()
    assert share * 60_000 * 0.99 < count < share * 60_000 * 1.06 + 11


def test_random_asks_with_the_probability_of_the_share_within_the_budget() -> None:
    count = Stream("stream_random(share=0.2)", rng()).offer_many(View(prediction=np.zeros(20_000))).sum()
    assert 0.15 * 20_000 < count < 0.2 * 20_000
    # Without a limit every draw counts.
    free = Stream("stream_random(share=1)", rng())
    assert free.offer_many(View(prediction=np.zeros(1000))).all()


def test_pool_is_passed_once_in_random_order_and_filled_with_the_least_confident() -> None:
    proba = rows_of(500, 2, sharp=3)
    confidence = proba.max(axis=1)
    generator = rng(3)
    order = generator.permutation(500)
    expected = Written(40 / 500, 125).run(confidence[order], lambda w, value: value <= 1 / 2 + w.share / 2 + 1e-12)
    asked_rows = order[expected].tolist()
    rest = sorted(set(order) - set(asked_rows), key=lambda r: confidence[r])
    answer = propose("stream_fixed_uncertainty", View(proba=proba), 40, rng(3))
    assert 5 < len(asked_rows) < 40
    assert answer.rows.tolist() == asked_rows + rest[: 40 - len(asked_rows)]
    assert answer.score.tolist() == sorted(answer.score, reverse=True)


def test_pool_takes_the_first_rows_when_more_are_asked() -> None:
    view = View(proba=np.full((500, 2), 0.5))
    answer = propose("stream_band", view, 3, rng(8))
    # A budget of 3 in 500 lets the first ten pass at once.
    assert answer.rows.tolist() == rng(8).permutation(500)[:3].tolist()


def test_large_pools_are_replaced_by_a_random_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.lookup("stream_random"), "limit", 50)
    view = View(prediction=np.zeros(5000))
    counts = {propose("stream_random", view, n, rng()).rows.max() for n in (10, 49)}
    assert max(counts) > 2000
    assert len(set(propose("stream_random", view, 200, rng()).rows.tolist())) == 200


def test_pool_gives_uncertain_rows_more_often() -> None:
    proba = rows_of(4000, 2)
    for spelling in ("stream_variable_uncertainty", "stream_fixed_uncertainty", "stream_split"):
        rows = propose(spelling, View(proba=proba), 100, rng()).rows
        assert proba[rows].max(axis=1).mean() < proba.max(axis=1).mean() - 0.03


# --- the object ------------------------------------------------------------------------------------------------------


def test_stream_counts_and_its_state_is_json() -> None:
    given = arrays(50)
    stream = Stream("stream_density(window=5)", rng())
    stream.offer_many(View(proba=given["proba"], embedding=given["embedding"]))
    state = json.loads(json.dumps(stream.state, allow_nan=False))
    assert state == stream.state
    assert (stream.seen, stream.asked) == (50, state["asked"]) == (50, state["inner"]["asked"])
    again = Stream("stream_density(window=5)", rng(), state)
    assert again.state == state
    # What comes out is a copy: changing it changes no stream.
    stream.state["inner"]["recent"][0][0] = 1e9
    assert stream.state == state


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Stream("margin", rng()), "of the kind 'rowwise'"),
        (lambda: Stream("stream_random", np.random), "expected a numpy Generator"),
        (lambda: Stream("stream_random", rng(), {"seen": 1}), "has the entries asked, inner"),
        (lambda: Stream("stream_random", rng(), Stream("stream_split", rng()).state), "is one of stream_split"),
        (
            lambda: Stream("stream_split", rng(), Stream("stream_split", rng()).state | {"inner": {"spent": 1.0}}),
            "remembers spent, threshold",
        ),
        (lambda: Stream("stream_random", rng()).offer(View(prediction=[1, 2])), "a view of 2 rows"),
        (lambda: Stream("stream_random", rng()).offer([1]), "a list, expected a View of one row"),  # type: ignore[arg-type]
        (lambda: get("stream_random(share=1.5)"), "share is 1.5"),
        (lambda: get("stream_split(chance=-0.1)"), "chance is -0.1"),
        (lambda: get("stream_split(step=0)"), "step is 0"),
        (lambda: get("stream_band(low=0.6, high=0.5)"), "swap them"),
        (lambda: get("stream_density(window=1001)"), "from 1 to 1000"),
        (lambda: get("stream_variable_uncertainty(spread=-1)"), "spread is -1"),
    ],
)
def test_misuse_is_refused_with_words(call: Any, words: str) -> None:
    with pytest.raises(ZooError) as caught:
        call()
    assert words in str(caught.value)


def test_streams_name_what_is_missing() -> None:
    with pytest.raises(UnmetNeedError, match="stream_split needs proba"):
        Stream("stream_split", rng()).offer(View(prediction=[1.0]))
    with pytest.raises(SpellingError):
        get("stream_random(0.1)")


def test_one_row_is_answered_in_microseconds_not_milliseconds() -> None:
    views = [View(**{k: v[:1] for k, v in arrays(2).items() if k in ("proba", "embedding")}) for _ in range(300)]
    stream = Stream("stream_density", rng())
    best = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        for view in views:
            stream.offer(view)
        best = min(best, time.perf_counter() - begin)
    # About 20 microseconds; the bound only catches work that grows with the stream.
    assert best / 300 < 1e-3


# --- the checks fire -------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    names()
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))


def broken(**members: Any) -> StreamStrategy:
    base = registry.lookup("stream_random")
    cls = type("Broken", (base,), {"__doc__": "Broken.", "name": "broken", "__module__": __name__, **members})
    return register(dataclass(frozen=True, repr=False)(cls))()


def never_refuses(self: Any, state: Any, value: Any, generator: Any) -> bool:
    return True


def grows(self: Any, state: Any, value: Any, generator: Any) -> bool:
    state["past"] = np.append(state["past"], 1.0)
    return bool(generator.random() < self.share)


calls = {"n": 0}


def from_outside(self: Any, state: Any, value: Any, generator: Any) -> bool:
    calls["n"] += 1
    return calls["n"] % 7 == 0


def in_place(self: Any, state: Any, view: Any, generator: Any) -> Any:
    state["spent"] += 1.0
    return False, state


BREAKS: list[tuple[str, dict[str, Any], str]] = [
    ("share_is_held", {"advance": never_refuses}, "rows were asked for"),
    ("share_is_held", {"decide": lambda s, state, value, g: False}, "none of 8,000 ordinary"),
    ("edges_of_the_share", {"advance": never_refuses}, "with share 0, 500 of 500"),
    ("edges_of_the_share", {"decide": lambda s, state, value, g: False}, "with share 1, none"),
    ("memory_is_bounded", {"begin": lambda s: {"spent": 0.0, "past": [0.0]}, "decide": grows}, "after 2,000"),
    ("memory_is_bounded", {"begin": lambda s: {"spent": 0.0, "past": {1, 2}}}, "nothing that JSON can hold"),
    ("memory_is_bounded", {"begin": lambda s: {"spent": 0.0, "past": float("inf")}}, "nothing that JSON can hold"),
    ("resuming_changes_nothing", {"advance": from_outside}, "resumed from its state"),
    (
        "many_equal_one_by_one",
        {
            "measure": lambda s, view: np.arange(view.n) % 3.0,
            "decide": lambda s, state, value, g: value == 1,
        },
        "answer differently",
    ),
    ("offer_leaves_the_state_it_is_given", {"offer": in_place}, "changed the state"),
    ("offer_leaves_the_state_it_is_given", {"advance": from_outside}, "two equal calls differ"),
]


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(("check", "members", "words"), BREAKS)
def test_check_fires_on_a_stream_strategy_that_breaks_it(check: str, members: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        CHECKS_STREAM[check](broken(**members))


@pytest.mark.usefixtures("scratch")
@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (None, "shape () of type object"),
        (0.5, "shape ()"),
        (np.zeros(3), "shape (3,) of type float64 for 20 row(s)"),
        (np.zeros(24), "shape (24,)"),
        (np.zeros((20, 2, 2)), "expected numbers [20] or [20, m]"),
        (["a"] * 20, "type <U1"),
        (np.full(20, np.nan), "NaN"),
    ],
)
def test_a_wrong_measure_is_refused_with_words(measured: Any, words: str) -> None:
    strategy = broken(measure=lambda self, view: measured)
    view = View(**arrays(20))
    for call in (lambda: Stream(strategy, rng()).offer_many(view), lambda: propose(strategy, view, 3, rng())):
        with pytest.raises(ZooError) as caught:
            call()
        assert words in str(caught.value)
    with pytest.raises(ZooError, match=r"1 row|NaN"):
        strategy.offer(strategy.begin(), view.block(0, 1), rng())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seen": "x"}, "numbers in seen"),
        ({"asked": -1}, "numbers in asked"),
        ({"inner": {"threshold": "x"}}, "numbers in threshold"),
        ({"inner": {"threshold": float("nan")}}, "numbers in threshold"),
        ({"inner": {"recent": [[1.0], [1.0, 2.0]], "nearest": None}}, "numbers in recent, nearest"),
        ({"inner": {"recent": [[1.0]]}}, "embedding has 5 columns, expected 1"),
        ({"inner": {"recent": [[1.0] * 5]}}, "embedding"),
    ],
)
def test_a_damaged_state_is_refused_with_words(change: dict[str, Any], words: str) -> None:
    given = arrays(30)
    view = View(proba=given["proba"], embedding=given["embedding"])
    stream = Stream("stream_density", rng())
    stream.offer_many(view)
    state = stream.state
    state = state | change | {"inner": state["inner"] | change.get("inner", {})}
    with pytest.raises(ZooError, match=words):
        Stream("stream_density", rng(), state).offer_many(view)


@pytest.mark.usefixtures("scratch")
def test_check_stream_names_the_check_and_the_strategy() -> None:
    with pytest.raises(AssertionError, match="broken fails share_is_held: "):
        check_stream(broken(advance=never_refuses))
    with pytest.raises(AssertionError, match="margin is no StreamStrategy"):
        check_stream("margin")


def test_every_check_for_streams_is_shown_to_fire() -> None:
    assert {check for check, _, _ in BREAKS} == set(CHECKS_STREAM)
