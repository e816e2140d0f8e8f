"""Checksums and parity beside a finished file, so that damage to it is noticed before it is decoded, and mended.

A Parquet file has checksums of its pages, at best, and none of its headers and footer; one flipped bit there can make
it unreadable as a whole. The guard of a file holds a CRC32 of every block, the exclusive or of every stripe of blocks
(RAID 5), and a copy of the end of the file. One damaged block of a stripe is restored exactly; neighbouring blocks are
of different stripes, so that is a damaged stretch of 1/64 of the file. The guard has a checksum of its own, and can be
made anew from a whole file. Little-endian::

    magic 4s "MSG\\x1e" · version u4 · file size u8 · block size u4 · stripes u4 · length of the end u8 ·
    BLAKE2b of the file 16s · CRC32 of each block u4[…] · parity u1[stripes × block size] · the end · CRC32 of all u4
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..errors import DamagedError

MAGIC = b"MSG\x1e"
VERSION = 1
LARGEST, SMALLEST = 2**16, 2**12  # a disk loses 4 KiB at a time
WIDTH = 64  # blocks in a stripe, at most
AT_ONCE = 2**23

_HEAD = struct.Struct("<4sIQIIQ16s")
_CRC = struct.Struct("<I")

Fetch = Callable[[int, int], bytes]


@dataclass(frozen=True, eq=False)
class Guard:
    """What is known of a file that never changes.

    Parameters
    ----------
    size : bytes of the file.
    block : bytes of a block, a power of two from 4,096 to 65,536.
    digest : BLAKE2b of the file, 16 bytes.
    sums : u4[blocks], CRC32 of each block.
    parity : u1[stripes, block]; block b belongs to stripe b modulo stripes; the last one counts as filled with zeros.
    end : the last bytes of the file, once more.
    """

    size: int
    block: int
    digest: bytes
    sums: np.ndarray
    parity: np.ndarray
    end: bytes

    @classmethod
    def of(cls, fetch: Fetch, size: int, end: int = 0) -> Guard:
        """Read a file once and return its guard.

        Parameters
        ----------
        fetch : (start, length) to bytes of the file.
        size : its length.
        end : how many of its last bytes are kept twice.

        Examples
        --------
        >>> data = bytes(range(256)) * 10
        >>> guard = Guard.of(lambda start, length: data[start : start + length], len(data))
        >>> guard.block, guard.sums.shape, guard.parity.shape
        (4096, (1,), (1, 4096))
        """
        block = LARGEST
        while block > SMALLEST and size < block * WIDTH:
            block //= 2
        count = -(-size // block)
        stripes = max(1, -(-count // WIDTH))
        sums, parity = np.zeros(count, "<u4"), np.zeros((stripes, block), np.uint8)
        digest = hashlib.blake2b(digest_size=16)
        step = max(1, AT_ONCE // block)
        for first in range(0, count, step):
            data = fetch(first * block, step * block)
            if len(data) < min(step * block, size - first * block):
                raise DamagedError(f"the file ends at byte {first * block + len(data)}; expected {size} bytes")
            digest.update(data)
            view = memoryview(data)
            for number in range(first, min(first + step, count)):
                piece = view[(number - first) * block : (number - first + 1) * block]
                sums[number] = zlib.crc32(piece)
                parity[number % stripes, : len(piece)] ^= np.frombuffer(piece, np.uint8)
        return cls(size, block, digest.digest(), sums, parity, fetch(size - end, end) if end else b"")

    def pack(self) -> bytes:
        """Return the guard as bytes."""
        head = _HEAD.pack(MAGIC, VERSION, self.size, self.block, len(self.parity), len(self.end), self.digest)
        body = b"".join([head, self.sums.tobytes(), self.parity.tobytes(), self.end])
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def parse(cls, data: bytes) -> Guard:
        """Return the guard in some bytes.

        Raises
        ------
        DamagedError : they are not a whole guard.
        """
        whole = len(data) >= _HEAD.size + _CRC.size and data[:4] == MAGIC
        if not whole or _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(memoryview(data)[: -_CRC.size]):
            raise DamagedError("the guard has a wrong checksum")
        _, version, size, block, stripes, end, digest = _HEAD.unpack_from(data)
        if version != VERSION:
            raise DamagedError(f"the guard is of version {version}; this package reads version {VERSION}")
        count = -(-size // block)
        at = _HEAD.size
        sums = np.frombuffer(data, "<u4", count, at)
        at += sums.nbytes
        parity = np.frombuffer(data, np.uint8, stripes * block, at).reshape(stripes, block)
        at += parity.nbytes
        return cls(size, block, digest, sums, parity, data[at : at + end])

    def span(self, number: int) -> tuple[int, int]:
        """Return the first byte of a block and its length."""
        start = number * self.block
        return start, min(self.block, self.size - start)

    def restore(self, number: int, fetch: Fetch) -> bytes:
        """Return a damaged block as it was, computed from the other blocks of its stripe.

        Raises
        ------
        DamagedError : another block of the stripe is damaged too.
        """
        start, length = self.span(number)
        kept = self.size - len(self.end)
        if start >= kept:
            return self.end[start - kept : start - kept + length]
        stripes = len(self.parity)
        data = self.parity[number % stripes].copy()
        for other in range(number % stripes, len(self.sums), stripes):
            if other == number:
                continue
            piece = self._right(other, fetch)
            data[: len(piece)] ^= np.frombuffer(piece, np.uint8)
        mended = data[:length].tobytes()
        if zlib.crc32(mended) != self.sums[number]:
            raise DamagedError(f"bytes {start} to {start + length} are damaged, and their parity too")
        return mended

    def _right(self, number: int, fetch: Fetch) -> bytes:
        start, length = self.span(number)
        piece = fetch(start, length)
        if zlib.crc32(piece) != self.sums[number]:
            kept = self.size - len(self.end)
            if start >= kept:
                return self.end[start - kept : start - kept + length]
            raise DamagedError(f"bytes {start} to {start + length} are damaged, and a second block of their stripe")
        return piece

    def damaged(self, fetch: Fetch, numbers: Iterable[int] | None = None) -> list[int]:
        """Return the numbers of the blocks whose checksum is wrong, of all or of those given."""
        wrong = []
        step = max(1, AT_ONCE // self.block)
        for group in _stretches(range(len(self.sums)) if numbers is None else numbers, step):
            data = memoryview(fetch(group[0] * self.block, len(group) * self.block))
            for i, number in enumerate(group):
                if zlib.crc32(data[i * self.block : (i + 1) * self.block][: self.span(number)[1]]) != self.sums[number]:
                    wrong.append(number)
        return wrong


def _stretches(numbers: Iterable[int], step: int) -> Iterable[list[int]]:
    """Split ascending numbers into runs of neighbours of limited length."""
    group: list[int] = []
    for number in numbers:
        if group and (number != group[-1] + 1 or len(group) >= step):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


class CheckedFile:
    """A file for reading whose every byte was checked against its guard, and mended, before anybody sees it.

    Parameters
    ----------
    fetch : (start, length) to bytes of the file.
    guard : its guard.
    mended : called with the number of each block that had to be restored.

    Raises
    ------
    DamagedError : on reading bytes that are damaged and cannot be restored.
    """

    def __init__(self, fetch: Fetch, guard: Guard, mended: Callable[[int], None]) -> None:
        self.guard = guard
        self.closed = False
        self._fetch, self._mended = fetch, mended
        self._at = 0
        self._held: list[tuple[int, memoryview]] = []

    def hold(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Read and check stretches (start, stop) of the file, in parallel, and keep them until the next call."""
        block = self.guard.block
        wanted: list[tuple[int, int]] = []
        for start, stop in sorted(ranges):
            first, last = start // block * block, min(-(-stop // block) * block, self.guard.size)
            # neighbours are read at once, in pieces that threads can share
            if wanted and first <= wanted[-1][1] and last - wanted[-1][0] <= AT_ONCE:
                wanted[-1] = (wanted[-1][0], max(last, wanted[-1][1]))
            else:
                wanted.append((max(first, wanted[-1][1]) if wanted else first, last))
        pieces = [(at, min(at + AT_ONCE, stop)) for start, stop in wanted for at in range(start, stop, AT_ONCE)]
        self._held = []
        if sum(stop - start for start, stop in pieces) < AT_ONCE:
            held = [memoryview(self._checked(*piece)) for piece in pieces]
        else:
            with ThreadPoolExecutor() as pool:
                held = [memoryview(data) for data in pool.map(lambda piece: self._checked(*piece), pieces)]
        self._held = [(start, data) for (start, _), data in zip(pieces, held, strict=True)]

    def _checked(self, start: int, stop: int) -> bytes:
        """Return whole blocks of the file, right ones."""
        guard = self.guard
        data = self._fetch(start, stop - start)
        view = memoryview(data)
        first = start // guard.block
        fixed: dict[int, bytes] = {}
        for number in range(first, -(-stop // guard.block)):
            at, length = guard.span(number)
            if zlib.crc32(view[at - start : at - start + length]) != guard.sums[number]:
                fixed[number] = guard.restore(number, self._fetch)
                self._mended(number)
        if not fixed:
            return data
        whole = bytearray(stop - start)
        whole[: len(data)] = data
        for number, piece in fixed.items():
            at, length = guard.span(number)
            whole[at - start : at - start + length] = piece
        return bytes(whole)

    def read(self, count: int = -1) -> memoryview | bytes:
        """Return the next bytes."""
        start = self._at
        stop = self.guard.size if count is None or count < 0 else min(start + count, self.guard.size)
        self._at = max(start, stop)
        return self.slice(start, stop)

    def slice(self, start: int, stop: int) -> memoryview | bytes:
        """Return the bytes of a stretch."""
        if stop <= start:
            return b""
        for first, data in self._held:
            if first <= start and stop <= first + len(data):
                return data[start - first : stop - first]
        parts = [data[max(start - f, 0) : stop - f] for f, data in self._held if f < stop and f + len(data) > start]
        if sum(map(len, parts)) == stop - start:
            return b"".join(parts)
        block = self.guard.block
        first = start // block * block
        data = memoryview(self._checked(first, min(-(-stop // block) * block, self.guard.size)))
        return data[start - first : stop - first]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        self._at = offset + (0, self._at, self.guard.size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Let go of what was held."""
        self._held, self.closed = [], True
