"""Planted ids, numbers and texts, and a search for them in every byte and every decoded value below a folder."""

from __future__ import annotations

import base64
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metadata_store import DirectoryStore, Store
from metadata_store.privacy import Privacy, PrivacyWarning, private

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NEAR = 1e-4  # of a number, relative: what is rounded to four digits is still recognised
NEIGHBOUR = 1000  # of an id: rounded to its neighbour it is still an id


def opened(path: Path, level: str | Privacy | None) -> Store:
    """A store in a directory at a level, with the key of the tests, and without the warning of L3."""
    wanted = Privacy("L2", key=KEY) if level == "L2" else level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyWarning)
        return private(DirectoryStore(path), wanted)  # type: ignore[arg-type]


def forms(canary: Any) -> Iterator[bytes]:
    """Every way in which a canary could stand in a file; none shorter than 7 bytes, which chance does not write."""
    if isinstance(canary, bytes):
        texts, raw = [], [canary]
    elif isinstance(canary, str):
        texts, raw = [canary, canary.upper(), canary.lower()], []
    elif isinstance(canary, int):
        texts = [str(canary), f"{canary:x}", f"{canary:,}", f"{canary:.6e}"]
        raw = [canary.to_bytes(8, order, signed=canary < 0) for order in ("little", "big")]
        raw += [struct.pack(f"{order}d", canary) for order in "<>"]
        # 4 bytes alone stand in any larger file by chance; with the zeros before or behind they do not
    else:
        texts = [repr(canary), f"{canary:.8g}", f"{canary:.6e}", canary.hex()]
        raw = [struct.pack(f"{order}d", canary) for order in "<>"]
    for text in texts:
        raw += [text.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")]
    for form in raw:
        yield form
        yield form.hex().encode()
        yield form.hex().upper().encode()
        for before in range(3):  # how base64 writes it depends on where in the coded bytes it begins
            coded = base64.b64encode(bytes(before) + form)
            yield coded[-(-8 * before // 6) : 8 * (before + len(form)) // 6]


def search(folder: Path, canaries: Iterable[Any]) -> set[Any]:
    """Return the canaries that are found below a folder: in bytes, and in what readers make of the bytes."""
    wanted = list(canaries)
    patterns = {form: canary for canary in wanted for form in forms(canary) if len(form) >= 7}
    found = set()
    for path in sorted(folder.rglob("*")):
        haystack = str(path.relative_to(folder)).encode() + b"\0" + (path.read_bytes() if path.is_file() else b"")
        found |= {canary for form, canary in patterns.items() if form in haystack}
    texts, numbers = decoded(folder)
    return found | _in_texts(wanted, texts) | _in_numbers(wanted, numbers)


def _in_texts(wanted: list[Any], texts: set[str]) -> set[Any]:
    whole = "\0".join(texts)
    lowered = whole.lower()
    return {
        canary
        for canary in wanted
        if (isinstance(canary, str) and canary.lower() in lowered)
        or (isinstance(canary, int | float) and repr(canary) in whole)
    }


def _in_numbers(wanted: list[Any], numbers: np.ndarray) -> set[Any]:
    numbers = np.sort(numbers[np.isfinite(numbers)])
    found = set()
    for canary in wanted:
        if isinstance(canary, int | float) and len(numbers):
            # small numbers are everywhere; what is looked for nearby must be large
            near = NEAR if abs(canary) > 1000 else 1e-12
            slack = NEIGHBOUR if isinstance(canary, int) else abs(canary) * near
            at = np.searchsorted(numbers, canary - slack)
            if at < len(numbers) and numbers[at] <= canary + slack:
                found.add(canary)
    return found


def decoded(folder: Path) -> tuple[set[str], np.ndarray]:
    """All texts and all numbers that readers find: records of stores, and tables of Parquet files."""
    texts: set[str] = set()
    numbers: list[np.ndarray] = []

    def take(array: np.ndarray) -> None:
        if array.dtype.kind in "biuf":
            numbers.append(array.ravel().astype(np.float64))
        else:
            texts.update(str(one) for one in array.ravel().tolist())

    for root in [folder, *folder.rglob("*")]:
        if (root / "FORMAT").is_file():
            with DirectoryStore(root, create=False) as store:  # not by its level: as anybody can read it
                for run in store.runs():
                    for record in store.records(run):
                        texts.update([run, record.event])
                        for content in (record.values, record.arrays):
                            texts.update(content)
                            for value in content.values():
                                take(np.asarray(value))
        elif root.suffix == ".parquet":
            table = pq.read_table(root)
            texts.update(table.column_names)
            for column in table.columns:
                flat = column.combine_chunks()
                while pa.types.is_list(flat.type):
                    flat = flat.flatten()
                    flat = flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat
                take(np.array([one for one in flat.to_pylist() if one is not None] or [0]))
    return texts, np.concatenate([*numbers, np.zeros(1)])
