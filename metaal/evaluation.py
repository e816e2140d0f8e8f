"""Compare policies on tasks: paired, in parallel, resumable, every number kept in a store."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from metaal.actions import Policy
from metaal.errors import EvaluationError, InputError
from metaal.measures import measure
from metaal.policies import read_policy
from metaal.prices import Prices
from metaal.rehearsal import Task, Trace, play, read_trace
from metaal.rehearsal import suite as read_suite
from metaal.rehearsal.playing import shared_store
from metaal.rehearsal.task import task_name
from metaal.result import Result
from metadata_store import MemoryStore, Store
from metadata_store.privacy import PrivateStore
from strategy_zoo import Strategy, register
from strategy_zoo.plain import Rule, adopt, kept
from strategy_zoo.registry import foreign

Progress = Callable[[int, int, str], None]
"""Called with (cells done, cells in all, what was finished)."""


def evaluate(
    policies: Mapping[str, Policy | str],
    tasks: Sequence[Task] | None = None,
    seeds: Iterable[int] = range(5),
    *,
    suite: str | None = None,
    store: Store | str | Path | None = None,
    prices: Prices | None = None,
    jobs: int = -1,
    progress: Progress | bool = True,
) -> Result:
    """Play every policy on every task with every seed, and measure.

    All policies of a cell (task × seed) start from the same labels and share every random number that does not depend
    on their choices.

    Parameters
    ----------
    policies : mapping of str to Policy or str
        Name → policy.
    tasks : sequence of Task, optional
        Or name a ``suite`` instead.
    seeds : iterable of int
    suite : str, optional
        ``"tiny"`` or ``"small"``.
    store : str, Path or Store, optional
        Directory to log to; finished runs in it are not played again. Default: a temporary one. An in-memory store
        forces ``jobs=1``.
    prices : Prices, optional
        For the utility.
    jobs : int
        Processes; −1 = one for each core.
    progress : callable or bool
        Called after each cell; True shows a progress bar in a terminal, False nothing.

    Returns
    -------
    Result

    Raises
    ------
    EvaluationError
        Some runs failed. The rest was finished first; the error carries the result, with each message in its row.
    """
    chosen = _tasks(tasks, suite)
    numbers = list(seeds)
    if not policies or not numbers:
        raise InputError(f"evaluate: got {len(policies)} policies and {len(numbers)} seeds; pass at least one of each")
    ready = {name: read_policy(policy) for name, policy in policies.items()}
    prices = prices or Prices()
    cells = [task.with_seed(seed) for task in chosen for seed in numbers]
    names = [cell.stream for cell in cells]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"evaluate: tasks or seeds repeat ({twice}); give data sets of one name different names")
    # a private store of level L0 is in memory, too
    memory = isinstance(store, MemoryStore) or (isinstance(store, PrivateStore) and store.in_memory)
    folder: AbstractContextManager[Any] = nullcontext(store)
    if store is None:
        folder = tempfile.TemporaryDirectory(prefix="metaal-")
    with folder as place:
        target = place if memory else str(getattr(place, "path", place))
        show, close = _progress(progress, len(cells))
        try:
            rows, traces = _play_all(ready, cells, target, prices, 1 if memory else jobs, show)
        finally:
            close()
    result = Result(rows, traces, prices, policies={name: policy.spelling for name, policy in ready.items()})
    failed = result.errors
    if len(failed):
        first = failed.iloc[0]
        raise EvaluationError(
            f"{len(failed)} of {len(rows)} runs failed; first: {first['policy']} on {first['task']}, seed "
            f"{first['seed']}: {first['error']}. The other runs are in the result that this error carries "
            "(error.result)",
            result,
        )
    return result


def _tasks(tasks: Sequence[Task] | None, name: str | None) -> list[Task]:
    if (tasks is None) == (name is None):
        raise InputError("evaluate: pass either tasks or suite")
    chosen = read_suite(name) if name is not None else list(tasks or ())
    if not chosen:
        raise InputError("evaluate: no tasks; pass at least one")
    return chosen


def _play_all(
    policies: Mapping[str, Policy], cells: Sequence[Task], store: Any, prices: Prices, jobs: int, show: Progress
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Trace]]:
    import joblib

    rows: list[dict[str, Any]] = []
    traces: dict[tuple[str, str], Trace] = {}
    jobs = min(jobs if jobs > 0 else (os.cpu_count() or 1), len(cells))
    arms = [arm for policy in policies.values() for arm in policy.arms]
    own = kept(arms), foreign(arms)
    work = (joblib.delayed(play_cell)(policies, cell, store, prices, *own) for cell in cells)
    for done, (cell_rows, cell_traces) in enumerate(
        joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(work), start=1
    ):
        rows += cell_rows
        traces |= cell_traces
        show(done, len(cells), cell_rows[0]["task"])
    place = {name: k for k, name in enumerate(policies)}
    order = {cell.stream: k for k, cell in enumerate(cells)}
    rows.sort(key=lambda row: (order[row["stream"]], place[row["policy"]]))
    return rows, traces


def play_cell(
    policies: Mapping[str, Policy],
    cell: Task,
    store: Any,
    prices: Prices,
    functions: Mapping[str, Rule],
    classes: Sequence[type[Strategy]] = (),
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Trace]]:
    """Play one task and seed with every policy; an error stays in its row.

    ``functions`` and ``classes`` are the strategies among the policies' that are the caller's own: a worker process
    cannot know them by name.
    """
    adopt(functions)
    for cls in classes:
        register(cls)
    rows, traces = [], {}
    opened = shared_store(store) if isinstance(store, str) else store
    for name, policy in policies.items():
        row: dict[str, Any] = {
            "policy": name,
            "task": cell.name,
            "data": cell.data_name,
            "learner": cell.learner_name,
            "batch": cell.batch,
            "regime": str(cell.regime),
            "seed": cell.seeds.split,
            "stream": cell.stream,
            "error": "",
        }
        try:
            row["family"] = cell.dataset.family
            trace = play(policy, cell, store=opened, name=name)
            row |= measure(trace, prices)
            traces[name, cell.stream] = trace
        except Exception as error:  # kept in the row and raised at the end by evaluate
            row["error"] = f"{type(error).__name__}: {error}"
            row["traceback"] = traceback.format_exc()
        rows.append(row)
    return rows, traces


def _progress(progress: Progress | bool, total: int) -> tuple[Progress, Callable[[], None]]:
    if callable(progress):
        return progress, lambda: None
    if not progress:
        return (lambda done, total, what: None), lambda: None
    from metaal.progress import bar

    update, stop = bar("evaluating", total)
    return (lambda done, total, what: update(done, what)), stop


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
    needed = ("tag.policy", "tag.data", "tag.learner", "tag.batch", "tag.seed.split")
    for run in store.runs():
        records = store.records(run)
        begin = records[0].values
        # A store may also hold runs of the user's own, with any tags and without test scores.
        # Branches may follow the end of a run.
        if not any(record.event == "end" for record in records) or not all(tag in begin for tag in needed):
            continue
        trace = read_trace(store, run)
        if trace.main not in trace.curve:
            continue
        name, stream = str(begin["tag.policy"]), str(begin["run.stream"])
        policies[name] = str(begin["run.policy"])
        traces[name, stream] = trace
        data, learner, batch = str(begin["tag.data"]), str(begin["tag.learner"]), int(begin["tag.batch"])
        regime = str(begin.get("tag.regime", "clean"))
        task = task_name(data, learner, batch, regime)
        row: dict[str, Any] = {"policy": name, "task": task, "data": data, "learner": learner}
        row |= {"batch": batch, "regime": regime, "seed": int(begin["tag.seed.split"]), "stream": stream, "error": ""}
        rows.append(row | {"family": str(begin["run.task"])} | measure(trace, prices))
    if not rows:
        raise InputError("the store holds no finished run of evaluate() or play(); a report needs labelled test data")
    # Only cells that every policy has finished can be compared in pairs.
    streams = sorted({row["stream"] for row in rows})
    lacking = {name: [stream for stream in streams if (name, stream) not in traces] for name in policies}
    whole = [stream for stream in streams if not any(stream in gaps for gaps in lacking.values())]
    if not whole:
        gaps = "; ".join(
            f"{name} lacks {', '.join(gaps[:3])}{f' and {len(gaps) - 3} more' if len(gaps) > 3 else ''}"
            for name, gaps in lacking.items()
            if gaps
        )
        raise InputError(
            f"no cell (task and seed) was finished by all of {', '.join(policies)}: {gaps}; evaluate them on the same "
            "tasks and seeds first"
        )
    return Result([row for row in rows if row["stream"] in whole], traces, prices, policies)
