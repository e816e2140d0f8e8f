"""Read an evaluation back from the store that it was logged to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaal.errors import InputError
from metaal.measures import measure
from metaal.prices import Prices
from metaal.rehearsal import Trace, read_trace
from metaal.rehearsal.task import task_name
from metaal.result import Result
from metadata_store import Record, Store

NEEDED = ("tag.policy", "tag.data", "tag.learner", "tag.batch", "tag.seed.split")


def read_result(store: Store, *, prices: Prices | None = None) -> Result:
    """The result that a store's finished runs add up to, as `evaluate` would have returned it.

    Raises
    ------
    InputError
        The store holds no finished run that was played on a task, or no cell that every policy has finished.
    """
    prices = prices or Prices()
    rows: list[dict[str, Any]] = []
    traces: dict[tuple[str, str], Trace] = {}
    policies: dict[str, str] = {}
    for run in store.runs():
        records = store.records(run)
        begin = records[0].values
        # A store may also hold runs of the user's own, with any tags and without test scores.
        # Branches may follow the end of a run.
        if not any(record.event == "end" for record in records) or not all(tag in begin for tag in NEEDED):
            continue
        trace = read_trace(store, run)
        if trace.main not in trace.curve:
            continue
        row = _row(records[0])
        policies[row["policy"]] = str(begin["run.policy"])
        traces[row["policy"], row["stream"]] = trace
        rows.append(row | measure(trace, prices))
    if not rows:
        raise InputError("the store holds no finished run of evaluate() or play(); a report needs labelled test data")
    whole = _whole(rows, policies)
    return Result([row for row in rows if row["stream"] in whole], traces, prices, policies)


def _row(begin: Record) -> dict[str, Any]:
    """What the first record of a run says of its cell."""
    values = begin.values
    data, learner, batch = str(values["tag.data"]), str(values["tag.learner"]), int(values["tag.batch"])
    regime = str(values.get("tag.regime", "clean"))
    return {
        "policy": str(values["tag.policy"]),
        "task": task_name(data, learner, batch, regime),
        "data": data,
        "family": str(values["run.task"]),
        "learner": learner,
        "batch": batch,
        "regime": regime,
        "seed": int(values["tag.seed.split"]),
        "stream": str(values["run.stream"]),
        "leak": bool(values.get("tag.leak", 0.0)),
        "error": "",
    }


def _whole(rows: list[dict[str, Any]], policies: Mapping[str, str]) -> set[str]:
    """Streams of the cells that every policy has finished: only these can be compared in pairs."""
    there = {(row["policy"], row["stream"]) for row in rows}
    streams = sorted({row["stream"] for row in rows})
    lacking = {name: [stream for stream in streams if (name, stream) not in there] for name in policies}
    gone = {stream for gaps in lacking.values() for stream in gaps}
    if len(gone) == len(streams):
        said = "; ".join(
            f"{name} lacks {', '.join(gaps[:3])}{f' and {len(gaps) - 3} more' if len(gaps) > 3 else ''}"
            for name, gaps in lacking.items()
            if gaps
        )
        raise InputError(
            f"no cell (task and seed) was finished by all of {', '.join(policies)}: {said}; evaluate them on the same "
            "tasks and seeds first"
        )
    return set(streams) - gone
