"""Reading scalars back: all of them, 10 columns, one run; ours before and after compaction, then the peers."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.store import peers
from benchmarks.store.process import needs
from benchmarks.store.records import Shape, Source
from benchmarks.store.watch import Watch, bytes_of, spread, warm

OURS = "metaal"
TIERS = ("uncompacted", "compacted")
WHATS = ("open", "frame", "frame, 10 columns", "frame, one run", "open and frame", "dataset", "DuckDB", "polars")
COLUMNS = (
    *("subject", "tier", "what", "status", "runs", "loops", "scalars", "rounds"),
    *("wall_s", "wall_s_low", "wall_s_high", "cpu_s", "cpu_s_low", "cpu_s_high"),
    *("full_s", "linearity", "times_ours", "mib", "peak_mib", "verdict", "note"),
)
KEY = ("subject", "tier", "what")
_MARK = "complete.json"


def made(folder: Path, spec: dict[str, Any]) -> Path:
    """A store of `runs` × `loops` records of `shape`, made once for each specification and kept in `folder`."""
    from metadata_store import open_store

    place = folder / ("store-" + "-".join(str(spec[name]) for name in ("name", "runs", "loops")))
    mark = place / _MARK
    if mark.exists() and json.loads(mark.read_text(encoding="utf-8")) == spec:
        return place / "store"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    source = Source(Shape(**spec["shape"]))
    with open_store(place / "store", durability="none") as store:
        for run in range(spec["runs"]):
            store.append_many([source.record(f"run{run:06d}", loop) for loop in range(spec["loops"])])
    mark.write_text(json.dumps(spec), encoding="utf-8")
    return place / "store"


def tier(folder: Path, spec: dict[str, Any], name: str) -> Path:
    """The store of a specification, as it was written or compacted."""
    from metadata_store import open_store

    if name == "uncompacted":
        return made(folder, spec)
    compacted = spec | {"name": f"{spec['name']}-compacted"}
    place = folder / ("store-" + "-".join(str(compacted[key]) for key in ("name", "runs", "loops")))
    mark = place / _MARK
    if not (mark.exists() and json.loads(mark.read_text(encoding="utf-8")) == compacted):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(made(folder, spec), place / "store")
        with open_store(place / "store") as store:
            store.compact()
        mark.write_text(json.dumps(compacted), encoding="utf-8")
    return place / "store"


def ours(options: dict[str, Any]) -> list[dict[str, Any]]:
    """All ways to read one tier, each `rounds` times on a fresh opening; the files are in the system's memory."""
    import pandas as pd  # noqa: F401  # its import isn't measured

    from metadata_store import open_store

    if options["tier"] == "compacted":
        needs("compact", "dataset")
    path = tier(Path(options["kept"]), options["spec"], options["tier"])
    spec, rounds = options["spec"], options["rounds"]
    source = Source(Shape(**spec["shape"]))
    warm(path)
    names, run = source.names[:: max(1, len(source.names) // 10)][:10], f"run{spec['runs'] // 2:06d}"
    watches: dict[str, Watch] = {}
    for _ in range(rounds):
        store = watches.setdefault("open", Watch()).call(open_store, path)
        whole = watches.setdefault("frame", Watch()).call(store.frame)
        _expect(whole.shape, (spec["runs"] * spec["loops"], len(source.names)))
        del whole
        part = watches.setdefault("frame, 10 columns", Watch()).call(store.frame, names)
        _expect(part.shape, (spec["runs"] * spec["loops"], len(names)))
        one = watches.setdefault("frame, one run", Watch()).call(store.frame, None, run)
        _expect(one.shape, (spec["loops"], len(source.names)))
        if options["tier"] == "compacted":
            table = watches.setdefault("dataset", Watch()).call(lambda store=store: store.dataset().to_table())
            _expect(table.num_rows, spec["runs"] * spec["loops"])
            del table
        store.close()
    both = Watch()
    for first, second in zip(
        *[zip(watches[w].wall, watches[w].cpu, strict=True) for w in ("open", "frame")], strict=True
    ):
        both.wall.append(first[0] + second[0])
        both.cpu.append(first[1] + second[1])
    watches["open and frame"] = both
    base = {"subject": OURS, "tier": options["tier"], "status": "ok", "rounds": rounds, "mib": bytes_of(path) / 2**20}
    base |= {"runs": spec["runs"], "loops": spec["loops"], "scalars": len(source.names)}
    return [base | {"what": what} | _times(watch) for what, watch in watches.items()]


def in_place(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The compacted tier read by another tool without us."""
    needs("compact")
    spec, rounds = options["spec"], options["rounds"]
    path = tier(Path(options["kept"]), spec, "compacted") / "cold" / "records"
    warm(path)
    read = {"DuckDB": _duckdb, "polars": _polars}[options["what"]]
    watch = Watch()
    for _ in range(rounds):
        _expect(watch.call(read, str(path / "*.parquet")), spec["runs"] * spec["loops"])
    base = {"subject": OURS, "tier": "compacted", "what": options["what"], "status": "ok", "rounds": rounds}
    base |= {"runs": spec["runs"], "loops": spec["loops"], "scalars": spec["shape"]["scalars"]}
    return [base | _times(watch)]


def _duckdb(files: str) -> int:
    import duckdb

    return len(duckdb.execute(f"select * from read_parquet('{files}', union_by_name=true)").df())


def _polars(files: str) -> int:
    import polars

    return polars.read_parquet(files).height


def peer(options: dict[str, Any]) -> list[dict[str, Any]]:
    """A peer at two sizes; from the larger one seconds of the full size are extrapolated in proportion."""
    folder, loops = Path(options["scratch"]), options["spec"]["loops"]
    source = Source(Shape(**options["spec"]["shape"]))
    small, large = options["sizes"]
    tracker = peers.PEERS[options["subject"]](folder)
    watches = []
    done = 0
    for runs in (small, large):
        for run in range(done, runs):
            tracker.append_run(f"run{run:06d}", [source.contents()[0] for _ in range(loops)])
        done = runs
        watch = Watch()
        tracker.read()  # the first reading pays for imports and fills the system's memory
        for _ in range(options["rounds"]):
            _expect(watch.call(tracker.read), runs * loops * len(source.names))
        watches.append(watch)
    tracker.close()
    base = {"subject": options["subject"], "tier": "", "what": "open and frame", "status": "ok"}
    base |= {"runs": large, "loops": loops, "scalars": len(source.names), "rounds": options["rounds"]}
    times = [statistics.median(watch.wall) for watch in watches]
    base |= {"full_s": times[1] * options["spec"]["runs"] / large, "mib": bytes_of(folder) / 2**20}
    base |= {"linearity": times[1] / times[0] / (large / small)}
    return [base | _times(watches[1])]


def _times(watch: Watch) -> dict[str, float]:
    return spread("wall_s", watch.wall) | spread("cpu_s", watch.cpu)


def _expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise ValueError(f"read {found}, but {wanted} were written")
