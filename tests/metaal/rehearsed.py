"""Shorthands for rehearsals in tests: a suite of seconds, and what a store holds but for the measured times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from metadata_store import Record, open_store

SUITE = """
name = "mini"
seeds = [0, 1]
[[grid]]
data = ["iris", "wine"]
learners = ["logistic", "naive_bayes"]
regimes = ["clean", "noise(rate=0.3)+cold_start"]
batches = [4]
budget = 12
[[grid]]
task = "regression"
data = ["diabetes"]
learners = ["ridge"]
batches = [5]
budget = 15
[branches]
strategies = ["margin", "random"]
multipliers = [1.0, 2.0]
states = 2
[branches.regression]
strategies = ["greedy_x", "random"]
multipliers = [1.0]
default = "greedy_x"
"""
TASKS, BRANCHES = 18, 16 * 2 * 6 + 2 * 2 * 2


def write_suite(folder: Path, text: str = SUITE) -> str:
    """Path of a suite file with this text."""
    path = folder / "mini.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def contents(store: str | Path) -> dict[str, list[Any]]:
    """Run → its records in order, measured seconds and times aside; fails where a key is there twice."""
    with open_store(store) as opened:
        out = {run: [timeless(record) for record in opened.records(run)] for run in sorted(opened.runs())}
        assert opened.verify().ok
        assert all(opened.count(run) == len(records) for run, records in out.items())
    for records in out.values():
        assert max(Counter(record[0] for record in records).values()) == 1
    return out


def timeless(record: Record) -> tuple[Any, ...]:
    """What a record says of anything but time, comparable."""
    values = {name: value for name, value in record.values.items() if not name.endswith(".seconds")}
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in record.arrays.items()}
    return record.key, sorted((name, repr(value)) for name, value in values.items()), arrays
