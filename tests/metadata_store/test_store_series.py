"""Series of many runs, compared with pandas' own groupby, shift and rolling, value by value."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadata_store import DirectoryStore, MemoryStore, OptionError, Record, UnknownNameError, UnknownRunError
from metadata_store.series import Series, join, series

HOLES = {"a": {0: 0.5, 1: 0.7, 2: 0.6, 3: 0.9}, "b": {0: 0.4, 5: np.nan, 9: 0.8}, "c": {7: 0.1}, "none": {2: None}}


def filled(runs, store=None, name="score", event="tell"):
    """A store of {run: {loop: value or None}}; None is a loop without the value."""
    store = MemoryStore() if store is None else store
    for run, loops in runs.items():
        for loop, value in loops.items():
            store.append(Record(run, loop, event, {} if value is None else {name: value}))
    return store


def tidy(one):
    """The loops that the runs have, as pandas would hold them."""
    row, column = np.nonzero(one.present)
    index = pd.MultiIndex.from_arrays([np.array(one.runs, object)[row], one.loops[column]], names=["run", "loop"])
    return pd.Series(one.matrix[row, column], index=index)


def grouped(one):
    return one.groupby(level="run", sort=False)


values = st.one_of(st.none(), st.floats(-8, 8), st.just(float("nan")))
tables = st.dictionaries(
    st.sampled_from("abcd"), st.dictionaries(st.integers(0, 12), values, min_size=1, max_size=9), max_size=4
)


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_a_series_is_the_frame_of_the_store_as_a_matrix(path, kind):
    with filled(HOLES, MemoryStore() if kind == "memory" else DirectoryStore(path, durability="none")) as store:
        score = series(store, "score")
        frame = store.frame(["score"])["score"]
    assert score.runs == ("a", "b", "c", "none")
    assert score.loops.tolist() == [0, 1, 2, 3, 5, 7, 9]
    assert score.loops.dtype == np.int64
    assert score.matrix.dtype == np.float64
    assert score.matrix.shape == (4, 7)
    pd.testing.assert_series_equal(tidy(score), frame, check_names=False)
    assert np.isnan(score.matrix[~score.present]).all()


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, 4))
def test_lags_and_differences_are_those_of_pandas_within_each_run(runs, n):
    score = series(filled({"z": {0: 0.5}, **runs}), "score")
    by_run = grouped(tidy(score))
    pd.testing.assert_series_equal(tidy(score.lag(n)), by_run.shift(n))
    pd.testing.assert_series_equal(tidy(score.lag(-n)), by_run.shift(-n))
    pd.testing.assert_series_equal(tidy(score.diff(n)), by_run.diff(n))
    pd.testing.assert_series_equal(tidy(score.diff().lag(n)), grouped(by_run.diff()).shift(n))


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, 11), st.sampled_from(["mean", "sum", "std", "min", "max", "count"]))
def test_windows_are_those_of_pandas_within_each_run(runs, window, what):
    score = series(filled({"z": {0: 0.5}, **runs}), "score")
    options = {"ddof": 0} if what == "std" else {}
    rolled = grouped(tidy(score)).rolling(window, min_periods=0 if what == "count" else 1)
    wanted = getattr(rolled, what)(**options).droplevel(0).reindex(tidy(score).index)
    # pandas' running sums lose digits: a constant window has a spread of 1e-8 there
    pd.testing.assert_series_equal(tidy(score.rolling(window, what)), wanted, check_names=False, rtol=1e-7, atol=2e-7)


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(2, 6))
def test_the_slope_is_that_of_a_line_fitted_to_each_window(runs, window):
    score = series(filled({"z": {0: 0.5}, **runs}), "score")
    slope = tidy(score.slope(window))
    for _, part in tidy(score).groupby(level="run"):
        ys = part.to_numpy()
        for stop in range(1, len(ys) + 1):
            y = ys[max(0, stop - window) : stop]
            x = np.flatnonzero(~np.isnan(y))
            wanted = np.polyfit(x, y[x], 1)[0] if len(x) > 1 else np.nan
            assert slope[part.index[stop - 1]] == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(tables, st.booleans())
def test_since_best_counts_the_loops_since_the_first_of_the_best_values(runs, higher):
    score = series(filled({"z": {0: 0.5}, **runs}), "score")
    since = tidy(score.since_best(higher=higher))
    for _, part in tidy(score).groupby(level="run"):
        best, at = None, None
        for position, (key, value) in enumerate(part.items()):
            if not np.isnan(value) and (best is None or (value > best if higher else value < best)):
                best, at = value, position
            assert since[key] == pytest.approx(np.nan if at is None else position - at, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_the_last_value_of_a_run_passes_over_missing_ones(runs):
    score = series(filled({"z": {0: 0.5}, **runs}), "score")
    wanted = tidy(score).groupby(level="run", sort=False).last()
    np.testing.assert_array_equal(score.last(), wanted[list(score.runs)].to_numpy())


@pytest.mark.parametrize("how", ["outer", "inner"])
def test_a_join_is_the_join_of_pandas_by_run_and_loop(how):
    store = filled(HOLES)
    filled({"b": {9: 3, 11: 4}, "new": {1: 5}}, store, "labels.count", "ask")
    score, labels = series(store, "score"), series(store, "labels.count", ["new", "b"])
    joined = score.join(score.lag(), labels, how=how)
    parts = [one.frame()[one.name] for one in (score, score.lag(), labels)]
    wanted = pd.concat(parts, axis=1, join=how)
    assert list(joined.columns) == ["score", "score.lag1", "labels.count"]
    assert joined.index.names == ["run", "loop"]
    pd.testing.assert_frame_equal(joined.sort_index(), wanted.sort_index())
    for run, part in joined.groupby(level="run"):
        assert part.index.get_level_values("loop").is_monotonic_increasing, run


def test_the_frame_of_a_series_has_its_values_and_nothing_else():
    score = series(filled(HOLES), "score")
    pd.testing.assert_frame_equal(score.frame(), tidy(score).dropna().to_frame("score"))


def test_names_and_their_lags_are_joined_with_one_reading_of_the_store():
    reads = []

    class Counting(MemoryStore):
        def frame(self, *arguments, **options):
            reads.append(arguments)
            return super().frame(*arguments, **options)

    store = filled(HOLES, Counting())
    for loop in range(4):
        store.append(Record("a", loop, "ask", {"labels.count": 10 * loop, "labels.note": "text"}))
    table = join(store, ["labels.*", "score"], ["a", "b"], lags={"score": [1, 2], "labels.count": 1})
    assert len(reads) == 1
    assert list(table.columns) == ["labels.count", "score", "score.lag1", "score.lag2", "labels.count.lag1"]
    assert table.loc[("a", 3)].tolist() == [30, 0.9, 0.6, 0.7, 20]
    score = series(store, "score", ["a", "b"])
    pd.testing.assert_series_equal(table["score.lag2"].dropna(), score.lag(2).frame()["score.lag2"])
    inner = join(store, ["labels.count", "score"], lags={"score": np.int64(1)}, how="inner")
    assert list(inner.index) == [("a", loop) for loop in range(4)]
    assert np.isnan(inner.loc[("a", 0), "score.lag1"])


def test_all_series_of_the_same_runs_have_one_shape_so_that_they_can_be_calculated_with():
    store = filled(HOLES)
    store.append(Record("a", 1, "ask", {"labels": 20, "stop": True}))
    score, labels, stop = (series(store, name) for name in ("score", "labels", "stop"))
    assert score.matrix.shape == labels.matrix.shape == stop.matrix.shape
    assert (np.asarray(score) / np.asarray(labels))[0, 1] == 0.7 / 20
    assert stop.matrix[0, 1] == 1.0
    assert np.asarray(score, np.float32).dtype == np.float32


def test_ints_and_truth_values_become_floats_and_texts_are_refused():
    store = MemoryStore()
    store.append(Record("r", 0, "ask", {"n": -(2**63), "yes": False, "text": "7", "x": np.inf}, {"ids": np.arange(2)}))
    assert series(store, "n").matrix.tolist() == [[-(2.0**63)]]
    assert series(store, "yes").matrix.tolist() == [[0.0]]
    assert series(store, "x").last().tolist() == [np.inf]
    with pytest.raises(OptionError, match=r"'text' is text.*store\.frame"):
        series(store, "text")
    with pytest.raises(OptionError, match="'text' is text"):
        join(store, ["n", "text"])
    with pytest.raises(UnknownNameError, match="ids"):
        series(store, "ids")
    with pytest.raises(UnknownNameError, match="did you mean 'text'"):
        series(store, "texts")
    with pytest.raises(UnknownRunError):
        series(store, "n", "absent")


def test_runs_come_in_the_order_that_is_asked_for():
    store = filled(HOLES)
    turned = series(store, "score", ["c", "a", "c"])
    assert turned.runs == ("c", "a")
    assert turned.last().tolist() == [0.1, 0.9]
    assert series(store, "score", "b").loops.tolist() == [0, 5, 9]


def test_no_run_one_loop_and_a_run_without_a_value_are_series_too():
    store = filled(HOLES)
    for one, shape in ((series(store, "score", []), (0, 0)), (series(store, "score", ["none"]), (1, 1))):
        assert len(one) == shape[0]
        for result in (one.lag(), one.diff(), one.rolling(3), one.rolling(3, "min"), one.slope(), one.since_best()):
            assert result.matrix.shape == shape
            assert np.isnan(result.matrix).all()
        assert np.isnan(one.last()).all()
        assert one.last().shape == shape[:1]
        assert one.frame().shape == (0, 1)
        assert one.join(one.lag(), how="inner").empty
    single = series(store, "score", "c")
    assert single.rolling(3, "std").matrix.tolist() == [[0.0]]
    assert single.since_best().matrix.tolist() == [[0.0]]
    assert np.isnan(single.slope().matrix).all()
    assert join(store, [], "c").shape == (0, 0)


def test_an_infinite_value_spoils_no_window_but_its_own():
    one = Series(np.array([[1.0, np.inf, 3.0, 4.0, 5.0]]), ("r",), np.arange(5), "x")
    assert one.rolling(2).matrix.tolist() == [[1.0, np.inf, np.inf, 3.5, 4.5]]
    assert one.rolling(2, "std").matrix[0, 3:].tolist() == [0.5, 0.5]
    assert one.slope(2).matrix[0, 3:].tolist() == [1.0, 1.0]
    assert one.since_best().matrix.tolist() == [[0, 0, 1, 2, 3]]


def test_a_long_window_far_from_zero_keeps_its_digits():
    ramp = np.arange(5000.0)
    one = Series(1e9 + ramp[None], ("r",), np.arange(5000), "x")
    np.testing.assert_allclose(one.rolling(1000, "std").last(), np.std(ramp[-1000:]), rtol=1e-9)
    np.testing.assert_allclose(one.slope(4999).last(), 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda one: one.lag(1.5), r"n is 1\.5"),
        (lambda one: one.lag(True), "n is True"),
        (lambda one: one.diff(0), "n is 0; give a whole number, 1 or more"),
        (lambda one: one.rolling(0), "window is 0"),
        (lambda one: one.rolling(3, "maen"), "did you mean 'mean'"),
        (lambda one: one.slope(1), "window is 1; give a whole number, 2 or more"),
        (lambda one: one.join(one), "two series are called 'x'"),
        (lambda one: one.join(how="left"), "'outer' or 'inner'"),
        (lambda one: dataclasses.replace(one, loops=[1, 0]), "do not ascend"),
        (lambda one: dataclasses.replace(one, runs=("r", "s")), "a row for each run"),
        (lambda one: dataclasses.replace(one, present=[True]), "a row for each run"),
        (lambda one: series(MemoryStore(), "x.*"), "give one name"),
        (lambda one: series(MemoryStore(), ["x"]), "give one name"),
        (lambda one: join(filled(HOLES), "score", lags={"scor": 1}), "did you mean 'score'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(call, words):
    with pytest.raises(OptionError, match=words):
        call(Series(np.zeros((1, 2)), ("r",), np.arange(2), "x"))


def test_runs_without_a_common_loop_are_refused_before_the_matrix_is_made(monkeypatch):
    monkeypatch.setattr("metadata_store.joining.MAX_CELLS", 27)
    with pytest.raises(OptionError, match=r"4 runs × 7 loops.*choose runs"):
        series(filled(HOLES), "score")
    assert series(filled(HOLES), "score", ["a", "b"]).matrix.shape == (2, 6)


def test_a_series_is_read_only_has_a_short_repr_and_survives_pickling():
    matrix = np.zeros((1, 2))
    one = Series(matrix, ("r",), np.arange(2), "x")
    matrix[0, 0] = 5
    assert one.matrix[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(one)[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "y"
    assert repr(one) == "Series('x', 1 run × 2 loops)"
    copy = pickle.loads(pickle.dumps(one.diff()))  # noqa: S301
    assert (copy.name, copy.runs, copy.loops.tolist()) == ("x.diff", ("r",), [0, 1])


def test_the_trends_are_those_that_the_policy_reads():
    from metaal.features import STATE_TRENDS, state_features, state_names
    from metaal.history import History

    name, path = STATE_TRENDS[0], np.random.default_rng(0).random(9)
    found = dict(zip(state_names(), state_features(History([{name: x} for x in path])), strict=True))
    one = Series(path[None], ("r",), np.arange(9), name)
    for result in (one.diff(), one.slope()):
        np.testing.assert_allclose(result.last(), found[result.name])
