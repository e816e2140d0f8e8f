"""A store in a directory: every opening that writes has its own segment, readers read all of them."""

from __future__ import annotations

import os
from pathlib import Path

from . import layout
from .appending import Appender, Durability
from .errors import OptionError
from .files import LocalFiles
from .filestore import FileStore


class DirectoryStore(FileStore):
    """A `Store` whose records survive the process.

    Parameters
    ----------
    path : the directory.
    durability : "commit": an append returns when its record would survive a power cut. "group": synced by
        `append_many`, by `close`, and by an append when the last sync is 50 ms ago; a killed process loses nothing, a
        power cut at most what was appended since. "none": never synced; a killed process loses nothing.
    create : make the store if there is none.

    Raises
    ------
    MissingStoreError, FormatError, WriteError, OptionError : as `open_store`.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import Record
    >>> with tempfile.TemporaryDirectory() as folder, DirectoryStore(folder) as store:
    ...     _ = store.append(Record("r", 0, "tell", {"score": 0.5}))
    ...     store.frame().loc[("r", 0), "score"]
    np.float64(0.5)
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "commit", create: bool = True) -> None:
        if durability not in ("commit", "group", "none"):
            raise OptionError(f"durability is {durability!r}; give 'commit', 'group' or 'none'")
        self.path = Path(path)
        self.durability = durability
        files = LocalFiles(self.path)
        layout.prepare(self.path, create=create)
        super().__init__(files, str(self.path))
        self._appender = Appender(self.path, self._log, self._refresh, durability)
        self._writes = self._appender
        self._refresh()

    def _reset_writes(self) -> None:
        self._appender.use(self._log)

    def _upgrade(self) -> None:
        layout.upgrade(self.path)
