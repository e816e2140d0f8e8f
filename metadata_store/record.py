"""One record: what happened in one event of one loop of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .checks import MAX_RECORD, Scalar, check_arrays, check_count, check_event, check_new_run, check_values, shown
from .errors import RecordError

Key = tuple[str, int, str, int]


@dataclass(frozen=True, eq=False)
class Record:
    """One event of one loop of one run, with named scalars and named arrays.

    Parameters
    ----------
    run : name of the run, 1 to 200 characters in Unicode's composed form (NFC); no control characters, nothing
        invisible, no space at an end, not like a path or a Windows device.
    loop : number of the loop, 0 or more.
    event : what happened, an identifier ("begin", "ask", "tell", "end", "report", …).
    values : at most 16,384 scalars by name (dotted lower-case words): float (NaN and ±inf too), int of 64 bits, bool,
        or text of 1 MiB.
    arrays : at most 4,096 arrays by name: bool, integer, float or fixed-width text; kept as read-only copies.
    at : time in nanoseconds since 1970 UTC; 0 lets the store stamp it.
    index : counts the events of one kind within a loop, from 0.

    Raises
    ------
    RecordError : a field, name or value cannot be stored; the message names it.

    Examples
    --------
    >>> record = Record("tickets", 3, "tell", {"score": 0.81, "labels": 20}, {"ids": np.arange(20)})
    >>> record.key
    ('tickets', 3, 'tell', 0)
    """

    run: str
    loop: int
    event: str
    values: Mapping[str, Scalar] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    at: int = 0
    index: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.run, str) or not isinstance(self.event, str):
            raise RecordError(f"run and event are {shown(self.run)} and {shown(self.event)}; give two str")
        put = object.__setattr__
        put(self, "run", check_new_run(self.run))
        put(self, "loop", check_count("loop", self.loop))
        put(self, "event", check_event(self.event))
        put(self, "values", check_values(self.values))
        put(self, "arrays", check_arrays(self.arrays))
        put(self, "at", check_count("at", self.at))
        put(self, "index", check_count("index", self.index))
        size = 8 * len(self.values) + sum(array.nbytes for array in self.arrays.values())
        size += sum(4 * len(value) for value in self.values.values() if type(value) is str)
        if size > MAX_RECORD:
            raise RecordError(f"the record has {size} bytes; at most {MAX_RECORD} fit, store large arrays in parts")

    def __reduce__(self) -> tuple[Any, ...]:
        # read-only mappings cannot be pickled themselves
        fields = (self.run, self.loop, self.event, dict(self.values), dict(self.arrays), self.at, self.index)
        return Record, fields

    @property
    def key(self) -> Key:
        """The key, (run, loop, event, index), of which a store keeps exactly one record."""
        return (self.run, self.loop, self.event, self.index)

    def same_content(self, other: Record) -> bool:
        """Say whether two records have the same key and content; the time is ignored.

        Parameters
        ----------
        other : the record to compare with.

        Returns
        -------
        bool : NaN equals NaN, 1 differs from 1.0 and True; arrays must agree in dtype, shape and every bit.

        Examples
        --------
        >>> one = Record("r", 0, "tell", {"score": float("nan")}, at=1)
        >>> one.same_content(Record("r", 0, "tell", {"score": float("nan")}, at=2))
        True
        """
        if self.key != other.key or len(self.values) != len(other.values) or len(self.arrays) != len(other.arrays):
            return False
        for name, value in self.values.items():
            twin = other.values.get(name)
            if type(twin) is not type(value) or not (twin == value or (twin != twin and value != value)):
                return False
        for name, array in self.arrays.items():
            copy = other.arrays.get(name)
            if copy is None or copy.dtype != array.dtype or copy.shape != array.shape:
                return False
            if array.tobytes() != copy.tobytes():
                return False
        return True


def restored(
    run: str,
    loop: int,
    event: str,
    values: Mapping[str, Scalar],
    arrays: Mapping[str, np.ndarray],
    at: int,
    index: int,
) -> Record:
    """Make a record of parts that were checked before, without checking them again.

    Parameters
    ----------
    run, loop, event, values, arrays, at, index : as in `Record`; the mappings must be read-only already.

    Returns
    -------
    Record

    Examples
    --------
    >>> restored("r", 0, "tell", {}, {}, 1, 0).at
    1
    """
    record = object.__new__(Record)
    # a frozen dataclass refuses setattr; its instances are plain dictionaries nevertheless
    record.__dict__.update(run=run, loop=loop, event=event, values=values, arrays=arrays, at=at, index=index)
    return record


def stamped(record: Record, at: int) -> Record:
    """Return a record with a time: its own if it has one, else `at`.

    Examples
    --------
    >>> stamped(Record("r", 0, "tell"), 7).at, stamped(Record("r", 0, "tell", at=5), 7).at
    (7, 5)
    """
    if record.at:
        return record
    return restored(record.run, record.loop, record.event, record.values, record.arrays, at, record.index)
