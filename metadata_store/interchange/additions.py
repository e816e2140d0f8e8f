"""What is new in a foreign run that was imported before: values are added, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..checks import Scalar
from ..record import Record
from ..store import Store


class Additions:
    """Compares a run of another program with what the store has of it and makes records of the difference.

    A tracker's run may grow, at loops that are imported already too, while a record never changes. So a value that is
    new gets a record of its own with the next index; the same import again adds nothing.

    Parameters
    ----------
    store : the store.
    run : the run, which it may not have yet.

    Examples
    --------
    >>> from metadata_store import MemoryStore
    >>> store = MemoryStore()
    >>> new = Additions(store, "r").points(3, {"user.loss": [(0.5, 10), (0.4, 20)]})
    >>> [(record.index, dict(record.values), record.at) for record in store.append_many(new)]
    [(0, {'user.loss': 0.5}, 10), (1, {'user.loss': 0.4}, 20)]
    >>> Additions(store, "r").points(3, {"user.loss": [(0.5, 10), (0.4, 20)]})
    []
    """

    def __init__(self, store: Store, run: str) -> None:
        self.run = run
        self.next: Counter[tuple[int, str]] = Counter()
        self.latest: dict[tuple[str, str], Scalar] = {}
        self.seen: Counter[tuple[int, str, str]] = Counter()
        for record in store.records(run) if store.count(run) else []:
            place = (record.loop, record.event)
            self.next[place] = max(self.next[place], record.index + 1)
            for name, value in record.values.items():
                self.latest[record.event, name] = value
                if record.event == "report":
                    self.seen[record.loop, name, _bits(value)] += 1

    def facts(self, loop: int, event: str, values: Mapping[str, Scalar], at: int) -> list[Record]:
        """Return a record of the facts about the whole run that are new or changed; none if nothing is."""
        changed = {
            name: value
            for name, value in values.items()
            if (event, name) not in self.latest or _bits(self.latest[event, name]) != _bits(value)
        }
        if not changed:
            return []
        self.latest.update({(event, name): value for name, value in changed.items()})
        return [self._record(loop, event, changed, at)]

    def points(self, loop: int, series: Mapping[str, list[tuple[Scalar, int]]]) -> list[Record]:
        """Return the records of one loop's new values.

        Parameters
        ----------
        loop : the loop.
        series : name → (value, time in ns) each, in order of time; the k-th new values of all names share a record.
        """
        fresh: list[tuple[dict[str, Scalar], int]] = []
        for name, points in series.items():
            position = 0
            for value, at in points:
                key = (loop, name, _bits(value))
                if self.seen[key]:
                    self.seen[key] -= 1
                    continue
                if position == len(fresh):
                    fresh.append(({}, 0))
                values, latest = fresh[position]
                fresh[position] = ({**values, name: value}, max(at, latest))
                position += 1
        return [self._record(loop, "report", values, at) for values, at in fresh]

    def _record(self, loop: int, event: str, values: Mapping[str, Scalar], at: int) -> Record:
        index = self.next[loop, event]
        self.next[loop, event] += 1
        return Record(self.run, loop, event, values, at=max(at, 0), index=index)


def _bits(value: Scalar) -> str:
    """Return a text that is equal for equal values: NaN equals NaN, 1 differs from 1.0 and -0.0 from 0.0."""
    return repr(value)
