"""Labels that only the report may read: every reading is counted, and can be forbidden."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from metaal.errors import SealedError

_SHUT = threading.local()
"""Bans of this thread: while one run is played, no envelope opens, also none of a layout that a cheat makes anew."""


class Sealed:
    """Test labels in an envelope: ``open`` is the only way in, and fails while it is forbidden.

    `metaal.rehearsal.play` forbids it from the first fit to the end, and lifts that only while a report is written.
    So a policy, an oracle, a strategy or a change of regime that peeks does not win: it raises, and the run fails.

    Parameters
    ----------
    labels : i8[T] or f8[T]
        Copied.

    Examples
    --------
    >>> labels = Sealed(np.array([1, 0]))
    >>> with labels.forbidden():
    ...     labels.open()
    Traceback (most recent call last):
    ...
    metaal.errors.SealedError: the test labels are sealed while the run is played: only the report reads \
them; use the guide split for whatever decides
    >>> labels.open().tolist(), labels.reads
    ([1, 0], 1)
    """

    def __init__(self, labels: np.ndarray) -> None:
        self._labels = np.array(labels)
        self._labels.flags.writeable = False
        self._forbidden = 0
        self.reads = 0

    def open(self) -> np.ndarray:
        """The labels, read-only; the reading is counted in ``reads``.

        Raises
        ------
        SealedError
            They are being kept closed.
        """
        if self._forbidden or getattr(_SHUT, "bans", 0):
            raise self._refusal()
        self.reads += 1
        return self._labels

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        """Keep them, and whatever else is sealed, closed in this block; blocks can be nested."""
        self._forbidden += 1
        _SHUT.bans = getattr(_SHUT, "bans", 0) + 1
        try:
            yield
        finally:
            self._forbidden -= 1
            _SHUT.bans -= 1

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Lift every ban in this block; for the one that writes the report."""
        before, self._forbidden = self._forbidden, 0
        bans, _SHUT.bans = getattr(_SHUT, "bans", 0), 0
        try:
            yield
        finally:
            self._forbidden, _SHUT.bans = before, bans

    def copy(self) -> Sealed:
        """The same labels in another envelope, with a count and bans of its own."""
        return Sealed(self._labels)

    def digest(self, into: Any) -> None:
        """Feed the labels to a hash (of `hashlib`), which tells data sets apart and reveals no label."""
        into.update(np.ascontiguousarray(self._labels).tobytes())

    @property
    def shape(self) -> tuple[int, ...]:
        """How many there are is no secret."""
        return self._labels.shape

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"Sealed({len(self)} labels, opened {self.reads} times)"

    # What would read an array by accident: a slice, a loop, a comparison, an arithmetic expression, numpy itself.
    def __getitem__(self, index: Any) -> NoReturn:
        raise self._refusal("an index")

    def __iter__(self) -> NoReturn:
        raise self._refusal("a loop")

    def __array__(self, *args: Any, **words: Any) -> NoReturn:
        raise self._refusal("numpy")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sealed):
            return self is other
        raise self._refusal("a comparison")

    __hash__ = object.__hash__

    def _refusal(self, reader: str = "") -> SealedError:
        if reader:
            return SealedError(
                f"the test labels are sealed, and were read by {reader}; write .open(), which is counted"
            )
        return SealedError(
            "the test labels are sealed while the run is played: only the report reads them; use the guide split for "
            "whatever decides"
        )
