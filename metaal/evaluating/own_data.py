"""A user's own labelled data as tasks: what is wrong with them said at once, sizes chosen where none are given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metaal.errors import TaskError
from metaal.rehearsal import Dataset, Task, load_data
from metaal.rehearsal.layout import REGRESSION_START
from metaal.rehearsal.splitting import POOL_LIMIT

if TYPE_CHECKING:
    import pandas

LEAST = 4
"""Rows that a class must have: the pool, the guide and the test split need one each, and the pool one more to ask."""
LOOPS = 20
LEAST_BUDGET, MOST_BUDGET = 20, 200
POLICIES = {
    "classification": ("default", "margin", "cluster_margin", "random"),
    "regression": ("default", "greedy_y", "k_center", "random"),
}
"""What is compared unless the user says otherwise; the first is judged."""
LEARNERS = {"classification": "logistic", "regression": "ridge"}
_KEY = re.compile(r"(^|[^a-z])(id|idx|index|key|number|nr|no|row|uid|uuid|unnamed)($|[^a-z])")


@dataclass(frozen=True)
class OwnData:
    """Data that can be evaluated on, and what the user should know of how they were read.

    Parameters
    ----------
    data : Dataset
    target : str
        Column with the labels; empty where the source does not tell.
    notes : tuple of str
        Sentences.
    """

    data: Dataset
    target: str = ""
    notes: tuple[str, ...] = ()


SEEDS = 10
"""Seeds where the user names none: against three rivals fewer than seven cannot show a difference, however large."""


def read_own(source: str, target: str | None = None, *, kind: str | None = None, drop_rare: bool = False) -> OwnData:
    """Read a user's data, and refuse what an evaluation would only stumble over later.

    Parameters
    ----------
    source : str
        What `load_data` takes.
    target : str, optional
        Column with the labels.
    kind : {"classification", "regression"}, optional
        Without it a file whose target is a number of any size is refused: it may be the wrong column.
    drop_rare : bool
        Leave out the rows of classes that have fewer than `LEAST`, instead of refusing.

    Raises
    ------
    TaskError
        No such file or column, one class only, too many of them, too few rows of one.
    """
    try:
        data = load_data(source, target, kind=kind)
    except TaskError as error:
        raise TaskError(_in_options(str(error), target)) from error
    column = target or _taken(source)
    if data.kind == "regression" and kind is None and Path(source).is_file() and not _says_so(source):
        raise TaskError(
            f"{source}: the target {column!r} has {len(np.unique(data.y))} different numbers, so it names no "
            f"classes; pass --kind regression to predict numbers, or {'another ' if target else ''}--target"
        )
    notes: list[str] = []
    data = _without_keys(data, notes)
    if data.kind == "classification":
        data = _without_rare(data, notes, drop_rare)
    return OwnData(data, column, tuple(notes))


def own_tasks(
    own: OwnData, learners: Sequence[str] = (), *, batch: int | None = None, budget: int | None = None
) -> list[Task]:
    """One task a learner, with batch and budget chosen by `sizes` where they are not given."""
    batch, budget = sizes(own.data, batch=batch, budget=budget)
    names = learners or [LEARNERS[own.data.kind]]
    return [Task(own.data, name, batch=batch, budget=budget) for name in names]


def sizes(data: Dataset, *, batch: int | None = None, budget: int | None = None) -> tuple[int, int]:
    """Batch and budget for a data set: a third of the pool, 20 to 200 labels (4 a class at least), in at most 20 loops.

    A budget that is given is cut where the pool is smaller.

    Examples
    --------
    >>> from metaal.rehearsal import load_data
    >>> sizes(load_data("iris")), sizes(load_data("digits")), sizes(load_data("iris"), batch=5)
    ((2, 25), (10, 200), (5, 25))
    """
    classes = len(data.classes)
    pool = pool_size(data)
    if budget is None:
        budget = max(LEAST_BUDGET, 4 * classes, min(pool // 3, MOST_BUDGET), 3 * (batch or 0))
    budget = max(1, min(budget, pool - start_size(data)))
    if batch is None:
        batch = -(-budget // LOOPS)
    return batch, budget


def pool_size(data: Dataset) -> int:
    """Rows that a task of these data can ask for, the initial ones included; see `Task.lay_out`."""
    return min(len(data.y) // 2, POOL_LIMIT)


def start_size(data: Dataset) -> int:
    """Labels that are known at first."""
    return min(2 * len(data.classes) or REGRESSION_START, pool_size(data) - 1)


def described(own: OwnData, tasks: Sequence[Task], seeds: int, policies: int) -> str:
    """What will be played, in two lines."""
    data, task = own.data, tasks[0]
    rows = len(data.y)
    guide, pool, columns = min(rows // 5, 1000), pool_size(data), data.X.shape[1]
    what = f"{len(data.classes)} classes" if data.classes else f"a number from {data.y.min():g} to {data.y.max():g}"
    what += f" in {own.target!r}" if own.target else ""
    learners = ", ".join(task.learner_name for task in tasks)
    return (
        f"{data.name}: {rows} rows, {columns} column{'s' * (columns != 1)}, {what}; {pool} rows in the pool, {guide} "
        f"to guide, {min(rows - rows // 2 - rows // 5, 2000)} to test\n"
        f"{learners}: batches of {task.batch}, {task.budget} labels after {start_size(data)} initial ones; "
        f"{policies} policies × {seeds} seeds = {policies * seeds * len(tasks)} runs"
    )


def _without_keys(data: Dataset, notes: list[str]) -> Dataset:
    """The data without columns of whole numbers that only count or name the rows."""
    keys = [str(column) for column in data.X if _counts_rows(str(column), data.X[column])]
    if not keys:
        return data
    if len(keys) == data.X.shape[1]:
        raise TaskError(
            f"{data.name}: every column but the target only numbers the rows ({', '.join(keys)}); add features"
        )
    shown = ", ".join(keys)
    notes.append(f"{data.name}: left out as ids (whole numbers, another one in every row): {shown}")
    return replace(data, X=data.X.drop(columns=keys))


def _counts_rows(name: str, column: pandas.Series) -> bool:
    """Whether a column has another whole number in every row, and these are consecutive or called an id."""
    if column.dtype.kind not in "iuf" or not column.is_unique or column.isna().any():
        return False
    values = column.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all() or (values % 1 != 0).any():
        return False
    return bool(np.ptp(values) == len(values) - 1) or bool(
        _KEY.search(re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    )


def _without_rare(data: Dataset, notes: list[str], drop: bool) -> Dataset:
    counts = np.bincount(data.y, minlength=len(data.classes))
    rare = np.flatnonzero(counts < LEAST)
    if not len(rare):
        return data
    shown = ", ".join(f"{data.classes[c]!r} ({counts[c]})" for c in rare[:5])
    shown += f" and {len(rare) - 5} more" if len(rare) > 5 else ""
    if not drop:
        raise TaskError(
            f"{data.name}: {len(rare)} of {len(counts)} classes have fewer than {LEAST} rows, too few to be split: "
            f"{shown}. Merge them into others, pass --drop-rare to leave these {counts[rare].sum()} rows out"
            f"{', or another --target' if len(rare) > len(counts) / 2 else ''}"
        )
    stay = np.flatnonzero(counts >= LEAST)
    if len(stay) < 2:
        raise TaskError(
            f"{data.name}: {len(stay)} of {len(counts)} classes have {LEAST} rows or more; expected at least two. Is "
            "the target the right column?"
        )
    rows = np.isin(data.y, stay)
    notes.append(f"{data.name}: {(~rows).sum()} rows of classes with fewer than {LEAST} are left out: {shown}")
    codes = np.searchsorted(stay, data.y[rows])
    classes = tuple(data.classes[c] for c in stay)
    return Dataset(data.name, data.X[rows].reset_index(drop=True), codes.astype(np.int64), classes, data.family)


def _says_so(source: str) -> bool:
    """Whether a file says itself that its target is a number to predict."""
    from metaal.rehearsal.sources.table import own_form

    return (own_form(Path(source)) or {}).get("task") == "reg"


def _taken(source: str) -> str:
    """Which column the reader took for the target where none was named; empty where there was no choice."""
    from metaal.rehearsal.sources.columns import find_target
    from metaal.rehearsal.sources.delimited import read_delimited
    from metaal.rehearsal.sources.table import form_of

    path = Path(source)
    if not path.is_file():
        return ""
    form = form_of(path)
    if form == "delimited":
        return read_delimited(path, None)[1]
    if form == "parquet":
        import pyarrow.parquet as pq

        return find_target(path, pq.read_schema(path).names, None)
    return ""


def _in_options(text: str, target: str | None) -> str:
    """A message of the library in the words of the command line."""
    text = re.sub(r"kind='(\w+)'", r"--kind \1", text).replace(" of 1 classes", " of one class")
    if " of one class" in text:
        text += f"; is {target!r} the right --target?" if target else "; name the column with --target"
    return text
