"""What a suite will cost: tasks, branches, and hours by timing a few of its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metaal.rehearsal.branching import branch
from metaal.rehearsal.learners import find_learner
from metaal.rehearsal.playing import play, run_name
from metaal.rehearsal.suitefile import Suite
from metadata_store import open_store

if TYPE_CHECKING:
    from metaal.rehearsal.task import Task


@dataclass(frozen=True)
class Cost:
    """What is ahead.

    Parameters
    ----------
    tasks, loops, branches : int
        Where nothing cuts them short (an exhausted pool, strategies that cannot run).
    hours : float
        Of one process.
    timed : int
        Tasks that were timed for it.
    guessed : tuple of str
        Learners none of whose tasks was reached in the time; they count as the mean of the others.
    """

    tasks: int
    loops: int
    branches: int
    hours: float
    timed: int
    guessed: tuple[str, ...] = ()


def expected(suite: Suite, tasks: Sequence[Task], *, seconds: float = 20.0) -> Cost:
    """Count what is ahead, and time some of the tasks, learner by learner in turn, to say how long it will take.

    A timed task is played in memory, with the branches of one state. Data that must be read, and the pools' sizes, are
    those of the timed tasks, so the hours are right to within a factor of about two.

    Parameters
    ----------
    suite : Suite
    tasks : sequence of Task
    seconds : float
        For the timing; 0 times nothing, and the hours are NaN. A task that was begun is finished.
    """
    loops = [_loops(task) for task in tasks]
    branches = [_branches(suite, task, count) for task, count in zip(tasks, loops, strict=True)]
    rates: dict[str, list[tuple[float, float]]] = {}
    begun, timed = time.perf_counter(), 0
    for task in _in_turn(tasks):
        if time.perf_counter() - begun >= seconds:
            break
        rates.setdefault(task.learner_name, []).append(_timed(suite, task))
        timed += 1
    names = sorted({task.learner_name for task in tasks})
    guessed = tuple(name for name in names if name not in rates)
    every = [rate for found in rates.values() for rate in found]
    total = 0.0
    for task, loop, made in zip(tasks, loops, branches, strict=True):
        found = rates.get(task.learner_name, every) or [(float("nan"), float("nan"))]
        a_loop, a_branch = np.mean(found, axis=0)
        total += loop * a_loop + made * a_branch
    return Cost(len(tasks), sum(loops), sum(branches), total / 3600, timed, guessed)


def _timed(suite: Suite, task: Task) -> tuple[float, float]:
    """Seconds of one loop and of one branch of a task."""
    kind = find_learner(task.learner_name).kind
    policy, plan = suite.policy(kind), replace(suite.plan(kind), states=min(1, suite.plan(kind).states))
    with open_store("memory:") as store:
        started = time.perf_counter()
        play(policy, task, store=store, name="timed", full=False)
        played = time.perf_counter()
        run = run_name(task, "timed")
        made = branch(task, store, run, plan, policy.arms)
        ended = time.perf_counter()
        asks = sum(record.event == "ask" for record in store.records(run))
    return (played - started) / max(asks, 1), (ended - played) / max(made, 1)


def _in_turn(tasks: Sequence[Task]) -> Iterable[Task]:
    """One task of each learner, then a second one of each, and so on."""
    by_learner: dict[str, list[Task]] = {}
    for task in tasks:
        by_learner.setdefault(task.learner_name, []).append(task)
    for k in range(max(map(len, by_learner.values()), default=0)):
        for name in sorted(by_learner):
            if k < len(by_learner[name]):
                yield by_learner[name][k]


def _loops(task: Task) -> int:
    return -(-task.budget // task.batch)


def _branches(suite: Suite, task: Task, loops: int) -> int:
    plan = suite.plan(find_learner(task.learner_name).kind)
    return min(plan.states, loops) * len(plan.actions)
