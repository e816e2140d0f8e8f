"""Leases where nothing tells that a holder died: notes with a time to live, taken over with the next epoch."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from typing import NamedTuple

from .errors import LeaseError, UnknownStateError, WriteError
from .leases import folder_of, myself
from .object_client import UncertainError
from .object_files import ObjectFiles


class Note(NamedTuple):
    """What is written of a lease: run, epoch, holder, until when (nanoseconds since 1970); 0 = released."""

    run: str
    epoch: int
    holder: str
    until: int

    @classmethod
    def read(cls, data: bytes) -> Note | None:
        """Return the note in some bytes, None if they are none."""
        try:
            found = json.loads(data)
            return cls(str(found["run"]), int(found["epoch"]), str(found["holder"]), int(found["until"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


class Leases:
    """The leases of one opening, and what it knows of those of others.

    Parameters
    ----------
    files : of the store.
    ttl : seconds for which a lease lasts unless it is renewed.
    """

    def __init__(self, files: ObjectFiles, ttl: float) -> None:
        self._files, self.ttl = files, ttl
        self._holder = f"{myself()}, opening {secrets.token_hex(8)}"
        self._own: dict[str, Note] = {}
        self._looked: set[str] = set()
        self._at = -1

    def check(self, runs: Iterable[str], position: int) -> None:
        """Raise `LeaseError` if an append to some runs is not allowed; renew own leases.

        Parameters
        ----------
        runs : of the records.
        position : the last one of the log that was read; what is newer than the last look may be a fence.
        """
        if position != self._at:
            self._looked.clear()
            self._at = position
        for run in runs:
            own = self._own.get(run)
            if own is not None and time.time_ns() >= own.until:
                raise LeaseError(f"the lease on run {run!r} expired {self._ago(own)}; release it and take it again")
            if run not in self._looked:
                there = self._newest(run)
                if own is not None and (there is None or there.epoch != own.epoch):
                    raise LeaseError(f"the lease on run {run!r} was taken over by {_who(there)}; take it again")
                if own is None and there is not None and there.until > time.time_ns():
                    raise LeaseError(f"run {run!r} is leased by {_who(there)}; append when the lease is released")
                self._looked.add(run)
            if own is not None and own.until - time.time_ns() < 5e8 * self.ttl:
                self._own[run] = self._write(own._replace(until=self._until()))

    def wrote(self, position: int) -> None:
        """Take note of an own segment: it is no reason to look again."""
        if position == self._at + 1:
            self._at = position

    def take(self, run: str) -> int:
        """Take a lease and return its epoch; it holds when a fence follows."""
        now = time.time_ns()
        own = self._own.get(run)
        if own is not None and own.until > now:
            raise LeaseError(f"this opening has a lease on run {run!r} already; release it first")
        there = self._newest(run)
        if there is not None and there.until > now:
            raise LeaseError(f"run {run!r} is leased by {_who(there)}; wait until the lease is released")
        epoch = 1 if there is None else there.epoch + 1
        note = Note(run, epoch, self._holder, self._until())
        try:
            if not self._files.put(_name(run, epoch), _pack(note)):
                raise LeaseError(f"run {run!r} was leased by another opening a moment ago; wait until it is released")
        except UncertainError as error:
            raise UnknownStateError(f"{error}; there may be a lease that expires in {self.ttl:g} seconds") from error
        epochs = self._epochs(run)
        if epochs[-1:] != [epoch]:
            raise LeaseError(f"run {run!r} was leased by another opening meanwhile; wait until it is released")
        self._files.remove_all([_name(run, old) for old in epochs if old < epoch])
        self._own[run] = note
        self._looked.discard(run)
        return epoch

    def release(self, run: str) -> None:
        """Give a lease back, unless it expired and may be another one's."""
        own = self._own.pop(run, None)
        self._looked.discard(run)
        if own is not None and own.until > time.time_ns():
            self._write(own._replace(until=0))

    def close(self) -> None:
        """Give all leases back."""
        for run in list(self._own):
            self.release(run)

    def _write(self, note: Note) -> Note:
        try:
            self._files.replace(_name(note.run, note.epoch), _pack(note))
        except OSError as error:
            raise WriteError(f"cannot renew or release the lease on {note.run!r}: {error}; try again") from error
        return note

    def _newest(self, run: str) -> Note | None:
        """Return the note of the highest epoch."""
        for _ in range(100):
            epochs = self._epochs(run)
            if not epochs:
                return None
            try:
                data = self._files.fetch(_name(run, epochs[-1]), 0, 65536)
            except FileNotFoundError:
                continue  # taken over a moment ago
            # a damaged note counts as given back: its epoch still counts
            return Note.read(data) or Note(run, epochs[-1], "somebody", 0)
        return None

    def _epochs(self, run: str) -> list[int]:
        stems = (name.removesuffix(".json") for name in self._files.sizes(folder_of(run)))
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def _until(self) -> int:
        return time.time_ns() + int(self.ttl * 1e9)

    def _ago(self, note: Note) -> str:
        return f"{(time.time_ns() - note.until) / 1e9:.0f} seconds ago"


def _name(run: str, epoch: int) -> str:
    return f"{folder_of(run)}/{epoch:010d}.json"


def _pack(note: Note) -> bytes:
    return json.dumps(note._asdict()).encode()


def _who(note: Note | None) -> str:
    return "another opening" if note is None else f"{note.holder} (epoch {note.epoch})"
