"""The same rehearsal on a Dask cluster, a worker of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from metaal.errors import InputError
from metaal.rehearsal import backends, rehearse
from tests.metaal.rehearsed import BRANCHES, TASKS, contents, write_suite


def test_a_worker_of_a_dask_cluster_is_killed_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    suite, store = write_suite(tmp_path), tmp_path / "s"
    found: dict[str, Any] = {}

    def work(address: str) -> None:
        try:
            found["table"] = rehearse(suite, store, backend="dask", address=address, progress=note)
        except BaseException as error:  # shown by the test
            found["error"] = error

    calls: list[str] = []

    def note(done: int, total: int, what: str) -> None:
        calls.append(what)

    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    )
    with cluster, Client(cluster) as client:
        before = client.run(os.getpid)
        assert len(set(before.values())) == 2
        thread = threading.Thread(target=work, args=(cluster.scheduler_address,))
        thread.start()
        deadline = time.monotonic() + 300
        while len(calls) < 4 and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert thread.is_alive(), found.get("error")
        assert len(calls) < TASKS - 4
        os.kill(next(iter(before.values())), signal.SIGKILL)
        thread.join(300)
        assert not thread.is_alive()
        assert set(client.run(os.getpid).values()) != set(before.values())
    assert "error" not in found, found["error"]
    assert len(found["table"]) == TASKS
    assert found["table"]["branches"].sum() == BRANCHES
    rehearse(suite, tmp_path / "whole", jobs=1, progress=False)
    assert contents(store) == contents(tmp_path / "whole")


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "PATIENCE", 0.5)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        rehearse(write_suite(tmp_path), tmp_path / "s", backend="dask", address="tcp://127.0.0.1:9", progress=False)
