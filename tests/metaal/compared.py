"""Tables of runs, curves and results with given numbers, for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import metaal
from metaal.rehearsal import Trace


def runs_of(values: Mapping[str, Any], *, score: str = "aulc", tasks: int = 1, **more: Any) -> pd.DataFrame:
    """A table of runs: policy → f8[families × tasks, seeds]."""
    lines = []
    for policy, table in values.items():
        for row, seeds in enumerate(np.asarray(table, dtype=np.float64)):
            family, task = f"f{row // tasks}", f"f{row // tasks}~t{row % tasks}"
            for seed, value in enumerate(seeds):
                keys = {"policy": policy, "task": task, "data": family, "family": family, "seed": seed}
                lines.append({**keys, "stream": f"{task}~s{seed}", "error": "", score: value, **more})
    return pd.DataFrame(lines)


def trace_of(
    labels: Sequence[float],
    score: Sequence[float],
    *,
    seconds: float = 0.0,
    full: float = 1.0,
    pool: int = 100,
    **columns: Any,
) -> Trace:
    """A run with one accuracy a model, and the same seconds of fitting each."""
    curve = pd.DataFrame(
        {
            "loop": np.arange(len(labels)),
            "labels": np.asarray(labels, dtype=np.float64),
            "accuracy": np.asarray(score, dtype=np.float64),
            "cost.fit.seconds": seconds,
            "query.count": [*np.diff(labels), np.nan],
            "action.name": ["margin"] * (len(labels) - 1) + [None],
            "decision.reason": ["fixed strategy"] * (len(labels) - 1) + [None],
            **columns,
        }
    )
    return Trace("run", curve, {"accuracy": full}, pool)


def result_of(
    curves: Mapping[str, Sequence[Trace]],
    *,
    prices: metaal.Prices | None = None,
    seeds: int = 1,
    spellings: Mapping[str, str] | None = None,
    **more: Any,
) -> metaal.Result:
    """A result with given curves: policy → one trace a cell, the seeds of a task side by side; each task a family."""
    from metaal.measures import measure

    prices = prices or metaal.Prices()
    rows, traces = [], {}
    for policy, found in curves.items():
        for k, trace in enumerate(found):
            task, seed = f"t{k // seeds}", k % seeds
            stream = f"{task}~s{seed}"
            keys = {"policy": policy, "task": task, "data": task, "family": task, "learner": "logistic", "batch": 10}
            keys |= {"regime": "clean", "seed": seed, "stream": stream, "error": ""}
            rows.append({**keys, **measure(trace, prices), **more})
            traces[policy, stream] = trace
    names = spellings or {}
    return metaal.Result(rows, traces, prices, {name: names.get(name, name) for name in curves})
