"""From the table of runs to paired tables: which rows count, and how seeds and tasks are averaged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.comparing.numbers import number
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

NOT_SCORES = ("seed", "batch", "leak")
"""Columns of numbers that measure nothing."""


def numeric(runs: pandas.DataFrame) -> list[str]:
    """Names of the columns that can be compared."""
    return [str(c) for c in runs.select_dtypes("number") if c not in NOT_SCORES]


def with_keys(runs: pandas.DataFrame) -> pandas.DataFrame:
    """The rows that count, with every key: failed and leaking runs are left out, ``family`` and ``regime`` filled in.

    A table without a ``family`` takes each data set for a family of its own, one without ``data`` each task; one
    without a ``regime`` is clean.
    """
    for column in ("policy", "task", "stream"):
        if column not in runs:
            raise InputError(f"the table of runs has no column {column!r}; pass Result.runs or Result.good")
    keep = np.ones(len(runs), dtype=bool)
    if "error" in runs:
        keep &= (runs["error"].fillna("") == "").to_numpy()
    if "leak" in runs:
        keep &= ~runs["leak"].eq(True).to_numpy(dtype=bool)
    out = runs[keep]
    fill: dict[str, Any] = {}
    if "data" not in out:
        fill["data"] = out["task"]
    if "family" not in out:
        fill["family"] = out["data"] if "data" in out else out["task"]
    elif out["family"].isna().any():
        fill["family"] = out["family"].fillna(out["data"] if "data" in out else out["task"])
    for column, value in (("regime", "clean"), ("learner", "")):
        if column not in out:
            fill[column] = value
    return out.assign(**fill) if fill else out


def scored(runs: pandas.DataFrame, score: str) -> pandas.DataFrame:
    """The rows that count, of the tasks that have ``score`` at all (a regression has no log-loss).

    Raises
    ------
    InputError
        No such column; no run has it; or some runs have none, such as a target that was not reached: a mean of the
        others would hide it.
    """
    if score not in numeric(runs):
        raise InputError(f"score {score!r}: expected one of {', '.join(numeric(runs))}")
    rows = with_keys(runs)
    lacking = rows[score].isna()
    if not number(score).censored:
        rows = rows[~lacking.groupby(rows["task"]).transform("all")]
        lacking = rows[score].isna()
    if lacking.any():
        raise InputError(
            f"{int(lacking.sum())} runs have no {score} (a target was not reached), so differences would compare the "
            "others only; Result.table() counts them as worse than all that reached it"
        )
    if not len(rows):
        raise InputError(f"no finished run has {score}")
    return rows


def task_means(runs: pandas.DataFrame, score: str) -> pandas.DataFrame:
    """Mean over seeds.

    Returns
    -------
    DataFrame
        Rows (family, regime, learner, task), columns policies, both in order of appearance; NaN where a policy has no
        run.

    Raises
    ------
    InputError
        As `scored`.
    """
    rows = scored(runs, score)
    keys = ["family", "regime", "learner", "task", "policy"]
    table = rows.groupby(keys, sort=False, observed=True)[score].mean().unstack("policy")
    return table[list(dict.fromkeys(rows["policy"]))]


def family_means(runs: pandas.DataFrame, score: str = "aulc") -> pandas.DataFrame:
    """Mean over seeds, then over the tasks of a family: one number a family and policy.

    Families are the unit of every claim about data that were not measured: tasks of one family share their rows, and
    counting each as evidence of its own would make every p value too small.

    Parameters
    ----------
    runs : DataFrame
        One row a run, as ``Result.good``: columns policy, task, stream, the score, and where there are such family,
        data, regime, learner. Failed (``error``) and leaking (``leak``) rows are left out.
    score : str
        A column of numbers.

    Returns
    -------
    DataFrame
        Rows families, columns policies, both in order of appearance; NaN if a family has no run of a policy.

    Raises
    ------
    InputError
        No such score, or some runs have none (a target that was not reached).

    References
    ----------
    Demšar, 2006, Statistical comparisons of classifiers over multiple data sets.
    """
    return task_means(runs, score).groupby(level="family", sort=False).mean()


def complete(table: pandas.DataFrame, policies: Iterable[str] | None = None) -> pandas.DataFrame:
    """The rows in which no policy is missing, of the columns named.

    Raises
    ------
    InputError
        A policy is not in the table, or no row is left.
    """
    names = list(table.columns) if policies is None else list(dict.fromkeys(policies))
    # By name, so that no random draw depends on the order in which runs were finished.
    table = table.iloc[np.argsort([str(label) for label in table.index], kind="stable")]
    for name in names:
        if name not in table:
            raise InputError(f"no policy {name!r} here; expected one of {', '.join(map(str, table.columns))}")
    rows = table[names].dropna()
    if not len(rows):
        raise InputError(f"no family has runs of all of {', '.join(map(str, names))}")
    return rows
