"""What a record accepts, what it refuses, and what it says then."""

import pickle

import numpy as np
import pytest

from metadata_store import MissingStoreError, OptionError, Record, RecordError, open_store


@pytest.mark.parametrize(
    "run", ["", "a/b", "a\\b", "..", "a..b", ".", "a\0", "a\n", "\x7f", "x" * 201, "\ud800", 3, None]
)
def test_bad_runs(run):
    with pytest.raises(RecordError, match="run"):
        Record(run, 0, "tell")


@pytest.mark.parametrize("event", ["", "a b", "1st", "é", "a.b", "tell\n", None, 5])
def test_bad_events(event):
    with pytest.raises(RecordError, match="event"):
        Record("r", 0, event)


@pytest.mark.parametrize("field", ["loop", "index", "at"])
@pytest.mark.parametrize("number", [-1, True, np.bool_(False), 1.0, "1", None, 2**63])
def test_bad_counts(field, number):
    with pytest.raises(RecordError, match=field):
        Record(**{"run": "r", "loop": 0, "event": "tell", field: number})


@pytest.mark.parametrize("name", ["", "A", "a..b", ".a", "a.", "a b", "a-b", "é", "a\n", "x" * 201, 3])
def test_bad_names(name):
    for field in ("values", "arrays"):
        with pytest.raises(RecordError, match="name"):
            Record("r", 0, "tell", **{field: {name: 1}})


@pytest.mark.parametrize(
    "value",
    [
        None,
        2**63,
        -(2**63) - 1,
        1j,
        b"x",
        [1],
        np.arange(2),
        "\ud800",
        "é" * 2**19 + "x",
        object(),
        np.datetime64("now"),
    ],
)
def test_bad_values(value):
    with pytest.raises(RecordError, match=r"'pool\.size'"):
        Record("r", 0, "tell", {"pool.size": value})


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["2020"], "M8[D]"),
        np.array([1j]),
        np.array([b"x"]),
        np.zeros((1,) * 9),
        [[1], [1, 2]],
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros(2, [("a", "i4")]),
        np.zeros(2, np.longdouble),
    ],
)
def test_bad_arrays(array):
    with pytest.raises(RecordError, match="'ids'"):
        Record("r", 0, "tell", {}, {"ids": array})


def test_arrays_are_copies():
    ids = np.arange(3)
    record = Record("r", 0, "tell", {}, {"ids": ids})
    ids[0] = 9
    assert record.arrays["ids"].tolist() == [0, 1, 2]
    assert ids.flags.writeable


def test_same_content():
    record = Record("r", 0, "tell", {"a": float("nan"), "b": 1}, {"c": np.array([np.nan])})
    assert record.same_content(pickle.loads(pickle.dumps(record)))  # noqa: S301
    for values in ({"a": 1.0, "b": 1}, {"a": float("nan"), "b": 1.0}, {"a": float("nan"), "b": True}, {"b": 1}):
        assert not record.same_content(Record("r", 0, "tell", values, dict(record.arrays)))
    for array in (np.array([np.nan], "f4"), np.array([[np.nan]]), np.array([1.0])):
        assert not record.same_content(Record("r", 0, "tell", dict(record.values), {"c": array}))
    assert not record.same_content(Record("r", 0, "tell", dict(record.values), dict(record.arrays), index=1))


@pytest.mark.parametrize("uri", ["", "file://host/x", "a\0b"])
def test_bad_places(uri):
    with pytest.raises(OptionError, match="uri"):
        open_store(uri)


def test_bad_options(tmp_path):
    with pytest.raises(OptionError, match="durability"):
        open_store(tmp_path / "s", durability="sometimes")
    with pytest.raises(MissingStoreError):
        open_store("memory:", create=False)
    assert list(tmp_path.iterdir()) == []
