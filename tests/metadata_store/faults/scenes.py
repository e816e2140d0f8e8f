"""What children do under hard circumstances: full disks, odd clocks, forks, no more files, and readers beside them."""

from __future__ import annotations

import os
import random
import resource
import select
import signal
import threading
import time
from pathlib import Path

import numpy as np

from metadata_store import DirectoryStore, Record, StoreError

from .expected import record, whole_block
from .nursery import Talk
from .programs import put


def fill(talk: Talk, root: Path, *, size: int, limit: int = 0, seed: int = 1) -> None:
    """Append larger and larger records and compact until the disk is full; go on when the parent has made room.

    Parameters
    ----------
    size : rows of the largest array.
    limit : bytes that a file may have, instead of a disk that is really small; 0 for none.
    """
    rng = random.Random(seed)

    def full(on: bool) -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit if on else resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    full(True)
    store = DirectoryStore(root)
    number = 0
    while True:
        rows = rng.randint(1, size)
        try:
            talk.say("try", "r", number)
            store.append(large(number, rows))
            talk.say("done", "r", number, rows)
            if number % 9 == 8:
                store.compact()
        except StoreError as error:
            talk.say("full", type(error).__name__, number, rows)
            if talk.hear() != "go on":
                return
            full(False)
            store.append(large(number, rows))
            talk.say("done", "r", number, rows)
            store.compact()
            store.close()
            talk.say("closed")
            return
        number += 1


def large(number: int, rows: int) -> Record:
    """Return a record with a number and an array that does not compress."""
    return Record("r", number, "tell", {"rows": rows}, {"ids": np.random.default_rng(number).random(rows)})


def clock(talk: Talk, root: Path, *, times: list[int], durability: str = "none") -> None:
    """Append a record at each of some times of the clock, closing the store now and then, and compacting it once."""
    now = iter(times)
    last = [0]

    def time_ns() -> int:
        last[0] = next(now, last[0])
        return last[0]

    time.time_ns = time_ns
    store = DirectoryStore(root, durability=durability)
    for number in range(len(times) // 3):
        put(talk, store, "r", number)
        if number % 4 == 3:
            store.close()
            store = DirectoryStore(root, durability=durability)
        if number == len(times) // 6:
            store.compact()
    store.close()


def compact_often(talk: Talk, root: Path, *, count: int) -> None:
    """Compact a store again and again, also while others do."""
    talk.say("ready")
    talk.hear()
    with DirectoryStore(root) as store:
        for _ in range(count):
            store.compact()
    talk.say("compacted")


def fork_in_the_middle(talk: Talk, root: Path) -> None:
    """Fork while a thread is in the middle of an append: both processes go on with the same object."""
    store = DirectoryStore(root)
    put(talk, store, "r", 0)
    inside, go_on, sync = threading.Event(), threading.Event(), os.fdatasync

    def slow_sync(descriptor: int) -> None:
        inside.set()
        go_on.wait(20)
        sync(descriptor)

    os.fdatasync = slow_sync
    thread = threading.Thread(target=put, args=(talk, store, "r", 1))
    thread.start()
    inside.wait(20)
    child = os.fork()
    os.fdatasync = sync
    if child == 0:
        signal.alarm(5)
        put(talk, store, "child", 0, 1)
        store.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        talk.say("! the child of the fork ended with", os.waitstatus_to_exitcode(status))
    go_on.set()
    thread.join()
    put(talk, store, "r", 2)
    store.close()


def look(talk: Talk, root: Path, *, runs: list[str]) -> None:
    """Read a store again and again until told to stop: what was seen once stays, in order, and is right."""
    seen: dict[str, list[int]] = {run: [] for run in runs}
    store = DirectoryStore(root, create=False)
    talk.say("ready")
    rounds = 0
    while True:
        for run in runs:
            numbers = [one.loop for one in store.records(run)] if store.count(run) else []
            assert numbers[: len(seen[run])] == seen[run], f"{run}: {seen[run]} was seen, then {numbers}"
            assert all(one.same_content(record(one.loop, run)) for one in store.records(run)[-5:]) if numbers else True
            seen[run] = numbers
        rounds += 1
        if rounds % 5 == 0:
            frame = store.frame()
            assert len(frame) >= sum(map(len, seen.values()))
            store.close()
            store = DirectoryStore(root, create=False)
        if select.select([0], [], [], 0)[0]:
            break
    talk.say("looked", rounds, *(len(numbers) for numbers in seen.values()))


def read(talk: Talk, root: Path) -> None:
    """Open a store and read everything; say what came of it, and go on reading when something failed."""
    try:
        store = DirectoryStore(root, create=False)
    except StoreError as error:
        talk.say("trouble", type(error).__name__)
        return
    for run in store.runs():
        try:
            for one in store.records(run):
                if one.event != "block":
                    assert one.same_content(record(one.loop, run))
                elif not whole_block(store, one):
                    continue
                talk.say("read", run, one.loop)
        except StoreError as error:
            talk.say("trouble", type(error).__name__)
    try:
        talk.say("damage", len(store.verify().damage))
    except StoreError as error:
        talk.say("trouble", type(error).__name__)


def few_files(talk: Talk, root: Path) -> None:
    """Append, read and compact while the process may open no more files, then go on when it may."""
    store = DirectoryStore(root)
    put(talk, store, "few", 0)
    held = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for what in (
        lambda: put(talk, store, "few", 1),
        lambda: store.records("r"),
        lambda: store.compact(),
        lambda: store.verify(),
        lambda: DirectoryStore(root),
    ):
        try:
            what()
        except StoreError as error:
            talk.say("trouble", type(error).__name__)
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    put(talk, store, "few", 1, 2)
    store.compact()
    store.close()
    talk.say("closed")
