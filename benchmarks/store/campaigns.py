"""Which measurements there are, at which sizes; running those that are missing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import metaal
from benchmarks.micro.harness import RESULTS, Table, write_facts
from benchmarks.store import append, process, read, recover, writers
from benchmarks.store.bars import judged
from benchmarks.store.peers import PEERS
from metaal.progress import bar

MODULES = {"append": append, "read": read, "writers": writers, "recover": recover}
SCRATCH = Path(tempfile.gettempdir()) / "metaal-benchmarks-store"
FULL = {"scalars": 200, "bins": 64, "ids": 1000}
WIDE = {"scalars": 200, "bins": 0, "ids": 0}
NARROW = {"scalars": 20, "bins": 0, "ids": 0}

SIZES: dict[str, dict[str, Any]] = {
    "append": {"shape": FULL, "rounds": 7, "records": 300, "peer_rounds": 5, "peer_records": 20, "alone": 200},
    "read": {
        "shape": WIDE,
        "runs": 1000,
        "loops": 50,
        "rounds": 9,
        "peer_rounds": 3,
        "fast": (50, 100),
        "slow": (5, 10),
    },
    "writers": {"shape": FULL, "processes": 8, "appends": 1000, "rounds": 5, "peer_appends": 25, "peer_rounds": 2},
    "recover": {"shape": FULL, "runs": 1980, "many": (20_000, 50), "rounds": 3},
}
QUICK: dict[str, dict[str, Any]] = {
    "append": {
        "shape": WIDE | {"scalars": 5},
        "rounds": 2,
        "records": 10,
        "peer_rounds": 1,
        "peer_records": 2,
        "alone": 2,
    },
    "read": {"shape": NARROW, "runs": 4, "loops": 5, "rounds": 2, "peer_rounds": 1, "fast": (1, 2), "slow": (1, 2)},
    "writers": {"shape": NARROW, "processes": 2, "appends": 20, "rounds": 1, "peer_appends": 3, "peer_rounds": 1},
    "recover": {"shape": NARROW, "runs": 5, "many": (20, 5), "rounds": 2},
}
_SLOW = ("MLflow", "Optuna")  # read at the smaller sizes


@dataclass(frozen=True)
class Job:
    """A function, its options, the keys of the rows that it answers, and the options for measuring its memory."""

    function: str
    options: dict[str, Any]
    rows: tuple[tuple[str, ...], ...]
    alone: dict[str, Any] = field(default_factory=dict)


@dataclass
class Campaign:
    """One benchmark and its table.

    Parameters
    ----------
    name : 'append', 'read', 'writers' or 'recover'.
    quick : tiny sizes.
    peers : measure the peers too.
    again : measure what is there already, too.
    folder : where the results go.
    scratch : where stores are written: on the disk that is to be measured.
    python : the interpreter of the processes in which is measured (one that has the peers).
    show : whether to draw a progress bar.
    keep : whether large stores stay in `scratch` for the next time.
    """

    name: str
    quick: bool = False
    peers: bool = False
    again: bool = False
    folder: Path = RESULTS
    scratch: Path = SCRATCH
    python: str = sys.executable
    show: bool = True
    keep: bool = False

    def __post_init__(self) -> None:
        module = MODULES[self.name]
        self.sizes = (QUICK if self.quick else SIZES)[self.name]
        self.table = Table(self.folder / f"store_{self.name}.csv", module.KEY, module.COLUMNS)
        self.kept = self.scratch / ("quick" if self.quick else "kept")

    def run(self) -> Table:
        """Measure what is missing."""
        jobs = list(_JOBS[self.name](self))
        if self.again:
            for job in jobs:
                self.table.forget(self._keyed(key) for key in job.rows)
        jobs = [job for job in jobs if any(self.table.lacks(self._keyed(key)) for key in job.rows)]
        self._busy = [process.load()]
        update, stop = bar(self.name, len(jobs)) if self.show else (_nothing, _nothing)
        try:
            for done, job in enumerate(jobs):
                update(done, " ".join(job.rows[0]))
                self._measure(job)
            update(len(jobs), "")
        finally:
            stop()
            if not self.keep:
                shutil.rmtree(self.kept, ignore_errors=True)
        for row in [] if self.quick else judged(self.name, [dict(row) for row in self.table.rows.values()]):
            self.table.add(row)
        self._write_facts()
        return self.table

    def _keyed(self, key: tuple[str, ...]) -> dict[str, Any]:
        return dict(zip(self.table.key, key, strict=True))

    def _measure(self, job: Job) -> None:
        options = {**job.options, "kept": str(self.kept)}
        found = process.answer(job.function, options, python=self.python, folder=self.scratch)
        rows = found["rows"]
        more = {"peak_mib": found["peak_mib"]}
        if job.alone and rows[0]["status"] == "ok":
            given = job.alone
            more = process.answer(f"{self.name}.alone", given, python=self.python, folder=self.scratch)
            more = {"peak_mib": more["peak_mib"]}
        if rows[0]["status"] != "ok":
            rows = [{**rows[0], **self._keyed(key)} for key in job.rows]
        for row in rows:
            ours = row.get("subject") != append.BARE
            self.table.add(row | (more if ours else {}))

    def _write_facts(self) -> None:
        about = process.answer("about.about", {}, python=self.python, folder=self.scratch)["rows"][0]
        command = f"python -m benchmarks.store {self.name}" + " --peers" * self.peers + " --quick" * self.quick
        sizes = {name: value for name, value in self.sizes.items() if self.peers or "peer" not in name}
        about["versions"]["metaal"] = metaal.__version__
        # what else kept the machine busy makes wall seconds longer, and CPU seconds a little
        about["load"] = [*self._busy, process.load()]
        more = {"sizes": sizes, "rows": len(self.table.rows), **about}
        write_facts(self.folder / f"store_{self.name}.json", command, process.machine(), **more)


def _nothing(*_: Any) -> None:
    return None


def _append(campaign: Campaign) -> Iterator[Job]:
    sizes = campaign.sizes
    base = {"shape": sizes["shape"], "rounds": sizes["rounds"], "records": sizes["records"]}
    memory = {"shape": sizes["shape"], "records": sizes["alone"]}
    for setting in append.SETTINGS:
        rows = [(append.OURS, setting)] + [(append.BARE, "")] * (setting == "commit")
        alone = memory | {"subject": append.OURS, "setting": setting}
        yield Job("append.ours", base | {"setting": setting}, tuple(rows), alone)
    for subject in PEERS if campaign.peers else ():
        options = base | {"subject": subject, "rounds": sizes["peer_rounds"], "records": sizes["peer_records"]}
        yield Job("append.peer", options, ((subject, ""),), memory | {"subject": subject})


def _read(campaign: Campaign) -> Iterator[Job]:
    sizes = campaign.sizes
    spec = {"name": "read", "runs": sizes["runs"], "loops": sizes["loops"], "shape": sizes["shape"]}
    base = {"spec": spec, "rounds": sizes["rounds"]}
    for tier in read.TIERS:
        whats = [what for what in read.WHATS[:6] if what != "dataset" or tier == "compacted"]
        yield Job("read.ours", base | {"tier": tier}, tuple((read.OURS, tier, what) for what in whats))
    for what in read.WHATS[6:] if campaign.peers else ():
        yield Job("read.in_place", base | {"what": what}, ((read.OURS, "compacted", what),))
    for subject in PEERS if campaign.peers else ():
        if "scalars only" not in subject:
            pair = sizes["slow" if subject.startswith(_SLOW) else "fast"]
            options = base | {"subject": subject, "sizes": pair, "rounds": sizes["peer_rounds"]}
            yield Job("read.peer", options, ((subject, "", "open and frame"),))


def _writers(campaign: Campaign) -> Iterator[Job]:
    sizes = campaign.sizes
    base = {name: sizes[name] for name in ("shape", "processes", "appends", "rounds")}
    for setting in writers.SETTINGS:
        rows = [(writers.OURS, setting)] + [(writers.BARE, "")] * (setting == "commit")
        yield Job("writers.ours", base | {"setting": setting}, tuple(rows))
    for subject in PEERS if campaign.peers else ():
        if "scalars only" not in subject:
            options = base | {"subject": subject, "appends": sizes["peer_appends"], "rounds": sizes["peer_rounds"]}
            yield Job("writers.peer", options, ((subject, ""),))


def _recover(campaign: Campaign) -> Iterator[Job]:
    sizes = campaign.sizes
    spec = {"name": "log", "runs": sizes["runs"], "loops": 50, "shape": sizes["shape"]}
    base = {"spec": spec, "rounds": sizes["rounds"]}
    for store, torn in (("1 GB", 0), ("1 GB, torn", 1)):
        rows = [(store, "open")] + [(store, "append after it")] * torn
        yield Job("recover.log", base | {"store": store, "torn": torn, "cut": 140}, tuple(rows))
    yield Job("recover.compact", base | {"store": "1 GB"}, (("1 GB", "compact"),))
    whats = ("open, compacted", "frame of one run, compacted", "append, compacted", "verify, compacted")
    yield Job("recover.cold", base | {"store": "1 GB", "verify": True}, tuple(("1 GB", what) for what in whats))
    runs, loops = sizes["many"]
    store = "a million loops"
    many = base | {"store": store}
    many["spec"] = {"name": "many", "runs": runs, "loops": loops, "shape": NARROW}
    yield Job("recover.write", many, ((store, "append_many"),))
    yield Job("recover.opened", many | {"rounds": 1}, ((store, "open"),))
    yield Job("recover.compact", many, ((store, "compact"),))
    yield Job("recover.cold", many | {"verify": True}, tuple((store, what) for what in whats))
    if campaign.peers:
        yield Job("recover.in_duckdb", many, ((store, "DuckDB: count and average"),))


_JOBS = {"append": _append, "read": _read, "writers": _writers, "recover": _recover}
