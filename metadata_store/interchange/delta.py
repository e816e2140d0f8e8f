"""The compacted tier as a table of Delta Lake: a log beside hard links of the same files, no byte of them copied.

The folder of the table has a name of its own for each Parquet file of the store, which is the same file on the disk
(the same inode). So what other programs do to their table, such as VACUUM, takes away names and never the store's data;
and a version of the table stays readable after the store has merged its files. The log is written here, without a
package, as the protocol says: one JSON file for each version, which is created only if it is not there.

Reference: Delta Lake, "Delta Transaction Log Protocol" (protocol versions 1 and 2: reader 1, writer 2).
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OptionError, WriteError
from ..layout import sync_directory
from ..store import Store
from .parts import LakeExport, Part, columns_of, compacted, link_all, union

TYPES = {
    "string": "string",
    "int64": "long",
    "int32": "integer",
    "double": "double",
    "bool": "boolean",
    "binary": "binary",
}
KEYS = {"run": "string", "loop": "long", "event": "string", "index": "long", "at": "long", "stamp": "long"}
TRIES = 20
_LOG = re.compile(r"([0-9]{20})\.json")


@dataclass
class Table:
    """What a log says: its last version (-1 = no table), the bytes of each file, the columns, and the metadata."""

    version: int = -1
    files: dict[str, int] = field(default_factory=dict)
    schema: list[dict[str, Any]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)


def export_delta(
    store: Store, folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> LakeExport:
    """Make a folder the Delta table of a store's records, or bring it up to date with one more version.

    The store is compacted first, so that the table has every record but those that another process is still writing
    beside: one row each, with the columns of `Store.dataset()` (and `schema` and `payload`, which are for the store
    alone). The folder must be on the file system of the store, outside of it. Nothing is copied; if nothing is new,
    nothing is written.

    Parameters
    ----------
    store : a store in a local directory.
    folder : of the table; made if there is none.
    progress : of the compaction, as progress(done, total) in records.

    Returns
    -------
    LakeExport

    Raises
    ------
    OptionError : the store is not a local directory; the folder is in it, or has a table whose log is not only ours.
    WriteError : a file could not be linked (another file system?) or the log not be written; the table is as before.

    Examples
    --------
    >>> import metadata_store
    >>> store = metadata_store.open_store("runs")  # doctest: +SKIP
    >>> export_delta(store, "lake/runs")  # doctest: +SKIP
    LakeExport(version=0, added=1, removed=0, rows=6944)
    >>> deltalake.DeltaTable("lake/runs").to_pandas()  # doctest: +SKIP
    """
    place = Path(folder)
    parts, rows, waiting = compacted(store, place, progress)
    log = place / "_delta_log"
    try:
        log.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            table = _read(log)
            added = [part for part in parts if part.name not in table.files]
            names = {part.name for part in parts}
            removed = [name for name in table.files if name not in names]
            link_all(parts, place)
            if table.version >= 0 and not added and not removed:
                return LakeExport(table.version, 0, 0, rows, waiting)
            actions = _actions(table, added, removed)
            if _put(log, table.version + 1, actions):
                return LakeExport(table.version + 1, len(added), len(removed), rows, waiting)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"cannot write the Delta table {place}: {error}; it is as before, export again") from error
    raise WriteError(f"others change the Delta table {place} all the time; it is as they left it, export again")


def _read(log: Path) -> Table:
    """Return the state that a log describes."""
    numbers = sorted(int(match[1]) for name in os.listdir(log) if (match := _LOG.fullmatch(name)))
    if numbers != list(range(len(numbers))):
        raise OptionError(
            f"the log in {log} begins at version {numbers[0]} or has a gap: another program has cleaned it up; export "
            "to a new folder"
        )
    table = Table()
    for number in numbers:
        for line in (log / f"{number:020d}.json").read_text("utf-8").splitlines():
            try:
                action = json.loads(line) if line.strip() else {}
            except ValueError as error:
                raise OptionError(f"version {number} in {log} is damaged: {error}; export to a new folder") from error
            if "metaData" in action:
                table.meta = action["metaData"]
                table.schema = json.loads(table.meta["schemaString"])["fields"]
                if table.meta.get("partitionColumns"):
                    raise OptionError(f"the Delta table of {log} has partitions, so it is not ours; give a new folder")
            elif "add" in action:
                table.files[urllib.parse.unquote(action["add"]["path"])] = action["add"]["size"]
            elif "remove" in action:
                table.files.pop(urllib.parse.unquote(action["remove"]["path"]), None)
            elif "protocol" in action and (action["protocol"]["minWriterVersion"] > 2):
                raise OptionError(
                    f"the Delta table of {log} needs features that are not written here; give a new folder"
                )
        table.version = number
    return table


def _actions(table: Table, added: list[Part], removed: list[str]) -> list[dict[str, Any]]:
    now = time.time_ns() // 10**6
    known = {entry["name"]: entry["type"] for entry in table.schema} or KEYS
    merged = union(known, added, TYPES)
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in merged.items()]
    actions: list[dict[str, Any]] = [
        {
            "commitInfo": {
                "timestamp": now,
                "operation": "WRITE",
                "operationParameters": {"mode": "Overwrite" if removed else "Append"},
                "engineInfo": "metaal",
            }
        }
    ]
    if table.version < 0:
        actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    if fields != table.schema:
        meta = table.meta or {
            "id": str(uuid.uuid4()),
            "name": "records",
            "format": {"provider": "parquet", "options": {}},
            "partitionColumns": [],
            "configuration": {},
            "createdTime": now,
        }
        actions.append({"metaData": {**meta, "schemaString": json.dumps({"type": "struct", "fields": fields})}})
    # one version takes the old files away and brings the new ones: no reader sees a record twice, or not at all
    for name in removed:
        actions.append(
            {
                "remove": {
                    "path": urllib.parse.quote(name),
                    "deletionTimestamp": now,
                    "dataChange": True,
                    "extendedFileMetadata": True,
                    "partitionValues": {},
                    "size": table.files[name],
                }
            }
        )
    for part in added:
        actions.append(
            {
                "add": {
                    "path": urllib.parse.quote(part.name),
                    "partitionValues": {},
                    "size": part.bytes,
                    "modificationTime": now,
                    "dataChange": True,
                    "stats": json.dumps(_stats(part)),
                }
            }
        )
    return actions


def _stats(part: Part) -> dict[str, Any]:
    """Return what lets a reader pass over a file: rows, and the ranges of the whole-number keys."""
    lows, highs = columns_of(part.path)[1]
    return {"numRecords": part.rows, "minValues": lows, "maxValues": highs, "nullCount": dict.fromkeys(lows, 0)}


def _put(log: Path, version: int, actions: list[dict[str, Any]]) -> bool:
    """Create one version, unless another process has; say whether it is ours."""
    target = log / f"{version:020d}.json"
    beside = log / f".{version:020d}.{uuid.uuid4().hex}.part"
    try:
        with open(beside, "x", encoding="utf-8") as file:
            file.writelines(json.dumps(action, separators=(",", ":")) + "\n" for action in actions)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, target)
        except FileExistsError:
            return False
        sync_directory(log)
        return True
    finally:
        beside.unlink(missing_ok=True)
