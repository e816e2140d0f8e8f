"""Where the bytes of a store are: a local directory, seen as named files that are put whole and only if absent."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from . import layout
from .errors import ReadError

if TYPE_CHECKING:
    import pyarrow.fs as pafs

SECTOR = 4096
NOTHING: Mapping[str, int] = MappingProxyType({})


class Files(Protocol):
    """The few things that a store needs of a file system or an object store; names are relative, with "/".

    Attributes
    ----------
    linger : finished files that no manifest names are left alone for so many seconds, since a living compactor may be
        making them; 0 where a lock tells that there is none.
    """

    linger: float

    def sizes(self, folder: str, settled: Mapping[str, int] = NOTHING) -> dict[str, int]:
        """Return what is directly in a folder: name to bytes, -1 if it is not a file; empty if there is no folder.

        Parameters
        ----------
        folder : name of the folder.
        settled : sizes of files that cannot grow any more; they are not looked up again.
        """
        ...

    def fetch(self, name: str, start: int, length: int) -> bytes:
        """Return bytes of a file, fewer at its end.

        Raises
        ------
        FileNotFoundError : there is no such file.
        """
        ...

    def put(self, name: str, data: bytes) -> bool:
        """Make a file, whole and durable, unless there is one; return whether it was made."""
        ...

    def publish(self, path: Path, name: str) -> None:
        """Make a local file, finished, into a durable file of the store, and remove the local one."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove_all(self, names: Iterable[str]) -> None:
        """Remove those of some files that are there."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Make a file, whole and durable, in the place of the one that is there; at no time there is none."""
        ...

    def keep(self, name: str) -> str:
        """Put a copy of a file into the folder of damaged ones and return its name there."""
        ...

    def scratch(self) -> Path:
        """Return a local directory for files in the making."""
        ...

    def arrow(self) -> pafs.FileSystem:
        """Return the same files as an Arrow file system."""
        ...


def _pread(descriptor: int, length: int, start: int) -> bytes:
    """Read bytes; sectors that the disk cannot read become zeros, which no checksum takes for data."""
    try:
        return os.pread(descriptor, length, start)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    parts = []
    stop = min(start + length, os.fstat(descriptor).st_size)
    for at in range(start, stop, SECTOR):
        size = min(SECTOR, stop - at)
        try:
            parts.append(os.pread(descriptor, size, at))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            parts.append(bytes(size))
    return b"".join(parts)


class LocalFiles:
    """Files below a directory.

    Parameters
    ----------
    root : the directory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = LocalFiles(Path(folder))
    ...     files.put("manifest/1", b"one"), files.put("manifest/1", b"two"), files.fetch("manifest/1", 0, 9)
    (True, False, b'one')
    """

    linger = 0.0

    def __init__(self, root: Path) -> None:
        self.root = root

    def sizes(self, folder: str, settled: Mapping[str, int] = NOTHING) -> dict[str, int]:
        """Return the files of a folder; see `Files.sizes`."""
        found: dict[str, int] = {}
        try:
            with os.scandir(self.root / folder) as listing:
                for item in listing:
                    size = settled.get(item.name)
                    if size is not None:
                        found[item.name] = size
                    elif not item.is_file(follow_symlinks=False):
                        found[item.name] = -1
                    else:
                        # by path: some systems keep an old size in the listing
                        with contextlib.suppress(FileNotFoundError):
                            found[item.name] = os.stat(item.path).st_size
        except FileNotFoundError:
            pass
        return found

    def fetch(self, name: str, start: int, length: int) -> bytes:
        """Return bytes of a file; see `Files.fetch`."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ReadError(f"cannot open {self.root / name}: {error}; is it yours to read?") from error
        parts = []
        try:
            while length > 0 and (part := _pread(descriptor, min(length, 2**30), start)):
                parts.append(part)
                start, length = start + len(part), length - len(part)
        except OSError as error:
            raise ReadError(f"cannot read {self.root / name} at byte {start}: {error}") from error
        finally:
            os.close(descriptor)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def put(self, name: str, data: bytes) -> bool:
        """Make a file; see `Files.put`."""
        target = self.root / name
        if target.exists():
            return False
        self._make(target.parent)
        temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
        try:
            layout.write_durably(temporary, data)
            try:
                os.link(temporary, target)
            except (OSError, NotImplementedError):
                # network file systems say so of links that they made
                if target.exists() and not os.path.samefile(temporary, target):
                    return False
                if not target.exists():
                    os.rename(temporary, target)  # a file system without links
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        layout.sync_directory(target.parent)
        return True

    def publish(self, path: Path, name: str) -> None:
        """Move a finished file to its place; see `Files.publish`."""
        target = self.root / name
        self._make(target.parent)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(path, target)
        layout.sync_directory(target.parent)

    def remove(self, name: str) -> None:
        """Remove a file; see `Files.remove`."""
        (self.root / name).unlink(missing_ok=True)

    def remove_all(self, names: Iterable[str]) -> None:
        """Remove files; see `Files.remove_all`."""
        for name in names:
            self.remove(name)

    def replace(self, name: str, data: bytes) -> None:
        """Make a file in the place of another one; see `Files.replace`."""
        target = self.root / name
        self._make(target.parent)
        temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
        layout.write_durably(temporary, data)
        os.rename(temporary, target)
        layout.sync_directory(target.parent)

    def keep(self, name: str) -> str:
        """Copy a file to the damaged ones; see `Files.keep`."""
        aside = self.root / layout.DAMAGED
        self._make(aside)
        kept = f"{Path(name).name}.{secrets.token_hex(4)}"
        try:
            os.link(self.root / name, aside / kept)
        except (OSError, NotImplementedError):  # a file system without links
            layout.write_durably(aside / kept, self.fetch(name, 0, 2**62))
        layout.sync_directory(aside)
        return f"{layout.DAMAGED}/{kept}"

    def scratch(self) -> Path:
        """Return the folder of unfinished files; see `Files.scratch`."""
        path = self.root / layout.SCRATCH
        self._make(path)
        return path

    def arrow(self) -> pafs.FileSystem:
        """Return the directory as an Arrow file system; see `Files.arrow`."""
        import pyarrow.fs as pafs

        return pafs.SubTreeFileSystem(str(self.root), pafs.LocalFileSystem())

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            at = folder
            while at != self.root:
                at = at.parent
                layout.sync_directory(at)
