"""What the index needs of a record's payload, read at known places instead of decoded.

Most records of a segment have the same names and shapes, and then their Arrow messages have the same metadata, byte
for byte: the same buffers at the same places. The first message of a kind is decoded and checked by Arrow; of the
others, only the offsets that metadata does not cover are compared, and the key is read. Opening a log costs a tenth.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import pyarrow as pa

from . import codec
from .checks import check_run
from .errors import DamagedError, RecordError

_LENGTH = struct.Struct("<4xi")
_BOUNDS = struct.Struct("<2i")
_PAIR = struct.Struct("<q")  # the two offsets of a list of one
_KEY = struct.Struct("<5q")
_MOST = 4096
_PATIENCE = 1024  # layouts that are learnt in vain before it is given up; each takes 30 µs


class Key(NamedTuple):
    """The key of a record, and how many values it has."""

    schema: int
    loop: int
    order: int
    at: int
    stamp: int
    run: str
    ints: int
    floats: int
    texts: int


class Layout(NamedTuple):
    """Where things are in a payload: whole length, stretches that are the same in all, the run, the first five ints."""

    length: int
    same: tuple[tuple[int, int], ...]
    run: tuple[int, int]
    key: int
    counts: tuple[int, int, int]


class Peek:
    """Reads keys of payloads whose layout is known, and learns new layouts."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, Layout] = {}
        self._runs: dict[bytes, str] = {}
        self._hits = self._misses = 0

    def key(self, payload: memoryview) -> Key | None:
        """Return the key of a payload, or None if it has to be decoded.

        Parameters
        ----------
        payload : of a record frame with a right checksum.
        """
        if len(payload) < 8 or self._misses > self._hits + _PATIENCE:
            return None  # every record has other lengths: learning costs more than decoding
        start = _LENGTH.unpack_from(payload)[0] + 8
        if not 8 < start <= len(payload):
            return None
        layout = self._layouts.get(bytes(payload[:start]))
        if layout is None:
            self._misses += 1
            layout = _learn(payload)
            if layout is None:
                return None
            if len(self._layouts) >= _MOST:
                self._layouts.clear()
            self._layouts[bytes(payload[:start])] = layout
        else:
            self._hits += 1
        if len(payload) != layout.length:
            return None
        for place, expected in layout.same:
            if _PAIR.unpack_from(payload, place)[0] != expected:
                return None
        raw = bytes(payload[layout.run[0] : layout.run[1]])
        run = self._runs.get(raw)
        if run is None:
            try:
                run = check_run(raw.decode())
            except (UnicodeDecodeError, RecordError):
                return None
            if len(self._runs) >= _MOST:
                self._runs.clear()
            self._runs[raw] = run
        schema, loop, order, at, stamp = _KEY.unpack_from(payload, layout.key)
        return Key(schema, loop, order, at, stamp, run, *layout.counts)


def _learn(payload: memoryview) -> Layout | None:
    """Decode a payload and return where things are in it; None if it is not as it should be."""
    try:
        codec.read_table([payload])
        whole = pa.py_buffer(payload)
        batch = pa.ipc.read_record_batch(whole, codec.COLUMNS)
    except (DamagedError, pa.ArrowException, OSError, ValueError):
        return None
    end = whole.address + whole.size
    run, ints, floats, texts = (batch.column(i).buffers() for i in range(4))
    places = [
        buffer and buffer.address - whole.address for buffer in (run[1], run[2], ints[1], ints[3], floats[1], texts[1])
    ]
    if None in places or any(not whole.address <= whole.address + place < end for place in places):
        return None  # the message has a layout of another kind, such as compressed bodies
    # by the offsets, not by the children, which may be longer
    pairs = [_BOUNDS.unpack_from(payload, place) for place in (places[0], places[2], places[4], places[5])]
    if any(low != 0 for low, _ in pairs) or pairs[1][1] < codec.HEADS:
        return None
    same = [(place, _PAIR.unpack_from(payload, place)[0]) for place in (places[0], places[2], places[4], places[5])]
    length, *counts = (high for _, high in pairs)
    return Layout(
        len(payload), tuple(same), (places[1], places[1] + length), places[3], (counts[0], counts[1], counts[2])
    )
