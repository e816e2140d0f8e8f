"""One segment being written: a file that one process creates, appends to and never shares."""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

from . import framing, layout, locks
from .codec import Schema
from .record import Record
from .template import Encoder


class TakenError(OSError):
    """A compaction took a new segment before its owner could mark it."""


class SegmentWriter:
    """Appends frames to a new file.

    Parameters
    ----------
    folder : the directory of segments; created if absent.
    durable : sync the directory, so that the file's name survives a power cut.

    Attributes
    ----------
    name : the file's name.
    position : bytes written as whole frames.
    synced : bytes known to be durable.
    failed : a write or sync failed; nothing may be written any more.

    Raises
    ------
    OSError : the file could not be created.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.path = folder / layout.segment_name()
        self.name = self.path.name
        number = layout.segment_number(self.name)
        if number is None:
            raise OSError(f"{self.name} is not a segment's name; is the clock before 1970?")
        self.number = number
        self.schemas: dict[Schema, int] = {}
        self.sequence = self.position = self.synced = self.written = 0
        self.failed = False
        self._encoder = Encoder()
        self.pid = os.getpid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o666)
        self.drop = weakref.finalize(self, os.close, self._descriptor)
        locks.not_for_children(self)
        # between the two lines above and below a compaction may have taken the empty file away
        held = locks.hold_file(self._descriptor)
        try:
            there = os.stat(self.path).st_ino == os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            there = False
        if held is False or not there:
            self.drop()
            raise TakenError(f"{self.name} was taken by a compaction before it was written")
        if durable:
            layout.sync_directory(folder)

    def leave(self) -> None:
        """Leave the segment to the parent process."""
        self.drop()

    @classmethod
    def open(cls, folder: Path, *, durable: bool) -> SegmentWriter:
        """Return a writer of a new segment that is certainly its own."""
        for _ in range(100):
            with contextlib.suppress(TakenError):
                return cls(folder, durable=durable)
        raise OSError(f"every new segment in {folder} is taken by another process")

    def frames(
        self, records: list[tuple[Record, Schema, int]]
    ) -> tuple[list[bytes | memoryview], list[tuple[int, int, int]]]:
        """Return the bytes that would store some records, and where each record would be.

        Parameters
        ----------
        records : (record, schema, stamp) in order.

        Returns
        -------
        (pieces, places) : pieces to be written at once; (sequence, offset, length) of each record.
        """
        pieces: list[bytes | memoryview] = []
        places: list[tuple[int, int, int]] = []
        sequence, offset = self.sequence, self.position
        schemas = dict(self.schemas)
        for record, schema, stamp in records:
            number = schemas.get(schema)
            if number is None:
                number = schemas[schema] = len(schemas)
                text = schema.text(number)
                # twice: one damaged schema frame must not cost the records that need it
                for _ in range(2):
                    pieces += [framing.pack(b"S", self.number, sequence, text), text]
                    sequence, offset = sequence + 1, offset + framing.HEADER + len(text)
            payload = self._encoder.encode(record, schema, number, stamp)
            pieces += [framing.pack(b"R", self.number, sequence, payload), payload]
            length = framing.HEADER + len(payload)
            places.append((sequence, offset, length))
            sequence, offset = sequence + 1, offset + length
        return pieces, places

    def write(self, pieces: list[bytes | memoryview], schemas: list[Schema]) -> None:
        """Append frames that `frames` made.

        Parameters
        ----------
        pieces : headers and payloads by turns.
        schemas : the schemas of their records.

        Raises
        ------
        OSError : not everything was written; the writer has failed, `written` tells how much of it was.
        """
        data = memoryview(b"".join(pieces))
        self.written = 0
        try:
            while self.written < len(data):
                count = os.write(self._descriptor, data[self.written :])
                if count <= 0:
                    raise OSError("the system wrote no bytes")
                self.written += count
        except BaseException:
            self.failed = True
            raise
        self.position += len(data)
        self.sequence += len(pieces) // 2
        for schema in schemas:
            self.schemas.setdefault(schema, len(self.schemas))

    def sync(self) -> None:
        """Make everything written durable.

        Raises
        ------
        OSError : it is unknown what is durable; the writer has failed.
        """
        if self.synced == self.position:
            return
        try:
            getattr(os, "fdatasync", os.fsync)(self._descriptor)
        except BaseException:
            self.failed = True
            raise
        self.synced = self.position

    def finish(self, *, sync: bool) -> None:
        """Write the end frame and close the file; after a failure only close it.

        Raises
        ------
        OSError : syncing failed; the file is closed nevertheless.
        """
        try:
            if not self.failed and self.pid == os.getpid():
                if sync:
                    self.sync()
                # the end only spares readers a look: not worth a sync, and without space the segment is good without it
                with contextlib.suppress(OSError):
                    self.write([framing.pack(b"E", self.number, self.sequence, b""), b""], [])
        finally:
            self.drop()
