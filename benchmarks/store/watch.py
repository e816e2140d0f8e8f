"""Clocks, quantiles, sizes on disk."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Watch:
    """Collects what several calls of one kind took.

    Attributes
    ----------
    wall, cpu : seconds of each call; CPU of the whole process, all threads, system time included.

    Examples
    --------
    >>> watch = Watch()
    >>> watch.call(sum, [1, 2])
    3
    >>> len(watch.wall) == len(watch.cpu) == 1
    True
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def call(self, work: Callable[..., Any], *given: Any) -> Any:
        """Call, and note how long it took."""
        cpu, wall = time.process_time(), time.perf_counter()
        answer = work(*given)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return answer


def children_seconds() -> float:
    """CPU seconds of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(name: str, values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Median, least and most of several rounds.

    Examples
    --------
    >>> spread("wall_ms", [0.25, 0.5, 1.0], 1000)
    {'wall_ms': 500.0, 'wall_ms_low': 250.0, 'wall_ms_high': 1000.0}
    """
    middle = statistics.median(values)
    return {name: scale * middle, f"{name}_low": scale * min(values), f"{name}_high": scale * max(values)}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values doesn't exceed.

    Examples
    --------
    >>> quantile(range(1, 101), 0.99)
    99.0
    """
    return float(np.quantile(np.asarray(values, np.float64), share, method="inverted_cdf"))


def bytes_of(path: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def warm(path: Path) -> int:
    """Read all files below a folder, so that the system has them in memory; return their bytes."""
    total = 0
    buffer = bytearray(1 << 22)
    for file in sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb", buffering=0) as stream:
                while count := stream.readinto(buffer):
                    total += count
    return total


def settle() -> None:
    """Let the system write what older measurements left to be written."""
    getattr(os, "sync", lambda: None)()
