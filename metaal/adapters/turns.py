"""What every adapter does alike: one turn of the run, and what happens when the policy says stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from metaal.actions import STOP
from metaal.errors import InputError, OutOfTurnError
from metaal.query import Query
from metaal.run import Run


def check_run(run: Any) -> Run:
    """Return the run, or say what was passed instead of one."""
    if not isinstance(run, Run):
        raise InputError(f"run: got {type(run).__name__}, expected a metaal.Run; open one with metaal.Run(path, ...)")
    return run


def says_stop(run: Run) -> bool:
    """Whether the last thing that was decided in this run is to ask for no more labels."""
    return run.history.actions[-1:] == (str(STOP),)


def refuse_after_stop(run: Run) -> None:
    """Raise if the policy said stop.

    The other libraries have no word for an empty batch: an index array without entries would train on nothing, for
    ever. Read from the log, so that it holds after a restart, and a second call does not log a second stop.

    Raises
    ------
    OutOfTurnError
        The last decision was to stop.
    """
    if says_stop(run) and not run.ended:
        raise OutOfTurnError(
            f"the policy says stop ({run.why()}); leave the loop and end() the run, or go on with another run"
        )


def ask(run: Run, n: int, **outputs: Any) -> Query:
    """Ask the run, and keep the rows of this loop alone.

    A query that is handed out again after a restart also lists rows that wait since earlier loops (``part`` −1). They
    were handed out in their own loop, and an unbroken process would not see them here.
    """
    query = run.ask(n, **outputs)
    own = (query.rows >= 0) & (query.part >= 0)
    if own.all():
        return query
    return replace(query, ids=query.ids[own], rows=query.rows[own], part=query.part[own])


def near(values: Any) -> np.ndarray | None:
    """The features as an embedding, if they can be one: a dense, finite array of numbers with two dimensions."""
    if hasattr(values, "tocsr"):
        return None
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        return None
    return array
