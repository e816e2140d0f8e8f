"""A logged state, built again from the records that led to it: what was known, what was shown, what each arm proposes.

Nothing is kept beside the log: the labels told so far, the data and the seeds give the very model and the very outputs
that the run was asked with. That they are the same to the last bit is checked against the digest in the log.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError
from metaal.features import proposal_features
from metaal.randomness import generator
from metaal.rehearsal.playing import layout_of
from metaal.rehearsal.refitting import refitted, trained
from metaal.rehearsal.showing import shown, wanted
from metaal.sampling import sample_next
from metaal.shown import digest_of, make_view
from metaal.state import RunState
from metaal.turn import Turn
from metadata_store import Record
from strategy_zoo import View, get, propose, unmet

if TYPE_CHECKING:
    from metaal.rehearsal.layout import Layout
    from metaal.rehearsal.task import Task


@dataclass(eq=False)
class State:
    """What a run knew at the moment of one ask.

    Parameters
    ----------
    task : Task
    layout : Layout
    ask : Record
        The ask that was logged there; its loop is ``loop``.
    seen : i8[L], y_seen : [L]
        Labelled rows in the order in which the run came to know them, and their labels as they were told.
    pool : i8[U]
        Rows without a label, ascending.
    n : int
        Rows that one batch has here.
    fitted : object
        The learner trained on ``seen``, with ``output(x)``.
    view : View
        What the strategies see.
    turn : Turn
        The ask in the making, with its sketch of the pool.
    unscored : int
        Further rows without a label that the model was not asked about.
    """

    task: Task
    layout: Layout
    ask: Record
    seen: np.ndarray
    y_seen: np.ndarray
    pool: np.ndarray
    n: int
    fitted: Any
    view: View
    turn: Turn
    unscored: int = 0
    _proposed: dict[tuple[str, int], tuple[np.ndarray, float]] = field(default_factory=dict)
    _features: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def loop(self) -> int:
        """Number of the loop, from 0."""
        return self.ask.loop

    def possible(self, spelling: str, refit: str = "full") -> bool:
        """Whether a strategy can run on what is shown here, and the learner can be trained so."""
        return unmet(get(spelling), self.view) is None and (refit != "warm" or self.task.warms)

    def propose(self, spelling: str, count: int) -> tuple[np.ndarray, float]:
        """Pool rows i8[n] that a strategy asks for, best first, and the seconds that it took; computed once.

        The random numbers are those that the run itself would have used.
        """
        key = (spelling, min(count, len(self.pool)))
        if key not in self._proposed:
            started = time.perf_counter()
            rng = generator(self.turn.seed, self.turn.stream, self.loop, f"strategy:{spelling}")
            rows = propose(get(spelling), self.view, key[1], rng).rows
            self._proposed[key] = rows, time.perf_counter() - started
        rows, seconds = self._proposed[key]
        return self.pool[rows], seconds

    def features(self, spelling: str, default: str) -> np.ndarray:
        """Features f8[P] of a strategy's proposal at the plain batch size, as a policy would be shown them."""
        if spelling not in self._features:
            usual = self._rows(default) if self.possible(default) else None
            self._features[spelling] = proposal_features(
                self.turn.sketch, self._rows(spelling), default_rows=usual, label_shares=self.turn.label_shares
            )
        return self._features[spelling]

    def _rows(self, spelling: str) -> np.ndarray:
        """Positions in the pool i8[n] of the plain proposal."""
        self.propose(spelling, self.n)
        return self._proposed[spelling, min(self.n, len(self.pool))][0]


def rebuild(task: Task, records: Sequence[Record], loops: Collection[int], arms: Sequence[str]) -> Iterator[State]:
    """Yield the states of some loops of a played run, in their order; each one is to be used before the next is taken.

    Parameters
    ----------
    task : Task
        The one that was played.
    records : sequence of Record
        All of the run's.
    loops : collection of int
    arms : sequence of str
        Strategies of the policy that played: what they need is part of what was shown.

    Raises
    ------
    TaskError
        The state is not the one that was logged.
    """
    layout = layout_of(task)
    begin = records[0].values
    extra = wanted((*arms, str(begin["run.default"])), layout.kind)
    folded = RunState()
    for record in records:
        if record.event == "ask" and record.loop in loops:
            yield _state(task, layout, record, folded, extra, begin)
        if record.event != "branch":
            folded.apply(record)


def _state(task: Task, layout: Layout, ask: Record, folded: RunState, extra: Collection[str], begin: Any) -> State:
    initial = np.asarray(layout.initial, dtype=np.int64)
    known = np.array([int(key) for key in folded.labels], dtype=np.int64)
    seen = np.concatenate([initial, known])
    told = np.array(list(folded.labels.values()), dtype=layout.pool_y.dtype)
    y_seen = np.concatenate([layout.initial_y, told])
    left = np.setdiff1d(np.arange(len(layout.pool_y)), seen)
    seed, stream = int(begin["run.seed"]), str(begin["run.stream"])
    pool = left[sample_next(folded, left, seed=seed, stream=stream)]
    n = layout.schedule.batch(ask.loop, len(seen))
    history = folded.history()
    fitted = refitted(task, layout, seen, y_seen, trained(history, len(initial), len(known)))
    outputs = shown(task, layout, fitted, seen, y_seen, pool, extra)
    view = make_view(pool, {name: value for name, value in outputs.items() if name != "ids"})
    digest, logged = digest_of(n, pool, view), ask.values.get("state.digest")
    if digest != logged:
        raise TaskError(
            f"run {ask.run!r}, loop {ask.loop}: the state cannot be built again bit by bit (digest {digest}, logged "
            f"{logged}); it was played by another version of a library, or on another kind of machine. Finish it where "
            "it was begun, or rehearse into a new store"
        )
    turn = Turn(
        state=folded,
        seed=seed,
        stream=stream,
        default=str(begin["run.default"]),
        budget=None,
        n=n,
        view=view,
        ids=pool,
        scored=len(pool),
        unscored=len(left) - len(pool),
    )
    turn.observe()
    return State(task, layout, ask, seen, y_seen, pool, n, fitted, view, turn, len(left) - len(pool))
