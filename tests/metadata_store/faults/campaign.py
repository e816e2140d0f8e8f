"""The long campaigns of faults: ``python -m faults.campaign --seed 7`` beside the tests, or ``make crash SEED=7``.

Each part is what a short test does, with more of it: 10,000 kills, every bit of every file of a small store, every
length of each, every call of a program failing in every way, power cuts after every call. Any failure ends the campaign
with an error and leaves the store that failed where it is. Counts, seed and versions go to a file of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from . import cutting, damaging, failing, killing, stores
from .nursery import nursery, ways


@dataclass(frozen=True)
class Job:
    """A piece of the campaign: the part, the way of spoiling calls, the seed, and which piece of how many it is."""

    part: str
    way: str
    seed: int
    share: float
    piece: int = 0
    pieces: int = 1

    @property
    def title(self) -> str:
        """What the counts are kept under."""
        return f"{self.part}, {self.way}" if self.way else self.part

    @property
    def every(self) -> int:
        """Of which calls one is spoilt, where all of them are in a whole campaign."""
        return max(1, round(1 / self.share) // 10)

    def of(self, places: list[damaging.Place]) -> list[damaging.Place]:
        """Return this piece's share of some places."""
        count = None if self.share >= 1 else max(20, round(len(places) * self.share))
        return damaging.sample(places, count, self.seed)[self.piece :: self.pieces]


def seed() -> int:
    """Return the seed of everything that is drawn in tests and campaigns: METAAL_SEED, or 1."""
    return int(os.environ.get("METAAL_SEED", "1"))


def kills(folder: Path, job: Job) -> Counter[str]:
    """Kills of busy writers at random times and calls; 5,000 in each way."""
    with nursery(job.way) as children:
        count = max(10, round(5000 * job.share / job.pieces))
        return killing.random_kills(folder, children, count=count, seed=job.seed)


def kills_at_every_call(folder: Path, job: Job) -> Counter[str]:
    """Kills of a first append, first blocks, compactions and a repair, before, within and after every call."""
    counts = Counter[str]()
    programs: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("write", stores.nothing, stores.check, {"count": 3}),
        ("blocks", stores.nothing, stores.check, {}),
        ("compact", stores.hot, stores.check, {}),
        ("compact", stores.mixed, stores.check, {}),
        ("repair", stores.damaged, stores.check_damaged, {}),
    ]
    with nursery(job.way) as children:
        for number, (program, store, check, arguments) in enumerate(programs):
            actions = ("kill-before", "kill-half", "kill-after")
            own = folder / str(number)
            own.mkdir()
            counts += killing.every_call(
                own, children, program, store, check, every=job.every, actions=actions, **arguments
            )
    return counts


def system_errors(folder: Path, job: Job) -> Counter[str]:
    """Every call of writers, compactions and repairs fails once, and for ever, in every way."""
    counts = Counter[str]()
    programs = [("stubborn", stores.nothing), ("stubborn", stores.mixed), ("stubborn_keeper", stores.mixed)]
    with nursery(job.way) as children:
        for number, (program, store) in enumerate(programs):
            own = folder / str(number)
            own.mkdir()
            more = {"run": "new"} if program == "stubborn" else {}
            counts += failing.every_error(own, children, program, store, every=job.every, **more)
    return counts


def power_cuts(folder: Path, job: Job) -> Counter[str]:
    """Power cuts after every call of writers, compactions and repairs, with everything unsynced lost at random."""
    counts = Counter[str]()
    programs: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("stubborn", stores.nothing, None, {"count": 5}),
        ("stubborn", stores.mixed, None, {"count": 5, "run": "new"}),
        ("blocks", stores.nothing, None, {}),
        ("compact", stores.hot, None, {}),
        ("compact", stores.mixed, None, {}),
        ("repair", stores.damaged, stores.check_damaged, {}),
    ]
    samples = max(1, round(20 * job.share))
    with nursery("recorded") as children:
        for number, (program, store, check, arguments) in enumerate(programs):
            own = folder / str(number)
            own.mkdir()
            counts += cutting.power_cuts(
                own, children, program, store, check, seed=job.seed, samples=samples, every=job.every, **arguments
            )
    return counts


def flipped_bits(folder: Path, job: Job) -> Counter[str]:
    """Every bit of every file of a small store with a hot and a cold tier; mended after each sixteenth."""
    subject = damaging.Subject.of(folder, stores.tiny)
    return damaging.flips(folder, subject, job.of(subject.bits()), mend_each=16)


def files_cut_short(folder: Path, job: Job) -> Counter[str]:
    """Every length of every file of that store; mended after each eighth."""
    subject = damaging.Subject.of(folder, stores.tiny)
    return damaging.cuts(folder, subject, job.of(subject.cuts()), mend_each=8)


# what is run, whether in each way of spoiling calls, and in how many pieces
PARTS: dict[str, tuple[Callable[[Path, Job], Counter[str]], bool, int]] = {
    "kills": (kills, True, 4),
    "kills at every call": (kills_at_every_call, True, 1),
    "system errors": (system_errors, True, 1),
    "power cuts": (power_cuts, False, 1),
    "flipped bits": (flipped_bits, False, 8),
    "files cut short": (files_cut_short, False, 2),
}


def jobs(only: list[str], seed: int, share: float) -> Iterator[Job]:
    """Yield the pieces of the parts that are wanted; none for all."""
    for name, (_, each_way, pieces) in PARTS.items():
        if not only or name in only:
            for way in ways() if each_way else ("",):
                for piece in range(pieces):
                    # one seed for all pieces of a list that is split, another one for each that draws by itself
                    own = seed * 1000 + (piece if name == "kills" else 0) + (500 if way == "preloaded" else 0)
                    yield Job(name, way, own, share, piece, pieces)


def run(job: Job) -> tuple[Counter[str], float]:
    """Run one piece in a folder of its own, which stays where it is after a failure."""
    begin = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{job.part.replace(' ', '-')}-"))
    counts = PARTS[job.part][0](folder, job)
    shutil.rmtree(folder)
    return counts, time.perf_counter() - begin


def facts() -> dict[str, Any]:
    """Return what a campaign was made with."""
    packages = {name: version(name) for name in ("metaal", "numpy", "pyarrow")}
    machine = {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()}
    return {"versions": {"python": platform.python_version(), **packages}, "machine": machine}


def add(part: dict[str, Any], job: Job, outcome: Callable[[], tuple[Counter[str], float]]) -> bool:
    """Add the outcome of a piece to what is kept of its part; return whether it went well."""
    try:
        counts, seconds = outcome()
    except Exception as error:
        part["failures"] += 1
        notes = "; ".join(getattr(error, "__notes__", []))
        traceback.print_exception(error)
        part["errors"].append(f"{type(error).__name__}: {error}; {notes}")
        print(f"{job.title}: FAILED: {error}; {notes}", file=sys.stderr, flush=True)
        return False
    part["counts"] = dict(Counter(part["counts"]) + counts)
    part["seconds"] = round(part["seconds"] + seconds, 1)
    print(f"{job.title} {job.piece + 1}/{job.pieces}: {dict(counts.most_common(5))} in {seconds:.0f} s", flush=True)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the campaigns; see the module."""
    parser = argparse.ArgumentParser(prog="faults.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=seed())
    parser.add_argument("--share", type=float, default=1.0, help="how much of it, 1 for all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="file for the counts; parts that are not run again stay in it")
    parser.add_argument("--only", action="append", default=[], choices=list(PARTS))
    given = parser.parse_args(arguments)
    before = json.loads(given.out.read_text()) if given.out is not None and given.out.exists() and given.only else {}
    found: dict[str, Any] = {**facts(), "parts": before.get("parts", {})}
    well = True
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        waiting = [(job, pool.submit(run, job)) for job in jobs(given.only, given.seed, given.share)]
        for job, _ in waiting:
            begun = {"seed": given.seed, "share": given.share, "failures": 0, "errors": [], "seconds": 0.0}
            found["parts"][job.title] = {**begun, "counts": {}}
        for job, future in waiting:
            well &= add(found["parts"][job.title], job, future.result)
            if given.out is not None:
                given.out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
