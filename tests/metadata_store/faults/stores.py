"""Small stores to begin with, made in this process."""

from __future__ import annotations

from pathlib import Path

from metadata_store import DirectoryStore

from .expected import BLOCKS_FROM, Expected, append, check_store, no_syncs


def nothing(path: Path) -> Expected:
    """No store at all."""
    return Expected()


def filled(path: Path, runs: dict[str, list[int]]) -> Expected:
    """Append the records with some numbers to a store, new or not, each run by its own opening."""
    with no_syncs():
        for run, numbers in runs.items():
            with DirectoryStore(path, durability="none") as store:
                for number in numbers:
                    append(store, run, number)
    return Expected({run: set(numbers) for run, numbers in runs.items()})


def hot(path: Path) -> Expected:
    """Two finished segments, one of them with a torn tail, and a block of samples."""
    expected = filled(path, {"r": [0, 1, 2, BLOCKS_FROM], "s": [0, 1]})
    with open(max((path / "hot").glob("*.seg")), "ab") as file:
        file.write(b"MSF\x1e and no more")
    return expected


def mixed(path: Path) -> Expected:
    """A part in the cold tier, two segments beside it, and blocks."""
    first = filled(path, {"r": [0, 1, 2, BLOCKS_FROM], "s": [0, 3]})
    with no_syncs(), DirectoryStore(path, durability="none") as store:
        store.compact()
    second = filled(path, {"r": [3, 4, BLOCKS_FROM + 1], "t": [1]})
    return Expected({run: first.sure.get(run, set()) | second.sure.get(run, set()) for run in "rst"})


def tiny(path: Path) -> Expected:
    """As little as has one file of each kind: for every bit of it."""
    first = filled(path, {"r": [0, 1, BLOCKS_FROM]})
    with no_syncs(), DirectoryStore(path, durability="none") as store:
        store.compact()
    second = filled(path, {"s": [1]})
    return Expected({"r": first.sure["r"], "s": second.sure["s"]})


def damaged(path: Path) -> Expected:
    """A flipped bit in each of: a segment of the hot tier (a record is lost), a part, a guard, a manifest."""
    expected = mixed(path)
    segment = max((path / "hot").glob("*.seg"))  # the one record of run "t", which is lost
    for file, at in (
        (segment, segment.stat().st_size - 150),
        (next((path / "cold/records").iterdir()), 1000),
        (next((path / "cold/guard").glob("arrays*")), 99),
        (next((path / "manifest").glob("*.json")), 9),
    ):
        data = bytearray(file.read_bytes())
        data[at] ^= 16
        file.write_bytes(data)
    expected.maybe["t"] = expected.sure.pop("t")
    return expected


def check(path: Path, expected: Expected) -> None:
    """Check a store that a killed process left, if there is one."""
    if path.exists() or expected.count:
        check_store(path, expected)


def check_damaged(path: Path, expected: Expected) -> None:
    """Check a store that had damage before the fault: it is readable, and can be repaired now."""
    check_store(path, expected, quiet=False)
