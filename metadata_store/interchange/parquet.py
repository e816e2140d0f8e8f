"""Rows of a Parquet file that may come from anywhere: only the columns that are wanted, in bounded memory.

Examples
--------
>>> import io, pyarrow as pa, pyarrow.parquet as pq
>>> file, path = io.BytesIO(), Path("log.parquet")
>>> pq.write_table(pa.table({"run": ["a", "a"], "parts": [[1], [2]], "acc": [0.5, None]}), file)
>>> headers, kinds = parquet_headers(file, path)
>>> kinds
{'run': 'str', 'parts': '', 'acc': 'float'}
>>> list(parquet_rows(file, path, headers, [0, 2], kinds))
[(1, ['a', None, 0.5]), (2, ['a', None, None])]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..checks import MAX_TEXT
from ..kinds import BOOL, FLOAT, INT, TEXT
from .footer import Footer, read_footer
from .loading import SourceError
from .pages import batch_rows

MAX_ROWS = 10**7  # ten bytes of Parquet can claim a billion, which would fill a disk
MAX_ENTRIES = 10**6  # of any list in the footer, such as its row groups


def parquet_headers(file: IO[bytes], path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the columns of a Parquet file, and the kind of each.

    Parameters
    ----------
    file, path : the open file, and its name for messages.

    Returns
    -------
    (list of str, dict) : the names, and for each "float", "int", "bool", "str", or "" where it has no scalars.

    Raises
    ------
    SourceError : not a Parquet file, or too many columns or rows.
    """
    import pyarrow as pa

    source, footer = _opened(file, path, [])
    if footer.rows > MAX_ROWS:
        raise SourceError(f"{path} claims {footer.rows} rows; at most {MAX_ROWS} are read: split the file")
    schema = source.schema_arrow

    def kind(type: Any) -> str:
        if pa.types.is_dictionary(type):
            type = type.value_type
        if pa.types.is_integer(type):
            return INT
        text = pa.types.is_string(type) or pa.types.is_large_string(type)
        return FLOAT if pa.types.is_floating(type) else BOOL if pa.types.is_boolean(type) else TEXT if text else ""

    return list(schema.names), {field.name: kind(field.type) for field in schema}


def parquet_rows(
    file: IO[bytes], path: Path, headers: list[str], places: list[int], kinds: dict[str, str]
) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row, cells) of a Parquet file; cells of columns that are not wanted are None.

    Parameters
    ----------
    file, path : the open file, and its name for messages.
    headers, kinds : as `parquet_headers` returned them.
    places : numbers of the columns wanted, none of kind "".

    Raises
    ------
    SourceError : a page that would take too much memory, a text of over 1 MiB, damage; with the row.
    """
    import pyarrow as pa

    names = [headers[place] for place in places]
    number = 0
    try:
        # texts are read as entries of a dictionary: one long text in many rows is in memory once
        source, footer = _opened(file, path, [name for name in names if kinds[name] == TEXT])
        for group, chunks in enumerate(footer.groups):
            size = batch_rows(file, {name: chunks[footer.leaves[name]] for name in names})
            batches = source.iter_batches(batch_size=size, row_groups=[group], columns=names, use_threads=False)
            for batch in batches:
                columns = [_cells(batch.column(batch.schema.get_field_index(name)), name) for name in names]
                for some in zip(*columns, strict=True):
                    number += 1
                    cells: list[Any] = [None] * len(headers)
                    for place, cell in zip(places, some, strict=True):
                        cells[place] = cell
                    yield number, cells
    except (pa.ArrowException, OSError, EOFError, LookupError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}, after row {number}: cannot be read: {error}") from error


def _opened(file: IO[bytes], path: Path, texts: list[str]) -> tuple[Any, Footer]:
    """Open a file whose footer is not too large to be believed, and return that too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = read_footer(file)
        source = pq.ParquetFile(
            file,
            page_checksum_verification=True,
            read_dictionary=texts,
            # not whole columns at once, as is done for remote files
            pre_buffer=False,
            buffer_size=2**16,
            thrift_container_size_limit=MAX_ENTRIES,
        )
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise SourceError(f"{path} is not a whole Parquet file that can be read here: {error}") from error
    return source, footer


def _cells(column: Any, name: str) -> list[Any]:
    """Return the cells of a column as Python's own values; equal texts are one object."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used, back = np.unique(places, return_inverse=True)
    entries = column.dictionary
    if pa.types.is_string(entries.type) or pa.types.is_large_string(entries.type):
        lengths = pc.binary_length(entries).to_numpy(zero_copy_only=False)[used[used >= 0]]
        if lengths.max(initial=0) > MAX_TEXT:
            raise SourceError(f"column {name!r} has a text of {lengths.max()} bytes; at most {MAX_TEXT} are allowed")
    values = [entries[k].as_py() if k >= 0 else None for k in used.tolist()]
    return [values[k] for k in back.tolist()]
