"""Verify and repair: read every byte, name every damage, and set damaged bytes aside without ever deleting one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from . import codec, framing, layout
from .errors import DamagedError
from .framing import Frame, Scanner
from .index import Entry
from .locks import hold_file
from .reading import Reader
from .report import Damage, Report


def verify(hot: Path) -> Report:
    """Return the state of the segments in a folder.

    Parameters
    ----------
    hot : the folder of segments; it may be absent.

    Returns
    -------
    Report
    """
    reader = Reader(hot)
    reader.refresh()
    return _report(reader, ())


def _report(reader: Reader, repaired: tuple[str, ...]) -> Report:
    index = reader.index
    damage = reader.damage(torn=True)
    for entry in index.by_key.values():
        try:
            # shapes, array bytes: what the index did not look at
            reader.record(entry)
        except DamagedError as error:
            damage.append(_at(entry, str(error)))
    for one, other in index.duplicates:
        try:
            if not reader.record(one).same_content(reader.record(other)):
                late = max(one, other)
                damage.append(_at(late, f"second record of {late.key} with other content; the first one counts"))
        except DamagedError as error:
            damage.append(_at(max(one, other), str(error)))
    for schema in index.schemas:
        wrong = [n for n, kind in zip(schema.names, schema.kinds, strict=True) if index.kinds.of[n] != kind]
        if any(index.kinds.of[n] != "float" or schema.kinds[schema.names.index(n)] != "int" for n in wrong):
            damage += [_at(e, f"{wrong[0]!r} is of another kind") for e in index.by_key.values() if e.schema == schema]
    frames = sum(segment.scanner.frames for segment in reader.segments.values())
    ordered = sorted(set(damage), key=lambda one: (one.segment, one.offset))
    return Report(len(reader.segments), frames, len(index.by_key), tuple(ordered), repaired)


def _at(entry: Entry, what: str) -> Damage:
    return Damage(entry.segment, entry.offset, what, entry.length)


def repair(root: Path) -> Report:
    """Cut torn tails, write damaged segments anew without the damage, and set aside what was cut.

    Parameters
    ----------
    root : the store's directory.

    Returns
    -------
    Report : of a new verify, with what was done.

    Raises
    ------
    OSError : a step failed; every step leaves a store that reads the same.
    """
    hot, aside = root / layout.HOT, root / layout.DAMAGED
    before = verify(hot)
    done: list[str] = []
    for name in sorted({damage.segment for damage in before.damage}):
        aside.mkdir(exist_ok=True)
        number = layout.segment_number(name)
        if number is None or not (hot / name).is_file() or (hot / name).is_symlink():
            os.rename(hot / name, aside / f"{name}.{secrets.token_hex(4)}")
            done.append(f"{name}: not a segment, moved to {layout.DAMAGED}/")
            continue
        descriptor = os.open(hot / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            if not hold_file(descriptor):
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
    reader = Reader(hot)
    reader.refresh()
    return _report(reader, tuple(done))


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
    scanner = Scanner(name, number)
    sequence = 0
    with open(temporary, "xb") as file:
        for frames in scanner.read(descriptor, os.fstat(descriptor).st_size):
            for frame in frames:
                if frame.offset not in bad and _readable(frame):
                    file.write(framing.pack(frame.kind, layout.segment_number(new) or 0, sequence, frame.payload))
                    file.write(frame.payload)
                    sequence += 1
        file.flush()
        os.fsync(file.fileno())
    # a crash between the two steps leaves every record twice, with the same content: that counts once
    os.rename(temporary, hot / new)
    layout.sync_directory(hot)
    kept = f"{name}.{secrets.token_hex(4)}"
    os.rename(hot / name, aside / kept)
    return f"{name}: {sequence} whole frames moved to {new}, the old file kept as {layout.DAMAGED}/{kept}"


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
