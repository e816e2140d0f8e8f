"""From a log to the keys and values of a table, without making records: parts by columns, segments by schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from . import codec, reading, tables
from .codec import Schema
from .cold import columns as cold
from .cold.part import Part
from .index import Entry
from .kinds import BOOL, FLOAT, TEXT
from .log import Log


def select(
    log: Log, runs: Sequence[str], kinds: dict[str, str], *, long: bool
) -> tuple[tables.Selection, list[tables.Source]]:
    """Return the keys and values of some runs.

    Parameters
    ----------
    log : up to date.
    runs : in the order wanted.
    kinds : the kind of each name wanted.
    long : with indexes, times and events, which a wide table does not need.

    Raises
    ------
    UnknownRunError : a run that is not there.
    """
    entries: list[Entry] = []
    owners: list[int] = []
    wanted: dict[str, tuple[Part, list[tuple[int, int, int, frozenset[int]]]]] = {}
    for code, run in enumerate(runs):
        places = log.places(run)
        entries += places.hot
        owners += [code] * len(places.hot)
        for part, card, dropped in places.cold:
            wanted.setdefault(part.note.id, (part, []))[1].append((card.start, card.rows, code, dropped))
    parts = [_cold_keys(part, sorted(rows, key=lambda row: row[:2]), long) for part, rows in wanted.values()]
    at = np.zeros(len(entries), np.int64)
    blocks = _hot_blocks(log.reader, entries, at)
    keys = [key for key, *_ in parts] + [_hot_keys(entries, owners, at)]
    run_of, loop, index, at, event, stamp = (np.concatenate(column) for column in zip(*keys, strict=True))
    later = (run_of[1:] > run_of[:-1]) | ((run_of[1:] == run_of[:-1]) & (stamp[1:] >= stamp[:-1]))
    sort = np.arange(len(run_of)) if later.all() else np.lexsort((stamp, run_of))
    position = np.empty(len(sort), np.int64)
    position[sort] = np.arange(len(sort))
    sources: list[tables.Source] = []
    start = 0
    for (key, rows, schemas), (part, _) in zip(parts, wanted.values(), strict=True):
        sources.append(PartRows(part, rows, position[start : start + len(key[0])], schemas))
        start += len(key[0])
    for schema, places, *values in blocks:
        sources.append(tables.Block(schema, position[start + places], *values))
    return tables.Selection(list(runs), run_of[sort], loop[sort], index[sort], at[sort], event[sort]), sources


def _hot_keys(entries: list[Entry], owners: list[int], at: np.ndarray) -> list[np.ndarray]:
    columns: list[Any] = [owners, [e.loop for e in entries], [e.order for e in entries]]
    keys = [np.array(column, np.int64) for column in columns]
    events = np.array([entry.schema.event for entry in entries], object)
    return [*keys, at, events, np.array([entry.stamp for entry in entries], np.int64)]


def _hot_blocks(reader: reading.Reader, entries: list[Entry], at: np.ndarray) -> list[tuple[Any, ...]]:
    """Return (schema, rows, floats, ints, texts) of entries by schema, and fill in their times."""
    parts: dict[Schema, list[tuple[np.ndarray, ...]]] = {}
    for schema, rows, _, table in reading.blocks(reader, entries):
        starts, numbers = codec.lists(table, "ints")
        at[rows] = numbers[starts[:-1] + codec.AT]
        parts.setdefault(schema, []).append((rows, *codec.scalars(schema, table)))
    return [
        (schema, *(np.concatenate(columns) for columns in zip(*part, strict=True))) for schema, part in parts.items()
    ]


def _cold_keys(
    part: Part, wanted: list[tuple[int, int, int, frozenset[int]]], long: bool
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the keys of rows of a part, the rows, and their schemas; those that cannot be read are left out."""
    rows = np.concatenate([np.arange(start, start + count) for start, count, _, _ in wanted])
    owners = np.repeat([code for _, _, code, _ in wanted], [count for _, count, _, _ in wanted])
    dropped = [row for *_, own in wanted for row in own]
    if dropped:
        keep = ~np.isin(rows, dropped)
        rows, owners = rows[keep], owners[keep]
    kept, table = part.scan(rows, ["loop", "stamp", "schema", *(["index", "at", "event"] if long else [])])
    nothing = np.zeros(len(table), np.int64)
    keys = [
        owners[kept],
        table.column("loop").to_numpy(),
        table.column("index").to_numpy() if long else nothing,
        table.column("at").to_numpy() if long else nothing,
        table.column("event").to_numpy() if long else np.zeros(len(table), object),
        table.column("stamp").to_numpy(),
    ]
    return keys, rows[kept], table.column("schema").to_numpy()


@dataclass
class PartRows:
    """The scalars of N rows of a part, read one row group after the other when they are asked for.

    Parameters
    ----------
    part : the part.
    rows : i8[N], ascending.
    order : i8[N], position of each in the whole selection.
    schemas : i4[N], number of the schema of each.
    """

    part: Part
    rows: np.ndarray
    order: np.ndarray
    schemas: np.ndarray

    def __post_init__(self) -> None:
        self._last: tuple[str, np.ndarray] | None = None

    def pieces(self, kinds: dict[str, str]) -> Iterator[tables.Piece]:
        """Yield the values of each name wanted, in pieces; see `tables.Source`."""
        part = self.part
        wanted = {name: kind for name, kind in part.kinds.items() if name in kinds}
        names = [cold.column_of(name) for name in wanted] + (["payload"] if part.has_payloads else [])
        if not names:
            return
        for places, table in part.walk(self.rows, names):
            order, schemas = self.order[places], self.schemas[places]
            sort = np.argsort(order) if (order[1:] < order[:-1]).any() else None
            for name, kind in wanted.items():
                values, valid = _values(table.column(cold.column_of(name)), kind)
                chosen: Any = slice(None) if sort is None else sort
                if valid is not None:
                    chosen = np.flatnonzero(valid) if sort is None else sort[valid[sort]]
                self._last = name, schemas[chosen]
                values = values.astype(np.float64) if kinds[name] == FLOAT != kind else values
                yield name, order[chosen], values[chosen]
            if part.has_payloads:
                yield from self._decoded(table.column("payload").combine_chunks(), order, schemas, kinds)

    def slots(self, name: str) -> np.ndarray:
        """Return the place of a name in each record of the piece yielded last; see `tables.Source`."""
        schemas = self._last[1] if self._last is not None and self._last[0] == name else np.zeros(0, np.int64)
        places = [schema.names.index(name) if name in schema.names else 0 for schema in self.part.schemas]
        return np.array(places, np.int64)[schemas]

    def _decoded(
        self, payloads: pa.Array, order: np.ndarray, schemas: np.ndarray, kinds: dict[str, str]
    ) -> Iterator[tables.Piece]:
        """Yield the values of records that kept their payload."""
        there = payloads.is_valid().to_numpy(zero_copy_only=False)
        for number in np.unique(schemas[there]).tolist():
            rows = np.flatnonzero(there & (schemas == number))
            decoded = codec.read_table([memoryview(payloads[row].as_buffer()) for row in rows.tolist()])
            schema = self.part.schemas[number]
            for piece in tables.Block(schema, order[rows], *codec.scalars(schema, decoded)).pieces(kinds):
                self._last = piece[0], np.full(len(rows), number)
                yield piece


def _values(column: pa.ChunkedArray, kind: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a column, and where there are any (None: everywhere)."""
    valid = column.is_valid().to_numpy() if column.null_count else None
    if kind not in (FLOAT, TEXT):
        column = column.cast(pa.int64()) if kind == BOOL else column
        column = column.fill_null(0) if valid is not None else column
    return column.to_numpy(), valid
