"""The process in which measurements are made: jobs as JSON on standard input, answers as JSON lines on a descriptor.

    python -m benchmarks.micro.worker DESCRIPTOR < jobs.json

Started by `harness.run`, which set the number of threads in the environment before numpy could be imported.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.micro import measuring

_WARM = {"U": 300, "L": 40, "n": 10}  # the size of the call that pays for imports


def main() -> None:
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as answers:
        _tell.append(lambda line: answers.write(json.dumps(line) + "\n"))
        for job in json.load(sys.stdin):
            _clock("preparing", job.get("setup_seconds", 120))
            _tell[0](_answer(job))


def _clock(stage: str, seconds: float) -> None:
    """Tell the watcher that this many CPU seconds are allowed from now on."""
    for tell in _tell:
        tell({"clock": seconds, "stage": stage})


_tell: list[Callable[[dict[str, Any]], Any]] = []


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    from benchmarks.micro.ours import NotHereError

    measuring.limit(job["gibibytes"])
    warnings.simplefilter("ignore")
    try:
        return {"status": "ok", **_KINDS[job["kind"]](job)}
    except NotHereError as error:
        return {"status": "not here yet", "note": str(error)}
    except MemoryError:
        return {"status": "out of memory"}
    except Exception as error:  # a peer's failure is a result
        text = " ".join(str(error).split())
        if "allocate memory" in text:
            return {"status": "out of memory"}
        return {"status": "error", "note": f"{type(error).__name__}: {text}"[:200]}


def _inputs(sizes: dict[str, int]) -> Any:
    from benchmarks.micro.inputs import Inputs

    key = tuple(sorted(sizes.items()))
    if key not in _kept:
        _kept.clear()
        _kept[key] = Inputs(**sizes)
    return _kept[key]


_kept: dict[Any, Any] = {}


def _small(sizes: dict[str, int]) -> Any:
    from benchmarks.micro.inputs import Inputs

    return Inputs(**sizes | {key: min(value, sizes.get(key, value)) for key, value in _WARM.items()})


def rowwise(job: dict[str, Any]) -> dict[str, Any]:
    """A strategy against one partition of the same array, in turns."""
    import numpy as np

    from benchmarks.micro.ours import view_and_propose

    inputs = _inputs(job["sizes"])
    proba = inputs["proba"]
    look, choose = view_and_propose(job["strategy"], inputs)
    second = max(0, inputs.C - 2)
    calls = {"floor": lambda: np.partition(proba, second, axis=1), "seconds": choose, "view": look}
    spent: dict[str, list[float]] = {name: [] for name in calls}
    _clock("measuring", job["cpu_seconds"])
    for _ in range(job["rounds"]):
        for name, call in calls.items():
            start = time.process_time()
            call()
            spent[name].append(time.process_time() - start)
    floor, seconds, view = (statistics.median(spent[name]) for name in ("floor", "seconds", "view"))
    return {
        "floor_seconds": floor,
        "seconds": seconds,
        "ratio": seconds / floor,
        "view_seconds": view,
        "mib": measuring.traced(choose),
        "repeats": job["rounds"],
    }


def propose(job: dict[str, Any]) -> dict[str, Any]:
    """A strategy on a view that is made already; the view's own seconds beside it."""
    from benchmarks.micro.ours import strategy, view_and_propose

    view_and_propose(job["strategy"], _small(job["sizes"]))[1]()
    inputs = _inputs(job["sizes"])
    look, choose = view_and_propose(job["strategy"], inputs)
    found = strategy(job["strategy"])
    cost = float(found.cost(inputs.U, inputs.L, inputs.C, inputs.D, inputs.n))
    _clock("measuring", job["cpu_seconds"])
    first, mib = measuring.resident(choose)
    # A first call that took long is the measurement; a short one is repeated.
    seconds, repeats = measuring.seconds_of(choose, enough=job["enough"]) if first < job["enough"] else (first, 1)
    answer = {"seconds": seconds, "mib": mib, "repeats": repeats, "cost": cost}
    if job.get("extras"):
        answer["view_seconds"] = measuring.seconds_of(look)[0]
        if first < 3:
            _clock("measuring", job["cpu_seconds"])
            answer["traced_mib"] = measuring.traced(choose)
    return answer


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """A strategy as a user pays for it: the view and the choice."""
    from benchmarks.micro.ours import whole

    return _call(job, lambda inputs: whole(job["strategy"], inputs))


def peer(job: dict[str, Any]) -> dict[str, Any]:
    """The same choice by another package."""
    from benchmarks.micro.pairs import PEERS

    return _call(job, PEERS[job["package"], job["call"]])


def _call(job: dict[str, Any], prepare: Any) -> dict[str, Any]:
    prepare(_small(job["sizes"]))()
    call = prepare(_inputs(job["sizes"]))
    _clock("measuring", job["cpu_seconds"])
    first, mib = measuring.resident(call)
    if first >= job["enough"]:
        return {"seconds": first, "mib": mib, "repeats": 1}
    _clock("measuring", job["cpu_seconds"])
    seconds, repeats = measuring.seconds_of(call, enough=job["enough"])
    return {"seconds": seconds, "mib": mib, "repeats": repeats}


def about(job: dict[str, Any]) -> dict[str, Any]:
    """Which packages this interpreter has, and how fast the machine is."""
    from importlib import metadata

    from strategy_zoo.timing import machine_speed

    versions = {}
    for name in job["packages"]:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {"versions": versions, "python": sys.version.split()[0], "machine_seconds": machine_speed()}


def spin(job: dict[str, Any]) -> dict[str, Any]:
    """Take time or memory without end: for the tests of the limits."""
    _clock("measuring", job["cpu_seconds"])
    hoard = []
    while True:
        if job["strategy"] == "memory":
            hoard.append(bytearray(64 << 20))


_KINDS = {"rowwise": rowwise, "propose": propose, "ours": ours, "peer": peer, "about": about, "spin": spin}


if __name__ == "__main__":
    main()
