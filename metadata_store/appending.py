"""Appending to a directory: plan against the index, write frames to the own segment, sync, take note."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from . import layout, reading
from .checks import INT64_MAX
from .codec import Schema
from .errors import LeaseError, ReadError, UnknownStateError, WriteError
from .framing import HEADER
from .index import Entry
from .kinds import Kinds
from .locks import Locks
from .log import Log
from .memory import conflict
from .record import Key, Record, stamped
from .segment import SegmentWriter

Durability = Literal["commit", "group", "none"]
New = list[tuple[Record, Schema, int]]
GROUP_SECONDS = 0.05


def plan(log: Log, given: list[Record]) -> tuple[list[Record], New]:
    """Check records against a log.

    Parameters
    ----------
    log : up to date.
    given : in the order in which they are to be stored.

    Returns
    -------
    (what is stored for each, (record, schema, stamp) of those to be written)

    Raises
    ------
    ConflictError, RecordError : as `Store.append_many`.
    """
    index = log.index
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
        twin = fresh.get(record.key) or log.find(record.key)
        if twin is None:
            stamp = min(max(stamp + 1, time.time_ns()), INT64_MAX)
            twin = fresh[record.key] = stamped(record, stamp)
            new.append((twin, schema, stamp))
        elif not twin.same_content(record):
            raise conflict(record)
        stored.append(twin)
    return stored, new


class Appender:
    """Appends to the segment of one opening.

    Parameters
    ----------
    root : the store's directory.
    log : its log.
    refresh : brings the log up to date.
    durability : see `DirectoryStore`.
    """

    def __init__(self, root: Path, log: Log, refresh: Callable[[], None], durability: Durability) -> None:
        self._root, self._log, self._refresh, self._durability = root, log, refresh, durability
        self._hot = root / layout.HOT
        self._writer: SegmentWriter | None = None
        self._locks: Locks | None = None
        self._doubtful: list[tuple[str, int]] = []
        self._synced_at = time.monotonic()
        self._settled: dict[str, int] = {}
        self._leases: set[str] = set()
        self._pid = os.getpid()
        self._look = True

    def append(self, given: list[Record], *, many: bool) -> list[Record]:
        """Store records; see `Store.append_many`."""
        locks = self.locks()
        runs = [record.run for record in given]
        with locks.runs(runs):
            for run in set(runs):
                if run not in self._leases and locks.leased(run):
                    raise LeaseError(f"run {run!r} is leased by {self._holder(run)}; append when the lease is released")
            # `alone` tells of others only once, so an error from here on must not make the next append trust the log
            look, self._look = self._look, True
            try:
                alone = locks.alone(runs)
            except OSError as error:
                raise WriteError(f"cannot write to {self._root}: {error}; the record is not stored") from error
            stored, new = self._plan(given, look=look or not alone or not self._log.whole)
            if all(schema in self._log.index.schemas for _, schema, _ in new):
                self._commit(new, many)
            else:
                with locks.names():
                    # another process may have given the new names another kind a moment ago
                    stored, new = self._plan(given, look=True)
                    self._commit(new, many)
            self._settle(given, new)
            self._look = False
            return stored

    def _plan(self, given: list[Record], *, look: bool) -> tuple[list[Record], New]:
        """Check records against the log, brought up to date if `look`."""
        try:
            for _ in range(100):
                if look:
                    self._refresh()
                with contextlib.suppress(FileNotFoundError):
                    return plan(self._log, given)
                look = True  # the segment or part of a record given again was compacted meanwhile
        except ReadError as error:
            raise WriteError(f"{error}; the record is not stored") from error
        raise WriteError(f"files of {self._root} keep vanishing; nothing was stored, see verify()")

    def use(self, log: Log) -> None:
        """Go on with another log of the same files."""
        self._log, self._look = log, True

    def locks(self) -> Locks:
        """Return the locks, opened when first needed."""
        try:
            if self._locks is None:
                self._locks = Locks(self._root / layout.LOCK_FILE)
        except OSError as error:
            raise WriteError(f"cannot write to {self._root}: {error}; nothing was written") from error
        return self._locks

    def lease(self, run: str, epoch: Callable[[], int]) -> int:
        """Take a lease on a run and return its epoch, which `epoch` settles; see `Store.lease`."""
        locks = self.locks()
        with locks.runs([run]):
            if run in self._leases or not locks.lease(run):
                raise LeaseError(f"run {run!r} is leased by {self._holder(run)}; wait until the lease is released")
            self._leases.add(run)
            try:
                return epoch()
            except BaseException:
                self.release(run)
                raise

    def release(self, run: str) -> None:
        """Give a lease back."""
        if run in self._leases and self._locks is not None:
            self._locks.release(run)
        self._leases.discard(run)

    def _holder(self, run: str) -> str:
        from .leases import holder_of

        return holder_of(self._log.files, run)

    def after_fork(self) -> None:
        """Leave the segment, locks and leases of the parent process to the parent."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        if self._writer is not None:
            self._writer.drop()
        if self._locks is not None:
            self._locks.close()
        self._writer, self._locks, self._doubtful, self._leases, self._look = None, None, [], set(), True
        self._settled = {}

    def _commit(self, new: New, many: bool) -> None:
        """Write records and make them durable; on any error the segment is given up."""
        new = self._doubts() + new
        if not new:
            return
        try:
            if self._writer is None:
                self._hot.mkdir(exist_ok=True)
                self._writer = SegmentWriter.open(self._hot, durable=self._durability != "none")
                self._settled[self._writer.name] = INT64_MAX  # what of it is not synced is in `_doubtful`
                if self._durability != "none":
                    layout.sync_directory(self._root)
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
        if self._durability == "commit" or (self._durability == "group" and due):
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
        self._settled.update((name, INT64_MAX) for name, _ in self._doubtful)
        self._doubtful = []
        self._take_note(writer, new, places, len(pieces) // 2)

    def _take_note(self, writer: SegmentWriter, new: New, places: list[tuple[int, int, int]], frames: int) -> None:
        """Put into the index what was just written, without reading it again."""
        reader = self._log.reader
        self._log.whole = False  # for as long as only some of them are taken note of
        segment = reader.segments.get(writer.name)
        if segment is None:
            segment = reader.segments[writer.name] = reading.Segment(writer.name, writer.number)
        segment.schemas.update({number: schema for schema, number in writer.schemas.items()})
        segment.scanner.passed(writer.position, frames, writer.sequence)
        for (record, schema, stamp), (sequence, offset, length) in zip(new, places, strict=True):
            place = (stamp, writer.name, sequence, offset, length)
            self._log.add(Entry(*place, record.run, record.loop, record.index, schema))
        self._log.whole = True

    def _settle(self, given: list[Record], new: New) -> None:
        """Make records durable that were there already: who wrote them may have died before the sync."""
        if self._durability == "none" or len(new) == len(given):
            return
        fresh = {record.key for record, _, _ in new}
        for key in {record.key for record in given} - fresh:
            entry = self._log.index.by_key.get(key)
            if entry is not None and self._settled.get(entry.segment, 0) < entry.offset + entry.length:
                self._sync_other(entry.segment)

    def _sync_other(self, name: str) -> None:
        """Make a segment of somebody else durable as far as it goes now."""
        try:
            descriptor = os.open(self._hot / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # compacted, and finished parts are durable
        except OSError as error:
            raise UnknownStateError(f"cannot sync {name}: {error}; the record is there, append it again") from error
        try:
            size = os.fstat(descriptor).st_size
            os.fsync(descriptor)
            layout.sync_directory(self._hot)
        except OSError as error:
            # what this sync should have saved may be gone from memory too: the next append writes it once more
            self._doubtful.append((name, self._settled.get(name, 0)))
            raise UnknownStateError(f"syncing {name} failed: {error}; append the same record again") from error
        finally:
            os.close(descriptor)
        self._settled[name] = size

    def _give_up(self, writer: SegmentWriter) -> None:
        """Never write to a segment again after an error; remember what of it may not be durable."""
        self._doubtful.append((writer.name, writer.synced if self._durability != "none" else writer.position))
        writer.drop()
        self._writer, self._look = None, True

    def _doubts(self) -> New:
        """Return records that can be read from segments that were given up, but may not be durable there.

        After a failed sync the system may show bytes that never reached the disk, so they are written once more.
        """
        found = []
        for name, start in self._doubtful:
            for entry in self._log.index.by_key.values():
                if entry.segment == name and entry.offset + HEADER >= start:
                    found.append((self._log.reader.record(entry), entry.schema, entry.stamp))
        return sorted(found, key=lambda item: item[2])

    def finish(self) -> None:
        """Close the own segment, if there is one; the next append opens another one."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.finish(sync=self._durability != "none")
        except OSError as error:
            self._doubtful.append((writer.name, writer.synced))
            raise UnknownStateError(
                f"closing could not sync {writer.name}: {error}; the last records may not be durable, append them again"
            ) from error

    def close(self) -> None:
        """Finish, and let go of the locks."""
        try:
            self.finish()
        finally:
            if self._locks is not None:
                self._locks.close()
            self._locks, self._leases = None, set()

    @contextlib.contextmanager
    def compaction(self) -> Iterator[bool]:
        """Hold the lock of compaction; yields False if another process compacts."""
        with self.locks().compaction() as mine:
            yield mine
