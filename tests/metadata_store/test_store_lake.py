"""Other systems take over the compacted tier: nothing is copied, nothing doubled, and the store stays the store's."""

import os
import sys
import threading
from pathlib import Path

import deltalake
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from metadata_store import DirectoryStore, MemoryStore, OptionError, Record, WriteError
from metadata_store.interchange import MissingPackageError, delta, export_delta, export_iceberg, open_catalog, parts

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning"),
]
KEYS = ("run", "loop", "event", "index", "at")


@pytest.fixture
def store(path):
    with DirectoryStore(path, durability="none") as opened:
        fill(opened, "a")
        yield opened


def fill(store, run, *, loops=20, more=()):
    """Append a run with values of every kind; several events a loop; names that only some records have."""
    for loop in range(loops):
        floats = {"score.value": [0.5, float("nan"), -0.0, float("inf")][loop % 4], "score": loop / 7}
        store.append(Record(run, loop, "ask", {**floats, "loop": 1.5}, {"ids": np.arange(loop)}, at=loop + 1))
        rest = {"n": 2**62 + loop, "stop": loop % 2 == 0, "why": f"é\n{loop}", **dict.fromkeys(more, 0.25)}
        store.append(Record(run, loop, "tell", rest, at=loop + 2, index=loop % 3))


def truth(store):
    """Return every value of a store: (run, loop, event, index, at) → name → value."""
    return {
        (run, *record.key[1:], record.at): {
            f"value:{name}" if name == "loop" else name: repr(value) for name, value in record.values.items()
        }
        for run in store.runs()
        for record in store.records(run)
    }


def told(table):
    """Return the same of a table that another system has read."""
    rows = pa.table(table).to_pylist()
    found = {
        tuple(row[key] for key in KEYS): {
            name: repr(value)
            for name, value in row.items()
            if value is not None and name not in (*KEYS, "stamp", "schema", "payload")
        }
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def from_delta(folder, **options):
    return told(deltalake.DeltaTable(str(folder), **options).to_pyarrow_table())


def from_iceberg(folder, name="metaal.records"):
    catalog = open_catalog(folder)
    try:
        return told(catalog.load_table(name).scan().to_arrow())
    finally:
        catalog.close()


def inodes(folder):
    return {path.name: path.stat().st_ino for path in Path(folder).rglob("*.parquet")}


def versions(store, folder, export, read, count=3):
    """Export, let the store grow and merge its files, export again, and compare each time."""
    for number in range(count):
        done = export(store, folder)
        assert read(folder) == truth(store)
        assert done.rows == len(truth(store))
        assert export(store, folder)[1:] == (0, 0, done.rows, 0)
        fill(store, f"more {number}", loops=3, more=(f"new.{number}", "late"))
    for k in range(20):  # small parts, that the store then merges into one: files go as well as come
        with DirectoryStore(store.path, durability="none") as other:
            other.append(Record("small", k, "tell", {"score": 0.5}))
            other.compact()
    done = export(store, folder)
    assert done.removed > 0
    assert read(folder) == truth(store)


def test_delta_lake_takes_over_every_version_of_the_compacted_tier(store, tmp_path):
    versions(store, tmp_path / "delta", export_delta, from_delta)


def test_iceberg_takes_over_every_version_of_the_compacted_tier(store, tmp_path):
    versions(store, tmp_path / "ice", export_iceberg, from_iceberg)


@pytest.mark.parametrize("export", [export_delta, export_iceberg])
def test_no_parquet_file_is_copied(store, tmp_path, export):
    fill(store, "b")
    done = export(store, tmp_path / "lake")
    assert done.added == 1
    kept = inodes(store.path / "cold" / "records")
    assert inodes(tmp_path / "lake") == kept
    assert all(path.stat().st_nlink == 2 for path in (tmp_path / "lake").rglob("*.parquet"))
    own = sum(
        path.stat().st_size for path in (tmp_path / "lake").rglob("*") if path.suffix != ".parquet" and path.is_file()
    )
    assert own < 200_000
    assert store.verify().ok


def test_older_versions_stay_readable_after_the_store_has_merged_its_files(store, tmp_path):
    first = truth(store)
    export_delta(store, tmp_path / "delta")
    for k in range(20):
        with DirectoryStore(store.path, durability="none") as other:
            other.append(Record("small", k, "tell", {"score": 0.5}))
            other.compact()
    assert export_delta(store, tmp_path / "delta").version == 1
    assert from_delta(tmp_path / "delta", version=0) == first
    assert from_delta(tmp_path / "delta", version=1) == truth(store)


def test_what_a_table_sweeps_away_the_store_keeps(store, tmp_path):
    folder = tmp_path / "delta"
    export_delta(store, folder)
    before = truth(store)
    table = deltalake.DeltaTable(str(folder))
    table.delete()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert inodes(folder) == {}
    assert store.verify().ok
    assert truth(store) == before
    # the next export puts back what somebody deleted
    assert export_delta(store, folder).added == 1
    assert from_delta(folder) == before


@pytest.mark.parametrize(("export", "read"), [(export_delta, from_delta), (export_iceberg, from_iceberg)])
def test_a_file_that_somebody_removed_from_the_table_comes_back(store, tmp_path, export, read):
    export(store, tmp_path / "lake")
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()
    assert export(store, tmp_path / "lake")[1:3] == (0, 0)
    assert read(tmp_path / "lake") == truth(store)


def test_a_file_that_the_store_has_merged_meanwhile_is_told(store, tmp_path, monkeypatch):
    export_delta(store, tmp_path / "delta")
    fill(store, "b")
    gone = parts.Part(store.path / "cold" / "records" / "gone.parquet", "gone.parquet", 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(parts, "current", lambda root: [gone])
        with pytest.raises(WriteError, match="was merged by another process meanwhile; export again"):
            export_delta(store, tmp_path / "delta")
    export_delta(store, tmp_path / "delta")
    assert from_delta(tmp_path / "delta") == truth(store)


def test_delta_readers_skip_files_by_the_ranges_of_the_keys(store, tmp_path):
    export_delta(store, tmp_path / "delta")
    actions = pa.table(deltalake.DeltaTable(str(tmp_path / "delta")).get_add_actions(flatten=True)).to_pylist()
    assert actions[0]["num_records"] == 40
    assert (actions[0]["min.loop"], actions[0]["max.loop"]) == (0, 19)
    assert (actions[0]["min.at"], actions[0]["max.at"]) == (1, 21)


def test_two_exports_at_once_make_one_history(store, tmp_path):
    folder, faults = tmp_path / "delta", []
    store.close()
    start = threading.Barrier(4)

    def run():
        try:
            start.wait(10)
            with DirectoryStore(store.path, durability="none") as own:
                export_delta(own, folder)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert faults == []
    with DirectoryStore(store.path) as again:
        assert export_delta(again, folder).added == 0
        assert from_delta(folder) == truth(again)
    assert not list((folder / "_delta_log").glob(".*"))


def test_records_that_another_process_is_writing_wait_for_the_next_export(store, tmp_path):
    with DirectoryStore(store.path, durability="none") as reader:
        assert export_delta(reader, tmp_path / "delta") == (0, 0, 0, 0, 40)
        assert export_iceberg(reader, tmp_path / "ice") == (0, 0, 0, 0, 40)
        assert from_delta(tmp_path / "delta") == from_iceberg(tmp_path / "ice") == {}
        store.close()
        assert export_delta(reader, tmp_path / "delta") == (1, 1, 0, 40, 0)
        assert export_iceberg(reader, tmp_path / "ice") == (1, 1, 0, 40, 0)
        assert from_delta(tmp_path / "delta") == from_iceberg(tmp_path / "ice") == truth(reader)


def test_a_version_that_another_process_made_is_not_overwritten(store, tmp_path, monkeypatch):
    folder = tmp_path / "delta"
    export_delta(store, folder)
    fill(store, "b", loops=2)
    real, calls = delta._read, []

    def late(log):
        table = real(log)
        if not calls:
            calls.append(1)
            deltalake.DeltaTable(str(folder)).alter.set_table_properties(
                {"delta.logRetentionDuration": "interval 9 days"}
            )
        return table

    monkeypatch.setattr(delta, "_read", late)
    assert export_delta(store, folder).version == 2
    assert from_delta(folder) == truth(store)
    assert deltalake.DeltaTable(str(folder)).metadata().configuration["delta.logRetentionDuration"] == "interval 9 days"


def test_polars_and_duckdb_read_the_tables(store, tmp_path):
    fill(store, "b", more=("late",))
    export_delta(store, tmp_path / "delta")
    export_iceberg(store, tmp_path / "ice")
    assert told(pl.read_delta(str(tmp_path / "delta")).to_arrow()) == truth(store)
    catalog = open_catalog(tmp_path / "ice")
    table = catalog.load_table("metaal.records")
    assert told(pl.scan_iceberg(table).collect().to_arrow()) == truth(store)
    with table.scan(row_filter="run == 'b'").to_duckdb("records") as connection:
        ((count, late),) = connection.sql('select count(*), sum("late") from records').fetchall()
    assert (count, late) == (40, 20 * 0.25)
    catalog.close()


def test_duckdb_and_polars_read_the_compacted_tier_in_place(store):
    fill(store, "large", loops=100)
    store.compact()
    fill(store, "b", loops=10, more=("late",))
    store.compact()
    files = str(store.path / "cold" / "records" / "*.parquet")
    assert len(list((store.path / "cold" / "records").glob("*.parquet"))) == 2
    with duckdb.connect() as connection:
        connection.sql(f"create view records as from read_parquet('{files}', union_by_name = true)")
        assert told(connection.sql("from records").to_arrow_table()) == truth(store)
        found = connection.sql(
            'select run, max(loop), avg("score") from records where "score" is not null group by run order by run'
        ).fetchall()
    frame = store.frame("score").reset_index().groupby("run").agg({"loop": "max", "score": "mean"})
    assert [(run, loop) for run, loop, _ in found] == list(zip(frame.index, frame["loop"], strict=True))
    assert [score for _, _, score in found] == pytest.approx(frame["score"].tolist())
    # the columns of all files; polars takes those of the first one unless it is told
    lazy = pl.concat([pl.scan_parquet(file) for file in sorted(Path(files).parent.glob("*.parquet"))], how="diagonal")
    assert told(lazy.collect().to_arrow()) == truth(store)
    columns = {**pl.read_parquet_schema(sorted(Path(files).parent.glob("*.parquet"))[0]), "late": pl.Float64}
    scan = pl.scan_parquet(files, schema=columns, missing_columns="insert", extra_columns="ignore")
    assert scan.filter(pl.col("late") == 0.25).select(pl.len()).collect().item() == 10


def test_a_table_of_ones_own_catalog_and_name(store, tmp_path):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("mine", uri=f"sqlite:///{tmp_path / 'c.db'}", warehouse=(tmp_path / "w").as_uri())
    export_iceberg(store, tmp_path / "ice", table="lab.loops", catalog=catalog)
    assert told(catalog.load_table("lab.loops").scan().to_arrow()) == truth(store)
    catalog.close()


@pytest.mark.parametrize("export", [export_delta, export_iceberg])
def test_what_cannot_become_a_table_is_refused(store, tmp_path, export, monkeypatch):
    with pytest.raises(OptionError, match="a MemoryStore has no local Parquet files"):
        export(MemoryStore(), tmp_path / "lake")
    for folder in (store.path, store.path / "cold" / "lake"):
        with pytest.raises(OptionError, match="is in the store"):
            export(store, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        export(store, tmp_path / "file")

    def elsewhere(source, target):
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(parts.os, "link", elsewhere)
        with pytest.raises(WriteError, match="must be on the file system of the store"):
            export(store, tmp_path / "lake")
    export(store, tmp_path / "lake")
    with DirectoryStore(tmp_path / "other") as other:
        other.append(Record("r", 0, "tell", {"n": "a text here"}))
        with pytest.raises(OptionError, match="column 'n' is long in the table and string in"):
            export(other, tmp_path / "lake")
    read = from_delta if export is export_delta else from_iceberg
    assert read(tmp_path / "lake") == truth(store)


def test_a_file_of_somebody_else_is_not_taken_for_the_stores(store, tmp_path):
    store.compact()
    (name,) = inodes(store.path / "cold" / "records")
    (tmp_path / "delta").mkdir()
    (tmp_path / "delta" / name).write_bytes(b"mine")
    with pytest.raises(WriteError, match="is there and is another file"):
        export_delta(store, tmp_path / "delta")
    assert (tmp_path / "delta" / name).read_bytes() == b"mine"


def test_a_damaged_or_foreign_delta_log_is_refused(store, tmp_path):
    folder = tmp_path / "delta"
    export_delta(store, folder)
    fill(store, "b")
    export_delta(store, folder)
    first = folder / "_delta_log" / f"{0:020d}.json"
    whole = first.read_bytes()
    first.write_bytes(whole[:-30])
    with pytest.raises(OptionError, match=r"version 0 in .* is damaged"):
        export_delta(store, folder)
    first.write_bytes(whole.replace(b'"minWriterVersion":2', b'"minWriterVersion":7'))
    with pytest.raises(OptionError, match="needs features that are not written here"):
        export_delta(store, folder)
    first.unlink()
    with pytest.raises(OptionError, match="begins at version 1"):
        export_delta(store, folder)
    first.write_bytes(whole)
    assert export_delta(store, folder).added == 0


@pytest.mark.parametrize("name", ["records", ".records", "lab."])
def test_an_iceberg_table_needs_a_namespace(store, tmp_path, name):
    with pytest.raises(OptionError, match="give a namespace and a name"):
        export_iceberg(store, tmp_path / "ice", table=name)


def test_pyiceberg_is_asked_for_by_name(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.sql", None)
    with pytest.raises(MissingPackageError, match=r'pip install "metaal\[iceberg\]"'):
        export_iceberg(store, tmp_path / "lake")
    assert os.listdir(tmp_path) == ["store"]
