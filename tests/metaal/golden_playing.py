"""What rehearsals of clean tasks must ask for and measure, for ever: run this file to write ``golden_playing.json``.

Rows and actions are compared exactly, numbers to seven digits: processors add in different orders.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metaal import Seeds, Task, play
from metadata_store import MemoryStore

FILE = Path(__file__).with_suffix(".json")
CASES: dict[str, tuple[str, Task]] = {
    "iris": ("uniform", Task("iris", "logistic", batch=4, budget=16, seeds=1)),
    "wine": ("schedule", Task("wine", "naive_bayes", batch=4, budget=16, seeds=2)),
    "digits": ("uniform", Task("digits", "extra_trees", batch=10, budget=50)),
    "breast_cancer": (
        "margin",
        Task("breast_cancer", "nearest_neighbours", batch=5, budget=30, initial=9, seeds=Seeds(1, 2, 3, 4)),
    ),
    "tips": ("cluster_margin", Task("tips", "logistic", batch=7, budget=200, seeds=5)),
}


def played(name: str) -> list[dict[str, Any]]:
    """The records of one case: event, loop, and what was asked, told, scored and reported."""
    policy, task = CASES[name]
    store = MemoryStore()
    run = play(policy, task, store=store).run
    out = []
    for record in store.records(run):
        values = {k: v for k, v in record.values.items() if not k.endswith((".seconds", ".digest", ".pool"))}
        for name in ("tag.fingerprint", "run.task"):  # changes with the last bit; is the data's own
            values.pop(name, None)
        arrays = {k: a.tolist() for k, a in record.arrays.items() if k in ("query.ids", "ids", "labels", "actions")}
        out.append({"event": record.event, "loop": record.loop, "run": record.run, "values": values, "arrays": arrays})
    return out


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: played(name) for name in CASES}, indent=0), encoding="utf-8")
