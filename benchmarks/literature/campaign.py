"""Runs into a CSV file, one line each as it ends; what stands there is not run again."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.literature.protocol import RULES, USUAL, run
from benchmarks.literature.published import known_sets, published
from benchmarks.record import RESULTS, versions_and_machine
from metaal.rehearsal.pacing import pace
from metaal.rehearsal.playing import one_thread

COLUMNS = ["set", "strategy", "repeat", "aubc", "mean", "first", "last", "queries", "seconds"]
FILE = RESULTS / "literature.csv"
LEFT_OUT = -1.0
"""In the column of the area: a repeat whose initial labels are of one class."""


def read_runs(file: Path = FILE) -> pd.DataFrame:
    """What was run so far; a last line that was not finished is dropped."""
    if not file.is_file():
        return pd.DataFrame(columns=COLUMNS)
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    return pd.read_csv(file)


def add(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Append lines, and have them on disk."""
    new = not file.is_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8", newline="") as out:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(out, index=False, header=new, lineterminator="\n")
        out.flush()
        os.fsync(out.fileno())


def campaign(
    data: str | Path,
    *,
    sets: Sequence[str] = (),
    strategies: Sequence[str] = USUAL,
    repeats: int = 30,
    file: Path = FILE,
) -> None:
    """Run what is missing: set by set from the cheapest, repeat by repeat, every strategy on the same split.

    Parameters
    ----------
    data : str, Path
        Folder of the data; see `known_sets`.
    sets : sequence of str
        Our names or theirs; all when empty.
    strategies : sequence of str
    repeats : int
        Repeats 0 to ``repeats`` − 1.
    file : Path

    Raises
    ------
    ValueError
        A set or a strategy is not known.
    """
    here = known_sets(data)
    names = {known.name for known in here} | {known.theirs for known in here}
    strange = [name for name in sets if name not in names] + [name for name in strategies if name not in RULES]
    if strange:
        theirs = ", ".join(known.theirs for known in here)
        raise ValueError(f"unknown: {', '.join(strange)}; expected sets among {theirs}, strategies among {list(RULES)}")
    chosen = [known for known in here if not sets or known.name in sets or known.theirs in sets]
    table = read_runs(file)
    done = set(zip(table["set"], table["strategy"], table["repeat"], strict=True))
    work = [(known, repeat) for known in chosen for repeat in range(repeats)]
    todo = [(k, r) for k, r in work if any((k.name, s, r) not in done for s in strategies)]
    update, stop = pace("literature", len(todo))
    try:
        with one_thread():
            for count, (known, repeat) in enumerate(todo, start=1):
                x, y = known.load()
                rows = []
                for name in strategies:
                    if (known.name, name, repeat) not in done:
                        row = run(x, y, known.name, repeat, name)
                        empty = dict.fromkeys(COLUMNS[3:], 0) | {"aubc": LEFT_OUT}
                        rows.append(row or {"set": known.name, "strategy": name, "repeat": repeat, **empty})
                add(rows, file)
                update(count, len(todo), f"{known.theirs}, repeat {repeat}")
    finally:
        stop()
    write_facts(data, file)


def write_facts(data: str | Path, file: Path) -> None:
    """What the runs are compared with, and what they were made with, beside them."""
    table = read_runs(file)
    sets = [known for known in known_sets(data) if known.name in set(table["set"])]
    facts = {
        "command": "python -m benchmarks.literature run",
        "protocol": "Lu, Li and Lin 2023, Re-Benchmarking Pool-Based Active Learning for Binary Classification",
        "runs": len(table),
        "sets": {k.name: {"published as": k.theirs, "rows": k.rows, "features": k.features} for k in sets},
        "seeds": f"repeats 0 to {int(table['repeat'].max())}" if len(table) else "none",
        "match": {k.name: k.match for k in sets},
        "published": published(data, sets),
        **versions_and_machine(),
    }
    text = json.dumps(facts, indent=1, sort_keys=True)
    file.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
