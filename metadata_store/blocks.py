"""Tables with a row for each sample, kept beside the log as immutable Parquet files that a record names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import layout
from .checks import check_name
from .errors import DamagedError, RecordError, UnknownNameError, nearest
from .files import Files
from .record import Record

_FILE = re.compile(rf"{layout.BLOCKS}/[0-9a-f]{{16}}-[0-9a-f]{{32}}\.parquet")


def table_of(columns: Mapping[str, Any] | pa.Table) -> pa.Table:
    """Return the table of a block.

    Parameters
    ----------
    columns : equally long columns of bool, integers, floats or text, by name.

    Raises
    ------
    RecordError : no column, columns of unequal length, a column with another type or more than one dimension.

    Examples
    --------
    >>> table_of({"id": np.arange(3), "margin": [0.1, 0.2, 0.3]}).num_rows
    3
    """
    if not isinstance(columns, pa.Table | Mapping):
        raise RecordError(f"columns is of type {type(columns).__name__}; give a mapping of arrays or a pyarrow.Table")
    names = columns.column_names if isinstance(columns, pa.Table) else list(columns)
    if not names:
        raise RecordError("the block has no columns; give at least one, such as {'id': ids}")
    found: dict[str, pa.ChunkedArray | pa.Array] = {}
    for name in names:
        check_name(name)
        found[name] = columns[name] if isinstance(columns, pa.Table) else _column(name, columns[name])
        kind = found[name].type
        plain = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not plain and not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
            raise RecordError(f"column {name!r} is of type {kind}; give bool, integers, floats or text")
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise RecordError(f"the columns have unequal lengths {lengths}; give one value a sample in each")
    return pa.table(found).combine_chunks()


def _column(name: str, values: Any) -> pa.Array:
    array = values if isinstance(values, pa.Array) else np.asarray(values)
    if isinstance(array, np.ndarray) and (array.ndim != 1 or array.dtype.kind not in "biufU"):
        raise RecordError(
            f"column {name!r} has dtype {array.dtype} and {array.ndim} dimensions; give one dimension of bool, "
            f"integers, floats or text: a matrix is several columns, such as embedding_0, embedding_1, …"
        )
    return pa.array(array, from_pandas=False)


def digest(table: pa.Table) -> str:
    """Return a hash of what a table holds, the same with every version of Arrow; 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for name, column in zip(table.column_names, table.columns, strict=True):
        found.update(f"{name}\0{column.type}\0{len(column)}\0".encode())
        found.update(np.packbits(column.is_null().combine_chunks().to_numpy(zero_copy_only=False)).tobytes())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            for text in column.to_pylist():
                raw = (text or "").encode()
                found.update(len(raw).to_bytes(4, "little") + raw)
        else:
            zero = pa.scalar(0).cast(column.type)
            found.update(column.fill_null(zero).combine_chunks().to_numpy(zero_copy_only=False).tobytes())
    return found.hexdigest()


def record_of(run: str, loop: int, table: pa.Table, *, name: str, event: str, index: int, at: int) -> Record:
    """Return the record that names a block."""
    content = digest(table)
    key = hashlib.blake2b(repr((run, loop, event, index, name)).encode(), digest_size=8).hexdigest()
    values = {
        "block.name": check_name(name),
        "block.file": f"{layout.BLOCKS}/{key}-{content}.parquet",
        "block.rows": table.num_rows,
        "block.bytes": table.nbytes,
        "block.hash": content,
    }
    return Record(run, loop, event, values, at=at, index=index)


def find(records: list[Record], run: str, loop: int, name: str) -> Record:
    """Return the latest record that names a block of a loop.

    Raises
    ------
    UnknownNameError : there is none.
    DamagedError : its file has an impossible name.
    """
    there: dict[str, None] = {}
    for record in reversed(records):
        own = record.values.get("block.name")
        if record.loop == loop and own is not None and "block.file" in record.values:
            if own == name:
                # a store may come from somebody else, and a name must not lead out of it
                if not _FILE.fullmatch(str(record.values["block.file"])):
                    raise DamagedError(f"a record names the block {record.values['block.file']!r}, which cannot be one")
                return record
            there[str(own)] = None
    raise UnknownNameError(f"run {run!r} has no block {name!r} in loop {loop}; {nearest(str(name), there)}")


def unguarded(files: Files, name: str) -> pa.Table | None:
    """Return a block whose guard is damaged, if what is in it has the hash that is in its name."""
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(pa.BufferReader(files.fetch(name, 0, 2**62)), page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return None
    return found if name.endswith(f"-{digest(found)}.parquet") else None


def write(files: Files, record: Record, table: pa.Table) -> None:
    """Put the file of a block into a store, if it is not there."""
    import pyarrow.parquet as pq

    from .cold.parquet import guard_name
    from .cold.writing import guarded

    name = str(record.values["block.file"])
    folder, _, file = name.rpartition("/")
    if file in files.sizes(folder) and guard_name(name).rpartition("/")[2] in files.sizes(layout.GUARDS):
        return
    path: Path = files.scratch() / file
    try:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True, store_schema=True)
        guard, _ = guarded(path, name)
        files.remove(guard_name(name))
        files.put(guard_name(name), guard.pack())
        files.publish(path, name)
    finally:
        path.unlink(missing_ok=True)
