"""Runs that another program logged, as decisions: what was known at each, what was done, and what came of it.

Such a run was imported, so it has no begin; its records name the strategy of each loop (``action.name``), the labels
behind the model (``labels.count``) and its score, both from before the loop's batch. Numbers of the records "about",
such as a param of MLflow, hold for every loop. What was not logged is unknown (NaN), with the proposals before all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.actions import Action, read_action
from metaal.curve import gains
from metaal.errors import FitError
from metaal.history import History
from metaal.statistics import STATISTICS
from metadata_store import Record

ACTIONS = ("action.name", "action.strategy")
"""Statistics that say which strategy asked; the first one that is there counts."""
LATER = ("query.", "action.", "decision.", "surprise.", "oracle.", "cost.", "score.")
"""Beginnings of what is known of a loop only after its decision, or never by a policy."""
PHASES = ("fit", "score", "decide", "select")
"""What of a loop's seconds a decision is charged with."""
_OURS = ("begin", "ask", "tell", "end")


@dataclass(frozen=True, eq=False)
class ForeignRun:
    """One imported run.

    Parameters
    ----------
    name : str
    facts : mapping of str to set of str
        Texts by name, such as ``run.task``, with every value that was logged.
    rows : list of dict
        Series of each loop that was logged, in order.
    loops : list of int
        Their numbers.
    actions : list
        What was done in each of them, None where nothing was, or nothing that is to be learnt from.
    """

    name: str
    facts: Mapping[str, set[str]]
    rows: list[dict[str, float]]
    loops: list[int]
    actions: list[Action | None]

    @property
    def series(self) -> set[str]:
        """Names of everything that was logged."""
        return {name for row in self.rows for name in row}

    def group(self, groups: str) -> str:
        """The name that the run is kept together by.

        Raises
        ------
        FitError
            The log does not tell it, or tells two.
        """
        if groups == "run":
            return self.name
        key = "run.task" if groups == "task" else f"tag.{groups}"
        found = sorted(self.facts.get(key, ()))
        if len(found) == 1:
            return found[0]
        if not found:
            raise FitError(
                f"groups: the imported run {self.name!r} has no {key}; import it into a new store with --map "
                f"COLUMN={key}, or keep only the loops of a run together: groups='run' (--groups run)"
            )
        raise FitError(
            f"groups: the imported run {self.name!r} has several {key}: {', '.join(found[:3])}; expected one; is there "
            "another column that belongs to the run's name?"
        )


def read_foreign(records: Sequence[Record]) -> ForeignRun | None:
    """The run that some records are of; None if metaal logged it, or if it does not name its strategies."""
    if not records or any(record.event in _OURS for record in records):
        return None
    whole: dict[str, Any] = {}
    loops: dict[int, dict[str, Any]] = {}
    facts: dict[str, set[str]] = {}
    for record in records:
        row = whole if record.event == "about" else loops.setdefault(record.loop, {})
        row.update(record.values)
        for name, value in record.values.items():
            if name.startswith(("run.", "tag.")):
                facts.setdefault(name, set()).add(value if isinstance(value, str) else f"{value:g}")
    order = sorted(loops)
    if not any(name in row for name in ACTIONS for row in (whole, *loops.values())):
        return None
    rows = [_completed({**_series(whole), **_series(loops[loop])}) for loop in order]
    said = [_action(loops[loop]) or (_action(whole) if "labels.count" in loops[loop] else None) for loop in order]
    return ForeignRun(records[0].run, facts, rows, order, said)


def decisions_of(
    run: ForeignRun, weights: Mapping[str, float], groups: str
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Facts and outcomes of the decisions of one imported run, as `metaal.logs.LoggedDecision` has them.

    Parameters
    ----------
    run : ForeignRun
    weights : mapping
        Scores that outcomes are wanted of.
    groups : str
        ``"task"``, ``"run"`` or the name of a tag.
    """
    labels = np.array([row.get("labels.count", np.nan) for row in run.rows])
    curves = [np.array([row.get(name, np.nan) for row in run.rows]) for name in weights]
    good = np.isfinite(labels) & np.all([np.isfinite(curve) for curve in curves], axis=0)
    group = run.group(groups)
    first = next((k for k, action in enumerate(run.actions) if action is not None), len(run.rows))
    past: list[dict[str, float]] = []
    done: list[str] = []
    chances: list[float] = []
    for at in range(first, len(run.rows)):
        row, action = run.rows[at], run.actions[at]
        more = labels[at + 1 :][labels[at + 1 :] > labels[at]]
        usual = float(more[0] - labels[at]) if len(more) else np.nan  # labels that came stand for rows asked
        multiplier = action.multiplier if action is not None else 1.0
        batch = row.get("loop.batch", usual / multiplier)
        row = {"loop.since.first": float(at - first), "loop.batch": batch, "action.multiplier": multiplier, **row}
        now = {name: value for name, value in row.items() if not name.startswith(LATER)}
        outcomes = gains(labels, good, curves, at, batch) if action is not None and not action.stop else None
        if action is not None and outcomes is not None:
            yield (
                {
                    "run": run.name,
                    "loop": run.loops[at],
                    "group": group,
                    "history": History([*past, now], actions=done, propensities=chances),
                    "previews": {},
                    "action": str(action),
                    "strategy": action.strategy,
                    "multiplier": action.multiplier,
                    "propensity": row.get("action.propensity", np.nan),
                    "seconds": sum(row.get(f"cost.{phase}.seconds", 0.0) for phase in PHASES),
                    "digest": f"{run.name}\x1e{run.loops[at]}",  # of no other decision
                    "imported": True,
                    "level": float(curves[0][at]),
                },
                outcomes,
            )
        past.append({name: value for name, value in row.items() if not name.startswith("score.")})
        if action is not None:
            done.append(str(action))
            chances.append(row.get("action.propensity", np.nan))


def _series(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a policy or an outcome may read."""
    known = {name: v for name, v in values.items() if name in STATISTICS or name.startswith(("user.", "score."))}
    return {name: float(value) for name, value in known.items() if not isinstance(value, str)}


def _completed(row: dict[str, float]) -> dict[str, float]:
    """The row with what follows from it."""
    if "labels.count" in row and "pool.size" in row:
        share = row["labels.count"] / max(row["labels.count"] + row["pool.size"], 1.0)
        return {"labels.share": share, **row}
    return row


def _action(values: Mapping[str, Any]) -> Action | None:
    text = next((values[name] for name in ACTIONS if name in values), None)
    return None if text is None else read_action(str(text))
