"""Markdown of the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.micro.calibration import NEAR
from benchmarks.micro.campaigns import COLUMNS, KEYS, OURS
from benchmarks.micro.harness import RESULTS, Table

SHORT = {"scikit-activeml": "scikit-activeml", "modAL-python": "modAL", "small-text": "small-text"}


def markdown(which: str = "all", folder: Path = RESULTS) -> str:
    """The tables of one benchmark, or of all that were measured."""
    names = list(_TABLES) if which == "all" else [which]
    return "\n\n".join(_TABLES[name](folder) for name in names if (folder / f"micro_{name}.csv").exists())


def rows(name: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What a benchmark measured."""
    return list(Table(folder / f"micro_{name}.csv", KEYS[name], COLUMNS[name]).rows.values())


def rowwise(folder: Path) -> str:
    found = rows("rowwise", folder)
    head = ["strategy", "seconds", "× one partition", "extra MiB", "view, seconds", "target"]
    lines = []
    for r in found:
        spent = number(r["seconds"]) if r["status"] == "ok" else r["status"]
        measured = [number(r[column]) for column in ("ratio", "mib", "view_seconds")]
        lines.append([f"`{r['strategy']}`", spent, *measured, r["verdict"]])
    size = f"{found[0]['U']:,} rows × {found[0]['C']} classes, n = {found[0]['n']}" if found else ""
    return f"Scores from probabilities, {size}, against one `np.partition` of the array.\n\n" + _table(head, lines)


def batch(folder: Path) -> str:
    parts = []
    found = rows("batch", folder)
    for case in dict.fromkeys(r["case"] for r in found):
        head = ["strategy", "CPU seconds", "target", "extra MiB", "target", ""]
        lines = []
        for r in (r for r in found if r["case"] == case):
            spent = number(r["seconds"]) if r["status"] == "ok" else r["status"]
            numbers = [number(r[column]) for column in ("target_seconds", "mib", "target_mib")]
            lines.append([f"`{r['strategy']}`", spent, *numbers, r["verdict"]])
        parts.append(f"{case}\n\n" + _table(head, lines))
    return "\n\n".join(parts)


Pair = tuple[str, str, str]


def paired(folder: Path) -> tuple[dict[tuple[str, int], dict[str, Any]], dict[Pair, list[dict[str, Any]]]]:
    """Our rows by strategy and size; the peers' rows by strategy, package and call, in the order of the sizes."""
    found = rows("peers", folder)
    ours = {(row["strategy"], row["U"]): row for row in found if row["package"] == OURS}
    theirs: dict[Pair, list[dict[str, Any]]] = {}
    for row in sorted(found, key=lambda row: int(row["U"])):
        if row["package"] != OURS:
            theirs.setdefault((row["strategy"], row["package"], row["call"]), []).append(row)
    return ours, theirs


def peers(folder: Path) -> str:
    """One line a pair: our seconds, theirs, and how much faster ours is, at each size."""
    ours, theirs = paired(folder)
    sizes = sorted({size for _, size in ours})
    head = ["strategy", "peer", *(f"{size:,} rows" for size in sizes)]
    lines = []
    for (strategy, package, call), measured in theirs.items():
        by_size = {row["U"]: row for row in measured}
        cells = [_against(ours.get((strategy, size)), by_size.get(size)) for size in sizes]
        lines.append([f"`{strategy}`", f"{SHORT.get(package, package)} `{call}`", *cells])
    return "CPU seconds, ours / theirs (how many times faster ours is).\n\n" + _table(head, lines)


def slower(folder: Path) -> tuple[int, list[tuple[str, str, int, float]]]:
    """How many comparisons have seconds on both sides; those in which ours are more: strategy, peer, rows, ratio."""
    ours, theirs = paired(folder)
    ratios = [
        (strategy, SHORT.get(package, package), int(row["U"]), faster(ours.get((strategy, row["U"])), row))
        for (strategy, package, _), measured in theirs.items()
        for row in measured
    ]
    known = [(strategy, package, size, ratio) for strategy, package, size, ratio in ratios if ratio is not None]
    return len(known), [found for found in known if found[3] < 1]


def faster(us: dict[str, Any] | None, them: dict[str, Any] | None) -> float | None:
    """How many times faster ours is; None where one of the two has no seconds."""
    if us is None or them is None or us["status"] != "ok" or them["status"] != "ok":
        return None
    return float(them["seconds"]) / float(us["seconds"])


def _against(us: dict[str, Any] | None, them: dict[str, Any] | None) -> str:
    ratio = faster(us, them)
    return f"{spent(us)} / {spent(them)}" + (f" ({ratio:.2g}×)" if ratio is not None else "")


def spent(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    if row["status"] == "ok" and row["strategy"].startswith("stream_"):
        return f"{row['U'] / row['seconds']:,.0f} rows/s"
    return number(row["seconds"]) if row["status"] == "ok" else str(row["status"])


def cost(folder: Path) -> str:
    found = json.loads((folder / "micro_cost.json").read_text(encoding="utf-8"))["predictions"]
    head = ["strategy", "sizes", f"within {NEAR:g}×", "worst", "start-up, seconds", "ns per operation"]
    lines = []
    for name, fit in found.items():
        if "factor" not in fit:
            lines.append([f"`{name}`", str(fit["measured"]), "", "", "", ""])
            continue
        quality = [f"{fit['within']:.0%}", f"{fit['worst']:.2g}×"]
        numbers = [number(fit["startup"]), number(1e9 * fit["factor"])]
        lines.append([f"`{name}`", str(fit["measured"]), *quality, *numbers])
    return "Seconds predicted from declared costs, on sizes that weren't fitted.\n\n" + _table(head, lines)


def number(value: Any) -> str:
    """Two or three digits; nothing for what is missing.

    >>> number(0.01234), number(1234.5), number(""), number(0.0)
    ('0.012', '1,234', '', '0')
    """
    if value == "" or value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}"


def _table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


_TABLES = {"rowwise": rowwise, "batch": batch, "peers": peers, "cost": cost}
