"""Streams: rows come one at a time, and each is asked for at once or never.

    stream = Stream("stream_variable_uncertainty(share=0.05)", np.random.default_rng(0))
    if stream.offer(View(proba=model.predict_proba(x))):
        ...
    saved = json.dumps(stream.state)

A strategy of the kind "stream" says in `begin` what it remembers (numbers, and lists of bounded length), measures rows
in `measure`, and answers in `decide`; the budget that holds its share of labels is in the base class. In a loop over a
pool such a strategy works as any other one: the pool passes by once, in random order.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._narrowing import subset
from strategy_zoo.entry import unmet
from strategy_zoo.errors import UnmetNeedError, ZooError
from strategy_zoo.proposal import Proposal
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, field_of, real, top, whole
from strategy_zoo.view import View

F8 = NDArray[np.float64]
State = dict[str, Any]

_MOST_ROWS = 200_000  # of a pool that passes by
_CHUNK = 1 << 14  # rows that are measured together
_FEW = 64  # rows for which one call of numpy costs more than the arithmetic
_LEAST_LABELS = 10  # that fit into the window of the budget


@dataclass(frozen=True, repr=False)
class StreamStrategy(Strategy):
    """The base of strategies that see one row at a time; subclasses are frozen dataclasses.

    A subclass defines ``measure(view)``, what its decision needs from each row of a view (a number, or a row of
    numbers), in which no row depends on another one, and ``decide(state, value, rng)``, whether to ask, which may
    change the state in place. It extends ``begin()`` with what it remembers. The state goes out as numbers and lists;
    while a stream runs, its lists are float64 arrays.

    The budget is that of Žliobaitė, Bifet, Pfahringer and Holmes 2014, Active Learning With Drifting Streaming Data:
    the number of labels in the last w rows is estimated by u ← u (w - 1) / w + asked, and while u / w is not below
    the share nothing is asked. Their w is `window`; it is stretched to 10 / share rows where it is shorter, since a
    window in which less than ten labels fit lets more through than the share. With a share of 1 there is no limit,
    with 0 nothing is asked.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream that may be asked, at most.
    window : 1 to 1,000,000. Rows over which the budget is kept.
    """

    family: ClassVar[str] = "stream"
    kind: ClassVar[Kind] = "stream"
    stochastic: ClassVar[bool] = True
    limit: ClassVar[int | None] = _MOST_ROWS
    row_cost: ClassVar[float] = 700.0  # of one decision, in elementary operations

    share: float = 0.1
    window: int = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", real(self.name, "share", self.share, 0, 1))
        object.__setattr__(self, "window", whole(self.name, "window", self.window, 1, 1_000_000))

    def begin(self) -> State:
        """What is remembered before the first row."""
        return {"spent": 0.0}

    def measure(self, view: View) -> F8:
        """What the decision needs from each row: float64[k], or float64[k, m]."""
        raise ZooError(f"{self.name} doesn't say what it measures; define measure(view)")

    def _measured(self, view: View) -> F8:
        value = np.asarray(self.measure(view))
        if value.ndim not in (1, 2) or len(value) != view.n or value.dtype.kind not in "fiub":
            raise ZooError(
                f"{self.name} measured shape {value.shape} of type {value.dtype} for {view.n} row(s), expected numbers "
                f"[{view.n}] or [{view.n}, m]; repair measure"
            )
        if not np.isfinite(value).all():
            raise ZooError(f"{self.name} measured NaN or infinity, expected finite numbers; repair measure")
        return value

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        """Whether to ask for a row while there is a budget; `value` is what was measured, `state` may be changed."""
        raise ZooError(f"{self.name} doesn't decide; define decide(state, value, rng)")

    def wish(self, value: F8) -> F8:
        """How much rows that were passed over are wanted when a pool must still yield labels; the least value first."""
        return -(value if value.ndim == 1 else value[:, 0])

    def advance(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        """One row through budget and decision; changes the state."""
        share, rows = self.share, self.span
        left = share >= 1 or state["spent"] / rows < share
        asked = bool(left and self.decide(state, value, rng))
        state["spent"] = state["spent"] * ((rows - 1) / rows) + asked
        return asked

    @property
    def span(self) -> int:
        """Rows over which the budget is kept: `window`, or more where the share is small."""
        return max(self.window, math.ceil(_LEAST_LABELS / self.share)) if self.share > 1e-9 else self.window

    def offer(self, state: State, view: View, rng: np.random.Generator) -> tuple[bool, State]:
        """Whether to ask for the one row of the view, and the state after it; the given state stays as it is."""
        running = thawed(state)
        (value,) = _values(self._measured(_one(view)))
        asked = self.advance(running, value, rng)
        return asked, frozen_state(running)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        """The pool passes by once in random order, with the share n / U; the rows in the order in which they are asked.

        When more are asked the first n are taken; when fewer, the rows that were passed over and are wanted most (see
        `wish`; equal ones in the order in which they passed) fill the batch. Above `limit` rows a random subset of the
        pool passes by. The score only repeats the order.
        """
        rows = subset(view.n, max(self.limit or view.n, n), rng)
        order = rows[rng.permutation(len(rows))]
        running = replace(self, share=n / len(order))
        state = thawed(running.begin())
        asked = np.zeros(len(order), bool)
        wish = np.empty(len(order))
        for start in range(0, len(order), _CHUNK):
            value = self._measured(view.take(order[start : start + _CHUNK]))
            wish[start : start + len(value)] = self.wish(value)
            for i, one in enumerate(_values(value), start):
                asked[i] = running.advance(state, one, rng)
        first = np.flatnonzero(asked)[:n]
        rest = np.flatnonzero(~asked)
        picked = order[np.concatenate([first, rest[top(wish[rest], n - len(first))]])]
        return Proposal(picked, 1 - np.arange(n) / n)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        passing = min(U, max(self.limit or U, n))
        return float(passing * (self.row_cost + 5 * C + 2 * D) + 3 * U)


class Stream:
    """A stream that a strategy watches; the only thing here that changes.

    Parameters
    ----------
    strategy : a strategy of the kind "stream", or its spelling.
    rng : the only source of chance; the same state gives the same answers.
    state : what `Stream.state` gave, to go on where that stream was. With `rng` in the state that it had then, the
        answers are those of the unbroken stream, bit for bit.

    Raises
    ------
    ZooError : the strategy isn't for streams, or the state isn't one of this strategy.

    Examples
    --------
    >>> stream = Stream("stream_fixed_uncertainty(share=0.5)", np.random.default_rng(0))
    >>> stream.offer(View(proba=[[0.99, 0.01]])), stream.offer(View(proba=[[0.55, 0.45]]))
    (False, True)
    >>> stream.offer_many(View(proba=[[0.6, 0.4], [1.0, 0.0]])).tolist(), stream.seen, stream.asked
    ([True, False], 4, 2)
    """

    def __init__(self, strategy: str | Strategy, rng: np.random.Generator, state: State | None = None) -> None:
        known = get(strategy)
        if not isinstance(known, StreamStrategy):
            raise ZooError(
                f"{known} is of the kind {known.kind!r}, expected one for streams such as stream_variable_uncertainty; "
                "use propose for pools"
            )
        if not isinstance(rng, np.random.Generator):
            raise ZooError(
                f"rng is a {type(rng).__name__}, expected a numpy Generator; pass np.random.default_rng(seed)"
            )
        self.strategy: StreamStrategy = known
        self._rng = rng
        given = {"strategy": known.spelling, "seen": 0, "asked": 0, "inner": known.begin()} if state is None else state
        self._load(given)

    def _load(self, state: State) -> None:
        expected = {"strategy", "seen", "asked", "inner"}
        if not isinstance(state, dict) or set(state) != expected:
            raise ZooError(f"the state of a stream has the entries {', '.join(sorted(expected))}; pass a Stream.state")
        if state["strategy"] != self.strategy.spelling:
            raise ZooError(f"the state is one of {state['strategy']}, expected {self.strategy}; pass its own state")
        if not isinstance(state["inner"], dict) or set(state["inner"]) != set(self.strategy.begin()):
            raise ZooError(
                f"the state of {self.strategy} remembers {', '.join(self.strategy.begin())}; the one given doesn't"
            )
        wrong = [key for key in ("seen", "asked") if not isinstance(state[key], int) or state[key] < 0]
        wrong += [key for key, like in self.strategy.begin().items() if not _fits(state["inner"][key], like)]
        if wrong:
            raise ZooError(
                f"the state of {self.strategy} holds something else than finite numbers in {', '.join(wrong)}; pass "
                "what Stream.state gave"
            )
        self._seen, self._asked = int(state["seen"]), int(state["asked"])
        self._running = thawed(state["inner"])

    def offer(self, view: View) -> bool:
        """Whether to ask for the label of the one row of the view."""
        return bool(self.offer_many(_one(view))[0])

    def offer_many(self, view: View) -> NDArray[np.bool_]:
        """Whether to ask for each row, in their order: the same answers as one by one."""
        if not isinstance(view, View):
            raise ZooError(f"offer_many got a {type(view).__name__}, expected a View; write View(proba=...)")
        if not all(map(view.has, self.strategy.needs)):
            raise UnmetNeedError(unmet(self.strategy, view))
        advance, running, rng = self.strategy.advance, self._running, self._rng
        out = np.zeros(view.n, bool)
        for start in range(0, view.n, _CHUNK):
            part = view if view.n <= _CHUNK else view.block(start, start + _CHUNK)
            for i, value in enumerate(_values(self.strategy._measured(part)), start):
                out[i] = advance(running, value, rng)
        self._seen += len(out)
        self._asked += int(np.count_nonzero(out))
        return out

    @property
    def seen(self) -> int:
        """Rows that were offered so far."""
        return self._seen

    @property
    def asked(self) -> int:
        """Rows that were asked for so far."""
        return self._asked

    @property
    def state(self) -> State:
        """All that is needed to go on, as numbers, texts and lists that JSON holds without loss."""
        inner = frozen_state(self._running)
        return {"strategy": self.strategy.spelling, "seen": self._seen, "asked": self._asked, "inner": inner}


def confidence(view: View, *, above_chance: bool = False) -> F8:
    """The largest class probability of each row; with `above_chance` from 0 (all classes alike) to 1 (certain)."""
    proba = field_of(view, "proba")
    if len(proba) <= _FEW:
        out = proba.max(axis=1)
    else:  # column by column: for many rows of a few classes several times faster than a reduction along them
        out = proba[:, 0].copy()
        for column in range(1, proba.shape[1]):
            np.maximum(out, proba[:, column], out=out)
    if above_chance:
        chance = 1 / proba.shape[1]
        out = (out - chance) / (1 - chance) if chance < 1 else np.zeros(len(out))
    return out


def thawed(state: State) -> State:
    """A copy of a state in which lists are float64 arrays."""
    return {key: np.array(value, np.float64) if isinstance(value, list) else value for key, value in state.items()}


def frozen_state(state: State) -> State:
    """A copy of a running state in which arrays are lists."""
    return {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else copy.copy(value)
        for key, value in state.items()
    }


def _fits(value: Any, like: Any) -> bool:
    """Whether a remembered value is of the kind that `begin` gives: a finite number, or a list of them."""
    if not isinstance(like, int | float | list) or (isinstance(like, float) and not math.isfinite(like)):
        return True  # a third party's own; its checks tell it what JSON can't hold
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        return False
    alike = isinstance(value, list) if isinstance(like, list) else isinstance(value, int | float)
    return alike and bool(np.isfinite(array).all())


def _one(view: View) -> View:
    if not isinstance(view, View) or view.n != 1:
        got = f"a view of {view.n} rows" if isinstance(view, View) else f"a {type(view).__name__}"
        raise ZooError(f"offer got {got}, expected a View of one row; use offer_many for several")
    return view


def _values(measured: F8) -> Iterator[Any]:
    # Plain numbers where possible: arithmetic on numpy's own scalars is several times slower.
    return iter(measured.tolist() if measured.ndim == 1 else measured)
