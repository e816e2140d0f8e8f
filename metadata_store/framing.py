"""Frames: how bytes are put into a segment so that every damage is noticed and costs one frame at most.

A frame is a header of 40 bytes and a payload. The header holds, little-endian::

    magic 4s "MSF\\x1e" · version u1 · kind u1 · reserved u2 · segment u8 · sequence u8 · length u8 ·
    CRC32 of the payload u4 · CRC32 of the 36 bytes before u4

Kinds: ``S`` a schema, ``R`` a record, ``E`` the end of a segment that was closed in order. `segment` repeats the random
number in the file's name, so that bytes of another segment inside of a payload are never taken for a frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .report import Damage

MAGIC = b"MSF\x1e"
VERSION = 1
MAX_PAYLOAD = 2**30
WINDOW = 2**22  # small enough for the allocator to use the same memory again and again
TORN = "torn tail: the last frame is incomplete"

Fetch = Callable[[int, int], bytes]

_FIELDS = struct.Struct("<4sBBHQQQI")
_CRC = struct.Struct("<I")
HEADER = _FIELDS.size + _CRC.size
_KINDS = [bytes([kind]) for kind in range(256)]


class Frame(NamedTuple):
    """One whole frame: its kind, sequence number, offset of the header in the file, and payload."""

    kind: bytes
    sequence: int
    offset: int
    payload: memoryview


class Head(NamedTuple):
    """The fields of a header that matter after its checksum was found right."""

    version: int
    kind: bytes
    sequence: int
    length: int
    crc: int


def pack(kind: bytes, segment: int, sequence: int, payload: bytes | memoryview) -> bytes:
    """Return the header for a payload.

    Parameters
    ----------
    kind : b"S", b"R" or b"E".
    segment : the segment's random number, 64 bits.
    sequence : position of the frame in its segment, from 0.
    payload : the bytes that follow.

    Returns
    -------
    bytes : 40 bytes.

    Examples
    --------
    >>> read_head(pack(b"R", 5, 0, b"payload"), 0, 5).length
    7
    """
    fields = _FIELDS.pack(MAGIC, VERSION, ord(kind), 0, segment, sequence, len(payload), zlib.crc32(payload))
    return fields + _CRC.pack(zlib.crc32(fields))


def read_head(buffer: bytes, at: int, segment: int) -> Head | None:
    """Return the header at a position, or None if the bytes there are not a header of this segment.

    Parameters
    ----------
    buffer : at least 40 bytes from `at` on.
    at : position in the buffer.
    segment : the segment's random number.

    Returns
    -------
    Head or None
    """
    magic, version, kind, _, owner, sequence, length, crc = _FIELDS.unpack_from(buffer, at)
    if magic != MAGIC or owner != segment:
        return None
    if _CRC.unpack_from(buffer, at + _FIELDS.size)[0] != zlib.crc32(buffer[at : at + _FIELDS.size]):
        return None
    return Head(version, _KINDS[kind], sequence, length, crc)


class Scanner:
    """Reads one segment from where it stopped the last time, and keeps the damage that it met.

    Parameters
    ----------
    name : name of the segment file, for the report.
    segment : the random number in that name.

    Attributes
    ----------
    position : everything before this byte is settled, int ≥ 0.
    size : length of the file at the last look.
    damage : damage before `position`.
    tail : what is wrong between `position` and the end of the file; an incomplete frame may still be in the making.
    sealed : an end frame was read; the segment will not grow.
    frames : number of whole frames read.
    """

    def __init__(self, name: str, segment: int) -> None:
        self.name = name
        self.segment = segment
        self.position = 0
        self.size = 0
        self.expected = 0
        self.damage: list[Damage] = []
        self.tail: Damage | None = None
        self.sealed = False
        self.frames = 0

    def passed(self, position: int, frames: int, expected: int) -> None:
        """Take note of frames that the owner of the segment wrote itself."""
        self.position = self.size = position
        self.frames += frames
        self.expected = expected

    def read(self, fetch: Fetch, size: int) -> Iterator[list[Frame]]:
        """Yield the whole frames of what was added to the file since the last call, window by window.

        Parameters
        ----------
        fetch : (start, length) to bytes of the file.
        size : its length in bytes now.

        Returns
        -------
        iterator of lists of Frame
        """
        self.size, self.tail = size, None
        wanted = WINDOW
        lost: int | None = None  # first byte of a damaged stretch that is still going on
        base = self.position
        while base < size:
            buffer = fetch(base, min(wanted, size - base))
            if not buffer:
                break
            final = base + len(buffer) >= size
            found, used, lost, wanted = self._window(buffer, base, size, final, lost)
            if found:
                yield found
            base += used
            if final:
                break
        if lost is not None:
            if self.tail is None:
                self.tail = Damage(self.name, lost, "damaged bytes, and no frame after them", size - lost)
            base = lost
        self.position = base

    def _window(
        self, buffer: bytes, base: int, size: int, final: bool, lost: int | None
    ) -> tuple[list[Frame], int, int | None, int]:
        """Return the frames of one window, the bytes used, the start of damage going on, and the next window's size."""
        found: list[Frame] = []
        view, end, at = memoryview(buffer), len(buffer), 0
        while end - at >= HEADER:
            head = read_head(buffer, at, self.segment)
            if head is None or head.length > MAX_PAYLOAD or (lost is not None and head.sequence < self.expected):
                lost = base + at if lost is None else lost
                following = buffer.find(MAGIC, at + 1)
                at = following if following >= 0 else max(at + 1, end - len(MAGIC) + 1)
                continue
            stop = at + HEADER + head.length
            if base + stop > size:
                # nothing but a frame after it tells a torn tail from a header that claims too much
                after = self._next_head(buffer, at + 1, head.sequence)
                if after is None and final:
                    if lost is None:
                        self.tail = Damage(self.name, base + at, TORN, size - base - at)
                        return found, at, None, WINDOW
                    self.tail = Damage(self.name, lost, "damaged bytes, then an incomplete frame", size - lost)
                    return found, at, lost, WINDOW
                if after is None:
                    return found, at, lost, size - base - at
                lost, at = base + at if lost is None else lost, after
                continue
            if stop > end:
                return found, at, lost, max(WINDOW, HEADER + head.length)
            payload = view[at + HEADER : stop]
            if zlib.crc32(payload) != head.crc:
                if base + stop == size and lost is None:
                    # the last frame: not settled, so that a later look can find it whole
                    self.tail = Damage(self.name, base + at, "wrong checksum of the last frame", stop - at)
                    return found, at, None, WINDOW
                lost = base + at if lost is None else lost
                self.expected = max(self.expected, head.sequence + 1)
                at = stop
                continue
            self._settle(head, base + at, lost)
            lost = None
            if head.sequence >= self.expected and self._known(head, base + at):
                found.append(Frame(head.kind, head.sequence, base + at, payload))
                self.frames += 1
            self.expected = max(self.expected, head.sequence + 1)
            self.sealed = self.sealed or head.kind == b"E"
            at = stop
        if final and at < end and lost is None:
            self.tail = Damage(self.name, base + at, TORN, end - at)
        return found, at, lost, WINDOW

    def _next_head(self, buffer: bytes, start: int, after: int) -> int | None:
        """Return the position of the next header that does not go back in sequence, or None."""
        at = buffer.find(MAGIC, start)
        while 0 <= at <= len(buffer) - HEADER:
            head = read_head(buffer, at, self.segment)
            if head is not None and head.sequence >= after and head.length <= MAX_PAYLOAD:
                return at
            at = buffer.find(MAGIC, at + 1)
        return None

    def _settle(self, head: Head, offset: int, lost: int | None) -> None:
        """Note the damage before a whole frame, and sequence numbers that do not follow."""
        if lost is not None:
            self.damage.append(Damage(self.name, lost, "damaged bytes", offset - lost))
        elif head.sequence > self.expected:
            what = f"sequence gap: frame {head.sequence} where {self.expected} was expected"
            self.damage.append(Damage(self.name, offset, what, 0))
        if head.sequence < self.expected:
            what = f"sequence repeat: frame {head.sequence} where {self.expected} was expected"
            self.damage.append(Damage(self.name, offset, what, HEADER + head.length))

    def _known(self, head: Head, offset: int) -> bool:
        """Say whether a frame is of a version and kind that can be read; note it if not."""
        if head.version == VERSION and head.kind in (b"S", b"R", b"E"):
            return True
        what = f"frame of unknown version {head.version} or kind {head.kind!r}"
        self.damage.append(Damage(self.name, offset, what, HEADER + head.length))
        return False
