"""Rehearse a suite: play every task with the exploring policy, branch from its states, log both; resumable anywhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaal.errors import EvaluationError, InputError, MismatchError
from metaal.randomness import generator
from metaal.rehearsal.branching import branch
from metaal.rehearsal.keeping import check_keeps_branches
from metaal.rehearsal.learners import find_learner
from metaal.rehearsal.playing import played, run_name, shared_store
from metaal.rehearsal.shards import matching, read_shard, sharded
from metaal.rehearsal.suitefile import Suite, read_suite
from metaal.rehearsal.working import ONE_AT_A_TIME, PATIENCE, Progress, in_parallel, leased, telling
from metadata_store import DirectoryStore, MemoryStore, Record, Store, open_store
from metadata_store.privacy import PrivateStore

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal.task import Task

EVENT = "rehearsed"
"""Last record of a run whose branches are complete."""
POLICY = "exploring"
"""Name of the behaviour policy in the runs' names."""


def rehearse(
    suite: str | Path | Suite,
    store: str | Path | Store,
    *,
    data: str | Path | None = None,
    policy: str | None = None,
    shard: str = "1/1",
    only: str = "*",
    jobs: int = -1,
    backend: str = "loky",
    address: str | None = None,
    progress: Progress | bool = True,
) -> pandas.DataFrame:
    """Play every task of a suite and make its branches, in parallel; what the store has already is not done again.

    A process may be killed at any moment: the same call goes on where it was, and nothing is lost or doubled. The
    records are the same whatever the number of processes, their order and the kills, measured seconds aside.

    Parameters
    ----------
    suite : str, Path or Suite
        Name of a suite that ships with the package, or the path of a TOML file.
    store : str, Path or Store
        Directory to log to; on a cluster one that every worker can write. A store in memory is used by one process.
    data : str, Path, optional
        Folder with the suite's manifests and files.
    policy : str, optional
        Who plays the runs that are branched from, instead of the exploring policy: ``"learned"``, the path of a .metaal
        file. So a policy learns from the states that it reaches itself. Such runs go into a store of their own.
    shard : str
        ``"i/n"``: only the i-th of n equal parts, for several machines; all shards together are the whole suite.
    only : str
        Pattern of the tasks' names, such as ``"wine~*"``.
    jobs : int
        Processes; −1 = one a core.
    backend, address : str
        Where they run; see `workers`.
    progress : callable or bool
        Called after each task; True shows the time left, False nothing.

    Returns
    -------
    DataFrame
        One row a task: task, run, data, learner, batch, regime, seed, state ("played" or "found" in the store),
        branches, seconds, error.

    Raises
    ------
    EvaluationError
        Some tasks failed. The rest was finished first; ``error.result`` is the table, with each message in its row.
    """
    chosen = read_suite(suite)
    if policy is not None:
        chosen = replace(chosen, behaviour=policy)
    cells = select(chosen, data=data, shard=shard, only=only)
    place = _place(store)
    rows = []
    show, close = telling(progress, "rehearsing", len(cells))
    try:
        found, missing = _found(place, chosen, cells)
        rows += found
        here = not isinstance(place, str)  # a store in memory is this process's alone
        calls = [(chosen, cell, place) for cell in missing]
        where = {"jobs": 1} if here else {"jobs": jobs, "backend": backend, "address": address}
        for row in in_parallel(rehearse_cell, calls, **where):
            rows.append(row)
            show(len(rows), len(cells), row["task"])
    finally:
        close()
    return _table(rows, [cell.stream for cell in cells])


def _place(store: str | Path | Store) -> str | MemoryStore | PrivateStore:
    """The absolute path of a store, since workers may have another current directory; or the store in memory.

    Raises
    ------
    InputError
        It is neither.
    """
    check_keeps_branches(store)
    if isinstance(store, MemoryStore) or (isinstance(store, PrivateStore) and store.in_memory):
        return store
    if isinstance(store, DirectoryStore | PrivateStore):
        return str(Path(store.path).resolve())
    if not isinstance(store, str | Path) or str(store).startswith("memory:"):
        raise InputError(
            f"store: got {store!r}, expected a directory that keeps everything, or a store of open_store('memory:')"
        )
    return str(Path(store).resolve())


def select(suite: Suite, *, data: str | Path | None = None, shard: str = "1/1", only: str = "*") -> list[Task]:
    """The tasks that a call of `rehearse` is about, in the order in which they are played.

    The order is drawn by the suite's name, so that what is done at any time is a fair sample of the whole.
    """
    part = read_shard(shard)
    tasks = suite.tasks(data)
    order = generator(0, suite.name, 0, "order").permutation(len(tasks))
    tasks = [tasks[k] for k in order]
    return sharded(tasks if only == "*" else matching(tasks, [task.stream for task in tasks], only), part)


def kind_of(task: Task) -> str:
    """``"classification"`` or ``"regression"``, as the learner of the task is."""
    return find_learner(task.learner_name).kind


def rehearse_cell(suite: Suite, task: Task, store: Any) -> dict[str, Any]:
    """Play one task and make its branches; an error stays in the row that is returned.

    Parameters
    ----------
    suite : Suite
    task : Task
    store : Store, or str
        A directory is opened once a process, with durability "group": a killed process loses nothing.
    """
    started = time.perf_counter()
    row = _row(task, "played")
    try:
        with ONE_AT_A_TIME:
            opened = shared_store(store) if isinstance(store, str) else store
            with leased(opened, row["run"], PATIENCE):
                row["branches"] = _rehearse(suite, task, opened, row["run"])
    except Exception as error:  # kept in the row, and raised at the end by rehearse
        row |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
    row["seconds"] = time.perf_counter() - started
    return row


def _rehearse(suite: Suite, task: Task, store: Store, run: str) -> int:
    policy, plan = suite.policy(kind_of(task)), suite.plan(kind_of(task))
    played(policy, task, store, name=POLICY, tags={"suite": suite.name, "suite.hash": suite.hash}, full=False)
    count = branch(task, store, run, plan, policy.arms)
    loop = next(record.loop for record in store.records(run) if record.event == "end")
    store.append(Record(run, loop, EVENT, {"rehearsed.branches": count}))
    return count


def _found(
    store: str | MemoryStore | PrivateStore, suite: Suite, cells: Iterable[Task]
) -> tuple[list[dict[str, Any]], list[Task]]:
    """Rows of the tasks that the store has whole, and the tasks that are left."""
    opened: Store = open_store(store) if isinstance(store, str) else store
    try:
        have = _markers(opened)
    finally:
        if isinstance(store, str):
            opened.close()
    rows, left = [], []
    for cell in cells:
        run = run_name(cell, POLICY)
        if run not in have:
            left.append(cell)
            continue
        branches, digest = have[run]
        row = _row(cell, "found") | {"branches": branches}
        if digest != suite.hash:
            error = MismatchError(
                f"run {run!r} in this store was rehearsed by another suite or another version of it (hash {digest}, "
                f"now {suite.hash}); use another store"
            )
            row |= {"state": "failed", "error": f"MismatchError: {error}"}
        rows.append(row)
    return rows, left


def _markers(store: Store) -> dict[str, tuple[int, str]]:
    """Run → (branches, hash of its suite) of every run that is whole, by one look at the store."""
    import pyarrow.compute as pc

    data = store.dataset()
    wanted = ["run", "rehearsed.branches", "tag.suite.hash"]
    if not set(wanted) <= set(data.schema.names):
        return {}
    table = data.to_table(columns=wanted, filter=pc.field("event").isin([EVENT, "begin"])).to_pylist()
    hashes = {row["run"]: str(row[wanted[2]]) for row in table if row[wanted[2]] is not None}
    return {
        row["run"]: (int(row[wanted[1]]), hashes.get(row["run"], "")) for row in table if row[wanted[1]] is not None
    }


def _row(task: Task, state: str) -> dict[str, Any]:
    return {
        "task": task.stream,
        "run": run_name(task, POLICY),
        "data": task.data_name,
        "learner": task.learner_name,
        "batch": task.batch,
        "regime": str(task.regime),
        "seed": task.seeds.split,
        "state": state,
        "branches": 0,
        "seconds": 0.0,
        "error": "",
    }


def _table(rows: list[Mapping[str, Any]] | list[dict[str, Any]], order: list[str]) -> pandas.DataFrame:
    import pandas as pd

    place = {stream: k for k, stream in enumerate(order)}
    table = pd.DataFrame(sorted(rows, key=lambda row: place[row["task"]]))
    failed = table[table["state"] == "failed"] if len(table) else table
    if len(failed):
        first = failed.iloc[0]
        raise EvaluationError(
            f"{len(failed)} of {len(table)} tasks failed; first: {first['task']}: {first['error']}. The others are in "
            "the store, and the same command tries these again",
            table,
        )
    return table
