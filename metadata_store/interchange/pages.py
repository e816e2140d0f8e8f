"""What a Parquet file will take to read, from its own headers, before pyarrow reads it.

A file of a few kilobytes may claim gigabytes: a page that unpacks to zeros, a dictionary of a billion entries, a
million columns. pyarrow believes the header of each page and allocates, so the headers are read here first; those of
the pages themselves, because the sizes in the file's footer are only said to be theirs.

Reference: Apache Parquet, the file format (parquet-format, README and parquet.thrift).

Examples
--------
>>> import io, pyarrow as pa, pyarrow.parquet as pq
>>> from metadata_store.interchange.footer import read_footer
>>> file = io.BytesIO()
>>> pq.write_table(pa.table({"x": [0.5] * 5000}), file)
>>> chunk = read_footer(file).groups[0][0]
>>> [(page.kind, page.values) for page in pages(file, chunk, "x")], batch_rows(file, {"x": chunk})
([(2, 1), (0, 5000)], 1024)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, NamedTuple

from .footer import Chunk
from .thrift import INT32, STRUCT, Compact

MAX_HELD = 2**29  # pages of all columns that are open at one time
BATCH_BYTES, BATCH_ROWS = 2**26, 1024
MAX_HEADER = 2**20
# Encodings whose blocks say themselves how many values they have, which nobody but the decoder can check.
REFUSED = {6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}
DATA, DICTIONARY, DATA2 = 0, 2, 3
BYTE_ARRAY = 6


class Page(NamedTuple):
    """One page as its header has it: kind, bytes unpacked and packed, values, encoding, bytes of the header."""

    kind: int
    unpacked: int
    packed: int
    values: int
    encoding: int
    header: int


def read_page(file: IO[bytes], at: int, stop: int) -> Page:
    """Return the page whose header is at a position.

    Raises
    ------
    EOFError, ValueError : there is no header there.
    """
    wanted = 512
    while True:
        file.seek(at)
        data = file.read(min(wanted, stop - at))
        try:
            return _page(Compact(data))
        except EOFError:
            if len(data) < wanted or wanted >= MAX_HEADER:
                raise
            wanted *= 16


def _page(reader: Compact) -> Page:
    kind = unpacked = packed = values = encoding = -1
    for field, inner in reader.fields():
        if field in (1, 2, 3) and inner == INT32:
            number = reader.integer()
            kind, unpacked, packed = (
                number if field == place else old for place, old in ((1, kind), (2, unpacked), (3, packed))
            )
        elif field in (5, 7, 8) and inner == STRUCT:
            # of data, dictionary and data of version 2
            place = 4 if field == 8 else 2
            for part, deep in reader.fields():
                if part == 1 and deep == INT32:
                    values = reader.integer()
                elif part == place and deep == INT32:
                    encoding = reader.integer()
                else:
                    reader.skip(deep)
        else:
            reader.skip(inner)
    if min(kind, unpacked, packed) < 0 or (kind in (DATA, DICTIONARY, DATA2) and min(values, encoding) < 0):
        raise ValueError("a page has no sizes in its header")
    return Page(kind, unpacked, packed, values, encoding, reader.at)


def pages(file: IO[bytes], chunk: Chunk, name: str) -> Iterator[Page]:
    """Yield the pages of a column in a row group, as pyarrow will meet them.

    Parameters
    ----------
    file : open for reading.
    chunk, name : the column in the row group, and its name for messages.

    Raises
    ------
    EOFError, ValueError : the bytes there are not pages.
    """
    size = file.seek(0, os.SEEK_END)
    at, left = chunk.start, chunk.values
    if not 0 <= at <= chunk.stop <= size:
        raise ValueError(f"the footer has column {name!r} at a place that is not in the file")
    while left > 0 and at < chunk.stop:
        page = read_page(file, at, chunk.stop)
        at += page.header + page.packed
        left -= page.values if page.kind in (DATA, DATA2) else 0
        yield page


def batch_rows(file: IO[bytes], columns: dict[str, Chunk]) -> int:
    """Return how many rows of a row group can be read at a time.

    Parameters
    ----------
    file : open for reading.
    columns : the columns that will be read, by name.

    Returns
    -------
    int : 1 to 1,024; about 64 MiB of values.

    Raises
    ------
    EOFError, ValueError : its pages unpack to more than may be held, or claim what cannot be.
    """
    held, density = 0, 1.0
    for name, chunk in columns.items():
        dictionary = data = 0
        thick = 0.0
        for page in pages(file, chunk, name):
            if page.kind == DICTIONARY:
                # an entry takes a byte at least in the page, and 16 in memory
                if page.values > page.unpacked:
                    raise ValueError(f"a page of column {name!r} claims {page.values} entries in {page.unpacked} bytes")
                dictionary = max(dictionary, page.unpacked + 16 * page.values)
            else:
                data = max(data, page.unpacked)
                thick = max(thick, page.unpacked / max(page.values, 1))
            if page.encoding in REFUSED and chunk.type == BYTE_ARRAY:
                raise ValueError(
                    f"column {name!r} has encoding {REFUSED[page.encoding]}, whose size cannot be known before; save "
                    "the file with plain or dictionary encoding, or as CSV"
                )
            if held + dictionary + data > MAX_HELD:
                raise ValueError(
                    f"the pages of column {name!r} unpack to {dictionary + data} bytes, and all columns to over "
                    f"{MAX_HELD}; save the file with smaller pages, or as CSV"
                )
        held += dictionary + data
        density += thick
    return int(min(max(BATCH_BYTES // density, 1), BATCH_ROWS))
