"""Appending to an object service: every append is one object, put whole and only if absent.

The segments form one log: their names are numbers, and who wants to append puts the one after the last that it knows.

- *One order.* A put of number n succeeds for one writer only, and a writer has read all numbers before the one that it
  puts. So it knows every key and the kind of every name before its own record, nothing can be appended beside it
  unseen, and stamps grow along the log. Whoever finds n taken reads what is new, checks its record again, and tries
  n + 1. Hence of two writers of one key exactly one wins, and the other one learns of it before it returns.
- *Compaction forgets nothing.* It removes segments after a manifest that names their records and the number up to which
  the log is closed. The names are free then, so that a writer who slept through all of that could put one of them anew:
  that object is void, since every listing of segments is followed by one of manifests, and leaves out closed numbers.
  The writer looks for newer manifests after its put and before it returns; if its number is closed by then, it looks
  for its record, and appends it again if it is not there.
- *No answer.* If a put fails on the way, what is there under its name tells whether it was done. If nothing is there it
  may still arrive: `UnknownStateError`. The same record, appended again, aims at the same number or finds it taken.
- *Leases.* After its note in ``leases/`` a lease puts an empty segment, a fence. A writer looks for leases on its run
  whenever the log has numbers that it has not put itself since it looked the last time; it cannot append behind a fence
  without having seen it. A holder whose lease was taken over notices in the same way, before its next record is put.
  Clocks matter in one place only: they say when a lease that nobody renewed may be taken over.

If both copies of the newest manifest are damaged, the one before says what is closed, which is less; repair such a
store while nobody else writes.

One append costs two requests, the put and the look for manifests. All writers of a store together append as often as
one after the other can: some ten times a second on S3, each time any number of records.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator

from . import framing, layout
from .appending import Durability, New, plan
from .codec import Schema, encode
from .errors import ConflictError, RecordError, StoreError, UnknownStateError, WriteError
from .index import Entry, Index
from .log import Log
from .memory import conflict
from .object_client import UncertainError
from .object_files import ObjectFiles, name_of, position_of
from .object_leases import Leases
from .reading import Segment
from .record import Key, Record

PATIENCE = 60.0  # seconds until an append gives up that others are always ahead of
LIMITS = {"commit": (0.0, 0), "group": (0.05, 2**20), "none": (1.0, 2**24)}


def pack(position: int, new: New) -> tuple[bytes, list[tuple[int, int, int]], dict[int, Schema], int]:
    """Return a whole segment.

    Parameters
    ----------
    position : its number.
    new : the records, none for a fence.

    Returns
    -------
    (bytes, (sequence, offset, length) of each record, schemas by number, number of frames)

    Examples
    --------
    >>> data, places, schemas, frames = pack(1, [])
    >>> len(data), frames
    (40, 1)
    """
    number = layout.segment_number(name_of(position)) or 0
    numbers: dict[Schema, int] = {}
    pieces: list[bytes | memoryview] = []
    places = []
    offset = 0

    def add(kind: bytes, payload: bytes | memoryview) -> int:
        nonlocal offset
        pieces.extend([framing.pack(kind, number, len(pieces) // 2, payload), payload])
        offset += framing.HEADER + len(payload)
        return framing.HEADER + len(payload)

    # as in `segment`: one damaged schema frame must not cost many records; for one record it is no matter
    copies = 1 if len(new) == 1 else 2
    for record, schema, stamp in new:
        if schema not in numbers:
            numbers[schema] = len(numbers)
            for _ in range(copies):
                add(b"S", schema.text(numbers[schema]))
        sequence, start = len(pieces) // 2, offset
        places.append((sequence, start, add(b"R", encode(record, schema, numbers[schema], stamp))))
    add(b"E", b"")
    return b"".join(pieces), places, {number: schema for schema, number in numbers.items()}, len(pieces) // 2


class ObjectWrites:
    """Appends to the log of one opening; see the module for why it is right.

    Parameters
    ----------
    files, log : of the store.
    refresh : brings the log up to date.
    durability : see `ObjectStore`.
    ttl : seconds for which a lease lasts unless it is renewed.
    """

    def __init__(
        self, files: ObjectFiles, log: Log, refresh: Callable[[], None], durability: Durability, ttl: float
    ) -> None:
        self._files, self._log, self._refresh = files, log, refresh
        self._seconds, self._most = LIMITS[durability]
        self._leases = Leases(files, ttl)
        self._look = True
        self._heeded = False
        self._last: tuple[int, int, Index | None, int] = (-1, -1, None, 0)
        self._pending: dict[Key, Record] = {}
        self._bytes = 0
        self._put_at = float("-inf")
        self._pid = os.getpid()

    def append(self, given: list[Record], *, many: bool) -> list[Record]:
        """Store records; see `Store.append_many`."""
        self._prepare()
        if not self._seconds:
            return self._commit(given)
        self._check_leases({record.run for record in given})
        stored, new = plan(self._log, given)
        kept: list[Record] = []
        for record in stored:
            twin = self._pending.get(record.key)
            if twin is not None and not twin.same_content(record):
                raise conflict(record)
            kept.append(record if twin is None else twin)
        if not all(schema in self._log.index.schemas for _, schema, _ in new):
            # the kinds of new names are decided by the log, and what waits was checked against them
            self.finish()
            return self._commit(given)
        for record, _, stamp in new:
            if self._pending.setdefault(record.key, record) is record:
                self._log.index.last_stamp = max(self._log.index.last_stamp, stamp)
                self._bytes += 200 + 16 * len(record.values) + sum(array.nbytes for array in record.arrays.values())
        if many or self._bytes >= self._most or time.monotonic() - self._put_at >= self._seconds:
            self.finish()
        return kept

    def finish(self) -> None:
        """Put what waits.

        Raises
        ------
        ConflictError, RecordError : others were first with other content; the rest of what waited is stored.
        """
        left, refused = list(self._pending.values()), None
        self._bytes = 0
        try:
            if left:
                self._commit(left)
            left = []
        except (ConflictError, RecordError):
            while left:
                try:
                    self._commit(left[:1])
                except (ConflictError, RecordError) as error:
                    refused = refused or error
                del left[0]
        finally:
            self._pending = {record.key: record for record in left}
        if refused is not None:
            raise refused

    def _commit(self, given: list[Record]) -> list[Record]:
        """Append records at once as one segment."""
        started, lost = time.monotonic(), 0
        while True:
            self._prepare()
            self._check_leases({record.run for record in given})
            stored, new = plan(self._log, given)
            if not new or self._put(new):
                return stored
            lost += 1
            if time.monotonic() - started > PATIENCE:
                raise WriteError(
                    f"others were first {lost} times in {PATIENCE:.0f} seconds; the record is not stored: append less "
                    "often and more at once (append_many), or give every group of runs its own store"
                )
            if lost > 1:
                time.sleep(random.random() * min(0.005 * 2**lost, 0.5))

    def _put(self, new: New) -> bool:
        """Put a segment at the next position; return False if another writer was first."""
        position = self._position() + 1
        name = name_of(position)
        data, places, schemas, frames = pack(position, new)
        self._look = True  # until we know better
        try:
            if not self._files.put(f"{layout.HOT}/{name}", data):
                return False
        except UncertainError as error:
            raise UnknownStateError(f"{error}; some records may be stored, append the same ones again") from error
        except OSError as error:
            raise WriteError(f"cannot put a segment: {error}; nothing is stored, append again") from error
        self._put_at = time.monotonic()
        try:
            closed = self._files.closed(position)
        except OSError as error:
            raise UnknownStateError(f"{error}; the record may be stored, append it again") from error
        if closed:
            return self._there(new)
        self._files.hold(name, data)
        segment = self._log.reader.segments[name] = Segment(name, layout.segment_number(name) or 0)
        segment.schemas.update(schemas)
        segment.scanner.passed(len(data), frames, frames)
        segment.scanner.sealed = True
        for (record, schema, stamp), place in zip(new, places, strict=True):
            sequence, offset, length = place
            self._log.add(Entry(stamp, name, sequence, offset, length, record.run, record.loop, record.index, schema))
        self._last = self._log.manifest.number, len(self._log.reader.segments), self._log.reader.index, position
        self._leases.wrote(position)
        self._look = False
        return True

    def _there(self, new: New) -> bool:
        """Say whether the records of a segment that is closed were compacted; if not, it was void and is forgotten."""
        self._refresh()
        self._look = False
        found = [self._log.find(record.key) for record, _, _ in new]
        # a fence leaves no trace; it has to be at the end of the log
        return bool(new) and all(
            twin is not None and twin.at == record.at and twin.same_content(record)
            for twin, (record, _, _) in zip(found, new, strict=True)
        )

    def _prepare(self) -> None:
        """Look at what others wrote, if that is needed."""
        if self._look or not self._log.whole:
            self._refresh()
            self._look = False
        if not self._heeded:
            try:
                self._heeded = self._files.heeds()
            except OSError as error:
                raise WriteError(f"cannot write to {self._files.root}: {error}; the record is not stored") from error
            if not self._heeded:
                raise WriteError(
                    "this service overwrites objects although it was asked to put only if absent, so two writers could "
                    "lose records; use one that heeds If-None-Match, or a local directory; nothing is stored"
                )

    def _position(self) -> int:
        """Return the last position of the log as it is known."""
        segments, manifest = self._log.reader.segments, self._log.manifest
        number, count, index, last = self._last
        if (number, count) != (manifest.number, len(segments)) or index is not self._log.reader.index:
            known = [manifest.sealed, self._files.sealed, *map(position_of, manifest.absorbed)]
            last = max([*known, *map(position_of, segments)])
            self._last = manifest.number, len(segments), self._log.reader.index, last
        return last

    def _check_leases(self, runs: set[str]) -> None:
        try:
            self._leases.check(runs, self._position())
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise WriteError(f"cannot look for leases: {error}; the record is not stored") from error

    def use(self, log: Log) -> None:
        """Go on with another log of the same files."""
        self._log, self._look = log, True
        if isinstance(log.files, ObjectFiles):
            self._files = log.files

    def look(self) -> None:
        """Look at what others wrote before the next append."""
        self._look = True

    def fence(self) -> None:
        """Put an empty segment, so that every writer looks at what is new before its next append."""
        started = time.monotonic()
        self._prepare()
        while not self._put([]):
            self._refresh()
            if time.monotonic() - started > PATIENCE:
                raise WriteError("others were always first; there is no lease, try again")

    def lease(self, run: str, epoch: Callable[[], int]) -> int:
        """Take a lease; see `Store.lease`. Its note is more than `epoch` would write."""
        self.finish()
        found = self._leases.take(run)
        try:
            self.fence()
        except BaseException:
            with contextlib.suppress(OSError):
                self._leases.release(run)
            raise
        return found

    def release(self, run: str) -> None:
        """Give a lease back."""
        if self._pid != os.getpid():
            return
        try:
            self.finish()
        finally:
            self._leases.release(run)

    @contextlib.contextmanager
    def compaction(self) -> Iterator[bool]:
        """Let anybody compact: of two at a time the manifest makes one the winner."""
        yield True

    def after_fork(self) -> None:
        """Leave what waits, and leases, to the parent process."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._files.after_fork()
            self._pending, self._bytes, self._look = {}, 0, True
            self._leases = Leases(self._files, self._leases.ttl)

    def close(self) -> None:
        """Put what waits and give leases back."""
        try:
            self.finish()
        finally:
            self._leases.close()
