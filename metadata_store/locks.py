"""Who may decide about a key: kernel locks between writers, never needed for reading.

Two processes that append the same key at the same time cannot settle who was first by reading and writing alone. A
writer therefore holds a lock on its runs for the duration of one append. The kernel gives it back when the process
dies, so there is nothing stale to clean up. Locks are byte ranges of one empty file: writers of different runs don't
wait for each other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on this system: conflicts are still found when reading
    fcntl = None  # type: ignore[assignment]

_NAMES = 0  # the byte that guards new names and their kinds
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def _range_of(run: str) -> int:
    return 1 + int.from_bytes(hashlib.blake2b(run.encode(), digest_size=7).digest(), "little")


def hold_file(descriptor: int) -> bool:
    """Mark a segment as being written while the descriptor is open; return False if another one has done so."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _UNSUPPORTED
    return True


class Locks:
    """The locks of one opening of a store.

    Parameters
    ----------
    path : the file whose byte ranges are locked; created if absent.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    @contextmanager
    def runs(self, names: Iterable[str]) -> Iterator[None]:
        """Hold the locks of some runs."""
        # in one order everywhere, so that two writers never wait for each other
        with self._held(sorted({_range_of(name) for name in names})):
            yield

    @contextmanager
    def names(self) -> Iterator[None]:
        """Hold the lock that guards the kinds of new names; only taken last."""
        with self._held([_NAMES]):
            yield

    @contextmanager
    def _held(self, ranges: list[int]) -> Iterator[None]:
        taken: list[int] = []
        try:
            for start in ranges:
                self._set(start, lock=True)
                taken.append(start)
            yield
        finally:
            for start in reversed(taken):
                self._set(start, lock=False)

    def _set(self, start: int, *, lock: bool) -> None:
        if fcntl is None or not hasattr(fcntl, "F_OFD_SETLKW"):
            return  # conflicts are still found when reading
        kind = fcntl.F_WRLCK if lock else fcntl.F_UNLCK
        request = struct.pack("@hhqqi0q", kind, os.SEEK_SET, start, 1, 0)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLKW, request)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
