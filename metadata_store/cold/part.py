"""One part of the cold tier, read back: which runs it has, their keys, scalars, arrays and whole records."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import codec, layout
from ..checks import Scalar
from ..codec import Schema
from ..errors import DamagedError
from ..files import Files
from ..record import Record, restored
from . import columns
from .guard import CheckedFile, Guard
from .manifest import FileNote, PartNote

Warn = Callable[[str, int, str], None]


class Card(NamedTuple):
    """Where a run is in a part: its rows, the stamps of the first and last of them, and its rows of arrays."""

    start: int
    rows: int
    first: int
    last: int
    arrays_start: int
    arrays: int


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


class Part:
    """The records of one part.

    Parameters
    ----------
    files, note : where it is.
    warn, patience : see `Parquet`.

    Attributes
    ----------
    schemas : by their numbers.
    firsts : stamp of the first record of each schema.
    kinds : of the columns, in order.
    has_payloads : whether some records have no columns but the payload that they had in their segment.
    cards : where each run is.
    """

    def __init__(self, files: Files, note: PartNote, warn: Warn, patience: Patience | None = None) -> None:
        self.note = note
        self._patience = patience or Patience()
        self.records = Parquet(files, note.records, warn, self._patience)
        self._files, self._warn = files, warn
        self._arrays: Parquet | None = None
        self._keys: dict[str, dict[tuple[int, str, int], int]] = {}
        self._stamps: dict[str, dict[int, int]] = {}
        self._order: tuple[np.ndarray, np.ndarray] | None = None
        try:
            about: dict[str, Any] = json.loads(self.records.metadata("metaal.part"))
            parsed = [Schema.parse(text.encode()) for text in about["schemas"]]
            self.schemas = [schema for _, schema in parsed]
            self.firsts: list[int] = [int(first) for first in about["firsts"]]
            self.kinds: dict[str, str] = dict(about["kinds"])
            self.has_payloads = bool(about["payloads"])
            cards = pa.ipc.open_stream(base64.b64decode(self.records.metadata("metaal.cards"))).read_all()
            rows = zip(*(cards.column(field).to_pylist() for field in Card._fields), strict=True)
            self.cards = dict(zip(cards.column("run").to_pylist(), map(Card._make, rows), strict=True))
        except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise DamagedError(f"{note.records.name} is not a part of a store: {error}") from error

    @property
    def arrays(self) -> Parquet | None:
        """The file of arrays, opened when first needed."""
        if self._arrays is None and self.note.arrays is not None:
            self._arrays = Parquet(self._files, self.note.arrays, self._warn, self._patience)
        return self._arrays

    def keys(self, run: str) -> dict[tuple[int, str, int], int]:
        """Return (loop, event, index) of each record of a run, and its row."""
        if run not in self._keys:
            self._look_up(run)
        return self._keys[run]

    def stamps(self, run: str) -> dict[int, int]:
        """Return the stamp of each row of a run."""
        if run not in self._stamps:
            self._look_up(run)
        return self._stamps[run]

    def _look_up(self, run: str) -> None:
        card = self.cards[run]
        stop = card.start + card.rows
        keys: dict[tuple[int, str, int], int] = {}
        stamps: dict[int, int] = {}
        fields = ["loop", "event", "index", "stamp"]
        for number, table in self.records.read(self.records.groups(card.start, stop), fields):
            base = int(self.records.starts[number])
            low = max(card.start - base, 0)
            piece = table.slice(low, stop - base - low)
            cells = zip(*(piece.column(name).to_pylist() for name in fields), strict=True)
            for row, (loop, event, index, stamp) in enumerate(cells, base + low):
                keys[loop, event, index] = row
                stamps[row] = stamp
        self._keys[run], self._stamps[run] = keys, stamps

    def scan(self, rows: np.ndarray, names: list[str]) -> tuple[np.ndarray, pa.Table]:
        """Return some columns of some rows.

        Parameters
        ----------
        rows : i8[N], ascending.
        names : columns.

        Returns
        -------
        (i8[K] positions in `rows` of those that could be read, table of K rows)
        """
        kept, tables = [np.zeros(0, np.int64)], [self.records.file.schema_arrow.empty_table().select(names)]
        for positions, table in self.walk(rows, names):
            kept.append(positions)
            tables.append(table)
        return np.concatenate(kept), pa.concat_tables(tables).select(names)

    def walk(self, rows: np.ndarray, names: list[str]) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """Yield what `scan` returns, one row group after the other, so that memory holds one of them."""
        starts = self.records.starts
        edges = np.searchsorted(rows, starts)
        for group in np.flatnonzero(edges[1:] > edges[:-1]).tolist():
            for _, table in self.records.read([group], names):
                local = rows[edges[group] : edges[group + 1]] - starts[group]
                positions = np.arange(edges[group], edges[group + 1])
                if len(local) == local[-1] - local[0] + 1:
                    yield positions, table.slice(int(local[0]), len(local))
                else:
                    yield positions, table.take(pa.array(local))

    def array_rows(self, start: int, stop: int) -> tuple[int, int]:
        """Return a stretch of rows of the file of arrays that has all arrays of some rows."""
        if self._order is None:
            cards = sorted(self.cards.values())
            self._order = np.array([card[:2] for card in cards]), np.array([card[4:] for card in cards])
        places, arrays = self._order
        low = int(np.searchsorted(places[:, 0], start, "right")) - 1
        high = int(np.searchsorted(places[:, 0], stop, "left"))
        return int(arrays[low, 0]), int(arrays[high - 1].sum())

    def read(self, run: str, rows: tuple[int, int] | None = None) -> Iterator[tuple[int, int, Record]]:
        """Yield (row, stamp, record) of a run, or of some rows of it, whole records, those that can be read."""
        card = self.cards[run]
        start, stop = rows or (card.start, card.start + card.rows)
        for number in self.records.groups(start, stop):
            low, high = int(self.records.starts[number]), int(self.records.starts[number + 1])
            yield from self._records(card, max(low, start), min(high, stop))

    def _records(self, card: Card, start: int, stop: int) -> Iterator[tuple[int, int, Record]]:
        """Yield the records of rows of one row group."""
        table = self.records.rows(start, stop)
        if not len(table):
            return  # damaged, and that was warned about
        arrays = self._arrays_of(card, start, stop)
        numbers = table.column("schema").to_numpy()
        runs, loops, index, at, stamps = (table.column(n).to_pylist() for n in ("run", "loop", "index", "at", "stamp"))
        payloads = table.column("payload")
        plain = ~payloads.is_valid().to_numpy()
        values: dict[int, Mapping[str, Scalar]] = {}
        for number in np.unique(numbers[plain]).tolist():
            names, places = self.schemas[number].names, np.flatnonzero(plain & (numbers == number))
            chosen = table.select([columns.column_of(name) for name in names]).take(pa.array(places))
            lists = [column.to_pylist() for column in chosen.columns]
            for i, place in enumerate(places.tolist()):
                values[place] = MappingProxyType({name: part[i] for name, part in zip(names, lists, strict=True)})
        for i, number in enumerate(numbers.tolist()):
            schema = self.schemas[number]
            if not plain[i]:
                yield start + i, stamps[i], codec.decode(payloads[i].as_buffer(), schema)
                continue
            own = arrays.get(start + i, {})
            if len(own) < len(schema.arrays):
                continue  # its arrays are damaged, and that was warned about
            ordered = MappingProxyType({name: own[name] for name, _, _ in schema.arrays})
            yield start + i, stamps[i], restored(runs[i], loops[i], schema.event, values[i], ordered, at[i], index[i])

    def _arrays_of(self, card: Card, start: int, stop: int) -> dict[int, dict[str, np.ndarray]]:
        """Return the arrays of some rows by row and name."""
        if not card.arrays:
            return {}
        try:
            file = self.arrays
        except DamagedError as error:
            self._warn(self.note.arrays.name if self.note.arrays else "", 0, f"no array can be read: {error}")
            return {}
        if file is None:
            return {}
        found: dict[int, dict[str, np.ndarray]] = {}
        table = file.rows(card.arrays_start, card.arrays_start + card.arrays)
        rows = table.column("record").to_numpy()
        table = table.slice(
            int(np.searchsorted(rows, start)), int(np.searchsorted(rows, stop) - np.searchsorted(rows, start))
        )
        fields = ("record", "name", "dtype", "shape")
        bodies = {name: table.column(name) for name in ("floats", "ints", "data")}
        for i, (row, name, dtype, shape) in enumerate(zip(*(table.column(f).to_pylist() for f in fields), strict=True)):
            found.setdefault(row, {})[name] = _array(bodies, i, dtype, shape)
        return found


def _array(bodies: dict[str, pa.ChunkedArray], i: int, dtype: str, shape: list[int]) -> np.ndarray:
    kind = {"<f8": "floats", "<i8": "ints"}.get(dtype)
    if kind is None:
        array = np.frombuffer(bodies["data"][i].as_buffer(), np.dtype(dtype)) if 0 not in shape else np.empty(0, dtype)
        array = array.reshape(shape).copy()
    else:
        array = bodies[kind][i].values.to_numpy(zero_copy_only=False).reshape(shape).copy()
    array.setflags(write=False)
    return array
