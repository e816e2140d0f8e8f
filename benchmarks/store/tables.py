"""Markdown of what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.micro.harness import RESULTS, Table
from benchmarks.micro.tables import _table, number
from benchmarks.store.campaigns import MODULES

Row = dict[str, Any]

_HEADS: dict[str, tuple[str, dict[str, str | tuple[str, ...]]]] = {
    "append": (
        "One durable record of 200 scalars, a histogram of 64 bins and 1,000 ids; milliseconds, medians of rounds "
        "(least to most). “×” of a bare write + fdatasync of the same numbers, in turns on the same disk.",
        {
            "": ("subject", "setting"),
            "CPU ms": "cpu_ms",
            "wall ms": "wall_ms",
            "× bare": "wall_ratio",
            "p99 ms": "wall_p99_ms",
            "bytes ÷ raw": "bytes_ratio",
            "CPU ÷ ours": "cpu_times_ours",
            "peak MiB": "peak_mib",
        },
    ),
    "read": (
        "All scalars of 1,000 runs × 50 loops × 200 into one table; seconds, files in the system's memory. Peers are "
        "measured on fewer runs, and “at full size” is in proportion; linearity is the growth of their seconds from "
        "the half size, divided by 2.",
        {
            "": ("subject", "tier", "what"),
            "runs": "runs",
            "wall s": "wall_s",
            "CPU s": "cpu_s",
            "at full size, s": "full_s",
            "linearity": "linearity",
            "÷ ours": "times_ours",
            "MiB on disk": "mib",
            "peak MiB": "peak_mib",
        },
    ),
    "writers": (
        "Processes that append at the same time, each its own run; milliseconds an append. “×” of the p99 of as many "
        "processes that write and sync the same number of bytes bare.",
        {
            "": ("subject", "setting"),
            "processes × appends": ("processes", "appends"),
            "lost": "lost",
            "p50 ms": "p50_ms",
            "p99 ms": "p99_ms",
            "× bare p99": "p99_ratio",
            "sync alone p99 ms": "sync_p99_ms",
            "max ms": "max_ms",
            "CPU ms": "cpu_ms",
            "appends/s": "per_second",
        },
    ),
    "recover": (
        "Large stores; seconds, files in the system's memory.",
        {
            "": ("store", "what"),
            "records": "records",
            "GB": "gigabytes",
            "wall s": "wall_s",
            "CPU s": "cpu_s",
            "records/s": "per_second",
            "peak MiB": "peak_mib",
        },
    ),
}


def markdown(which: str = "all", folder: Path = RESULTS) -> str:
    """The tables of one benchmark, or of all that were measured."""
    names = list(_HEADS) if which == "all" else [which]
    return "\n\n".join(_markdown(name, folder) for name in names if (folder / f"store_{name}.csv").exists())


def rows(name: str, folder: Path = RESULTS) -> list[Row]:
    """What a benchmark measured, in the order of its key."""
    module = MODULES[name]
    return list(Table(folder / f"store_{name}.csv", module.KEY, module.COLUMNS).rows.values())


def _markdown(name: str, folder: Path) -> str:
    text, columns = _HEADS[name]
    lines = []
    for row in rows(name, folder):
        cells = [_cell(row, column) for column in columns.values()]
        if row["status"] != "ok":
            cells[1:] = [str(row["status"])] + [""] * (len(cells) - 2)
        lines.append([*cells, str(row["verdict"])])
    facts = json.loads((folder / f"store_{name}.json").read_text(encoding="utf-8"))
    disk = f"{facts['disk']['file_system']}, one bare sync {facts['disk']['sync_ms']:.2g} ms"
    busy = f"load {facts['load'][0]:g} before and {facts['load'][1]:g} after, {facts['machine']['cores']} cores"
    return f"`{facts['command']}` ({disk}; {busy}). {text}\n\n" + _table([*columns, "bar"], lines)


def _cell(row: Row, column: str | tuple[str, ...]) -> str:
    if isinstance(column, tuple):
        joint = " × " if column[0] == "processes" else ", "
        return joint.join(str(row[part]) for part in column if row[part] != "")
    value = row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    low, high = row.get(f"{column}_low", ""), row.get(f"{column}_high", "")
    if value == "" or (low in ("", value) and high in ("", value)):
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"
