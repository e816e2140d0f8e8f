"""The exclusive right to append to one run: who has it, since which epoch."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from . import layout
from .files import Files


@dataclass
class Lease:
    """The right to append to a run that no other opening of the store has; to be used as a context.

    Parameters
    ----------
    run : the run.
    epoch : counts the leases of the run, from 1; a later lease has a higher epoch.
    holder : who has it.

    Examples
    --------
    >>> from metadata_store import Record, open_store
    >>> store = open_store("memory:")
    >>> with store.lease("tickets") as lease:
    ...     _ = store.append(Record("tickets", 0, "tell"))
    ...     lease.epoch
    1
    """

    run: str
    epoch: int
    holder: str
    _release: Callable[[], None]
    held: bool = True

    def release(self) -> None:
        """Give the right back; a second call does nothing."""
        if self.held:
            self.held = False
            self._release()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def folder_of(run: str) -> str:
    """Return the folder of the epochs of a run.

    Examples
    --------
    >>> folder_of("tickets")
    'leases/cf0ae612efb31c0a'
    """
    return f"{layout.LEASES}/{hashlib.blake2b(run.encode(), digest_size=8).hexdigest()}"


def new_epoch(files: Files, run: str, holder: str) -> int:
    """Write down a new lease of a run, which must be held already, and return its epoch."""
    folder = folder_of(run)
    while True:
        epochs = _epochs(files, folder)
        epoch = max(epochs, default=0) + 1
        note = {"run": run, "epoch": epoch, "holder": holder, "at": time.time_ns()}
        if files.put(f"{folder}/{epoch:010d}.json", json.dumps(note).encode()):
            for old in epochs:
                files.remove(f"{folder}/{old:010d}.json")
            return epoch


def holder_of(files: Files, run: str) -> str:
    """Return who took the last lease of a run, for messages."""
    folder = folder_of(run)
    epochs = _epochs(files, folder)
    try:
        note = json.loads(files.fetch(f"{folder}/{max(epochs):010d}.json", 0, 4096))
        return f"{note['holder']} (epoch {note['epoch']})"
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        return "another opening of the store"


def myself() -> str:
    """Return how this process is called in leases."""
    return f"process {os.getpid()}"


def _epochs(files: Files, folder: str) -> list[int]:
    stems = (name.removesuffix(".json") for name in files.sizes(folder))
    return sorted(int(stem) for stem in stems if stem.isdigit())
