"""The manifest: which cold files count. Created only if absent, one number after the other, each kept twice."""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .. import layout
from ..errors import DamagedError
from ..files import NOTHING, Files

KEPT = 3  # how many older manifests stay, for people who look for what happened
_NAME = re.compile(r"([0-9]{10})\.(json|copy)")
_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")


@dataclass(frozen=True)
class FileNote:
    """One finished file: its name in the store, bytes, and BLAKE2b digest (32 hexadecimal digits)."""

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True)
class PartNote:
    """One part of the cold tier: its files, rows, and the stamps of its first and last record."""

    id: str
    records: FileNote
    arrays: FileNote | None
    rows: int
    first: int
    last: int

    @property
    def files(self) -> tuple[FileNote, ...]:
        """The files of the part."""
        return (self.records,) if self.arrays is None else (self.records, self.arrays)


@dataclass(frozen=True)
class Manifest:
    """The state of the cold tier.

    Parameters
    ----------
    number : 0 is the state of a store that was never compacted.
    parts : in order of their first record.
    absorbed : segments whose records are in the parts, and that may not have been removed yet.
    at : nanoseconds since 1970 UTC.
    sealed : in a store of objects, the numbered segments up to this one are closed: void if they come later.
    left : those of them that count nevertheless, since they could not be absorbed.
    """

    number: int = 0
    parts: tuple[PartNote, ...] = ()
    absorbed: tuple[str, ...] = ()
    at: int = 0
    sealed: int = 0
    left: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """Return a line of JSON and a line with its checksum.

        Examples
        --------
        >>> Manifest.parse(Manifest(3).pack()).number
        3
        """
        text = json.dumps({"format": "metaal-manifest", "version": 1, **asdict(self)}).encode()
        return text + b"\n%08x\n" % zlib.crc32(text)

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Return the manifest in some bytes.

        Raises
        ------
        DamagedError : they are not a whole manifest.
        """
        text, _, rest = data.partition(b"\n")
        if rest != b"%08x\n" % zlib.crc32(text):
            raise DamagedError("the manifest has a wrong checksum")
        try:
            found: dict[str, Any] = json.loads(text)
            if (found["format"], found["version"]) != ("metaal-manifest", 1):
                raise DamagedError(f"the manifest is of version {found['version']!r}; this package reads version 1")
            parts = [
                PartNote(**{**part, **{k: part[k] and FileNote(**part[k]) for k in ("records", "arrays")}})
                for part in found["parts"]
            ]
            absorbed = tuple(map(str, found["absorbed"]))
            for part in parts:
                expected = [f"{folder}/{part.id}.parquet" for folder in (layout.RECORDS, layout.ARRAYS)]
                if not _ID.fullmatch(part.id) or [note.name for note in part.files] != expected[: len(part.files)]:
                    raise DamagedError(f"the manifest names the part {part.id!r} with files that cannot be its own")
            sealed, left = int(found.get("sealed", 0)), tuple(map(str, found.get("left", ())))
            if not all(layout.segment_number(name) is not None for name in absorbed + left):
                raise DamagedError("the manifest names segments that cannot be any")
            return cls(int(found["number"]), tuple(parts), absorbed, int(found["at"]), sealed, left)
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError(f"the manifest has the right checksum but cannot be read: {error}") from error


def file_names(number: int) -> tuple[str, str]:
    """Return the names of a manifest and of its copy.

    Examples
    --------
    >>> file_names(7)
    ('manifest/0000000007.json', 'manifest/0000000007.copy')
    """
    return f"{layout.MANIFEST}/{number:010d}.json", f"{layout.MANIFEST}/{number:010d}.copy"


def numbers(files: Files, settled: Mapping[str, int] = NOTHING) -> list[int]:
    """Return the numbers of all manifests, ascending; see `Files.sizes` for `settled`."""
    return numbers_in(files.sizes(layout.MANIFEST, settled))


def numbers_in(names: Iterable[str]) -> list[int]:
    """Return the numbers in the names of manifests, ascending.

    Examples
    --------
    >>> numbers_in(["0000000002.json", "0000000002.copy", "0000000001.json"])
    [1, 2]
    """
    return sorted({int(match[1]) for name in names if (match := _NAME.fullmatch(name))})


def read(files: Files, number: int) -> tuple[Manifest, list[str]]:
    """Return a manifest, and the names of those of its two files that are damaged.

    Raises
    ------
    DamagedError : both are.
    """
    wrong: list[str] = []
    kept: Manifest | None = None
    for name in file_names(number):
        try:
            found = Manifest.parse(files.fetch(name, 0, 2**30))
            if found.number != number:
                raise DamagedError(f"{name} holds number {found.number}")
            kept = kept or found
        except (DamagedError, FileNotFoundError):
            wrong.append(name)
    if kept is None:
        raise DamagedError(f"manifest {number} and its copy are both damaged")
    return kept, wrong


def commit(files: Files, manifest: Manifest) -> bool:
    """Make a manifest the one that counts, unless another process made one of that number.

    Returns
    -------
    bool : whether it counts now.
    """
    name, copy = file_names(manifest.number)
    data = manifest.pack()
    if not files.put(name, data):
        return False
    files.put(copy, data)
    for number in numbers(files)[: -KEPT - 1]:
        for old in file_names(number):
            files.remove(old)
    return True


def next_of(manifest: Manifest, parts: list[PartNote], absorbed: list[str]) -> Manifest:
    """Return the manifest that would follow."""
    ordered = tuple(sorted(parts, key=lambda part: (part.first, part.id)))
    return replace(
        manifest, number=manifest.number + 1, parts=ordered, absorbed=tuple(sorted(absorbed)), at=time.time_ns()
    )


def age_of(part: str) -> float:
    """Return the age in seconds of a part, which its id tells.

    Examples
    --------
    >>> age_of("0000018c2f4a9b00-00000000000000ff") > 0
    True
    """
    return (time.time_ns() - int(part.partition("-")[0], 16)) / 1e9


def part_id(name: str) -> str | None:
    """Return the id in the name of a cold file, or None if it is not one.

    Examples
    --------
    >>> part_id("0000018c2f4a9b00-00000000000000ff.parquet")
    '0000018c2f4a9b00-00000000000000ff'
    """
    stem = name.removesuffix(".parquet")
    return stem if _ID.fullmatch(stem) and name.endswith(".parquet") else None
