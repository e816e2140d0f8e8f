"""One durable record at a time: ours in turns with a bare write and sync of the same bytes, then the peers."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.store import peers
from benchmarks.store.process import needs
from benchmarks.store.records import Shape, Source, raw_bytes
from benchmarks.store.watch import Watch, bytes_of, children_seconds, quantile, settle, spread

BARE, OURS = "bare write + fdatasync", "metaal"
SETTINGS = ("commit", "commit, leased", "group", "none")
COLUMNS = (
    *("subject", "setting", "status", "records", "rounds"),
    *("cpu_ms", "cpu_ms_low", "cpu_ms_high", "make_ms"),
    *("wall_ms", "wall_ms_low", "wall_ms_high", "wall_p99_ms"),
    *("bare_ms", "bare_p99_ms", "wall_ratio", "wall_ratio_low", "wall_ratio_high"),
    *("bytes_ratio", "cpu_times_ours", "peak_mib", "verdict", "note"),
)
KEY = ("subject", "setting")


class Bare:
    """A file to which bytes are appended and synced, nothing else: what the disk takes at least."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._sync = getattr(os, "fdatasync", os.fsync)

    def append(self, data: bytes) -> None:
        """Write and sync."""
        os.write(self._descriptor, data)
        self._sync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@contextlib.contextmanager
def opened(folder: Path, setting: str, run: str) -> Iterator[Any]:
    """Our store as one setting says; "commit, leased" holds a lease on the run."""
    from metadata_store import open_store

    durability, _, leased = setting.partition(", ")
    with contextlib.ExitStack() as stack:
        store: Any = stack.enter_context(open_store(folder, durability=durability))  # type: ignore[arg-type]
        if leased:
            stack.enter_context(store.lease(run))
        yield store


def ours(options: dict[str, Any]) -> list[dict[str, Any]]:
    """One setting of our store, each append beside a bare one; the one that goes first changes."""
    folder, setting, rounds, count = Path(options["scratch"]), options["setting"], options["rounds"], options["records"]
    source = Source(Shape(**options["shape"]))
    bare = Bare(folder / "bare")
    spent: dict[str, list[float]] = {
        name: [] for name in ("cpu", "wall", "p99", "make", "bare", "bare_cpu", "bare_p99")
    }
    ratios = []
    if "leased" in setting:
        needs("lease")
    settle()
    with opened(folder / "store", setting, "run") as store:
        for _ in range(20):  # the first appends pay for imports and for the segment
            store.append(_record(*source.contents()))
        for _ in range(rounds):
            own, raw, make = Watch(), Watch(), Watch()
            for i in range(count):
                values, arrays = source.contents()
                data = raw_bytes(values, arrays)
                record = make.call(_record, values, arrays)
                for turn in (0, 1):
                    if (i + turn) % 2:
                        own.call(store.append, record)
                    elif setting.startswith("commit"):
                        # unsynced bytes of the store would be paid for by the bare sync: in turns only where both sync
                        raw.call(bare.append, data)
            spent["cpu"].append(statistics.fmean(own.cpu))
            spent["wall"].append(statistics.median(own.wall))
            spent["p99"].append(quantile(own.wall, 0.99))
            spent["make"].append(statistics.fmean(make.cpu))
            if raw.wall:
                spent["bare"].append(statistics.median(raw.wall))
                spent["bare_p99"].append(quantile(raw.wall, 0.99))
                spent["bare_cpu"].append(statistics.fmean(raw.cpu))
                ratios.append(spent["wall"][-1] / spent["bare"][-1])
    bare.close()
    stored = rounds * count + 20
    row: dict[str, Any] = {"subject": OURS, "setting": setting, "status": "ok", "records": count, "rounds": rounds}
    row |= spread("cpu_ms", spent["cpu"], 1e3) | spread("wall_ms", spent["wall"], 1e3)
    row |= {"wall_p99_ms": 1e3 * statistics.median(spent["p99"]), "make_ms": 1e3 * statistics.median(spent["make"])}
    row |= {"bytes_ratio": bytes_of(folder / "store") / (stored * source.shape.raw), "cpu_times_ours": ""}
    if not ratios:
        return [row]
    row |= spread("wall_ratio", ratios)
    row |= {
        "bare_ms": 1e3 * statistics.median(spent["bare"]),
        "bare_p99_ms": 1e3 * statistics.median(spent["bare_p99"]),
    }
    if setting != "commit":
        return [row]
    floor: dict[str, Any] = {"subject": BARE, "setting": "", "status": "ok", "records": count, "rounds": rounds}
    floor |= spread("cpu_ms", spent["bare_cpu"], 1e3) | spread("wall_ms", spent["bare"], 1e3)
    floor |= {"wall_p99_ms": row["bare_p99_ms"], "bytes_ratio": 1.0, "wall_ratio": 1.0}
    return [row, floor]


_loops = iter(range(10**12))


def _next() -> int:
    return next(_loops)


def _record(values: Any, arrays: Any) -> Any:
    from metadata_store import Record

    return Record("run", _next(), "tell", values, arrays)


def peer(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The same records through a bare write, ours and a peer, round by round, so that all see the same machine."""
    from metadata_store import open_store

    folder, rounds, count = Path(options["scratch"]), options["rounds"], options["records"]
    source = Source(Shape(**options["shape"]))
    (folder / "peer").mkdir()
    tracker = peers.PEERS[options["subject"]](folder / "peer")
    bare = Bare(folder / "bare")
    settle()
    cpu, wall, p99, floor, faster = [], [], [], [], []
    with open_store(folder / "store") as store:
        for loop in range(3):
            tracker.append("warm", loop, *source.contents())
            store.append(source.record("warm", loop))
        for turn in range(rounds):
            watch, own, raw = Watch(), Watch(), Watch()
            children = children_seconds()
            contents = [source.contents() for _ in range(count)]
            # one after the other, not in turns: a large peer would leave nothing of ours in the processor's caches
            for values, arrays in contents:
                raw.call(bare.append, raw_bytes(values, arrays))
            for values, arrays in contents:
                own.call(lambda values=values, arrays=arrays: store.append(_record(values, arrays)))
            for i, (values, arrays) in enumerate(contents):
                watch.call(tracker.append, f"run{turn}", i, values, arrays)
            children = children_seconds() - children
            cpu.append((sum(watch.cpu) + children) / count)
            wall.append(statistics.median(watch.wall))
            p99.append(quantile(watch.wall, 0.99))
            floor.append(statistics.median(raw.wall))
            faster.append(cpu[-1] / statistics.fmean(own.cpu))
    bare.close()
    tracker.close()
    row: dict[str, Any] = {"subject": options["subject"], "setting": "", "status": "ok"}
    row |= {"records": count, "rounds": rounds, "make_ms": 0.0}
    row |= spread("cpu_ms", cpu, 1e3) | spread("wall_ms", wall, 1e3)
    row |= spread("wall_ratio", [w / f for w, f in zip(wall, floor, strict=True)])
    row |= {"wall_p99_ms": 1e3 * statistics.median(p99), "bare_ms": 1e3 * statistics.median(floor)}
    stored = rounds * count + 3
    row |= {"bytes_ratio": bytes_of(folder / "peer") / (stored * source.shape.raw)}
    row |= {"cpu_times_ours": statistics.median(faster)}
    return [row]


def alone(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Some records and nothing else, for the peak of memory of the process."""
    folder, source, subject = Path(options["scratch"]), Source(Shape(**options["shape"])), options["subject"]
    (folder / "alone").mkdir()
    if subject == OURS:
        with opened(folder / "alone" / "store", options["setting"], "run") as store:
            for loop in range(options["records"]):
                store.append(source.record("run", loop))
    else:
        tracker = peers.PEERS[subject](folder / "alone")
        for loop in range(options["records"]):
            tracker.append("run", loop, *source.contents())
        tracker.close()
    return [{"status": "ok"}]
