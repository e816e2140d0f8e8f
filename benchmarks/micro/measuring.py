"""CPU seconds and extra memory of one call, inside the process that makes it."""

from __future__ import annotations

import ctypes
import gc
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

MIB = 1 << 20
_REPEATS, _MOST = 5, 50
_SHORT = 0.2  # CPU seconds up to which short calls are repeated more often
_ENOUGH = 2.0  # CPU seconds after which no repetition starts


def seconds_of(call: Callable[[], Any], enough: float = _ENOUGH) -> tuple[float, int]:
    """Median CPU seconds of several calls, and how many there were: more of short ones, up to `enough` seconds."""
    spent: list[float] = []
    while sum(spent) < enough and (len(spent) < _REPEATS or (len(spent) < _MOST and sum(spent) < _SHORT)):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent), len(spent)


def resident(call: Callable[[], Any]) -> tuple[float, float]:
    """CPU seconds of one call, and by how many MiB it raised the peak of the process's resident memory."""
    gc.collect()
    with suppress(OSError, AttributeError):  # what the allocator keeps for later would hide what the call takes
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _restarted_peak()
    start = time.process_time()
    call()
    spent = time.process_time() - start
    return spent, max(0.0, (_peak() - before) / MIB)


def traced(call: Callable[[], Any]) -> float:
    """The peak of what Python and numpy allocated during one call, in MiB."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def limit(gibibytes: float) -> None:
    """From now on: MemoryError above so much address space, and no core dumps.

    CPU seconds are watched from outside: a limit of the system's own would make its clock tick in 4 ms.
    """
    most = int(gibibytes * (1 << 30))
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _restarted_peak() -> int:
    """Bytes of resident memory now; on Linux the recorded peak starts again from here."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _peak()


def _peak() -> int:
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
