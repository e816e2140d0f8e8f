"""All scalars of a log as one pyarrow dataset: finished parts in place, the rest from memory."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.dataset as ds

from ..index import Entry
from ..log import Log
from ..record import Record
from . import columns


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
    for run in log.index.runs():
        entries += log.places(run).hot
    children: list[ds.Dataset] = []
    paths = [part.note.records.name for part in log.parts]
    if paths:
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        system = log.files.arrow()
        children.append(ds.dataset(paths, schema=schema, format=form, filesystem=system))
    numbers = {entry.schema: 0 for entry in entries}
    table, _ = columns.hot_tables(log.reader, entries, kinds, numbers, arrays=False)
    children.append(ds.dataset(table.select(schema.names).cast(schema)))
    return children[0] if len(children) == 1 else ds.dataset(children)


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
