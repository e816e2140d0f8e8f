"""Rehearsal of a suite: everything once, the same everywhere, whatever is killed and however it is split."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal.errors import EvaluationError, InputError
from metaal.rehearsal import Branches, Suite, read_branches, read_suite, rehearse
from metaal.rehearsal import rehearsing as module
from metaal.rehearsal.costing import expected
from metaal.rehearsal.grids import Grid, Where
from metaal.rehearsal.pacing import pace
from metaal.rehearsal.rehearsing import select
from metaal.rehearsal.shards import read_shard
from metaal.rehearsal.suitetext import parse_suite
from metadata_store import LeaseError, MemoryStore, Record, open_store
from tests.metaal.rehearsed import BRANCHES, SUITE, TASKS, contents, timeless, write_suite


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the whole suite, rehearsed in one go by one process."""
    folder = tmp_path_factory.mktemp("whole")
    table = rehearse(write_suite(folder), folder / "s", jobs=1, progress=False)
    assert table["branches"].sum() == BRANCHES
    return folder / "s"


def test_every_task_is_played_and_branched_from(whole: Path, tmp_path: Path) -> None:
    table = rehearse(write_suite(tmp_path), whole, jobs=1, progress=False)
    assert (table["state"] == "found").all()
    assert len(table) == TASKS
    assert set(table["regime"]) == {"clean", "noise(rate=0.3)+cold_start"}
    suite = read_suite(write_suite(tmp_path))
    with open_store(whole) as store:
        assert len(store.runs()) == TASKS
        branches = read_branches(store)
        begins = [store.records(run)[0].values for run in store.runs()]
    assert len(branches) == BRANCHES
    assert {(begin["tag.suite"], begin["tag.suite.hash"]) for begin in begins} == {("mini", suite.hash)}
    assert {begin.get("tag.regime", "clean") for begin in begins} == set(table["regime"])
    assert (branches.groupby(["run", "loop"])["taken"].sum() <= 1).all()
    assert np.isfinite(branches.loc[branches["default"] == "cluster_margin", "advantage.brier"]).all()


def test_a_rerun_writes_nothing(whole: Path, tmp_path: Path) -> None:
    before = contents(whole)
    rehearse(write_suite(tmp_path), whole, jobs=1, progress=False)
    assert contents(whole) == before


def test_another_directory_and_two_processes_give_the_same_records(whole: Path, tmp_path: Path) -> None:
    rehearse(write_suite(tmp_path), tmp_path / "other", jobs=2, progress=False)
    assert contents(tmp_path / "other") == contents(whole)


def test_two_shards_are_the_whole(whole: Path, tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    parts = [rehearse(suite, tmp_path / "s", shard=f"{k}/2", jobs=1, progress=False) for k in (1, 2)]
    assert [len(part) for part in parts] == [TASKS / 2, TASKS / 2]
    assert not set(parts[0]["task"]) & set(parts[1]["task"])
    assert contents(tmp_path / "s") == contents(whole)


def killed(suite: str, store: Path, after: float, jobs: int = 1) -> subprocess.Popen[bytes]:
    """A rehearsal that is killed after some seconds, if it has not ended by then; it leads a group of processes."""
    code = f"from metaal.rehearsal import rehearse; rehearse({suite!r}, {str(store)!r}, jobs={jobs}, progress=False)"
    before = len(list((store / "hot").glob("*")))
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 60
    while (
        len(list((store / "hot").glob("*"))) == before and process.poll() is None and time.monotonic() < deadline
    ):  # the clock starts with the first record of this process, for importing takes seconds on a busy machine
        time.sleep(0.01)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return process


def rehearsed_through_kills(folder: Path, kills: int, longest: float) -> int:
    """Kill a rehearsal again and again, then let it end; returns how many processes were really killed."""
    suite, rng, done = write_suite(folder), np.random.default_rng(0), 0
    for _ in range(kills):
        done += killed(suite, folder / "s", float(rng.uniform(0.02, longest))).returncode != 0
    table = rehearse(suite, folder / "s", jobs=1, progress=False)
    assert len(table) == TASKS
    return done


def test_a_rehearsal_that_is_killed_goes_on_as_if_unbroken(whole: Path, tmp_path: Path) -> None:
    assert rehearsed_through_kills(tmp_path, 3, 0.4) == 3
    assert contents(tmp_path / "s") == contents(whole)


def test_workers_of_a_killed_command_do_no_harm(whole: Path, tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    process = killed(suite, tmp_path / "s", 0.5, jobs=2)
    try:
        assert process.returncode != 0
        rehearse(suite, tmp_path / "s", jobs=1, progress=False)  # at once: they are still at their tasks
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # they would wait five minutes for more
    assert contents(tmp_path / "s") == contents(whole)


@pytest.mark.slow
def test_twenty_kills_lose_and_double_nothing(whole: Path, tmp_path: Path) -> None:
    assert rehearsed_through_kills(tmp_path, 20, 0.12) >= 15
    assert contents(tmp_path / "s") == contents(whole)


def test_what_dies_between_any_two_writes_is_completed_identically(whole: Path, tmp_path: Path) -> None:
    """The same without chance: the store fails after every few records, as if the process had died there."""

    class Died(Exception):
        pass

    class Dying(MemoryStore):
        left = 0

        def append_many(self, records: Any) -> list[Record]:
            out = []
            for record in records:
                if self.left == 0:
                    raise Died
                self.left -= 1
                out += super().append_many([record])
            return out

    suite, store, deaths = write_suite(tmp_path), Dying(), 0
    for _ in range(100):
        store.left = 7
        try:
            rehearse(suite, store, only="wine~logistic~b4~noise*", progress=False)
            break
        except EvaluationError as error:
            deaths += "Died" in str(error)
    assert deaths > 5
    part = {run: records for run, records in contents(whole).items() if run.startswith("wine~logistic~b4~noise")}
    assert {run: [timeless(record) for record in store.records(run)] for run in store.runs()} == part


def test_an_error_stays_in_its_row_and_the_rest_is_finished(tmp_path: Path) -> None:
    text = SUITE.replace('data = ["diabetes"]', 'data = ["diabetes", "nothing.csv"]')
    with pytest.raises(EvaluationError, match="2 of 20 tasks failed; first: nothing") as caught:
        rehearse(write_suite(tmp_path, text), tmp_path / "s", jobs=2, progress=False)
    table = caught.value.result
    assert (table["state"] == "played").sum() == TASKS
    assert table.loc[table["state"] == "failed", "error"].str.contains("nothing.csv").all()
    with pytest.raises(EvaluationError) as caught:
        rehearse(write_suite(tmp_path, text), tmp_path / "s", jobs=2, progress=False)
    assert caught.value.result["state"].value_counts().to_dict() == {"found": TASKS, "failed": 2}


def test_a_store_of_another_suite_is_refused(whole: Path, tmp_path: Path) -> None:
    before = contents(whole)
    other = write_suite(tmp_path, SUITE.replace("states = 2", "states = 1"))
    with pytest.raises(EvaluationError, match="rehearsed by another suite"):
        rehearse(other, whole, jobs=1, progress=False)
    assert contents(whole) == before


def test_a_run_that_another_process_is_playing_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    suite = write_suite(tmp_path)
    name = "iris~logistic~b4~s0"
    error = pytest.raises(EvaluationError, match="LeaseError")
    with open_store(tmp_path / "s") as other, other.lease(f"{name}~exploring"), error:
        rehearse(suite, tmp_path / "s", only=name, jobs=1, progress=False)
    assert len(rehearse(suite, tmp_path / "s", only=name, jobs=1, progress=False)) == 1


def test_nobody_else_may_write_to_a_run_while_it_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, tried = module.played, []

    def play(*args: Any, **words: Any) -> Any:
        with open_store(tmp_path / "s") as other:
            try:
                other.lease("iris~logistic~b4~s0~exploring").release()
                tried.append("given")
            except LeaseError:
                tried.append("refused")
        return original(*args, **words)

    monkeypatch.setattr(module, "played", play)
    rehearse(write_suite(tmp_path), tmp_path / "s", only="iris~logistic~b4~s0", jobs=1, progress=False)
    assert tried == ["refused"]


def test_a_run_that_a_dying_command_still_writes_is_waited_for(tmp_path: Path) -> None:
    suite, name = write_suite(tmp_path), "iris~logistic~b4~s0"
    other = open_store(tmp_path / "s")
    lease = other.lease(f"{name}~exploring")
    timer = threading.Timer(0.7, lease.release)
    timer.start()
    started = time.monotonic()
    table = rehearse(suite, tmp_path / "s", only=name, jobs=1, progress=False)
    assert time.monotonic() - started > 0.5
    assert table["state"].tolist() == ["played"]
    timer.join()
    other.close()


def test_a_pattern_chooses_tasks_and_matches_something(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path))
    assert {task.data_name for task in select(suite, only="wine~*")} == {"wine"}
    assert len(select(suite, only="*~s1")) == TASKS / 2
    with pytest.raises(InputError, match="matches none of the tasks"):
        select(suite, only="zoo*")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/2/3", "a/b", "-1/2", ""])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected i/n"):
        read_shard(text)


def test_every_shard_is_a_fair_part_of_the_whole(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path))
    parts = [[task.stream for task in select(suite, shard=f"{k}/4")] for k in (1, 2, 3, 4)]
    assert sorted(name for part in parts for name in part) == sorted(task.stream for task in suite.tasks())
    assert {len(part) for part in parts} == {4, 5}


def test_where_the_work_runs_is_checked_first(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    for words, message in [
        ({"backend": "spark"}, "expected one of loky, dask, ray"),
        ({"address": "tcp://nowhere:1"}, "add --backend dask"),
        ({"jobs": 0}, "jobs: got 0"),
    ]:
        with pytest.raises(InputError, match=message):
            rehearse(suite, tmp_path / "s", progress=False, **words)  # type: ignore[arg-type]


def test_a_store_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    for store in ("memory:", 3, None):
        with pytest.raises(InputError, match="expected a directory that keeps everything"):
            rehearse(write_suite(tmp_path), store, progress=False)  # type: ignore[arg-type]


def test_relative_paths_are_those_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a cluster have other current directories."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toy.csv").write_text("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(60)))
    text = SUITE.replace('data = ["iris", "wine"]', 'data = ["toy.csv"]')
    suite = read_suite(write_suite(tmp_path, text))
    specs = {str(task.data) for task in suite.tasks("data")} - {"diabetes"}
    assert specs == {str(tmp_path / "data" / "toy.csv")}
    rehearse(suite, "s", data="data", only="toy~naive_bayes~b4~s0", jobs=1, progress=False)
    assert list(contents(tmp_path / "s")) == ["toy~naive_bayes~b4~s0~exploring"]


def test_the_expected_cost_counts_tasks_and_branches_and_times_some(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path))
    tasks = select(suite)
    cost = expected(suite, tasks, seconds=0.5)
    assert (cost.tasks, cost.loops, cost.branches) == (TASKS, TASKS * 3, BRANCHES)
    assert 1 <= cost.timed <= TASKS
    assert 0 < cost.hours < 0.1
    nothing = expected(suite, tasks, seconds=0)
    assert nothing.timed == 0
    assert set(nothing.guessed) == {"logistic", "naive_bayes", "ridge"}
    assert np.isnan(nothing.hours)


def test_progress_is_told_after_each_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[int, int, str]] = []
    rehearse(write_suite(tmp_path), MemoryStore(), only="iris~*", progress=lambda *told: calls.append(told))
    assert [(done, total) for done, total, _ in calls] == [(k, 8) for k in range(1, 9)]
    update, stop = pace("rehearsing", 3, every=0)
    for done in (1, 2, 3):
        update(done, 3, "wine")
    stop()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"rehearsing: {k} of 3" for k in (1, 2, 3)]
    assert "0 s left (wine)" in lines[-1]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metaal", "rehearse", *words], capture_output=True, text=True, check=False
    )


def test_the_command_rehearses_says_what_it_did_and_fails_where_a_task_failed(tmp_path: Path) -> None:
    suite, store = write_suite(tmp_path), str(tmp_path / "s")
    first = command("--suite", suite, "--store", store, "--only", "wine~naive_bayes~b4~s*", "--jobs", "1")
    assert first.returncode == 0, first.stderr
    assert "2 tasks, 2 played" in first.stdout
    assert "metaal compact" in first.stdout
    bad = write_suite(tmp_path, SUITE.replace('"iris"', '"nothing.csv"'))
    failed = command("--suite", bad, "--store", store + "2", "--only", "*naive_bayes~b4~s0", "--jobs", "1", "--json")
    assert failed.returncode == 1
    facts = json.loads(failed.stdout)
    assert (facts["tasks"], facts["played"], facts["failed"], len(facts["errors"])) == (2, 1, 1, 1)
    assert "error: 1 of 2 tasks failed" in failed.stderr


def test_the_command_says_what_it_would_do(tmp_path: Path) -> None:
    dry = command("--suite", write_suite(tmp_path), "--dry-run", "--json", "--only", "*~s0")
    assert dry.returncode == 0, dry.stderr
    facts = json.loads(dry.stdout)
    assert (facts["tasks"], facts["branches"]) == (TASKS / 2, BRANCHES / 2)
    assert facts["hours"] > 0
    assert list(tmp_path.iterdir()) == [tmp_path / "mini.toml"]
    assert command("--suite", "tiny").returncode == 2


def test_the_module_is_not_hidden_by_its_function() -> None:
    assert module.rehearse is rehearse


GUIDE = (Path(__file__).parents[2] / "docs" / "rehearsal.md").read_text(encoding="utf-8")


def test_the_guide_runs_as_printed(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cluster_margin" in done.stdout


def test_the_suite_of_the_guide_can_be_read_and_names_every_key() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    suite = parse_suite(block)
    assert len(suite.tasks()) == 2 * 2 * 2 * 2 * 3
    keys = {field.name for cls in (Grid, Where, Branches, Suite) for field in fields(cls)}
    assert keys - {"grids", "folder", "branches"} <= set(re.findall(r"\w+", GUIDE))


def test_every_option_of_the_guide_is_one_of_the_command() -> None:
    help_text = command("--help").stdout
    used = set(re.findall(r"--[a-z][a-z-]+", GUIDE))
    assert {"--dry-run", "--shard", "--only"} <= used
    assert all(option in help_text for option in used)
