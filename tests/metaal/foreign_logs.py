"""Logs of active learning as another program keeps them, of runs whose truth is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

Gain = Callable[[int, str], float]
NAMES = ("Random", "MarginSampling", "MaxEntropy")
STRATEGIES: dict[str, str | None] = {
    "Random": "random",
    "MarginSampling": "margin",
    "MaxEntropy": "entropy",
    "initial": None,
}
COLUMNS = {
    "strategy": "action.name",
    "n_labels": "labels.count",
    "val_acc": "score.value",
    "p": "action.propensity",
    "dataset": "run.task",
}
EARLY = 5
"""Loops in which margin sampling is truly the better strategy."""


def early(loop: int, name: str) -> float:
    """Gain of a batch: margin sampling is better in the early loops and worse afterwards, entropy always is worse."""
    return {"Random": 0.02, "MarginSampling": 0.05 if loop < EARLY else 0.008, "MaxEntropy": 0.012}[name]


def alike(loop: int, name: str) -> float:
    """No strategy is better than another one."""
    return 0.02


def log(
    gain: Gain, *, tasks: int = 10, loops: int = 10, switching: bool = False, after: bool = True, seed: int = 1
) -> list[dict[str, Any]]:
    """Rows of runs, one a loop, three runs a task.

    Parameters
    ----------
    gain : what a strategy's batch adds to the score in a loop.
    switching : a strategy is drawn anew in every loop, and its propensity logged; else each run has its own.
    after : labels and score of a row are those after its batch (round 0 has none), else those before it.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for task in range(tasks):
        start, speed = 0.3 + 0.03 * rng.normal(), rng.uniform(0.7, 1.3)
        for name in NAMES:
            facts = {"run": f"task {task} {name}", "dataset": task}
            level, labels, told = start, 10, []
            for loop in range(loops):
                taken = NAMES[rng.integers(3)] if switching else name
                told.append((taken, labels, level))
                level += speed * gain(loop, taken) + 0.004 * rng.normal()
                labels += 20
            told.append(("initial", labels, level))
            chance = {"p": 1 / 3} if switching else {}
            names = ["initial", *(taken for taken, _, _ in told[:-1])] if after else [taken for taken, _, _ in told]
            for loop, (taken, (_, count, score)) in enumerate(zip(names, told, strict=True)):
                row = {**facts, "round": loop, "strategy": taken, "n_labels": count, "val_acc": score}
                rows.append(row | ({} if taken == "initial" else chance))
    return rows


def write(rows: Iterable[dict[str, Any]], path: Path) -> Path:
    """Write rows as CSV, JSONL or Parquet, by the suffix."""
    rows = list(rows)
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    else:
        import pandas

        pandas.DataFrame(rows).to_parquet(path)
    return path


def arguments(source: str, store: str, *, after: bool = True, propensity: bool = False) -> list[str]:
    """The call of `metaal import` for such a log."""
    columns = {column: name for column, name in COLUMNS.items() if propensity or column != "p"}
    told = ["import", source, store, "--run-column", "run", "--loop-column", "round"]
    told += [part for column, name in columns.items() for part in ("--map", f"{column}={name}")]
    told += [part for theirs, ours in STRATEGIES.items() for part in ("--strategy", f"{theirs}={ours or ''}")]
    return [*told, *(["--after", "n_labels", "--after", "val_acc"] if after else [])]
