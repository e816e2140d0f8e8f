"""What the columns of the cold tier are, and how records of the hot tier become rows of them.

One row is one record: its key and times, the number of its schema, then a column for each name of the store that any
record of the part has; null where the record has no such value. A name that is also one of the key's is written with
"value:" before it. Records that do not fit (too many names, or of another kind than their name has) keep the payload
that they had in their segment.

Arrays are rows of a second file: float64 arrays as lists of floats, int64 arrays as lists of ints, all others as the
bytes that they had.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .. import codec
from ..codec import Schema
from ..index import Entry
from ..kinds import BOOL, FLOAT, INT, TEXT
from ..reading import Reader, blocks

KEYS: list[tuple[str, pa.DataType]] = [
    ("run", pa.string()),
    ("loop", pa.int64()),
    ("event", pa.string()),
    ("index", pa.int64()),
    ("at", pa.int64()),
    ("stamp", pa.int64()),
]
INNER: list[tuple[str, pa.DataType]] = [("schema", pa.int32()), ("payload", pa.binary())]
ARRAY_FIELDS = pa.schema(
    [
        ("record", pa.int64()),
        ("run", pa.string()),
        ("loop", pa.int64()),
        ("event", pa.string()),
        ("index", pa.int64()),
        ("name", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("floats", pa.list_(pa.float64())),
        ("ints", pa.list_(pa.int64())),
        ("data", pa.binary()),
    ]
)
TYPES = {FLOAT: pa.float64(), INT: pa.int64(), BOOL: pa.bool_(), TEXT: pa.string()}
WIDEST = 4096  # more columns than this and other programs suffer
_RESERVED = {name for name, _ in KEYS + INNER}


def column_of(name: str) -> str:
    """Return the column of a name.

    Examples
    --------
    >>> column_of("pool.size"), column_of("loop")
    ('pool.size', 'value:loop')
    """
    return f"value:{name}" if name in _RESERVED else name


def fields(kinds: dict[str, str], *, inner: bool = True) -> pa.Schema:
    """Return the Arrow schema of a table of records.

    Parameters
    ----------
    kinds : the kind of each name, in the order of the columns.
    inner : with the columns that only this package needs.
    """
    columns = KEYS + (INNER if inner else [])
    return pa.schema([*columns, *((column_of(name), TYPES[kind]) for name, kind in kinds.items())])


def fits(schema: Schema, kinds: dict[str, str]) -> bool:
    """Say whether records of a schema can be rows of a table with these columns.

    Examples
    --------
    >>> fits(Schema("tell", ("score",), ("float",), ()), {"score": "float"})
    True
    """
    return all(kinds.get(name) == kind for name, kind in zip(schema.names, schema.kinds, strict=True))


def chosen_names(schemas: Sequence[Schema], kinds: dict[str, str], kept: Collection[str] = ()) -> dict[str, str]:
    """Return the names that get a column: those of older parts, then narrow schemas first while there is room."""
    chosen = set(kept)
    for schema in sorted(schemas, key=lambda schema: len(schema.names)):
        wanted = chosen.union(schema.names)
        if len(wanted) <= WIDEST:
            chosen = wanted
    return {name: kind for name, kind in kinds.items() if name in chosen}


def hot_tables(
    reader: Reader,
    entries: Sequence[Entry],
    kinds: dict[str, str],
    numbers: dict[Schema, int],
    first: int = 0,
    *,
    arrays: bool = True,
) -> tuple[pa.Table, pa.Table]:
    """Return records of segments as a table of records and a table of arrays.

    Parameters
    ----------
    reader : of the segments.
    entries : N of them, in the order of the rows.
    kinds : the names that have a column.
    numbers : the number of each schema.
    first : number of the first row, for the arrays.
    arrays : whether the arrays are wanted.

    Returns
    -------
    (pyarrow.Table of N rows, pyarrow.Table)
    """
    count = len(entries)
    loops, index = np.array([e.loop for e in entries], np.int64), np.array([e.order for e in entries], np.int64)
    at, stamp = np.zeros(count, np.int64), np.array([e.stamp for e in entries], np.int64)
    runs, events = [e.run for e in entries], [e.schema.event for e in entries]
    values: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    payloads: list[bytes | None] = [None] * count
    found_arrays: list[tuple[int, str, str, list[int], Any]] = []
    for own, rows, payload, table in blocks(reader, entries):
        starts, ints = codec.lists(table, "ints")
        at[rows] = ints[starts[:-1] + codec.AT]
        if fits(own, kinds):
            _scalars(own, rows, table, values, count)
        else:
            for row, body in zip(rows.tolist(), payload, strict=True):
                payloads[row] = bytes(body)
        if own.arrays and arrays:
            found_arrays.extend(_arrays(own, rows, table, ints, starts))
    found_arrays.sort(key=lambda array: array[0])
    columns: dict[str, Any] = {
        "run": pa.array(runs, pa.string()),
        "loop": loops,
        "event": pa.array(events, pa.string()),
        "index": index,
        "at": at,
        "stamp": stamp,
        "schema": np.array([numbers[e.schema] for e in entries], np.int32),
        "payload": pa.array(payloads, pa.binary()),
    }
    schema = fields(kinds)
    for name, kind in kinds.items():
        column = values.get(name)
        if column is None:
            columns[column_of(name)] = pa.nulls(count, TYPES[kind])
            continue
        data, missing = column
        mask = missing if missing.any() else None
        if kind == TEXT:
            columns[column_of(name)] = pa.array(data, pa.string(), mask=mask, from_pandas=False)
        else:
            data = data.astype(bool) if kind == BOOL else data
            columns[column_of(name)] = pa.array(data, TYPES[kind], mask=mask, from_pandas=False)
    return pa.table(columns, schema), _array_table(found_arrays, runs, loops, events, index, first)


def _scalars(
    schema: Schema,
    rows: np.ndarray,
    table: pa.Table,
    values: dict[str, tuple[np.ndarray, np.ndarray]],
    count: int,
) -> None:
    """Put the scalars of one schema into columns of (values, missing)."""
    named = (schema.floats, schema.ints, schema.texts)
    for names, data, dtype in zip(named, codec.scalars(schema, table), (np.float64, np.int64, object), strict=True):
        for i, name in enumerate(names):
            if name not in values:
                values[name] = np.zeros(count, dtype), np.ones(count, bool)
            values[name][0][rows] = data[:, i]
            values[name][1][rows] = False


def _arrays(
    schema: Schema, rows: np.ndarray, table: pa.Table, ints: np.ndarray, starts: np.ndarray
) -> list[tuple[int, str, str, list[int], Any]]:
    """Return (row, name, dtype, shape, bytes) of each array."""
    found = []
    data = table.column("data").chunk(0)
    sizes = [np.dtype(dtype).itemsize for _, dtype, _ in schema.arrays]
    for i, row in enumerate(rows.tolist()):
        shapes = ints[starts[i] + codec.HEADS : starts[i] + schema.first_int].tolist()
        whole = memoryview(data[i].as_buffer())
        used = at = 0
        for (name, dtype, ndim), size in zip(schema.arrays, sizes, strict=True):
            shape = shapes[used : used + ndim]
            length = size
            for side in shape:
                length *= side
            found.append((row, name, dtype, shape, whole[at : at + length]))
            used, at = used + ndim, at + length
    return found


def _array_table(
    arrays: list[tuple[int, str, str, list[int], Any]],
    runs: list[str],
    loops: np.ndarray,
    events: list[str],
    index: np.ndarray,
    first: int,
) -> pa.Table:
    rows = np.array([array[0] for array in arrays], np.int64)
    floats = _lists([array[4] if array[2] == "<f8" else None for array in arrays], np.float64, pa.float64())
    ints = _lists([array[4] if array[2] == "<i8" else None for array in arrays], np.int64, pa.int64())
    data = pa.array([None if array[2] in ("<f8", "<i8") else bytes(array[4]) for array in arrays], pa.binary())
    columns = {
        "record": rows + first,
        "run": pa.array([runs[row] for row in rows.tolist()], pa.string()),
        "loop": loops[rows],
        "event": pa.array([events[row] for row in rows.tolist()], pa.string()),
        "index": index[rows],
        "name": pa.array([array[1] for array in arrays], pa.string()),
        "dtype": pa.array([array[2] for array in arrays], pa.string()),
        "shape": pa.array([array[3] for array in arrays], pa.list_(pa.int64())),
        "floats": floats,
        "ints": ints,
        "data": data,
    }
    return pa.table(columns, ARRAY_FIELDS)


def _lists(parts: list[Any], dtype: type, kind: pa.DataType) -> pa.Array:
    """Return a list array of the bytes of numbers; null where there are none."""
    there: list[np.ndarray] = [np.frombuffer(part, dtype) for part in parts if part is not None]
    lengths = np.array([0 if part is None else len(part) // 8 for part in parts], np.int64)
    offsets = np.zeros(len(parts) + 1, np.int32)
    offsets[1:] = np.cumsum(lengths)
    missing = np.array([part is None for part in parts], bool)
    values = np.concatenate(there) if there else np.zeros(0, dtype)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values, kind), type=pa.list_(kind), mask=pa.array(missing) if len(parts) else None
    )
