"""From pytest-benchmark's JSON to benchmarks/results/micro_latency.csv and .json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.micro.harness import ROOT
from benchmarks.record import PACKAGES, RESULTS, versions_and_machine

NAME = "micro_latency"
COLUMNS = ["group", "case", "rows", "median_ms", "iqr_ms", "least_ms", "most_ms", "rounds"]
COMMAND = "python -m benchmarks.micro latency"


def read(measured: dict[str, Any]) -> pd.DataFrame:
    """The table of what pytest-benchmark wrote.

    Parameters
    ----------
    measured : dict
        Its JSON, read.

    Returns
    -------
    DataFrame
        One row a case, milliseconds of the clock.
    """
    rows = []
    for entry in measured["benchmarks"]:
        said, stats = entry["extra_info"], entry["stats"]
        numbers = (stats["median"], stats["iqr"], stats["min"], stats["max"])
        rows.append([said["group"], said["case"], said["rows"], *(_rounded(1e3 * x) for x in numbers), stats["rounds"]])
    return pd.DataFrame(rows, columns=COLUMNS)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def write(table: pd.DataFrame, folder: Path = RESULTS, load: tuple[float, ...] = ()) -> None:
    """Write the table, and what it was made with; ``load`` is the machine's, before and after."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{NAME}.csv", index=False)
    facts = {
        "command": COMMAND,
        "rows": len(table),
        "seeds": [0],
        "load": list(load),
        **versions_and_machine((*PACKAGES, "pytest-benchmark")),
    }
    (folder / f"{NAME}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def markdown(folder: Path = RESULTS) -> str:
    """The table in Markdown: a line a case, a column a size."""
    table = pd.read_csv(folder / f"{NAME}.csv")
    facts = json.loads((folder / f"{NAME}.json").read_text(encoding="utf-8"))
    load = " and ".join(f"{value:g}" for value in facts["load"])
    lines = [
        f"`{COMMAND}`: milliseconds of the clock, medians (middle half's width in brackets); one thread; load of the "
        f"machine before and after {load}."
    ]
    for group, part in table.groupby("group", sort=False):
        sizes = list(dict.fromkeys(part["rows"]))
        lines += [
            "",
            f"| {group} | " + " | ".join(f"{size:,} rows" for size in sizes) + " |",
            "|---|" + "---|" * len(sizes),
        ]
        for case, found in part.groupby("case", sort=False):
            at = found.set_index("rows")
            cells = [
                f"{at.loc[size, 'median_ms']:g} ({at.loc[size, 'iqr_ms']:g})" if size in at.index else "–"
                for size in sizes
            ]
            lines.append(f"| `{case}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _load() -> float:
    """Processes that wait for a core, the mean of the last minute."""
    return round(os.getloadavg()[0], 1)


def measure(folder: Path = RESULTS, pattern: str = "") -> None:
    """Run pytest on the cases in a process of its own, and write what it found.

    Raises
    ------
    SystemExit
        A case failed, or pytest-benchmark is not installed.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "measured.json"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        words += ["benchmarks/micro", f"--benchmark-json={file}", *(["-k", pattern] if pattern else [])]
        before = _load()
        done = subprocess.run(words, cwd=ROOT, check=False)
        if done.returncode or not file.is_file():
            sys.exit("latency: pytest failed; needs pytest-benchmark: pip install 'metaal[bench]'")
        write(read(json.loads(file.read_text(encoding="utf-8"))), folder, (before, _load()))
