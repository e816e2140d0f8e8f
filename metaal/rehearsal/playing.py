"""Play one task with one policy: the caller's loop of the README, on data whose labels are known."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import Policy
from metaal.policies import read_policy
from metaal.rehearsal.dataset import Dataset
from metaal.rehearsal.layout import Layout
from metaal.rehearsal.learners import Fitted
from metaal.rehearsal.refitting import refit, refitted, trained
from metaal.rehearsal.scoring import MAIN, METRICS, scores
from metaal.rehearsal.showing import shown, wanted
from metaal.rehearsal.task import Task
from metaal.rehearsal.trace import Trace, read_trace
from metaal.run import Run
from metadata_store import Store, open_store

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = [
    "REGRESSION_ARM",
    "Trace",
    "layout_of",
    "one_thread",
    "play",
    "played",
    "read_trace",
    "run_name",
    "shared_store",
    "shown",
]

REGRESSION_ARM = "improved_greedy"
"""The strategy that a regression's runs preview beside the chosen one, as cluster_margin needs probabilities: spread in
features and in predictions (Wu, Lin and Huang 2019), without a model or a parameter of its own."""


def play(
    policy: Policy | str,
    task: Task,
    *,
    store: Store | None = None,
    name: str | None = None,
    tags: Mapping[str, str | float] | None = None,
    full: bool = True,
) -> Trace:
    """Play a task to the end of its budget, logging the run as any other; a run that was broken off is continued.

    The guide split's score is told to the run (targets for training a policy; no policy sees it while deciding), the
    test split's is only reported. The test labels are sealed: whatever else reads them while the run is played raises.

    Parameters
    ----------
    policy : Policy or str
    task : Task
        Of any regime. In a regression the arms must be strategies that need no probabilities.
    store : Store, optional
        Where to log. Default: in memory.
    name : str, optional
        Name of the policy in the run's name. Default: its spelling.
    tags : mapping, optional
        Further facts to log with the run.
    full : bool
        Whether to report the scores of the learner trained on the whole pool, with the labels that the oracle would
        tell; a fit on up to 3,000 rows, done once for all policies of a task.

    Returns
    -------
    Trace

    Raises
    ------
    SealedError
        Something read the test labels before the report.
    TaskError
        The learner or the regime is for another kind of data.
    """
    store = open_store("memory:") if store is None else store
    return read_trace(store, played(policy, task, store, name=name, tags=tags, full=full))


def played(
    policy: Policy | str,
    task: Task,
    store: Store,
    *,
    name: str | None = None,
    tags: Mapping[str, str | float] | None = None,
    full: bool = True,
) -> str:
    """`play` for whom the log is enough: nothing is read back. Returns the name of the run in the store."""
    ready = read_policy(policy)
    name = name or (policy if isinstance(policy, str) else policy.spelling)
    with one_thread():
        layout = layout_of(task)
        budget = min(task.budget, len(layout.pool_y) - len(layout.initial))
        run = Run(
            run_name(task, name),
            policy=ready,
            seed=task.seeds.strategy,
            budget=budget,
            task=task.dataset.family,
            tags={**_tags(task, layout, name), **(tags or {})},
            stream=task.stream,
            default=None if layout.kind == "classification" else getattr(ready, "default", None) or REGRESSION_ARM,
            store=store,
        )
        if not run.ended:
            with layout.test_y.forbidden():
                _loop(run, task, layout, budget, full=full)
    return run.name


def _tags(task: Task, layout: Layout, name: str) -> dict[str, str | float]:
    """What is logged of a task. A clean one of classes has no word about its regime or kind."""
    tags: dict[str, str | float] = {
        "data": task.data_name,
        "learner": task.learner_name,
        "batch": float(task.batch),
        "initial": float(len(layout.initial)),
        "pool": float(len(layout.pool_y)),
        "fingerprint": _fingerprint(task, task.dataset),
        "policy": name,
        **{f"seed.{key}": float(value) for key, value in vars(task.seeds).items()},
    }
    if task.regime:
        tags |= {"regime": str(task.regime), **{f"regime.{key}": value for key, value in task.regime.facts.items()}}
    if layout.kind != "classification":
        tags["kind"] = layout.kind
    return tags


_OPEN: dict[str, tuple[Store, tuple[int, int]]] = {}


def shared_store(path: str) -> Store:
    """The store at ``path``, opened once in this process: a worker writes one segment, however many runs it plays.

    A directory that was deleted and made again is another store, and is opened anew.
    """
    if path in _OPEN:
        store, identity = _OPEN[path]
        if _identity(path) == identity:
            return store
        del _OPEN[path]
        store.close()
    store = open_store(path, durability="group")
    _OPEN[path] = store, _identity(path)
    return store


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return (0, 0)
    return found.st_dev, found.st_ino


@lru_cache(maxsize=2)
def _fingerprint(task: Task, data: Dataset) -> str:
    """What decides a run beside its name: encoded data, the learner's parameters, initial labels, the oracle's answers.

    A store keeps runs by name, and two files may share one: a run is continued only where this agrees.
    """
    digest = hashlib.blake2b(digest_size=8)
    layout_of(task).digest(digest)
    learner = task.new_learner(0)
    # Functions among the parameters show where they lie in memory, which is another place in every process.
    shown = re.sub(
        r" at 0x[0-9a-f]+", "", f"{type(learner).__name__} {sorted(map(repr, learner.get_params().items()))}"
    )
    digest.update(shown.encode())
    return digest.hexdigest()


def run_name(task: Task, policy: str) -> str:
    """Name of a played run: task, seeds, policy."""
    whole = f"{task.stream}~{policy}"
    safe = "".join(ch if ch.isalnum() or ch in "-_=.,() ×~" else "_" for ch in whole)
    if safe == whole and len(safe) <= 200:
        return safe
    # What had to be changed or cut could meet another name: a few digits of the whole one keep them apart.
    return f"{safe[:180]}~{hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()}"


def _loop(run: Run, task: Task, layout: Layout, budget: int, *, full: bool) -> None:
    extra = wanted((*run.policy.arms, run.default), layout.kind)
    told = [int(key) for key in run.labels]
    seen = np.concatenate([layout.initial, np.array(told, dtype=np.int64)])
    y_seen = layout.known(seen[len(layout.initial) :])
    unlabelled = np.ones(len(layout.pool_y), dtype=bool)
    unlabelled[seen] = False
    loop = len(run.history)
    steps = trained(run.history, len(layout.initial), len(told))
    fitted = None if steps[-1][1] == "full" else refitted(task, layout, seen, y_seen, steps[:-1])
    how = steps[-1][1]
    while True:
        # The last model of a run is what its user goes away with: it is trained on all labels.
        how = "full" if len(run.labels) >= budget or run.stopped else how
        fitted, fit = refit(task, layout, seen, y_seen, how, fitted, keep=True)
        started = time.perf_counter()
        pool = np.flatnonzero(unlabelled)
        scored = pool[run.sample(pool)] if len(pool) and run.pending is None else pool
        outputs = shown(task, layout, fitted, seen, y_seen, scored, extra) if len(pool) else {}
        seconds = {"fit": fit, "score": time.perf_counter() - started}
        score = _guided(layout, fitted)
        pending = run.pending
        if pending is None:
            run.report(_examined(layout, fitted))
            if not len(pool) or len(run.labels) >= budget:
                break
            pending = run.ask(layout.schedule.batch(loop, len(seen)), unscored=len(pool) - len(scored), **outputs)
            loop += 1
            if not len(pending):
                break
        rows = pending.ids
        labels = layout.oracle.tell(rows, len(seen) - len(layout.initial))
        run.tell(labels, seconds=seconds, score=score)
        seen, y_seen = np.concatenate([seen, rows]), np.concatenate([y_seen, labels])
        unlabelled[rows] = False
        how = pending.refit
    if full:
        run.report({f"full_{key}": value for key, value in _full_scores(task, task.dataset).items()})
    if how != "full":  # the policy stopped before the model was trained on the last labels
        fitted, fit = refit(task, layout, seen, y_seen)
        seconds = {"fit": fit, "score": 0.0}
        score = _guided(layout, fitted)
    run.end(seconds=seconds, score=score)
    if run.stopped:  # the end has a loop of its own, and the model that the run leaves behind belongs to it
        run.report(_examined(layout, fitted))


def _guided(layout: Layout, fitted: Fitted) -> dict[str, float]:
    """What a run is told of a model: its scores on the guide split."""
    found = scores(layout.kind, layout.guide_y, fitted.output(layout.guide_x))
    return {"value": found[MAIN[layout.kind]], **{key: found[key] for key in METRICS[layout.kind][1:]}}


def _examined(layout: Layout, fitted: Fitted) -> dict[str, float]:
    """Scores on the test split, for the report: the one place where a played run opens the envelope."""
    output = fitted.output(layout.test_x)
    with layout.test_y.allowed():
        return scores(layout.kind, layout.test_y.open(), output)


def layout_of(task: Task) -> Layout:
    """The task laid out; kept for the next policy that is played on it."""
    return _laid_out(task, task.dataset)


# Every policy of a cell is played on the same layout, one after the other in one process. The data are part of the key:
# a file that was rewritten is another data set.
@lru_cache(maxsize=2)
def _laid_out(task: Task, data: Dataset) -> Layout:
    return task.lay_out()


@lru_cache(maxsize=8)
def _full_scores(task: Task, data: Dataset) -> dict[str, float]:
    layout = layout_of(task)
    labels = layout.oracle.tell(np.arange(len(layout.pool_y)), 0)
    return _examined(layout, task.fit(layout.pool_x, labels, layout))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order whatever the number of processes: results repeat to the last bit."""
    with _thread_pools(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:
    """The thread pools of all libraries that are loaded; looked for anew when a module was imported since."""
    from threadpoolctl import ThreadpoolController  # comes with scikit-learn

    return ThreadpoolController()
