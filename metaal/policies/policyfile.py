"""A policy file: a JSON head and raw arrays under one checksum; data only, audited before anything is built from it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from metaal.errors import PolicyFileError

MAGIC = b"METAALP1"
LIMIT = 64 * 2**20
_KINDS: dict[str, np.dtype[Any]] = {"i4": np.dtype("<i4"), "f8": np.dtype("<f8"), "b1": np.dtype("?")}


def write_policy_file(path: str | Path, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write ``head`` and one-dimensional ``arrays`` (int32, float64, bool) to ``path``, whole or not at all."""
    specs, blocks = [], []
    for name, array in arrays.items():
        kind = next(k for k, dtype in _KINDS.items() if dtype == array.dtype)
        specs.append([name, kind, len(array)])
        blocks.append(np.ascontiguousarray(array).tobytes())
    text = json.dumps({**head, "arrays": specs}, sort_keys=True).encode()
    body = MAGIC + struct.pack("<I", len(text)) + text + b"".join(blocks)
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(body + hashlib.sha256(body).digest())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_policy_file(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """Return head, arrays and checksum (16 hexadecimal digits) of a policy file.

    Raises
    ------
    PolicyFileError
        It does not exist, is too large, foreign, damaged or of another format.
    """
    try:
        size = Path(path).stat().st_size
        data = Path(path).read_bytes() if size <= LIMIT else b""
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise PolicyFileError(
            f"{str(path)!r}: cannot be read ({error}); pass the path of a file made by save()"
        ) from error
    if size > LIMIT:
        raise PolicyFileError(f"{path}: {size} bytes; a policy file has at most {LIMIT}")
    if not data.startswith(MAGIC[:7]):
        raise PolicyFileError(f"{path}: not a policy file; expected one made by save()")
    if not data.startswith(MAGIC):
        raise PolicyFileError(f"{path}: policy format {data[7:8]!r} is not known to this version; update metaal")
    body, checksum = data[:-32], data[-32:]
    if hashlib.sha256(body).digest() != checksum:
        raise PolicyFileError(f"{path}: the checksum does not match: the file is damaged; get it again")
    try:
        return *_parse(body), checksum.hex()[:16]
    except (ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
        raise PolicyFileError(f"{path}: {error}") from error


def _parse(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<I", body, len(MAGIC))
    start = len(MAGIC) + 4
    head = json.loads(body[start : start + length])
    if not isinstance(head, dict):
        raise ValueError("the head is not an object")
    offset, arrays = start + length, {}
    for name, kind, count in head.pop("arrays"):
        dtype = _KINDS[kind]
        if not isinstance(count, int) or count < 0 or offset + count * dtype.itemsize > len(body):
            raise ValueError(f"array {name} reaches past the end of the file")
        if kind == "b1" and any(body[offset : offset + count].translate(None, b"\0\1")):
            raise ValueError(f"array {name} holds bytes that are neither 0 nor 1")
        arrays[str(name)] = np.frombuffer(body, dtype, count, offset)
        offset += count * dtype.itemsize
    if offset != len(body):
        raise ValueError("bytes are left over after the last array")
    return head, arrays
