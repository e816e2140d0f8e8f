"""What each level keeps of a record, and how coarse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadata_store import MemoryStore, Record
from metadata_store.privacy import (
    Privacy,
    PrivacyError,
    Rule,
    Rules,
)
from metadata_store.privacy.rounding import coarse_count, coarse_float
from tests.metadata_store.canaries import KEY, OTHER, opened


@pytest.fixture
def at(path):
    """Open the store of the test at a level, without the warning of L3."""
    return lambda level, where=path: opened(where, level)


def test_level_1_keeps_scalars_and_histograms_made_coarse():
    values = {"pool.size": 1234, "score": 0.123456, "seconds": 12.3456, "stop": True, "nan": float("nan"), "n": -17}
    kept = Privacy("L1").apply(
        Record("r", 1, "ask", values, {"margin.hist": np.array([4, 5, 96, 12_345])}, at=7, index=2)
    )
    assert kept.values["pool.size"] == 1230
    assert kept.values["score"] == 0.123
    assert kept.values["seconds"] == 12.3
    assert kept.values["stop"] is True
    assert np.isnan(kept.values["nan"])
    assert kept.values["n"] == -20
    assert kept.arrays["margin.hist"].tolist() == [0, 10, 100, 12_300]
    assert kept.values["privacy.dropped"] == 0
    assert (kept.key, kept.at) == (("r", 1, "ask", 2), 7)
    assert not kept.arrays["margin.hist"].flags.writeable


def test_a_nan_brings_no_hidden_bits_and_a_histogram_no_rows():
    hidden = np.array([0x7FF8DEADBEEF1234], np.uint64).view(np.float64)
    values = {"x": float(hidden[0]), "a.count": float(hidden[0])}
    kept = Privacy("L1").apply(Record("r", 0, "tell", values, {"x.hist": np.arange(1025), "y.hist": np.arange(1024)}))
    plain = np.array([float("nan")]).tobytes()
    assert hidden.tobytes() != plain
    assert [np.array([kept.values[name]]).tobytes() for name in values] == [plain, plain]
    assert list(kept.arrays) == ["y.hist"]


def test_what_is_left_out_is_counted():
    record = Record("r", 0, "tell", {"note": "Mrs. X", "score": 1.0}, {"ids": [1], "labels": ["a"], "x": [0.5]})
    assert Privacy("L1").apply(record).values["privacy.dropped"] == 4
    assert Privacy("L2", key=KEY).apply(record).values["privacy.dropped"] == 3


@pytest.mark.parametrize("size", [99, 99.0, 0, float("nan"), -5])
def test_level_1_refuses_a_small_pool_and_writes_nothing(path, at, size):
    store = at("L1")
    records = [Record("r", 0, "ask", {"pool.size": 100.0}), Record("r", 1, "ask", {"pool.size": float(size)})]
    with pytest.raises(PrivacyError, match="100 rows or more"):
        store.append_many(records)
    with pytest.raises(PrivacyError, match="too small"):
        store.append(records[1])
    assert store.runs() == []
    store.append(records[0])
    assert store.records("r")[0].values["pool.size"] == 100
    store.close()


def test_numbers_about_fewer_than_k_rows_are_left_out():
    rules = Rules(
        values=(("batch.*", Rule("scalar", of=("told", "late"))), ("told", Rule("count")), ("late", Rule("count")))
    )
    privacy = Privacy("L1", rules=rules)
    for told, late, kept in ((10, 0, True), (9, 0, False), (19, 9, True), (19, 10, False)):
        values = {"batch.accuracy": 0.5, "told": told, "late": late}
        assert ("batch.accuracy" in privacy.apply(Record("r", 0, "tell", values)).values) == kept
    assert "batch.accuracy" not in privacy.apply(Record("r", 0, "tell", {"batch.accuracy": 0.5})).values


def test_a_share_does_not_give_back_the_count_that_was_rounded():
    """3 of 147 rows: with the exact share, whoever knows the rounded total finds the 3."""
    rules = Rules(
        values=(
            ("pool.size", Rule("count")),
            ("rarest", Rule("share", of=("pool.size",))),
            ("labels", Rule("count")),
            ("labels.share", Rule("ratio", of=("labels", "pool.size"))),
        )
    )
    values = {"pool.size": 147, "rarest": 23 / 147, "labels": 23, "labels.share": 23 / 170}
    kept = Privacy("L1", rules=rules).apply(Record("r", 0, "ask", values)).values
    assert kept["rarest"] == 20 / 150
    assert kept["labels.share"] == 20 / 170
    assert Privacy("L1", rules=rules).apply(Record("r", 0, "ask", {**values, "rarest": 3 / 147})).values["rarest"] == 0


def test_only_texts_on_the_list_are_kept():
    rules = Rules(values=(("strategy", Rule("text", known=lambda text: text == "margin")),))
    privacy = Privacy("L1", texts=["logistic"], rules=rules)
    values = {"strategy": "margin", "learner": "logistic", "task": "tickets", "note": "Mrs. X", "empty": ""}
    kept = privacy.apply(Record("tickets", 0, "begin", values)).values
    assert set(kept) == {"strategy", "learner", "task", "empty", "privacy.dropped"}
    assert "strategy" not in privacy.apply(Record("r", 0, "begin", {"strategy": "margin; Mrs. X"})).values


def test_level_2_hashes_ids_the_same_everywhere_with_one_key():
    ids = [3, 70_000, 2**31 - 1]
    hashed = [
        Privacy("L2", key=key).apply(Record(run, loop, "tell", {}, {"ids": np.array(ids, dtype)})).arrays["ids"]
        for key, run, loop, dtype in (
            (KEY, "a", 0, "<i4"),
            (KEY, "b", 7, ">u4"),
            (KEY, "b", 7, "U20"),
            (KEY.decode("latin-1").encode(), "b", 8, np.int64),
        )
    ]
    assert all(one.dtype == np.int64 and one.tolist() == hashed[0].tolist() for one in hashed[:3])
    assert Privacy("L2", key=KEY).hashes(ids).tolist() == hashed[0].tolist()
    assert not set(Privacy("L2", key=OTHER).hashes(ids).tolist()) & set(hashed[0].tolist())
    assert len(set(Privacy("L2", key=KEY).hashes(np.arange(100_000)).tolist())) == 100_000


def test_level_2_keeps_ranks_in_place_of_scores():
    kept = Privacy("L2", key=KEY).apply(Record("r", 0, "ask", {}, {"query.score": [0.1, 0.9, np.nan, 0.9]}))
    assert {name: array.tolist() for name, array in kept.arrays.items()} == {"query.score.rank": [2, 0, 3, 0]}
    again = Privacy("L2", key=KEY).apply(kept)
    assert again.arrays["query.score.rank"].tolist() == [2, 0, 3, 0]


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(2, 50))
def test_a_rounded_count_is_a_multiple_of_k_stays_near_and_does_not_change_again(number, k):
    rounded = coarse_count(number, k)
    assert rounded % k == 0
    assert -(2**63) <= rounded < 2**63
    assert abs(rounded - number) <= max(k / 2, abs(number) / 150)
    assert coarse_count(rounded, k) == rounded


@settings(deadline=None)
@given(st.floats())
def test_a_rounded_float_has_three_digits_and_does_not_change_again(number):
    rounded = coarse_float(number)
    assert coarse_float(rounded) == rounded or np.isnan(number)
    assert np.isfinite(rounded) == np.isfinite(number)
    if np.isfinite(number) and abs(number) > 1e-300:
        assert abs(rounded - number) <= abs(number) * 0.0051


VALUES = st.one_of(st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text("aé日 x", max_size=8))
NAMES = st.sampled_from(["score", "pool.size", "a.count", "ids", "x.digest", "note", "seed", "privacy.dropped"])


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES), st.lists(st.integers(0, 2**63 - 1), max_size=5), st.sampled_from(["L1", "L2"]))
def test_applying_a_level_keeps_types_and_what_is_kept_at_level_1_stays_the_same(values, ids, level):
    record = Record("r", 0, "ask", values, {"ids": np.array(ids, np.int64), "x.hist": np.array(ids, np.int64)})
    privacy = Privacy(level, key=KEY, pool=0)
    if level == "L1" and type(values.get("pool.size")) in (int, float) and not values["pool.size"] >= 0:
        with pytest.raises(PrivacyError):
            privacy.apply(record)
        return
    kept = privacy.apply(record)
    assert all(
        type(kept.values[name]) is type(values[name])
        for name in kept.values
        if name in values and name != "privacy.dropped"
    )
    assert privacy.apply(record).same_content(kept)
    if level == "L1":
        assert privacy.apply(kept).same_content(kept)
    # what comes out can be stored
    MemoryStore().append(Record(kept.run, 0, "ask", kept.values, kept.arrays))
