"""A finished Parquet file, every byte of which is checked before it is decoded, and its guard found or made anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import layout
from ..errors import DamagedError
from ..files import Files
from .guard import CheckedFile, Guard
from .manifest import FileNote

Warn = Callable[[str, int, str], None]


class Patience:
    """Whether files that are missing are lost, or only compacted into others, so that the newest manifest helps."""

    def __init__(self) -> None:
        self.over = False

    def missing(self, name: str, error: FileNotFoundError) -> Exception:
        """Return the error to raise for a file that is not there."""
        return DamagedError(f"{name} is missing; was it removed by hand?") if self.over else error


class Parquet:
    """A finished Parquet file, every byte of which is checked before it is decoded.

    Parameters
    ----------
    files, note : where it is.
    warn : called with (file, byte, what) for damage that was mended or that costs rows.
    patience : whether a missing file is damage.

    Raises
    ------
    DamagedError : its end is damaged and cannot be restored.
    FileNotFoundError : it was compacted into another one.
    """

    def __init__(self, files: Files, note: FileNote, warn: Warn, patience: Patience | None = None) -> None:
        self.note = note
        self._patience = patience or Patience()
        self._warn = warn
        self._files = files
        try:
            self.guard = read_guard(files, note, warn)
        except FileNotFoundError as error:
            raise self._patience.missing(note.name, error) from error
        self._source = CheckedFile(self.fetch, self.guard, self._mended)
        try:
            self.file = pq.ParquetFile(pa.PythonFile(self._source, mode="r"), pre_buffer=False)
        except pa.ArrowException as error:
            raise DamagedError(f"{note.name} cannot be read: {error}") from error
        meta = self.file.metadata
        counts = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.names = self.file.schema_arrow.names
        self._cached: tuple[int, pa.Table] | None = None

    def fetch(self, start: int, length: int) -> bytes:
        """Return bytes as they are on disk."""
        try:
            return self._files.fetch(self.note.name, start, length)
        except FileNotFoundError as error:
            raise self._patience.missing(self.note.name, error) from error

    def _mended(self, block: int) -> None:
        self._warn(self.note.name, self.guard.span(block)[0], "damaged bytes, read from their parity")

    def metadata(self, key: str) -> bytes:
        """Return what was written into the file's footer under a key."""
        found: dict[bytes, bytes] = self.file.metadata.metadata or {}
        return found.get(key.encode(), b"")

    def groups(self, start: int, stop: int) -> range:
        """Return the numbers of the row groups that hold some rows."""
        if stop <= start:
            return range(0)
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        return range(first, int(np.searchsorted(self.starts, stop, "left")))

    def read(self, groups: Sequence[int], names: Sequence[str] | None = None) -> list[tuple[int, pa.Table]]:
        """Return (number, table) of each row group that can be read; damage is warned about.

        Parameters
        ----------
        groups : numbers of row groups.
        names : columns; None for all.
        """
        found: list[tuple[int, pa.Table]] = []
        self._hold(groups, names)
        try:
            for number in groups:
                try:
                    found.append((number, self.file.read_row_group(number, columns=names)))
                except (DamagedError, pa.ArrowException, OSError) as error:
                    if isinstance(error, FileNotFoundError):
                        raise
                    at = self._spans(number, names)[0][0]
                    rows = int(self.starts[number + 1] - self.starts[number])
                    self._warn(self.note.name, at, f"{rows} rows cannot be read: {error}")
        finally:
            self._source.hold(())
        return found

    def _hold(self, groups: Sequence[int], names: Sequence[str] | None) -> None:
        try:
            self._source.hold([span for number in groups for span in self._spans(number, names)])
        except DamagedError:
            self._source.hold(())  # group by group, then, to lose no more than one

    def _spans(self, number: int, names: Sequence[str] | None) -> list[tuple[int, int]]:
        group = self.file.metadata.row_group(number)
        wanted = None if names is None else set(names)
        spans = []
        for i in range(group.num_columns):
            chunk = group.column(i)
            if wanted is None or chunk.path_in_schema in wanted or chunk.path_in_schema.split(".list.")[0] in wanted:
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                start = min(start, chunk.data_page_offset)
                spans.append((start, start + chunk.total_compressed_size))
        return spans or [(0, 4)]

    def rows(self, start: int, stop: int) -> pa.Table:
        """Return all columns of some rows; the last row group read is kept, since runs are read one after the other."""
        tables = []
        for number in self.groups(start, stop):
            if self._cached is None or self._cached[0] != number:
                self._cached = None
                found = self.read([number])
                if not found:
                    continue
                self._cached = found[0]
            base = int(self.starts[number])
            low = max(start - base, 0)
            tables.append(self._cached[1].slice(low, stop - base - low))
        if not tables:
            return self.file.schema_arrow.empty_table()
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


def read_guard(files: Files, note: FileNote, warn: Warn) -> Guard:
    """Return the guard of a file; make it anew if it is damaged and the file is whole."""
    name = guard_name(note.name)
    try:
        guard = Guard.parse(files.fetch(name, 0, 2**40))
        if (guard.size, guard.digest.hex()) == (note.bytes, note.digest):
            return guard
        what = "the guard of another file"
    except (DamagedError, FileNotFoundError) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else str(error)
    guard = Guard.of(lambda start, length: files.fetch(note.name, start, length), note.bytes)
    if guard.digest.hex() != note.digest:
        raise DamagedError(f"{note.name} is damaged, and its guard {name} too ({what})")
    warn(name, 0, what)
    return guard


def guard_name(name: str) -> str:
    """Return the name of a file's guard.

    Examples
    --------
    >>> guard_name("cold/records/a.parquet"), guard_name("blocks/b.parquet")
    ('cold/guard/records-a.parquet.guard', 'cold/guard/blocks-b.parquet.guard')
    """
    folder, _, file = name.rpartition("/")
    return f"{layout.GUARDS}/{folder.rpartition('/')[2]}-{file}.guard"
