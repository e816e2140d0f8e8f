"""Counterfactual branches: what every action would have brought at some states of a played run.

They are computed from the log after the run has ended, and appended to it: one record "branch" for each action, all of
a state with one sync. What is shared: a state's model, outputs, sketch and proposals are computed once; proposals of
the same rows are played once, and recorded for each action that makes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import ARMS, DEFAULT_ARM, Action
from metaal.errors import InputError, MismatchError, TaskError
from metaal.inputs import check_count
from metaal.policies.arms import check_arm
from metaal.randomness import generator
from metaal.rehearsal.exploring import Exploring
from metaal.rehearsal.following import Step, follow, guide_scores
from metaal.rehearsal.keeping import check_keeps_branches
from metaal.rehearsal.playing import layout_of, one_thread
from metaal.rehearsal.rebuilding import State, rebuild
from metadata_store import Record, Store

if TYPE_CHECKING:
    from metaal.rehearsal.task import Task

EVENT = "branch"


@dataclass(frozen=True)
class Branches:
    """Which branches are to be made of a run.

    Parameters
    ----------
    strategies : tuple of str
        Spellings; the default is put in front where it is missing.
    multipliers : tuple of float
        Batch multipliers; the product of both are actions.
    further : tuple of str
        Actions beside that product, such as ``"margin ×8"``, ``"margin, share 0.25"`` or ``"margin, skip"``.
    states : int
        Loops of a run at which every action is tried, ≥ 0; 0 makes none.
    horizon : int
        Batches labelled in each branch, ≥ 1. The plain default's own branch goes on until it has as many labels as the
        largest batch and what follows it, so that all can be compared.
    commit : int
        Batches, from 1 to ``horizon``, that the action's own strategy chooses; the default chooses those that are left.
        One batch moves a learning curve by less than its noise. Whoever goes on with a strategy adds up what it is
        worth batch by batch, while the noise of a curve stays what it is; and a policy that takes the strategy of the
        best such continuation at every loop is no worse than the best of them (Barreto, Dabney, Munos, Hunt, Schaul,
        van Hasselt and Silver 2017, Successor Features for Transfer in Reinforcement Learning: generalised policy
        improvement).
    default : str
        Strategy of the later batches, and of the action that advantages are measured against.

    Examples
    --------
    >>> [str(action) for action in Branches(("margin",), (1.0, 2.0)).actions]
    ['cluster_margin', 'cluster_margin ×2', 'margin', 'margin ×2']
    """

    strategies: tuple[str, ...] = ARMS
    multipliers: tuple[float, ...] = (1.0,)
    states: int = 4
    horizon: int = 3
    default: str = DEFAULT_ARM
    further: tuple[str, ...] = ()
    commit: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", check_arm(self.default))
        checked = Exploring(tuple(self.strategies), tuple(self.multipliers), self.default, further=tuple(self.further))
        object.__setattr__(self, "strategies", checked.arms)
        object.__setattr__(self, "further", checked.further)
        object.__setattr__(self, "multipliers", checked.multipliers)
        check_count(self.horizon, name="horizon", meaning="batches labelled in a branch")
        check_count(self.commit, name="commit", meaning="batches that an action's own strategy chooses")
        if self.commit > self.horizon:
            raise InputError(f"commit: got {self.commit}, expected at most the horizon of {self.horizon} batches")
        if self.states != 0:
            check_count(self.states, name="states", meaning="loops of a run that are branched from; 0 for none")

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """Every action, the plain default first; a branch's index is its place here."""
        return Exploring(self.strategies, self.multipliers, self.default, further=self.further).actions

    @property
    def reach(self) -> int:
        """Batches of the plain default's own branch: as many labels as the largest action and what follows it."""
        return math.ceil(max(action.multiplier for action in self.actions)) + self.horizon - 1


def branch(task: Task, store: Store, run: str, plan: Branches, arms: Sequence[str] | None = None) -> int:
    """Make the branches of a played run that its log does not have yet.

    Parameters
    ----------
    task : Task
        The one that was played.
    store : Store
        That holds the run, and gets the branches.
    run : str
        Its name; it must have ended.
    plan : Branches
    arms : sequence of str, optional
        Strategies of the policy that played it. Default: those of the plan.

    Returns
    -------
    int
        Branches of the run in the store, all states together.

    Raises
    ------
    TaskError
        The run has not ended, or a state cannot be built again.
    MismatchError
        The run has branches of another plan.
    """
    check_keeps_branches(store)
    records = store.records(run)
    if not any(record.event == "end" for record in records):
        raise TaskError(f"run {run!r} has not ended, so its states cannot be chosen; play it to its end first")
    have: dict[int, dict[int, Record]] = {}
    for record in records:
        if record.event == EVENT:
            have.setdefault(record.loop, {})[record.index] = record
    loops = chosen(records, plan)
    _check(run, have, loops, plan)
    missing = [loop for loop in loops if loop not in have or len(have[loop]) < _number(have[loop])]
    with one_thread(), layout_of(task).test_y.forbidden():
        for state in rebuild(task, records, missing, plan.strategies if arms is None else arms):
            made = branch_state(state, plan)
            # A state of which the process died while writing: what is there stays, times included.
            had = have.setdefault(state.loop, {})
            store.append_many([record for record in made if record.index not in had])
            had |= {record.index: record for record in made}
    return sum(len(have[loop]) for loop in loops)


def chosen(records: Sequence[Record], plan: Branches) -> list[int]:
    """Loops of a run to branch from, ascending: drawn by its seed, early ones with more chance (1 / (loop + 2)).

    The last loop of a pool that is used up is not among them: nothing can be chosen there.
    """
    asks = [record for record in records if record.event == "ask"]
    loops = [ask.loop for ask in asks if float(ask.values["pool.size"]) > float(ask.values["loop.batch"])]
    begin = records[0].values
    rng = generator(int(begin["run.seed"]), str(begin["run.stream"]), 0, "branches")
    weight = 1 / (np.array(loops, dtype=np.float64) + 2)
    count = min(plan.states, len(loops))
    return sorted(rng.choice(loops, count, replace=False, p=weight / weight.sum()).tolist()) if count else []


def branch_state(state: State, plan: Branches) -> list[Record]:
    """One record for each action that is possible in the state; nothing is written."""
    actions = [(k, action) for k, action in enumerate(plan.actions) if state.possible(action.strategy, action.refit)]
    before = guide_scores(state.layout, state.fitted)
    logged = dict(zip(state.ask.arrays["actions"].tolist(), state.ask.arrays["actions.probability"], strict=True))
    played: dict[tuple[bytes, float, str, str, int], tuple[int, list[Step]]] = {}
    made = []
    for index, action in actions:
        rows, select = state.propose(action.strategy, max(1, round(state.n * action.multiplier)))
        horizon = plan.reach if action == Action(plan.default) else plan.horizon
        then = (action.strategy,) * (plan.commit - 1)
        key = np.sort(rows).tobytes(), action.share, action.refit, action.strategy if then else plan.default, horizon
        if key not in played:
            steps = follow(
                state, rows, horizon=horizon, default=plan.default, share=action.share, how=action.refit, then=then
            )
            played[key] = index, steps
            # Who asks for the default's rows has the beginning of its branch.
            played.setdefault((*key[:4], plan.horizon), (index, steps[: plan.horizon]))
        origin, steps = played[key]
        values: dict[str, str | float | int | bool] = {
            "branch.action": str(action),
            "branch.strategy": action.strategy,
            "branch.multiplier": action.multiplier,
            "branch.share": action.share,
            "branch.refit": action.refit,
            "branch.propensity": float(logged.get(str(action), 0.0)),
            "branch.taken": str(state.ask.values["action.name"]) == str(action),
            "branch.count": len(actions),
            "branch.horizon": plan.horizon,
            "branch.commit": plan.commit,
            "branch.default": plan.default,
            "branch.labels": len(rows),
            "branch.played": origin,
            "branch.fit.seconds": steps[0].fit,
            "branch.score.seconds": steps[0].score,
            "branch.select.seconds": select,
            "branch.scored": steps[0].scored,
            "branch.h0.labels": len(state.seen),
            **{f"branch.h0.{name}": value for name, value in before.items()},
        }
        for h, step in enumerate(steps, start=1):
            values[f"branch.h{h}.labels"] = step.labels
            values |= {f"branch.h{h}.{name}": value for name, value in step.scores.items()}
        arrays = {"branch.ids": rows, "branch.features": state.features(action.strategy, plan.default)}
        made.append(Record(state.ask.run, state.loop, EVENT, values, arrays, index=index))
    return made


def _number(had: dict[int, Record]) -> int:
    """Branches that a state has when it is whole, as every one of them says."""
    return int(next(iter(had.values())).values["branch.count"])


def _check(run: str, have: dict[int, dict[int, Record]], loops: Sequence[int], plan: Branches) -> None:
    """Refuse to mix the branches of two plans."""
    actions = [str(action) for action in plan.actions]
    for loop, records in have.items():
        for index, record in records.items():
            told = record.values
            was = told["branch.action"], told["branch.horizon"], told["branch.default"], told.get("branch.commit", 1)
            now = actions[index] if index < len(actions) else None, plan.horizon, plan.default, plan.commit
            if was != now or loop not in loops:
                raise MismatchError(
                    f"run {run!r}, loop {loop}: holds a branch of {was[0]} (horizon {was[1]}, default {was[2]}, commit "
                    f"{was[3]}), which is not in this plan ({plan.states} states, horizon {plan.horizon}, default "
                    f"{plan.default}, commit {plan.commit}, {len(actions)} actions); branches of another plan go into "
                    "another store"
                )
