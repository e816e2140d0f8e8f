"""Compaction that could go wrong: doubles, names without columns, runs longer than a row group, odd data."""

import math
import random
import struct
import time

import numpy as np
import pandas as pd
import pytest

from metadata_store import ConflictError, DirectoryStore, MemoryStore, Record, StoreError
from metadata_store.cold import columns, compacting, parquet, writing
from metadata_store.kinds import Kinds
from metadata_store.log import Log


def note(loop, run="r", **arrays):
    return Record(run, loop, "tell", {"score": float(loop)}, arrays)


def loops(store, run="r"):
    return [record.loop for record in store.records(run)]


def without_locks(path, numbers, monkeypatch):
    """Append records as a process would that cannot see those of others, later than all of them."""
    with monkeypatch.context() as patch:
        patch.setattr("metadata_store.locks.fcntl", None)
        blind = DirectoryStore(path, durability="none")
        last = blind._log.index.last_stamp
        patch.setattr(blind, "_log", Log(blind.files))
        blind._log.index.last_stamp = last
        blind._appender.use(blind._log)
        patch.setattr(blind._appender, "_refresh", lambda: None)
        for number in numbers:
            blind.append(note(number))
        blind._appender.close()


@pytest.mark.parametrize("merge", [True, False])
def test_records_that_two_processes_wrote_count_once_however_they_are_compacted(path, monkeypatch, merge):
    monkeypatch.setattr(writing, "GROUP_ROWS", (2, 2))
    with DirectoryStore(path, durability="none") as store:
        for number in range(6):
            store.append(note(number))
        store.compact()
    without_locks(path, [0, 3, *range(9, 15)], monkeypatch)
    expected = [*range(6), *range(9, 15)]
    with DirectoryStore(path) as store:
        assert loops(store) == expected
        if not merge:
            monkeypatch.setattr(compacting, "mergeable", lambda *_: [])
        assert "nothing" not in str(store.compact())
        assert loops(store) == expected
        assert store.count("r") == len(store.frame()) == 12


def test_a_dataset_has_the_values_of_records_without_columns(path, monkeypatch):
    monkeypatch.setattr(columns, "WIDEST", 3)
    with DirectoryStore(path, durability="none") as store:
        for number in range(4):
            values = {f"name{i}.of{number}": i for i in range(2)}
            store.append(Record("r", number, "tell", {**values, "score": number / 2}))
        before = store.dataset().to_table().sort_by("loop")
        store.compact()
        assert any(part.has_payloads for part in store._log.parts)
        after = store.dataset().to_table().sort_by("loop")
    assert after.equals(before)
    assert after["score"].to_pylist() == [0.0, 0.5, 1.0, 1.5]


def long_run(path, monkeypatch):
    """Return a store with a run whose records and arrays fill ten row groups."""
    monkeypatch.setattr(writing, "GROUP_ROWS", (10, 10))
    store = DirectoryStore(path, durability="none")
    store.append_many([note(number, ids=np.full(50, number)) for number in range(100)])
    store.compact()
    return store


def reads(monkeypatch):
    """Return a list that gets (folder, row group) of everything that is read."""
    found = []
    real = parquet.Parquet.read

    def call(self, groups, names=None):
        found.extend((self.note.name.split("/")[1], group) for group in groups)
        return real(self, groups, names)

    monkeypatch.setattr(parquet.Parquet, "read", call)
    return found


def test_one_array_of_a_long_run_is_read_without_the_others(path, monkeypatch):
    with long_run(path, monkeypatch) as store:
        assert store.arrays("r", 3, "ids").tolist() == [3] * 50
        found = reads(monkeypatch)
        assert store.arrays("r", 57, "ids").tolist() == [57] * 50
        assert set(found) == {("records", 5), ("arrays", 5)}


def test_compaction_reads_every_row_group_of_a_long_run_once(path, monkeypatch):
    with long_run(path, monkeypatch) as store:
        store.append_many([note(number, ids=np.zeros(50)) for number in range(100, 160)])
        list(store._log.parts[0].keys("r"))
        found = reads(monkeypatch)
        assert store.compact().parts == 1
        assert sorted(found) == [(folder, group) for folder in ("arrays", "records") for group in range(10)]
        assert loops(store) == list(range(160))


def test_arrays_that_compress_well_are_not_gathered_in_memory(path, monkeypatch):
    """How many records are merged at once depends on their bytes in memory, not on disk."""
    monkeypatch.setattr(compacting, "ARRAY_BYTES", 2**18)
    most = []
    tables = compacting._tables

    def watched(*given):
        found = tables(*given)
        most.append(found[1].nbytes)
        return found

    with DirectoryStore(path, durability="none") as store:
        for first in (0, 40):
            store.append_many(
                [note(i, run, zero=np.zeros(2000)) for run in ("r", "s") for i in range(first, first + 40)]
            )
            monkeypatch.setattr(compacting, "_tables", watched)
            store.compact()
    assert len(most) > 8
    assert max(most) < 2**19


def test_keys_of_many_compacted_runs_are_read_once(path, monkeypatch):
    with DirectoryStore(path, durability="none") as store:
        store.append_many([note(0, f"run {number}") for number in range(50)])
        store.compact()
        found = reads(monkeypatch)
        for number in range(50):
            store.append(note(1, f"run {number}"))
        assert found == [("records", 0)]


def test_records_with_ever_other_names_are_learnt_once(path, monkeypatch):
    calls = []
    learn = Kinds.learn
    monkeypatch.setattr(Kinds, "learn", lambda *given: calls.append(1) or learn(*given))
    with DirectoryStore(path, durability="none") as store:
        for number in range(50):
            store.append(Record("r", number, "tell", {f"name{number}": 1.0}))
    assert len(calls) <= 50 * 4


def test_a_block_with_other_content_leaves_no_file(path):
    with DirectoryStore(path) as store:
        store.append_block("r", 0, {"id": np.arange(3)})
        with pytest.raises(ConflictError):
            store.append_block("r", 0, {"id": np.arange(4)})
        assert len(list((path / "blocks").glob("*.parquet"))) == 1


# the same as in memory

KINDS = {"x": "f", "y.z": "i", "b": "b", "t": "s", "run": "f", "loop": "i", "schema": "s", "payload": "s", "stamp": "i"}
KINDS |= {"pool": "f", "pool.size": "i", "a.list.element": "i"}
QUIET_NAN = struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\x7f")[0]
VALUES = {
    "f": [0.0, -0.0, math.nan, QUIET_NAN, math.inf, -math.inf, 5e-324, 3],
    "i": [0, -1, 2**63 - 1, -(2**63)],
    "b": [False, True],
    "s": ["", "é", "a\0b", "null"],
}
ARRAYS = [
    np.arange(3),
    np.array(3.5),
    np.array(True),
    np.zeros((1,) * 8, np.int64),
    np.zeros((2, 0, 3)),
    np.array(["", "é"]),
    np.array([], "<U0"),
    np.array([QUIET_NAN, -0.0]),
    np.array("text"),
    np.arange(6, dtype=np.uint8).reshape(2, 3),
]


def odd(draw):
    names = draw.sample(list(KINDS), draw.randrange(5))
    arrays = {name: draw.choice(ARRAYS) for name in draw.sample(["ids", "x", "record"], draw.randrange(3))}
    values = {name: draw.choice(VALUES[KINDS[name]]) for name in names}
    return Record(
        draw.choice("abc"), draw.randrange(9), draw.choice(["ask", "tell"]), values, arrays, draw.choice([0, 5])
    )


def bits(value):
    return struct.pack("<d", value) if isinstance(value, float) else value


def content(record):
    values = [(name, type(value), bits(value)) for name, value in record.values.items()]
    arrays = [(name, array.dtype, array.shape, array.tobytes()) for name, array in record.arrays.items()]
    return record.key, values, arrays


def rows(store):
    keys = ("run", "loop", "event", "index")
    found = {}
    for row in store.dataset().to_table().drop_columns(["at", "stamp"]).to_pylist():
        key = tuple(row[name] for name in keys)
        assert key not in found
        found[key] = {name: bits(value) for name, value in row.items()}
    return found


def assert_equal(store, model):
    assert store.runs() == model.runs()
    for run in model.runs():
        records = model.records(run)
        assert list(map(content, store.records(run))) == list(map(content, records))
        assert store.count(run) == len(records)
        loop = records[-1].loop
        for name in [name for record in records if record.loop == loop for name in record.arrays]:
            one, other = store.arrays(run, loop, name), model.arrays(run, loop, name)
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    for long in (False, True):
        one, other = store.frame(long=long), model.frame(long=long)
        columns = [name for name in other if name != "at"]
        pd.testing.assert_frame_equal(one[columns], other[columns], check_exact=True)
    assert rows(store) == rows(model)


@pytest.mark.parametrize("number", range(6))
def test_whatever_is_compacted_reads_as_in_memory(path, monkeypatch, number):
    """Three openings that append, compact, repair and are closed, while the clock goes back or stands still."""
    draw = random.Random(number)
    monkeypatch.setattr(writing, "GROUP_ROWS", draw.choice([(2, 3), (1024, 65536)]))
    monkeypatch.setattr(compacting, "ARRAY_BYTES", draw.choice([200, 2**25]))
    monkeypatch.setattr(columns, "WIDEST", (5, 4096)[number % 2])
    begin, step = time.time_ns(), draw.choice([0, -1000, 1000])
    monkeypatch.setattr(time, "time_ns", lambda: begin + step * draw.randrange(10))
    stores, model = [DirectoryStore(path, durability="none") for _ in range(3)], MemoryStore()
    for _ in range(40):
        which, what = draw.randrange(3), draw.random()
        if what < 0.6:
            many = [odd(draw) for _ in range(draw.choice([1, 3]))]
            outcomes = []
            for store in (stores[which], model):
                try:
                    outcomes.append(list(map(content, store.append_many(many))))
                except StoreError as error:
                    outcomes.append(type(error))
            assert outcomes[0] == outcomes[1]
        elif what < 0.8:
            stores[which].compact()
        elif what < 0.9:
            stores[which].close()
            stores[which] = DirectoryStore(path, durability="none")
        else:
            assert stores[which].repair().ok
    for store in stores:
        assert_equal(store, model)
        store.close()
    with DirectoryStore(path) as store:
        store.compact()
        assert_equal(store, model)
