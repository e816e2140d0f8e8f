"""Where the judged policy did worse: by regime, learner, batch and data set, and task by task, losses first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.reporting.reading import Reading

if TYPE_CHECKING:
    import pandas

WORST = 12
"""Tasks that are listed."""
KINDS = (("regime", "regime"), ("learner", "learner"), ("batch", "batch"), ("family", "family"))
"""Columns that runs are grouped by, and what they are called."""
EQUAL = 1e-12


@dataclass(frozen=True)
class Loss:
    """One task and how the judged policy stands there to one rival.

    ``difference`` in points (hundredths of the main score), mean over ``seeds``; ``worse`` = seeds with less than the
    rival; ``when`` = the part of the budget in which it lost most; ``did`` and ``other`` = what both did mostly.
    """

    task: str
    difference: float
    low: float
    high: float
    seeds: int
    worse: int
    when: str
    did: str
    other: str


def task_differences(reading: Reading, rival: str) -> pandas.Series:
    """Judged policy less rival by task: mean over seeds of the differences of AULC, in points, most negative first."""
    return _pairs(reading, rival).groupby("task")["delta"].mean().sort_values(kind="stable")


def losses(reading: Reading, rival: str, *, worst: int = WORST) -> list[Loss]:
    """The tasks with the lowest differences to ``rival``, lowest first; no more than lost."""
    from scipy.stats import t

    pairs, out = _pairs(reading, rival), []
    for task in task_differences(reading, rival).head(worst).index:
        values = pairs.loc[pairs["task"] == task, "delta"].to_numpy(dtype=np.float64)
        mean, count = float(values.mean()), len(values)
        if mean >= -EQUAL:
            break
        half = t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count) if count > 1 else float("nan")
        out.append(
            Loss(
                str(task),
                mean,
                mean - half,
                mean + half,
                count,
                int((values < -EQUAL).sum()),
                _when(reading, str(task), rival),
                _mostly(reading, reading.main, str(task)),
                _mostly(reading, rival, str(task)),
            )
        )
    return out


def by_group(reading: Reading) -> pandas.DataFrame:
    """Mean differences to every rival by regime, learner, batch and family.

    Returns
    -------
    DataFrame
        One line a group and rival: ``kind``, ``group``, ``rival``, ``difference`` (points; mean over families of means
        over tasks), ``low``, ``high`` (95 % t-interval over families, within one family over its tasks; NaN for a
        single one), ``p`` (of the same t-test), ``tasks``, ``worse`` (tasks with a negative mean). Kinds with a single
        group are left out, but for regimes.
    """
    import pandas as pd

    lines = []
    for rival in reading.rivals:
        cells = _pairs(reading, rival)
        keys = ["task", "family", "regime", "learner", "batch"]
        tasks = cells.groupby(keys, sort=False)["delta"].mean().reset_index()
        for column, kind in KINDS:
            if tasks[column].nunique() < 2 and column != "regime":
                continue
            for group, part in tasks.groupby(column, sort=False):
                means = part.groupby("family")["delta"].mean()
                values = (means if len(means) > 1 else part["delta"]).to_numpy(dtype=np.float64)
                line: dict[str, Any] = {"kind": kind, "group": str(group), "rival": rival}
                worse = int((part["delta"] < -EQUAL).sum())
                lines.append(line | _interval(values) | {"tasks": len(part), "worse": worse})
    names = ["kind", "group", "rival", "difference", "low", "high", "p", "tasks", "worse"]
    return pd.DataFrame(lines, columns=names)


def _interval(values: np.ndarray) -> dict[str, float]:
    from scipy.stats import t

    mean, count = float(values.mean()), len(values)
    error = float(values.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    half = float(t.ppf(0.975, max(count - 1, 1))) * error
    p = float(2 * t.sf(abs(mean) / error, count - 1)) if error > EQUAL else float("nan")
    return {"difference": mean, "low": mean - half, "high": mean + half, "p": p}


def _pairs(reading: Reading, rival: str) -> pandas.DataFrame:
    """One line a cell: task, its facts, and the difference of AULC in points."""
    both = reading.aulc[[reading.main, rival]]
    return (100 * (both[reading.main] - both[rival])).rename("delta").dropna().reset_index()


def _when(reading: Reading, task: str, rival: str) -> str:
    """In which part of the budget the judged policy was behind."""
    parts = []
    main = reading.facts[task]["score"]
    for _, stream in reading.cells([task]):
        own, other = (
            [reading.column(policy, stream, name) for name in ("labels", main)] for policy in (reading.main, rival)
        )
        start, end = max(own[0][0], other[0][0]), min(own[0][-1], other[0][-1])
        grid = np.linspace(start, end, 30)
        lines = [np.interp(grid, labels, score) for labels, score in (own, other)]
        parts.append((lines[0] - lines[1]).reshape(3, 10).mean(1))
    first, _, last = np.mean(parts, axis=0)
    if first < 0 and first < 2 * last:
        return "early"
    if last < 0 and last < 2 * first:
        return "late"
    return "throughout" if first < 0 and last < 0 else "midway"


def _mostly(reading: Reading, policy: str, task: str, most: int = 2) -> str:
    taken = [action for name, _, actions in reading.taken(policy) if name == task for action in actions if action]
    count = Counter(taken)
    return ", ".join(f"{name} {round(100 * n / len(taken))} %" for name, n in count.most_common(most))
