"""All scalars of a log as one pyarrow dataset: finished parts in place, the rest from memory.

A part some of whose records have no columns, or are in another part too, is read into memory, since whoever reads its
file alone would miss the ones and count the others twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from .. import codec
from ..checks import Scalar
from ..index import Entry
from ..kinds import FLOAT, INT, KIND_OF
from ..log import Log
from ..record import Record
from . import columns
from .part import Part


def dataset(log: Log) -> ds.Dataset:
    """Return a dataset with a row for each record.

    Parameters
    ----------
    log : up to date.

    Returns
    -------
    pyarrow.dataset.Dataset : run, loop, event, index, at, stamp, and a column for each name.
    """
    kinds = log.index.kinds.of
    schema = columns.fields(kinds, inner=False)
    entries: list[Entry] = []
    dropped: dict[str, set[int]] = {}
    hot = log.index.runs()
    for run in hot:
        entries += log.places(run).hot
    for run in {*hot, *log.overlapping()}:
        for part, _, rows in log.places(run).cold:
            dropped.setdefault(part.note.id, set()).update(rows)
    children: list[ds.Dataset] = []
    inside = [part for part in log.parts if part.has_payloads or dropped.get(part.note.id)]
    paths = [part.note.records.name for part in log.parts if part not in inside]
    if paths:
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        system = log.files.arrow()
        children.append(ds.dataset(paths, schema=schema, format=form, filesystem=system))
    children += [ds.dataset(_decoded(part, schema, kinds, dropped.get(part.note.id, set()))) for part in inside]
    numbers = {entry.schema: 0 for entry in entries}
    table, _ = columns.hot_tables(log.reader, entries, kinds, numbers, arrays=False)
    children.append(ds.dataset(table.select(schema.names).cast(schema)))
    return children[0] if len(children) == 1 else ds.dataset(children)


def _decoded(part: Part, schema: pa.Schema, kinds: Mapping[str, str], dropped: set[int]) -> pa.Table:
    """Return the rows of a part, without some of them, with the values of those that have no columns."""
    found = [schema.empty_table()]
    for number in range(len(part.records.starts) - 1):
        for _, table in part.records.read([number]):
            rows = np.arange(len(table)) + part.records.starts[number]
            keep = ~np.isin(rows, list(dropped))
            plain = ~table.column("payload").is_valid().to_numpy()
            whole = table.filter(pa.array(keep & plain))
            there = [
                whole.column(f.name) if f.name in table.column_names else pa.nulls(len(whole), f.type) for f in schema
            ]
            found.append(pa.table(there, schema.names).cast(schema))
            kept = table.filter(pa.array(keep & ~plain))
            found.append(pa.Table.from_pylist(list(_rows(part, kept, kinds)), schema))
    return pa.concat_tables(found)


def _rows(part: Part, table: pa.Table, kinds: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of records that kept their payload."""
    keys = [name for name, _ in columns.KEYS]
    payloads = table.column("payload").combine_chunks()
    for i, (number, key) in enumerate(
        zip(table.column("schema").to_pylist(), table.select(keys).to_pylist(), strict=True)
    ):
        values = codec.decode(payloads[i].as_buffer(), part.schemas[number]).values
        yield {**key, **{columns.column_of(name): _fitted(value, kinds[name]) for name, value in values.items()}}


def _fitted(value: Scalar, kind: str) -> Scalar | None:
    """Return a value as the kind of its name; None if it is of another one, which verify reports."""
    own = KIND_OF[type(value)]
    return float(value) if (kind, own) == (FLOAT, INT) else value if kind == own else None


def in_memory(records: Iterable[Record], kinds: dict[str, str]) -> ds.Dataset:
    """Return a dataset of records that are in memory, in the order given.

    Parameters
    ----------
    records : N records.
    kinds : the kind of each name.

    Examples
    --------
    >>> in_memory([Record("r", 0, "tell", {"score": 0.5}, at=7)], {"score": "float"}).to_table().to_pylist()
    [{'run': 'r', 'loop': 0, 'event': 'tell', 'index': 0, 'at': 7, 'stamp': 7, 'score': 0.5}]
    """
    schema = columns.fields(kinds, inner=False)
    rows = [
        {
            "run": record.run,
            "loop": record.loop,
            "event": record.event,
            "index": record.index,
            "at": record.at,
            "stamp": record.at,
            **{columns.column_of(name): value for name, value in record.values.items()},
        }
        for record in records
    ]
    return ds.dataset(pa.Table.from_pylist(rows, schema))
