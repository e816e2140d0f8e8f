"""Where things are in a store's directory, and how its first file comes to be."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import time
import zlib
from pathlib import Path

from .errors import FormatError, MissingStoreError, ReadError, WriteError

FORMAT = {"format": "metaal-store", "version": 1}
NEWEST = 2  # 1: segments only; 2: there may be a manifest and finished parts
FORMAT_FILE = "FORMAT"
HOT = "hot"
RECORDS, ARRAYS, GUARDS, BLOCKS = "cold/records", "cold/arrays", "cold/guard", "blocks"
MANIFEST = "manifest"
LEASES = "leases"
SCRATCH = "scratch"
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
    OSError : it could not be written whole; it was removed, and its descriptor was not written to again.
    """
    # unbuffered: closing a buffered file would write once more to a descriptor that has failed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes, however many the system takes at once."""
    view = memoryview(data)
    while view:
        count = os.write(descriptor, view)
        if count <= 0:
            raise OSError("the system wrote no bytes")
        view = view[count:]


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
        if not create and not (root.exists() and _looks_like_a_store(root)):
            raise MissingStoreError(f"no store at {root}; check the path, or pass create=True")
        if root.exists() and _looks_like_a_store(root):
            return  # verify reports the missing file, and repair makes it anew
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
    made = [root]
    while not made[-1].parent.exists():
        made.append(made[-1].parent)
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f"{_TEMPORARY}{secrets.token_hex(8)}"
    write_durably(temporary, format_text(NEWEST))
    try:
        # of two processes that create the same store, one makes the name and both read it
        with contextlib.suppress(FileExistsError):
            os.link(temporary, root / FORMAT_FILE)
        temporary.unlink()
    except (OSError, NotImplementedError):
        if not (root / FORMAT_FILE).exists():  # a file system without links
            os.replace(temporary, root / FORMAT_FILE)
    # the name of every new folder is in the folder above it
    sync_directory(root)
    for folder in made:
        sync_directory(folder.parent)


def upgrade(root: Path) -> None:
    """Say that a store may have finished parts, so that older versions of this package refuse it."""
    if version_of((root / FORMAT_FILE).read_bytes()) == NEWEST:
        return
    temporary = root / f"{_TEMPORARY}{secrets.token_hex(8)}"
    write_durably(temporary, format_text(NEWEST))
    os.replace(temporary, root / FORMAT_FILE)
    sync_directory(root)


def format_text(version: int) -> bytes:
    """Return what the first file of a store says; from version 2 on with a checksum.

    Examples
    --------
    >>> version_of(format_text(2)), version_of(format_text(2).replace(b"2", b"3", 1))
    (2, None)
    """
    text: dict[str, object] = {**FORMAT, "version": version}
    if version > 1:
        text["crc"] = zlib.crc32(json.dumps(text).encode())
    return json.dumps(text).encode() + b"\n"


def version_of(text: bytes) -> int | None:
    """Return the version of a store that its first file says, or None if it is damaged or says something else."""
    for version in (NEWEST, 1):
        if text == format_text(version):
            return version
    try:
        found = json.loads(text)
        crc = found.pop("crc")
        newer = found["format"] == FORMAT["format"] and type(found["version"]) is int and found["version"] > NEWEST
        return found["version"] if newer and crc == zlib.crc32(json.dumps(found).encode()) else None
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None


def _check(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            text = file.read(4096)
    except OSError as error:
        if error.errno != errno.EIO:
            raise ReadError(f"cannot read {path}: {error}; is it yours to read?") from error
        text = b""  # a sector that the disk cannot read: damage like any other
    version = version_of(text)
    if version is not None and version > NEWEST:
        raise FormatError(f"{path} says version {version}; this package reads versions 1 to {NEWEST}: upgrade it")
    if version is None and not _looks_like_a_store(path.parent):
        raise FormatError(f"{path} holds {text[:60]!r}; expected {json.dumps(FORMAT)}: this is not a store of metaal")


def _looks_like_a_store(root: Path) -> bool:
    """Say whether a directory whose first file is damaged has what only stores have; verify reports the damage."""
    for folder, name in ((HOT, _SEGMENT), (MANIFEST, re.compile(r"[0-9]{10}\.json"))):
        if (root / folder).is_dir() and any(name.fullmatch(file.name) for file in (root / folder).iterdir()):
            return True
    return False
