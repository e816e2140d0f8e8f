"""One part of the cold tier, read back: which runs it has, their keys, scalars, arrays and whole records."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from .. import codec
from ..checks import Scalar
from ..codec import Schema
from ..errors import DamagedError
from ..files import Files
from ..record import Record, restored
from . import columns
from .manifest import PartNote
from .parquet import Parquet, Patience, Warn

KEY_FIELDS = ["loop", "event", "index", "stamp"]
KEY_GROUPS = 4


class Card(NamedTuple):
    """Where a run is in a part: its rows, the stamps of the first and last of them, and its rows of arrays."""

    start: int
    rows: int
    first: int
    last: int
    arrays_start: int
    arrays: int


class ArrayGroups(NamedTuple):
    """The row groups of a file of arrays: the first and last record that has an array in each, and its bytes."""

    first: np.ndarray
    last: np.ndarray
    bytes: np.ndarray


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
        self._key_groups: dict[int, pa.Table] = {}
        self._sizes: ArrayGroups | None = None
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
        for number in self.records.groups(card.start, stop):
            table = self._key_group(number)
            base = int(self.records.starts[number])
            low = max(card.start - base, 0)
            piece = table.slice(low, stop - base - low)
            cells = zip(*(piece.column(name).to_pylist() for name in KEY_FIELDS), strict=True)
            for row, (loop, event, index, stamp) in enumerate(cells, base + low):
                keys[loop, event, index] = row
                stamps[row] = stamp
        self._keys[run], self._stamps[run] = keys, stamps

    def _key_group(self, number: int) -> pa.Table:
        """Return the keys of a row group; the last few are kept, since many runs are in one, and looked up in turn."""
        if number not in self._key_groups:
            found = self.records.read([number], KEY_FIELDS)
            if not found:  # damaged, and that was warned about
                return self.records.file.schema_arrow.empty_table().select(KEY_FIELDS)
            while len(self._key_groups) >= KEY_GROUPS:
                del self._key_groups[next(iter(self._key_groups))]
            self._key_groups[number] = found[0][1]
        return self._key_groups[number]

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
        first, last = int(arrays[low, 0]), int(arrays[high - 1].sum())
        sizes, file = self._array_groups(), self.arrays
        if sizes is None or file is None:
            return first, last
        # a long run has arrays in many row groups, and memory should hold few of them
        groups = np.flatnonzero((sizes.first < stop) & (sizes.last >= start))
        if not len(groups):
            return first, first
        return max(first, int(file.starts[groups[0]])), min(last, int(file.starts[groups[-1] + 1]))

    def _array_groups(self) -> ArrayGroups | None:
        """Return the row groups of the file of arrays; None if there is none, or nothing is known of them."""
        file = self.arrays
        if self._sizes is None and file is not None:
            groups = [file.file.metadata.row_group(i) for i in range(file.file.metadata.num_row_groups)]
            known = [group.column(0).statistics for group in groups]
            if all(one is not None and one.has_min_max for one in known):
                columns = ([one.min for one in known], [one.max for one in known], [g.total_byte_size for g in groups])
                self._sizes = ArrayGroups(*(np.array(column, np.int64) for column in columns))
        return self._sizes

    def array_bytes(self, start: int, stop: int) -> int:
        """Return about how many bytes the arrays of some rows have in memory, which may be much more than on disk."""
        if self.note.arrays is None:
            return 0
        try:
            sizes = self._array_groups()
        except DamagedError:
            sizes = None
        if sizes is None:
            return (stop - start) * self.note.arrays.bytes // max(self.note.rows, 1)
        common = np.minimum(sizes.last + 1, stop) - np.maximum(sizes.first, start)
        return int((sizes.bytes * np.maximum(common, 0) / (sizes.last + 1 - sizes.first)).sum())

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
        table = file.rows(*self.array_rows(start, stop))
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
