"""Power cuts: a program is recorded once, then every disk that a cut may leave behind is built and checked."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import effects, powercut
from .expected import Expected, check_store
from .nursery import Nursery
from .plans import Fault


def power_cuts(
    folder: Path,
    nursery: Nursery,
    program: str,
    prepare: Callable[[Path], Expected],
    check: Callable[[Path, Expected], Any] | None = None,
    *,
    inside: str = "store",
    fault: Fault | None = None,
    seed: int = 0,
    samples: int = 2,
    every: int = 1,
    **arguments: Any,
) -> Counter[str]:
    """Cut the power after every event of a program.

    Parameters
    ----------
    folder : where stores are made.
    nursery : of the way "recorded".
    program : its name in `programs`.
    prepare : makes the store at a path that may not exist yet; all of it counts as durable.
    check : what must hold on a disk after a cut; by default `check_store`, damage allowed.
    inside : the store's path on the disk.
    fault : a system error on the way.
    seed, samples, every : see `powercut.states`.
    arguments : of the program.

    Returns
    -------
    Counter : events, and disks that were checked.
    """
    disk, before = folder / "disk", folder / "before"
    disk.mkdir(parents=True)
    known = prepare(disk / inside)
    shutil.copytree(disk, before)
    child = nursery.child(program, disk, fault or Fault(), **{"inside": inside, **arguments})
    lines = child.rest()
    assert child.wait() == 0, lines
    history = effects.History(effects.read(child.log), disk, before)
    whole = powercut.contents(history, len(history.events), lambda effect: (True, True))
    assert whole == _listed(disk), "the recorder has not seen everything that the child did"
    counts = Counter[str](events=len(history.events))
    for number, (last, what, found) in enumerate(powercut.states(history, seed=seed, samples=samples, every=every)):
        path = folder / f"cut-{number}"
        powercut.make(found, path)
        expected = known.copy().hear_all(history.said(last))
        try:
            if check is not None:
                check(path / inside, expected)
            elif (path / inside).exists() or expected.count:
                check_store(path / inside, expected, quiet=False)
        except BaseException as error:
            event = {k: v for k, v in history.events[last].items() if k != "data"} if last >= 0 else "the beginning"
            error.add_note(f"{program}: power cut after event {last} {event}, left is {what}; see {path}")
            raise
        counts["disks"] += 1
        shutil.rmtree(path)
    return counts


def _listed(folder: Path) -> dict[str, bytes | None]:
    paths = sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in paths}
