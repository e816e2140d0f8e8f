"""Opening large stores: a log of 1 GB, whole, torn and compacted; a million loops."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.store.process import needs
from benchmarks.store.read import made
from benchmarks.store.records import Shape, Source
from benchmarks.store.watch import Watch, bytes_of, spread, warm

_MARK = "complete"
COLUMNS = (
    *("store", "what", "status", "records", "gigabytes", "rounds"),
    *("wall_s", "wall_s_low", "wall_s_high", "cpu_s", "cpu_s_low", "cpu_s_high"),
    *("per_second", "peak_mib", "verdict", "note"),
)
KEY = ("store", "what")


def log(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Open one log several times; with `torn`, cut in the middle of its last frame, as a killed writer leaves it."""
    from metadata_store import open_store

    path = made(Path(options["kept"]), options["spec"])
    records, place = options["spec"]["runs"] * options["spec"]["loops"], path
    if options["torn"]:
        place = Path(options["scratch"]) / "torn"
        shutil.copytree(path, place)
        segment = max((place / "hot").iterdir(), key=lambda file: file.stat().st_size)
        os.truncate(segment, segment.stat().st_size - options["cut"])
    warm(place)
    watch, after = Watch(), Watch()
    for turn in range(options["rounds"]):
        store = watch.call(open_store, place)
        found = sum(store.count(run) for run in store.runs())
        if found - turn * options["torn"] != records - options["torn"]:
            raise ValueError(f"{found} records were found of {records}")
        if options["torn"]:
            after.call(store.append, Source(Shape(**options["spec"]["shape"])).record("after", turn))
        store.close()
    base = {"store": options["store"], "status": "ok", "records": records, "gigabytes": bytes_of(place) / 1e9}
    base |= {"rounds": options["rounds"], "note": "files in the system's memory"}
    rows = [base | {"what": "open"} | _times(watch)]
    return rows + ([base | {"what": "append after it"} | _times(after)] if options["torn"] else [])


def write(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Append all records of a store, a run at a time with one sync each."""
    from metadata_store import open_store

    spec = options["spec"]
    source, records = Source(Shape(**spec["shape"])), spec["runs"] * spec["loops"]
    place = Path(options["kept"]) / options["store"]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    watch = Watch()
    with open_store(place / "store") as store:
        for run in range(spec["runs"]):
            batch = [source.record(f"run{run:06d}", loop) for loop in range(spec["loops"])]
            watch.call(store.append_many, batch)
    (place / _MARK).touch()
    row = {"store": options["store"], "what": "append_many", "status": "ok", "records": records, "rounds": 1}
    row |= {"wall_s": sum(watch.wall), "cpu_s": sum(watch.cpu), "per_second": records / sum(watch.wall)}
    return [row | {"gigabytes": bytes_of(place) / 1e9, "note": "one sync a run; making the records isn't counted"}]


def opened(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Open the store as it was written."""
    from metadata_store import open_store

    place = _written(options)
    warm(place)
    watch = Watch()
    for _ in range(options["rounds"]):
        watch.call(open_store, place).close()
    records = options["spec"]["runs"] * options["spec"]["loops"]
    base = {"store": options["store"], "what": "open", "status": "ok", "records": records, "rounds": options["rounds"]}
    return [base | {"gigabytes": bytes_of(place) / 1e9, "note": "files in the system's memory"} | _times(watch)]


def compact(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Compact a copy of a store, and time it; the peak of memory is that of this process."""
    from metadata_store import open_store

    needs("compact")
    place = _copied(options)
    warm(place)
    before, watch = bytes_of(place), Watch()
    with open_store(place) as store:
        records = sum(store.count(run) for run in store.runs())
        watch.call(store.compact)
    (place.parent / _MARK).touch()
    row = {"store": options["store"], "what": "compact", "status": "ok", "records": records, "rounds": 1}
    row |= {"per_second": records / watch.wall[0], "gigabytes": bytes_of(place) / 1e9}
    return [row | _times(watch) | {"note": f"from {before / 1e9:.3g} GB"}]


def cold(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Open the compacted store, read one run, and append to it."""
    from metadata_store import open_store

    needs("compact")
    place = _compacted(options)
    spec = options["spec"]
    warm(place)
    opening, run, first, verify = Watch(), Watch(), Watch(), Watch()
    source = Source(Shape(**spec["shape"]))
    for turn in range(options["rounds"]):
        store = opening.call(open_store, place)
        count = store.count("run000001")
        if count != spec["loops"]:
            raise ValueError(f"run000001 has {count} records of {spec['loops']}")
        frame = run.call(store.frame, None, f"run{spec['runs'] // 2:06d}")
        if len(frame) != spec["loops"]:
            raise ValueError(f"{len(frame)} rows were read of {spec['loops']}")
        first.call(store.append, source.record(f"after {time.time_ns()}", turn))
        store.close()
    base = {"store": options["store"], "status": "ok", "records": spec["runs"] * spec["loops"]}
    base |= {"gigabytes": bytes_of(place) / 1e9, "rounds": options["rounds"], "note": "files in the system's memory"}
    watches = {"open, compacted": opening, "frame of one run, compacted": run, "append, compacted": first}
    if options.get("verify"):
        with open_store(place) as store:
            report = verify.call(store.verify)
        if report.damage:
            raise ValueError(f"verify found {report.damage[0]}")
        watches["verify, compacted"] = verify
    return [base | {"what": what} | _times(watch) for what, watch in watches.items()]


def in_duckdb(options: dict[str, Any]) -> list[dict[str, Any]]:
    """DuckDB on the compacted files: count and average of one column."""
    import duckdb

    needs("compact")
    place = _compacted(options)
    name = Source(Shape(**options["spec"]["shape"])).names[0]
    files, records = place / "cold" / "records" / "*.parquet", options["spec"]["runs"] * options["spec"]["loops"]
    query = f"select count(*), avg(\"{name}\") from read_parquet('{files}', union_by_name=true)"
    watch = Watch()
    for _ in range(options["rounds"]):
        count, average = watch.call(lambda: duckdb.execute(query).fetchone())
        if count != records or not 0.4 < average < 0.6:
            raise ValueError(f"DuckDB found {count} records, average {average}; {records} and about 0.5 were written")
    row = {"store": options["store"], "what": "DuckDB: count and average", "status": "ok", "records": records}
    return [row | {"rounds": options["rounds"]} | _times(watch)]


def _written(options: dict[str, Any]) -> Path:
    """The store as `write` left it in this round of measurements, else made anew."""
    place = Path(options["kept"]) / options["store"]
    return place / "store" if (place / _MARK).exists() else made(Path(options["kept"]), options["spec"])


def _copied(options: dict[str, Any]) -> Path:
    """A fresh copy of that store, to be compacted; the mark that it is, is the caller's."""
    place = Path(options["kept"]) / f"{options['store']} compacted"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(_written(options), place / "store")
    return place / "store"


def _compacted(options: dict[str, Any]) -> Path:
    """The compacted copy as `compact` left it, else made anew."""
    from metadata_store import open_store

    place = Path(options["kept"]) / f"{options['store']} compacted"
    if not (place / _MARK).exists():
        with open_store(_copied(options)) as store:
            store.compact()
        (place / _MARK).touch()
    return place / "store"


def _times(watch: Watch) -> dict[str, float]:
    return spread("wall_s", watch.wall) | spread("cpu_s", watch.cpu)
