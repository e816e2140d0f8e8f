"""Write a result to benchmarks/results: one row a run, and what it was made with."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pandas as pd

import metaal
from metaal.result import Result

RESULTS = Path(__file__).parent / "results"
COLUMNS = ["policy", "task", "data", "family", "learner", "batch", "seed", "stream", "error"]
NUMBERS = [
    "aulc",
    "aulc.balanced_accuracy",
    "aulc.log_loss",
    "first30",
    "final",
    "full",
    "labels.to.90",
    "labels.to.95",
]
NUMBERS += ["compression.90", "compression.95", "rounds", "utility"]
SECONDS = [f"seconds.{phase}" for phase in ("fit", "score", "observe", "decide", "select")]


def write_result(name: str, result: Result, command: str) -> None:
    """Write ``name.csv`` and ``name.json``."""
    RESULTS.mkdir(exist_ok=True)
    table = result.runs[COLUMNS + NUMBERS + SECONDS].copy()
    table[NUMBERS] = table[NUMBERS].round(6)
    table[SECONDS] = table[SECONDS].round(4)
    table.to_csv(RESULTS / f"{name}.csv", index=False)
    versions = {package: __import__(package).__version__ for package in ("numpy", "pandas", "sklearn", "lightgbm")}
    facts = {
        "command": command,
        "runs": len(table),
        "tasks": int(table["task"].nunique()),
        "families": int(table["family"].nunique()),
        "seeds": sorted(table["seed"].unique().tolist()),
        "policies": result.policies,
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
        "versions": {"metaal": metaal.__version__, "python": platform.python_version(), **versions},
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    print(result.table().T.to_string())


def read_result(name: str) -> Result:
    """The committed result, without its curves."""
    facts = json.loads((RESULTS / f"{name}.json").read_text())
    table = pd.read_csv(RESULTS / f"{name}.csv", dtype={"error": "object"}).fillna({"error": ""})
    return Result(table.to_dict("records"), {}, metaal.Prices(), facts["policies"])
