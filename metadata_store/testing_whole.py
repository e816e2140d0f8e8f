"""Checks of what a store does with whole runs: blocks of samples, compaction, dataset, lease, tail, series."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ConflictError, LeaseError, RecordError, UnknownNameError
from .record import Record
from .testing_samples import Factory, all_of, filled, need, raises, same, samples


def check_blocks(factory: Factory) -> None:
    """A table of samples is read back equal; the same again is a no-op, another one a conflict."""
    store = factory()
    columns = {"id": np.arange(5), "margin": np.array([0.5, float("nan"), -0.0, float("inf"), 1e-300])}
    text = np.array(["a", "", "é", "日本", "b"])
    kept = store.append_block("r", 2, {**columns, "text": text})
    need(kept.event == "block" and kept.values["block.rows"] == 5, f"the record of a block is {dict(kept.values)}")
    need(same(store.append_block("r", 2, {**columns, "text": text}), kept), "the same block again is not a no-op")
    raises(ConflictError, lambda: store.append_block("r", 2, columns))
    found = store.block("r", 2)
    need(found.column_names == ["id", "margin", "text"], "columns of a block are missing or out of order")
    need(found.column("margin").to_numpy().tobytes() == columns["margin"].tobytes(), "floats of a block changed")
    need(found.column("text").to_pylist() == text.tolist(), "texts of a block changed")
    store.append_block("r", 2, {"id": np.zeros(0, np.int32)}, name="none", index=1)
    need(store.block("r", 2, "none").num_rows == 0, "a block without rows is not kept")
    need("'none'" in str(raises(UnknownNameError, lambda: store.block("r", 2, "nome"))), "the nearest is not offered")
    wrong: list[dict[str, Any]] = [{}, {"a": [1], "b": [1, 2]}, {"a": np.zeros((2, 2))}, {"a": [object()]}]
    for columns in wrong:
        raises(RecordError, lambda columns=columns: store.append_block("r", 3, columns))  # type: ignore[misc]
    need([record.loop for record in store.records("r")] == [2, 2], "a refused block left a record")
    store.close()


def check_compact(factory: Factory) -> None:
    """Compacting changes nothing that is read, and the store goes on."""
    store, stored = filled(factory)
    for run in range(3):
        values: list[dict[str, Any]] = [{"score": 0.5 * i, "loop": float(i), "labels": i} for i in range(20)]
        store.append_many([Record(f"run {run}", i, "tell", value) for i, value in enumerate(values)])
    for _ in range(2):
        before = (
            all_of(store),
            store.runs(),
            store.frame(),
            store.frame(long=True),
            store.dataset().to_table().num_rows,
        )
        store.compact()
        records, runs, frame, long, rows = before
        after = all_of(store)
        need(len(after) == len(records) and all(map(same, after, records)), "compacting changed records")
        need(store.runs() == runs and rows == store.dataset().to_table().num_rows, "compacting changed runs or rows")
        need(store.frame().equals(frame) and list(store.frame()) == list(frame), "compacting changed the frame")
        need(store.frame(long=True).equals(long), "compacting changed the long frame")
        need(store.verify().ok, str(store.verify()))
        need(store.arrays("plain", 3, "ids").tolist() == list(range(1000)), "compacting changed an array")
        need(same(store.append(samples()[1]), stored[1]), "a record given again is not found after compacting")
        raises(ConflictError, lambda: store.append(Record("plain", 0, "begin", {"score": 1.0})))
        raises(RecordError, lambda: store.append(Record("plain", 9, "tell", {"labels": 1.5})))
        store.append_many([Record("plain", 10 + i, "tell", {"score": 1.0, "new.name": i}) for i in range(30)])
    store.close()


def check_dataset(factory: Factory) -> None:
    """The dataset has a row for each record and null where a record has no value."""
    store = factory()
    need(store.dataset().to_table().num_rows == 0, "the dataset of an empty store has rows")
    store.append(Record("r", 0, "tell", {"score": float("nan"), "note": "x"}))
    store.append(Record("r", 1, "tell", {"stop": True, "loop": 7}, index=4, at=5))
    table = store.dataset().to_table()
    names = ["run", "loop", "event", "index", "at", "stamp", "score", "note", "stop", "value:loop"]
    need(table.column_names == names, f"columns are {table.column_names}")
    rows = table.to_pylist()
    need([row["loop"] for row in rows] == [0, 1] and rows[1]["value:loop"] == 7, "a name of a key column is mixed up")
    need(rows[1]["score"] is None and rows[0]["score"] != rows[0]["score"], "missing and NaN are mixed up")
    need((rows[1]["index"], rows[1]["at"], rows[1]["stop"]) == (4, 5, True), "a key or a bool is wrong")
    store.close()


def check_lease(factory: Factory) -> None:
    """A lease is exclusive, has a growing epoch, and its holder goes on writing."""
    store = factory()
    lease = store.lease("r")
    raises(LeaseError, lambda: store.lease("r"))
    need(same(store.append(Record("r", 0, "tell", at=5)), Record("r", 0, "tell", at=5)), "the holder cannot write")
    with store.lease("other"):
        store.append(Record("third", 0, "tell"))
    lease.release()
    lease.release()
    with store.lease("r") as later:
        need(later.epoch > lease.epoch, f"epochs are {lease.epoch}, then {later.epoch}")
        need(not lease.held and later.held and later.run == "r", "a lease does not know whether it is held")
    raises(RecordError, lambda: store.lease("../r"))
    store.close()


def check_tail(factory: Factory) -> None:
    """Following a store gives every later record once, in order; or those before, too."""
    store = factory()
    store.append_many([Record("a", loop, "tell") for loop in range(3)])
    later = store.tail(timeout=0.0)
    both = store.tail("a", start="begin", timeout=0.0)
    store.append_many([Record("a", 3, "tell"), Record("b", 0, "tell"), Record("a", 4, "tell")])
    found = [(record.run, record.loop) for record in later]
    need(sorted(found) == [("a", 3), ("a", 4), ("b", 0)], f"what came later is {found}")
    need([loop for run, loop in found if run == "a"] == [3, 4], "a run is followed out of order")
    need([record.loop for record in both] == [0, 1, 2, 3, 4], "following from the beginning misses something")
    raises(ValueError, lambda: next(store.tail(start="yesterday")))
    store.close()


def check_series(factory: Factory) -> None:
    """A series is a (run × loop) matrix with NaN where a run has no value."""
    store = factory()
    store.append_many([Record("b", loop, "tell", {"score": loop / 2, "note": "x"}) for loop in (0, 1, 3)])
    store.append(Record("a", 1, "tell", {"score": 7.0}))
    series = store.series("score")
    need(list(series.runs) == ["b", "a"] and series.loops.tolist() == [0, 1, 3], "runs or loops are wrong")
    need(np.array_equal(series.matrix, [[0, 0.5, 1.5], [np.nan, 7, np.nan]], equal_nan=True), str(series.matrix))
    need(store.series("score", "a").matrix.ravel().tolist() == [7.0], "runs are not selected")
    raises(UnknownNameError, lambda: store.series("scor"))
    store.close()
