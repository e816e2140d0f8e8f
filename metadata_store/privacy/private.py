"""A store that keeps no more than its level allows, whoever writes to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PrivacyError, PrivacyWarning
from ..memory import MemoryStore, as_list
from ..record import Record
from ..report import Report
from ..store import Store
from .level import Level, Privacy
from .note import Note, put_note, read_note
from .rules import BY_NAME, Rules

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from ..cold.compacting import Compaction
    from ..leases import Lease
    from ..series import Series


class PrivateStore:
    """A `Store` whose records pass through `Privacy.apply` before they are written.

    Every method stands here by itself, and no unknown one is passed on: a way to write that a store learns later cannot
    lead around the level. Two records that differ only in what is not kept are one and the same here, so that the
    second is no conflict.

    Parameters
    ----------
    store : where the records go.
    privacy : what is kept of them.

    Examples
    --------
    >>> with PrivateStore(MemoryStore(), Privacy("L1")) as store:
    ...     _ = store.append(Record("r", 0, "tell", {"score": 0.71234}, {"ids": [3, 5]}))
    ...     dict(store.records("r")[0].values)
    {'score': 0.712, 'privacy.dropped': 1}
    """

    def __init__(self, store: Store, privacy: Privacy) -> None:
        self._store = store
        self.privacy = privacy

    def __repr__(self) -> str:
        where = "memory only" if self.privacy.level == "L0" else type(self._store).__name__
        return f"PrivateStore({self.privacy.level}, {where})"

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._store.closed

    @property
    def path(self) -> Any:
        """The directory of the store behind.

        Raises
        ------
        PrivacyError : it is in memory. Whoever asks would otherwise take another place and write there.
        """
        if isinstance(self._store, MemoryStore):
            raise PrivacyError(
                f"this store of level {self.privacy.level} is in memory and has no path; use it directly"
            )
        return self._store.path  # type: ignore[attr-defined]

    @property
    def in_memory(self) -> bool:
        """Whether nothing is written anywhere."""
        return isinstance(self._store, MemoryStore)

    @property
    def durability(self) -> str:
        """How durable an append is; see `DirectoryStore`."""
        return str(getattr(self._store, "durability", "none"))

    # ---------------------------------------------------------------- write

    def append(self, record: Record) -> Record:
        """Store what may be kept of a record, and return that; see `Store.append`.

        Raises
        ------
        PrivacyError : the record is refused at this level; nothing was written.
        """
        return self.append_many([record])[0]

    def append_many(self, records: Iterable[Record]) -> list[Record]:
        """Store what may be kept of several records; see `Store.append_many`.

        Raises
        ------
        PrivacyError : one of them is refused at this level; nothing was written.
        """
        kept = [self.privacy.apply(record) for record in as_list(records)]
        return [self._store.append(kept[0])] if len(kept) == 1 else self._store.append_many(kept)

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
        """Store what may be kept of a per-sample table: nothing at L1, hashed ids and ranks at L2.

        Raises
        ------
        PrivacyError : nothing of it may be kept at this level; nothing was written.
        """
        self._store.__enter__()  # a closed store says so first
        kept = self.privacy.apply_columns(columns) if self.privacy.filters else columns
        return self._store.append_block(run, loop, kept, name=name, event=event, index=index, at=at)

    # ----------------------------------------------------------------- read

    def runs(self) -> list[str]:
        """Return all runs; see `Store.runs`."""
        return self._store.runs()

    def count(self, run: str) -> int:
        """Return the number of records of a run; see `Store.count`."""
        return self._store.count(run)

    def records(self, run: str) -> list[Record]:
        """Return the records of one run as they are stored; see `Store.records`."""
        return self._store.records(run)

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table; see `Store.frame`."""
        return self._store.frame(names, runs, long=long)

    def arrays(self, run: str, loop: int, name: str) -> np.ndarray:
        """Return one array of one loop; see `Store.arrays`."""
        return self._store.arrays(run, loop, name)

    def block(self, run: str, loop: int, name: str = "samples") -> pa.Table:
        """Return a per-sample table as it is stored; see `Store.block`."""
        return self._store.block(run, loop, name)

    def dataset(self) -> ds.Dataset:
        """Return all scalars as a dataset of pyarrow; see `Store.dataset`."""
        return self._store.dataset()

    def series(self, name: str, runs: Iterable[str] | str | None = None) -> Series:
        """Return a statistic as a (run × loop) matrix; see `Store.series`."""
        return self._store.series(name, runs)

    def tail(
        self,
        runs: Iterable[str] | str | None = None,
        *,
        start: str = "now",
        poll: float = 0.2,
        timeout: float | None = None,
    ) -> Iterator[Record]:
        """Follow a store that others write; see `Store.tail`."""
        return self._store.tail(runs, start=start, poll=poll, timeout=timeout)

    # ----------------------------------------------------------------- keep

    def compact(self, *, progress: Callable[[int, int], None] | None = None) -> Compaction:
        """Turn finished segments, which hold no more than the level allows, into Parquet; see `Store.compact`."""
        return self._store.compact(progress=progress)

    def lease(self, run: str) -> Lease:
        """Return the exclusive right to append to a run; see `Store.lease`."""
        return self._store.lease(run)

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Read everything and return what is damaged; see `Store.verify`."""
        return self._store.verify(progress=progress)

    def repair(self, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Take damaged bytes out of the way; see `Store.repair`."""
        return self._store.repair(progress=progress)

    def close(self) -> None:
        """Close the store behind; see `Store.close`."""
        self._store.close()

    def __enter__(self) -> PrivateStore:
        self._store.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def with_rules(self, rules: Rules) -> PrivateStore:
        """Return the same store with rules that know its names, unless somebody has given rules of his own.

        Examples
        --------
        >>> store = PrivateStore(MemoryStore(), Privacy("L1"))
        >>> store.with_rules(Rules()).privacy.rules == Rules()
        True
        """
        if self.privacy.rules is not BY_NAME:
            return self
        return PrivateStore(self._store, replace(self.privacy, rules=rules))


def private(store: Store, privacy: Privacy | Level | None = None) -> Store:
    """Return a store that keeps its level; the one way in.

    Parameters
    ----------
    store : an open store. A new one gets the level; one that has a level must be opened at the same one.
    privacy : a `Privacy`, or a level alone. None: the level that the store has, if it has one.

    Returns
    -------
    Store : a `PrivateStore`; the store itself if it has no level, or L3, and none is asked for. A store of level L2
        that is opened without its key can be read only.

    Raises
    ------
    PrivacyError : the store has another level, another key or other settings; it holds records that were written
        without a level; it is on disk and the level is L0; a new store of level L2 gets no key.

    Warns
    -----
    PrivacyWarning : level L3 was asked for.

    Examples
    --------
    >>> store = private(MemoryStore(), "L1")
    >>> store
    PrivateStore(L1, MemoryStore)
    """
    inner: Store = store._store if isinstance(store, PrivateStore) else store
    wanted = Privacy(privacy) if isinstance(privacy, str) else privacy
    note = Note.of(store.privacy) if isinstance(store, PrivateStore) else read_note(inner)
    if wanted is None:
        if isinstance(store, PrivateStore) or note is None or note.level == "L3":
            return store
        return PrivateStore(inner, note.settings())
    if not isinstance(wanted, Privacy):
        raise PrivacyError(f"privacy is {wanted!r}; give 'L0' to 'L3', or a metadata_store.privacy.Privacy")
    if wanted.level == "L0" and not isinstance(inner, MemoryStore):
        raise PrivacyError(
            "level L0 keeps nothing outside of the process, and this store is on disk; use a store in memory: "
            "open_store('memory:', privacy='L0')"
        )
    if note is None:
        if wanted.filters and inner.runs():
            raise PrivacyError(
                f"the store holds records that were written without a privacy level (first run: {inner.runs()[0]!r}); "
                f"level {wanted.level} needs a new store: export this one with privacy=, then load that file"
            )
        if wanted.level == "L2" and wanted.key is None:
            raise PrivacyError("a new store of level L2 needs a key; pass Privacy('L2', key=secrets.token_bytes(32))")
        note = put_note(inner, Note.of(wanted))
    different = note.differences(wanted)
    if different:
        raise PrivacyError(
            f"the store was made with {different}; open it as it was made, or use another store: what one holds must "
            "not depend on who wrote last"
        )
    if wanted.level == "L3":
        warnings.warn(
            "privacy level L3 keeps ids, labels and confidences of single rows; with confidences one can tell which "
            "rows a model was trained on",
            PrivacyWarning,
            stacklevel=2,
        )
    return PrivateStore(inner, wanted)
