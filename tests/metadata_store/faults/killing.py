"""Kills: at random times, at random calls, and at every call of a program."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .expected import BLOCKS_FROM, Expected, check_store, no_syncs, opened
from .nursery import Nursery
from .plans import Fault

KILLED = -9


def random_kills(folder: Path, nursery: Nursery, *, count: int, seed: int, each: int = 10) -> Counter[str]:
    """Kill busy writers, one or two at a time, and check after each kill that nothing acknowledged is lost or doubled.

    Parameters
    ----------
    folder : where stores are made.
    count : kills.
    seed : of everything but the machine's own timing.
    each : kills a store.

    Returns
    -------
    Counter : kills, acknowledged records, appends whose outcome nobody knew, and torn tails found.
    """
    rng, counts = random.Random(seed), Counter[str]()
    path, expected, start = folder / "kills", Expected(), 0
    while counts["kills"] < count:
        path = folder / f"kills-{counts['stores']}"
        counts["stores"] += 1
        expected, start = Expected(), 0
        goal = min(count, counts["kills"] + each)
        while counts["kills"] < goal:
            again = [[run, *sorted(numbers)] for run, numbers in expected.maybe.items()] if rng.random() < 0.5 else []
            runs = ["r", "s"] if rng.random() < 0.2 and goal - counts["kills"] > 1 else ["r"]
            children = []
            for run in runs:
                timed = rng.random() < 0.5
                action = rng.choice(["kill-before", "kill-half", "kill-after"])
                fault = Fault() if timed else Fault(nth=rng.randint(1, 25), action=action)
                order = {"seed": rng.randrange(2**32), "start": start, "run": run}
                order["durability"] = rng.choice(["commit", "group", "none"])
                order["again"] = again if run == "r" else []
                children.append((nursery.child("busy", path, fault, **order), timed))
            for child, timed in children:
                lines = []
                if timed:
                    lines.append(child.line())  # "ready", or a complaint
                    time.sleep(rng.random() * 0.006)
                    child.kill()
                lines += child.rest()
                expected.hear_all(lines)
                assert child.wait() == KILLED, lines[-1:]
                counts["kills"] += 1
                counts["at a random time" if timed else f"{action} a random call"] += 1
                start = 1 + max([start, *(int(line.split()[-1]) % BLOCKS_FROM for line in lines if " " in line)])
            _check_count(path, expected)
        counts["acknowledged"] += expected.count
        counts["unknown"] += sum(len(n - expected.sure.get(run, set())) for run, n in expected.maybe.items())
        report = check_store(path, expected, views=True)
        counts["torn tails"] += len(report.damage)
        shutil.rmtree(path)
    return counts


def _check_count(path: Path, expected: Expected) -> None:
    """Check after each kill what is cheap to check: how many records there are."""
    with no_syncs(), opened(path) as (store, said):
        for run, sure in expected.sure.items():
            assert len(sure) <= store.count(run) <= len(sure | expected.maybe.get(run, set())), run
    assert not said, said


def every_call(
    folder: Path,
    nursery: Nursery,
    program: str,
    prepare: Callable[[Path], Expected],
    check: Callable[[Path, Expected], Any] = check_store,
    *,
    every: int = 1,
    actions: tuple[str, ...] = ("kill-before", "kill-half"),
    **arguments: Any,
) -> Counter[str]:
    """Kill a program at every call that changes something on disk, each time on a fresh copy of a store.

    Parameters
    ----------
    program : its name in `programs`.
    prepare : makes the store at a path that may not exist yet, and returns what is in it.
    check : what must hold afterwards.
    every : only each such call.
    actions : kinds of kill; "kill-half" concerns writes only.
    arguments : of the program.

    Returns
    -------
    Counter : kills.
    """
    origin = folder / "origin"
    expected = prepare(origin)
    assert expected.count or not origin.exists()

    def runs(fault: Fault, path: Path) -> tuple[int, Expected, list[str]]:
        if origin.exists():
            shutil.copytree(origin, path)
        child = nursery.child(program, path, fault, **arguments)
        lines = child.rest()
        status = child.wait()
        ops = [call.op for call in child.calls() if call.op in fault.ops and (call.op != "open" or call.size)]
        return status, expected.copy().hear_all(lines), ops

    status, after, ops = runs(Fault(), folder / "whole")
    assert status == 0, "the program fails by itself"
    check(folder / "whole", after)
    assert ops
    counts = Counter[str](calls=len(ops))
    for nth, action in _points(ops, every, actions):
        path = folder / f"{nth}-{action}"
        status, after, _ = runs(Fault(nth=nth, action=action), path)
        assert status == KILLED, f"call {nth} was not reached"
        try:
            check(path, after)
        except BaseException as error:
            error.add_note(f"{program} killed: {action}, call {nth} of {len(ops)}, {ops[nth - 1]}; see {path}")
            raise
        counts[action] += 1
        shutil.rmtree(path, ignore_errors=True)  # killed before its first call, there is no store
    return counts


def _points(ops: list[str], every: int, actions: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield the number and kind of every kill; before the next call is after this one."""
    for nth in range(1, len(ops) + 1, every):
        for action in actions:
            if action != "kill-half" or ops[nth - 1] == "write":
                yield nth, action
