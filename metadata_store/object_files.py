"""The files of a store as objects of a service: put whole and only if absent, listed, fetched by ranges and in batches.

Needed of a service: a put is seen by every later listing and get (S3 has been so since 2020), and
a put may be made conditional on absence. What is used for that, by fsspec's ``pipe_file(mode="create")``::

    S3 and its like    If-None-Match: "*", which the service decides; one that ignores it is found out (`heeds`)
    memory             a lock of this process
    others             what their fsspec class does; where that is "look, then put", two writers may both succeed
                       between the look and the put: one writer at a time, then

The segments of a store of objects are numbered: see `object_writes`. A finished manifest says up to which number they
are closed; whatever is put at such a number later is void, and not listed here.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import layout
from .cold import manifest as manifests
from .cold.manifest import Manifest
from .errors import DamagedError
from .files import NOTHING
from .object_client import BATCH, Client

if TYPE_CHECKING:
    import pyarrow.fs as pafs

DAY = 86400.0
HELD = 2**27  # bytes of small objects kept in memory
SMALL = 2**23
AHEAD = 2**24  # bytes that are fetched at once
PAGE = 1000  # objects in a page of a listing, S3's number
_POSITION = re.compile(r"([0-9a-f]{16})-0-[0-9a-f]{16}\.seg")


def name_of(position: int) -> str:
    """Return the name of the segment at a position.

    Examples
    --------
    >>> name_of(7)
    '0000000000000007-0-55c139f2c26220a7.seg'
    >>> layout.segment_number(name_of(7)) is not None
    True
    """
    return f"{position:016x}-0-{blake2b(b'metaal %d' % position, digest_size=8).hexdigest()}.seg"


def position_of(name: str) -> int:
    """Return the position of a segment, 0 for one that a local store wrote or a repair.

    Examples
    --------
    >>> position_of(name_of(7)), position_of(layout.segment_name())
    (7, 0)
    """
    match = _POSITION.fullmatch(name)
    position = int(match[1], 16) if match else 0
    return position if position and name == name_of(position) else 0


def closing(manifest: Manifest, segments: Collection[str], absorbed: Collection[str]) -> Manifest:
    """Return a manifest that says up to which position the segments are closed.

    Parameters
    ----------
    manifest : to be committed.
    segments, absorbed : all that are known, and those that go into its parts.

    Examples
    --------
    >>> names = [name_of(1), name_of(2), name_of(3)]
    >>> closed = closing(Manifest(1), names, [names[0], names[2]])
    >>> closed.sealed, closed.left == (names[1],)
    (3, True)
    """
    sealed = max([manifest.sealed, *map(position_of, absorbed)])
    left = sorted(name for name in segments if name not in absorbed and 0 < position_of(name) <= sealed)
    return dataclasses.replace(manifest, sealed=sealed, left=tuple(left))


def _remove_folder(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # not when a forked process ends
        shutil.rmtree(path, ignore_errors=True)


class ObjectFiles:
    """`Files` below a prefix of an fsspec file system.

    Parameters
    ----------
    fs : an fsspec file system.
    root : path of the store in it, without "/" at the end.

    Attributes
    ----------
    linger : see `Files`.
    sealed : segments up to this position are closed, as far as the manifests tell that were seen.

    Examples
    --------
    >>> import fsspec
    >>> files = ObjectFiles(fsspec.filesystem("memory"), "/doctest-files")
    >>> files.put("manifest/1", b"one"), files.put("manifest/1", b"two"), files.fetch("manifest/1", 0, 9)
    (True, False, b'one')
    """

    linger = DAY

    def __init__(self, fs: Any, root: str) -> None:
        self.root = root
        self.client = Client(fs)
        self.sealed = 0
        self._left: frozenset[str] = frozenset()
        self._seen = 0
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._hot: dict[str, int] = {}
        self._manifests: dict[str, int] | None = None
        self._scratch: Path | None = None
        self._lock = threading.RLock()

    def after_fork(self) -> None:
        """Leave locks and temporary files to the parent process."""
        self._lock, self._scratch = threading.RLock(), None

    def fresh(self) -> ObjectFiles:
        """Return the same files with nothing held in memory."""
        return ObjectFiles(self.client.fs, self.root)

    def sizes(self, folder: str, settled: Mapping[str, int] = NOTHING) -> dict[str, int]:
        """Return the objects of a folder; see `Files.sizes`."""
        if folder == layout.HOT:
            return self._segments(settled)
        if folder == layout.MANIFEST and settled is not NOTHING and self._manifests is not None:
            # `Log.refresh` asks for the manifests right after the segments, with which they were listed already
            found, self._manifests = self._manifests, None
            return found
        return self.client.names(self._path(folder))

    def fetch(self, name: str, start: int, length: int) -> bytes:
        """Return bytes of an object; see `Files.fetch`."""
        folder, _, short = name.rpartition("/")
        if folder == layout.HOT:
            with self._lock:
                if short not in self._held and self._hot.get(short, SMALL + 1) <= SMALL:
                    self._ahead(short)
                data = self._held.get(short)
                if data is not None:
                    self._held.move_to_end(short)
                    return data if start == 0 and length >= len(data) else data[start : start + length]
        return self.client.get(self._path(name), start, None if length >= 2**40 else start + length)

    def put(self, name: str, data: bytes) -> bool:
        """Make an object unless there is one; see `Files.put`.

        Raises
        ------
        UncertainError : it is unknown whether it was made, or will be.
        OSError : it was not made.
        """
        return self.client.create(self._path(name), data)

    def heeds(self) -> bool:
        """Say whether the service heeds the condition of a put, by putting the store's first file once more."""
        return self.client.heeds(self._path(layout.FORMAT_FILE))

    def publish(self, path: Path, name: str) -> None:
        """Upload a finished local file; see `Files.publish`."""
        self.client.upload(path, self._path(name))
        path.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove an object; see `Files.remove`."""
        self.client.remove([self._path(name)])

    def remove_all(self, names: Iterable[str]) -> None:
        """Remove objects; see `Files.remove_all`."""
        self.client.remove([self._path(name) for name in names])

    def replace(self, name: str, data: bytes) -> None:
        """Make an object in the place of another one; see `Files.replace`."""
        self.client.replace(self._path(name), data)

    def keep(self, name: str) -> str:
        """Copy an object to the damaged ones; see `Files.keep`."""
        kept = f"{layout.DAMAGED}/{name.rpartition('/')[2]}.{secrets.token_hex(4)}"
        self.replace(kept, self.client.get(self._path(name)))
        return kept

    def scratch(self) -> Path:
        """Return a local folder, which goes when this object goes; see `Files.scratch`."""
        if self._scratch is None or not self._scratch.is_dir():
            self._scratch = Path(tempfile.mkdtemp(prefix="metaal-"))
            weakref.finalize(self, _remove_folder, self._scratch, os.getpid())
        return self._scratch

    def arrow(self) -> pafs.FileSystem:
        """Return the objects as an Arrow file system; see `Files.arrow`."""
        import pyarrow.fs as pafs

        return pafs.SubTreeFileSystem(self.root, pafs.PyFileSystem(pafs.FSSpecHandler(self.client.fs)))

    def hold(self, short: str, data: bytes) -> None:
        """Remember a segment that was just put."""
        with self._lock:
            self._hot[short] = len(data)
            self._keep(short, data)

    def closed(self, position: int) -> bool:
        """Ask whether a position is closed by now, so that what was put there just now may be void."""
        self._look_up(self.client.names(self._path(layout.MANIFEST)))
        return position <= self.sealed

    def void(self) -> list[str]:
        """Return the segments that do not count, being absorbed or put too late."""
        self._segments(NOTHING)
        there = self.client.names(self._path(layout.HOT))
        return [name for name in there if 0 < position_of(name) <= self.sealed and name not in self._left]

    def _segments(self, settled: Mapping[str, int]) -> dict[str, int]:
        """List the segments, without void ones, and fetch those that are new at once."""
        found = self.client.names(self._path(layout.HOT))
        places = sorted(filter(None, map(position_of, found)))
        if len(found) >= PAGE and places and places[-1] - places[0] >= len(places):
            # a listing of several pages may lack a segment that was put before one that it has; the next listing
            # cannot, and what is newer than this one is left for the next look
            found = {
                name: size
                for name, size in self.client.names(self._path(layout.HOT)).items()
                if position_of(name) <= places[-1]
            }
        # manifests after segments: what is put at a closed position was put after the manifest that closed it
        self._manifests = self._look_up(self.client.names(self._path(layout.MANIFEST)))
        found = {n: size for n, size in found.items() if not 0 < position_of(n) <= self.sealed or n in self._left}
        with self._lock:
            self._hot = found
            for name in self._held.keys() - found.keys():
                self._forget(name)
            self._fetch_all((name for name in sorted(found) if name not in settled), HELD // 2)
        return dict(found)

    def _look_up(self, listed: dict[str, int]) -> dict[str, int]:
        """Learn from the newest manifest what is closed; return the listing in which it was found."""
        for _ in range(100):
            numbers = manifests.numbers_in(listed)
            if not numbers or numbers[-1] <= self._seen:
                return listed
            for number in reversed(numbers):
                # if the newest says nothing, being damaged or made by a local store, an older one still counts
                try:
                    found = manifests.read(self, number)[0]
                except DamagedError:
                    continue
                if found.sealed:
                    self.sealed, self._left = max(self.sealed, found.sealed), frozenset(found.left)
                    break
            again = listed if number == numbers[-1] else self.client.names(self._path(layout.MANIFEST))
            if manifests.numbers_in(again)[-1:] == numbers[-1:]:
                self._seen = numbers[-1]
                return listed
            listed = again  # compacted several times meanwhile
        raise DamagedError("manifests keep vanishing while they are read; is something else removing objects?")

    def _ahead(self, short: str) -> None:
        """Fetch a segment and those that will be read next."""
        self._fetch_all(sorted(name for name in self._hot if name >= short)[: 4 * BATCH], AHEAD)

    def _fetch_all(self, names: Iterable[str], room: int) -> None:
        """Fetch small segments at once; one that fails is left to whoever reads it."""
        chosen: dict[str, int] = {}
        for name in names:
            size = self._hot[name]
            if 0 < size <= min(SMALL, room) and name not in self._held and layout.segment_number(name) is not None:
                chosen[self._path(f"{layout.HOT}/{name}")] = size
                room -= size
        for path, data in self.client.get_many(chosen).items() if chosen else ():
            if len(data) == chosen[path]:
                self._keep(path.rpartition("/")[2], data)

    def _keep(self, short: str, data: bytes) -> None:
        self._forget(short)
        self._held[short] = data
        self._bytes += len(data)
        while self._bytes > HELD:
            self._bytes -= len(self._held.popitem(last=False)[1])

    def _forget(self, short: str) -> None:
        self._bytes -= len(self._held.pop(short, b""))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root
