"""The finished Parquet files of a store's compacted tier, and hard links of them for tables of other systems."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import OptionError, WriteError
from ..layout import sync_directory
from ..store import Store

KEY_NUMBERS = ("loop", "index", "at", "stamp")


class Part(NamedTuple):
    """One Parquet file of records: where it is, its name in a table, bytes and rows."""

    path: Path
    name: str
    bytes: int
    rows: int


class LakeExport(NamedTuple):
    """The version (or snapshots) that a table has now, the files that came and went with it, and its rows.

    `waiting` counts the records that another process is still writing beside: a later export brings them.
    """

    version: int
    added: int
    removed: int
    rows: int
    waiting: int = 0


def compacted(store: Store, folder: Path, progress: Callable[[int, int], None] | None) -> tuple[list[Part], int, int]:
    """Compact a store; return the Parquet files that hold its records, their rows, and how many records wait.

    A segment that another process has open cannot be compacted yet.

    Parameters
    ----------
    store : a store in a local directory.
    folder : where the table will be; not in the store, whose own files a table's housekeeping could remove.
    progress : as `Store.compact` has it.

    Raises
    ------
    OptionError : the store is no local directory, or has the folder in it.
    """
    root = getattr(store, "path", None)
    if not isinstance(root, Path) or not hasattr(store, "compact"):
        raise OptionError(
            f"a {type(store).__name__} has no local Parquet files that a table could take over; export a store in a "
            "local directory, or write one file with export(store, 'records.parquet')"
        )
    inner, outer = folder.resolve(), root.resolve()
    if inner == outer or outer in inner.parents:
        raise OptionError(f"{folder} is in the store {root}; give a folder beside it, on the same file system")
    store.compact(progress=progress)
    parts = [part for part in current(root) if part.rows]
    rows = sum(part.rows for part in parts)
    return parts, rows, max(0, sum(store.count(run) for run in store.runs()) - rows)


def current(root: Path) -> list[Part]:
    """Return the Parquet files of records that the last manifest of a store names."""
    from ..cold import manifest as manifests
    from ..files import LocalFiles

    files = LocalFiles(root)
    for number in reversed(manifests.numbers(files)):
        found, _ = manifests.read(files, number)
        return [
            Part(root / part.records.name, Path(part.records.name).name, part.records.bytes, part.rows)
            for part in found.parts
        ]
    return []


def link_all(parts: Iterable[Part], folder: Path) -> None:
    """Give all files their names in a table's folder, durably; a name that somebody has removed comes back.

    Raises
    ------
    WriteError : as `link`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        link(part.path, folder / part.name)
    sync_directory(folder)


def link(source: Path, target: Path) -> None:
    """Give a file one more name, unless it has it.

    Raises
    ------
    WriteError : the name belongs to another file, or the file system cannot do it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, two = Path(folder, "one"), Path(folder, "two")
    ...     _ = one.write_text("text")
    ...     link(one, two), link(one, two)
    ...     two.samefile(one)
    (None, None)
    True
    """
    try:
        if target.exists():
            if os.path.samefile(source, target):
                return
            raise WriteError(f"{target} is there and is another file; give another folder")
        os.link(source, target)
    except WriteError:
        raise
    except FileNotFoundError as error:
        raise WriteError(f"{source} was merged by another process meanwhile; export again") from error
    except OSError as error:
        raise WriteError(
            f"cannot link {source} as {target}: {error}; the folder must be on the file system of the store"
        ) from error


def columns_of(path: Path) -> tuple[dict[str, str], tuple[dict[str, int], dict[str, int]]]:
    """Return name → Arrow type of a file's columns, and the least and greatest values of its whole-number keys.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pq.write_table(pa.table({"loop": [3, 9], "score": [0.5, 0.6]}), f"{folder}/part.parquet")
    ...     columns_of(Path(folder, "part.parquet"))
    ({'loop': 'int64', 'score': 'double'}, ({'loop': 3}, {'loop': 9}))
    """
    import pyarrow.parquet as pq

    # only the footer is read
    with pq.ParquetFile(path) as file:
        meta, schema = file.metadata, file.schema_arrow
        lows: dict[str, int] = {}
        highs: dict[str, int] = {}
        for name in KEY_NUMBERS:
            place = schema.get_field_index(name)
            if place < 0:
                continue
            found = [meta.row_group(group).column(place).statistics for group in range(meta.num_row_groups)]
            if found and all(one is not None and one.has_min_max for one in found):
                lows[name], highs[name] = min(one.min for one in found), max(one.max for one in found)
        return {entry.name: str(entry.type) for entry in schema}, (lows, highs)


def union(known: Mapping[str, Any], parts: Iterable[Part], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a table with those of more files: what was there keeps its place and type.

    Parameters
    ----------
    known : column → the other system's type.
    parts : files that are added.
    types : Arrow type → the other system's type.

    Raises
    ------
    OptionError : a column has another type than it had; a store never does that, so the table is another store's.
    """
    merged = dict(known)
    for part in parts:
        for name, kind in columns_of(part.path)[0].items():
            if merged.setdefault(name, types[kind]) != types[kind]:
                raise OptionError(
                    f"column {name!r} is {merged[name]} in the table and {types[kind]} in {part.path}: the table "
                    "belongs to another store; give a new folder"
                )
    return merged
