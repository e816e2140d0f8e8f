"""A task laid out: three splits of encoded rows, who answers for the pool, and how many rows are asked at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from metaal.rehearsal.sealed import Sealed

Kind = Literal["classification", "regression"]
REGRESSION_START = 10
"""Labels known at first in a regression, unless the task says how many."""


class Oracle(Protocol):
    """Who answers when a label is asked for; frozen, and without a state of its own.

    The answer depends on the row and on how many labels were told before, never on a call that was made earlier: runs
    that ask the same row at the same time hear the same, and a resumed run hears what the unbroken one would have.
    """

    def tell(self, rows: np.ndarray, asked: int) -> np.ndarray:
        """Labels [n] of pool rows i8[n].

        The first of them is label number ``asked`` of the run, the next one ``asked + 1``, and so on. The initial
        labels come before number 0.
        """
        ...

    def take(self, rows: np.ndarray) -> Oracle:
        """The oracle of a pool made of these rows of the old one i8[n], repeats allowed."""
        ...


@dataclass(frozen=True, eq=False)
class Truth:
    """Tells the true label.

    Examples
    --------
    >>> Truth(np.array([2, 0, 1])).tell(np.array([1, 2]), asked=0)
    array([0, 1])
    """

    labels: np.ndarray

    def tell(self, rows: np.ndarray, asked: int) -> np.ndarray:
        """The labels of these rows."""
        told: np.ndarray = self.labels[rows]
        return told

    def take(self, rows: np.ndarray) -> Truth:
        """The truth about these rows."""
        return Truth(self.labels[rows])


@dataclass(frozen=True)
class Schedule:
    """How many rows are asked for in each loop.

    Parameters
    ----------
    size : int
        Rows of the first loop, ≥ 1.
    growth : float
        Factor from each loop to the next, ≥ 1.
    share : float
        At least this share of the labels known so far, ≥ 0; 0.25 asks for a quarter of them.

    Examples
    --------
    >>> [Schedule(5, growth=1.5).batch(loop, 0) for loop in range(4)], Schedule(5, share=0.25).batch(0, 100)
    ([5, 8, 11, 17], 25)
    """

    size: int
    growth: float = 1.0
    share: float = 0.0

    def batch(self, loop: int, labelled: int) -> int:
        """Rows to ask for in ``loop`` (from 0), when ``labelled`` labels are known, the initial ones included."""
        # A factor of 2 over a thousand loops is no float any more; no pool has as many rows.
        grown = self.size * min(self.growth**loop, 1e9) if self.growth == 1 or loop < 200 else 1e9
        return max(1, round(grown), round(self.share * labelled))


@dataclass(frozen=True)
class Start:
    """Which labels are known at first.

    Parameters
    ----------
    count : int
        Labels in all; 0 means twice the number of classes (in a regression: 10).
    each : int
        Labels of each class that can be seen, ≥ 1, whatever ``count`` says.
    unseen : tuple of int
        Classes of which none is known at first.
    """

    count: int = 0
    each: int = 1
    unseen: tuple[int, ...] = ()

    def draw(self, y: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        """Positions i8[·] in a pool with true labels ``y``: some of each class, and the rest at random.

        ``classes`` is 0 in a regression, where all are drawn at random.
        """
        order = rng.permutation(len(y))
        most = max(len(y) - 1, 1)  # something must be left to ask for
        if not classes:
            return order[: min(self.count or REGRESSION_START, most)].astype(np.int64)
        count = min(self.count or 2 * classes, len(y) - 1)
        first: list[int] = []
        for c in range(classes):
            if c not in self.unseen:
                first += order[np.flatnonzero(y[order] == c)[: self.each]].tolist()
        hidden = np.isin(y, self.unseen)
        taken = set(first)
        rest = [int(k) for k in order if k not in taken and not hidden[k]]
        return np.array([*first, *rest][: min(max(count, len(first)), most)], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Layout:
    """Encoded features and labels of the pool, the guide and the test split, and the rules of the game.

    Parameters
    ----------
    pool_x, guide_x, test_x : f8[·,D]
    pool_y, guide_y : i8[·] codes 0..C−1, or f8[·] in a regression
        The truth. What a run is told of the pool is said by ``oracle``; the guide is scored against the truth.
    test_y : Sealed
        For the report alone.
    classes : int
        C; 0 in a regression.
    kind : str
        ``"classification"`` or ``"regression"``.
    oracle : Oracle, optional
        Default: the truth.
    schedule : Schedule
    start : Start
    initial : i8[·]
        Pool rows whose labels are known at first, drawn from ``start`` after every change.
    models : dict
        What was trained on it and may be asked for again; see `refitting.refit`.
    """

    pool_x: np.ndarray
    pool_y: np.ndarray
    guide_x: np.ndarray
    guide_y: np.ndarray
    test_x: np.ndarray
    test_y: Sealed
    classes: int
    kind: Kind = "classification"
    oracle: Oracle = None  # type: ignore[assignment]  # set below, so never None
    schedule: Schedule = Schedule(10)
    start: Start = Start()
    initial: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    models: dict[tuple[Any, ...], tuple[Any, float]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.oracle is None:
            object.__setattr__(self, "oracle", Truth(self.pool_y))

    def take(self, rows: np.ndarray) -> Layout:
        """The same with a pool of these rows i8[n] of the old one; repeats are rows of their own."""
        return replace(self, pool_x=self.pool_x[rows], pool_y=self.pool_y[rows], oracle=self.oracle.take(rows))

    @property
    def initial_y(self) -> np.ndarray:
        """The initial labels [·] as the oracle told them."""
        return self.oracle.tell(self.initial, -len(self.initial))

    def known(self, told: np.ndarray) -> np.ndarray:
        """Labels [·] of the initial rows and then of the rows ``told`` since i8[·], in the order of telling."""
        return np.concatenate([self.initial_y, self.oracle.tell(told, 0)])

    def begun(self, rng: np.random.Generator) -> Layout:
        """The same with the initial labels drawn."""
        return replace(self, initial=self.start.draw(self.pool_y, self.classes, rng))

    def digest(self, into: Any) -> None:
        """Feed everything that decides a run to a hash (of `hashlib`): all rows and labels, not the rules' names."""
        arrays = ("guide_x", "guide_y", "initial", "pool_x", "pool_y", "test_x")
        for name in sorted((*arrays, "classes", "test_y")):
            value = getattr(self, name)
            into.update(f"{name} {np.shape(value) if name != 'test_y' else value.shape}".encode())
            if isinstance(value, Sealed):
                value.digest(into)
            else:
                into.update(np.ascontiguousarray(value).tobytes())
        if not isinstance(self.oracle, Truth):
            into.update(np.ascontiguousarray(self.oracle.tell(np.arange(len(self.pool_y)), 0)).tobytes())
