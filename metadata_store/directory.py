"""A store in a directory: every opening that writes has its own segment, readers read all of them."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import checking, codec, layout, reading, tables
from .checks import INT64_MAX
from .codec import Schema
from .errors import ClosedError, OptionError, StoreWarning, UnknownStateError, WriteError
from .framing import HEADER
from .index import Entry
from .kinds import Kinds
from .locks import Locks
from .memory import array_of, as_list, conflict
from .record import Key, Record, stamped
from .report import Report
from .segment import SegmentWriter

if TYPE_CHECKING:
    import pandas as pd

Durability = Literal["commit", "group", "none"]
GROUP_SECONDS = 0.05


class DirectoryStore:
    """A `Store` whose records survive the process.

    Parameters
    ----------
    path : the directory.
    durability : "commit": an append returns when its record would survive a power cut. "group": synced by
        `append_many`, by `close`, and by an append when the last sync is 50 ms ago; a killed process loses nothing, a
        power cut at most what was appended since. "none": never synced; a killed process loses nothing.
    create : make the store if there is none.

    Raises
    ------
    MissingStoreError, FormatError, WriteError, OptionError : as `open_store`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, DirectoryStore(folder) as store:
    ...     _ = store.append(Record("r", 0, "tell", {"score": 0.5}))
    ...     store.frame().loc[("r", 0), "score"]
    np.float64(0.5)
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "commit", create: bool = True) -> None:
        if durability not in ("commit", "group", "none"):
            raise OptionError(f"durability is {durability!r}; give 'commit', 'group' or 'none'")
        self.path = Path(path)
        layout.prepare(self.path, create=create)
        self.durability = durability
        self._hot = self.path / layout.HOT
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._closed = False
        self._writer: SegmentWriter | None = None
        self._locks: Locks | None = None
        self._doubtful: list[tuple[str, int]] = []
        self._synced_at = time.monotonic()
        self._warned: set[tuple[str, int]] = set()
        self._reader = reading.Reader(self._hot)
        self._refresh()

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def append(self, record: Record) -> Record:
        """Store one record; see `Store.append`."""
        return self._append([record], many=False)[0]

    def append_many(self, records: Iterable[Record]) -> list[Record]:
        """Store several records with one sync; see `Store.append_many`."""
        return self._append(records, many=True)

    def runs(self) -> list[str]:
        """Return all runs; see `Store.runs`."""
        with self._lock:
            self._check_open()
            self._refresh()
            return self._reader.index.runs()

    def count(self, run: str) -> int:
        """Return the number of records of one run; see `Store.count`."""
        with self._lock:
            self._check_open()
            self._refresh()
            return self._reader.index.count(run)

    def records(self, run: str) -> list[Record]:
        """Return the records of one run; see `Store.records`."""
        with self._lock:
            self._check_open()
            self._refresh()
            return list(self._reader.read(self._reader.index.entries(run)))

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table; see `Store.frame`."""
        with self._lock:
            self._check_open()
            self._refresh()
            index = self._reader.index
            chosen = tables.choose_runs(runs, index.runs())
            parts = [index.entries(run) for run in chosen]
            kinds = {name: index.kinds.of[name] for name in tables.choose(names, index.kinds.of)}
            entries = [entry for part in parts for entry in part]
            selection = tables.Selection(
                chosen,
                np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
                np.array([entry.loop for entry in entries], np.int64),
                np.array([entry.order for entry in entries], np.int64),
                np.zeros(len(entries), np.int64),
            )
            blocks = self._blocks(entries, selection.at)
        return (tables.long if long else tables.wide)(selection, blocks, kinds)

    def arrays(self, run: str, loop: int, name: str) -> np.ndarray:
        """Return one array of one loop; see `Store.arrays`."""
        with self._lock:
            self._check_open()
            self._refresh()
            names: dict[str, None] = {}
            for entry in reversed(self._reader.index.entries(run)):
                if entry.loop == loop:
                    own = [array for array, _, _ in entry.schema.arrays]
                    if name in own:
                        return self._reader.record(entry).arrays[name]
                    names.update(dict.fromkeys(own))
        raise array_of(names, run, loop, name)

    def verify(self) -> Report:
        """Read every byte again and report all damage; see `Store.verify`."""
        with self._lock:
            self._check_open()
            return checking.verify(self._hot)

    def repair(self) -> Report:
        """Cut damaged bytes out, keep them in the folder ``damaged``, and verify again; see `Store.repair`.

        Segments that another process is writing are left alone.
        """
        with self._lock:
            self._check_open()
            self._after_fork()
            self._finish()
            try:
                report = checking.repair(self.path)
            except OSError as error:
                raise WriteError(f"repairing {self.path} stopped: {error}; nothing is lost, try again") from error
            self._refresh()
            return report

    def close(self) -> None:
        """Sync what is not synced and let go of all files; see `Store.close`."""
        with self._lock:
            if self._closed:
                return
            self._after_fork()
            self._closed = True
            try:
                self._finish()
            finally:
                if self._locks is not None:
                    self._locks.close()

    def __enter__(self) -> DirectoryStore:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this store of {self.path} was closed; open it again with open_store(...)")

    def _refresh(self) -> None:
        if not self._reader.refresh():
            return
        new = [d for d in self._reader.damage(torn=False) if (d.segment, d.offset) not in self._warned]
        if new:
            self._warned.update((d.segment, d.offset) for d in new)
            first = new[0]
            warnings.warn(
                f"{self.path} has {len(new)} damaged places (first: {first.segment} at byte {first.offset}: "
                f"{first.what}); everything whole is read; see verify(), then repair()",
                StoreWarning,
                stacklevel=4,
            )

    def _blocks(self, entries: list[Entry], at: np.ndarray) -> list[tables.Block]:
        """Return the scalars of entries by schema, and fill in their times."""
        parts: dict[Schema, list[tuple[np.ndarray, ...]]] = {}
        for schema, rows, table in reading.blocks(self._reader, entries):
            starts, flat = codec.lists(table, "ints")
            numbers = flat.to_numpy()
            first = starts[:-1, None]
            at[rows] = numbers[first[:, 0] + codec.AT]
            ints = numbers[first + schema.first_int + np.arange(len(schema.ints))]
            floats = codec.lists(table, "floats")[1].to_numpy().reshape(len(rows), len(schema.floats))
            texts = codec.lists(table, "texts")[1].to_numpy(zero_copy_only=False).reshape(len(rows), len(schema.texts))
            parts.setdefault(schema, []).append((rows, floats, ints, texts))
        return [
            tables.Block(schema, *(np.concatenate(columns) for columns in zip(*part, strict=True)))
            for schema, part in parts.items()
        ]

    def _after_fork(self) -> None:
        """Leave the segment and locks of the parent process to the parent."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        if self._writer is not None:
            self._writer.drop()
        if self._locks is not None:
            self._locks.close()
        self._writer, self._locks, self._doubtful = None, None, []

    def _append(self, records: Iterable[Record], *, many: bool) -> list[Record]:
        given = as_list(records)
        if self._pid != os.getpid():
            self._lock = threading.RLock()  # another thread of the parent may have held it
        with self._lock:
            self._check_open()
            self._after_fork()
            if not given:
                return []
            try:
                if self._locks is None:
                    self._locks = Locks(self.path / layout.LOCK_FILE)
            except OSError as error:
                raise WriteError(f"cannot write to {self.path}: {error}; the record is not stored") from error
            with self._locks.runs(record.run for record in given):
                self._refresh()
                stored, new = self._plan(given)
                if all(schema in self._reader.index.schemas for _, schema, _ in new):
                    self._commit(new, many)
                    return stored
                with self._locks.names():
                    # another process may have given the new names another kind a moment ago
                    self._refresh()
                    stored, new = self._plan(given)
                    self._commit(new, many)
                    return stored

    def _plan(self, given: list[Record]) -> tuple[list[Record], list[tuple[Record, Schema, int]]]:
        """Check all records; return what is stored for each, and (record, schema, stamp) of those to be written."""
        index = self._reader.index
        stamp = index.last_stamp
        fresh: dict[Key, Record] = {}
        kinds: Kinds | None = None
        stored, new = [], []
        for record in given:
            schema = Schema.of(record)
            known = index.schemas.get(schema)
            if known is not None:
                schema = known  # the same object, so that what it computed once is kept
            else:
                if kinds is None:
                    kinds = Kinds()
                    kinds.of = dict(index.kinds.of)
                record = kinds.fit(record)
                schema = Schema.of(record)
                kinds.learn(schema.names, schema.kinds)
            entry = index.by_key.get(record.key)
            twin = fresh.get(record.key) if entry is None else self._reader.record(entry)
            if twin is None:
                stamp = min(max(stamp + 1, time.time_ns()), INT64_MAX)
                twin = fresh[record.key] = stamped(record, stamp)
                new.append((twin, schema, stamp))
            elif not twin.same_content(record):
                raise conflict(record)
            stored.append(twin)
        return stored, new

    def _commit(self, new: list[tuple[Record, Schema, int]], many: bool) -> None:
        """Write records and make them durable; on any error the segment is given up."""
        new = self._doubts() + new
        if not new:
            return
        try:
            if self._writer is None:
                self._hot.mkdir(exist_ok=True)
                self._writer = SegmentWriter(self._hot, durable=self.durability != "none")
                if self.durability != "none":
                    layout.sync_directory(self.path)
        except OSError as error:
            raise WriteError(f"cannot open a new segment in {self._hot}: {error}; the record is not stored") from error
        writer = self._writer
        pieces, places = writer.frames(new)
        start = writer.position
        try:
            writer.write(pieces, [schema for _, schema, _ in new])
        except BaseException as error:
            self._give_up(writer)
            if not isinstance(error, OSError):
                raise
            _, offset, length = places[0]
            text = f"writing {writer.name} stopped after {writer.written} bytes: {error}"
            if start + writer.written < offset + length:
                raise WriteError(f"{text}; nothing is stored, append again when the cause is gone") from error
            raise UnknownStateError(f"{text}; some records may be stored, append the same ones again") from error
        now = time.monotonic()
        due = many or now - self._synced_at >= GROUP_SECONDS
        if self.durability == "commit" or (self.durability == "group" and due):
            try:
                writer.sync()
            except BaseException as error:
                self._give_up(writer)
                if not isinstance(error, OSError):
                    raise
                raise UnknownStateError(
                    f"syncing {writer.name} failed: {error}; whether the record is stored is unknown, append it again"
                ) from error
            self._synced_at = now
        self._doubtful = []
        self._take_note(writer, new, places, len(pieces) // 2)

    def _take_note(
        self,
        writer: SegmentWriter,
        new: list[tuple[Record, Schema, int]],
        places: list[tuple[int, int, int]],
        frames: int,
    ) -> None:
        """Put into the index what was just written, without reading it again."""
        segment = self._reader.segments.get(writer.name)
        if segment is None:
            segment = self._reader.segments[writer.name] = reading.Segment(writer.name, writer.number)
        segment.schemas.update({number: schema for schema, number in writer.schemas.items()})
        segment.scanner.passed(writer.position, frames, writer.sequence)
        for (record, schema, stamp), (sequence, offset, length) in zip(new, places, strict=True):
            place = (stamp, writer.name, sequence, offset, length)
            self._reader.index.add(Entry(*place, record.run, record.loop, record.index, schema))

    def _give_up(self, writer: SegmentWriter) -> None:
        """Never write to a segment again after an error; remember what of it may not be durable."""
        self._doubtful.append((writer.name, writer.synced if self.durability != "none" else writer.position))
        writer.drop()
        self._writer = None

    def _doubts(self) -> list[tuple[Record, Schema, int]]:
        """Return records that can be read from segments that were given up, but may not be durable there.

        After a failed sync the system may show bytes that never reached the disk, so they are written once more.
        """
        found = []
        for name, start in self._doubtful:
            for entry in self._reader.index.by_key.values():
                if entry.segment == name and entry.offset + HEADER >= start:
                    found.append((self._reader.record(entry), entry.schema, entry.stamp))
        return sorted(found, key=lambda item: item[2])

    def _finish(self) -> None:
        """Close the own segment, if there is one; the next append opens another one."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.finish(sync=self.durability != "none")
        except OSError as error:
            self._doubtful.append((writer.name, writer.synced))
            raise UnknownStateError(
                f"closing could not sync {writer.name}: {error}; the last records may not be durable, append them again"
            ) from error
