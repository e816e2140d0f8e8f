"""What the store must reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.store.peers import MLFLOW

Row = dict[str, Any]
Rows = list[Row]

OURS = "metaal"
CPU_MS, WALL_RATIO, BYTES_RATIO, TIMES_MLFLOW_CPU = 0.5, 1.5, 1.1, 50
COMPACTED_S, UNCOMPACTED_S, COLUMNS_S, TIMES_MLFLOW_READ = 0.3, 5, 0.05, 1000
P99_RATIO, OPEN_S = 3, 2


def judged(name: str, rows: Rows) -> Rows:
    """The rows of a benchmark with their `verdict`: "met", "missed: …" with each bar that was, "" without a bar.

    Examples
    --------
    >>> row = {"store": "1 GB", "what": "open", "status": "ok", "wall_s": 2.5}
    >>> judged("recover", [row])[0]["verdict"]
    'missed: 2.5 s > 2 s'
    """
    for row in rows:
        goals = _GOALS[name](row, rows) if row["status"] == "ok" else []
        missed = [text for value, most, text in goals if value > most]
        row["verdict"] = f"missed: {'; '.join(missed)}" if missed else "met" if goals else ""
    return rows


Goal = tuple[float, float, str]


def _most(value: float, most: float, unit: str) -> Goal:
    return value, most, f"{value:.3g}{unit} > {most:g}{unit}"


def _append(row: Row, rows: Rows) -> list[Goal]:
    if row["subject"] == MLFLOW and _number(row["cpu_times_ours"]):
        ratio = row["cpu_times_ours"]
        return [(TIMES_MLFLOW_CPU, ratio, f"ours takes only {ratio:.3g}× less CPU, not {TIMES_MLFLOW_CPU}×")]
    if row["subject"] != OURS or not row["setting"].startswith("commit"):
        return []
    cpu = row["cpu_ms"] + row["make_ms"]
    return [
        _most(cpu, CPU_MS, " ms CPU"),
        _most(row["wall_ratio"], WALL_RATIO, "× a bare write"),
        _most(row["bytes_ratio"], BYTES_RATIO, "× the raw bytes"),
    ]


def _read(row: Row, rows: Rows) -> list[Goal]:
    if row["subject"].startswith("MLflow"):
        ours = [r for r in rows if (r["subject"], r["tier"], r["what"]) == (OURS, "compacted", row["what"])]
        if not ours or ours[0]["status"] != "ok":
            return []
        row["times_ours"] = row["full_s"] / ours[0]["wall_s"]
        ratio = row["times_ours"]
        return [(TIMES_MLFLOW_READ, ratio, f"ours is only {ratio:.3g}× faster, not {TIMES_MLFLOW_READ}×")]
    if row["subject"] != OURS:
        ours = [r for r in rows if (r["subject"], r["tier"], r["what"]) == (OURS, "compacted", row["what"])]
        if ours and ours[0]["status"] == "ok":
            row["times_ours"] = row["full_s"] / ours[0]["wall_s"]
        return []
    limits = {
        ("uncompacted", "open and frame"): UNCOMPACTED_S,
        ("compacted", "open and frame"): COMPACTED_S,
        ("compacted", "frame, 10 columns"): COLUMNS_S,
    }
    limit = limits.get((row["tier"], row["what"]))
    return [] if limit is None else [_most(row["wall_s"], limit, " s")]


def _writers(row: Row, rows: Rows) -> list[Goal]:
    if row["subject"] != OURS:
        return []
    goals = [_most(row["lost"], 0, " lost"), _most(row["doubled"], 0, " doubled")]
    if row["setting"].startswith("commit"):
        goals.append(_most(row["p99_ratio"], P99_RATIO, "× the bare p99"))
    return goals


def _recover(row: Row, rows: Rows) -> list[Goal]:
    if row["store"].startswith("1 GB") and row["what"].startswith("open"):
        return [_most(row["wall_s"], OPEN_S, " s")]
    return []


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))


_GOALS: dict[str, Callable[[Row, Rows], list[Goal]]] = {
    "append": _append,
    "read": _read,
    "writers": _writers,
    "recover": _recover,
}
