"""What a store is. The docstrings of this protocol are the specification; `metadata_store.testing` checks it."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from .record import Record
from .report import Report

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Store(Protocol):
    """Keeps records, each under its key (run, loop, event, index), in the order of appending.

    A store is safe to use from several threads. After `close()`, all but `close` and `closed` raise `ClosedError`.

    Examples
    --------
    >>> from metadata_store import Record, open_store
    >>> with open_store("memory:") as store:
    ...     _ = store.append(Record("tickets", 0, "tell", {"score": 0.5}))
    ...     store.runs()
    ['tickets']
    """

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        ...

    def append(self, record: Record) -> Record:
        """Store one record and return it as stored.

        Parameters
        ----------
        record : its time is set if it is 0; the times that one opening of a store sets always grow. Ints become floats
            where the store knows the name as float.

        Returns
        -------
        Record : as `records` will return it. If the key is there with the same content, nothing is written and the
            stored record is returned.

        Raises
        ------
        ConflictError : the key is there with other content; the store is unchanged.
        RecordError : a value is of another kind (float, int, bool, str) than its name has here; nothing was written.
        WriteError : the record is not stored; the same append can be tried again.
        UnknownStateError : the record may be stored or not; appending the same record again is safe and settles it.
        """
        ...

    def append_many(self, records: Iterable[Record]) -> list[Record]:
        """Store several records with one sync and return them as stored.

        All records are checked before the first one is written: after `ConflictError` or `RecordError` none is stored.
        They become durable together when the call returns. A reader, or a crash on the way, may see the first few of
        them, each one whole and in order; appending all of them again completes the rest.

        Parameters
        ----------
        records : in the order in which they happened; two with the same key and content count once.

        Returns
        -------
        list of Record : one for each record given.

        Raises
        ------
        ConflictError, RecordError, WriteError, UnknownStateError : as `append`.
        """
        ...

    def runs(self) -> list[str]:
        """Return the names of all runs in order of their first record."""
        ...

    def count(self, run: str) -> int:
        """Return the number of records of a run, those of other processes included; 0 for a run that does not exist."""
        ...

    def records(self, run: str) -> list[Record]:
        """Return all records of one run in the order of appending.

        Raises
        ------
        UnknownRunError : the run has no record; the message offers the nearest names.
        """
        ...

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table.

        Parameters
        ----------
        names : names, or globs such as "pool.*"; None for all. A glob may match nothing.
        runs : runs in the order wanted; None for all, in order of their first record.
        long : False for a row for each loop and a column for each name; True for a row for each value.

        Returns
        -------
        pandas.DataFrame : wide: index (run, loop), loops ascending, a row for every loop with a record; columns in
            order of first appearance (or of `names`), float64, Int64, boolean or string; where several events of a
            loop carry a name, the later one counts. Long: columns run, loop, event, index, name, value (numbers as
            float64), text (strings), at, in the order of appending within each run.

        Raises
        ------
        UnknownNameError, UnknownRunError : an exact name or run that is not there.
        """
        ...

    def arrays(self, run: str, loop: int, name: str) -> np.ndarray:
        """Return one array of one loop, read-only; the latest event that has it counts.

        Raises
        ------
        UnknownRunError : the run has no record.
        UnknownNameError : the loop has no such array; the message names those that it has.
        """
        ...

    def verify(self) -> Report:
        """Read everything and return what is damaged; changes nothing."""
        ...

    def repair(self) -> Report:
        """Take damaged bytes out of the way, keeping them aside, and return the report of a new `verify`."""
        ...

    def close(self) -> None:
        """Make everything durable that should be, and let go of all files; a second call does nothing."""
        ...

    def __enter__(self) -> Store:
        """Return the store."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        ...
