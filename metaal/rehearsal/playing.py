"""Play one task with one policy: the caller's loop of the README, on data whose labels are known."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.actions import Policy
from metaal.rehearsal.data import Dataset
from metaal.rehearsal.task import Parts, Task
from metaal.run import Run
from metadata_store import Store, open_store

if TYPE_CHECKING:
    import pandas

METRICS = ("accuracy", "balanced_accuracy", "log_loss")
CLIP = 0.02


@dataclass(frozen=True, eq=False)
class Trace:
    """What one played run measured.

    Parameters
    ----------
    run : str
        Its name in the store.
    curve : DataFrame
        One row a model: loop, labels, test scores, guide score, seconds of each phase, the action taken with it.
    full : dict
        Test scores of the learner trained on the whole pool.
    pool : int
        Rows of the pool, the initial ones included.
    """

    run: str
    curve: pandas.DataFrame
    full: dict[str, float]
    pool: int


def play(policy: Policy | str, task: Task, *, store: Store | None = None, name: str | None = None) -> Trace:
    """Play a task to the end of its budget, logging the run as any other; a run that was broken off is continued.

    The guide split's score is told to the run (targets for training a policy; no policy sees it while deciding), the
    test split's is only reported.

    Parameters
    ----------
    policy : Policy or str
    task : Task
    store : Store, optional
        Where to log. Default: in memory.
    name : str, optional
        Name of the policy in the run's name. Default: its spelling.

    Returns
    -------
    Trace
    """
    store = open_store("memory:") if store is None else store
    name = name or (policy if isinstance(policy, str) else policy.spelling)
    with _one_thread():
        parts = _parts(task)
        budget = min(task.budget, len(parts.pool_y) - len(parts.initial))
        run = Run(
            run_name(task, name),
            policy=policy,
            seed=task.seeds.strategy,
            budget=budget,
            task=task.dataset.family,
            tags={
                "data": task.data_name,
                "learner": task.learner_name,
                "batch": float(task.batch),
                "initial": float(len(parts.initial)),
                "pool": float(len(parts.pool_y)),
                "fingerprint": _fingerprint(task, task.dataset),
                "policy": name,
                **{f"seed.{key}": float(value) for key, value in vars(task.seeds).items()},
            },
            stream=task.stream,
            store=store,
        )
        if not run.ended:
            _loop(run, task, parts, budget)
    return read_trace(store, run.name)


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
    """What decides a run beside its name: the encoded data, the learner's parameters, the initial labels.

    A store keeps runs by name, and two files may share one: a run is continued only where this agrees.
    """
    parts = _parts(task)
    digest = hashlib.blake2b(digest_size=8)
    for name, array in sorted(vars(parts).items()):
        digest.update(f"{name} {np.shape(array)}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
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


def _loop(run: Run, task: Task, parts: Parts, budget: int) -> None:
    unlabelled = np.ones(len(parts.pool_y), dtype=bool)
    unlabelled[parts.initial] = False
    seen = [int(k) for k in parts.initial]
    for key in run.labels:
        seen.append(int(key))
        unlabelled[int(key)] = False
    while True:
        started = time.perf_counter()
        model = task.new_learner(len(seen)).fit(parts.pool_x[seen], parts.pool_y[seen])
        fitted = time.perf_counter()
        pool = np.flatnonzero(unlabelled)
        proba = _proba(model, parts.pool_x[pool], parts.classes) if len(pool) else np.zeros((0, parts.classes))
        seconds = {"fit": fitted - started, "score": time.perf_counter() - fitted}
        guide = scores(parts.guide_y, _proba(model, parts.guide_x, parts.classes))
        told = {"value": guide["accuracy"], **{name: guide[name] for name in METRICS[1:]}}
        pending = run.pending
        if pending is None:
            run.report(scores(parts.test_y, _proba(model, parts.test_x, parts.classes)))
            if not len(pool) or len(run.labels) >= budget:
                break
            embedding = parts.pool_x.astype(np.float32)
            pending = run.ask(
                task.batch,
                ids=pool,
                proba=proba,
                embedding=embedding[pool],
                seen_embedding=embedding[seen],
                seen_y=parts.pool_y[seen],
                classes=np.arange(parts.classes),
            )
            if not len(pending):
                break
        run.tell(parts.pool_y[pending.ids], seconds=seconds, score=told)
        seen += [int(k) for k in pending.ids]
        unlabelled[pending.ids] = False
    run.report({f"full_{key}": value for key, value in _full_scores(task, task.dataset).items()})
    run.end(seconds=seconds, score=told)


def _proba(model: Any, x: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities with one column for every class of the task, also for those that the model has not seen."""
    found = model.predict_proba(x)
    out = np.zeros((len(x), classes))
    out[:, model.classes_] = found
    # Naive Bayes on a single row a class can underflow to NaN: it then knows nothing.
    bad = ~np.isfinite(out).all(1)
    out[bad] = 1 / classes
    return out / out.sum(1, keepdims=True)


def scores(y: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy (mean recall of the classes present), log-loss (probabilities clipped at 0.02)."""
    hit = proba.argmax(1) == y
    recall = [hit[y == c].mean() for c in np.unique(y)]
    own = np.clip(proba[np.arange(len(y)), y], CLIP, 1.0)
    return {
        "accuracy": float(hit.mean()),
        "balanced_accuracy": float(np.mean(recall)),
        "log_loss": float(-np.log(own).mean()),
    }


def _parts(task: Task) -> Parts:
    return _laid_out(task, task.dataset)


# Every policy of a cell is played on the same layout, one after the other in one process. The data are part of the key:
# a file that was rewritten is another data set.
@lru_cache(maxsize=2)
def _laid_out(task: Task, data: Dataset) -> Parts:
    return task.lay_out()


@lru_cache(maxsize=8)
def _full_scores(task: Task, data: Dataset) -> dict[str, float]:
    parts = _parts(task)
    model = task.new_learner(len(parts.pool_y)).fit(parts.pool_x, parts.pool_y)
    return scores(parts.test_y, _proba(model, parts.test_x, parts.classes))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order whatever the number of processes: results repeat to the last bit."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    with threadpool_limits(1):
        yield


def read_trace(store: Store, run: str) -> Trace:
    """Read back what a played run measured."""
    import pandas as pd

    rows: dict[int, dict[str, Any]] = {}
    full: dict[str, float] = {}
    pool = 0
    for record in store.records(run):
        if record.event == "begin":
            pool = int(record.values.get("tag.pool", 0))
            continue
        row = rows.setdefault(record.loop, {"loop": record.loop})
        for name, value in record.values.items():
            if name.startswith("report.full_"):
                full[name.removeprefix("report.full_")] = float(value)
            elif name.startswith("report."):
                row[name.removeprefix("report.")] = float(value)
            elif name in ("labels.count", "score.value", "action.name", "decision.reason", "query.count"):
                row[name] = value
            elif name.endswith(".seconds"):
                row[name] = float(value)
    curve = pd.DataFrame([rows[k] for k in sorted(rows)]).rename(
        columns={"labels.count": "labels", "score.value": "guide"}
    )
    return Trace(run, curve, full, pool)
