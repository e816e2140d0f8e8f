"""Run measurements in processes with limits, and keep what they answered in a keyed CSV file."""

from __future__ import annotations

import csv
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import metaal

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-activeml", "modAL-python", "small-text", "metaal")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# What depends on what is installed or written, and not on speed, is looked at again in every run.
_PASSING = ("not installed", "not here yet", "error")


@dataclass
class Table:
    """The rows of one benchmark, by key; every new one is on disk at once."""

    path: Path
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.rows[self._key(row)] = {name: _value(text) for name, text in row.items()}

    def _key(self, row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.key)

    def forget(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self.rows.pop(self._key(row), None)

    def lacks(self, row: dict[str, Any]) -> bool:
        """Whether this still has to be measured."""
        found = self.rows.get(self._key(row))
        return found is None or found["status"] in _PASSING

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row in place of an older one with its key; the file is replaced as a whole, so it is never torn."""
        self.rows[self._key(row)] = {name: _rounded(row.get(name, "")) for name in self.columns}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".csv.new")
        with new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[key] for key in sorted(self.rows))
        os.replace(new, self.path)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def run(jobs: list[dict[str, Any]], *, python: str = sys.executable, threads: int = 1) -> Iterator[dict[str, Any]]:
    """The answers to the jobs, in order, as they come; what exceeds its limits or dies is answered for.

    A job has `kind`, `cpu_seconds`, `gibibytes`, and what its kind wants. All jobs share a process, until one kills it.
    """
    left = list(jobs)
    while left:
        ended: dict[str, Any] = {}
        for answer in _process(left, python, threads, ended):
            left.pop(0)
            yield answer
        if left:
            yield _killed(left.pop(0), ended)


def _process(jobs: list[dict[str, Any]], python: str, threads: int, ended: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Answers of one process; how it ended is written into `ended`."""
    environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [python, "-m", "benchmarks.micro.worker", str(writing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writing],
        env=environment,
        cwd=ROOT,
    )
    os.close(writing)
    said: list[bytes] = []
    listener = threading.Thread(target=lambda: said.append(process.stderr.read()))  # type: ignore[union-attr]
    watch = _Watch(process)
    listener.start()
    watch.start()
    try:
        with process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(jobs).encode())
        with os.fdopen(reading) as lines:
            for line in lines:
                answer = json.loads(line)
                if "clock" in answer:
                    watch.allow(answer["clock"], answer["stage"])
                else:
                    yield answer
        process.wait()
    finally:
        watch.stop.set()
        process.kill()
        process.wait()
        listener.join()
        process.stderr.close()  # type: ignore[union-attr]
    ended.update(code=process.returncode, said=b"".join(said).decode(errors="replace"), over=watch.over)
    if not watch.stage:
        raise RuntimeError(f"the worker didn't start: {ended['said'][-2000:]}")


class _Watch(threading.Thread):
    """Ends a process that takes more CPU seconds than it may, or that neither computes nor returns."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.process, self.stop, self.over, self.stage = process, threading.Event(), "", ""
        self.allow(120, "")

    def allow(self, seconds: float, stage: str) -> None:
        """Start the count again."""
        self.stage = stage
        self._until = _cpu_seconds(self.process.pid) + seconds, time.monotonic() + 5 * seconds + 60

    def run(self) -> None:
        while not self.stop.wait(0.1):
            cpu, clock = self._until
            if _cpu_seconds(self.process.pid) > cpu or time.monotonic() > clock:
                self.over = self.stage or "starting"
                self.process.kill()
                return


def _cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far; where the system doesn't say, the clock's."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return time.monotonic()


def _killed(job: dict[str, Any], ended: dict[str, Any]) -> dict[str, Any]:
    said = ended["said"].lower()
    if ended["over"] == "measuring":
        return {"status": f"over {job['cpu_seconds']:g} s"}
    if ended["over"]:
        return {"status": "error", "note": f"ended while {ended['over']}"}
    if "alloc" in said or "memory" in said or ended["code"] == -signal.SIGKILL:
        return {"status": "out of memory"}
    return {"status": "error", "note": f"the process ended with code {ended['code']}"}


def facts(python: str = sys.executable) -> dict[str, Any]:
    """What results were made with: the machine without its name, and versions."""
    job = {"kind": "about", "packages": PACKAGES, "cpu_seconds": 60, "gibibytes": 8}
    answer = next(run([job], python=python))
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "system": platform.system(),
            "machine_seconds": _rounded(answer["machine_seconds"]),
        },
        # What is measured is this tree, also in an interpreter in which metaal isn't installed.
        "versions": {"python": answer["python"], **answer["versions"], "metaal": metaal.__version__},
    }


def write_facts(path: Path, command: str, found: dict[str, Any], **more: Any) -> None:
    text = json.dumps({"command": command, **found, **more}, indent=1, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(packages: tuple[str, ...], python: str = sys.executable) -> dict[str, bool]:
    """Which packages the interpreter has."""
    job = {"kind": "about", "packages": packages, "cpu_seconds": 60, "gibibytes": 8}
    return {name: version is not None for name, version in next(run([job], python=python))["versions"].items()}
