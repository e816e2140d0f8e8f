"""The same rehearsal on Ray: a stand-in shows how joblib is led to it, the slow test runs the real one and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import joblib
import pytest
from joblib._parallel_backends import MultiprocessingBackend

from metaal.errors import EvaluationError, InputError
from metaal.rehearsal import rehearse
from metaal.rehearsal.backends import TRIES, workers
from metadata_store import open_store
from tests.metaal.rehearsed import SUITE, TASKS, contents, write_suite


class RayError(Exception):
    """What every error of Ray is."""


class RayBackend(MultiprocessingBackend):  # type: ignore[misc]
    """As Ray's: joblib's multiprocessing with another pool, here of threads; results come back as callbacks."""

    seen: dict[str, Any] = {}  # noqa: RUF012 - of the class, for the tests

    def __init__(self, *args: Any, ray_remote_args: Any = None, **words: Any) -> None:
        self.seen["options"] = ray_remote_args
        super().__init__(*args, **words)

    def effective_n_jobs(self, n_jobs: int) -> int:
        return n_jobs

    def configure(self, n_jobs: int = 1, parallel: Any = None, **words: Any) -> int:
        self._pool, self.parallel = ThreadPool(n_jobs), parallel
        self.seen["jobs"] = n_jobs
        return n_jobs


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A module that offers of Ray what is used of it; ``calls`` says what was called."""
    calls: list[Any] = []
    state = {"on": False}

    def init(**words: Any) -> None:
        if words.get("address") == "nowhere:1":
            raise ConnectionError("timed out")
        calls.append(words)
        state["on"] = True

    def shutdown() -> None:
        calls.append("shutdown")
        state["on"] = False

    module = SimpleNamespace(
        init=init,
        shutdown=shutdown,
        is_initialized=lambda: state["on"],
        cluster_resources=lambda: {"CPU": 2.0},
        exceptions=SimpleNamespace(RayError=RayError),
        calls=calls,
    )
    backend = ModuleType("ray.util.joblib.ray_backend")
    backend.RayBackend = RayBackend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", module)  # type: ignore[arg-type]
    for name in ("ray.util", "ray.util.joblib"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "ray.util.joblib.ray_backend", backend)
    monkeypatch.setattr(RayBackend, "seen", {})
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    return module


def test_results_come_as_they_are_ready_and_the_records_are_the_same(tmp_path: Path, ray: SimpleNamespace) -> None:
    """Ray's backend says that it cannot return a generator, which joblib takes as an error before anything runs."""
    assert RayBackend.supports_return_generator is False
    suite, done = write_suite(tmp_path), list[int]()
    words: dict[str, Any] = {"only": "*~naive_bayes~*~s0"}
    rehearse(suite, tmp_path / "s", backend="ray", jobs=2, progress=lambda k, total, what: done.append(k), **words)
    assert done == [1, 2, 3, 4]
    rehearse(suite, tmp_path / "whole", jobs=1, progress=False, **words)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
    assert RayBackend.seen == {"jobs": 2, "options": {"max_restarts": -1, "max_task_retries": TRIES}}


def test_what_is_started_here_is_ended_here_and_sends_nothing_home(ray: SimpleNamespace) -> None:
    with workers("ray", jobs=1) as count:
        assert count == 1
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert ray.calls == [{"address": "local", "num_cpus": 1, "include_dashboard": False}, "shutdown"]


def test_a_cluster_that_the_caller_has_begun_stays(ray: SimpleNamespace) -> None:
    ray.init(address="mine")
    with workers("ray") as count:
        assert count == 2
    assert ray.calls == [{"address": "mine"}]


def test_no_more_tasks_at_a_time_than_the_cluster_has_cores(ray: SimpleNamespace) -> None:
    with workers("ray", address="host:6379", jobs=9) as count:
        assert count == 2
    assert ray.calls == [{"address": "host:6379"}, "shutdown"]


def test_a_cluster_that_does_not_answer_is_named(ray: SimpleNamespace) -> None:
    with (
        pytest.raises(InputError, match=r"no Ray cluster at 'nowhere:1' \(timed out\); start one"),
        workers("ray", address="nowhere:1"),
    ):
        pass
    assert ray.calls == []


def test_a_task_that_was_given_up_is_told_as_an_error_of_ours(ray: SimpleNamespace) -> None:
    def dying() -> None:
        raise RayError("the actor died unexpectedly")

    with (
        pytest.raises(EvaluationError, match=r"workers died.*actor died unexpectedly.*goes on from there"),
        workers("ray", jobs=2),
    ):
        list(joblib.Parallel(n_jobs=2, return_as="generator_unordered")([joblib.delayed(dying)()]))
    assert ray.calls[-1] == "shutdown"


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray is not installed .*; pip install 'metaal\[ray\]'"), workers("ray"):
        pass


# ------------------------------------------------------------------ the real one

ALL = TASKS * 3 // 2  # with three seeds instead of two


def actors(root: int) -> set[int]:
    """Processes of Ray's pool that descend from a process."""
    parents, names = dict[int, int](), dict[int, bytes]()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            after = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)], names[int(path.name)] = int(after[1]), (path / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue

    def descends(pid: int) -> bool:
        while pid > 1 and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return {pid for pid, name in names.items() if name.startswith(b"ray::PoolActor") and descends(pid)}


def played(store: Path) -> int:
    """Runs in a store that others write."""
    if not store.is_dir():
        return 0
    with open_store(store) as opened:
        return len(opened.runs())


@pytest.mark.slow
def test_a_worker_of_a_real_ray_is_killed_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Needs the ray package, as `make slow` installs it."""
    suite = write_suite(tmp_path, SUITE.replace("[0, 1]", "[0, 1, 2]"))
    words = ["rehearse", "--suite", suite, "--store", str(tmp_path / "s"), "--backend", "ray", "--jobs", "2"]
    (tmp_path / "home").mkdir()  # Ray puts a token of its own there
    process = subprocess.Popen(
        [sys.executable, "-m", "metaal", *words],
        env={**os.environ, "HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 300
        while played(tmp_path / "s") < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        before, begun = actors(process.pid), played(tmp_path / "s")
        assert len(before) == 2, process.communicate()[0] if process.poll() is not None else before
        assert 3 <= begun < ALL - 6
        os.kill(min(before), signal.SIGKILL)
        after: set[int] = set()
        while not after - before and process.poll() is None:
            after = actors(process.pid)
            time.sleep(0.02)
        said = process.communicate(timeout=400)[0]
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, said
    assert after - before, "the dead worker was not replaced"
    assert f"{ALL} tasks, {ALL} played" in said
    rehearse(suite, tmp_path / "whole", jobs=2, progress=False)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
