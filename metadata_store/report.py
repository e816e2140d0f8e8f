"""What `verify` and `repair` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Damage(NamedTuple):
    """One damaged place: the file, the first byte, what is wrong, and how many bytes it concerns."""

    segment: str
    offset: int
    what: str
    bytes: int


@dataclass(frozen=True)
class Report:
    """The state of a store, found by reading every byte of it.

    Parameters
    ----------
    segments : number of segment files.
    frames : number of whole frames in them.
    records : number of records that are known; those that damage lists as lost cannot be read.
    damage : every place that is not as it should be, by segment and offset.
    repaired : what `repair` did, in words; empty for `verify`.
    files : number of other files that were read: the first file, parts, blocks of samples.

    Examples
    --------
    >>> print(Report(1, 3, 2, ()))
    ok: 2 records in 3 frames of 1 segment, no damage
    """

    segments: int
    frames: int
    records: int
    damage: tuple[Damage, ...]
    repaired: tuple[str, ...] = ()
    files: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage

    def __str__(self) -> str:
        files = f"{self.segments} segment{'' if self.segments == 1 else 's'}"
        files += f" and {self.files} other file{'' if self.files == 1 else 's'}" if self.files else ""
        found = f"{self.records} records in {self.frames} frames of {files}"
        lines = [f"ok: {found}, no damage" if self.ok else f"DAMAGED: {found}, {len(self.damage)} damaged places"]
        lines += [f"  {d.segment} at byte {d.offset}: {d.what} ({d.bytes} bytes)" for d in self.damage]
        lines += [f"  repaired: {line}" for line in self.repaired]
        return "\n".join(lines)
