"""Evaluations made up in memory, of any size and shape, for the tests of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from metaal.measures import measure
from metaal.prices import Prices
from metaal.rehearsal import Trace
from metaal.result import Result

LEARNERS = {"classification": ("logistic", "extra_trees"), "regression": ("ridge", "forest")}


def made(
    policies: Sequence[str] = ("learned", "margin", "random"),
    *,
    families: int = 7,
    learners: int = 1,
    regimes: Sequence[str] = ("clean", "noise(rate=0.3)"),
    seeds: int = 2,
    loops: int = 8,
    kind: str = "classification",
    lead: float = 0.01,
    full: float = 0.95,
    series: bool = True,
    failing: Sequence[tuple[str, int]] = (),
    leaking: Sequence[str] = (),
) -> Result:
    """A result whose first policy leads each next one by ``lead`` in mean score, with noise between cells.

    Parameters
    ----------
    full : float
        Score on the whole pool; the curves end near 0.9, so 2.0 is a target that nobody reaches.
    failing : sequence of (policy, seed)
        Runs of the first task that failed.
    leaking : sequence of str
        Policies whose runs on the first family are marked as leaks.
    """
    rng = np.random.default_rng(0)
    prices, rows, traces = Prices(second=0.01), [], {}
    for f in range(families):
        for learner in LEARNERS[kind][:learners]:
            for regime in regimes:
                task = f"set{f}~{learner}~b5" + ("" if regime == "clean" else f"~{regime}")
                base = rng.uniform(0.3, 0.6)
                for seed in range(seeds):
                    stream, luck = f"{task}~s{seed}", rng.normal(0, 0.01)
                    for k, name in enumerate(policies):
                        row: dict[str, Any] = {"policy": name, "task": task, "data": f"set{f}", "learner": learner}
                        row |= {"batch": 5, "regime": regime, "seed": seed, "stream": stream, "error": ""}
                        row |= {"family": f"family{f}"}
                        if leaking:
                            row["leak"] = name in leaking and f == 0
                        if (name, seed) in failing and not traces.get((policies[0], f"{task}~s{seeds}")) and f == 0:
                            row |= {"error": "RuntimeError: the learner gave up", "traceback": "Traceback: gave up"}
                        else:
                            trace = _trace(rng, name, k, stream, base + luck, lead * k, loops, kind, full, series)
                            traces[name, stream] = trace
                            row |= measure(trace, prices)
                        rows.append(row)
    return Result(rows, traces, prices, {name: name for name in policies})


def _trace(
    rng: np.random.Generator,
    name: str,
    k: int,
    stream: str,
    base: float,
    lead: float,
    loops: int,
    kind: str,
    full: float,
    more: bool,
) -> Trace:
    labels = 10.0 + 5 * np.arange(loops + 1)
    loop = np.arange(loops + 1)
    curve = base + (0.92 - base) * (1 - np.exp(-loop / 4)) - lead * np.minimum(loop, 1) + rng.normal(0, 0.01, loops + 1)
    main = "accuracy" if kind == "classification" else "r2"
    columns: dict[str, Any] = {"loop": np.arange(loops + 1), "labels": labels, main: curve}
    if kind == "classification":
        columns |= {"balanced_accuracy": curve - 0.02, "log_loss": 1.2 - curve}
    else:
        columns["rmse"] = 80 * (1 - curve)
    columns["guide"] = curve + rng.normal(0, 0.02, loops + 1)
    columns["query.count"] = np.append(np.full(loops, 5.0), np.nan)
    for phase, size in (("fit", 0.02), ("score", 0.01), ("observe", 0.005), ("decide", 0.05 if k == 0 else 0.0)):
        columns[f"cost.{phase}.seconds"] = size * (1 + 0.1 * rng.random(loops + 1))
    columns["cost.select.seconds"] = np.append(np.full(loops, 0.003), np.nan)
    names = [name if k or t % 3 else "typiclust" for t in range(loops)]
    columns["action.name"] = [*names, np.nan]
    columns["decision.reason"] = [*(f"{action} looks best" for action in names), np.nan]
    if more:
        columns["pool.size"] = 200.0 - labels
        columns["pool.margin.mean"] = np.linspace(0.2, 0.8, loops + 1)
        columns["churn.label"] = np.append(np.nan, rng.random(loops) * 0.2)
        if k == 0:
            columns["decision.advantage"] = np.append(rng.choice([0.0, 0.005, 0.01, 0.02], loops), np.nan)
            columns["decision.lower"] = columns["decision.advantage"] - 0.004
    scores = {main: full} if full else {}
    return Trace(f"{stream}~{name}", pd.DataFrame(columns), scores, 200, main)
