"""A run killed between any two calls goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metaal
from metaal import Run
from metadata_store import Record, open_store

LOOPS = 4


def timeless(record: Record) -> tuple[Any, ...]:
    """A record without the clock: what must be equal bit by bit."""
    values = {name: value for name, value in record.values.items() if not name.startswith("cost.")}
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in record.arrays.items()}
    return record.loop, record.event, record.index, values, arrays


def steps(policy: str) -> list[str]:
    return ["begin", *["ask", "tell"] * LOOPS, "end"]


def walk(folder: Path, loop: Any, policy: str, stop_after: int) -> int:
    """Play until ``stop_after`` calls have been made in all; every call is found from the log alone."""
    run = Run(folder / "r", policy=policy, seed=7)
    try:
        loop.seen = [0, 50, 100, *run.labels]
        calls = len(open_store(folder).records("r"))
        while calls < stop_after:
            if run.ended:
                break
            if run.pending is not None:
                ids = run.pending.ids
                run.tell(loop.y[ids], score=0.5 + calls / 100)
                loop.seen += ids.tolist()
            elif run.history.get("oracle.told").size >= LOOPS and len(run.history) == LOOPS:
                run.end(score=0.9)
            else:
                run.ask(4, **loop.outputs())
            calls += 1
        return calls
    finally:
        run.close()


@pytest.mark.parametrize("policy", ["uniform", "schedule", "badge"])
def test_resuming_after_every_call_equals_the_unbroken_run(tmp_path: Path, loop: Any, policy: str) -> None:
    total = len(steps(policy))
    walk(tmp_path / "whole", loop, policy, total)
    whole = [timeless(r) for r in open_store(tmp_path / "whole").records("r")]
    assert [event for _, event, *_ in whole] == steps(policy)
    for stop in range(1, total + 1):
        walk(tmp_path / "broken", type(loop)(), policy, stop)
    assert [timeless(r) for r in open_store(tmp_path / "broken").records("r")] == whole


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from conftest import Loop
from metaal import Run
run = Run({path!r}, policy="uniform", seed=3)
loop = Loop()
loop.seen = [0, 50, 100, *run.labels]
while len(run.labels) < 24:
    if run.pending is None:
        run.ask(4, **loop.outputs())
        print("asked", flush=True)
    ids = run.pending.ids
    run.tell(loop.y[ids])
    loop.seen += ids.tolist()
    print("told", flush=True)
run.end()
print("done", flush=True)
"""


def test_a_process_killed_at_random_loses_nothing(tmp_path: Path, loop: Any) -> None:
    """SIGKILL after the k-th acknowledged call, for every k, each in a process of its own."""
    child = textwrap.dedent(CHILD).format(tests=str(Path(__file__).parent), path=str(tmp_path / "s" / "r"))
    acknowledged = 0
    for kill_after in (1, 2, 3, 1, 2, 99):
        process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for k, line in enumerate(process.stdout, start=1):
            acknowledged += line.strip() in ("asked", "told")
            if k == kill_after:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        process.wait()
        events = [r.event for r in open_store(tmp_path / "s").records("r")]
        assert sum(event in ("ask", "tell") for event in events) >= acknowledged
    unbroken = Run(tmp_path / "u" / "r", policy="uniform", seed=3)
    while len(unbroken.labels) < 24:
        ids = unbroken.ask(4, **loop.outputs()).ids
        unbroken.tell(loop.learn(ids))
    unbroken.end()
    killed = [timeless(r) for r in open_store(tmp_path / "s").records("r")]
    assert killed == [timeless(r) for r in open_store(tmp_path / "u").records("r")]


def test_the_pending_query_is_handed_out_again_to_a_new_process(tmp_path: Path, loop: Any) -> None:
    shown = loop.outputs()
    first = Run(tmp_path / "r", policy="random")
    query = first.ask(3, **shown)
    first.close()
    second = Run.resume(tmp_path / "r")
    assert second.pending is not None
    np.testing.assert_array_equal(second.pending.ids, query.ids)
    again = second.ask(3, **shown)
    np.testing.assert_array_equal(again.ids, query.ids)
    np.testing.assert_array_equal(again.rows, query.rows)
    with pytest.raises(metaal.OutOfTurnError):
        second.ask(3, **shown)


def test_other_outputs_do_not_replace_a_pending_query(tmp_path: Path, loop: Any) -> None:
    with Run(tmp_path / "r", policy="random") as run:
        run.ask(3, **loop.outputs())
    with Run(tmp_path / "r", policy="random") as run, pytest.raises(metaal.OutOfTurnError, match="still pending"):
        run.ask(4, **loop.outputs())


@pytest.mark.parametrize("change", [{"seed": 1}, {"policy": "margin"}, {"budget": 9}, {"stream": "other"}])
def test_a_run_cannot_be_continued_with_other_settings(tmp_path: Path, change: dict[str, Any]) -> None:
    Run(tmp_path / "r", policy="random").close()
    with pytest.raises(metaal.MismatchError, match=next(iter(change))):
        Run(tmp_path / "r", **{"policy": "random", **change})


def test_resume_needs_a_run(tmp_path: Path) -> None:
    Run(tmp_path / "r", policy="random").close()
    with pytest.raises(metaal.InputError, match="no run 'q'"):
        Run.resume(tmp_path / "q")
    with pytest.raises(FileNotFoundError):
        Run.resume(tmp_path / "nowhere" / "r")
    assert not (tmp_path / "nowhere").exists()
