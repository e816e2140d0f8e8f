"""A store seen through a level: what somebody else may be given of it, without a copy in between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import tables
from ..errors import PrivacyError
from ..kinds import KIND_OF, Kinds
from ..memory import MemoryStore
from ..record import Record
from ..store import Store
from .level import LEVELS, Level, Privacy
from .private import PrivateStore

if TYPE_CHECKING:
    import pandas as pd


class Shared:
    """The reading half of a store, as a level shows it.

    Parameters
    ----------
    store : any store.
    privacy : a level, L1 to L3. What the store was not allowed to keep is not there either way.
    runs : the runs that are shared; None for all.

    Raises
    ------
    PrivacyError : level L0 shares nothing; L2 without a key.

    Examples
    --------
    >>> store = MemoryStore()
    >>> _ = store.append(Record("r", 0, "tell", {"score": 0.71234}, {"ids": [3, 5]}))
    >>> Shared(store, Privacy("L1")).frame().to_dict("list")
    {'score': [0.712], 'privacy.dropped': [1]}
    """

    def __init__(self, store: Store, privacy: Privacy | Level, runs: Iterable[str] | str | None = None) -> None:
        wanted = Privacy(privacy) if isinstance(privacy, str) else privacy
        if not isinstance(wanted, Privacy) or wanted.level == "L0":
            raise PrivacyError(f"privacy is {privacy!r}; give 'L1', 'L2' with a key, or 'L3': at L0 nothing is shared")
        if wanted.level == "L2" and wanted.key is None:
            raise PrivacyError("sharing at level L2 needs a key; pass Privacy('L2', key=secrets.token_bytes(32))")
        if isinstance(store, PrivateStore) and LEVELS.index(store.privacy.level) <= LEVELS.index(wanted.level):
            # made so when it was written; hashed again, ids could no longer be compared with those of the store
            wanted = Privacy("L3")
        self._store, self._privacy = store, wanted
        self._runs = tables.choose_runs(runs, store.runs())
        self._kinds: Kinds | None = None

    def runs(self) -> list[str]:
        """Return the runs that are shared."""
        return self._runs

    def count(self, run: str) -> int:
        """Return the number of records of a run."""
        return self._store.count(run)

    def records(self, run: str) -> list[Record]:
        """Return the records of one run as the level shows them.

        Raises
        ------
        PrivacyError : one of them is refused, such as a pool that became too small for L1.
        """
        return [self._privacy.apply(record) for record in self._store.records(run)]

    def frame(
        self, names: Iterable[str] | str | None = None, runs: Iterable[str] | str | None = None, *, long: bool = False
    ) -> pd.DataFrame:
        """Return the scalars as a table, as `Store.frame`; the names are those that some record still has."""
        known = self._known()
        part = MemoryStore()
        # the kinds of the whole store, so that the parts of a table have the same columns
        part._kinds.of = dict(known.of)
        chosen = tables.choose_runs(runs, self._runs)
        for run in chosen:
            part.append_many(self.records(run))
        return part.frame(names, chosen, long=long)

    def _known(self) -> Kinds:
        """Return the kinds of all names that are left; a store does not change what it has, so once is enough."""
        if self._kinds is None:
            self._kinds = Kinds()
            for run in self._runs:
                for record in self.records(run):
                    fitted = self._kinds.fit(record)
                    self._kinds.learn(fitted.values, [KIND_OF[type(value)] for value in fitted.values.values()])
        return self._kinds
