"""What a store is. The docstrings of this protocol are the specification; `metadata_store.testing` checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from .record import Record
from .report import Report

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from .cold.compacting import Compaction
    from .leases import Lease
    from .series import Series


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
        LeaseError : another opening of the store has a lease on the run.
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

    def append_block(
        self,
        run: str,
        loop: int,
        columns: Mapping[str, Any] | pa.Table,
        *,
        name: str = "samples",
        event: str = "block",
        index: int = 0,
        at: int = 0,
    ) -> Record:
        """Store a table with a row for each sample as one immutable file, and a record that names it.

        Parameters
        ----------
        run, loop, event, index, at : of the record.
        columns : equally long columns of bool, integers, floats or text, by name.
        name : of the block, for `block`.

        Returns
        -------
        Record : with values block.name, block.file (in the store), block.rows, block.bytes and block.hash.

        Raises
        ------
        RecordError : the columns are not a table of such types.
        ConflictError, WriteError, UnknownStateError, LeaseError : as `append`.
        """
        ...

    def block(self, run: str, loop: int, name: str = "samples") -> pa.Table:
        """Return a table of samples of one loop; the latest event that has one of this name counts.

        Raises
        ------
        UnknownRunError, UnknownNameError : it is not there.
        DamagedError : its file is damaged beyond its parity, or missing.
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

    def series(self, name: str, runs: Iterable[str] | str | None = None) -> Series:
        """Return one statistic of all loops as a (run × loop) matrix.

        Parameters
        ----------
        name : an exact name of a number or bool.
        runs : runs in the order wanted; None for all.

        Raises
        ------
        UnknownNameError, UnknownRunError : it is not there.
        """
        ...

    def dataset(self) -> ds.Dataset:
        """Return all scalars as a pyarrow dataset with a row for each record, for queries that need not fit memory.

        Returns
        -------
        pyarrow.dataset.Dataset : columns run, loop, event, index, at, stamp (place in the order of all appends), then
            one for each name, null where the record has no such value. A name that is one of those columns has
            "value:" before it. Records that are compacted later vanish from a dataset that was made before.
        """
        ...

    def compact(self, *, progress: Callable[[int, int], None] | None = None) -> Compaction:
        """Turn finished segments into Parquet files that are small, quick to read, and readable by other programs.

        Parameters
        ----------
        progress : called with (records done, records in all).

        Returns
        -------
        Compaction : what was done, and which segments were left and why. Reading gives the same before and after.

        Raises
        ------
        WriteError : it stopped; nothing is lost and nothing has changed.
        """
        ...

    def tail(
        self,
        runs: Iterable[str] | str | None = None,
        *,
        start: str = "now",
        poll: float = 0.2,
        timeout: float | None = None,
    ) -> Iterator[Record]:
        """Follow a store that others write: yield each record once, in the order of appending within its run.

        Parameters
        ----------
        runs : only these, which need not exist yet; None for all.
        start : "now" for what is appended after this call, "begin" for what is there first.
        poll : seconds between two looks, more than 0.
        timeout : end when nothing came for so many seconds; None for never.

        Raises
        ------
        ClosedError : the store was closed meanwhile.
        """
        ...

    def lease(self, run: str) -> Lease:
        """Take the exclusive right to append to a run, until the lease is released or its process ends.

        Parameters
        ----------
        run : the run, which need not exist yet.

        Returns
        -------
        Lease : a context; other openings of the store get `LeaseError` when they append to the run meanwhile.

        Raises
        ------
        LeaseError : another one has it, or this store has it already.
        """
        ...

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Read everything and return what is damaged; changes nothing. `progress` is called with (done, total)."""
        ...

    def repair(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
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
