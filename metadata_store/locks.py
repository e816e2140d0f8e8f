"""Who may decide about a key: kernel locks between writers, never needed for reading.

Two processes that append the same key at the same time cannot settle who was first by reading and writing alone. A
writer therefore holds a lock on its runs for the duration of one append. The kernel gives it back when the process
dies, so there is nothing stale to clean up. Locks are byte ranges of one file: writers of different runs don't wait for
each other. Each run has three bytes: one to append, one that shows who has ever appended (`Locks.alone`), one for a
lease. What the file holds means nothing; its length counts how often an opening began to write a run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

try:
    import fcntl
except ImportError:  # no such locks on this system: conflicts are still found when reading
    fcntl = None  # type: ignore[assignment]

_NAMES, _COMPACT = 0, 2**60  # the bytes that guard new names and their kinds, and compaction
_MARKS, _LEASES = 2**57, 2**58
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_MOST_MARKS = 256  # the kernel looks through all locks of a file, one after the other


class Owner(Protocol):
    """What has something that a forked child must not have, too."""

    def leave(self) -> None:
        """Leave it to the parent; called in the child."""
        ...


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def not_for_children(owner: Owner) -> None:
    """Call `leave` of an object in every child that this process forks.

    A lock lasts for as long as any process has the descriptor, and children have all of them: worker processes that
    outlive a killed parent would keep its runs locked.
    """
    _watch()
    _owners.add(owner)


@cache
def _watch() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_leave)


def _leave() -> None:
    for owner in list(_owners):
        owner.leave()


@lru_cache(maxsize=1024)
def _range_of(run: str) -> int:
    return 1 + int.from_bytes(hashlib.blake2b(run.encode(), digest_size=7).digest(), "little")


def hold_file(descriptor: int) -> bool | None:
    """Mark a segment as being written while the descriptor is open.

    Returns
    -------
    bool or None : False if another one has marked it; None where the system cannot tell.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in _UNSUPPORTED else False
    return True


class Locks:
    """The locks of one opening of a store.

    Parameters
    ----------
    path : the file whose byte ranges are locked; created if absent.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)
        self.close = weakref.finalize(self, os.close, self._descriptor)
        self._path = path
        self._looks: dict[str, tuple[bool, int]] = {}
        not_for_children(self)

    def leave(self) -> None:
        """Leave the locks to the parent process."""
        self.close()

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
    def compaction(self) -> Iterator[bool]:
        """Hold the lock of the one process that compacts; yields False if another one has it."""
        if not self._set(_COMPACT, "exclusive", wait=False):
            yield False
            return
        try:
            yield True
        finally:
            self._set(_COMPACT, "none")

    def alone(self, names: Iterable[str]) -> bool:
        """Say whether nobody else can have appended to some runs since this was asked the last time.

        To be asked while their locks are held. Every opening leaves a mark on the runs that it writes for as long as it
        lives, and counts up the file's length before its first record of a run; so a writer that finds no mark but its
        own, found none before, and no count changed, need not look at what others wrote.
        """
        if fcntl is None or not hasattr(fcntl, "F_OFD_SETLKW"):
            return False
        wanted = set(names)
        if len(self._looks) + len(wanted) > _MOST_MARKS:
            for name in self._looks:
                self._set(_MARKS + _range_of(name), "none")
            self._looks = {}
        alone = True
        for name in wanted:
            place = _MARKS + _range_of(name)
            before = self._looks.get(name)
            company = self._taken(place) is not False
            if before is None:
                self._count()
                self._set(place, "shared")
            look = (company, os.fstat(self._descriptor).st_size)
            # what another one wrote between the last look and its end has to be looked at once more, so: none then,
            # none now, and nobody came in between
            alone = alone and look == before == (False, look[1])
            self._looks[name] = look
        return alone

    def _count(self) -> None:
        """Make the file longer by one byte, through a descriptor that is not used again."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            if os.write(descriptor, b".") != 1:
                raise OSError("the system wrote no bytes")
        finally:
            os.close(descriptor)

    def lease(self, run: str) -> bool:
        """Take the exclusive right to a run until `release`; return False if another opening has it."""
        return self._set(_LEASES + _range_of(run), "exclusive", wait=False)

    def release(self, run: str) -> None:
        """Give a lease back."""
        self._set(_LEASES + _range_of(run), "none")

    def leased(self, run: str) -> bool:
        """Say whether another opening has a lease on a run."""
        return self._taken(_LEASES + _range_of(run)) is True

    @contextmanager
    def _held(self, ranges: list[int]) -> Iterator[None]:
        taken: list[int] = []
        try:
            for start in ranges:
                self._set(start, "exclusive")
                taken.append(start)
            yield
        finally:
            for start in reversed(taken):
                self._set(start, "none")

    def _set(self, start: int, kind: str, *, wait: bool = True) -> bool:
        """Lock or unlock one byte; return False if another one has it and `wait` is False."""
        if fcntl is None or not hasattr(fcntl, "F_OFD_SETLKW"):
            return True  # conflicts are still found when reading
        code = {"exclusive": fcntl.F_WRLCK, "shared": fcntl.F_RDLCK, "none": fcntl.F_UNLCK}[kind]
        request = struct.pack("@hhqqi0q", code, os.SEEK_SET, start, 1, 0)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, request)
        except OSError as error:
            if not wait and error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            if error.errno not in _UNSUPPORTED:
                raise
        return True

    def _taken(self, start: int) -> bool | None:
        """Say whether another opening has a lock on one byte; None where the system cannot tell."""
        if fcntl is None or not hasattr(fcntl, "F_OFD_GETLK"):
            return None
        request = struct.pack("@hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)
        try:
            answer = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, request)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return None
            raise
        return bool(struct.unpack_from("@h", answer)[0] != fcntl.F_UNLCK)
