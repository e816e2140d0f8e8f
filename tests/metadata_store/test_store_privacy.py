"""What a level does not keep is in no byte of a store; a private store is a store in all else."""

from __future__ import annotations

import base64

import numpy as np
import pyarrow as pa
import pytest

import metadata_store.privacy
from metadata_store import DirectoryStore, MemoryStore, OptionError, Record, Store, interchange, open_store
from metadata_store.privacy import (
    Privacy,
    PrivacyError,
    PrivateStore,
    private,
)
from metadata_store.testing import CHECKS
from tests.metadata_store.canaries import KEY, forms, opened, search

TEXTS = ["Zacharias-Q7 Wintermute", "größe ÿ 日本語 canary"]
IDS = ["patient-00731-XQ", "kanarie/é/9941"]
WHOLE = [7_391_482_036_614_907_733, -6_120_934_467_718_213_401, 3_914_827_337, 1_234_567_891_234]
FLOATS = [7391.482036614907, -0.0091348273461234, 4.8213947726613e-7, 9.134827346e15]
CANARIES = [*TEXTS, *IDS, *WHOLE, *FLOATS]


@pytest.fixture
def at(path):
    """Open the store of the test at a level, without the warning of L3."""
    return lambda level, where=path: opened(where, level)


def planted() -> list[Record]:
    """Records with canaries in every place that a record has for data."""
    whole = np.array(WHOLE)
    arrays = {
        "ids": np.array(IDS),
        "query.ids": whole,
        "big.ids": whole.astype(">i8"),
        "small.ids": np.array([WHOLE[2]], np.uint32),
        "big.small.ids": np.array([WHOLE[2]], ">u4"),
        "query.score": np.array(FLOATS),
        "query.proba": np.array([FLOATS, FLOATS]),
        "labels": np.array(TEXTS),
        "embedding": np.array(FLOATS, np.float32),
        "unknown": np.array(FLOATS),
        "texts": np.array(TEXTS),
        "bad.hist": whole,
        "worse.hist": np.array(FLOATS),
        "worst.hist": np.array(TEXTS),
        "flags": np.array([True, False]),
    }
    values = {
        "pool.size": 1234.0,
        "note": TEXTS[0],
        "query.count": TEXTS[1],
        "case.id": IDS[0],
        "state.digest": IDS[1],
        "person_id": WHOLE[0],
        "whole": WHOLE[1],
        "big.count": WHOLE[3],
        "run.seed": WHOLE[2],
        "privacy.dropped": WHOLE[0],
        "raw": FLOATS[0],
        "raw.small": FLOATS[1],
        "raw.smallest": FLOATS[2],
        "raw.count": FLOATS[3],
        "raw.seconds": FLOATS[0],
    }
    return [Record("plain", 0, "ask", values, arrays), Record("plain", 0, "tell", {"note": TEXTS[1]}, arrays)]


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_canaries_are_found_at_level_3_and_nowhere_below(path, at, level):
    store = at(level)
    store.append(planted()[0])
    store.append_many(planted())
    assert search(path.parent, [*CANARIES, KEY]) == (set(CANARIES) if level == "L3" else set())
    store.close()
    with at(level) as store:
        assert store.compact().records == 2
    assert list(path.glob("cold/records/*.parquet"))
    assert search(path.parent, [*CANARIES, KEY]) == (set(CANARIES) if level == "L3" else set())


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_canaries_in_tables_of_samples_are_found_at_level_3_and_nowhere_below(path, at, level):
    columns = {"ids": np.array(WHOLE), "id": np.array(IDS * 2), "score": np.array(FLOATS), "name": np.array(TEXTS * 2)}
    with at(level) as store:
        if level == "L1":
            with pytest.raises(PrivacyError, match="row for each sample"):
                store.append_block("r", 0, columns)
        else:
            store.append_block("r", 0, columns)
            kept = store.block("r", 0)
            assert set(kept.column_names) == (set(columns) if level == "L3" else {"ids", "id", "score.rank"})
    assert search(path.parent, [*CANARIES, KEY]) == (set(CANARIES) if level == "L3" else set())


def test_level_0_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with private(open_store("memory:"), "L0") as store:
        store.append_many(planted())
        assert store.records("plain")[0].same_content(planted()[0])
        assert "memory only" in repr(store)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("level", ["L1", "L2"])
@pytest.mark.parametrize("name", ["all.jsonl", "all.csv", "all.parquet", "long.csv"])
def test_an_export_for_sharing_has_no_canary_although_the_store_has(tmp_path, path, at, level, name):
    store = at(None)
    store.append_many(planted())
    wanted = Privacy("L2", key=KEY) if level == "L2" else level
    shared = tmp_path / "shared"
    shared.mkdir()
    interchange.export(store, tmp_path / name, long=name.startswith("long"))
    interchange.export(store, shared / name, long=name.startswith("long"), privacy=wanted)
    store.close()
    assert search(shared, [*CANARIES, KEY]) == set()
    values = [TEXTS[0], IDS[0], WHOLE[1], FLOATS[0]]
    assert set(values) <= search(tmp_path, CANARIES)


def test_the_search_finds_what_is_hidden_in_any_form(tmp_path):
    """Otherwise the tests above would prove nothing."""
    for canary in [*CANARIES, KEY]:
        for form in set(forms(canary)):
            if len(form) >= 7:
                (tmp_path / "file").write_bytes(b"\x07\x01" + form + b"\x02")
                assert search(tmp_path, [canary]) == {canary}, form
    text = IDS[0].encode()
    for before in range(3):
        (tmp_path / "file").write_bytes(base64.b64encode(b"abcd"[:before] + text + b"ef"))
        assert search(tmp_path, [IDS[0]]) == {IDS[0]}
    (tmp_path / "file").unlink()
    for near in (WHOLE[0] + 7, round(WHOLE[0], -3)):
        with DirectoryStore(tmp_path / str(near)) as store:
            store.append(Record("r", 0, "tell", {"n": near}))
        assert search(tmp_path / str(near), WHOLE) == {WHOLE[0]}


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_a_store_of_level_3_keeps_the_whole_contract(name, kind, tmp_path, at):
    count = iter(range(100))

    def factory(store: Store | None = None) -> Store:
        return at("L3", store.path if store is not None else tmp_path / str(next(count)))

    def memory() -> Store:
        return PrivateStore(MemoryStore(), Privacy("L3"))

    CHECKS[name](factory if kind == "directory" else memory)


LOSSLESS = {"read_only", "same_again", "closed", "whole", "refuses"}


@pytest.mark.parametrize("name", sorted(LOSSLESS & set(CHECKS)))
@pytest.mark.parametrize("level", ["L1", "L2"])
def test_a_private_store_keeps_what_of_the_contract_needs_no_full_content(name, level):
    CHECKS[name](lambda: PrivateStore(MemoryStore(), Privacy(level, key=KEY)))


def test_a_second_append_of_the_same_record_is_none_and_of_another_one_a_conflict(at):
    store = at("L2")
    record = Record("r", 0, "tell", {"score": 0.71234}, {"ids": [3]})
    first = store.append(record)
    assert store.append(record).same_content(first)
    assert store.count("r") == 1
    for other in (
        Record("r", 0, "tell", {"score": 0.8}, {"ids": [3]}),
        Record("r", 0, "tell", {"score": 0.71234}, {"ids": [4]}),
    ):
        with pytest.raises(metadata_store.ConflictError):
            store.append(other)
    store.close()


def test_no_method_leads_around_the_level():
    """What a store can do, a private one does by itself, or cannot: nothing unknown is passed on."""
    store = PrivateStore(MemoryStore(), Privacy("L1"))
    assert isinstance(store, Store)
    assert "__getattr__" not in dir(PrivateStore)
    own = {name for name in vars(PrivateStore) if not name.startswith("_")}
    assert {name for name in dir(Store) if not name.startswith("_")} <= own
    writers = {"append", "append_many", "append_block"}
    assert {name for name in own if name.startswith(("append", "write", "put", "import"))} == writers


def test_tables_of_samples_are_hashed_and_ranked_at_level_2():
    columns = {"id": IDS, "score": [0.1, 0.9], "age": [17, 18], "name": TEXTS}
    for given_columns in (columns, pa.table(columns)):
        with PrivateStore(MemoryStore(), Privacy("L2", key=KEY)) as store:
            store.append_block("r", 0, given_columns)
            kept = store.block("r", 0).to_pydict()
            assert kept == {"id": Privacy("L2", key=KEY).hashes(IDS).tolist(), "score.rank": [1, 0]}
            store.append_block("r", 0, given_columns)
            assert store.count("r") == 1
            with pytest.raises(PrivacyError, match="keeps none"):
                store.append_block("r", 1, {"age": [17]})
    with PrivateStore(MemoryStore(), Privacy("L3")) as store:
        store.append_block("r", 0, columns)
        assert store.block("r", 0).to_pydict() == columns


def test_what_stores_can_do_beyond_records_works_through_a_private_one(at):
    with at("L1") as store:
        store.append_many([Record("r", loop, "tell", {"score": 0.71234 + loop}) for loop in range(3)])
        assert store.series("score").matrix.tolist() == [[0.712, 1.71, 2.71]]
        assert [record.loop for record in store.tail(start="begin", timeout=0.01, poll=0.01)] == [0, 1, 2]
        with store.lease("r") as lease:
            assert lease.run == "r"
            store.append(Record("r", 3, "tell"))
        assert store.dataset().to_table().num_rows == 4
        assert store.verify().ok
        assert store.repair().ok


def test_a_private_store_in_memory_names_no_path_that_others_would_write_to():
    """`metaal.evaluate` asks a store for its path; without one it would take the store's text for a folder."""
    with pytest.raises(PrivacyError, match="has no path"):
        getattr(private(MemoryStore(), "L0"), "path", "somewhere")


def test_an_export_of_a_private_store_at_its_own_level_does_not_hash_again(tmp_path, at):
    store = at("L2")
    store.append(Record("r", 0, "tell", {"score": 0.71234}, {"ids": [3, 5]}))
    file = tmp_path / "r.jsonl"
    interchange.export(store, file, privacy=Privacy("L2", key=KEY))
    copy = MemoryStore()
    interchange.load(file, copy)
    assert copy.records("r")[0].same_content(store.records("r")[0])
    interchange.export(store, file, privacy="L1")
    assert b"ids" not in file.read_bytes()
    store.close()


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_a_shared_table_has_the_columns_that_are_left(tmp_path, name):
    import pandas as pd

    store = MemoryStore()
    for run in ("a", "b"):
        store.append(Record(run, 0, "tell", {"score": 0.71234, "note": "Mrs. X", "n": 17, "stop": False}))
    store.append(Record("b", 1, "tell", {"late": 0.5}))
    assert interchange.export(store, tmp_path / name, runs=["a"], privacy="L1") == 1
    frame = (pd.read_csv if name.endswith("csv") else pd.read_parquet)(tmp_path / name)
    assert list(frame.columns) == ["run", "loop", "score", "n", "stop", "privacy.dropped"]
    assert frame["score"].tolist() == [0.712]
    assert interchange.export(store, tmp_path / name, names=["late", "score"], privacy="L1") == 3
    with pytest.raises(metadata_store.UnknownNameError):
        interchange.export(store, tmp_path / name, names=["note"], privacy="L1")
    with pytest.raises(OptionError):
        interchange.export(store, tmp_path / "r.txt", privacy="L1")


def test_an_export_is_refused_as_a_whole_if_a_pool_is_too_small(tmp_path):
    store = MemoryStore()
    store.append_many([Record("big", 0, "ask", {"pool.size": 500.0}), Record("small", 0, "ask", {"pool.size": 50.0})])
    with pytest.raises(PrivacyError, match="'small', loop 0"):
        interchange.export(store, tmp_path / "r.jsonl", privacy="L1")
    assert list(tmp_path.iterdir()) == []
    assert interchange.export(store, tmp_path / "r.jsonl", runs="big", privacy="L1") == 1
