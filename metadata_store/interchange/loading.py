"""From JSONL into a store: in batches, each place known by its line, and safe to repeat."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from ..errors import ConflictError, RecordError, StoreError
from ..record import Record
from ..store import Store
from . import jsonl

BATCH_RECORDS, BATCH_BYTES = 512, 2**23
MAX_LINE = 2**31  # a record of 1 GiB has 1.4 GiB of base64
FIRST = 2**20  # bytes of a line that must look like one before the rest is read


class SourceError(StoreError, ValueError):
    """A file that is being loaded has something that cannot become a record; the message says where."""


class Loaded(NamedTuple):
    """How many records a file had, and how many of them are new in the store."""

    read: int
    new: int


Progress = Callable[[int, int], None]


def load(source: str | os.PathLike[str], store: Store, *, progress: Progress | None = None) -> Loaded:
    """Append every record of a JSONL file, as `export` writes it, to a store.

    The times are kept. Records that are there already count as read and not as new, so the same call again, after a
    crash too, completes the rest. Memory holds a batch of lines. A run keeps its order of records.

    Parameters
    ----------
    source : the file, one record a line in UTF-8; empty lines are passed over.
    store : any store.
    progress : called with (bytes read, bytes in all).

    Returns
    -------
    Loaded

    Raises
    ------
    SourceError : the file cannot be opened, or a line is not a record; the message has its number. All lines before it
        are stored.
    ConflictError, RecordError : as `Store.append`, with the line's number; all lines before it are stored.
    WriteError, UnknownStateError : as `Store.append_many`; load the file again.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import MemoryStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mine.jsonl"
    ...     _ = file.write_text('{"run": "r", "loop": 0, "event": "report", "values": {"score": 0.5}}')
    ...     store = MemoryStore()
    ...     load(file, store), load(file, store)
    (Loaded(read=1, new=1), Loaded(read=1, new=0))
    """
    with opened(Path(source)) as file:
        return append_all(store, told(_records(file, str(source)), file, progress), str(source))


def told(
    records: Iterator[tuple[int, int, Record]], file: IO[bytes], progress: Progress | None
) -> Iterator[tuple[int, int, Record]]:
    """Yield records, and say now and then how many bytes of their file are read."""
    if progress is None:
        yield from records
        return
    size = os.fstat(file.fileno()).st_size
    for number, record in enumerate(records):
        if number % 256 == 0:
            progress(min(file.tell(), size), size)
        yield record
    progress(size, size)


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading, or raise `SourceError`."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise SourceError(f"cannot open {path}: {error}; give the path of a file") from error


def append_all(store: Store, records: Iterator[tuple[int, int, Record]], source: str, unit: str = "line") -> Loaded:
    """Append records in batches; whatever stops the iterator, what came before is stored first.

    Parameters
    ----------
    store : any store.
    records : (line, bytes, record) each.
    source, unit : the file and what the numbers count, for messages.
    """
    read = new = size = 0
    batch: list[tuple[int, Record]] = []
    try:
        for number, length, record in records:
            batch.append((number, record))
            size += length
            if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
                full, batch, size = batch, [], 0
                new += _append(store, full, source, unit)
                read += len(full)
    except SourceError:
        _append(store, batch, source, unit)
        raise
    return Loaded(read + len(batch), new + _append(store, batch, source, unit))


def _append(store: Store, batch: list[tuple[int, Record]], source: str, unit: str) -> int:
    """Append a batch with one sync; if one of its records is refused, append those before it, then say which one."""

    def count() -> int:
        return sum(store.count(run) for run in runs)

    runs = {record.run for _, record in batch}
    before = count()
    try:
        store.append_many(record for _, record in batch)
    except (ConflictError, RecordError):
        for number, record in batch:
            try:
                store.append(record)
            except (ConflictError, RecordError) as error:
                where = f"{source}, {unit} {number}: {error}; all {unit}s before it are stored"
                raise type(error)(where) from error
    return count() - before


def lines(file: IO[bytes], source: str, *, limit: int | None = None, start: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line.

    Parameters
    ----------
    file, source : the open file, and its name for messages.
    limit : bytes that a line may have; None for 2 GiB, a record's.
    start : what a line of over 1 MiB must begin with, spaces and byte order mark aside: of a file that is something
        else, no more is read.

    Raises
    ------
    SourceError : a line that is too long or cannot be read.
    """
    limit = MAX_LINE if limit is None else limit
    number = 0
    while True:
        number += 1
        try:
            text = file.readline(min(FIRST, limit))
            if len(text) == FIRST < limit and not text.endswith(b"\n"):
                if not text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
                    raise SourceError(
                        f"{source}, line {number}: begins with {bytes(text[:20])!r}…; expected {start.decode()!r}: is "
                        "this the right file?"
                    )
                text += file.readline(limit - FIRST)
        except OSError as error:
            raise SourceError(
                f"{source}, line {number}: cannot be read: {error}; lines before it are stored"
            ) from error
        if not text:
            return
        if len(text) == limit and not text.endswith(b"\n"):
            raise SourceError(f"{source}, line {number}: longer than {limit} bytes; expected one record a line")
        yield number, text


def _records(file: IO[bytes], source: str) -> Iterator[tuple[int, int, Record]]:
    for number, text in lines(file, source, start=b"{"):
        text = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
        if not text.strip():
            continue
        try:
            record = jsonl.parse(text)
        except ValueError as error:
            raise SourceError(
                f"{source}, line {number}: not a record: {error}; all lines before it are stored: mend or remove the "
                "line and load the file again"
            ) from error
        yield number, len(text), record
