"""What all stores of files have in common: reading the log, compacting it, following it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from . import blocks, checking, selecting, tables
from .cold import compacting
from .cold.compacting import Compaction, Progress
from .errors import ClosedError, DamagedError, ReadError, StoreError, StoreWarning, WriteError
from .files import Files
from .leases import Lease, myself, new_epoch
from .locks import not_for_children
from .log import Log
from .memory import array_of, as_list, conflict
from .record import Record
from .report import Report
from .tailing import follow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from .series import Series

T = TypeVar("T")


class Writes(Protocol):
    """How records get into the files of a store."""

    def append(self, given: list[Record], *, many: bool) -> list[Record]:
        """Store records; see `Store.append_many`."""
        ...

    def lease(self, run: str, epoch: Callable[[], int]) -> int:
        """Take a lease and return its epoch."""
        ...

    def release(self, run: str) -> None:
        """Give a lease back."""
        ...

    def compaction(self) -> AbstractContextManager[bool]:
        """Hold the right to compact; yields False if another one has it."""
        ...

    def after_fork(self) -> None:
        """Leave what belongs to the parent process to the parent."""
        ...

    def finish(self) -> None:
        """Complete the segment that is being written."""
        ...

    def close(self) -> None:
        """Finish, and let go of everything."""
        ...


def _unreadable(name: str, error: OSError) -> OSError:
    """Return what to raise for an error of the system while reading."""
    if isinstance(error, StoreError):
        return error
    return ReadError(f"cannot read {name}: {error}; nothing is lost, read again when the cause is gone")


class FileStore:
    """A `Store` of files; subclasses say where the files are and how records get into them.

    Parameters
    ----------
    files : where the bytes are.
    name : of the store, for messages.
    """

    def __init__(self, files: Files, name: str) -> None:
        self.files = files
        self._name = name
        self._lock = threading.RLock()
        self._closed = False
        self._warned: set[tuple[str, int]] = set()
        self._log = Log(files)
        self._writes: Writes
        not_for_children(self)

    def leave(self) -> None:
        """Go on in a forked child; see `metadata_store.locks.not_for_children`."""
        self._lock = threading.RLock()  # another thread of the parent may have held it

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def append(self, record: Record) -> Record:
        """Store one record; see `Store.append`."""
        return self._append(as_list([record]), many=False)[0]

    def append_many(self, records: Iterable[Record]) -> list[Record]:
        """Store several records with one sync; see `Store.append_many`."""
        return self._append(as_list(records), many=True)

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
        table = blocks.table_of(columns)
        record = blocks.record_of(run, loop, table, name=name, event=event, index=index, at=at)
        with self._lock:
            self._check_open()
            twin = self._read(lambda: self._log.find(record.key))
            if twin is not None and twin.values.get("block.hash") != record.values["block.hash"]:
                raise conflict(record)  # before there is a file that no record names
            try:
                blocks.write(self.files, record, table)
            except OSError as error:
                raise WriteError(f"cannot write a block into {self._name}: {error}; the block is not stored") from error
            return self._append([record], many=False)[0]

    def runs(self) -> list[str]:
        """Return all runs; see `Store.runs`."""
        return self._read(lambda: self._log.runs())

    def count(self, run: str) -> int:
        """Return the number of records of one run; see `Store.count`."""
        return self._read(lambda: self._log.count(run))

    def records(self, run: str) -> list[Record]:
        """Return the records of one run; see `Store.records`."""
        return self._read(lambda: list(self._log.records(run)))

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table; see `Store.frame`."""
        names = names if isinstance(names, str) or names is None else list(names)
        runs = runs if isinstance(runs, str) or runs is None else list(runs)

        def read() -> pd.DataFrame:
            known = self._log.index.kinds.of
            kinds = {name: known[name] for name in tables.choose(names, known)}
            chosen = tables.choose_runs(runs, self._log.runs())
            selection, sources = selecting.select(self._log, chosen, kinds, long=long)
            return (tables.long if long else tables.wide)(selection, sources, kinds)

        return self._read(read)

    def series(self, name: str, runs: Iterable[str] | str | None = None) -> Series:
        """Return one statistic as a (run × loop) matrix; see `Store.series`."""
        from .series import series

        return series(self, name, runs)

    def arrays(self, run: str, loop: int, name: str) -> np.ndarray:
        """Return one array of one loop; see `Store.arrays`."""

        def read() -> np.ndarray:
            names: dict[str, None] = {}
            places = self._log.places(run)
            if not places.cold:
                for entry in reversed(places.hot):
                    if entry.loop == loop:
                        own = [array for array, _, _ in entry.schema.arrays]
                        if name in own:
                            return self._log.reader.record(entry).arrays[name]
                        names.update(dict.fromkeys(own))
                raise array_of(names, run, loop, name)
            for record in self._log.latest(run, loop):
                if name in record.arrays:
                    return record.arrays[name]
                names.update(dict.fromkeys(record.arrays))
            raise array_of(names, run, loop, name)

        return self._read(read)

    def block(self, run: str, loop: int, name: str = "samples") -> pa.Table:
        """Return a table of samples; see `Store.block`."""
        from .cold.parquet import Parquet

        file = str(blocks.find(self.records(run), run, loop, name).values["block.file"])

        def read() -> pa.Table:
            folder, _, short = file.rpartition("/")
            if short not in self.files.sizes(folder):
                raise DamagedError(f"{file} is missing; was it removed by hand?")
            try:
                parquet = Parquet(self.files, self._log.note_of(file), self._log.warn)
            except DamagedError as error:
                table = blocks.unguarded(self.files, file)
                if table is None:
                    raise
                self._log.warn(file, 0, f"{error}; the block itself is whole")
                return table
            found = parquet.read(range(len(parquet.starts) - 1))
            if len(found) < len(parquet.starts) - 1:
                raise DamagedError(f"{file} is damaged beyond its parity; call verify() for all damage")
            import pyarrow as pa

            return pa.concat_tables([parquet.file.schema_arrow.empty_table(), *(table for _, table in found)])

        return self._read(read)

    def dataset(self) -> ds.Dataset:
        """Return all scalars as a dataset; see `Store.dataset`."""
        from .cold.dataset import dataset

        return self._read(lambda: dataset(self._log))

    def tail(
        self,
        runs: Iterable[str] | str | None = None,
        *,
        start: str = "now",
        poll: float = 0.2,
        timeout: float | None = None,
    ) -> Iterator[Record]:
        """Follow the store; see `Store.tail`."""
        return follow(self, runs, start=start, poll=poll, timeout=timeout)

    def lease(self, run: str) -> Lease:
        """Take the exclusive right to append to a run; see `Store.lease`."""
        from .checks import check_run

        check_run(run)
        with self._lock:
            self._check_open()
            self._writes.after_fork()
            try:
                epoch = self._writes.lease(run, lambda: new_epoch(self.files, run, myself()))
            except OSError as error:
                if isinstance(error, WriteError | PermissionError):
                    raise
                raise WriteError(f"cannot write a lease into {self._name}: {error}; there is no lease") from error
        return Lease(run, epoch, myself(), lambda: self._release(run))

    def _release(self, run: str) -> None:
        with self._lock:
            self._writes.release(run)

    def compact(self, *, progress: Progress | None = None) -> Compaction:
        """Turn finished segments into Parquet; see `Store.compact`."""
        with self._lock:
            self._check_open()
            self._writes.after_fork()
            self._writes.finish()
            try:
                with self._writes.compaction() as mine:
                    if not mine:
                        return Compaction(left=("everything: another process compacts this store",))
                    self._refresh()
                    done = self._compact(progress)
            except OSError as error:
                if isinstance(error, WriteError):
                    raise
                raise WriteError(f"compacting {self._name} stopped: {error}; nothing is lost, try again") from error
            finally:
                self._refresh()
            return done

    def _compact(self, progress: Progress | None) -> Compaction:
        finished, left = checking.finished(self._log)
        with finished as names:
            rows = sum(self._log.reader.segments[name].scanner.frames for name in names)
            parts = compacting.mergeable(self._log, rows) if rows else []
            if not names:
                compacting.clean(self._log, self._log.manifest)
                return Compaction(left=tuple(left))
            self._upgrade()
            done = compacting.compact(self._log, names, parts, left, progress)
        return done or Compaction(left=("everything: another process compacted this store meanwhile",))

    def _upgrade(self) -> None:
        """Say in the store's first file that there are finished parts, before there is one."""

    def verify(self, *, progress: Progress | None = None) -> Report:
        """Read every byte again and report all damage; see `Store.verify`."""
        with self._lock:
            self._check_open()
            try:
                return checking.verify(self.files, progress=progress)
            except OSError as error:
                raise _unreadable(self._name, error) from error

    def repair(self, *, progress: Progress | None = None) -> Report:
        """Take damage out of the way, keeping it in the folder ``damaged``, and verify again; see `Store.repair`.

        Segments that another process is writing are left alone.
        """
        with self._lock:
            self._check_open()
            self._writes.after_fork()
            self._writes.finish()
            try:
                with self._writes.compaction() as mine:
                    if not mine:
                        raise WriteError("another process compacts or repairs this store; repair it when that is done")
                    report = checking.repair(self.files, progress)
            except OSError as error:
                if isinstance(error, WriteError):
                    raise
                raise WriteError(f"repairing {self._name} stopped: {error}; nothing is lost, try again") from error
            self._log = Log(self.files)
            self._reset_writes()
            self._refresh()
            return report

    def _reset_writes(self) -> None:
        """Make the writes use the log of now."""

    def close(self) -> None:
        """Sync what is not synced and let go of all files; see `Store.close`."""
        with self._lock:
            if self._closed:
                return
            self._writes.after_fork()
            self._closed = True
            self._writes.close()

    def __enter__(self) -> FileStore:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this store of {self._name} was closed; open it again with open_store(...)")

    def _read(self, read: Callable[[], T]) -> T:
        """Bring the log up to date and read; once more if a compaction took files away meanwhile."""
        with self._lock:
            self._check_open()
            for attempt in range(100):
                self._refresh()
                known = self._log.manifest.number
                try:
                    return read()
                except FileNotFoundError as error:
                    if attempt == 99:
                        raise ReadError(f"files of {self._name} keep vanishing: {error}") from error
                    self._refresh()
                    if self._log.manifest.number == known and attempt:
                        self._log.lose_patience()
                except OSError as error:
                    raise _unreadable(self._name, error) from error
            raise AssertionError("the loop returns or raises")

    def _refresh(self) -> None:
        try:
            if not self._log.refresh():
                return
        except OSError as error:
            raise _unreadable(self._name, error) from error
        new = [d for d in self._log.reader.damage(torn=False) if (d.segment, d.offset) not in self._warned]
        if new:
            self._warned.update((d.segment, d.offset) for d in new)
            first = new[0]
            warnings.warn(
                f"{self._name} has {len(new)} damaged places (first: {first.segment} at byte {first.offset}: "
                f"{first.what}); everything whole is read; see verify(), then repair()",
                StoreWarning,
                stacklevel=4,
            )

    def _append(self, given: list[Record], *, many: bool) -> list[Record]:
        with self._lock:
            self._check_open()
            self._writes.after_fork()
            return self._writes.append(given, many=many) if given else []
