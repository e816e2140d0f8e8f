"""What a disk may show after the power was cut: everything synced, and any part of what was not.

The model is that of POSIX, not of one file system: a sync of a file makes its bytes and length durable and not its
name; a name is durable when its folder was synced; what is not durable may be there or not, each name by itself, each
sector of 512 bytes by itself, with zeros in place of sectors that are not there. Two things that every file system of
today keeps are relied upon: a renamed file is never without any name, and a sector is written whole or not at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from .effects import Effect, History

SECTOR = 512

# For an effect that is not durable: for names whether it is there; for data and sizes the sectors that are there (all,
# none, or a set of numbers) and whether the file's length is.
Choice = Callable[[Effect], tuple[bool | set[int], bool]]


def contents(history: History, last: int, choose: Choice) -> dict[str, bytes | None]:
    """Return the files (bytes) and folders (None) of a disk whose power was cut after event `last`.

    Parameters
    ----------
    history : the effects.
    last : number of the last event that happened.
    choose : says what is left of an effect that was not durable.
    """
    entries: dict[int, dict[str, int]] = {node: {} for node in history.folders()}
    data = {node: bytearray(content) for node, content in history.base.items()}
    dropped: set[int] = set()
    for effect in history.effects:
        if effect.issued > last:
            break
        durable = effect.durable <= last
        kept, size = (True, True) if durable else choose(effect)
        if effect.kind in ("add", "remove"):
            if not kept or (effect.partner is not None and id(effect.partner) in dropped):
                dropped.add(id(effect))
            elif effect.kind == "add":
                entries[effect.folder][effect.name] = effect.node
            elif entries[effect.folder].get(effect.name) == effect.node:
                del entries[effect.folder][effect.name]
        else:
            _apply(data.setdefault(effect.node, bytearray()), effect, kept, size)
    found: dict[str, bytes | None] = {}

    def walk(node: int, prefix: str) -> None:
        for name, child in entries[node].items():
            if child in entries:
                found[prefix + name] = None
                walk(child, f"{prefix}{name}/")
            else:
                found[prefix + name] = bytes(data.get(child, b""))

    walk(0, "")
    return found


def _apply(content: bytearray, effect: Effect, kept: bool | set[int], size: bool) -> None:
    """Put what is kept of a write, or of a change of length, into the bytes of a file."""
    if effect.kind == "size":
        if kept:
            del content[effect.offset :]
            content.extend(bytes(effect.offset - len(content)))
        return
    stop = effect.offset + len(effect.data)
    if kept is True or (size and kept is not True):
        content.extend(bytes(max(0, stop - len(content))))
    if kept is True:
        content[effect.offset : stop] = effect.data
        return
    for sector in sorted(kept or ()):
        start, end = max(effect.offset, sector * SECTOR), min(stop, (sector + 1) * SECTOR)
        if start < end:
            content.extend(bytes(max(0, end - len(content))))
            content[start:end] = effect.data[start - effect.offset : end - effect.offset]


def sectors(effect: Effect) -> range:
    """Return the numbers of the sectors that a write touches."""
    return range(effect.offset // SECTOR, -(-(effect.offset + len(effect.data)) // SECTOR))


def choices(pending: list[Effect], rng: random.Random, *, samples: int) -> Iterator[tuple[str, Choice]]:
    """Yield ways in which effects that are not durable may be there or not: the extremes, each one alone, samples."""
    names = ("add", "remove")
    yield "nothing of it", lambda effect: (False, False)
    yield "all of it", lambda effect: (True, True)
    if not pending:
        return
    yield "names without bytes", lambda effect: (effect.kind in names, False)
    yield "names and lengths, zeros for bytes", lambda effect: (effect.kind in names, True)
    yield "bytes without names", lambda effect: (effect.kind not in names, True)
    for one in rng.sample(pending, min(len(pending), samples)):
        yield f"all but {one.kind} {one.name}", lambda effect, one=one: (effect is not one, False)
        yield f"only {one.kind} {one.name}", lambda effect, one=one: (effect is one, False)
    for number in range(samples):
        share = rng.choice([0.2, 0.5, 0.8])
        picks: dict[int, tuple[bool | set[int], bool]] = {}
        for effect in pending:
            if effect.kind == "data":
                kept = {sector for sector in sectors(effect) if rng.random() < share}
                if rng.random() < 0.3:  # in order, as far as it came
                    kept = set(sectors(effect)[: rng.randint(0, len(sectors(effect)))])
                picks[id(effect)] = (kept, rng.random() < 0.5)
            else:
                picks[id(effect)] = (rng.random() < share, True)
        yield f"sample {number}", lambda effect, picks=picks: picks[id(effect)]


def states(
    history: History, *, seed: int = 0, samples: int = 2, every: int = 1
) -> Iterator[tuple[int, str, dict[str, bytes | None]]]:
    """Yield (last event, what is left, contents) of the disks that power cuts may leave; no disk twice for one event.

    Parameters
    ----------
    history : of a child.
    seed : of the samples.
    samples : how many at random, and how many single effects, for each event.
    every : only after each such event, the first one drawn.
    """
    rng = random.Random(seed)
    seen: set[int] = set()
    last_said: tuple[str, ...] = ()
    for last in range(rng.randrange(every) - 1, len(history.events), every):
        said = tuple(history.said(last))
        if said != last_said:
            seen, last_said = set(), said
        pending = [effect for effect in history.effects if effect.issued <= last < effect.durable]
        for what, choose in choices(pending, rng, samples=samples):
            disk = contents(history, last, choose)
            mark = hash(tuple(sorted((name, content or b"") for name, content in disk.items())))
            if mark not in seen:
                seen.add(mark)
                yield last, what, disk


def make(disk: dict[str, bytes | None], path: Path) -> None:
    """Write a disk's contents into a new folder."""
    path.mkdir(parents=True)
    for name, content in disk.items():
        target = path / name
        if content is None:
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(content)
