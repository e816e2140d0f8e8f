"""Which system call of a child fails, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# calls that change something on disk; a bit each, in the order of preload.c
EFFECTS = ("open", "write", "fsync", "fdatasync", "link", "rename", "unlink", "mkdir", "rmdir", "ftruncate")
OTHERS = ("read", "close")
OPS = EFFECTS + OTHERS
ACTIONS = ("none", "kill-before", "kill-half", "kill-after", "fail", "fail-after", "short")


@dataclass(frozen=True)
class Fault:
    """One planned fault.

    Parameters
    ----------
    nth : the matching call, counted from 1, at which it happens; 0 for never (the calls are only logged).
    action : "kill-before" or "kill-after" the call; "kill-half": after half of the bytes of a write; "fail": the call
        is not made and returns `error`; "fail-after": it is made and returns `error` nevertheless (a sync that lost
        something); "short": a write or read of half of the bytes.
    ops : which calls match; "open" only counts if it may create or truncate a file.
    error : errno.
    times : how many matching calls in a row suffer; 0 for all from the n-th on.
    part : only calls whose path holds this text match.
    byte : only reads of a stretch with this byte of the file match; -1 for all.
    """

    nth: int = 0
    action: str = "none"
    ops: tuple[str, ...] = EFFECTS
    error: int = 0
    times: int = 1
    part: str = ""
    byte: int = -1

    def __post_init__(self) -> None:
        unknown = set(self.ops) - set(OPS)
        if unknown or self.action not in ACTIONS:
            raise ValueError(f"ops {sorted(unknown)} or action {self.action!r} unknown; give {OPS} and {ACTIONS}")

    def hit(self, count: int) -> bool:
        """Say whether the call with this number, counted from 1, suffers."""
        return self.nth > 0 and count >= self.nth and (self.times == 0 or count < self.nth + self.times)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return {**asdict(self), "ops": list(self.ops)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Fault:
        """Return the fault that `to_json` described."""
        return cls(**{**fields, "ops": tuple(fields["ops"])})


@dataclass(frozen=True)
class Call:
    """One line of a child's log of calls: what, on which descriptor and path, how many bytes, and the outcome."""

    op: str
    descriptor: int
    path: str
    size: int
    error: int

    @classmethod
    def parse(cls, line: str) -> Call:
        """Return the call of a log line: op, descriptor, size, errno, path, by tabs."""
        op, descriptor, size, error, path = line.rstrip("\n").split("\t", 4)
        return cls(op, int(descriptor), path, int(size), int(error))

    def line(self) -> str:
        """Return the log line."""
        return f"{self.op}\t{self.descriptor}\t{self.size}\t{self.error}\t{self.path}\n"
