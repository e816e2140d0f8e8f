"""Play the cells of an evaluation: every policy on every task and seed."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaal.actions import Policy
from metaal.errors import LeakError
from metaal.evaluating.leaks import leaks, refusal
from metaal.measures import measure
from metaal.prices import Prices
from metaal.rehearsal import Task, Trace, play
from metaal.rehearsal.playing import run_name, shared_store
from metaal.rehearsal.working import ONE_AT_A_TIME, Progress, in_parallel, leased, telling
from metadata_store import open_store
from strategy_zoo import Strategy, register
from strategy_zoo.plain import Rule, adopt, kept
from strategy_zoo.registry import foreign

Found = tuple[list[dict[str, Any]], dict[tuple[str, str], Trace]]
"""Rows, and (policy, stream) → trace."""
MANY = 100
"""Cells from which on one process plays all policies of a cell."""


@dataclass(frozen=True)
class Contest:
    """What is the same for all cells of an evaluation.

    Parameters
    ----------
    policies : mapping of str to Policy
    prices : Prices
    store : str or Store
        A path or URL is opened once a process.
    leaky : {"refuse", "mark"}
    functions, classes
        Those of the policies' strategies that are the caller's own: a worker cannot know them by name.
    """

    policies: Mapping[str, Policy]
    prices: Prices
    store: Any
    leaky: str = "refuse"
    functions: Mapping[str, Rule] = field(default_factory=dict)
    classes: Sequence[type[Strategy]] = ()

    @classmethod
    def of(cls, policies: Mapping[str, Policy], prices: Prices, store: Any, leaky: str) -> Contest:
        """With the caller's own strategies found out."""
        arms = [arm for policy in policies.values() for arm in policy.arms]
        return cls(policies, prices, store, leaky, kept(arms), foreign(arms))


def play_all(
    contest: Contest, cells: Sequence[Task], *, jobs: int, backend: str, address: str | None, progress: Progress | bool
) -> Found:
    """Play the cells, those first that the store has whole: they say nothing about how long the others take."""
    rows: list[dict[str, Any]] = []
    traces: dict[tuple[str, str], Trace] = {}
    ended = ended_runs(contest.store) if isinstance(contest.store, str) else frozenset()
    parts: dict[bool, list[Task]] = {True: [], False: []}
    for cell in cells:
        parts[all(run_name(cell, name) in ended for name in contest.policies)].append(cell)
    total = len(cells) * len(contest.policies)
    for whole, part in parts.items():
        if not part:
            continue
        calls = [(contest, cell, names, whole) for cell in part for names in _split(contest, len(cells))]
        show, close = telling(progress, "reading back" if whole else "evaluating", total)
        try:
            for found, curves in in_parallel(play_cell, calls, jobs=jobs, backend=backend, address=address):
                rows += found
                traces |= curves
                show(len(rows), total, found[0]["task"])
        finally:
            close()
    return rows, traces


def _split(contest: Contest, cells: int) -> list[tuple[str, ...]]:
    """The policies that one process plays one after the other on a cell.

    All of them share what is worked out for the cell, so that is cheapest; but few cells would leave processes idle,
    and tell nothing for long.
    """
    names = tuple(contest.policies)
    return [names] if cells >= MANY else [(name,) for name in names]


def ended_runs(store: str) -> frozenset[str]:
    """Names of the runs that have come to their end in the store of a path or URL, by one look at it."""
    import pyarrow.compute as pc

    if "://" not in store and not Path(store).exists():
        return frozenset()
    with open_store(store) as opened:
        table = opened.dataset().to_table(columns=["run"], filter=pc.field("event") == "end")
    return frozenset(table["run"].to_pylist())


def play_cell(contest: Contest, cell: Task, names: Sequence[str], whole: bool = False) -> Found:
    """Play one task and seed with the policies of these names; an error stays in its row.

    Of a cell that is ``whole`` the runs have ended: they are checked and read, and nothing is written.
    """
    adopt(contest.functions)
    for cls in contest.classes:
        register(cls)
    rows: list[dict[str, Any]] = []
    traces: dict[tuple[str, str], Trace] = {}
    with ONE_AT_A_TIME:
        opened = shared_store(contest.store) if isinstance(contest.store, str) else contest.store
        for name in names:
            row = row_of(cell, name)
            try:
                _check_leak(contest, cell, name, row)
                tags = {"leak": 1.0} if row["leak"] else None
                with nullcontext() if whole else leased(opened, run_name(cell, name)):
                    trace = play(contest.policies[name], cell, store=opened, name=name, tags=tags)
                row |= measure(trace, contest.prices)
                traces[name, cell.stream] = trace
            except Exception as error:  # kept in the row and raised at the end by evaluate
                row["error"] = f"{type(error).__name__}: {error}"
                row["traceback"] = traceback.format_exc()
            rows.append(row)
    return rows, traces


def _check_leak(contest: Contest, cell: Task, policy: str, row: dict[str, Any]) -> None:
    """Note the family, and whether the policy was trained on it; what could not be read before the start is refused."""
    row["family"] = cell.dataset.family
    row["leak"] = leaks(contest.policies[policy], row["family"])
    if row["leak"] and contest.leaky != "mark":
        raise LeakError(refusal(policy, [cell.data_name], 1))


def row_of(cell: Task, policy: str) -> dict[str, Any]:
    """What is known of a run before it is played."""
    return {
        "policy": policy,
        "task": cell.name,
        "data": cell.data_name,
        "family": "",
        "learner": cell.learner_name,
        "batch": cell.batch,
        "regime": str(cell.regime),
        "seed": cell.seeds.split,
        "stream": cell.stream,
        "leak": False,
        "error": "",
    }
