"""Eight processes that append at the same time, each its own run, in turns with as many bare writers."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.store import peers
from benchmarks.store.append import BARE, OURS, Bare, opened
from benchmarks.store.process import needs
from benchmarks.store.records import Shape, Source
from benchmarks.store.watch import Watch, quantile, settle, spread

SETTINGS = ("commit", "commit, leased", "group")
COLUMNS = (
    *("subject", "setting", "status", "processes", "appends", "rounds", "lost", "doubled"),
    *("p50_ms", "p50_ms_low", "p50_ms_high", "p99_ms", "p99_ms_low", "p99_ms_high", "max_ms"),
    *("bare_p50_ms", "bare_p99_ms", "sync_p50_ms", "sync_p99_ms", "p99_ratio", "p99_ratio_low", "p99_ratio_high"),
    *("cpu_ms", "per_second", "peak_mib", "verdict", "note"),
)
KEY = ("subject", "setting")


def ours(options: dict[str, Any]) -> list[dict[str, Any]]:
    """One setting of our store; each round has bare writers first, then ours, and both start at a barrier."""
    from metadata_store import open_store

    setting, processes, count = options["setting"], options["processes"], options["appends"]
    folder, shape = Path(options["scratch"]), options["shape"]
    if "leased" in setting:
        needs("lease")
    rounds: list[tuple[dict[str, Any], dict[str, Any]]] = []
    lost = doubled = 0
    for turn in range(options["rounds"]):
        place = folder / str(turn)
        place.mkdir()
        settle()
        floor = _together(_bare, place, processes, (count, shape))
        open_store(place / "store").close()
        own = _together(_store, place, processes, (count, shape, setting))
        rounds.append((floor, own))
        with open_store(place / "store", create=False) as store:
            for i in range(processes):
                kept = [record.loop for record in store.records(f"run{i}") if record.loop < count]
                lost += count - len(set(kept))
                doubled += len(kept) - len(set(kept))
        shutil.rmtree(place)
    row: dict[str, Any] = {"subject": OURS, "setting": setting, **_common(options), "lost": lost, "doubled": doubled}
    row |= _spreads([own for _, own in rounds])
    row |= {f"bare_{q}_ms": 1e3 * statistics.median([floor[q] for floor, _ in rounds]) for q in ("p50", "p99")}
    row |= {f"sync_{q}_ms": 1e3 * statistics.median([own[f"sync_{q}"] for _, own in rounds]) for q in ("p50", "p99")}
    row |= spread("p99_ratio", [own["p99"] / floor["p99"] for floor, own in rounds])
    if setting != "commit":
        return [row]
    bare: dict[str, Any] = {"subject": BARE, "setting": "", **_common(options), "lost": 0, "doubled": 0}
    return [row, bare | _spreads([floor for floor, _ in rounds])]


def peer(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The same processes with a peer's store between them."""
    folder, processes, count = Path(options["scratch"]), options["processes"], options["appends"]
    rounds = []
    for turn in range(options["rounds"]):
        place = folder / str(turn)
        place.mkdir()
        peers.PEERS[options["subject"]](place).close()
        settle()
        rounds.append(_together(_peer, place, processes, (count, options["shape"], options["subject"])))
        shutil.rmtree(place)
    failed = sum(one["failed"] for one in rounds)
    note = f"{failed} appends refused" if failed else ""
    return [{"subject": options["subject"], "setting": "", **_common(options), **_spreads(rounds), "note": note}]


def _common(options: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", **{name: options[name] for name in ("processes", "appends", "rounds")}}


def _spreads(rounds: list[dict[str, Any]]) -> dict[str, float]:
    found = spread("p50_ms", [one["p50"] for one in rounds], 1e3) | spread(
        "p99_ms", [one["p99"] for one in rounds], 1e3
    )
    found |= {"max_ms": 1e3 * max(one["max"] for one in rounds)}
    found |= {"cpu_ms": 1e3 * statistics.median([one["cpu"] for one in rounds])}
    return found | {"per_second": statistics.median([one["per_second"] for one in rounds])}


def _together(work: Any, place: Path, processes: int, given: tuple[Any, ...]) -> dict[str, Any]:
    """Run `work` in several processes that start to append at the same time; their latencies together."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=_guarded, args=(work, place, i, barrier, answers, given)) for i in range(processes)
    ]
    for process in started:
        process.start()
    found = [answers.get(timeout=600) for _ in started]
    for process in started:
        process.join()
    errors = [one["error"] for one in found if "error" in one]
    if errors:
        raise RuntimeError(errors[0])
    wall = [seconds for one in found for seconds in one["wall"]]
    sync = [seconds for one in found for seconds in one["sync"]] or [0.0]
    lasted = max(one["stop"] for one in found) - min(one["start"] for one in found)
    return {
        "p50": quantile(wall, 0.5),
        "p99": quantile(wall, 0.99),
        "max": max(wall),
        "cpu": sum(one["cpu"] for one in found) / len(wall),
        "sync_p50": quantile(sync, 0.5),
        "sync_p99": quantile(sync, 0.99),
        "per_second": len(wall) / lasted,
        "failed": sum(one.get("failed", 0) for one in found),
    }


def _guarded(work: Any, place: Path, number: int, barrier: Any, answers: Any, given: tuple[Any, ...]) -> None:
    """The body of one process: an error is told instead of leaving the others at the barrier."""
    try:
        answers.put(work(place, number, barrier, *given))
    except Exception as error:
        barrier.abort()
        answers.put({"error": f"{type(error).__name__}: {error}"})


def _answer(watch: Watch, start: float, cpu: float, sync: list[float]) -> dict[str, Any]:
    spent = time.process_time() - cpu
    return {"wall": watch.wall, "cpu": spent, "start": start, "stop": time.monotonic(), "sync": sync}


def _bare(place: Path, number: int, barrier: Any, count: int, shape: dict[str, int]) -> dict[str, Any]:
    file, data = Bare(place / f"bare{number}"), os.urandom(Shape(**shape).raw)
    barrier.wait()
    start, cpu, watch = time.monotonic(), time.process_time(), Watch()
    for _ in range(count):
        watch.call(file.append, data)
    return _answer(watch, start, cpu, [])


def _store(place: Path, number: int, barrier: Any, count: int, shape: dict[str, int], setting: str) -> dict[str, Any]:
    source, run = Source(Shape(**shape), seed=number), f"run{number}"
    records = [source.record(run, loop) for loop in range(count)]
    sync: list[float] = []
    with opened(place / "store", setting, run) as store, _timed("fdatasync", sync):
        barrier.wait()
        start, cpu, watch = time.monotonic(), time.process_time(), Watch()
        for record in records:
            watch.call(store.append, record)
        return _answer(watch, start, cpu, sync)


def _peer(place: Path, number: int, barrier: Any, count: int, shape: dict[str, int], subject: str) -> dict[str, Any]:
    source, run = Source(Shape(**shape), seed=number), f"run{number}"
    tracker = peers.PEERS[subject](place)
    contents = [source.contents() for _ in range(count)]
    barrier.wait()
    start, cpu, watch, failed = time.monotonic(), time.process_time(), Watch(), 0
    for loop, (values, arrays) in enumerate(contents):
        try:
            watch.call(tracker.append, run, loop, values, arrays)
        except Exception:  # "database is locked" and such: counted, and told in the row
            failed += 1
    tracker.close()
    return _answer(watch, start, cpu, []) | {"failed": failed}


@contextlib.contextmanager
def _timed(name: str, spent: list[float]) -> Any:
    """Note how long each call of one of the system's functions takes; what the store itself adds is the rest."""
    real = getattr(os, name)

    def call(descriptor: int) -> None:
        start = time.perf_counter()
        real(descriptor)
        spent.append(time.perf_counter() - start)

    setattr(os, name, call)
    try:
        yield
    finally:
        setattr(os, name, real)
