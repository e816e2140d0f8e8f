"""Following a store that others write."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .errors import OptionError
from .record import Key, Record

if TYPE_CHECKING:
    from .store import Store


def follow(
    store: Store, runs: Iterable[str] | str | None, *, start: str, poll: float, timeout: float | None
) -> Iterator[Record]:
    """Yield records as they are appended; see `Store.tail`."""
    if start not in ("now", "begin"):
        raise OptionError(f"start is {start!r}; give 'now' or 'begin'")
    if poll <= 0 or (timeout is not None and timeout < 0):
        raise OptionError(f"poll is {poll} and timeout {timeout}; give seconds, poll more than 0")
    wanted = None if runs is None else {runs} if isinstance(runs, str) else set(runs)
    seen: dict[str, set[Key]] = {}
    # what is there now is passed over at the call, not at the first step
    for run in _chosen(store, wanted) if start == "now" else []:
        seen[run] = {record.key for record in store.records(run)}
    return _follow(store, wanted, seen, poll, timeout)


def _chosen(store: Store, wanted: set[str] | None) -> list[str]:
    return [run for run in store.runs() if wanted is None or run in wanted]


def _follow(
    store: Store, wanted: set[str] | None, seen: dict[str, set[Key]], poll: float, timeout: float | None
) -> Iterator[Record]:
    last = time.monotonic()
    while True:
        new: list[Record] = []
        for run in _chosen(store, wanted):
            known = seen.setdefault(run, set())
            if store.count(run) != len(known):
                fresh = [record for record in store.records(run) if record.key not in known]
                known.update(record.key for record in fresh)
                new += fresh
        # a sort by time would tear runs apart whose times the caller set
        yield from new
        if new:
            last = time.monotonic()
        elif timeout is not None and time.monotonic() - last >= timeout:
            return
        else:
            time.sleep(poll if timeout is None else min(poll, max(timeout - (time.monotonic() - last), 0.001)))
