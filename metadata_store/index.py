"""What a store knows without reading payloads: where each record is, in which order, and the kinds of all names."""

from __future__ import annotations

from typing import NamedTuple

from .checks import INT64_MAX
from .codec import Schema
from .errors import UnknownRunError, nearest
from .kinds import Kinds
from .record import Key


class Entry(NamedTuple):
    """One record on disk; entries sort in append order."""

    stamp: int
    segment: str
    sequence: int
    offset: int
    length: int
    run: str
    loop: int
    order: int
    schema: Schema

    @property
    def key(self) -> Key:
        """The record's key."""
        return (self.run, self.loop, self.schema.event, self.order)


class Index:
    """Entries by key and by run.

    Examples
    --------
    >>> index = Index()
    >>> index.runs()
    []
    """

    def __init__(self) -> None:
        self.by_key: dict[Key, Entry] = {}
        self.schemas: dict[Schema, Schema] = {}
        self.version = 0
        self.duplicates: list[tuple[Entry, Entry]] = []
        self.last_stamp = 0
        self._by_run: dict[str, list[Entry]] = {}
        self._unsorted: set[str] = set()
        self._runs: list[str] | None = []
        self._firsts: dict[Schema, int] = {}
        self._latest = 0
        self._kinds: Kinds | None = Kinds()

    @property
    def kinds(self) -> Kinds:
        """The kind of each name, in order of first appearance; the earliest record decides."""
        if self._kinds is None:
            self._kinds = Kinds()
            for schema in sorted(self._firsts, key=self._firsts.__getitem__):
                self._kinds.learn(schema.names, schema.kinds)
        return self._kinds

    def know(self, schema: Schema, first: int) -> None:
        """Take a schema in, and the stamp of a record of it."""
        before = self._firsts.get(schema)
        if before is None:
            self.schemas[schema] = schema
        elif before <= first:
            return
        self._firsts[schema] = first
        if self._kinds is not None and before is None and first >= self._latest:
            self._kinds.learn(schema.names, schema.kinds)  # nothing that is known changes
        else:
            self._kinds = None
        self._latest = max(self._latest, first)

    def first(self, schema: Schema) -> int:
        """Return the stamp of the first record of a schema."""
        return self._firsts[schema]

    def add(self, entry: Entry) -> None:
        """Take one more record in; of two records with one key, the first in append order counts."""
        self.last_stamp = max(self.last_stamp, entry.stamp)
        if entry.stamp < self._firsts.get(entry.schema, INT64_MAX + 1):
            self.know(entry.schema, entry.stamp)
        key = entry.key
        twin = self.by_key.get(key)
        listed = self._by_run.setdefault(entry.run, [])
        if twin is not None:
            self.duplicates.append((twin, entry))
            if twin < entry:
                return
            listed.remove(twin)
        if listed and listed[-1] > entry:
            self._unsorted.add(entry.run)
        if not listed or self._runs is None or entry < listed[0]:
            self._runs = None
            self.version += 1
        self.by_key[key] = entry
        listed.append(entry)

    def runs(self) -> list[str]:
        """Return the names of all runs in order of their first record."""
        if self._runs is None:
            self._runs = sorted(self._by_run, key=lambda run: self.entries(run)[0])
        return list(self._runs)

    def count(self, run: str) -> int:
        """Return the number of records of one run, 0 if there is none."""
        return len(self._by_run.get(run, ()))

    def entries(self, run: str) -> list[Entry]:
        """Return the entries of one run in append order.

        Raises
        ------
        UnknownRunError : there is none.
        """
        listed = self._by_run.get(run)
        if listed is None:
            raise UnknownRunError(f"no run {run!r} in this store; {nearest(str(run), self.runs())}")
        if run in self._unsorted:
            listed.sort()
            self._unsorted.discard(run)
        return listed
