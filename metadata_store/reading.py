"""Reading segments: from bytes on disk to an index, again and again as files grow, without a lock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from . import codec, framing, layout
from .checks import check_run
from .codec import Schema
from .errors import DamagedError, RecordError
from .files import Files
from .framing import Frame, Scanner
from .index import Entry, Index
from .peek import Peek
from .record import Record
from .report import Damage


class Segment:
    """What was read of one segment so far: its scanner, schemas, and records that wait for their schema."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.scanner = Scanner(name, number)
        self.schemas: dict[int, Schema] = {}
        self.damage: list[Damage] = []
        self.waiting: list[tuple[int, Entry]] = []
        self._peek = Peek()

    def problems(self, *, torn: bool) -> list[Damage]:
        """Return all damage known; an incomplete last frame, normal after a crash or during a write, only if `torn`."""
        waiting = [
            Damage(self.name, entry.offset, f"record of schema {number}, which is lost", entry.length)
            for number, entry in self.waiting
        ]
        found = self.scanner.damage + self.damage + waiting
        tail = self.scanner.tail
        if tail is not None and (torn or tail.what != framing.TORN):
            found.append(tail)
        return sorted(found, key=lambda damage: damage.offset)

    def take(self, frames: list[Frame], index: Index) -> None:
        """Put frames into the index; what cannot be understood becomes damage of that frame."""
        for frame in frames:
            if frame.kind != b"S":
                continue
            try:
                number, schema = Schema.parse(frame.payload)
            except DamagedError as error:
                self._spoilt(frame, str(error))
                continue
            if self.schemas.setdefault(number, schema) != schema:
                self._spoilt(frame, f"schema {number} is there with other content")
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            for number, entry in waiting:
                self._place(number, entry, index)
        others = [frame for frame in frames if frame.kind == b"R" and not self._peeked(frame, index)]
        for start in range(0, len(others), 4096):
            self._records(others[start : start + 4096], index)

    def _peeked(self, frame: Frame, index: Index) -> bool:
        """Put a frame into the index without decoding it, if it is of a kind that was decoded before."""
        key = self._peek.key(frame.payload)
        if key is None or min(key.loop, key.order, key.at, key.stamp) < 0:
            return False
        schema = self.schemas.get(key.schema)
        if schema is None or (key.ints, key.floats, key.texts) != schema.lengths:
            return False
        length = framing.HEADER + len(frame.payload)
        index.add(
            Entry(key.stamp, self.name, frame.sequence, frame.offset, length, key.run, key.loop, key.order, schema)
        )
        return True

    def _records(self, frames: list[Frame], index: Index) -> None:
        try:
            table = codec.read_table([frame.payload for frame in frames])
            self._rows(frames, table, index)
        except DamagedError as error:
            if len(frames) == 1:
                self._spoilt(frames[0], str(error))
                return
            for frame in frames:  # find the one that spoils the table
                self._records([frame], index)

    def _rows(self, frames: list[Frame], table: codec.pa.Table, index: Index) -> None:
        runs = table.column("run").to_pylist()
        starts, ints = codec.lists(table, "ints")
        lengths = np.diff(starts)
        if lengths.min() < codec.HEADS:
            raise DamagedError("a record frame has the right checksum but no key")
        heads = ints[starts[:-1, None] + np.arange(codec.HEADS)].tolist()
        sizes = [lengths.tolist(), *(np.diff(codec.lists(table, name)[0]).tolist() for name in ("floats", "texts"))]
        rows = []
        for frame, run, head, *size in zip(frames, runs, heads, *sizes, strict=True):
            number, loop, order, at, stamp = head
            schema = self.schemas.get(number)
            try:
                check_run(run)
                if min(loop, order, at, stamp) < 0:
                    raise DamagedError("a record frame has the right checksum but a negative loop, index or time")
                if schema is not None:
                    codec.check_row(schema, *size)
            except (DamagedError, RecordError) as error:
                raise DamagedError(str(error)) from None
            place = (stamp, self.name, frame.sequence, frame.offset, framing.HEADER + len(frame.payload))
            rows.append((number, Entry(*place, run, loop, order, schema if schema is not None else _UNKNOWN)))
        for number, entry in rows:
            self._place(number, entry, index)

    def _place(self, number: int, entry: Entry, index: Index) -> None:
        schema = self.schemas.get(number)
        if schema is None:
            self.waiting.append((number, entry))
            return
        index.add(entry if entry.schema is schema else entry._replace(schema=schema))

    def _spoilt(self, frame: Frame, what: str) -> None:
        self.damage.append(Damage(self.name, frame.offset, what, framing.HEADER + len(frame.payload)))


_UNKNOWN = Schema("unknown", (), (), ())


class Reader:
    """All segments of a store and the index of their records.

    Parameters
    ----------
    files : where the segments are, in the folder "hot", which may be absent.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.segments: dict[str, Segment] = {}
        self.strangers: dict[str, int] = {}
        self.index = Index()
        self._known: tuple[int, list[tuple[Schema, int]]] = (0, [])

    def reset(self, last_stamp: int, schemas: list[tuple[Schema, int]]) -> None:
        """Forget all segments, and begin with what is known of finished parts.

        Parameters
        ----------
        last_stamp : of their records.
        schemas : theirs, and the stamp of the first record of each.
        """
        self._known = last_stamp, schemas
        self.segments, self.index = {}, Index()
        self.index.last_stamp = last_stamp
        for schema, first in schemas:
            self.index.know(schema, first)

    def listing(self) -> dict[str, int]:
        """Return the size of every file there is; -1 if it is not a file."""
        settled = {name: known.scanner.size for name, known in self.segments.items() if known.scanner.sealed}
        return self.files.sizes(layout.HOT, settled)

    def refresh(self, sizes: dict[str, int] | None = None, absorbed: Collection[str] = ()) -> bool:
        """Read what was added since the last call; return whether there was anything.

        Parameters
        ----------
        sizes : from `listing`.
        absorbed : segments that are not to be read any more.

        Raises
        ------
        FileNotFoundError : a segment vanished meanwhile; list again.
        """
        sizes = self.listing() if sizes is None else sizes
        sizes = {name: size for name, size in sizes.items() if name not in absorbed}
        self.strangers = {n: size for n, size in sizes.items() if size < 0 or layout.segment_number(n) is None}
        gone = any(sizes.get(name, -1) < known.scanner.size for name, known in self.segments.items())
        if gone:  # repaired or compacted meanwhile: places in the index may be wrong
            self.reset(*self._known)
        changed = gone
        for name in sorted(sizes.keys() - self.strangers.keys()):
            known = self.segments.get(name)
            if known is None:
                known = self.segments[name] = Segment(name, layout.segment_number(name) or 0)
            if sizes[name] > known.scanner.size:
                try:
                    self._read(known, sizes[name])
                except FileNotFoundError:
                    self.segments.pop(name)
                    raise
                changed = True
        return changed

    def _read(self, segment: Segment, size: int) -> None:
        name = f"{layout.HOT}/{segment.name}"
        for frames in segment.scanner.read(lambda start, length: self.files.fetch(name, start, length), size):
            segment.take(frames, self.index)

    def damage(self, *, torn: bool) -> list[Damage]:
        """Return all damage known, by segment and offset."""
        found = [damage for name in sorted(self.segments) for damage in self.segments[name].problems(torn=torn)]
        strangers = sorted(self.strangers.items())
        return found + [Damage(name, 0, "not a segment of this store", size) for name, size in strangers]

    def record(self, entry: Entry) -> Record:
        """Return one record from disk.

        Raises
        ------
        DamagedError : its bytes changed since they were indexed.
        """
        return next(self.read([entry]))

    def read(self, entries: Sequence[Entry]) -> Iterator[Record]:
        """Yield records from disk in the order of the entries."""
        for group in _groups(entries):
            for entry, payload in zip(group, self.payloads(group), strict=True):
                yield codec.decode(payload, entry.schema)

    def payloads(self, group: Sequence[Entry]) -> list[memoryview]:
        """Return the payloads of entries that lie close together in one segment, checked.

        Raises
        ------
        DamagedError : bytes changed since they were indexed.
        """
        name, number = group[0].segment, self.segments[group[0].segment].scanner.segment
        start = min(entry.offset for entry in group)
        stop = max(entry.offset + entry.length for entry in group)
        buffer = self.files.fetch(f"{layout.HOT}/{name}", start, stop - start)
        view = memoryview(buffer)
        found = []
        for entry in group:
            at = entry.offset - start
            end = at + entry.length
            head = framing.read_head(buffer, at, number) if end <= len(buffer) else None
            payload = view[at + framing.HEADER : end]
            if head is None or head.length != len(payload) or framing.zlib.crc32(payload) != head.crc:
                raise DamagedError(
                    f"{name} at byte {entry.offset}: the record was whole when it was indexed and is not any more; "
                    f"call verify() for all damage"
                )
            found.append(payload)
        return found


def _groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Split entries into stretches of one segment that are read at once."""
    group: list[Entry] = []
    low = high = 0
    for entry in entries:
        end = entry.offset + entry.length
        if group and entry.segment == group[0].segment and max(high, end) - min(low, entry.offset) <= framing.WINDOW:
            group.append(entry)
            low, high = min(low, entry.offset), max(high, end)
            continue
        if group:
            yield group
        group, low, high = [entry], entry.offset, end
    if group:
        yield group


def blocks(
    reader: Reader, entries: Sequence[Entry]
) -> Iterator[tuple[Schema, np.ndarray, list[memoryview], codec.pa.Table]]:
    """Yield the rows of many records as Arrow tables by schema.

    Parameters
    ----------
    reader : where they are.
    entries : in the order of the selection.

    Returns
    -------
    iterator of (schema, i8[N] positions in `entries`, N payloads, table of N rows)
    """
    order = sorted(range(len(entries)), key=lambda i: (entries[i].segment, entries[i].offset))
    waiting: dict[Schema, tuple[list[int], list[memoryview]]] = {}
    at = 0
    for group in _groups([entries[i] for i in order]):
        for entry, payload in zip(group, reader.payloads(group), strict=True):
            rows, payloads = waiting.setdefault(entry.schema, ([], []))
            rows.append(order[at])
            payloads.append(payload)
            at += 1
            if len(rows) >= 4096:
                del waiting[entry.schema]
                yield entry.schema, np.array(rows, np.int64), payloads, codec.read_table(payloads)
    for schema, (rows, payloads) in waiting.items():
        yield schema, np.array(rows, np.int64), payloads, codec.read_table(payloads)
