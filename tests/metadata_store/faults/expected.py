"""What the parent knows of a store, and the checks that a store must pass after any fault."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np

from metadata_store import Damage, DamagedError, DirectoryStore, MemoryStore, Record, Report, StoreWarning


def record(number: int, run: str = "r") -> Record:
    """Return the record with a number: small, and different for each number and run."""
    values = {"score": number / 7, "labels": number, "note": f"{run} {number}", "stop": number % 2 == 0}
    if number % 3 == 0:
        values[f"user.s{number % 4}"] = -number / 3
    return Record(run, number, "tell", values, {"ids": np.arange(number, number + number % 5, dtype=np.int32)})


def block(number: int, run: str = "r") -> dict[str, np.ndarray]:
    """Return the columns of the per-sample table with a number."""
    rows = 3 + number % 4
    return {"row": np.arange(rows), "score": np.linspace(0, number, rows) + len(run)}


# what a killed process leaves behind, and no loss: a frame that it had not finished, files that nothing names yet
HARMLESS = ("torn", "in no manifest", "unfinished", "no copy")


def harmless(damage: Damage) -> bool:
    """Say whether a damage is only what a killed process leaves behind."""
    return any(what in damage.what for what in HARMLESS) or (damage.segment.endswith(".copy") and "miss" in damage.what)


BLOCKS_FROM = 1_000_000  # loops of blocks, so that they are not those of records


@dataclass
class Expected:
    """The records of runs that must be in a store, and those that may be.

    Parameters
    ----------
    sure : numbers of the acknowledged records, by run.
    maybe : numbers of those that were begun, and never answered.
    """

    sure: dict[str, set[int]] = field(default_factory=dict)
    maybe: dict[str, set[int]] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        """Take a child's line: "try RUN N …" before an append, "done RUN N …" after it."""
        word, *rest = line.split(" ")
        if word == "try":
            self.maybe.setdefault(rest[0], set()).update(map(int, rest[1:]))
        elif word == "done":
            self.sure.setdefault(rest[0], set()).update(map(int, rest[1:]))
        elif word == "!":
            raise AssertionError(f"the child failed: {' '.join(rest)}")

    def hear_all(self, lines: Iterable[str]) -> Expected:
        """Take many lines."""
        for line in lines:
            self.hear(line)
        return self

    def copy(self) -> Expected:
        """Return a copy that can be changed."""
        return Expected({r: set(n) for r, n in self.sure.items()}, {r: set(n) for r, n in self.maybe.items()})

    def settled(self) -> None:
        """Take note that what may be there was appended once more, and is."""
        for run, numbers in self.maybe.items():
            self.sure.setdefault(run, set()).update(numbers)

    @property
    def count(self) -> int:
        """The number of records that must be there."""
        return sum(map(len, self.sure.values()))


@contextlib.contextmanager
def no_syncs() -> Iterator[None]:
    """Make syncs of this process do nothing: for checks of thousands of stores that nobody needs tomorrow."""
    with mock.patch.object(os, "fsync", return_value=None), mock.patch.object(os, "fdatasync", return_value=None):
        yield


@contextlib.contextmanager
def opened(path: Path, durability: str = "none") -> Iterator[tuple[DirectoryStore, list[str]]]:
    """Open a store, and collect its warnings instead of raising them."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store = DirectoryStore(path, durability=durability)
        try:
            yield store, said
            said += [str(one.message) for one in caught if issubclass(one.category, StoreWarning)]
        finally:
            store.close()
    wrong = [one for one in caught if not issubclass(one.category, StoreWarning)]
    assert not wrong, wrong[0].message


def check_content(store: DirectoryStore, expected: Expected) -> dict[str, list[int]]:
    """Check that a store holds all of what it must, nothing twice, nothing wrong; return the numbers by run.

    A block of samples that the store says is damaged counts as not there.
    """
    found: dict[str, list[int]] = {}
    for run in store.runs():
        numbers = []
        records = store.records(run)
        for one in records:
            if one.event != "block":
                assert one.same_content(record(one.loop, run)), f"record {one.loop} of {run!r} has other content"
            elif not whole_block(store, one):
                continue
            numbers.append(one.loop)
        assert len(numbers) == len(set(numbers)), f"records of {run!r} are there twice"
        assert store.count(run) >= len(records)
        found[run] = numbers
    for run, sure in expected.sure.items():
        lost = sure - set(found.get(run, ()))
        assert not lost, f"acknowledged records of {run!r} are lost: {sorted(lost)[:5]}"
    for run, numbers in found.items():
        strange = set(numbers) - expected.sure.get(run, set()) - expected.maybe.get(run, set())
        assert not strange, f"records of {run!r} that nobody wrote: {sorted(strange)[:5]}"
    return found


def whole_block(store: DirectoryStore, one: Record) -> bool:
    """Say whether the block that a record names can be read; fail if what is read is wrong."""
    try:
        table = store.block(one.run, one.loop, str(one.values["block.name"]))
    except DamagedError:
        return False
    wanted = {name: column.tolist() for name, column in block(one.loop - BLOCKS_FROM, one.run).items()}
    assert table.to_pydict() == wanted, f"the block {one.loop} of {one.run!r} has other content"
    return True


def check_views(store: DirectoryStore, found: dict[str, list[int]]) -> None:
    """Check that the tables of a store agree with a store in memory of the same records."""
    import pandas as pd

    model = MemoryStore()
    plain = {run: [number for number in numbers if number < BLOCKS_FROM] for run, numbers in found.items()}
    for run, numbers in plain.items():
        at = {one.loop: one.at for one in store.records(run)}
        model.append_many([Record(**{**vars(record(number, run)), "at": at[number]}) for number in numbers])
    runs = [run for run, numbers in plain.items() if numbers and len(numbers) == len(found[run])]
    for long in (False, True):
        one, other = store.frame(runs=runs, long=long), model.frame(runs=runs, long=long)
        if not long:  # columns that all of these runs lack may come from other runs
            one, other = (frame[sorted(frame.columns)].dropna(axis=1, how="all") for frame in (one, other))
        pd.testing.assert_frame_equal(one, other)


def check_store(
    path: Path, expected: Expected, *, quiet: bool = True, views: bool = False, next_number: int = 900_000
) -> Report:
    """Check a store after a crash: it opens, is complete, says what is damaged, can be mended, and goes on.

    Parameters
    ----------
    path : the store; it is changed (repaired, appended to).
    expected : what must and may be there.
    quiet : no warning is allowed when it is opened (after a kill; a power cut may leave real damage).
    views : compare the tables too.
    next_number : a record that is not there yet.

    Returns
    -------
    Report : of the first `verify`.
    """
    with no_syncs():
        with opened(path) as (store, said):
            found = check_content(store, expected)
            report = store.verify()
            assert report.records == sum(map(len, found.values())), f"{report} but {found} can be read"
            if views:
                check_views(store, found)
        assert not (quiet and said), said
        assert report.ok or not quiet or all(map(harmless, report.damage)), str(report)
        with opened(path) as (store, _):
            repaired = store.repair()
            assert repaired.ok, str(repaired)
            assert check_content(store, expected) == found, "repair changed what can be read"
            # what is unknown is settled by appending it again; then the store goes on
            for run, numbers in expected.maybe.items():
                for number in sorted(numbers):
                    append(store, run, number)
            store.append(record(next_number, "next"))
        after = expected.copy()
        after.settled()
        after.sure.setdefault("next", set()).add(next_number)
        with opened(path) as (store, said):
            check_content(store, after)
            assert store.verify().ok
        assert not said, said
    return report


def append(store: DirectoryStore, run: str, number: int) -> None:
    """Append the record, or the block, with a number."""
    if number < BLOCKS_FROM:
        store.append(record(number, run))
    else:
        store.append_block(run, number, block(number - BLOCKS_FROM, run))
