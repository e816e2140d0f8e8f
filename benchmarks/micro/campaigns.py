"""The benchmarks: which measurements they are made of, and the files that they fill."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import strategy_zoo
from benchmarks.micro import harness
from benchmarks.micro.calibration import calibrate, designed_sizes
from benchmarks.micro.targets import BLOCK, CASES, MANY_LABELLED, RATIO, SLOW, Target, target, verdict
from metaal.progress import bar

_MEASURED = ("status", "seconds", "mib", "repeats", "note")
_JUDGED = (*_MEASURED, "view_seconds", "verdict")
COLUMNS = {
    "rowwise": ("strategy", "U", "C", "n", *_JUDGED, "floor_seconds", "ratio", "target_ratio", "target_mib"),
    "batch": ("case", "strategy", "family", "kind", *_JUDGED, "target_seconds", "target_mib", "traced_mib"),
    "peers": ("strategy", "package", "call", "U", *_MEASURED),
    "cost": ("strategy", "U", "L", "C", "D", "n", *_MEASURED, "cost"),
}
KEYS = {
    "rowwise": ("strategy",),
    "batch": ("case", "strategy"),
    "peers": ("strategy", "package", "call", "U"),
    "cost": ("strategy", "U", "L", "C", "D", "n"),
}
OURS = "metaal"


@dataclass
class Campaign:
    """One benchmark in one folder.

    Parameters
    ----------
    name : 'rowwise', 'batch', 'peers' or 'cost'.
    again : measure what is there already, too.
    only : names of strategies; all when empty.
    folder : where the results go.
    python : the interpreter of the processes in which is measured (one that has the peers).
    show : whether to draw a progress bar and print what was measured.
    """

    name: str
    again: bool = False
    only: tuple[str, ...] = ()
    folder: Path = harness.RESULTS
    python: str = sys.executable
    show: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = harness.Table(self.folder / f"micro_{self.name}.csv", KEYS[self.name], COLUMNS[self.name])

    def run(self, **options: Any) -> harness.Table:
        """Measure what is missing; sizes, limits and such can be given by name (see the functions below)."""
        groups = list(_GROUPS[self.name](self, **options))
        if self.again:
            self.table.forget(row for group in groups for row, _ in group["work"])
        self.table.rows = {
            key: row for key, row in self.table.rows.items() if self.only or row["strategy"] in self._known(groups)
        }
        groups = [group | {"work": [w for w in group["work"] if self.table.lacks(w[0])]} for group in groups]
        update, stop = bar(self.name, sum(len(g["work"]) for g in groups)) if self.show else (_nothing, _nothing)
        done = 0
        try:
            for group in groups:
                for row, answer in self._measured(group):
                    self.table.add(group.get("finish", dict)(row | answer))
                    done += 1
                    update(done, f"{row['strategy']} {row.get('call', row.get('case', ''))}")
        finally:
            stop()
        command = f"python -m benchmarks.micro {self.name}"
        more = calibrate(self.table, self.folder, self.python) if self.name == "cost" else {}
        found = harness.facts(self.python)
        harness.write_facts(self.folder / f"micro_{self.name}.json", command, found, rows=len(self.table.rows), **more)
        return self.table

    def _known(self, groups: list[dict[str, Any]]) -> set[str]:
        return {row["strategy"] for group in groups for row, _ in group["work"]}

    def _measured(self, group: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Rows with their answers; those that need no process first."""
        jobs = []
        for row, job in group["work"]:
            if job["kind"] == "known":
                yield row, job
            else:
                jobs.append((row, job))
        answers = harness.run([job for _, job in jobs], python=self.python, threads=group.get("threads", 1))
        for (row, _), answer in zip(jobs, answers, strict=True):
            yield row, answer

    def wants(self, name: str) -> bool:
        """Whether a strategy, by name or by spelling, was asked for."""
        return not self.only or name.split("(")[0] in self.only


def _nothing(*_: Any) -> None:
    return None


def rowwise(
    campaign: Campaign, *, rows: int = 1_000_000, classes: int = 10, n: int = 100, rounds: int = 7
) -> Iterator[dict[str, Any]]:
    """Every rowwise strategy that needs nothing but probabilities, against np.partition, in one process."""
    work = []
    sizes = {"U": rows, "C": classes, "n": n}
    for entry in strategy_zoo.catalogue():
        if entry["kind"] == "rowwise" and campaign.wants(entry["name"]):
            found = strategy_zoo.get(entry["example"])
            if found.needs == ("proba",):
                job = {"kind": "rowwise", "strategy": entry["name"], "sizes": sizes, "rounds": rounds}
                row = {"strategy": entry["name"], **sizes, "target_ratio": RATIO, "target_mib": BLOCK}
                work.append((row, job | {"cpu_seconds": 120, "gibibytes": 8}))

    def finish(row: dict[str, Any]) -> dict[str, Any]:
        goal = Target(RATIO, BLOCK)
        return row | {"verdict": verdict(goal, row["status"], row.get("ratio"), row.get("mib"))}

    yield {"work": work, "finish": finish}


def batch(
    campaign: Campaign,
    *,
    cases: dict[str, dict[str, int]] | None = None,
    slow: bool = False,
    cpu_seconds: float = 60,
    gibibytes: float = 8,
) -> Iterator[dict[str, Any]]:
    """Every strategy that chooses from a pool, each in a process of its own."""
    chosen = {**CASES, **(SLOW if slow else {})} if cases is None else cases
    for case, sizes in chosen.items():
        for entry in strategy_zoo.catalogue():
            name = entry["name"]
            if not campaign.wants(name):
                continue
            if sizes.get("L", 0) > 1000 and name not in MANY_LABELLED:
                continue
            large = case in SLOW
            job = {"kind": "propose", "strategy": name, "sizes": sizes, "extras": not large, "enough": 2.0}
            job |= {"cpu_seconds": 1200, "gibibytes": 24} if large else {"cpu_seconds": cpu_seconds}
            job = {"gibibytes": gibibytes, **job}
            goal = target(case, name)
            row = {"case": case, "strategy": name, "family": entry["family"], "kind": entry["kind"]}
            row |= {"target_seconds": _or_empty(goal.seconds), "target_mib": _or_empty(goal.mib)}

            def finish(row: dict[str, Any], goal: Target = goal) -> dict[str, Any]:
                return row | {"verdict": verdict(goal, row["status"], row.get("seconds"), row.get("mib"))}

            yield {"work": [(row, job)], "finish": finish, "threads": 2 if large else 1}


def peers(
    campaign: Campaign,
    *,
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000),
    cpu_seconds: float = 40,
    gibibytes: float = 8,
) -> Iterator[dict[str, Any]]:
    """Every strategy that a peer shares, ours and theirs, each in a process of its own."""
    from benchmarks.micro.pairs import MODAL, PAIRS, SKACTIVEML, SMALL_TEXT

    installed = harness.installed((SKACTIVEML, MODAL, SMALL_TEXT), campaign.python)
    known = set(strategy_zoo.names())
    names = list(dict.fromkeys(pair.strategy for pair in PAIRS if campaign.wants(pair.strategy)))
    for name in names:
        for rows in sizes:
            refit = int(name in ("expected_error_reduction", "value_of_information"))
            given = {"U": rows, "D": 32, "C": 10, "n": min(100, rows // 5), "L": 100, "M": 5, "refit": refit}
            base = {"sizes": given, "cpu_seconds": cpu_seconds, "gibibytes": gibibytes, "enough": 2.0}
            row = {"strategy": name, "package": OURS, "call": name, "U": rows}
            here = {"kind": "ours", "strategy": name, **base}
            yield {
                "work": [(row, here if name.split("(")[0] in known else {"kind": "known", "status": "not here yet"})]
            }
            for pair in PAIRS:
                if pair.strategy == name:
                    row = {"strategy": name, "package": pair.package, "call": pair.call, "U": rows}
                    there = {"kind": "peer", "package": pair.package, "call": pair.call, **base}
                    missing = {"kind": "known", "status": "not installed"}
                    yield {"work": [(row, there if installed[pair.package] else missing)]}


def cost(
    campaign: Campaign,
    *,
    sizes: list[dict[str, int]] | None = None,
    cpu_seconds: float = 40,
    gibibytes: float = 8,
) -> Iterator[dict[str, Any]]:
    """Every strategy that chooses from a pool, over a grid of sizes, one process a strategy."""
    for entry in strategy_zoo.catalogue():
        name = entry["name"]
        if not campaign.wants(name):
            continue
        base = {"kind": "propose", "strategy": name, "enough": 0.2}
        base |= {"cpu_seconds": cpu_seconds, "gibibytes": gibibytes}
        work = [({"strategy": name, **given}, base | {"sizes": given}) for given in sizes or designed_sizes()]
        yield {"work": work}


_GROUPS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "rowwise": rowwise,
    "batch": batch,
    "peers": peers,
    "cost": cost,
}


def _or_empty(value: float | None) -> Any:
    return "" if value is None else value
