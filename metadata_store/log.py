"""The whole log of a directory: finished parts and growing segments, seen as one."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from . import layout
from .cold import manifest as manifests
from .cold.guard import Guard
from .cold.manifest import FileNote, Manifest, PartNote
from .cold.parquet import Patience, guard_name
from .cold.part import Card, Part
from .errors import DamagedError, StoreWarning, UnknownRunError, nearest
from .files import Files
from .index import Entry, Index
from .reading import Reader
from .record import Key, Record
from .report import Damage


class Places(NamedTuple):
    """Where the records of a run are: rows of parts, without those that are there twice, and entries of segments."""

    cold: list[tuple[Part, Card, frozenset[int]]]
    hot: list[Entry]

    @property
    def total(self) -> int:
        """The number of records."""
        return len(self.hot) + sum(card.rows - len(dropped) for _, card, dropped in self.cold)


class Log:
    """Everything that a store knows, brought up to date by `refresh`.

    Parameters
    ----------
    files : where the bytes are.

    Attributes
    ----------
    manifest, parts : the cold tier.
    damage : what was met of it in the cold tier.
    quiet : damage is kept in `damage` but not warned about.
    whole : False if a refresh was broken off, so that some records may be missing here; the next one starts over.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.reader = Reader(files)
        self.manifest = Manifest()
        self.parts: list[Part] = []
        self.damage: dict[tuple[str, int, str], Damage] = {}
        self._where: dict[str, list[Part]] = {}
        self._places: dict[str, Places] = {}
        self._runs: tuple[tuple[int, int], list[str]] | None = None
        self._asked = -1
        self._patience = Patience()
        self.quiet = False
        self.whole = True
        self._manifests: dict[str, int] = {}

    @property
    def index(self) -> Index:
        """What is known of all segments."""
        return self.reader.index

    def refresh(self) -> bool:
        """Look for what was added since the last call; return whether there was anything."""
        if not self.whole:
            self._asked = -1  # an error or Ctrl-C came while frames were taken in
        self.whole = False
        for _ in range(1000):
            # segments first: one that a compaction removes after this is in the manifest that is read next
            sizes = self.reader.listing()
            changed = self._load_manifest()
            try:
                grown = self.reader.refresh(sizes, self.manifest.absorbed)
            except FileNotFoundError:
                self._asked = -1  # some of a segment that is no more may have been taken in
                continue
            if changed or grown:
                self._places.clear()
            self.whole = True
            return changed or grown
        raise DamagedError("segments keep vanishing while they are read; is something else removing files?")

    def _load_manifest(self) -> bool:
        """Read the newest manifest if there is a newer one, and open its parts."""
        self._manifests = self.files.sizes(layout.MANIFEST, self._manifests)
        numbers = manifests.numbers_in(self._manifests)
        newest = numbers[-1] if numbers else 0
        if newest == self._asked:
            return False
        try:
            found = manifests.read(self.files, newest)[0] if newest else Manifest()
        except DamagedError as error:
            if manifests.numbers(self.files)[-1:] != [newest]:
                return self._load_manifest()  # so old by now that it was removed
            self.warn(manifests.file_names(newest)[0], 0, f"{error}; all parts that are there are read")
            found = self.from_files(newest)
        kept = {part.note.id: part for part in self.parts}
        parts: list[Part] = []
        for note in found.parts:
            try:
                parts.append(kept.get(note.id) or Part(self.files, note, self.warn, self._patience))
            except DamagedError as error:
                self.warn(note.records.name, 0, f"{note.rows} records cannot be read: {error}")
            except FileNotFoundError:
                if manifests.numbers(self.files)[-1:] != [newest]:
                    return self._load_manifest()  # compacted once more meanwhile
                self.warn(note.records.name, 0, f"missing, with {note.rows} records")
        self._asked, self.manifest, self.parts = newest, found, parts
        self._patience.over = False
        self._where = {}
        for part in parts:
            for run in part.cards:
                self._where.setdefault(run, []).append(part)
        schemas = [pair for part in parts for pair in zip(part.schemas, part.firsts, strict=True)]
        self.reader.reset(max((part.note.last for part in parts), default=0), schemas)
        self._runs = None
        return True

    def from_files(self, number: int) -> Manifest:
        """Return a manifest of all parts that are there; records that two of them have count once."""
        notes = []
        for file in sorted(self.files.sizes(layout.RECORDS)):
            part = manifests.part_id(file)
            if part is None:
                continue
            found: list[FileNote] = []
            for folder in (layout.RECORDS, layout.ARRAYS):
                if file in self.files.sizes(folder):
                    name = f"{folder}/{file}"
                    try:
                        found.append(self.note_of(name))
                    except DamagedError as error:
                        self.warn(name, 0, str(error))
            if not found or not found[0].name.startswith(layout.RECORDS):
                continue
            note = PartNote(part, found[0], found[1] if len(found) > 1 else None, 0, 0, 0)
            try:
                cards = Part(self.files, note, self.warn).cards.values()
            except DamagedError as error:
                self.warn(found[0].name, 0, str(error))
                continue
            rows, first, last = sum(c.rows for c in cards), min(c.first for c in cards), max(c.last for c in cards)
            notes.append(PartNote(part, note.records, note.arrays, rows, first, last))
        before = self._readable_before(number)
        parts = tuple(sorted(notes, key=lambda part: (part.first, part.id)))
        return Manifest(number, parts, sealed=before.sealed, left=before.left)

    def _readable_before(self, number: int) -> Manifest:
        """Return the newest older manifest that can be read, for what no file but a manifest says."""
        for older in reversed(manifests.numbers(self.files)):
            if older < number:
                with contextlib.suppress(DamagedError):
                    return manifests.read(self.files, older)[0]
        return Manifest()

    def note_of(self, name: str) -> FileNote:
        """Return the note of a cold file from its guard.

        Raises
        ------
        DamagedError : the guard is damaged too.
        """
        try:
            guard = Guard.parse(self.files.fetch(guard_name(name), 0, 2**40))
        except FileNotFoundError as error:
            raise DamagedError(f"{name} is in no manifest and has no guard") from error
        return FileNote(name, guard.size, guard.digest.hex())

    def warn(self, name: str, at: int, what: str) -> None:
        """Keep damage that was met, and tell it once."""
        if (name, at, what) not in self.damage:
            self.damage[name, at, what] = Damage(name, at, what, 0)
            if self.quiet:
                return
            text = f"{name} at byte {at}: {what}; everything whole is read; see verify(), then repair()"
            warnings.warn(text, StoreWarning, stacklevel=2)

    def lose_patience(self) -> None:
        """Take files that are missing although no newer manifest came for damage."""
        self._patience.over = True

    def add(self, entry: Entry) -> None:
        """Take in a record that was just appended."""
        self.index.add(entry)
        self._places.pop(entry.run, None)

    def runs(self) -> list[str]:
        """Return the names of all runs in order of their first record."""
        if not self.parts:
            return self.index.runs()
        version = (self.manifest.number, self.index.version)
        if self._runs is None or self._runs[0] != version:
            first = {run: min(part.cards[run].first for part in parts) for run, parts in self._where.items()}
            for run in self.index.runs():
                stamp = self.index.entries(run)[0].stamp
                first[run] = min(stamp, first.get(run, stamp))
            self._runs = version, sorted(first, key=first.__getitem__)
        return list(self._runs[1])

    def has(self, run: str) -> bool:
        """Say whether a run has any record."""
        return run in self._where or self.index.count(run) > 0

    def count(self, run: str) -> int:
        """Return the number of records of a run, 0 if there is none."""
        if run not in self._where:
            return self.index.count(run)
        return self.places(run).total

    def places(self, run: str) -> Places:
        """Return where the records of a run are.

        Raises
        ------
        UnknownRunError : it has none.
        """
        parts = self._where.get(run)
        if parts is None:
            return Places([], self._entries(run))
        found = self._places.get(run)
        if found is None:
            hot = self.index.entries(run) if self.index.count(run) else []
            found = self._places[run] = _without_doubles(run, parts, hot)
        return found

    def overlapping(self) -> list[str]:
        """Return the runs that several parts have at overlapping times, so that records may be in two of them."""
        found = []
        for run, parts in self._where.items():
            ends = sorted((part.cards[run].first, part.cards[run].last) for part in parts) if len(parts) > 1 else []
            if any(two[0] <= one[1] for one, two in itertools.pairwise(ends)):
                found.append(run)
        return found

    def doubled(self, run: str) -> list[Entry]:
        """Return the entries of a run whose key a finished part has, too."""
        parts = self._where.get(run, ())
        return [
            entry
            for entry in (self.index.entries(run) if parts and self.index.count(run) else ())
            if any((entry.loop, entry.schema.event, entry.order) in part.keys(run) for part in parts)
        ]

    def _entries(self, run: str) -> list[Entry]:
        if not self.has(run):
            raise UnknownRunError(f"no run {run!r} in this store; {nearest(str(run), self.runs())}")
        return self.index.entries(run)

    def find(self, key: Key) -> Record | None:
        """Return the record of a key, if there is one."""
        entry = self.index.by_key.get(key)
        best: tuple[int, Record] | None = None
        for part in self._where.get(key[0], ()):
            row = part.keys(key[0]).get(key[1:])
            if row is not None:
                for _, stamp, record in part.read(key[0], (row, row + 1)):
                    if best is None or stamp < best[0]:
                        best = stamp, record
        if entry is not None and (best is None or entry.stamp < best[0]):
            return self.reader.record(entry)
        return None if best is None else best[1]

    def records(self, run: str) -> Iterator[Record]:
        """Yield the records of a run in append order."""
        places = self.places(run)
        if not places.cold:
            yield from self.reader.read(places.hot)
            return
        found: list[tuple[int, Record]] = []
        for part, _, dropped in places.cold:
            found += [(stamp, record) for row, stamp, record in part.read(run) if row not in dropped]
        hot = zip(places.hot, self.reader.read(places.hot), strict=True)
        found += [(entry.stamp, record) for entry, record in hot]
        found.sort(key=lambda pair: pair[0])
        yield from (record for _, record in found)

    def latest(self, run: str, loop: int) -> Iterator[Record]:
        """Yield the records of one loop of a run, the last one first, without reading those of others."""
        places = self.places(run)
        found: list[tuple[int, Part | None, int]] = []
        for part, _, dropped in places.cold:
            stamps = part.stamps(run)
            rows = sorted(row for key, row in part.keys(run).items() if key[0] == loop and row not in dropped)
            found += [(stamps[row], part, row) for row in rows]
        found += [(entry.stamp, None, i) for i, entry in enumerate(places.hot) if entry.loop == loop]
        found.sort(key=lambda item: item[0])
        for _, owner, place in reversed(found):
            if owner is None:
                yield self.reader.record(places.hot[place])
            else:
                yield from (record for *_, record in owner.read(run, (place, place + 1)))


def _without_doubles(run: str, parts: Iterable[Part], hot: list[Entry]) -> Places:
    """Return the places of a run's records; of two with one key the first in append order counts."""
    owners = list(parts)
    if len(owners) == 1 and not hot:
        return Places([(owners[0], owners[0].cards[run], frozenset())], [])
    best: dict[tuple[int, str, int], tuple[int, int]] = {}
    dropped: list[set[int]] = [set() for _ in owners]

    def stamp(place: tuple[int, int]) -> int:
        return owners[place[0]].stamps(run)[place[1]]

    for number, part in enumerate(owners):
        for key, row in part.keys(run).items():
            twin = best.setdefault(key, (number, row))
            if twin != (number, row):
                late = twin if stamp((number, row)) < stamp(twin) else (number, row)
                dropped[late[0]].add(late[1])
                best[key] = (number, row) if late == twin else twin
    kept = []
    for entry in hot:
        other = best.get((entry.loop, entry.schema.event, entry.order))
        if other is not None and stamp(other) <= entry.stamp:
            continue
        if other is not None:
            dropped[other[0]].add(other[1])
        kept.append(entry)
    return Places([(p, p.cards[run], frozenset(d)) for p, d in zip(owners, dropped, strict=True)], kept)
