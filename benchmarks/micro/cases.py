"""What a caller waits for: ask, decide, loop, tell, append, frame, strategies. Timed by ``test_latency.py``.

A case is prepared afresh for every round, outside of what is timed, so that rounds are alike: a run that was asked
before is another one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.micro.inputs import Inputs
from benchmarks.store.records import Shape, Source
from metaal import ActionSet, History, Run, read_policy
from metaal.actions import Decision, Policy
from metaal.rehearsal import make_learner
from metadata_store import Store, open_store
from strategy_zoo import View, propose

ROWS = (1_000, 10_000, 100_000)
POLICIES = ("random", "margin", "default", "learned")
STRATEGIES = ("random", "margin", "cluster_margin", "balanced_margin", "k_center", "typiclust", "badge", "power_margin")
LEARNERS = ("logistic", "extra_trees")
N, FEW, CLASSES, COLUMNS, LABELLED = 100, 20, 10, 32, 100
"""``FEW`` is a batch in which the learned policy looks at other strategies than its default."""
RUNS, LOOPS, SCALARS = 50, 20, 50
"""Of the store that frames are read from: 50,000 numbers."""
Call = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One thing that is timed.

    Parameters
    ----------
    group : str
        ``"ask"``, ``"decide"``, ``"loop"``, ``"tell"``, ``"append"``, ``"frame"`` or ``"strategy"``.
    name : str
    rows : int
        Pool rows, or rows of the frame; 1 for an append.
    ready : callable(folder) -> call
        Makes ready one round; ``folder`` is an empty one for what is on disk.
    """

    group: str
    name: str
    rows: int
    ready: Callable[[Path], Call]

    @property
    def id(self) -> str:
        """Name for pytest."""
        return f"{self.group}-{self.name}-{self.rows}"


@cache
def inputs(rows: int) -> Inputs:
    """Arrays of a loop; the same in every round."""
    return Inputs(U=rows, L=LABELLED, C=CLASSES, D=COLUMNS, n=min(N, rows // 10))


@cache
def fields(rows: int) -> dict[str, Any]:
    """What a caller passes to `ask`."""
    made = inputs(rows)
    names = ("proba", "embedding", "seen_embedding", "seen_y")
    return {"ids": np.arange(rows), "classes": np.arange(CLASSES), **{name: made[name] for name in names}}


def _asked(policy: str | Policy, rows: int, store: Store, n: int = N) -> Run:
    """A run in its second loop: the first one has no earlier probabilities to compare with."""
    run = Run("run", policy=policy, seed=0, store=store)
    query = run.ask(min(n, inputs(rows).n), **fields(rows))
    run.tell(np.zeros(len(query.ids), dtype=np.int64), ids=query.ids)
    return run


def _left(run: Run, rows: int) -> dict[str, Any]:
    """The outputs of the rows that were not asked yet."""
    asked = list(run.labels)
    given = fields(rows)
    kept = {name: np.delete(given[name], asked, axis=0) for name in ("ids", "proba", "embedding")}
    return {**given, **kept}


def ask(folder: Path, policy: str | Policy, rows: int, n: int = N) -> Call:
    """A second ask, with everything that is observed and decided; the store is in memory."""
    run = _asked(policy, rows, open_store("memory:"), n)
    given = _left(run, rows)
    return lambda: run.ask(min(n, inputs(rows).n), **given)


class Watched:
    """A policy that keeps what it was asked last."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def decide(self, history: History, actions: ActionSet) -> Decision:
        """Decide, and remember."""
        self.last = history, actions
        return self.policy.decide(history, actions)


def decide(folder: Path, rows: int) -> Call:
    """What the learned policy itself takes to decide, once the proposals that it wants to see are there."""
    policy = Watched(read_policy("learned"))
    ask(folder, policy, rows, FEW)()
    history, actions = policy.last  # its proposals are kept in the set of actions
    assert len(actions.previewed) > 2
    return lambda: policy.policy.decide(history, actions)


def loop(folder: Path, learner: str, rows: int) -> Call:
    """A loop with margin: train on the labels, score the pool, ask."""
    run = _asked("margin", rows, open_store("memory:"), FEW)
    given = _left(run, rows)
    model = make_learner(learner, 0)

    def played() -> Any:
        model.fit(given["seen_embedding"], given["seen_y"])
        # The rows asked are what the given probabilities say: all classes are there, whatever the labels hold.
        model.predict_proba(given["embedding"])
        return run.ask(min(FEW, inputs(rows).n), **given)

    return played


def tell(folder: Path, rows: int) -> Call:
    """Labels of a batch, to a store on disk that has them when the call returns."""
    run = _asked("margin", rows, open_store(folder / "store"))
    query = run.ask(inputs(rows).n, **_left(run, rows))
    labels = np.zeros(len(query.ids), dtype=np.int64)
    return lambda: run.tell(labels, ids=query.ids)


def append(folder: Path, durability: str) -> Call:
    """One record of 200 scalars, a histogram of 64 bins and 1,000 ids."""
    store = open_store(folder / "store", durability=durability)  # type: ignore[arg-type]
    source = Source(Shape())
    store.append(source.record("run", 0))
    record = source.record("run", 1)
    return lambda: store.append(record)


@cache
def _filled(folder: Path, compacted: bool) -> Store:
    store = open_store(folder / f"frames-{compacted}", durability="none")
    source = Source(Shape(SCALARS, 0, 0))
    for run in range(RUNS):
        for loop in range(LOOPS):
            store.append(source.record(f"run{run}", loop))
    if compacted:
        store.compact()
    return store


def frame(folder: Path, compacted: bool) -> Call:
    """All numbers of 50 runs × 20 loops × 50 as one table."""
    # Reading changes nothing, so that every round may read the same store.
    store = _filled(folder.parent, compacted)
    names = Source(Shape(SCALARS, 0, 0)).names
    return lambda: store.frame(names)


def strategy(folder: Path, name: str, rows: int) -> Call:
    """The choice alone, from a view that is made."""
    given = {key: value for key, value in fields(rows).items() if key != "ids"}
    view = View(**given)
    return lambda: propose(name, view, inputs(rows).n, np.random.default_rng(0)).rows


def cases(rows: tuple[int, ...] = ROWS) -> list[Case]:
    """All of them."""
    return [
        *(Case("ask", name, size, partial(ask, policy=name, rows=size)) for name in POLICIES for size in rows),
        *(Case("ask", f"learned, {FEW} rows", size, partial(ask, policy="learned", rows=size, n=FEW)) for size in rows),
        *(Case("decide", "learned", size, partial(decide, rows=size)) for size in rows),
        *(
            Case("loop", f"margin, {name}", size, partial(loop, learner=name, rows=size))
            for name in LEARNERS
            for size in rows
        ),
        *(Case("tell", "margin", size, partial(tell, rows=size)) for size in rows[:2]),
        *(Case("append", mode, 1, partial(append, durability=mode)) for mode in ("commit", "group", "none")),
        *(
            Case("frame", "compacted" if compacted else "log", RUNS * LOOPS, partial(frame, compacted=compacted))
            for compacted in (False, True)
        ),
        *(
            Case("strategy", name, size, partial(strategy, name=name, rows=size))
            for name in STRATEGIES
            for size in rows
        ),
    ]


@contextmanager
def rounds(case: Case) -> Iterator[Callable[[], Call]]:
    """A maker of rounds, each with a folder of its own; the folders are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="metaal-micro-") as place:
        count = iter(range(10**9))

        def ready() -> Call:
            folder = Path(place) / f"round{next(count)}"
            folder.mkdir()
            return case.ready(folder)

        yield ready
        _filled.cache_clear()
