"""Compaction: finished segments, and small parts, become one part; nothing goes before its successor is durable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from .. import layout
from ..codec import Schema
from ..errors import DamagedError
from ..index import Entry
from ..log import Log
from ..object_files import closing
from . import columns
from . import manifest as manifests
from .manifest import PartNote, part_id
from .parquet import guard_name
from .part import Card, Part
from .writing import PartWriter

Progress = Callable[[int, int], None]
ARRAY_BYTES = 2**25


@dataclass(frozen=True)
class Compaction:
    """What a compaction did.

    Parameters
    ----------
    records : rows of the new part; 0 if there was nothing to do.
    segments : how many segments went into it.
    parts : how many older parts went into it.
    before, after : bytes of what went into it, and of the new files.
    left : segments that stayed as they were, and why.
    """

    records: int = 0
    segments: int = 0
    parts: int = 0
    before: int = 0
    after: int = 0
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.records} records of {self.segments} segments and {self.parts} parts compacted, "
            f"{self.before} bytes to {self.after}"
            if self.records
            else "nothing to compact"
        ]
        return "\n".join([*lines, *(f"  left: {line}" for line in self.left)])


@dataclass
class Group:
    """Rows of the new part that are written together: stretches of old parts, entries, and the rank of their runs."""

    cold: list[tuple[int, Part, int, int]] = field(default_factory=list)
    hot: list[tuple[int, Entry]] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0


def compact(
    log: Log, segments: Iterable[str], parts: list[Part], left: Iterable[str], progress: Progress | None = None
) -> Compaction | None:
    """Write one part of the records of some segments and parts, and make it count.

    Parameters
    ----------
    log : up to date.
    segments : whole, finished segments.
    parts : parts that go into the new one.
    left : for the report.
    progress : called with (records done, records in all).

    Returns
    -------
    Compaction, or None if another compaction was first; nothing has changed then.
    """
    names = set(segments)
    entries = _entries(log, names)
    total = sum(part.note.rows for part in parts) + sum(map(len, entries.values()))
    before = sum(log.reader.segments[name].scanner.size for name in names)
    before += sum(note.bytes for part in parts for note in part.note.files)
    absorbed = sorted(names | set(log.manifest.absorbed) & log.files.sizes(layout.HOT).keys())
    keep = [part.note for part in log.parts if part not in parts]
    writer: PartWriter | None = None
    made: list[PartNote] = []
    late = False
    try:
        if total:
            writer = writer_of(log, parts, entries)
            _write(log, writer, parts, entries, total, progress)
            made = [writer.finish()]
        fresh = closing(manifests.next_of(log.manifest, keep + made, absorbed), log.reader.segments, names)
        if writer is not None and 0 < log.files.linger / 2 < manifests.age_of(writer.id):
            raise OSError("it took so long that others may take its files for those of a dead process")
        late = log.files.linger > 0
        if not manifests.commit(log.files, fresh):
            if writer is not None and not counts(log, writer.id):
                writer.abandon()
            return None
    except BaseException:
        # the manifest may have been made although an error came after it, or be on its way: then the files are needed
        if writer is not None and not late and not counts(log, writer.id):
            writer.abandon()
        raise
    clean(log, fresh)
    after = sum(note.bytes for part in made for note in part.files)
    return Compaction(made[0].rows if made else 0, len(names), len(parts), before, after, tuple(left))


def counts(log: Log, part: str) -> bool:
    """Say whether the newest manifest names a part; True when in doubt."""
    try:
        numbers = manifests.numbers(log.files)
        return bool(numbers) and any(note.id == part for note in manifests.read(log.files, numbers[-1])[0].parts)
    except (OSError, DamagedError):
        return True


def clean(log: Log, manifest: manifests.Manifest) -> None:
    """Remove the segments and files that a manifest made superfluous, and what dead compactors left."""
    log.files.remove_all([f"{layout.HOT}/{name}" for name in manifest.absorbed])
    wanted, before = (
        {name for part in one.parts for note in part.files for name in (note.name, guard_name(note.name))}
        for one in (manifest, log.manifest)
    )

    linger, gone = log.files.linger, []
    for folder in (layout.RECORDS, layout.ARRAYS, layout.GUARDS):
        for file in log.files.sizes(folder):
            name = f"{folder}/{file}"
            part = part_id(file.partition("-")[2].removesuffix(".guard") if folder == layout.GUARDS else file)
            # a file that no manifest ever named may be one in the making, where no lock tells
            if part and name not in wanted and (name in before or not linger or manifests.age_of(part) >= linger):
                gone.append(name)
    log.files.remove_all(gone)
    _sweep(log)


def _sweep(log: Log) -> None:
    """Remove what compactors and repairs left unfinished when they died; only one of them lives, and it is us."""
    for folder, ends in ((layout.SCRATCH, (".records", ".arrays", ".mended")), (layout.MANIFEST, (".part",))):
        for file in log.files.sizes(folder):
            if file.endswith(ends):
                log.files.remove(f"{folder}/{file}")


def mergeable(log: Log, rows: int) -> list[Part]:
    """Return the parts that are worth merging with so many new rows: the smaller ones, so that few are left.

    A record is rewritten a logarithmic number of times.
    """
    chosen: list[Part] = []
    names: set[str] = set()
    for part in sorted(log.parts, key=lambda part: part.note.rows):
        wide = len(names.union(part.kinds)) > columns.WIDEST
        if part.note.rows > 2 * rows or wide:
            break
        chosen.append(part)
        names.update(part.kinds)
        rows += part.note.rows
    return chosen


def _entries(log: Log, names: set[str]) -> dict[str, list[Entry]]:
    """Return the entries that lie in some segments, each key once, by run and in append order."""
    index = log.index
    here: dict[str, dict[tuple[int, str, int], Entry]] = {}
    twins = (entry for pair in index.duplicates for entry in pair)
    for source in (index.by_key.values(), twins):
        for entry in source:
            if entry.segment in names:
                own = here.setdefault(entry.run, {})
                key = (entry.loop, entry.schema.event, entry.order)
                if key not in own or entry < own[key]:
                    own[key] = entry
    return {run: sorted(own.values()) for run, own in here.items()}


def writer_of(log: Log, parts: list[Part], entries: dict[str, list[Entry]]) -> PartWriter:
    firsts: dict[Schema, int] = {}
    for part in parts:
        for schema, first in zip(part.schemas, part.firsts, strict=True):
            firsts[schema] = min(first, firsts.get(schema, first))
    for listed in entries.values():
        for entry in listed:
            if entry.stamp < firsts.get(entry.schema, entry.stamp + 1):
                firsts[entry.schema] = entry.stamp
    schemas = sorted(firsts.items(), key=lambda item: item[1])
    names = {name for schema, _ in schemas for name in schema.names}
    kinds = {name: kind for name, kind in log.index.kinds.of.items() if name in names}
    kept = {name for part in parts for name in part.kinds}
    chosen = columns.chosen_names([schema for schema, _ in schemas if columns.fits(schema, kinds)], kinds, kept)
    return PartWriter(log.files, schemas, chosen)


def _write(
    log: Log,
    writer: PartWriter,
    parts: list[Part],
    entries: dict[str, list[Entry]],
    total: int,
    progress: Progress | None,
) -> None:
    done = 0
    for group in _groups(log, writer, parts, entries):
        writer.add(*_tables(log, writer, group))
        done += group.rows
        if progress is not None:
            progress(done, total)


def _groups(log: Log, writer: PartWriter, parts: list[Part], entries: dict[str, list[Entry]]) -> Iterator[Group]:
    """Yield groups of about one row group, runs in order of their first record."""
    firsts = {run: listed[0].stamp for run, listed in entries.items()}
    for part in parts:
        for run, card in part.cards.items():
            firsts[run] = min(card.first, firsts.get(run, card.first))
    group = Group()
    most = writer.group_rows
    for rank, run in enumerate(sorted(firsts, key=firsts.__getitem__)):
        owners = [part for part in parts if run in part.cards]
        hot = entries.get(run, [])
        cards = sorted(((part.cards[run], part) for part in owners), key=lambda pair: pair[0].first)
        if _apart([card for card, _ in cards], hot) and not (len(cards) + bool(hot) > 1 and _doubled(log, run)):
            # a long run may be split
            pieces: list[tuple[Part, int, int] | Entry] = []
            for card, part in cards:
                stop, size = card.start + card.rows, part.array_bytes(card.start, card.start + card.rows)
                step = max(1, min(most, ARRAY_BYTES * card.rows // max(size, 1)))
                pieces += [(part, at, min(at + step, stop)) for at in range(card.start, stop, step)]
            for piece in [*pieces, *hot]:
                _put(group, rank, piece)
                if group.rows >= most or group.bytes >= ARRAY_BYTES:
                    yield group
                    group = Group()
            continue
        for card, part in cards:
            _put(group, rank, (part, card.start, card.start + card.rows))
        for entry in hot:
            _put(group, rank, entry)
        if group.rows >= most or group.bytes >= ARRAY_BYTES:
            yield group
            group = Group()
    if group.rows:
        yield group


def _put(group: Group, rank: int, piece: tuple[Part, int, int] | Entry) -> None:
    if isinstance(piece, Entry):
        group.hot.append((rank, piece))
        group.rows, group.bytes = group.rows + 1, group.bytes + piece.length
        return
    part, start, stop = piece
    if group.cold and group.cold[-1][:2] == (rank, part) and group.cold[-1][3] == start:
        start = group.cold.pop()[2]
    group.cold.append((rank, part, start, stop))
    group.rows += stop - piece[1]
    group.bytes += part.array_bytes(piece[1], stop)


def _apart(cards: list[Card], hot: list[Entry]) -> bool:
    """Say whether the stretches of a run follow each other in time, so that they need not be sorted."""
    ends = [(card.first, card.last) for card in cards]
    if hot:
        ends.append((hot[0].stamp, hot[-1].stamp))
    return all(one[1] < other[0] for one, other in itertools.pairwise(ends))


def _doubled(log: Log, run: str) -> bool:
    """Say whether a key of a run is there twice, as it can be where the system has no locks."""
    places = log.places(run)
    return any(dropped for *_, dropped in places.cold) or len(places.hot) < log.index.count(run)


def _tables(log: Log, writer: PartWriter, group: Group) -> tuple[pa.Table, pa.Table]:
    """Return the rows of a group and their arrays, in order, each key once."""
    tables, arrays, ranks = [], [], []
    rows = 0
    for rank, part, start, stop in group.cold:
        table = recast(part, part.records.rows(start, stop), writer)
        if len(table) < stop - start:
            raise DamagedError(f"{part.note.records.name} has damaged rows; repair the store, then compact it")
        tables.append(table)
        arrays.append(own_arrays(part, start, stop, rows))
        ranks.append(np.full(len(table), rank))
        rows += len(table)
    if group.hot:
        entries = [entry for _, entry in group.hot]
        table, own = columns.hot_tables(log.reader, entries, writer.kinds, writer.numbers, rows)
        tables.append(table)
        arrays.append(own)
        ranks.append(np.array([rank for rank, _ in group.hot]))
    records, owned = pa.concat_tables(tables).combine_chunks(), pa.concat_tables(arrays).combine_chunks()
    of, stamp = np.concatenate(ranks), records.column("stamp").to_numpy()
    order = np.lexsort((stamp, of))
    order = order[_first_of_key(records, of, order)]
    if len(order) == len(of) and (order == np.arange(len(order))).all():
        return records, owned
    place = np.full(len(of), -1)
    place[order] = np.arange(len(order))
    moved = place[owned.column("record").to_numpy()]
    kept = np.flatnonzero(moved >= 0)
    kept = kept[np.argsort(moved[kept], kind="stable")]
    owned = owned.take(pa.array(kept)).set_column(0, "record", pa.array(moved[kept]))
    return records.take(pa.array(order)), owned


def _first_of_key(records: pa.Table, rank: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return a mask over `order` of the rows whose key no earlier row has."""
    index, loops = records.column("index").to_numpy()[order], records.column("loop").to_numpy()[order]
    events = records.column("event").combine_chunks().dictionary_encode()
    codes = (events.combine_chunks() if isinstance(events, pa.ChunkedArray) else events).indices.to_numpy()[order]
    by = np.lexsort((np.arange(len(order)), codes, index, loops, rank[order]))
    same = np.ones(max(len(by) - 1, 0), bool)
    for key in (rank[order], loops, index, codes):
        same &= key[by][1:] == key[by][:-1]
    keep = np.ones(len(order), bool)
    keep[by[1:][same]] = False
    return keep


def recast(part: Part, table: pa.Table, writer: PartWriter) -> pa.Table:
    """Return rows of an older part with the columns and schema numbers of the new one."""
    mapping = np.array([writer.numbers[schema] for schema in part.schemas], np.int32)
    found = {name: table.column(name) for name in table.column_names}
    found["schema"] = pa.chunked_array([pa.array(mapping[table.column("schema").to_numpy()])])
    return pa.table(
        [found[f.name] if f.name in found else pa.nulls(len(table), f.type) for f in writer.fields], writer.fields
    )


def own_arrays(part: Part, start: int, stop: int, shift: int, *, lossy: bool = False) -> pa.Table:
    """Return the arrays of some rows of a part, `record` counting from `shift`; damage is an error unless lossy."""
    try:
        arrays = part.arrays
    except DamagedError:
        if not lossy:
            raise
        arrays = None
    if arrays is None:
        return columns.ARRAY_FIELDS.empty_table()
    low, high = part.array_rows(start, stop)
    table = arrays.rows(low, high)
    if len(table) < high - low and not lossy:
        raise DamagedError(f"{arrays.note.name} has damaged rows; repair the store, then compact it")
    owner = table.column("record").to_numpy()
    first, last = np.searchsorted(owner, [start, stop]).tolist()
    chosen = table.slice(first, last - first)
    moved = pa.array(owner[first:last] - start + shift)
    return chosen.set_column(0, "record", moved).cast(columns.ARRAY_FIELDS)
