"""An evaluation is the same whatever is killed, however it is split, and wherever it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal import Task, evaluate
from metaal.errors import EvaluationError, InputError
from metaal.evaluating import playing
from metaal.evaluating.cells import cells_of, chosen
from metaal.evaluation import read_result
from metaal.rehearsal import read_suite
from metaal.rehearsal.playing import run_name
from metadata_store import MemoryStore, open_store
from tests.metaal.rehearsed import contents, write_suite

SUITE = """
name = "duel"
seeds = [3, 4]
[[grid]]
data = ["iris", "wine"]
learners = ["naive_bayes"]
regimes = ["clean", "noise(rate=0.3)"]
batches = [4]
budget = 12
"""
POLICIES: dict[str, metaal.Policy | str] = {"m": "margin", "u": "uniform"}
CELLS = 8


def timeless(runs: pd.DataFrame) -> pd.DataFrame:
    """The table without what is measured in seconds, and what is priced by them."""
    kept = [c for c in runs if not str(c).startswith("seconds") and c not in ("utility", "traceback")]
    return runs[kept].reset_index(drop=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[metaal.Result, Path]:
    """The whole suite, evaluated in one go by one process."""
    folder = tmp_path_factory.mktemp("unbroken")
    suite = write_suite(folder, SUITE)
    return evaluate(POLICIES, suite=suite, store=folder / "s", jobs=1, progress=False), folder / "s"


def killed(suite: str, store: Path, after: float, jobs: int = 1) -> subprocess.Popen[bytes]:
    """An evaluation that is killed some seconds after its first record, if it has not ended by then."""
    code = (
        "from metaal import evaluate; "
        f"evaluate({POLICIES!r}, suite={suite!r}, store={str(store)!r}, jobs={jobs}, progress=False)"
    )
    before = len(list((store / "hot").glob("*")))
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((store / "hot").glob("*"))) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return process


def test_an_evaluation_that_is_killed_again_and_again_goes_on_as_if_unbroken(
    unbroken: tuple[metaal.Result, Path], tmp_path: Path
) -> None:
    whole, store = unbroken
    suite = write_suite(tmp_path, SUITE)
    rng = np.random.default_rng(0)
    kills = sum(killed(suite, tmp_path / "s", float(rng.uniform(0.02, 0.1))).returncode != 0 for _ in range(2))
    assert kills == 2
    with open_store(tmp_path / "s") as opened:
        assert 0 < len(opened.runs()) < 2 * CELLS
    result = evaluate(POLICIES, suite=suite, store=tmp_path / "s", jobs=1, progress=False)
    pd.testing.assert_frame_equal(timeless(result.runs), timeless(whole.runs))
    assert contents(tmp_path / "s") == contents(store)


def test_workers_of_a_killed_command_do_no_harm(unbroken: tuple[metaal.Result, Path], tmp_path: Path) -> None:
    """They go on with what they are at, while the next command begins at once."""
    whole, store = unbroken
    suite = write_suite(tmp_path, SUITE)
    process = killed(suite, tmp_path / "s", 0.3, jobs=2)
    try:
        assert process.returncode != 0
        result = evaluate(POLICIES, suite=suite, store=tmp_path / "s", jobs=1, progress=False)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # they would wait five minutes for more
    pd.testing.assert_frame_equal(timeless(result.runs), timeless(whole.runs))
    assert contents(tmp_path / "s") == contents(store)


def test_two_shards_are_the_whole_and_the_call_without_reads_them(
    unbroken: tuple[metaal.Result, Path], tmp_path: Path
) -> None:
    whole, store = unbroken
    suite, there = write_suite(tmp_path, SUITE), tmp_path / "s"
    parts = [evaluate(POLICIES, suite=suite, store=there, shard=f"{k}/2", jobs=1, progress=False).runs for k in (1, 2)]
    assert [len(part) for part in parts] == [CELLS, CELLS]
    assert not set(parts[0]["stream"]) & set(parts[1]["stream"])
    result = evaluate(POLICIES, suite=suite, store=there, jobs=1, progress=False)
    pd.testing.assert_frame_equal(timeless(result.runs), timeless(whole.runs))
    assert contents(there) == contents(store)


def test_a_run_of_every_process_or_a_cell_of_every_process_are_the_same(
    unbroken: tuple[metaal.Result, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = unbroken
    monkeypatch.setattr(playing, "MANY", 1)
    tasks = [Task("iris", "naive_bayes", batch=4, budget=12)]
    told: list[tuple[int, int]] = []
    together = evaluate(
        POLICIES, tasks, [3, 4], store=MemoryStore(), progress=lambda done, total, what: told.append((done, total))
    )
    assert told == [(2, 4), (4, 4)]
    expected = whole.runs[whole.runs["task"] == "iris~naive_bayes~b4"]
    pd.testing.assert_frame_equal(timeless(together.runs), timeless(expected))


def test_the_store_reads_back_as_the_same_result(unbroken: tuple[metaal.Result, Path]) -> None:
    whole, store = unbroken
    with open_store(store) as opened:
        read = read_result(opened).runs
    key = ["stream", "policy"]
    left, right = (timeless(runs.sort_values(key))[timeless(whole.runs).columns] for runs in (whole.runs, read))
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_a_run_that_another_process_is_playing_is_waited_for(tmp_path: Path) -> None:
    task = Task("iris", "naive_bayes", batch=4, budget=8)
    with open_store(tmp_path / "s") as other:
        lease = other.lease(run_name(task, "m"))
        timer = threading.Timer(0.7, lease.release)
        timer.start()
        started = time.monotonic()
        result = evaluate({"m": "margin"}, [task], [0], store=tmp_path / "s", jobs=1, progress=False)
        assert time.monotonic() - started > 0.5
        timer.join()
    assert result.errors.empty


def test_on_a_dask_cluster_it_is_the_same(unbroken: tuple[metaal.Result, Path], tmp_path: Path) -> None:
    from distributed import LocalCluster

    whole, _ = unbroken
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        result = evaluate(
            POLICIES,
            suite=write_suite(tmp_path, SUITE),
            only="iris~naive_bayes~b4~s*",
            store=tmp_path / "s",
            backend="dask",
            address=cluster.scheduler_address,
            progress=False,
        )
    expected = whole.runs[whole.runs["stream"].isin(result.runs["stream"])]
    assert len(expected) == 4
    pd.testing.assert_frame_equal(timeless(result.runs), timeless(expected))


def test_a_suite_brings_its_seeds_unless_others_are_given(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, SUITE)
    assert {cell.seeds.split for cell in cells_of(None, None, suite=suite)} == {3, 4}
    given = cells_of(None, range(3), suite=read_suite(suite))
    assert {cell.seeds.split for cell in given} == {0, 1, 2}
    assert len(given) == CELLS // 2 * 3
    assert len(cells_of([Task("iris")], None)) == 5


def test_the_order_of_play_is_a_fair_sample_of_the_whole(tmp_path: Path) -> None:
    cells = cells_of(None, range(20), suite=write_suite(tmp_path, SUITE))
    first = chosen(cells)[: len(cells) // 4]
    for of in (lambda cell: cell.data_name, lambda cell: str(cell.regime)):
        share = np.mean([of(cell) == of(cells[0]) for cell in first])
        assert 0.3 < share < 0.7
    assert sorted(cell.stream for cell in chosen(cells)) == sorted(cell.stream for cell in cells)


def test_calls_that_cannot_be(tmp_path: Path) -> None:
    iris = [Task("iris", batch=4, budget=8)]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"shard": "3/2"}, "expected i/n"),
        ({"shard": "2/2"}, "is empty; use fewer shards"),
        ({"only": "wine*"}, "matches none"),
        ({"data": "folder"}, "there is no suite"),
        ({"backend": "spark"}, "expected one of loky, dask, ray"),
        ({"address": "tcp://nowhere:1"}, "add --backend dask"),
        ({"jobs": 0}, "jobs: got 0"),
        ({"store": "memory:"}, "would be one for each process"),
        ({"leaky": "maybe"}, "expected 'refuse' or 'mark'"),
    ]
    for words, message in cases:
        store = {"store": tmp_path / "s", **words}
        with pytest.raises(InputError, match=message):
            evaluate({"m": "margin"}, iris, [0], progress=False, **store)


def test_a_worker_that_is_killed_ends_the_command_with_a_word(tmp_path: Path) -> None:
    task = Task("iris", "naive_bayes", batch=4, budget=8)
    with pytest.raises(EvaluationError, match=r"a worker process was killed.*fewer --jobs"):
        evaluate({"m": Suicidal("margin")}, [task], range(2), store=tmp_path / "s", jobs=2, progress=False)


class Suicidal(metaal.Fixed):
    """Its process dies in the second loop, as one does that takes all memory."""

    def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
        if len(history) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decide(history, actions)
