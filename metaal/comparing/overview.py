"""The first table of a result, and its learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.comparing.pareto import middle
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

MEANS = (
    "aulc",
    "aulc.balanced_accuracy",
    "aulc.log_loss",
    "first30",
    "final",
    "full",
    "utility",
)
"""Means over families of the means over their tasks and seeds; NaN where no run has them."""
WHERE_MEASURED = ("aulc.rmse", "aulc.brier")
PER_RUN = ("seconds", "rounds", "fits", "rows.scored", "labels", "labels.spent")
"""Means over runs."""


def overview(runs: pandas.DataFrame, policies: Sequence[str]) -> pandas.DataFrame:
    """Means by policy, best AULC first; see ``Result.table``."""
    import pandas as pd

    levels = [str(c).rsplit(".", 1)[1] for c in runs if str(c).startswith("labels.to.")]
    per_run = [str(c) for c in runs if c in PER_RUN or str(c).startswith("seconds.")]
    means = {c: middle(runs, c) for c in (*MEANS, *WHERE_MEASURED) if c in runs}
    lines = []
    for name in policies:
        rows = runs[runs["policy"] == name]
        line: dict[str, Any] = {"policy": name, "runs": len(rows)}
        for column in (*MEANS, *(c for c in WHERE_MEASURED if c in rows)):
            line[column] = means[column][name] if column in means and name in means[column] else np.nan
        for level in levels:
            line[f"reached.{level}"] = float(rows[f"labels.to.{level}"].notna().mean())
            for column, never in ((f"labels.to.{level}", np.inf), (f"compression.{level}", -np.inf)):
                if column in rows:
                    median = rows[column].fillna(never).median()
                    line[column] = median if np.isfinite(median) else np.nan
        for column in per_run:
            line[column] = rows[column].mean()
        lines.append(line)
    return pd.DataFrame(lines).set_index("policy").sort_values("aulc", ascending=False, kind="stable")


def curves(
    runs: pandas.DataFrame,
    traces: Mapping[tuple[str, str], Trace],
    task: str,
    policies: Sequence[str],
    *,
    score: str = "accuracy",
    points: int = 60,
) -> pandas.DataFrame:
    """Mean learning curves of one task on a common grid of label counts; see ``Result.curves``."""
    import pandas as pd
    from scipy.stats import t

    from metaal.rehearsal.scoring import MAIN

    rows = runs[runs["task"] == task]
    cells: dict[str, list[str]] = {}
    for name, stream in zip(rows["policy"], rows["stream"], strict=True):
        cells.setdefault(name, []).append(stream)
    names, grids, means, errors = [], [], [], []
    for name in policies:
        found = [traces[name, stream].curve for stream in cells.get(name, ()) if (name, stream) in traces]
        if not found:
            continue
        column = MAIN["regression"] if score == "accuracy" and "accuracy" not in found[0] else score
        if column not in found[0]:
            raise InputError(f"curves: no score {score!r} in the curves of task {task!r}")
        drawn = [(c["labels"].to_numpy(dtype=np.float64), c[column].to_numpy(dtype=np.float64)) for c in found]
        grid = np.linspace(max(x.min() for x, _ in drawn), min(x.max() for x, _ in drawn), points)
        values = np.stack([np.interp(grid, x, y) for x, y in drawn])
        count = len(values)
        # Student's t: the interval of the mean over seeds
        wide = t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(points)
        names += [name] * points
        grids.append(grid)
        means.append(values.mean(0))
        errors.append(wide)
    if not names:
        tasks = list(dict.fromkeys(runs["task"]))
        more = f" and {len(tasks) - 5} more" if len(tasks) > 5 else ""
        raise InputError(
            f"curves: no finished runs with curves of task {task!r}; the tasks are {', '.join(tasks[:5])}{more}"
        )
    mean, error = np.concatenate(means), np.concatenate(errors)
    columns = {"labels": np.concatenate(grids), "mean": mean, "low": mean - error, "high": mean + error}
    return pd.DataFrame({"policy": names, **columns})
