"""Repair's last resort: parts that cannot be mended are written anew, without the rows that are lost."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from ..errors import DamagedError
from ..log import Log
from . import manifest as manifests
from .compacting import clean, counts, own_arrays, recast, writer_of
from .manifest import PartNote
from .part import Part
from .writing import PartWriter


def salvage(log: Log, parts: list[Part], gone: Iterable[str]) -> int:
    """Replace damaged parts by parts of the rows that can be read, forget others; return the number of rows kept."""
    writers = [writer_of(log, [part], {}) for part in parts]
    made: list[PartNote] = []
    try:
        for part, writer in zip(parts, writers, strict=True):
            for start, stop in zip(part.records.starts.tolist(), part.records.starts.tolist()[1:], strict=False):
                table = recast(part, part.records.rows(start, stop), writer)
                table, owned = _with_arrays(table, own_arrays(part, start, stop, 0, lossy=True), writer)
                if len(table):
                    writer.add(table, owned)
            if writer.rows:
                made.append(writer.finish())
            else:
                writer.abandon()
        names = {part.note.id for part in parts}.union(gone)
        keep = [note for note in log.manifest.parts if note.id not in names]
        fresh = manifests.next_of(log.manifest, keep + made, list(log.manifest.absorbed))
        if not manifests.commit(log.files, fresh):
            raise DamagedError("another process compacted the store meanwhile; repair it again")
    except BaseException:
        for writer in writers:
            if not counts(log, writer.id):
                writer.abandon()
        raise
    clean(log, fresh)
    return sum(note.rows for note in made)


def _with_arrays(table: pa.Table, owned: pa.Table, writer: PartWriter) -> tuple[pa.Table, pa.Table]:
    """Leave out rows some of whose arrays are lost."""
    schemas = list(writer.numbers)
    wanted = np.array([len(schema.arrays) for schema in schemas])[table.column("schema").to_numpy()]
    owners = owned.column("record").to_numpy()
    there = np.bincount(owners, minlength=len(table)) if len(owners) else np.zeros(len(table), np.int64)
    keep = np.flatnonzero(there >= wanted)
    if len(keep) == len(table):
        return table, owned
    place = np.full(len(table), -1)
    place[keep] = np.arange(len(keep))
    rows = np.flatnonzero(place[owners] >= 0)
    owned = owned.take(pa.array(rows)).set_column(0, "record", pa.array(place[owners[rows]]))
    return table.take(pa.array(keep)), owned
