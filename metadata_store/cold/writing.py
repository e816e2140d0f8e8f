"""Writing one part: tables of records and arrays in, finished Parquet files with their guards out."""

from __future__ import annotations

import base64
import json
import secrets
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import layout
from ..codec import Schema
from ..files import Files
from . import columns
from .guard import Guard
from .manifest import FileNote, PartNote
from .parquet import guard_name
from .part import Card

GROUP_BYTES = 2**24
GROUP_ROWS = (1024, 65536)


class PartWriter:
    """Writes the files of one part; nothing of it counts before a manifest names it.

    Parameters
    ----------
    files : where.
    schemas : (schema, stamp of its first record) of every record that will come, by number.
    kinds : the names that have a column.
    """

    def __init__(self, files: Files, schemas: list[tuple[Schema, int]], kinds: dict[str, str]) -> None:
        self.id = f"{time.time_ns():016x}-{secrets.token_hex(8)}"
        self.kinds = kinds
        self.numbers = {schema: number for number, (schema, _) in enumerate(schemas)}
        self.fields = columns.fields(kinds)
        self.rows = self.array_rows = 0
        self.made: list[str] = []
        self._files, self._schemas = files, schemas
        self._cards: dict[str, Card] = {}
        self._first, self._last = 2**63 - 1, 0
        self._payloads = False
        scratch = files.scratch()
        self._paths = scratch / f"{self.id}.records", scratch / f"{self.id}.arrays"
        self._records = pq.ParquetWriter(
            self._paths[0],
            self.fields,
            compression="lz4",  # numbers are read three times as fast as with zstd
            use_dictionary=[
                n for n, kind in zip(self.fields.names, self.fields.types, strict=True) if kind == pa.string()
            ],
            write_page_checksum=True,
            store_schema=False,
        )
        self._arrays: pq.ParquetWriter | None = None

    @property
    def group_rows(self) -> int:
        """How many rows make a row group of about 16 MiB."""
        least, most = GROUP_ROWS
        return min(max(GROUP_BYTES // (8 * len(self.fields)), least), most)

    def add(self, records: pa.Table, arrays: pa.Table) -> None:
        """Write a row group of each file.

        Parameters
        ----------
        records : rows grouped by run, in append order within each run; a run may go on from the last call.
        arrays : their arrays in the order of the records; column `record` counts from the first row of this call.
        """
        runs, stamps = records.column("run").combine_chunks().dictionary_encode(), records.column("stamp").to_numpy()
        if isinstance(runs, pa.ChunkedArray):
            runs = runs.combine_chunks()
        codes, names = runs.indices.to_numpy(), runs.dictionary.to_pylist()
        owners = arrays.column("record").to_numpy()
        edges = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, np.int64)
        for start, stop in zip(edges.tolist(), [*edges[1:].tolist(), len(codes)], strict=True):
            low, high = np.searchsorted(owners, [start, stop]).tolist()
            before = self._cards.get(names[codes[start]])
            card = Card(
                self.rows + start,
                stop - start,
                int(stamps[start]),
                int(stamps[stop - 1]),
                self.array_rows + low,
                high - low,
            )
            if before is not None:
                card = before._replace(rows=before.rows + card.rows, last=card.last, arrays=before.arrays + card.arrays)
            self._cards[names[codes[start]]] = card
        self._payloads = self._payloads or records.column("payload").null_count < len(records)
        self._first, self._last = min(self._first, int(stamps.min())), max(self._last, int(stamps.max()))
        self._records.write_table(records, row_group_size=len(records))
        if len(arrays):
            arrays = arrays.set_column(0, "record", pa.array(owners + self.rows))
            if self._arrays is None:
                self._arrays = pq.ParquetWriter(
                    self._paths[1],
                    columns.ARRAY_FIELDS,
                    compression="lz4",
                    use_dictionary=["run", "event", "name", "dtype"],
                    write_page_checksum=True,
                    store_schema=False,
                )
            self._arrays.write_table(arrays, row_group_size=len(arrays))
        self.rows, self.array_rows = self.rows + len(records), self.array_rows + len(arrays)

    def finish(self) -> PartNote:
        """Complete the files, put them and their guards into the store, and return what the manifest says of them."""
        about = {
            "version": 1,
            "schemas": [schema.text(number).decode() for schema, number in self.numbers.items()],
            "firsts": [first for _, first in self._schemas],
            "kinds": list(self.kinds.items()),
            "payloads": self._payloads,
        }
        cards = {"run": pa.array(list(self._cards), pa.string())}
        for place, field in enumerate(Card._fields):
            cards[field] = pa.array([card[place] for card in self._cards.values()], pa.int64())
        sink = pa.BufferOutputStream()
        table = pa.table(cards)
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_table(table)
        self._records.add_key_value_metadata(
            {"metaal.part": json.dumps(about), "metaal.cards": base64.b64encode(sink.getvalue().to_pybytes()).decode()}
        )
        self._records.close()
        records = self._publish(self._paths[0], f"{layout.RECORDS}/{self.id}.parquet")
        arrays = None
        if self._arrays is not None:
            self._arrays.close()
            arrays = self._publish(self._paths[1], f"{layout.ARRAYS}/{self.id}.parquet")
        return PartNote(self.id, records, arrays, self.rows, self._first, self._last)

    def _publish(self, path: Path, name: str) -> FileNote:
        guard, note = guarded(path, name)
        self._files.put(guard_name(name), guard.pack())
        self.made.append(guard_name(name))
        self._files.publish(path, name)
        self.made.append(name)
        return note

    def abandon(self) -> None:
        """Remove everything that was made; after another compactor was first, or an error."""
        for writer in (self._records, self._arrays):
            if writer is not None and writer.is_open:
                writer.close()
        for path in self._paths:
            path.unlink(missing_ok=True)
        for name in self.made:
            self._files.remove(name)


def guarded(path: Path, name: str) -> tuple[Guard, FileNote]:
    """Return the guard of a finished local Parquet file and the note of it under its name in the store."""
    size = path.stat().st_size
    with open(path, "rb") as file:

        def fetch(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        # magic and length are the last 8 bytes; the footer is before them
        end = int.from_bytes(fetch(size - 8, 4), "little") + 8
        guard = Guard.of(fetch, size, min(end, size))
    return guard, FileNote(name, size, guard.digest.hex())
