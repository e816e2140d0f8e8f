"""Payloads: records as Arrow record batches of five columns, their names and types once in a schema.

One Arrow column for each statistic would cost about 100 bytes of metadata a statistic; instead a record is one row of
five columns, and the schema frame says which number belongs to which name::

    run    utf8        the run
    ints   list<i8>    schema, loop, index, at, stamp · the shapes of all arrays · values of kind int and bool
    floats list<f8>    values of kind float
    texts  list<utf8>  values of kind str
    data   binary      the bytes of all arrays, one after the other
"""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from .checks import Scalar, check_arrays, check_event, check_name
from .errors import DamagedError, StoreError
from .kinds import BOOL, FLOAT, INT, KIND_OF, TEXT
from .record import Record, restored

_INTS, _FLOATS, _TEXTS = pa.list_(pa.int64()), pa.list_(pa.float64()), pa.list_(pa.utf8())
COLUMNS = pa.schema(
    [
        ("run", pa.utf8()),
        ("ints", _INTS),
        ("floats", _FLOATS),
        ("texts", _TEXTS),
        ("data", pa.binary()),
    ]
)
MAX_SCHEMA = 2**26  # names and kinds of 16,384 values and 4,096 arrays take 6 MiB; older records may have more
SCHEMA, LOOP, INDEX, AT, STAMP, HEADS = 0, 1, 2, 3, 4, 5

_PREAMBLE = COLUMNS.serialize().to_pybytes()
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_AT, _BACK, _SLOTS = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<5H")
_RECORD_BATCH = 3


@dataclass(frozen=True)
class Schema:
    """What the numbers of a record mean: its event, names, kinds and array types.

    Parameters
    ----------
    event : the event.
    names, kinds : of the values, in the order of the record.
    arrays : (name, dtype, number of dimensions) of each array.

    Examples
    --------
    >>> schema = Schema("tell", ("score",), ("float",), ())
    >>> Schema.parse(schema.text(3)) == (3, schema)
    True
    """

    event: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    arrays: tuple[tuple[str, str, int], ...]

    @classmethod
    def of(cls, record: Record) -> Schema:
        """Return the schema of a record."""
        return cls(
            record.event,
            tuple(record.values),
            tuple(map(KIND_OF.__getitem__, map(type, record.values.values()))),
            tuple([(name, array.dtype.str, array.ndim) for name, array in record.arrays.items()]),
        )

    def text(self, number: int) -> bytes:
        """Return the payload of the schema frame, JSON."""
        values = list(zip(self.names, self.kinds, strict=True))
        return json.dumps({"id": number, "event": self.event, "values": values, "arrays": self.arrays}).encode()

    @classmethod
    def parse(cls, payload: bytes | memoryview) -> tuple[int, Schema]:
        """Return the number and the schema that a payload describes.

        Raises
        ------
        DamagedError : the payload is not a schema.
        """
        try:
            if len(payload) > MAX_SCHEMA:
                raise ValueError(f"it has {len(payload)} bytes; at most {MAX_SCHEMA} are expected")
            text = json.loads(bytes(payload))
            values = [(check_name(name), str(kind)) for name, kind in text["values"]]
            arrays = tuple([(check_name(name), str(dtype), int(ndim)) for name, dtype, ndim in text["arrays"]])
            if not all(0 <= ndim <= 8 for _, _, ndim in arrays):
                raise ValueError("an array has more than 8 dimensions")
            for name, dtype, ndim in arrays:
                check_arrays({name: np.empty((0,) * ndim, np.dtype(dtype))})
            schema = cls(
                check_event(text["event"]), tuple([v[0] for v in values]), tuple([v[1] for v in values]), arrays
            )
            number = int(text["id"])
        except (ValueError, TypeError, KeyError, RecursionError, StoreError) as error:
            raise DamagedError(f"a schema frame has the right checksum but cannot be read: {error}") from error
        if not set(schema.kinds) <= {FLOAT, INT, BOOL, TEXT} or len(set(schema.names)) < len(schema.names):
            raise DamagedError("a schema frame has the right checksum but an unknown kind or a repeated name")
        return number, schema

    @cached_property
    def floats(self) -> tuple[str, ...]:
        """Names of the values of kind float."""
        return tuple([n for n, kind in zip(self.names, self.kinds, strict=True) if kind == FLOAT])

    @cached_property
    def ints(self) -> tuple[str, ...]:
        """Names of the values of kind int and bool."""
        return tuple([n for n, kind in zip(self.names, self.kinds, strict=True) if kind in (INT, BOOL)])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Names of the values of kind str."""
        return tuple([n for n, kind in zip(self.names, self.kinds, strict=True) if kind == TEXT])

    def __hash__(self) -> int:
        # asked for at every record, and a hash of two hundred names is slow
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.event, self.names, self.kinds, self.arrays))

    @cached_property
    def lengths(self) -> tuple[int, int, int]:
        """How many ints (with the key and shapes), floats and texts a record of this schema has."""
        return self.first_int + len(self.ints), len(self.floats), len(self.texts)

    @cached_property
    def first_int(self) -> int:
        """Position of the first value in the column `ints`."""
        return HEADS + sum(ndim for _, _, ndim in self.arrays)


def _whole(numbers: list[int] | list[float], code: str) -> pa.Buffer:
    return pa.py_buffer(struct.pack(f"<{len(numbers)}{code}", *numbers))


def _list(kind: pa.DataType, values: pa.Array) -> pa.Array:
    return pa.Array.from_buffers(kind, 1, [None, _whole([0, len(values)], "i")], children=[values])


def _strings(kind: pa.DataType, parts: list[bytes]) -> pa.Array:
    ends = list(itertools.accumulate(map(len, parts), initial=0))
    return pa.Array.from_buffers(kind, len(parts), [None, _whole(ends, "i"), pa.py_buffer(b"".join(parts))])


def encode(record: Record, schema: Schema, number: int, stamp: int) -> memoryview:
    """Return the payload of a record frame.

    Parameters
    ----------
    record : the record, with its time.
    schema, number : its schema and the schema's number in this segment.
    stamp : position in the order of all appends, nanoseconds.

    Returns
    -------
    memoryview : an Arrow record batch message without schema.
    """
    values = record.values
    arrays = list(record.arrays.values())
    ints = [number, record.loop, record.index, record.at, stamp]
    for array in arrays:
        ints.extend(array.shape)
    ints.extend([values[name] for name in schema.ints])  # type: ignore[misc]
    floats = [values[name] for name in schema.floats]
    texts = [str(values[name]).encode() for name in schema.texts]
    # arrays are made of buffers: pyarrow.array would import pandas
    columns = [
        _strings(pa.utf8(), [record.run.encode()]),
        _list(_INTS, pa.Array.from_buffers(pa.int64(), len(ints), [None, _whole(ints, "q")])),
        _list(_FLOATS, pa.Array.from_buffers(pa.float64(), len(floats), [None, _whole(floats, "d")])),  # type: ignore[arg-type]
        _list(_TEXTS, _strings(pa.utf8(), texts)),
        _strings(pa.binary(), [b"".join([array.tobytes() for array in arrays])]),
    ]
    return memoryview(pa.RecordBatch.from_arrays(columns, schema=COLUMNS).serialize())


def check_plain(payload: bytes | memoryview) -> None:
    """Refuse a payload that is not a record batch, or whose body is compressed: ours never is, and 17 kB may be 1 GiB.

    Parameters
    ----------
    payload : continuation mark and length (8 bytes), then Arrow's Message, a flatbuffer.

    Raises
    ------
    DamagedError

    Examples
    --------
    >>> record = Record("r", 0, "tell")
    >>> check_plain(encode(record, Schema.of(record), 0, 0))
    """
    try:
        table = 8 + _AT.unpack_from(payload, 8)[0]
        size, _, _, kind, header = _SLOTS.unpack_from(payload, table - _BACK.unpack_from(payload, table)[0])
        if size >= 10 and kind and header and payload[table + kind] == _RECORD_BATCH:
            table += header
            table += _AT.unpack_from(payload, table)[0]
            place = table - _BACK.unpack_from(payload, table)[0]
            # the fourth slot, of compression, is not there, or 0
            if _AT.unpack_from(payload, place)[0] & 0xFFFF < 12 or not payload[place + 10] | payload[place + 11]:
                return
    except (struct.error, IndexError):
        pass
    raise DamagedError("a record frame has the right checksum but a compressed body, or no record batch")


def read_table(payloads: Sequence[bytes | memoryview]) -> pa.Table:
    """Return many records as one table of one chunk, a row for each payload.

    Parameters
    ----------
    payloads : record batch messages, one record each.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DamagedError : a payload is not a record batch of one valid row.
    """
    for payload in payloads:
        check_plain(payload)
    # the messages between a schema and an end mark are an Arrow stream: one call reads thousands of frames
    stream = pa.py_buffer(b"".join([_PREAMBLE, *payloads, _END]))
    try:
        table = pa.ipc.open_stream(stream).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedError(f"a record frame has the right checksum but cannot be read: {error}") from error
    if any(column.null_count for column in table.columns):
        raise DamagedError("a record frame has the right checksum but holds null")
    if [len(chunk) for chunk in table.column(0).chunks] != [1] * len(payloads):
        raise DamagedError("a record frame has the right checksum but not exactly one record")
    return table.combine_chunks()


def lists(table: pa.Table, column: str) -> tuple[np.ndarray, Any]:
    """Return the offsets (i8[n + 1]) and flat values of a list column of a table of one chunk.

    Parameters
    ----------
    table : from `read_table`, with at least one row.
    column : "ints", "floats" or "texts".

    Returns
    -------
    (numpy.ndarray, numpy.ndarray); text as pyarrow.Array
    """
    chunk = table.column(column).chunk(0)
    # by buffer: to_numpy() would import pandas, 0.2 seconds of every process that opens a store
    offsets = np.frombuffer(chunk.buffers()[1], np.int32, len(chunk) + 1, 4 * chunk.offset).astype(np.int64)
    values = chunk.values
    if column == "texts":
        return offsets, values
    return offsets, np.frombuffer(
        values.buffers()[1] or b"", "<i8" if column == "ints" else "<f8", len(values), 8 * values.offset
    )


def scalars(schema: Schema, table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of records of one schema.

    Parameters
    ----------
    schema : of all records.
    table : N records, from `read_table`.

    Returns
    -------
    (f8[N, floats], i8[N, ints and bools], object[N, texts])

    Raises
    ------
    DamagedError : a record does not have what its schema says.
    """
    count = len(table)
    starts, ints = lists(table, "ints")
    sizes = [np.diff(starts), *(np.diff(lists(table, name)[0]) for name in ("floats", "texts"))]
    for size, expected in zip(sizes, schema.lengths, strict=True):
        if (size != expected).any():
            raise DamagedError(f"a record has {size.tolist()} values of a kind; its schema says {expected}")
    texts = np.empty((count, len(schema.texts)), object)
    if schema.texts:
        texts[:] = np.array(lists(table, "texts")[1].to_pylist(), object).reshape(count, len(schema.texts))
    return (
        lists(table, "floats")[1].reshape(count, len(schema.floats)),
        ints[starts[:-1, None] + schema.first_int + np.arange(len(schema.ints))],
        texts,
    )


def check_row(schema: Schema, ints: int, floats: int, texts: int) -> None:
    """Raise `DamagedError` if the lengths of a row are not those that its schema says."""
    expected = schema.lengths
    if (ints, floats, texts) != expected:
        raise DamagedError(f"a record has {(ints, floats, texts)} ints, floats, texts; its schema says {expected}")


def decode(payload: bytes | memoryview, schema: Schema) -> Record:
    """Return the record in a payload.

    Parameters
    ----------
    payload : the payload of a record frame.
    schema : the schema that it names.

    Returns
    -------
    Record

    Raises
    ------
    DamagedError : the payload does not fit the schema.
    """
    table = read_table([payload])
    run = table.column("run").chunk(0)[0].as_py()
    ints = lists(table, "ints")[1].tolist()
    floats = lists(table, "floats")[1].tolist()
    texts = lists(table, "texts")[1].to_pylist()
    check_row(schema, len(ints), len(floats), len(texts))
    numbers = iter(ints[schema.first_int :])
    reals, words = iter(floats), iter(texts)
    values: dict[str, Scalar] = {}
    for name, kind in zip(schema.names, schema.kinds, strict=True):
        if kind == FLOAT:
            values[name] = next(reals)
        elif kind == TEXT:
            values[name] = next(words)
        else:
            values[name] = bool(next(numbers)) if kind == BOOL else next(numbers)
    data = table.column("data").chunk(0)[0].as_buffer()
    arrays = _arrays(schema, ints[HEADS : schema.first_int], data)
    return restored(run, ints[LOOP], schema.event, MappingProxyType(values), arrays, ints[AT], ints[INDEX])


def _arrays(schema: Schema, shapes: list[int], data: pa.Buffer) -> Mapping[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    start = used = 0
    for name, text, ndim in schema.arrays:
        shape, dtype = tuple(shapes[used : used + ndim]), np.dtype(text)
        count = math.prod(shape)
        stop = start + count * dtype.itemsize
        if min(shape, default=0) < 0 or stop > data.size:
            raise DamagedError(f"array {name!r} of shape {shape} does not fit into the {data.size} bytes of its record")
        array = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
        array = array.reshape(shape).copy()  # a view would keep the whole payload in memory
        array.setflags(write=False)
        arrays[name] = array
        start, used = stop, used + ndim
    if start != data.size:
        raise DamagedError(f"a record has {data.size} bytes of arrays; its schema says {start}")
    return MappingProxyType(arrays)
