"""What a private store does not give back: how a run goes on without it, or says that it cannot.

The process that began a run knows everything and folds its own records whole. Another process reads what the store
kept: at L1 statistics only, so the run can be read and nothing more; at L2 hashed ids, which the run puts the caller's
ids in place of as soon as it is shown them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.filled import NO_IDS, filled, with_content
from metaal.inputs import plain_array
from metaal.state import Id, RunState
from metadata_store import Record
from metadata_store.privacy import Privacy, PrivacyError


class Withheld:
    """What one run's private store keeps back; of any other store, nothing.

    Parameters
    ----------
    name : str
        Of the run.
    state : RunState
        The run's; hashes in it are replaced.
    privacy : Privacy, optional
        That of the store.
    """

    def __init__(self, name: str, state: RunState, privacy: Privacy | None) -> None:
        self.name, self.state = name, state
        self.privacy = privacy if privacy is not None and privacy.filters else None
        self._resumed = False
        self._hidden: dict[int, Id] = {}  # hash → what stands for the id in the state

    def read(self, record: Record) -> Record:
        """A record that another process wrote, as it is to be folded."""
        if self.privacy is None:
            return record
        self._resumed = True
        whole = filled(record)
        for name in ("ids", "query.ids", "reference.ids"):
            self._hidden |= {key: key for key in whole.arrays.get(name, NO_IDS).tolist()}
        return whole

    def live(self, record: Record, stored: Record) -> Record:
        """A record of this process as it is to be folded: whole, although less was stored."""
        if self.privacy is None:
            return stored
        values = dict(record.values)
        if self.privacy.level == "L2" and "state.pool" in values:
            values["state.pool"] = stored.values["state.pool"]  # as another process will read it
        return with_content(record, values, dict(record.arrays), stored.at)

    def kept(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings of a run as the store would have kept them."""
        if self.privacy is None:
            return settings
        # without the key of L2 a store can still be read; no setting is hashed
        level = replace(self.privacy, level="L1", pool=0)
        kept = level.apply(Record(self.name, 0, "begin", dict(settings))).values
        return {name: value for name, value in kept.items() if name in settings}

    def keyed(self, digest: str) -> str:
        """A digest of data as the state has it: with the key at L2."""
        return self.privacy.digest(digest) if self.privacy is not None and self.privacy.level == "L2" else digest

    def check(self) -> None:
        """Refuse to go on with a run of which the store kept no ids.

        Raises
        ------
        PrivacyError
        """
        if self._resumed and self.privacy is not None and self.privacy.level == "L1":
            raise PrivacyError(
                f"run {self.name!r} was logged at privacy level L1, which keeps no ids, so only the process that began "
                "it can go on with it; its statistics can be read. Begin another run with the rows that are still "
                "unlabelled, or log at level L2, where a run can be resumed"
            )

    def recognise(self, ids: Any, *, of_query: bool = False) -> None:
        """Put the caller's ids where the state has their hashes.

        Parameters
        ----------
        ids : (n,) whole numbers or text
        of_query : bool
            The ids are not passed: those of the last query are meant.

        Raises
        ------
        PrivacyError
            The run was resumed at L1, or at L2 without the key.
        InputError
            The rows of the last query were not seen in this process yet.
        """
        self.check()
        if self.privacy is None or not self._resumed or not self._hidden:
            return
        if of_query:
            unseen = set(self._hidden.values())
            if any(key in unseen for key in self.state.asks[-1].arrays["query.ids"].tolist()):
                raise InputError(
                    "ids: the store of this run keeps hashes of the rows that were asked, not the rows; pass ids=, or "
                    "ask() again with the same pool to get the query"
                )
            return
        keys = plain_array("ids", [ids] if isinstance(ids, str | int | np.integer) else ids)
        if keys.dtype.kind not in "iuU":
            return  # the check of the ids says what is wrong with them
        hashes = self.privacy.hashes(keys).tolist()
        text = keys.dtype.kind == "U"
        names: dict[Id, Id] = {}
        if text and any(isinstance(key, int) for key in self._hidden.values()):
            names = {key: str(key) for key in self._hidden.values()}
            self._hidden = {number: str(key) for number, key in self._hidden.items()}
        back = {key: old for old, key in names.items()}
        for number, key in zip(hashes, keys.tolist(), strict=True):
            stand_in = self._hidden.pop(number, None)
            if stand_in is not None:
                names[back.get(stand_in, stand_in)] = key
        if names:
            self._rename(names, text)

    def _rename(self, names: Mapping[Id, Id], text: bool) -> None:
        state = self.state
        for table in ("asked_in", "position", "waiting", "labels", "skipped"):
            old = getattr(state, table)
            setattr(state, table, {names.get(key, key): value for key, value in old.items()})
        for number, ask in enumerate(state.asks):
            arrays = dict(ask.arrays)
            for name in ("query.ids", "reference.ids"):
                keys = [names.get(key, key) for key in arrays[name].tolist()]
                arrays[name] = np.array(keys, dtype=str if text else np.int64)
            state.asks[number] = with_content(ask, dict(ask.values), arrays, ask.at)
