"""Measurements in processes of their own: a job as JSON goes in, rows, peak memory and CPU seconds come out.

    python -m benchmarks.store.process ANSWER < job.json

A job names a function (``module.function`` below this package) and its options.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.micro.harness import ROOT, _processor

MODULES = ("append", "read", "writers", "recover", "about")


def answer(
    function: str, options: dict[str, Any], *, python: str, folder: Path, seconds: float = 900
) -> dict[str, Any]:
    """Run one job and return what it measured.

    Parameters
    ----------
    function : "append.ours" and such.
    options : what the function takes; `scratch`, a new folder that is removed afterwards, is added.
    python : the interpreter.
    folder : where the scratch folder is made, on the disk that is measured.
    seconds : after which the process and its children are killed.

    Returns
    -------
    dict : `rows` (list of dict), `peak_mib` of the process itself, `cpu_seconds` of it and its children; after a
        failure one row of `status` "error" and a `note`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="job-", dir=folder)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    target = Path(scratch) / "answer.json"
    process = subprocess.Popen(
        [python, "-m", "benchmarks.store.process", str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        job = json.dumps({"function": function, "options": {**options, "scratch": scratch}})
        said = process.communicate(job.encode(), timeout=seconds)[1].decode(errors="replace")
        if target.exists():
            return json.loads(target.read_text(encoding="utf-8"))
        return failed("error", f"ended with code {process.returncode}: {said.strip().splitlines()[-1:]}")
    except subprocess.TimeoutExpired:
        return failed(f"over {seconds:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shutil.rmtree(scratch, ignore_errors=True)


def failed(status: str, note: str = "") -> dict[str, Any]:
    """What is answered for a job that measured nothing."""
    return {"rows": [{"status": status, "note": note[:200]}], "peak_mib": "", "cpu_seconds": ""}


def machine() -> dict[str, Any]:
    """The machine that measures, without its name."""
    parts = {"processor": _processor(), "cores": os.cpu_count(), "architecture": platform.machine()}
    return {"machine": parts | {"system": platform.system()}}


def load() -> float:
    """How many processes wanted to run in the last minute, where the system says."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0


class NotHereError(Exception):
    """The store in this tree can't do yet what should be measured."""


def needs(*methods: str) -> None:
    """Raise `NotHereError` unless stores in directories have all these methods."""
    from metadata_store import DirectoryStore

    missing = [method for method in methods if not hasattr(DirectoryStore, method)]
    if missing:
        raise NotHereError(f"this tree's store has no {', '.join(missing)}")


def main() -> None:
    job = json.load(sys.stdin)
    module, _, function = job["function"].partition(".")
    if module not in MODULES:
        raise SystemExit(f"no measurement {job['function']!r}")
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    try:
        rows = getattr(importlib.import_module(f"benchmarks.store.{module}"), function)(job["options"])
        found: dict[str, Any] = {"rows": rows}
    except NotHereError as error:
        found = failed("not here yet", str(error))
    except ModuleNotFoundError as error:
        found = failed("not installed", str(error))
    except Exception as error:  # a peer's failure is a result
        found = failed("error", f"{type(error).__name__}: {' '.join(str(error).split())}")
    found["seconds"] = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["cpu_seconds"] = sum(one.ru_utime + one.ru_stime for one in used)
    found["peak_mib"] = used[0].ru_maxrss / 1024
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    # by its own name, so that measurements raise the same NotHereError that is caught here
    importlib.import_module("benchmarks.store.process").main()
