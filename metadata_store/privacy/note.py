"""The small file that says which level a store has, so that nobody opens it at another one by mistake."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import PrivacyError, WriteError
from ..files import Files, LocalFiles
from ..memory import MemoryStore
from ..store import Store
from .hashing import key_check
from .level import LEVELS, Level, Privacy

NAME = "PRIVACY"
FORMAT = "metaal-privacy"


@dataclass(frozen=True)
class Note:
    """What is written down of a store's privacy; the key is not, only what a wrong one is noticed by.

    Parameters
    ----------
    level, k, pool, digits : as in `Privacy`.
    check : `key_check` of the key at L2, else empty.

    Examples
    --------
    >>> note = Note.of(Privacy("L1"))
    >>> Note.read(note.data()) == note
    True
    """

    level: str
    k: int
    pool: int
    digits: int
    check: str = ""

    @classmethod
    def of(cls, privacy: Privacy) -> Note:
        """Return the note of a store that is to be kept so."""
        key = privacy.key if privacy.level == "L2" else None
        check = key_check(key) if isinstance(key, bytes) else ""
        return cls(privacy.level, privacy.k, privacy.pool, privacy.digits, check)

    @classmethod
    def read(cls, data: bytes) -> Note:
        """Return the note that the bytes of a file hold.

        Raises
        ------
        PrivacyError : they hold something else, or what a newer version wrote.
        """
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise PrivacyError(
                f"the file {NAME} of this store holds {data[:60]!r} and no privacy level; put the file back from a "
                "copy: without it nobody knows what this store may keep"
            )
        if found.get("version") != 1:
            raise PrivacyError(f"the file {NAME} says version {found.get('version')!r}; upgrade metaal to read it")
        note = cls(*(found.get(name) for name in ("level", "k", "pool", "digits", "check")))  # type: ignore[arg-type]
        right = note.level in LEVELS and all(type(n) is int for n in (note.k, note.pool, note.digits))
        if not right or not isinstance(note.check, str) or not re.fullmatch("([0-9a-f]{16})?", note.check):
            raise PrivacyError(f"the file {NAME} holds {data[:200]!r}, which is no setting; put it back from a copy")
        return note

    def data(self) -> bytes:
        """Return the bytes of the file."""
        return json.dumps({"format": FORMAT, "version": 1, **self.__dict__}).encode() + b"\n"

    def settings(self) -> Privacy:
        """Return the level without its key: enough to write at L1, and to read at L2."""
        return Privacy(cast(Level, self.level), k=self.k, pool=self.pool, digits=self.digits)

    def differences(self, privacy: Privacy) -> str:
        """Say in words what a wanted level has other than this store; empty if nothing."""
        wanted = Note.of(privacy)
        told = [
            f"{name} {getattr(self, name)}, not {getattr(wanted, name)}"
            for name in ("level", "k", "pool", "digits")
            if getattr(self, name) != getattr(wanted, name) and (name == "level" or privacy.filters)
        ]
        if not told and wanted.check and wanted.check != self.check:
            told = ["another key"]
        return "; ".join(told)


def read_note(store: Store) -> Note | None:
    """Return the note of a store, None if it has none.

    Raises
    ------
    PrivacyError : there is one that cannot be read.
    """
    files = _files(store)
    if files is None:
        return None
    try:
        return Note.read(files.fetch(NAME, 0, 65536))
    except FileNotFoundError:
        return None


def put_note(store: Store, note: Note) -> Note:
    """Write the note of a store unless there is one, and return the one that it has then.

    Raises
    ------
    PrivacyError : this kind of store has no place for it.
    WriteError : it could not be written.
    """
    files = _files(store)
    if files is None:
        if isinstance(store, MemoryStore):
            return note
        raise PrivacyError(
            f"{type(store).__name__} has no place for its privacy level (neither `files` nor `path`), so the next "
            "opening could not know it; use a store of open_store(...)"
        )
    try:
        files.put(NAME, note.data())
    except OSError as error:
        raise WriteError(f"cannot write the privacy level: {error}; nothing is stored, try again") from error
    return read_note(store) or note


def _files(store: Any) -> Files | None:
    """Return where the small files of a store are."""
    files = getattr(store, "files", None)
    if files is not None:
        return cast(Files, files)
    path = getattr(store, "path", None)
    return None if path is None else LocalFiles(Path(path))
