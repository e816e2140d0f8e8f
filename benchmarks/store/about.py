"""The machine, the disk and the packages that results were made with."""

from __future__ import annotations

import os
import statistics
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.store.append import Bare
from benchmarks.store.records import Shape
from benchmarks.store.watch import Watch

PACKAGES = ("numpy", "pyarrow", "pandas", "mlflow", "optuna", "deltalake", "duckdb")


def about(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Versions, the file system's kind, and what one bare write and sync takes on it."""
    import sqlite3

    versions: dict[str, str | None] = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    watch, file = Watch(), Bare(Path(options["scratch"]) / "bare")
    data = os.urandom(Shape().raw)
    for _ in range(200):
        watch.call(file.append, data)
    file.close()
    disk = {"file_system": _file_system(Path(options["scratch"])), "sync_ms": 1e3 * statistics.median(watch.wall)}
    return [{"versions": versions, "disk": disk}]


def _file_system(path: Path) -> str:
    """Kind of the file system that holds a path, where the system says."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    mounts = [line.split()[1:3] for line in lines]
    inside = [(len(place), kind) for place, kind in mounts if path.is_relative_to(place)]
    return max(inside)[1] if inside else "unknown"
