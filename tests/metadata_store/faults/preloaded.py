"""Faults by a library between the process and the C library: sees every call, those of Arrow's C++ too."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .plans import ACTIONS, OPS, Fault

SOURCE = Path(__file__).with_name("preload.c")


@functools.cache
def library() -> Path | None:
    """Compile the library, once a process, and return its path; None where that is not possible."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not Path("/proc/self/fd").is_dir():
        return None
    folder = tempfile.mkdtemp(prefix="faults-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "preload.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(SOURCE), "-ldl"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    run = subprocess.run(
        [sys.executable, "-c", ""], env={**os.environ, "LD_PRELOAD": str(target)}, capture_output=True, check=False
    )
    return target if run.returncode == 0 and not run.stderr else None


def arm(root: str | Path, fault: Fault, log: int = -1) -> None:
    """Watch the calls of this process, which was started with the library, on paths below a folder."""
    mask = sum(1 << OPS.index(op) for op in set(fault.ops))
    here = ctypes.CDLL(None)
    here.faults_arm(
        str(root).encode(),
        fault.part.encode(),
        ctypes.c_uint(mask),
        ctypes.c_long(fault.nth),
        ctypes.c_long(fault.times),
        ACTIONS.index(fault.action),
        fault.error,
        log,
        ctypes.c_long(fault.byte),
    )
