"""The contract of a store as checks that anybody's store can run.

A factory makes a store: ``factory()`` a new empty one. If it accepts an argument, ``factory(store)`` opens the same
store once more, which is only asked of stores that survive being closed.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import testing_whole
from .errors import ClosedError, ConflictError, RecordError, UnknownNameError, UnknownRunError
from .record import Record
from .testing_samples import Factory, all_of, filled, need, raises, same, samples

__all__ = ["CHECKS", "Factory", "check_store", "need", "raises", "same", "samples"]


def check_read_back(factory: Factory) -> None:
    """Every record that was written is read back equal, in the order of appending."""
    store, stored = filled(factory)
    for given, kept in zip(samples(), stored, strict=True):
        need(same(given, kept, at=bool(given.at)), f"append changed {given.key}")
        need(kept.at > 0, "append did not stamp the time")
    for run in {record.run for record in stored}:
        expected = [record for record in stored if record.run == run]
        found = store.records(run)
        need([r.key for r in found] == [r.key for r in expected], f"order or number of records of {run!r} is wrong")
        need(all(map(same, found, expected)), f"a record of {run!r} changed")
    store.close()


def check_read_only(factory: Factory) -> None:
    """Arrays and mappings that come out cannot be written to."""
    store, _ = filled(factory)
    for record in all_of(store):
        need(not any(array.flags.writeable for array in record.arrays.values()), "an array is writable")
        raises(TypeError, lambda record=record: operator.setitem(record.values, "a", 1))  # type: ignore[misc]
    store.close()


def check_same_again(factory: Factory) -> None:
    """A second append of the same key and content changes nothing and returns what is stored."""
    store, stored = filled(factory)
    before = [record.key for record in all_of(store)]
    for given, kept in zip(samples(), stored, strict=True):
        need(same(store.append(given), kept), f"the second append of {given.key} returned something else")
    need([record.key for record in all_of(store)] == before, "the second append changed the log")
    store.close()


def check_conflict(factory: Factory) -> None:
    """Other content under a taken key is a conflict, and the log stays as it was."""
    store, stored = filled(factory)
    for other in (
        Record("plain", 0, "begin", {"score": 1.0}),
        Record("plain", 3, "end", {}, {"ids": np.arange(1000, dtype=np.int32)}),
        Record("plain", 3, "end", {}, {"ids": np.arange(1000).reshape(10, 100)}),
    ):
        raises(ConflictError, lambda other=other: store.append(other))  # type: ignore[misc]
    fresh = Record("fresh", 0, "tell")
    raises(ConflictError, lambda: store.append_many([fresh, Record("plain", 0, "begin", {"score": 1.0})]))
    need(len(all_of(store)) == len(stored), "a conflict changed the log")
    need("fresh" not in store.runs(), "append_many stored a part although a record conflicts")
    store.close()


def check_many(factory: Factory) -> None:
    """append_many stores like append, and counts a record given twice once."""
    store = factory()
    need(store.append_many([]) == [], "append_many of nothing returns something")
    stored = store.append_many([*samples(), samples()[1]])
    need(same(stored[-1], stored[1]), "a record given twice is not returned as stored")
    need(len(all_of(store)) == len(samples()), "a record given twice is stored twice")
    need([r.at for r in stored[:5]] == sorted({r.at for r in stored[:5]}), "times do not grow")
    store.close()


def check_types(factory: Factory) -> None:
    """The kind of a name never changes; an int for a float name becomes a float."""
    store, stored = filled(factory)
    need(type(store.append(Record("types", 0, "tell", {"score": 3})).values["score"]) is float, "3 stayed an int")
    need(store.append(Record("types", 0, "tell", {"score": 3})).values["score"] == 3.0, "the same int is not a no-op")
    wrong: list[dict[str, Any]] = [{"labels": 1.5}, {"score": True}, {"note": 1}, {"stop": 1}, {"labels": True}]
    for number, values in enumerate(wrong):
        record = Record("types", 1, "tell", values, index=number)
        raises(RecordError, lambda record=record: store.append(record))  # type: ignore[misc]
    mixed = [Record("types", 2, "tell", {"new": 1}), Record("types", 3, "tell", {"new": "text"})]
    raises(RecordError, lambda: store.append_many(mixed))
    need(len(all_of(store)) == len(stored) + 1, "a record of the wrong kind was stored")
    need(store.append(Record("types", 2, "tell", {"new": "text"})), "a refused record fixed the kind of a name")
    store.close()


def check_runs(factory: Factory) -> None:
    """Runs are listed in order of their first record and do not see each other."""
    store = factory()
    need(store.runs() == [], "a new store has runs")
    for number, run in enumerate(["b", "a", "b", "c", "a"]):
        store.append(Record(run, number, "tell", {"score": float(number)}))
    need(store.runs() == ["b", "a", "c"], f"runs are {store.runs()}, not in order of their first record")
    need([record.loop for record in store.records("a")] == [1, 4], "a run sees the records of another one")
    counts = [store.count(run) for run in ("a", "b", "c", "d")]
    need(counts == [2, 2, 1, 0], f"runs of 2, 2, 1 and no records are counted as {counts}")
    need("'b'" in str(raises(UnknownRunError, lambda: store.records("bb"))), "the nearest run is not offered")
    raises(KeyError, lambda: store.frame(runs=["nothing"]))
    store.close()


def check_wide(factory: Factory) -> None:
    """The wide frame has a row for each loop, typed columns, and the later event counts."""
    import pandas as pd

    store = factory()
    need(store.frame().shape == (0, 0), "the frame of an empty store is not empty")
    need(list(store.frame().index.names) == ["run", "loop"], "the index of an empty frame is not (run, loop)")
    store.append(Record("b", 1, "ask", {"score": 1.0, "labels": 2, "stop": True, "note": "x", "pool.size": 3.0}))
    store.append(Record("b", 0, "tell", {"score": 2.0}))
    store.append(Record("b", 1, "tell", {"score": 3.0, "labels": 4}))
    store.append(Record("a", 0, "report", {"labels": 2**63 - 1, "pool.size": 5}))
    store.append(Record("b", 1, "tell", {"score": 4.0}, index=1))
    store.append(Record("a", 1, "begin"))
    frame = store.frame()
    need(list(frame.index) == [("b", 0), ("b", 1), ("a", 0), ("a", 1)], f"rows are {list(frame.index)}")
    need(list(frame.columns) == ["score", "labels", "stop", "note", "pool.size"], f"columns are {list(frame.columns)}")
    kinds = [str(kind) for kind in frame.dtypes]
    need(kinds == ["float64", "Int64", "boolean", "string", "float64"], f"types are {kinds}")
    need(frame["score"].tolist()[:2] == [2.0, 4.0], "the later event of a loop does not count")
    need(frame["score"].isna().tolist() == [False, False, True, True], "a missing float is not NaN")
    need(frame["labels"].iloc[2] == 2**63 - 1, "an int lost its last bits")
    need(frame["labels"].iloc[1] == 4 and frame["labels"].iloc[0] is pd.NA, "ints are wrong")
    need(frame["stop"].iloc[1] and frame["note"].iloc[1] == "x", "bool or text is wrong")
    need(list(store.frame("pool.*").columns) == ["pool.size"], "a glob is not followed")
    need(list(store.frame(["stop", "s*"]).columns) == ["stop", "score"], "names are not in the order asked for")
    need(store.frame("nothing.*").shape == (4, 0), "a glob without a match is not an empty frame")
    need(list(store.frame(runs=["a"]).index) == [("a", 0), ("a", 1)], "runs are not selected")
    need("'score'" in str(raises(UnknownNameError, lambda: store.frame(["scor"]))), "the nearest name is not offered")
    store.close()


def check_long(factory: Factory) -> None:
    """The long frame has a row for each value, in the order of appending."""
    store = factory()
    columns = ["run", "loop", "event", "index", "name", "value", "text", "at"]
    need(list(store.frame(long=True).columns) == columns, "the columns of an empty long frame are wrong")
    one = store.append(Record("r", 1, "tell", {"score": 0.5, "note": "x"}))
    store.append(Record("r", 0, "ask", {"labels": 2, "stop": True}, index=3, at=7))
    frame = store.frame(long=True)
    need(frame["name"].tolist() == ["score", "note", "labels", "stop"], "names are wrong or not in order")
    need(frame["value"].fillna(-1).tolist() == [0.5, -1, 2, 1], "values are wrong")
    need(frame["text"].fillna("").tolist() == ["", "x", "", ""], "texts are wrong")
    need(frame["at"].tolist() == [one.at, one.at, 7, 7], "times are wrong")
    need(frame["loop"].tolist() == [1, 1, 0, 0] and frame["index"].tolist() == [0, 0, 3, 3], "keys are wrong")
    need(frame["event"].tolist() == ["tell", "tell", "ask", "ask"], "events are wrong")
    need(store.frame("score", long=True)["name"].tolist() == ["score"], "names are not selected")
    store.close()


def check_arrays(factory: Factory) -> None:
    """An array is found by run, loop and name; the latest event counts."""
    store = factory()
    store.append(Record("r", 1, "ask", {}, {"ids": np.arange(3)}))
    store.append(Record("r", 1, "tell", {}, {"ids": np.arange(5), "other": np.array(["a"])}))
    store.append(Record("r", 2, "tell", {}, {"ids": np.zeros((0, 2))}))
    need(store.arrays("r", 1, "ids").tolist() == [0, 1, 2, 3, 4], "the latest event does not count")
    need(store.arrays("r", 2, "ids").shape == (0, 2), "an empty array lost its shape")
    need("'other'" in str(raises(UnknownNameError, lambda: store.arrays("r", 1, "othr"))), "the name is not offered")
    raises(KeyError, lambda: store.arrays("r", 3, "ids"))
    raises(UnknownRunError, lambda: store.arrays("x", 1, "ids"))
    store.close()


def check_closed(factory: Factory) -> None:
    """A closed store refuses everything except being closed again."""
    with factory() as store:
        need(not store.closed, "an open store says that it is closed")
        store.append(Record("r", 0, "tell"))
    need(store.closed, "a closed store says that it is open")
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.append(Record("r", 1, "tell")),
        lambda: store.append_many([]),
        store.runs,
        lambda: store.records("r"),
        lambda: store.count("r"),
        store.frame,
        store.dataset,
        store.compact,
        lambda: store.arrays("r", 0, "ids"),
        lambda: store.append_block("r", 1, {"id": [1]}),
        lambda: store.block("r", 0),
        lambda: store.lease("r"),
        lambda: store.series("score"),
        lambda: next(store.tail(start="begin", timeout=0.0)),
        store.verify,
        store.repair,
        store.__enter__,
    ]
    for call in calls:
        raises(ClosedError, call)


def check_whole(factory: Factory) -> None:
    """A store without damage says so, and repairing it changes nothing."""
    store, stored = filled(factory)
    need(store.verify().ok and store.verify().records == len(stored), str(store.verify()))
    need(store.repair().ok, "repairing a whole store damaged it")
    need(
        all(map(same, all_of(store), all_of(store))) and len(all_of(store)) == len(stored),
        "repairing changed records",
    )
    store.append(Record("after", 0, "tell"))
    need("after" in store.runs(), "a repaired store does not go on")
    store.close()


def check_reopen(factory: Factory) -> None:
    """A store that is opened again holds the same records and goes on in order."""
    if not inspect.signature(factory).parameters:
        return
    store, _ = filled(factory)
    before, frame = all_of(store), store.frame()
    store.close()
    store = factory(store)
    need(
        all(map(same, all_of(store), before)) and len(all_of(store)) == len(before),
        "records changed by reopening",
    )
    need(store.frame().equals(frame), "the frame changed by reopening")
    raises(ConflictError, lambda: store.append(Record("plain", 0, "begin", {"score": 1.0})))
    raises(RecordError, lambda: store.append(Record("plain", 9, "tell", {"labels": 1.5})))
    store.append(Record("plain", 0, "later"))
    need(store.records("plain")[-1].event == "later", "a run that was continued is out of order")
    store.close()


def check_refuses(factory: Factory) -> None:
    """Something that is not a record is refused."""
    store = factory()
    raises(RecordError, lambda: store.append({"run": "r"}))  # type: ignore[arg-type]
    need(store.runs() == [], "something was stored")
    store.close()


CHECKS: dict[str, Callable[[Factory], None]] = {
    name.removeprefix("check_"): check
    for name, check in [*globals().items(), *vars(testing_whole).items()]
    if name.startswith("check_") and callable(check)
}


def check_store(factory: Factory) -> None:
    """Run every check of `CHECKS`.

    Parameters
    ----------
    factory : makes a new, empty store; see the module.

    Raises
    ------
    AssertionError : the store breaks the contract; the message says where.

    Examples
    --------
    >>> from metadata_store import MemoryStore
    >>> check_store(MemoryStore)
    """
    for check in CHECKS.values():
        check(factory)
