"""Verify and repair of everything that is finished: first file, manifests, parts, guards, blocks of samples."""

from __future__ import annotations

import os
from collections.abc import Callable

from . import blocks, layout, selecting, tables
from .cold import manifest as manifests
from .cold.guard import Guard
from .cold.manifest import FileNote
from .cold.parquet import guard_name
from .cold.part import Part
from .cold.salvaging import salvage
from .errors import DamagedError
from .files import Files
from .kinds import TEXT
from .log import Log
from .report import Damage, Report

BLOCK = 2**16
Progress = Callable[[int, int], None]


class Ticks:
    """Tells how far a long reading is.

    Parameters
    ----------
    progress : called with (done, total), or None.
    total : pieces in all.
    """

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self.done = 0

    def to(self, done: int) -> None:
        """Say how many pieces are done."""
        self.done = max(self.done, min(done, self._total))
        if self._progress is not None:
            self._progress(self.done, self._total)


def verify_cold(log: Log, tick: Ticks) -> tuple[list[Damage], int]:
    """Read every byte of every finished file.

    Parameters
    ----------
    log : up to date, quiet.
    tick : for the progress.

    Returns
    -------
    (damage, number of files read)
    """
    damage = list(log.damage.values())
    files = log.files
    checked = 0
    first = files.sizes("").get(layout.FORMAT_FILE)
    if first is not None:
        checked += 1
        if layout.version_of(files.fetch(layout.FORMAT_FILE, 0, 4096)) is None:
            damage.append(Damage(layout.FORMAT_FILE, 0, "damaged: it does not say the format of the store", first))
    damage += _manifests(log)
    wanted = {note.name: note for part in log.manifest.parts for note in part.files}
    for name, note in [*wanted.items(), *((name, None) for name in block_files(files))]:
        checked += 1
        damage += _file(log, name, note)
        tick.to(tick.done + (note.bytes // BLOCK + 1 if note is not None else 0))
    for folder in (layout.RECORDS, layout.ARRAYS):
        for file, size in sorted(files.sizes(folder).items()):
            part = manifests.part_id(file)
            young = part is not None and manifests.age_of(part) < files.linger  # of a compactor that may be alive
            if f"{folder}/{file}" not in wanted and not young:
                damage.append(Damage(f"{folder}/{file}", 0, "in no manifest; the next compaction removes it", size))
    there = block_files(files)
    for file in sorted(_named_blocks(log)) if log.index.kinds.of.get("block.file") == TEXT else ():
        if file not in there:
            damage.append(Damage(file, 0, "a record names this block, and it is missing", 0))
    return damage, checked


def _named_blocks(log: Log) -> set[str]:
    kinds = {"block.file": TEXT}
    selection, sources = selecting.select(log, log.runs(), kinds, long=True)
    return set(tables.long(selection, sources, kinds)["text"].dropna())


def block_files(files: Files) -> list[str]:
    """Return the names of all blocks of samples."""
    return [f"{layout.BLOCKS}/{file}" for file in sorted(files.sizes(layout.BLOCKS)) if file.endswith(".parquet")]


def _manifests(log: Log) -> list[Damage]:
    found = []
    for number in manifests.numbers(log.files):
        for name in manifests.file_names(number):
            try:
                if manifests.Manifest.parse(log.files.fetch(name, 0, 2**30)).number != number:
                    found.append(Damage(name, 0, "the manifest of another number", 0))
            except FileNotFoundError:
                found.append(Damage(name, 0, "missing", 0))
            except DamagedError as error:
                found.append(Damage(name, 0, str(error), log.files.sizes(layout.MANIFEST)[name.rpartition("/")[2]]))
    return found


def _file(log: Log, name: str, note: FileNote | None) -> list[Damage]:
    """Return the damage of a finished file and of its guard."""
    files = log.files

    def fetch(start: int, length: int) -> bytes:
        return files.fetch(name, start, length)

    folder, _, file = name.rpartition("/")
    size = files.sizes(folder).get(file)
    if size is None:
        return [Damage(name, 0, "missing", 0 if note is None else note.bytes)]
    found: list[Damage] = []
    guard: Guard | None = None
    try:
        guard = Guard.parse(files.fetch(guard_name(name), 0, 2**40))
        if note is not None and (guard.size, guard.digest.hex()) != (note.bytes, note.digest):
            guard = None
            found.append(Damage(guard_name(name), 0, "the guard of another file", 0))
    except FileNotFoundError:
        found.append(Damage(guard_name(name), 0, "missing", 0))
    except DamagedError as error:
        found.append(Damage(guard_name(name), 0, str(error), 0))
    if guard is None:
        if note is not None and (size != note.bytes or Guard.of(fetch, size).digest.hex() != note.digest):
            found.append(Damage(name, 0, "damaged, and its guard too", size))
        return found
    for number in guard.damaged(fetch):
        start, length = guard.span(number)
        try:
            guard.restore(number, fetch)
            found.append(Damage(name, start, "damaged bytes, read from their parity", length))
        except DamagedError as error:
            found.append(Damage(name, start, f"lost: {error}", length))
    if size > guard.size:
        found.append(Damage(name, guard.size, "bytes after the end of the file", size - guard.size))
    return found


def repair_cold(files: Files, before: Report) -> list[str]:
    """Mend finished files, and compact anew, without their lost rows, those that cannot be mended.

    Returns
    -------
    list of str : what was done.
    """
    done: list[str] = []
    names = {damage.segment for damage in before.damage}
    if layout.FORMAT_FILE in names:
        kept = _keep(files, layout.FORMAT_FILE)
        files.replace(layout.FORMAT_FILE, layout.format_text(layout.NEWEST))
        done.append(f"{layout.FORMAT_FILE}: written anew{kept}")
    done += _repair_manifests(files, names)
    log = Log(files)
    log.quiet = True
    log.refresh()
    log.lose_patience()  # what is missing now is lost: nobody else compacts
    wanted = {note.name: note for part in log.manifest.parts for note in part.files}
    lost: set[str] = set()
    for name, note in [*wanted.items(), *((name, None) for name in block_files(files))]:
        if name in names or guard_name(name) in names:
            what = _mend(files, name, note)
            if what is None:
                lost.add(name)
            else:
                done.append(what)
    parts = [part for part in log.parts if any(note.name in lost for note in part.note.files)]
    gone = [note for note in log.manifest.parts if note.id not in {part.note.id for part in log.parts}]
    if parts or gone or any("in no manifest" in damage.what for damage in before.damage):
        done += _salvage(log, parts, [note.id for note in gone])
    for name in sorted(lost - {n.name for part in parts for n in part.note.files}):
        if any(name in {note.name for note in part.files} for part in gone):
            continue
        done.append(f"{name}: cannot be mended, left as it is")
    return done


def _repair_manifests(files: Files, names: set[str]) -> list[str]:
    done: list[str] = []
    numbers = manifests.numbers(files)
    for number in numbers:
        own = [name for name in manifests.file_names(number) if name in names]
        if not own:
            continue
        try:
            found: manifests.Manifest | None = manifests.read(files, number)[0]
        except DamagedError:
            found = None
        what = "from its copy"
        if found is None and number == numbers[-1]:
            log = Log(files)
            log.quiet = True
            found = log.from_files(number)
            what = f"from the {len(found.parts)} parts that are there"
        for name in own:
            kept = _keep(files, name)
            if found is not None:
                files.replace(name, found.pack())
                done.append(f"{name}: written anew {what}{kept}")
            else:
                files.remove(name)
                done.append(f"{name}: an older manifest, removed{kept}")
    return done


def _keep(files: Files, name: str) -> str:
    """Keep the damaged bytes of a file, if it is there; return the end of a sentence that says where."""
    folder, _, file = name.rpartition("/")
    return f", the damaged file kept as {files.keep(name)}" if file in files.sizes(folder) else ""


def _mend(files: Files, name: str, note: FileNote | None) -> str | None:
    """Write a damaged file, or its guard, as it was; return what was done, or None if it cannot be."""

    def fetch(start: int, length: int) -> bytes:
        return files.fetch(name, start, length)

    folder, _, file = name.rpartition("/")
    size = files.sizes(folder).get(file)
    if size is None:
        return None
    try:
        guard = Guard.parse(files.fetch(guard_name(name), 0, 2**40))
        if note is not None and (guard.size, guard.digest.hex()) != (note.bytes, note.digest):
            raise DamagedError("the guard of another file")
    except (DamagedError, FileNotFoundError):
        return _new_guard(files, name, note, size)
    wrong = guard.damaged(fetch)
    if not wrong and size == guard.size:
        return f"{name}: whole"
    path = files.scratch() / f"{file}.mended"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            for number in range(len(guard.sums)):
                start, length = guard.span(number)
                layout.write_all(descriptor, guard.restore(number, fetch) if number in wrong else fetch(start, length))
        finally:
            os.close(descriptor)
        kept = _keep(files, name)
        files.publish(path, name)
    except DamagedError:
        return None
    finally:
        path.unlink(missing_ok=True)
    return f"{name}: {len(wrong)} blocks restored exactly{kept}"


def _new_guard(files: Files, name: str, note: FileNote | None, size: int) -> str | None:
    guard = Guard.of(lambda start, length: files.fetch(name, start, length), size)
    if note is not None and (size, guard.digest.hex()) != (note.bytes, note.digest):
        return None
    if note is None and blocks.unguarded(files, name) is None:
        return None
    end = int.from_bytes(files.fetch(name, size - 8, 4), "little") + 8
    guard = Guard.of(lambda start, length: files.fetch(name, start, length), size, min(end, size))
    own = guard_name(name)
    kept = _keep(files, own)
    files.replace(own, guard.pack())
    return f"{own}: made anew{kept}"


def _salvage(log: Log, parts: list[Part], gone: list[str]) -> list[str]:
    """Replace parts by parts of the rows that can be read, and forget parts of which nothing can be."""
    aside = [note for part in parts for note in part.note.files]
    aside += [note for part in log.manifest.parts if part.id in gone for note in part.files]
    for note in aside:
        folder, _, file = note.name.rpartition("/")
        if file in log.files.sizes(folder):
            log.files.keep(note.name)
    rows = salvage(log, parts, gone)
    lost = sum(part.note.rows for part in parts) + sum(p.rows for p in log.manifest.parts if p.id in gone) - rows
    return [f"{len(parts) + len(gone)} parts replaced, {rows} records kept, {lost} lost; the damaged files are kept"]
