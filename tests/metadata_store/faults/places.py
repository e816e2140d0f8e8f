"""Places that hurt: small disks and read-only folders, real ones where this process may mount, imitated elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def _run(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[bool]:
    """Make a folder, of limited size if this process may mount; yield whether it is."""
    path.mkdir()
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield mounted
    finally:
        if mounted:
            assert _run("umount", "-l", str(path))


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[bool]:
    """Make a folder read-only for everybody, if this process may mount; yield whether it is."""
    mounted = _run("mount", "--bind", str(path), str(path))
    changed = mounted and _run("mount", "-o", "remount,ro,bind", str(path))
    try:
        yield changed
    finally:
        if mounted:
            assert _run("umount", "-l", str(path))
