"""A store in memory: the shortest implementation of the protocol, and the model that others are compared with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import tables
from .checks import INT64_MAX, check_run
from .errors import ClosedError, ConflictError, LeaseError, RecordError, UnknownNameError, UnknownRunError, nearest
from .kinds import KIND_OF, Kinds
from .leases import Lease, myself
from .record import Key, Record, stamped
from .report import Report

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from .cold.compacting import Compaction
    from .series import Series


def conflict(record: Record) -> ConflictError:
    """Return the error for a key that is taken by other content."""
    return ConflictError(
        f"run {record.run!r} already has event {record.event!r} {record.index} of loop {record.loop} with other "
        f"content; records are never changed: use the next index or loop, or append the same content"
    )


def as_list(records: Iterable[Record]) -> list[Record]:
    """Return records as a list, or raise `RecordError` if one of them is something else."""
    listed = list(records)
    for record in listed:
        if not isinstance(record, Record):
            raise RecordError(f"append got {type(record).__name__}; give a metadata_store.Record")
    return listed


def array_of(record_names: dict[str, None], run: str, loop: int, name: str) -> UnknownNameError:
    """Return the error for an array that is not there."""
    return UnknownNameError(f"run {run!r} has no array {name!r} in loop {loop}; {nearest(str(name), record_names)}")


class MemoryStore:
    """A `Store` that lives as long as its process.

    Examples
    --------
    >>> with MemoryStore() as store:
    ...     _ = store.append(Record("r", 0, "tell", {"score": 0.5}))
    ...     len(store.records("r"))
    1
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, list[Record]] = {}
        self._keys: dict[Key, Record] = {}
        self._kinds = Kinds()
        self._stamp = 0
        self._blocks: dict[str, pa.Table] = {}
        self._leases: set[str] = set()
        self._epochs: dict[str, int] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def append(self, record: Record) -> Record:
        """Store one record; see `Store.append`."""
        return self.append_many([record])[0]

    def append_many(self, records: Iterable[Record]) -> list[Record]:
        """Store several records, all or none; see `Store.append_many`."""
        given = as_list(records)
        with self._lock:
            self._check_open()
            kinds, stamp = Kinds(), self._stamp
            kinds.of = dict(self._kinds.of)
            new: dict[Key, Record] = {}
            stored = []
            for record in given:
                fitted = kinds.fit(record)
                twin = self._keys.get(fitted.key) or new.get(fitted.key)
                if twin is None:
                    stamp = min(max(stamp + 1, time.time_ns()), INT64_MAX)
                    twin = new[fitted.key] = stamped(fitted, stamp)
                    kinds.learn(twin.values, [KIND_OF[type(value)] for value in twin.values.values()])
                elif not twin.same_content(fitted):
                    raise conflict(fitted)
                stored.append(twin)
            self._kinds, self._stamp = kinds, stamp
            self._keys.update(new)
            for record in new.values():
                self._records.setdefault(record.run, []).append(record)
            return stored

    def runs(self) -> list[str]:
        """Return all runs; see `Store.runs`."""
        with self._lock:
            self._check_open()
            return list(self._records)

    def count(self, run: str) -> int:
        """Return the number of records of one run; see `Store.count`."""
        with self._lock:
            self._check_open()
            return len(self._records.get(run, ()))

    def records(self, run: str) -> list[Record]:
        """Return the records of one run; see `Store.records`."""
        with self._lock:
            self._check_open()
            if run not in self._records:
                raise UnknownRunError(f"no run {run!r} in this store; {nearest(str(run), self._records)}")
            return list(self._records[run])

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table; see `Store.frame`."""
        with self._lock:
            self._check_open()
            chosen = tables.choose_runs(runs, list(self._records))
            parts = [self.records(run) for run in chosen]
            kinds = {name: self._kinds.of[name] for name in tables.choose(names, self._kinds.of)}
        records = [record for part in parts for record in part]
        selection = tables.Selection(
            chosen,
            np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            np.array([record.loop for record in records], np.int64),
            np.array([record.index for record in records], np.int64),
            np.array([record.at for record in records], np.int64),
            np.array([record.event for record in records], object),
        )
        return (tables.long if long else tables.wide)(selection, tables.blocks_of(records), kinds)

    def arrays(self, run: str, loop: int, name: str) -> np.ndarray:
        """Return one array of one loop; see `Store.arrays`."""
        names: dict[str, None] = {}
        for record in reversed(self.records(run)):
            if record.loop == loop:
                if name in record.arrays:
                    return record.arrays[name]
                names.update(dict.fromkeys(record.arrays))
        raise array_of(names, run, loop, name)

    def series(self, name: str, runs: Iterable[str] | str | None = None) -> Series:
        """Return one statistic as a (run × loop) matrix; see `Store.series`."""
        from .series import series

        return series(self, name, runs)

    def append_block(
        self,
        run: str,
        loop: int,
        columns: Mapping[str, Any] | pa.Table,
        *,
        name: str = "samples",
        event: str = "block",
        index: int = 0,
        at: int = 0,
    ) -> Record:
        """Store a table with a row for each sample; see `Store.append_block`."""
        from . import blocks

        table = blocks.table_of(columns)
        with self._lock:
            stored = self.append(blocks.record_of(run, loop, table, name=name, event=event, index=index, at=at))
            self._blocks[str(stored.values["block.file"])] = table
            return stored

    def block(self, run: str, loop: int, name: str = "samples") -> pa.Table:
        """Return a table of samples; see `Store.block`."""
        from . import blocks

        with self._lock:
            return self._blocks[str(blocks.find(self.records(run), run, loop, name).values["block.file"])]

    def dataset(self) -> ds.Dataset:
        """Return all scalars as a dataset; see `Store.dataset`."""
        from .cold.dataset import in_memory

        with self._lock:
            self._check_open()
            return in_memory([record for records in self._records.values() for record in records], self._kinds.of)

    def compact(self, *, progress: Callable[[int, int], None] | None = None) -> Compaction:
        """Do nothing: there are no files; see `Store.compact`."""
        from .cold.compacting import Compaction

        with self._lock:
            self._check_open()
            return Compaction()

    def tail(
        self,
        runs: Iterable[str] | str | None = None,
        *,
        start: str = "now",
        poll: float = 0.2,
        timeout: float | None = None,
    ) -> Iterator[Record]:
        """Follow the store; see `Store.tail`."""
        from .tailing import follow

        return follow(self, runs, start=start, poll=poll, timeout=timeout)

    def lease(self, run: str) -> Lease:
        """Take the exclusive right to append to a run, which in memory nobody else can; see `Store.lease`."""
        check_run(run)
        with self._lock:
            self._check_open()
            if run in self._leases:
                raise LeaseError(f"run {run!r} is leased by this store already; release that lease first")
            self._leases.add(run)
            self._epochs[run] = self._epochs.get(run, 0) + 1
            return Lease(run, self._epochs[run], myself(), lambda: self._leases.discard(run))

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Return a report without damage; see `Store.verify`."""
        with self._lock:
            self._check_open()
            return Report(0, 0, len(self._keys), ())

    def repair(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Do nothing and return the report; see `Store.repair`."""
        return self.verify()

    def close(self) -> None:
        """Forget everything; see `Store.close`."""
        with self._lock:
            self._closed = True
            self._records, self._keys, self._blocks = {}, {}, {}

    def __enter__(self) -> MemoryStore:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this store was closed; open it again with open_store(...)")
