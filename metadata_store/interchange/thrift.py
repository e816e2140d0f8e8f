"""As much of Thrift's compact protocol as the headers of a Parquet file need; whatever the bytes are, it ends.

Reference: Apache Thrift, Thrift compact protocol encoding (specification in its source tree).
"""

from __future__ import annotations

from collections.abc import Iterator

STOP, TRUE, FALSE, BYTE, INT16, INT32, INT64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
MAX_DEPTH = 32


class Compact:
    """Reads one struct, field by field; a field that is not read must be skipped.

    Parameters
    ----------
    data : bytes that begin with it.

    Raises
    ------
    EOFError : the bytes end before the struct does.
    ValueError : the bytes are not of the protocol.

    Examples
    --------
    >>> reader = Compact(bytes([0x15, 0x08, 0x18, 0x01, 0x61, 0x00]))  # {1: 4, 2: b"a"}
    >>> [(field, reader.integer() if kind == INT32 else reader.skip(kind)) for field, kind in reader.fields()]
    [(1, 4), (2, None)]
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        """Return the next byte."""
        if self.at >= len(self.data):
            raise EOFError("a header ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        """Return an unsigned number of up to 64 bits."""
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number in a header has over 64 bits")

    def integer(self) -> int:
        """Return a signed number (zigzag)."""
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the kind of each field of a struct."""
        last = 0
        while (head := self.byte()) & 15 != STOP:
            last = last + (head >> 4) if head >> 4 else self.integer()
            yield last, head & 15

    def items(self) -> tuple[int, int]:
        """Return length and kind of the list that comes next."""
        head = self.byte()
        return (head >> 4 if head >> 4 < 15 else self.varint()), head & 15

    def binary(self) -> bytes:
        """Return bytes or text."""
        length = self.varint()
        self.at += length
        if self.at > len(self.data):
            raise EOFError("a header ends too early")
        return self.data[self.at - length : self.at]

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > MAX_DEPTH:
            raise ValueError(f"a header is nested over {MAX_DEPTH} levels deep")
        if kind in (BYTE, DOUBLE, BINARY):
            length = self.varint() if kind == BINARY else 8 if kind == DOUBLE else 1
            self.at += length
        elif kind in (INT16, INT32, INT64):
            self.varint()
        elif kind in (LIST, SET):
            count, inner = self.items()
            if inner in (TRUE, FALSE, BYTE):
                self.at += count
            else:
                for _ in range(count):  # each takes a byte at least, or the data ends
                    self.skip(inner, depth + 1)
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind not in (TRUE, FALSE):
            raise ValueError(f"a header has a field of kind {kind}, which no such header of Parquet has")
        if self.at > len(self.data):
            raise EOFError("a header ends too early")
