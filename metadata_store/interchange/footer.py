"""The footer of a Parquet file, read by ourselves: what columns there are, and where their bytes stand.

pyarrow's own view of it cannot be used on a file that may come from anywhere: a footer that contradicts itself (sizes
of texts for a column of truth values) ends the whole process in `RowGroupMetaData.column`.

Reference: Apache Parquet, the file format (parquet-format, README and parquet.thrift).

Examples
--------
>>> import io, pyarrow as pa, pyarrow.parquet as pq
>>> file = io.BytesIO()
>>> pq.write_table(pa.table({"run": ["a"], "x": [0.5]}), file)
>>> footer = read_footer(file)
>>> footer.rows, footer.leaves, [[chunk.values for chunk in group] for group in footer.groups]
(1, {'run': 0, 'x': 1}, [[1, 1]])
"""

from __future__ import annotations

import os
from typing import IO, NamedTuple

from ..checks import MAX_VALUES
from .thrift import BINARY, INT32, INT64, LIST, STRUCT, Compact

MAX_COLUMNS = MAX_VALUES + 2  # a record's, and the columns of run and loop
MAX_FOOTER = 2**24
MAX_SCHEMA_DEPTH = 64
MAGIC = b"PAR1"


class Chunk(NamedTuple):
    """One column of one row group: its physical type, its values, and where its pages begin and end."""

    type: int
    values: int
    start: int
    stop: int


class Footer(NamedTuple):
    """Rows of the file; number of each column that is not nested, by name; the chunks of each row group."""

    rows: int
    leaves: dict[str, int]
    groups: list[list[Chunk]]


def read_footer(file: IO[bytes]) -> Footer:
    """Return the footer, or refuse it: too large to be read, too many columns, or too deeply nested ones.

    Parameters
    ----------
    file : open for reading.

    Raises
    ------
    EOFError, ValueError : what is wrong.
    """
    size = file.seek(0, os.SEEK_END)
    if size < 12:
        raise ValueError(f"{size} bytes are no Parquet file")
    file.seek(size - 8)
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size - 12:
        raise ValueError("its last bytes are not those of a Parquet file")
    if length > MAX_FOOTER:
        raise ValueError(
            f"its footer has {length} bytes; at most {MAX_FOOTER} are read: save it with fewer columns or row groups"
        )
    file.seek(size - 8 - length)
    reader = Compact(file.read(length))
    rows, leaves, groups = -1, dict[str, int](), list[list[Chunk]]()
    for field, kind in reader.fields():
        if (field, kind) == (2, LIST):
            leaves = _leaves(reader)
        elif (field, kind) == (3, INT64):
            rows = reader.integer()
        elif (field, kind) == (4, LIST):
            count, inner = reader.items()
            groups = [_group(reader, inner) for _ in range(count)]
        else:
            reader.skip(kind)
    if rows < 0:
        raise ValueError("its footer does not say how many rows there are")
    return Footer(rows, leaves, groups)


def _leaves(reader: Compact) -> dict[str, int]:
    """Return the number of each column that is not nested; columns within others count, and are passed over."""
    count, kind = reader.items()
    open_: list[int] = []  # children still to come, of each level
    columns = leaf = 0
    leaves: dict[str, int] = {}
    for number in range(count):
        children, name = 0, b""
        _struct(kind)
        for field, inner in reader.fields():
            if (field, inner) == (5, INT32):
                children = reader.integer()
            elif (field, inner) == (4, BINARY):
                name = reader.binary()
            else:
                reader.skip(inner)
        if number and children <= 0:
            if len(open_) == 1:
                leaves[name.decode("utf-8")] = leaf
            leaf += 1
        columns += len(open_) == 1
        if open_:
            open_[-1] -= 1
        if children > 0:
            open_.append(children)
        else:
            while open_ and open_[-1] <= 0:
                open_.pop()
        if len(open_) > MAX_SCHEMA_DEPTH:
            raise ValueError(f"its columns are nested over {MAX_SCHEMA_DEPTH} levels deep")
        if columns > MAX_COLUMNS or number > 4 * MAX_COLUMNS:
            raise ValueError(f"it has over {MAX_COLUMNS} columns; save those that are wanted in a file of their own")
    return leaves


def _group(reader: Compact, kind: int) -> list[Chunk]:
    _struct(kind)
    chunks: list[Chunk] = []
    for field, inner in reader.fields():
        if (field, inner) == (1, LIST):
            count, deep = reader.items()
            chunks = [_chunk(reader, deep) for _ in range(count)]
        else:
            reader.skip(inner)
    return chunks


def _chunk(reader: Compact, kind: int) -> Chunk:
    _struct(kind)
    found = dict.fromkeys((1, 5, 7, 9, 11), 0)  # type, values, bytes, place of the data, place of the dictionary
    for field, inner in reader.fields():
        if (field, inner) != (3, STRUCT):
            reader.skip(inner)
            continue
        for part, deep in reader.fields():
            if part in found and deep == (INT32 if part == 1 else INT64):
                found[part] = reader.integer()
            else:
                reader.skip(deep)
    # as pyarrow does: the dictionary, if there is one, stands before the data
    start = found[11] if 0 < found[11] < found[9] else found[9]
    return Chunk(found[1], found[5], start, start + found[7])


def _struct(kind: int) -> None:
    if kind != STRUCT:
        raise ValueError("its footer has a list of something else than it should")
