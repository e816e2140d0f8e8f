"""A run's records: read back once, then written one by one, with the state folded from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metaal.errors import InputError, MismatchError, OutOfTurnError
from metaal.privacy import RULES
from metaal.state import RunState
from metaal.withheld import Withheld
from metadata_store import ConflictError, Record, Store, UnknownStateError, open_store
from metadata_store.privacy import PrivateStore, private


class Journal:
    """The log of one run, and the state that follows from it.

    Parameters
    ----------
    path : str, Path
        ``store/name``, or the name alone when ``store`` is given.
    store : Store, optional
        An open store; it is left open by `close`.
    create : bool
        Whether the store's directory may be made.
    """

    def __init__(self, path: str | Path, store: Store | None, *, create: bool = True) -> None:
        folder, self.name = split(path, store)
        self._owned = store is None
        # a store that has a privacy level keeps it, however it was opened
        self.store: Store = private(open_store(folder, create=create) if store is None else store)
        if isinstance(self.store, PrivateStore):
            self.store = self.store.with_rules(RULES)
        self.state = RunState()
        self._withheld = Withheld(self.name, self.state, getattr(self.store, "privacy", None))
        self._folded = 0
        self._doubtful: Record | None = None

    @property
    def exists(self) -> bool:
        """Whether the store holds this run."""
        return self.store.count(self.name) > 0

    def replay(self) -> None:
        """Fold the records that the store holds.

        Raises
        ------
        InputError
            The run was not begun by metaal.
        """
        records = self.store.records(self.name)
        if not any(record.event == "begin" and "run.seed" in record.values for record in records):
            raise InputError(
                f"run {self.name!r} in this store has no begin record, so it was not written by metaal.Run; choose "
                "another name"
            )
        for record in records:
            self._fold(self._withheld.read(record))

    def check(self, settings: Mapping[str, Any]) -> None:
        """Refuse to go on with other settings than the run began with; what an older version did not log is free.

        Raises
        ------
        MismatchError
        """
        was = self.state.begin.values if self.state.begin is not None else {}
        now = self._withheld.kept(settings)
        wrong = [f"{k[4:]} was {was.get(k)!r}, now {value!r}" for k, value in now.items() if was.get(k, value) != value]
        if wrong:
            raise MismatchError(
                f"run {self.name!r} exists and began with other settings ({'; '.join(wrong)}); pass the same ones, use "
                "Run.resume(path), or choose another name"
            )

    def write(
        self, event: str, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, loop: int | None = None
    ) -> None:
        """Append one record, then fold it in: what is not in the store has not happened.

        Raises
        ------
        OutOfTurnError
            Another process has written to this run since it was opened here; nothing was logged.
        """
        self._withheld.check()
        number = max(self.state.loop + (event == "ask"), 0) if loop is None else loop
        index = self.state.counts.get((number, event), 0)
        record = Record(run=self.name, loop=number, event=event, index=index, values=dict(values), arrays=dict(arrays))
        if self._doubtful is not None:
            earlier = self._doubtful
            self._fold(self._append(earlier))
            self._doubtful = None
            if record.same_content(earlier):
                return
            raise OutOfTurnError(
                f"run {self.name!r}: an earlier {earlier.event}, of which it was unknown whether it was stored, is "
                "stored now; look at run.pending and call again"
            )
        if self.store.count(self.name) != self._folded:
            raise self._overtaken()
        self._fold(self._append(record))
        if self.store.count(self.name) != self._folded:
            raise OutOfTurnError(
                f"run {self.name!r}: another process wrote to it at the same moment, and both records are stored; "
                "open it again with Run.resume and look at run.pending (one writer a run)"
            )

    def recognise(self, ids: Any, *, of_query: bool = False) -> None:
        """Learn the caller's ids, of which a private store has given back hashes only; see `Withheld.recognise`."""
        self._withheld.recognise(ids, of_query=of_query)

    def keyed(self, digest: str) -> str:
        """A digest of the pool as the state of this run knows it."""
        return self._withheld.keyed(digest)

    def _append(self, record: Record) -> Record:
        try:
            return self._withheld.live(record, self.store.append(record))
        except ConflictError as error:
            raise self._overtaken() from error
        except UnknownStateError:
            # Whether it is stored is unknown: the next call appends the same record again before anything else.
            self._doubtful = record
            raise

    def _fold(self, record: Record) -> None:
        self.state.apply(record)
        self._folded += 1

    def _overtaken(self) -> OutOfTurnError:
        return OutOfTurnError(
            f"run {self.name!r} was continued by another process or object since it was opened here, so "
            "nothing was logged; "
            "open it again with Run.resume and go on from there (one writer a run)"
        )

    def close(self) -> None:
        """Close the store if this journal opened it."""
        if self._owned:
            self.store.close()


def split(path: str | Path, store: Store | None) -> tuple[str, str]:
    """Directory and run name of a path.

    Raises
    ------
    InputError
        There is no name in it.
    """
    if store is not None:
        return "", str(path)
    text = str(path)
    if "://" in text:  # a path would make one slash of two
        folder, _, name = text.rpartition("/")
        if not name or folder.endswith(":/"):
            raise InputError(f"path: got {text!r}, expected store/name such as s3://bucket/runs/tickets")
        return folder, name
    whole = Path(path)
    if not whole.name or whole.name in (".", "..") or len(whole.parts) < 2:
        raise InputError(f"path: got {str(path)!r}, expected store/name such as runs/tickets")
    return str(whole.parent), whole.name
