"""From a log to the keys and values of a table, without making records: parts by columns, segments by schema."""

from __future__ import annotations

from collections.abc import Sequence
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
    parts = [_cold_keys(part, sorted(rows, key=lambda row: row[:2]), kinds, long) for part, rows in wanted.values()]
    at = np.zeros(len(entries), np.int64)
    blocks = _hot_blocks(log.reader, entries, at)
    keys = [key for key, _ in parts] + [_hot_keys(entries, owners, at)]
    run_of, loop, index, at, event, stamp = (np.concatenate(column) for column in zip(*keys, strict=True))
    later = (run_of[1:] > run_of[:-1]) | ((run_of[1:] == run_of[:-1]) & (stamp[1:] >= stamp[:-1]))
    sort = np.arange(len(run_of)) if later.all() else np.lexsort((stamp, run_of))
    position = np.empty(len(sort), np.int64)
    position[sort] = np.arange(len(sort))
    sources: list[tables.Source] = []
    start = 0
    for (key, table), (part, _) in zip(parts, wanted.values(), strict=True):
        sources += _cold_sources(part, table, position[start : start + len(key[0])], kinds)
        start += len(key[0])
    for schema, rows, *values in blocks:
        sources.append(tables.Block(schema, position[start + rows], *values))
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
    part: Part, wanted: list[tuple[int, int, int, frozenset[int]]], kinds: dict[str, str], long: bool
) -> tuple[list[np.ndarray], pa.Table]:
    """Return the keys of rows of a part, and a table of their values; rows that cannot be read are left out."""
    rows = np.concatenate([np.arange(start, start + count) for start, count, _, _ in wanted])
    owners = np.repeat([code for _, _, code, _ in wanted], [count for _, count, _, _ in wanted])
    dropped = [row for *_, own in wanted for row in own]
    if dropped:
        keep = ~np.isin(rows, dropped)
        rows, owners = rows[keep], owners[keep]
    names = ["loop", "stamp", "schema"]
    names += ["index", "at", "event"] if long else []
    names += ["payload"] if part.has_payloads else []
    names += [cold.column_of(name) for name in part.kinds if name in kinds]
    kept, table = part.scan(rows, names)
    count = len(table)
    nothing = np.zeros(count, np.int64)
    keys = [
        owners[kept],
        table.column("loop").to_numpy(),
        table.column("index").to_numpy() if long else nothing,
        table.column("at").to_numpy() if long else nothing,
        table.column("event").to_numpy() if long else np.zeros(count, object),
        table.column("stamp").to_numpy(),
    ]
    return keys, table


def _cold_sources(part: Part, table: pa.Table, order: np.ndarray, kinds: dict[str, str]) -> list[tables.Source]:
    """Return the values of rows of a part; those that kept their payload are decoded."""
    columns: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for name, kind in part.kinds.items():
        if name not in kinds:
            continue
        column = table.column(cold.column_of(name))
        valid = column.is_valid().to_numpy() if column.null_count else None
        if kind not in (FLOAT, TEXT):
            column = column.cast(pa.int64()) if kind == BOOL else column
            column = column.fill_null(0) if valid is not None else column
        values = column.to_numpy(zero_copy_only=False)
        columns[name] = (values.astype(np.float64) if kinds[name] == FLOAT != kind else values), valid
    schemas = table.column("schema").to_numpy()
    names = [schema.names for schema in part.schemas]
    sources: list[tables.Source] = [tables.Columns(order, columns, names, schemas)]
    if part.has_payloads:
        payloads = table.column("payload").combine_chunks()
        there = payloads.is_valid().to_numpy(zero_copy_only=False)
        for number in np.unique(schemas[there]).tolist():
            rows = np.flatnonzero(there & (schemas == number))
            decoded = codec.read_table([memoryview(payloads[row].as_buffer()) for row in rows.tolist()])
            sources.append(
                tables.Block(part.schemas[number], order[rows], *codec.scalars(part.schemas[number], decoded))
            )
    return sources
