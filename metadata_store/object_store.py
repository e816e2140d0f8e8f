"""A store whose files are objects of a service; how records get in, and why that is right, is in `object_writes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import checking, layout
from .appending import Durability
from .cold.compacting import Compaction, Progress
from .errors import FormatError, MissingStoreError, OptionError, WriteError
from .filestore import FileStore, T
from .object_files import ObjectFiles
from .object_writes import LIMITS, ObjectWrites
from .report import Report


class ObjectStore(FileStore):
    """A `Store` whose files are objects of a service.

    Parameters
    ----------
    fs : an fsspec file system.
    root : path of the store in it.
    durability : "commit": an append returns when its object was put; nothing acknowledged is ever lost. "group":
        records wait up to 50 ms or 1 MiB for each other and are put as one object by the append that finds the last put
        longer ago, by `append_many`, by reading and by `close`; a process that is killed, or never closes its store,
        loses what waits, and a conflict with another process is raised only then. "none": as "group", up to 1 s or
        16 MiB.
    create : make the store if there is none.
    ttl : seconds for which a lease lasts; appends of its holder renew it.

    Raises
    ------
    MissingStoreError, FormatError, WriteError, OptionError : as `open_store`.

    Examples
    --------
    >>> import fsspec
    >>> from metadata_store import Record
    >>> with ObjectStore(fsspec.filesystem("memory"), "/doctest-store") as store:
    ...     _ = store.append(Record("r", 0, "tell", {"score": 0.5}))
    ...     store.frame().loc[("r", 0), "score"]
    np.float64(0.5)
    """

    files: ObjectFiles

    def __init__(
        self, fs: Any, root: str, *, durability: Durability = "commit", create: bool = True, ttl: float = 60.0
    ) -> None:
        if durability not in LIMITS or ttl <= 0:
            raise OptionError(
                f"durability is {durability!r} and ttl {ttl}; give 'commit', 'group' or 'none', and more than 0"
            )
        files = ObjectFiles(fs, root.rstrip("/"))
        _prepare(files, create=create)
        super().__init__(files, files.root)
        self.durability = durability
        self._objects = ObjectWrites(files, self._log, self._refresh, durability, ttl)
        self._writes = self._objects
        self._refresh()

    def verify(self, *, progress: Progress | None = None) -> Report:
        """Read every byte again, none of it from memory; see `Store.verify`."""
        with self._lock:
            self._check_open()
            self._objects.after_fork()
            self._objects.finish()
            return checking.verify(self.files.fresh(), progress=progress)

    def repair(self, *, progress: Progress | None = None) -> Report:
        """Take damage out of the way; see `Store.repair`."""
        with self._lock:
            self._check_open()
            self._objects.after_fork()
            # the last position must stay taken, whatever is set aside: the next writer counts from it
            self._objects.fence()
            self.files = self.files.fresh()
            return super().repair(progress=progress)

    def _compact(self, progress: Progress | None) -> Compaction:
        number = self._log.manifest.number
        try:
            done = super()._compact(progress)
        except FileNotFoundError:
            self._refresh()
            if self._log.manifest.number == number:
                raise
            return Compaction(left=("everything: another process compacted this store meanwhile",))
        self.files.remove_all([f"{layout.HOT}/{name}" for name in self.files.void()])
        return done

    def _refresh(self) -> None:
        try:
            super()._refresh()
        except BaseException:
            self._objects.look()  # it is not known what was read
            raise

    def _read(self, read: Callable[[], T]) -> T:
        with self._lock:
            self._check_open()
            self._objects.after_fork()
            self._objects.finish()
            return super()._read(read)

    def _reset_writes(self) -> None:
        self._objects.use(self._log)

    def _upgrade(self) -> None:
        if layout.version_of(self.files.fetch(layout.FORMAT_FILE, 0, 4096)) != layout.NEWEST:
            self.files.replace(layout.FORMAT_FILE, layout.format_text(layout.NEWEST))


def _prepare(files: ObjectFiles, *, create: bool) -> None:
    """Check that a prefix is a store, or make it one."""
    there = files.sizes("")
    ours = layout.FORMAT_FILE in there or layout.HOT in there or layout.MANIFEST in there
    if not ours:
        if there:
            raise FormatError(
                f"{files.root} has no {layout.FORMAT_FILE} but holds {', '.join(map(repr, sorted(there)[:3]))}"
                f"{' …' if len(there) > 3 else ''}; give an empty or new prefix"
            )
        if not create:
            raise MissingStoreError(f"no store at {files.root}; check the URL, or pass create=True")
        try:
            files.put(layout.FORMAT_FILE, layout.format_text(layout.NEWEST))
        except OSError as error:
            raise WriteError(
                f"cannot create a store at {files.root}: {error}; is the bucket there, and yours?"
            ) from error
    if layout.FORMAT_FILE in there:
        text = files.fetch(layout.FORMAT_FILE, 0, 4096)
        version = layout.version_of(text)
        if version is not None and version > layout.NEWEST:
            raise FormatError(
                f"{files.root} is of version {version}; this package reads 1 to {layout.NEWEST}: upgrade it"
            )
        if version is None and layout.HOT not in there and layout.MANIFEST not in there:
            raise FormatError(f"{files.root}/{layout.FORMAT_FILE} holds {text[:60]!r}: this is not a store of metaal")
