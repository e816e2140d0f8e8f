"""What children do, as functions of (talk, root, …). Every append is announced by "try" and acknowledged by "done"."""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from metadata_store import DirectoryStore, StoreError, StoreWarning

from .expected import BLOCKS_FROM, append, record
from .nursery import Talk

warnings.simplefilter("ignore", StoreWarning)


def put(talk: Talk, store: DirectoryStore, run: str, *numbers: int) -> None:
    """Append the records with some numbers, at once if there are several."""
    talk.say("try", run, *numbers)
    if len(numbers) == 1:
        append(store, run, numbers[0])
    else:
        store.append_many([record(number, run) for number in numbers])
    talk.say("done", run, *numbers)


def warm_up() -> None:
    """Do everything once in the nursery, so that no child has to import what is imported late."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            with DirectoryStore(Path(folder) / "store", durability="none") as store:
                store.append_many([record(number) for number in range(3)])
                store.records("r")
                store.verify()
                store.repair()
                append(store, "r", BLOCKS_FROM)
                store.compact()


def write(
    talk: Talk, root: Path, *, run: str = "r", start: int = 0, count: int = 10, durability: str = "commit"
) -> None:
    """Append records one by one and close the store."""
    store = DirectoryStore(root, durability=durability)
    for number in range(start, start + count):
        put(talk, store, run, number)
    store.close()


def busy(
    talk: Talk, root: Path, *, seed: int, start: int, run: str = "r", durability: str = "commit", again: list[list]
) -> None:
    """Do this and that, at random, until killed; begin with appending `again` what nobody knows about."""
    rng = random.Random(seed)
    store = DirectoryStore(root, durability=durability)
    talk.say("ready")
    for name, *numbers in again:
        for number in numbers:
            put(talk, store, name, number)
    number = start
    while True:
        what = rng.random()
        if what < 0.6:
            put(talk, store, run, number)
            number += 1
        elif what < 0.8:
            several = range(number, number + rng.randint(2, 6))
            put(talk, store, run, *several)
            number = several.stop
        elif what < 0.9:
            put(talk, store, run, BLOCKS_FROM + number)
            number += 1
        elif what < 0.94:
            store.compact()
        elif what < 0.97:
            store.records(run) if store.count(run) else store.runs()
        else:
            store.close()
            store = DirectoryStore(root, durability=durability)


def stubborn(
    talk: Talk, root: Path, *, run: str = "r", count: int = 3, durability: str = "commit", tries: int = 4
) -> None:
    """Append records and close, again and again when that fails; say each trouble, give up after some tries."""

    def insist(what: Callable[[], object]) -> object:
        for _ in range(tries):
            try:
                return what()
            except StoreError as error:
                talk.say("trouble", type(error).__name__)
        return None

    store = insist(lambda: DirectoryStore(root, durability=durability))
    if store is None:
        return
    for number in range(count):
        insist(lambda number=number: put(talk, store, run, number))
    insist(lambda: put(talk, store, run, *range(count, 2 * count)))
    insist(store.close)


def stubborn_keeper(talk: Talk, root: Path, *, tries: int = 4) -> None:
    """Compact and repair a store, again and again when that fails."""
    for what in ("compact", "repair"):
        for _ in range(tries):
            try:
                with DirectoryStore(root) as store:
                    getattr(store, what)()
                break
            except StoreError as error:
                talk.say("trouble", type(error).__name__)


def compact(talk: Talk, root: Path) -> None:
    """Compact a store."""
    with DirectoryStore(root) as store:
        talk.say("ready")
        store.compact()
        talk.say("compacted")


def repair(talk: Talk, root: Path) -> None:
    """Repair a store."""
    with DirectoryStore(root) as store:
        talk.say("ready")
        store.repair()
        talk.say("repaired")


def patient(talk: Talk, root: Path, *, run: str, durability: str = "none") -> None:
    """Append a record, or compact, each time that the parent says so; an empty line is the end."""
    store = DirectoryStore(root, durability=durability)
    talk.say("ready")
    while order := talk.hear():
        if order == "compact":
            store.compact()
            talk.say("compacted")
        else:
            put(talk, store, run, *map(int, order.split()))
    store.close()
    talk.say("closed")


def blocks(talk: Talk, root: Path, *, run: str = "b", count: int = 2) -> None:
    """Append blocks of samples."""
    with DirectoryStore(root) as store:
        for number in range(BLOCKS_FROM, BLOCKS_FROM + count):
            put(talk, store, run, number)


def grouped(talk: Talk, root: Path, *, run: str = "r", rounds: int = 3) -> None:
    """Append records that are durable only when several are appended at once, or when the store is closed."""
    store = DirectoryStore(root, durability="group")
    number = 0
    for round_number in range(rounds):
        begun = range(number, number + 3)
        for number in begun:
            talk.say("try", run, number)
            store.append(record(number, run))
        number = begun.stop
        if round_number < rounds - 1:
            put(talk, store, run, number, number + 1)
            number += 2
        else:
            store.close()
        talk.say("done", run, *begun)
