"""Which segments are finished, and verify and repair: read every byte, name every damage, never delete one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from . import codec, framing, layout
from .checking_cold import BLOCK, Progress, Ticks, repair_cold, verify_cold
from .cold import manifest as manifests
from .errors import DamagedError
from .files import Files, LocalFiles
from .framing import Frame, Scanner
from .index import Entry
from .locks import hold_file
from .log import Log
from .report import Damage, Report


def finished(log: Log) -> tuple[contextlib.AbstractContextManager[list[str]], list[str]]:
    """Return the segments that nobody writes any more and that are whole, held for as long as the context lasts.

    Parameters
    ----------
    log : up to date.

    Returns
    -------
    (context of names, why other segments are left)
    """
    names, left = [], []
    doubled = conflicts(log)
    for name, segment in sorted(log.reader.segments.items()):
        damage = segment.problems(torn=True) + [place for place in doubled if place.segment == name]
        if damage:
            left.append(f"{name}: {damage[0].what} at byte {damage[0].offset}; repair the store first")
        else:
            names.append(name)
    return _held(log, names, left), left


@contextlib.contextmanager
def _held(log: Log, names: list[str], left: list[str]) -> Iterator[list[str]]:
    """Hold the marks of segments while they are compacted, so that no writer can take one for its own."""
    if not isinstance(log.files, LocalFiles):
        yield names  # objects are written whole
        return
    with contextlib.ExitStack() as stack:
        mine = []
        for name in names:
            try:
                descriptor = os.open(log.files.root / layout.HOT / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            stack.callback(os.close, descriptor)
            scanner = log.reader.segments[name].scanner
            held = hold_file(descriptor)
            if held is False or (held is None and not scanner.sealed):
                left.append(f"{name}: another process is writing it")
            elif os.fstat(descriptor).st_size != scanner.size:
                left.append(f"{name}: it grew a moment ago; compact again")
            else:
                mine.append(name)
        yield mine


def verify(files: Files, repaired: tuple[str, ...] = (), progress: Progress | None = None) -> Report:
    """Return the state of a store.

    Parameters
    ----------
    files : of the store.
    repaired : for the report.
    progress : called with (pieces read, pieces in all); a piece is a record of a segment, or 64 KiB of a finished file.

    Returns
    -------
    Report
    """
    for attempt in range(100):
        before = manifests.numbers(files)[-1:]
        try:
            report = _verify(files, repaired, progress)
        except FileNotFoundError:
            if manifests.numbers(files)[-1:] == before and attempt:
                raise
            continue
        # what a compaction took away meanwhile looks like missing files
        if report.ok or manifests.numbers(files)[-1:] == before:
            break
    return report


def _verify(files: Files, repaired: tuple[str, ...], progress: Progress | None) -> Report:
    log = Log(files)
    log.quiet = True
    log.refresh()
    hot = len(log.index.by_key)
    total = hot + sum(note.bytes // BLOCK + 1 for part in log.manifest.parts for note in part.files)
    tick = Ticks(progress, total)
    damage = log.reader.damage(torn=True) + verify_hot(log, tick)
    cold, checked = verify_cold(log, tick)
    damage += cold
    tick.to(total)
    frames = sum(segment.scanner.frames for segment in log.reader.segments.values())
    records = sum(log.count(run) for run in log.runs())
    ordered = sorted(set(damage), key=lambda one: (one.segment, one.offset))
    return Report(len(log.reader.segments), frames, records, tuple(ordered), repaired, checked)


def verify_hot(log: Log, tick: Ticks) -> list[Damage]:
    """Return the damage of segments that scanning does not see."""
    reader, index = log.reader, log.index
    damage = []
    for done, entry in enumerate(index.by_key.values()):
        if done % 256 == 0:
            tick.to(done)
        try:
            # shapes, array bytes: what the index did not look at
            reader.record(entry)
        except DamagedError as error:
            damage.append(_at(entry, str(error)))
    damage += conflicts(log)
    known = index.kinds.of
    for schema in index.schemas:
        wrong = [(n, k) for n, k in zip(schema.names, schema.kinds, strict=True) if known[n] != k]
        if any(known[n] != "float" or kind != "int" for n, kind in wrong):
            damage += [
                _at(e, f"{wrong[0][0]!r} is of another kind") for e in index.by_key.values() if e.schema == schema
            ]
    return damage


def conflicts(log: Log) -> list[Damage]:
    """Return the records of segments whose key has another record, with other content, that counts."""
    damage = []
    for one, other in log.index.duplicates:
        late = max(one, other)
        try:
            if not log.reader.record(one).same_content(log.reader.record(other)):
                damage.append(_at(late, f"second record of {late.key} with other content; the first one counts"))
        except DamagedError as error:
            damage.append(_at(late, str(error)))
    for run in log.index.runs():
        for entry in log.doubled(run):
            kept = log.find(entry.key)
            try:
                if kept is not None and not kept.same_content(log.reader.record(entry)):
                    damage.append(_at(entry, f"second record of {entry.key} with other content; the first one counts"))
            except DamagedError as error:
                damage.append(_at(entry, str(error)))
    return damage


def _at(entry: Entry, what: str) -> Damage:
    return Damage(entry.segment, entry.offset, what, entry.length)


def repair(files: Files, progress: Progress | None = None) -> Report:
    """Mend what can be mended exactly, cut what is damaged out of the rest, and set aside what was cut.

    Parameters
    ----------
    files : of the store.
    progress : called with (pieces read, pieces in all) of the verify before and of the one after.

    Returns
    -------
    Report : of a new verify, with what was done.

    Raises
    ------
    OSError : a step failed; every step leaves a store that reads the same.
    """
    before = verify(files, progress=progress)
    done = repair_cold(files, before)
    if isinstance(files, LocalFiles):
        done += _repair_hot(files.root, before)
    else:
        done += _repair_objects(files, before)
    return verify(files, tuple(done), progress)


def _repair_hot(root: Path, before: Report) -> list[str]:
    hot, aside = root / layout.HOT, root / layout.DAMAGED
    done: list[str] = []
    for name in sorted({damage.segment for damage in before.damage if "/" not in damage.segment}):
        if name == layout.FORMAT_FILE or not os.path.lexists(hot / name):
            continue
        aside.mkdir(exist_ok=True)
        number = layout.segment_number(name)
        if number is None or not (hot / name).is_file() or (hot / name).is_symlink():
            os.rename(hot / name, aside / f"{name}.{secrets.token_hex(4)}")
            done.append(f"{name}: not a segment, moved to {layout.DAMAGED}/")
            continue
        descriptor = os.open(hot / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            if hold_file(descriptor) is False:
                done.append(f"{name}: left alone, another process is writing it")
                continue
            places = [damage for damage in before.damage if damage.segment == name]
            if len(places) == 1 and places[0].what == framing.TORN:
                done.append(_cut_tail(descriptor, aside, name, places[0].offset))
            else:
                done.append(_rewrite(descriptor, hot, aside, name, number, {damage.offset for damage in places}))
        finally:
            os.close(descriptor)
    if done:
        layout.sync_directory(aside)
        layout.sync_directory(root)
        layout.sync_directory(hot)
    return done


def _repair_objects(files: Files, before: Report) -> list[str]:
    """Set damaged objects aside, after their whole frames were put into a new one."""
    done: list[str] = []
    for name in sorted({damage.segment for damage in before.damage if "/" not in damage.segment}):
        number = layout.segment_number(name)
        size = files.sizes(layout.HOT).get(name)
        if size is None:
            continue
        bad = {damage.offset for damage in before.damage if damage.segment == name}
        path = f"{layout.HOT}/{name}"
        if number is not None:
            new = layout.segment_name()
            frames = _whole_frames(lambda at, length, path=path: files.fetch(path, at, length), size, name, number, bad)  # type: ignore[misc]
            data, count = _renumbered(frames, layout.segment_number(new) or 0)
            if count:
                files.put(f"{layout.HOT}/{new}", data)
        kept = files.keep(path)
        files.remove(path)
        done.append(f"{name}: whole frames put into a new object, the old one kept as {kept}")
    return done


def _cut_tail(descriptor: int, aside: Path, name: str, offset: int) -> str:
    """Keep the bytes after the last whole frame in a file of their own, then cut them off."""
    size = os.fstat(descriptor).st_size
    tail = b""
    while len(tail) < size - offset:
        part = os.pread(descriptor, size - offset - len(tail), offset + len(tail))
        if not part:
            break
        tail += part
    kept = f"{name}.{offset}-{size}.{secrets.token_hex(4)}"
    layout.write_durably(aside / kept, tail)
    layout.sync_directory(aside)
    os.ftruncate(descriptor, offset)
    os.fsync(descriptor)
    return f"{name}: {size - offset} bytes cut at byte {offset}, kept in {layout.DAMAGED}/{kept}"


def _rewrite(descriptor: int, hot: Path, aside: Path, name: str, number: int, bad: set[int]) -> str:
    """Write the whole frames into a new segment, then move the old one aside."""
    new = layout.segment_name()
    temporary = aside / f"{new}.unfinished"
    size = os.fstat(descriptor).st_size
    frames = _whole_frames(lambda at, length: os.pread(descriptor, length, at), size, name, number, bad)
    data, count = _renumbered(frames, layout.segment_number(new) or 0)
    layout.write_durably(temporary, data)
    # a crash between the two steps leaves every record twice, with the same content: that counts once
    os.rename(temporary, hot / new)
    layout.sync_directory(hot)
    kept = f"{name}.{secrets.token_hex(4)}"
    os.rename(hot / name, aside / kept)
    return f"{name}: {count} whole frames moved to {new}, the old file kept as {layout.DAMAGED}/{kept}"


def _whole_frames(fetch: framing.Fetch, size: int, name: str, number: int, bad: set[int]) -> Iterator[Frame]:
    for frames in Scanner(name, number).read(fetch, size):
        yield from (frame for frame in frames if frame.offset not in bad and _readable(frame))


def _renumbered(frames: Iterator[Frame], number: int) -> tuple[bytes, int]:
    pieces: list[bytes | memoryview] = []
    for frame in frames:
        pieces += [framing.pack(frame.kind, number, len(pieces) // 2, frame.payload), bytes(frame.payload)]
    return b"".join(pieces), len(pieces) // 2


def _readable(frame: Frame) -> bool:
    """Say whether a frame with a right checksum means anything."""
    try:
        if frame.kind == b"S":
            codec.Schema.parse(frame.payload)
        elif frame.kind == b"R":
            codec.read_table([frame.payload])
    except DamagedError:
        return False
    return True
