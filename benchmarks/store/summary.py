"""The bars of the store, and what was measured against each, as one short table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.micro.harness import RESULTS
from benchmarks.micro.tables import _table, number
from benchmarks.store import bars
from benchmarks.store.tables import rows

Row = dict[str, Any]


def summary(folder: Path = RESULTS) -> str:
    """Markdown: measure, bar, what was found, met or missed."""
    lines = [*_append(folder), *_read(folder), *_writers(folder), *_recover(folder), *_faults(folder)]
    return _table(["measure", "bar", "measured", ""], lines)


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _one(found: list[Row], **wanted: Any) -> Row:
    return next(row for row in found if all(row[key] == value for key, value in wanted.items()))


def _spread(row: Row, column: str, unit: str) -> str:
    low, high = row.get(f"{column}_low", ""), row.get(f"{column}_high", "")
    text = f"{number(row[column])}{unit}"
    return text if low == "" else f"{text} ({number(low)} to {number(high)})"


def _append(folder: Path) -> list[list[str]]:
    found = rows("append", folder)
    ours = _one(found, subject=bars.OURS, setting="commit")
    mlflow = _one(found, subject=bars.MLFLOW)
    cpu = ours["cpu_ms"] + ours["make_ms"]
    what = "durable append (200 scalars, 64 bins, 1,000 ids)"
    return [
        [f"{what}: CPU", f"≤ {bars.CPU_MS} ms", f"{number(cpu)} ms", _verdict(cpu <= bars.CPU_MS)],
        [
            "… wall, against a bare write + fdatasync",
            f"≤ {bars.WALL_RATIO}×",
            _spread(ours, "wall_ratio", "×"),
            _verdict(ours["wall_ratio"] <= bars.WALL_RATIO),
        ],
        [
            "… bytes, against the raw ones",
            f"≤ {bars.BYTES_RATIO}×",
            f"{ours['bytes_ratio']:.3g}×",
            _verdict(ours["bytes_ratio"] <= bars.BYTES_RATIO),
        ],
        [
            "… CPU, against MLflow's SQLite store",
            f"≥ {bars.TIMES_MLFLOW_CPU}× less",
            f"{number(mlflow['cpu_times_ours'])}× less",
            _verdict(mlflow["cpu_times_ours"] >= bars.TIMES_MLFLOW_CPU),
        ],
    ]


def _read(folder: Path) -> list[list[str]]:
    found = rows("read", folder)
    limits = (
        ("compacted", "open and frame", bars.COMPACTED_S, "all scalars of 1,000 runs × 50 loops × 200, compacted"),
        ("uncompacted", "open and frame", bars.UNCOMPACTED_S, "… uncompacted"),
        ("compacted", "frame, 10 columns", bars.COLUMNS_S, "… 10 of 200 columns, compacted"),
    )
    lines = []
    for tier, what, limit, text in limits:
        row = _one(found, subject=bars.OURS, tier=tier, what=what)
        lines.append([text, f"≤ {limit} s", _spread(row, "wall_s", " s"), _verdict(row["wall_s"] <= limit)])
    mlflow = _one(found, subject=bars.MLFLOW)["times_ours"]
    bar = f"≥ {bars.TIMES_MLFLOW_READ:,}×"
    lines.append(
        ["… faster than MLflow's SQLite store", bar, f"{mlflow:,.0f}×", _verdict(mlflow >= bars.TIMES_MLFLOW_READ)]
    )
    return lines


def _writers(folder: Path) -> list[list[str]]:
    found = rows("writers", folder)
    ours = _one(found, subject=bars.OURS, setting="commit")
    inside = ours["p99_ms"] / ours["sync_p99_ms"]
    return [
        [
            "8 processes × 1,000 appends: lost or doubled",
            "0",
            str(ours["lost"] + ours["doubled"]),
            _verdict(not ours["lost"]),
        ],
        [
            "… p99, against the p99 of the syncs inside of them",
            f"≤ {bars.P99_RATIO}×",
            f"{number(inside)}×",
            _verdict(inside <= bars.P99_RATIO),
        ],
        [
            "… p99, against 8 processes that only write and sync",
            f"≤ {bars.P99_RATIO}×",
            _spread(ours, "p99_ratio", "×"),
            _verdict(ours["p99_ratio"] <= bars.P99_RATIO),
        ],
    ]


def _recover(folder: Path) -> list[list[str]]:
    found = rows("recover", folder)
    row = _one(found, store="1 GB, torn", what="open")
    return [
        [
            "open and recover a log of 1 GB",
            f"≤ {bars.OPEN_S} s",
            _spread(row, "wall_s", " s"),
            _verdict(row["wall_s"] <= bars.OPEN_S),
        ]
    ]


def _faults(folder: Path) -> list[list[str]]:
    """Rows of the fault campaign, if it was run."""
    path = folder / "store_faults.json"
    if not path.exists():
        return []
    parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
    lines = []
    for title, count, text, wanted in FAULTS:
        own = [part for name, part in parts.items() if name.split(",")[0] == title]
        done = sum(part["counts"].get(count, 0) for part in own)
        failed = sum(part["failures"] for part in own)
        measured = f"{failed} failures in {done:,}"
        verdict = "**missed**" if failed else "met" if done >= wanted else f"so far, of {wanted:,}"
        lines.append([text, "0 failures", measured, verdict])
    return lines


FAULTS = (
    ("kills", "kills", "kill −9 of writers at random times and calls: acknowledged records lost or doubled", 10_000),
    ("kills at every call", "calls", "… before, within and after every call of an append, a compaction, a repair", 1),
    (
        "system errors",
        "faults",
        "failing calls (EIO, ENOSPC, short writes, links that lie): lost, or a store unusable",
        1,
    ),
    ("power cuts", "disks", "power cuts that lose and reorder what was not synced: acknowledged records lost", 1),
    ("flipped bits", "flips", "flipped bits: unnoticed, or more lost than the frame that was hit", 1),
    ("files cut short", "cuts", "files cut short: a store unreadable, or more lost than was cut", 1),
)
"""Part of the campaign, what it counts, what it means, and how many there should be."""
