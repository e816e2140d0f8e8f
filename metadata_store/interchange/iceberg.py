"""The compacted tier as a table of Apache Iceberg: metadata beside hard links of the same files, no byte copied.

As in `delta`, every Parquet file of the store gets a second name in the table's folder, so that Iceberg's housekeeping
(expiring snapshots, removing orphans) never touches the store's own. The files have no field ids; the table maps their
columns by name.

Reference: Apache Iceberg, "Iceberg Table Spec", section "Column Projection" (name mapping).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import OptionError, WriteError
from ..store import Store
from .foreign import need
from .parts import LakeExport, compacted, link_all, union

TYPES = {"string": "string", "int64": "long", "int32": "int", "double": "double", "bool": "boolean", "binary": "binary"}

KEYS = {"run": "string", "loop": "long", "event": "string", "index": "long", "at": "long", "stamp": "long"}


def export_iceberg(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    table: str = "metaal.records",
    catalog: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> LakeExport:
    """Make or bring up to date an Iceberg table of a store's records, without copying its files.

    The store is compacted first: the table has a row for each record (but those that another process is still writing
    beside), with the columns of `Store.dataset()` (and `schema` and `payload`, which are for the store alone). New
    columns become part of the schema. All changes are one commit of the catalog: no reader sees a record twice, or not
    at all. If nothing is new, nothing is written.

    Parameters
    ----------
    store : a store in a local directory.
    folder : for the files of the table; on the file system of the store, outside of it.
    table : namespace and name.
    catalog : a pyiceberg Catalog; None for one in `folder`/catalog.db (SQLite), made if there is none.
    progress : of the compaction, as progress(done, total) in records.

    Returns
    -------
    LakeExport : its `version` counts the snapshots of the table.

    Raises
    ------
    MissingPackageError : pyiceberg (with its SQL catalog) is not installed.
    OptionError : the store is not a local directory, the folder is in it, the table has no namespace or is that of
        another store.
    WriteError : a file could not be linked, or another process changed the table meanwhile; it is as before.

    Examples
    --------
    >>> import metadata_store
    >>> store = metadata_store.open_store("runs")  # doctest: +SKIP
    >>> export_iceberg(store, "lake")  # doctest: +SKIP
    LakeExport(version=1, added=1, removed=0, rows=6944)
    """
    need("pyiceberg.catalog.sql", "iceberg")
    errors = need("pyiceberg.exceptions", "iceberg")
    if not table.rpartition(".")[0] or not table.rpartition(".")[2]:
        raise OptionError(f"table is {table!r}; give a namespace and a name, such as 'metaal.records'")
    place = Path(folder)
    parts, rows, waiting = compacted(store, place, progress)
    own = catalog is None
    try:
        place.mkdir(parents=True, exist_ok=True)
        catalog = open_catalog(place) if own else catalog
        return LakeExport(*_export(catalog, table, place.resolve(), parts), rows, waiting)
    except errors.CommitFailedException as error:
        raise WriteError(f"another process changed table {table} meanwhile: {error}; export again") from error
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(
            f"cannot write the Iceberg table in {place}: {error}; it is as before, export again"
        ) from error
    finally:
        if own and catalog is not None:
            catalog.close()


def open_catalog(folder: str | os.PathLike[str]) -> Any:
    """Return the catalog that `export_iceberg` keeps in a folder, for pyiceberg's own calls.

    Parameters
    ----------
    folder : as given to `export_iceberg`.

    Examples
    --------
    >>> open_catalog("lake").load_table("metaal.records").scan().to_arrow()  # doctest: +SKIP
    """
    place = Path(folder).resolve()
    sql = need("pyiceberg.catalog.sql", "iceberg")
    return sql.SqlCatalog("metaal", uri=f"sqlite:///{place / 'catalog.db'}", warehouse=place.as_uri())


def _export(catalog: Any, name: str, place: Path, parts: list[Any]) -> tuple[int, int, int]:
    """Bring a table up to date; return its snapshots, and the files that came and went."""
    catalog.create_namespace_if_not_exists(name.rpartition(".")[0])
    there = catalog.table_exists(name)
    table = catalog.load_table(name) if there else None
    before = {Path(str(file.file_path)).name: file for file in _files(table)} if table is not None else {}
    added = [part for part in parts if part.name not in before]
    names = {part.name for part in parts}
    removed = [file for known, file in before.items() if known not in names]
    data = place / "data" / name
    link_all(parts, data)
    if table is not None and not added and not removed:
        return len(table.snapshots()), 0, 0
    known = {field.name: str(field.field_type) for field in table.schema().fields} if table is not None else {}
    merged = union(known or KEYS, added, TYPES)
    if table is None:
        table = catalog.create_table(name, _schema(merged))
    with table.transaction() as change:
        if any(column not in known for column in merged):
            with change.update_schema() as update:  # the name mapping, which add_files makes, follows by itself
                update.union_by_name(_schema(merged))
        if removed:
            with change.update_snapshot().overwrite() as snapshot:
                for file in removed:
                    snapshot.delete_data_file(file)
        if added:
            change.add_files([str(data / part.name) for part in added], check_duplicate_files=False)
    return len(catalog.load_table(name).snapshots()), len(added), len(removed)


def _files(table: Any) -> list[Any]:
    return [task.file for task in table.scan().plan_files()]


def _schema(columns: dict[str, str]) -> Any:
    from pyiceberg import types
    from pyiceberg.schema import Schema

    made = {
        "string": types.StringType(),
        "long": types.LongType(),
        "int": types.IntegerType(),
        "double": types.DoubleType(),
        "boolean": types.BooleanType(),
        "binary": types.BinaryType(),
    }
    fields = [
        types.NestedField(i, name, made[kind], required=False) for i, (name, kind) in enumerate(columns.items(), 1)
    ]
    return Schema(*fields)
