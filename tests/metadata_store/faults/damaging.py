"""Damage: flipped bits, cut, missing and overwritten files of a small store, every file of it."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from metadata_store import framing, layout

from .expected import Expected, check_content, no_syncs, opened

Place = tuple[str, int]  # file, and bit or byte


@dataclass
class Subject:
    """A whole store to be damaged: what is in it, and the bytes of its files by name."""

    expected: Expected
    files: dict[str, bytes]

    @classmethod
    def of(cls, folder: Path, prepare: Callable[[Path], Expected]) -> Subject:
        """Make a store and take its files."""
        path = folder / "subject"
        expected = prepare(path)
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        files = {name: (path / name).read_bytes() for name in names}
        shutil.rmtree(path)
        return cls(expected, files)

    def bits(self) -> list[Place]:
        """Return every bit of every file."""
        return [(name, bit) for name, data in self.files.items() for bit in range(8 * len(data))]

    def cuts(self) -> list[Place]:
        """Return every length that every file could be cut to."""
        return [(name, size) for name, data in self.files.items() for size in range(len(data))]

    def make(self, path: Path, name: str, data: bytes | None) -> None:
        """Write the store with one file changed, or missing."""
        for other, content in {**self.files, name: data}.items():
            if content is not None:
                (path / other).parent.mkdir(parents=True, exist_ok=True)
                (path / other).write_bytes(content)

    def frames(self, name: str) -> list[tuple[bytes, int, int]]:
        """Return kind, start and end of the frames of a segment."""
        number, data = layout.segment_number(Path(name).name), self.files[name]
        found, at = [], 0
        while at < len(data):
            head = framing.read_head(data, at, number)
            assert head is not None
            found.append((head.kind, at, at + framing.HEADER + head.length))
            at = found[-1][2]
        return found


def flipped(data: bytes, bit: int) -> bytes:
    """Return bytes with one bit turned over."""
    bad = bytearray(data)
    bad[bit // 8] ^= 1 << bit % 8
    return bytes(bad)


def _records(found: dict[str, list[int]]) -> set[tuple[str, int]]:
    return {(run, number) for run, numbers in found.items() for number in numbers}


def check_damaged(
    subject: Subject, path: Path, name: str, data: bytes | None, *, may_lose: int, mend: bool, exact: bool
) -> tuple[int, bool]:
    """Check a store of which one file is damaged.

    Parameters
    ----------
    subject : the store.
    path : where it is made; removed afterwards.
    name, data : the file, and what it holds now; None if it is missing.
    may_lose : records that may be lost, at most.
    mend : repair it and check it again, too.
    exact : the file must be as it was after the repair.

    Returns
    -------
    (int, bool) : records lost, and whether `verify` reported something.
    """
    everything = _records({run: sorted(numbers) for run, numbers in subject.expected.sure.items()})
    lenient = Expected({}, subject.expected.sure)
    subject.make(path, name, data)
    with no_syncs():
        with opened(path) as (store, _):
            found = check_content(store, lenient)
            report = store.verify()
        lost = everything - _records(found)
        assert len(lost) <= may_lose, f"lost are {sorted(lost)}"
        assert not report.ok or not lost, "records are lost, and verify does not say so"
        if mend:
            with opened(path) as (store, _):
                repaired = store.repair()
                # a block that is lost stays lost, and is said to be
                left = [one for one in repaired.damage if not (lost and "blocks" in one.segment)]
                assert not left, str(repaired)
                assert not exact or (path / name).read_bytes() == subject.files[name], "it was not restored exactly"
                again = check_content(store, lenient)
                assert _records(found) <= _records(again), "repair lost records"
            with opened(path) as (store, said):
                assert check_content(store, lenient) == again
                assert store.verify().damage == repaired.damage
            assert not said or repaired.damage, said
    shutil.rmtree(path)
    return len(lost), not report.ok


def sample(places: list[Place], count: int | None, seed: int) -> list[Place]:
    """Return all places, or as many of each file, in order."""
    if count is None:
        return places
    rng, by_file = random.Random(seed), {}
    for place in places:
        by_file.setdefault(place[0], []).append(place)
    each = max(1, count // len(by_file))
    return [place for own in by_file.values() for place in sorted(rng.sample(own, min(each, len(own))))]


def flips(folder: Path, subject: Subject, places: Iterable[Place], *, mend_each: int = 1) -> Counter[str]:
    """Turn single bits over: the store opens, nothing is lost but the record hit, all is reported, repair restores.

    Parameters
    ----------
    folder : where stores are made.
    subject : the store.
    places : (file, bit).
    mend_each : repair after each such flip only.

    Returns
    -------
    Counter : flips, and records lost, by kind of file.
    """
    counts = Counter[str]()
    for number, (name, bit) in enumerate(places):
        is_hot = name.startswith(f"{layout.HOT}/")
        hit = (
            any(kind == b"R" and start <= bit // 8 < end for kind, start, end in subject.frames(name))
            if is_hot
            else False
        )
        with _about(f"bit {bit} of {name} turned over"):
            lost, noticed = check_damaged(
                subject,
                folder / "flip",
                name,
                flipped(subject.files[name], bit),
                may_lose=int(hit),
                mend=number % mend_each == 0,
                exact=not is_hot and not name.startswith(("cold/guard", "LOCK")),
            )
            assert noticed or name == layout.LOCK_FILE, "verify has not noticed"
        counts.update({f"flips: {kind_of(name)}": 1, f"records lost: {kind_of(name)}": lost, "flips": 1})
    return +counts


def cuts(folder: Path, subject: Subject, places: Iterable[Place], *, mend_each: int = 1) -> Counter[str]:
    """Cut files short: the store opens, whole records of other files and frames are there, loss is reported.

    Parameters
    ----------
    folder : where stores are made.
    subject : the store.
    places : (file, length that is left).
    mend_each : repair after each such cut only.

    Returns
    -------
    Counter : cuts, and records lost, by kind of file.
    """
    counts = Counter[str]()
    for number, (name, size) in enumerate(places):
        may_lose, at_end = subject.expected.count, False
        if name.startswith(f"{layout.HOT}/"):
            ends = subject.frames(name)
            may_lose = sum(kind == b"R" and end > size for kind, _, end in ends)
            at_end = size in {0, *(end for _, _, end in ends)}  # a log that ends here is whole, as far as one can see
        elif not name.startswith(("cold/records", "cold/arrays", "blocks")):
            may_lose = 0
        with _about(f"{name} cut to {size} bytes"):
            if at_end:
                continue
            lost, noticed = check_damaged(
                subject,
                folder / "cut",
                name,
                subject.files[name][:size],
                may_lose=may_lose,
                mend=number % mend_each == 0,
                exact=False,
            )
            assert noticed or name == layout.LOCK_FILE, "verify has not noticed"
        counts.update({f"cuts: {kind_of(name)}": 1, f"records lost: {kind_of(name)}": lost, "cuts": 1})
    return +counts


def kind_of(name: str) -> str:
    """Return what a file is: its folder and ending."""
    folder, _, file = name.rpartition("/")
    if folder == "cold/guard":
        return f"guard of {file.partition('-')[0]}"
    return f"{folder or file}{Path(file).suffix}" if folder else file


class _about:
    """Say in an error which damage it was about."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self.what)
