"""What a suite will cost: tasks, branches, and hours by timing parts of a few of its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ActionSet, Decision, Policy
from metaal.randomness import generator
from metaal.rehearsal.branching import Branches
from metaal.rehearsal.following import follow
from metaal.rehearsal.learners import find_learner
from metaal.rehearsal.playing import layout_of, one_thread, play, run_name
from metaal.rehearsal.rebuilding import rebuild
from metaal.rehearsal.suitefile import Suite
from metadata_store import Store, open_store

if TYPE_CHECKING:
    from metaal.history import History
    from metaal.rehearsal.task import Task

SLICE = 0.3
"""Seconds for the loops and for the branches of one task that is timed: enough for a small one, and a large one leaves
time for others."""
NAME = "timed"


@dataclass(frozen=True)
class Cost:
    """What is ahead.

    Parameters
    ----------
    tasks, loops, branches : int
        Where nothing cuts them short (an exhausted pool, strategies that cannot run).
    hours : float
        Of CPU: what one process takes that has a core to itself.
    timed : int
        Tasks that were timed for it.
    guessed : tuple of str
        Learners none of whose tasks was reached in the time; they count as the mean of the others.
    low, high : float
        Hours; four of five samples of as many tasks would say something in between.
    """

    tasks: int
    loops: int
    branches: int
    hours: float
    timed: int
    guessed: tuple[str, ...] = ()
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class _Work:
    """Counts of what a task consists of, or the seconds of one of each: data laid out, loops, states, branches."""

    layouts: float
    loops: float
    states: float
    branches: float

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.array([self.layouts, self.loops, self.states, self.branches])


def expected(suite: Suite, tasks: Sequence[Task], *, seconds: float = 20.0) -> Cost:
    """Count what is ahead, and time parts of some tasks, learner by learner in turn, to say how long it will take.

    A task is timed in memory: its data are laid out, and some of its first loops and some branches of one of its states
    are played. What is played of a task that takes long is little, so that its later loops, which have more labels,
    count as its first ones.

    Parameters
    ----------
    suite : Suite
    tasks : sequence of Task
    seconds : float
        For the timing; 0 times nothing, and the hours are NaN. What was begun is finished.
    """
    work = [_work(suite, task) for task in tasks]
    rates: dict[str, list[np.ndarray]] = {}
    begun = time.perf_counter()
    for task in _in_turn(tasks):
        if time.perf_counter() - begun >= seconds:
            break
        rates.setdefault(task.learner_name, []).append(np.asarray(_timed(suite, task)))
    counts: dict[str, np.ndarray] = {}
    for task, parts in zip(tasks, work, strict=True):
        counts[task.learner_name] = counts.get(task.learner_name, np.zeros(4)) + np.asarray(parts)
    low, high = _spread(rates, counts)
    return Cost(
        len(tasks),
        int(sum(parts.loops for parts in work)),
        int(sum(parts.branches for parts in work)),
        _hours(rates, counts),
        sum(map(len, rates.values())),
        tuple(sorted(set(counts) - set(rates))),
        low,
        high,
    )


def _hours(rates: dict[str, list[np.ndarray]], counts: dict[str, np.ndarray]) -> float:
    """Each learner's counts times the mean seconds of its own tasks; NaN where nothing was timed."""
    if not rates:
        return float("nan")
    means = {name: np.mean(found, axis=0) for name, found in rates.items()}
    usual = np.mean(list(means.values()), axis=0)
    return sum(float(count @ means.get(name, usual)) for name, count in counts.items()) / 3600


def _spread(rates: dict[str, list[np.ndarray]], counts: dict[str, np.ndarray]) -> tuple[float, float]:
    """Tenth and ninetieth percent of the hours that other samples of as many tasks would give (bootstrap)."""
    every = [(name, rate) for name, found in rates.items() for rate in found]
    if len(every) < 2:
        return float("nan"), float("nan")
    rng, hours = generator(0, "cost", 0, "bootstrap"), []
    for _ in range(200):
        drawn: dict[str, list[np.ndarray]] = {}
        for k in rng.integers(len(every), size=len(every)):
            drawn.setdefault(every[k][0], []).append(every[k][1])
        hours.append(_hours(drawn, counts))
    low, high = np.quantile(hours, [0.1, 0.9])
    return float(low), float(high)


class _EnoughError(Exception):
    """Raised by a policy to end the timing of its task."""


class _Limited:
    """A policy that decides as another one does until the time is over."""

    def __init__(self, policy: Policy, seconds: float) -> None:
        self.policy, self.until = policy, time.perf_counter() + seconds
        self.arms, self.multipliers, self.spelling = policy.arms, policy.multipliers, policy.spelling
        self.default = getattr(policy, "default", None)
        self.loops = 0

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """The other one's decision."""
        if self.loops and time.perf_counter() > self.until:
            raise _EnoughError
        self.loops += 1
        return self.policy.decide(history, actions)


def _timed(suite: Suite, task: Task) -> _Work:
    """CPU seconds of laying a task out, of one of its loops, of one state's rebuilding, of one branch."""
    kind = find_learner(task.learner_name).kind
    plan, clock = suite.plan(kind), time.process_time
    with open_store("memory:") as store, one_thread():
        started = clock()
        layout = layout_of(task)
        ready = clock()
        policy = _Limited(suite.policy(kind), SLICE)
        with suppress(_EnoughError):
            play(policy, task, store=store, name=NAME, full=False)
        ended = clock()
        with layout.test_y.forbidden():
            state, branch = _timed_branches(task, store, plan, policy.arms)
    return _Work(ready - started, (ended - ready) / max(policy.loops, 1), state, branch)


def _timed_branches(task: Task, store: Store, plan: Branches, arms: Sequence[str]) -> tuple[float, float]:
    """CPU seconds of rebuilding one of the states that were played, and of one branch of it; some are made."""
    rng, clock = generator(0, task.stream, 0, "timing"), time.process_time
    until = time.perf_counter() + SLICE
    records = store.records(run_name(task, NAME))
    loops = [record.loop for record in records if record.event == "ask" and float(record.values["pool.size"]) > 1]
    if not plan.states or not loops:
        return 0.0, 0.0
    started = clock()
    state = next(rebuild(task, records, [int(rng.choice(loops))], arms))
    ready, made = clock(), 0
    for k in rng.permutation(len(plan.actions)):
        action = plan.actions[k]
        if not state.possible(action.strategy):
            continue
        rows, _ = state.propose(action.strategy, max(1, round(state.n * action.multiplier)))
        follow(state, rows, horizon=plan.horizon, default=plan.default)
        state.features(action.strategy, plan.default)
        made += 1
        if time.perf_counter() > until:
            break
    return ready - started, (clock() - ready) / max(made, 1)


def _in_turn(tasks: Sequence[Task]) -> Iterable[Task]:
    """One task of each learner, then a second one of each, and so on."""
    by_learner: dict[str, list[Task]] = {}
    for task in tasks:
        by_learner.setdefault(task.learner_name, []).append(task)
    for k in range(max(map(len, by_learner.values()), default=0)):
        for name in sorted(by_learner):
            if k < len(by_learner[name]):
                yield by_learner[name][k]


def _work(suite: Suite, task: Task) -> _Work:
    """Loops, states and branches of a task."""
    plan, loops = suite.plan(find_learner(task.learner_name).kind), -(-task.budget // task.batch)
    states = min(plan.states, loops)
    return _Work(1, loops, states, states * len(plan.actions))
