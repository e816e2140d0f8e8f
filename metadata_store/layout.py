"""Where things are in a store's directory, and how its first file comes to be."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from pathlib import Path

from .errors import FormatError, MissingStoreError, WriteError

FORMAT = {"format": "metaal-store", "version": 1}
FORMAT_FILE = "FORMAT"
HOT = "hot"
DAMAGED = "damaged"
LOCK_FILE = "LOCK"
_TEMPORARY = ".format-"
_SEGMENT = re.compile(r"[0-9a-f]{16}-[0-9]{1,10}-([0-9a-f]{16})\.seg")


def segment_name() -> str:
    """Return a new segment's name: time, process, random number; sorts by time.

    Examples
    --------
    >>> segment_number(segment_name()) is not None
    True
    """
    return f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(8)}.seg"


def segment_number(name: str) -> int | None:
    """Return the random number in a segment's name, or None if it is not a segment's name."""
    match = _SEGMENT.fullmatch(name)
    return int(match[1], 16) if match else None


def sync_directory(path: Path) -> None:
    """Make new names in a directory durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and sync it; the caller syncs the directory.

    Raises
    ------
    FileExistsError : there is a file already.
    """
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def prepare(root: Path, *, create: bool) -> None:
    """Check that a directory is a store, or make it one.

    Parameters
    ----------
    root : the directory.
    create : make the store if there is none.

    Raises
    ------
    MissingStoreError : there is no store and `create` is False.
    FormatError : there is something else, or a store of a newer format; nothing was written.
    WriteError : the store could not be created.
    """
    if root.exists() and not root.is_dir():
        raise FormatError(f"{root} is a file; a store is a directory: give another path")
    if not (root / FORMAT_FILE).exists():
        if not create:
            raise MissingStoreError(f"no store at {root}; check the path, or pass create=True")
        foreign = sorted(p.name for p in root.iterdir() if not p.name.startswith(_TEMPORARY)) if root.exists() else []
        if foreign and not (root / FORMAT_FILE).exists():
            raise FormatError(
                f"{root} has no {FORMAT_FILE} file but holds {', '.join(map(repr, foreign[:3]))}"
                f"{' …' if len(foreign) > 3 else ''}; give an empty or new directory"
            )
        try:
            _create(root)
        except OSError as error:
            raise WriteError(f"cannot create a store at {root}: {error}; check permissions and space") from error
    _check(root / FORMAT_FILE)


def _create(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f"{_TEMPORARY}{secrets.token_hex(8)}"
    write_durably(temporary, json.dumps(FORMAT).encode() + b"\n")
    try:
        # of two processes that create the same store, one makes the name and both read it
        with contextlib.suppress(FileExistsError):
            os.link(temporary, root / FORMAT_FILE)
        temporary.unlink()
    except (OSError, NotImplementedError):
        if not (root / FORMAT_FILE).exists():  # a file system without links
            os.replace(temporary, root / FORMAT_FILE)
    sync_directory(root)
    sync_directory(root.parent)


def _check(path: Path) -> None:
    with open(path, "rb") as file:
        text = file.read(4096)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT["format"]:
        raise FormatError(f"{path} holds {text[:60]!r}; expected {json.dumps(FORMAT)}: this is not a store of metaal")
    if found.get("version") != FORMAT["version"]:
        raise FormatError(
            f"{path} says version {found.get('version')!r}; this package reads version {FORMAT['version']}: upgrade it"
        )
