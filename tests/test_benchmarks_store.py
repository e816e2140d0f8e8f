"""The store's benchmarks work on tiny stores, without large peers; what they committed is read back."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.micro.harness import RESULTS
from benchmarks.store import append, campaigns, process, read, tables, writers
from benchmarks.store.bars import judged
from benchmarks.store.campaigns import Campaign
from benchmarks.store.peers import MLFLOW, PEERS
from benchmarks.store.records import Shape, Source, raw_bytes
from benchmarks.store.watch import Watch, bytes_of, quantile, warm

SMALL = ["SQLite, a row a value", "SQLite, JSON"]
ANSWERED = {"ok", "not here yet"}


def campaign(name: str, folder: Path, **options: Any) -> Campaign:
    given = {"quick": True, "show": False, "folder": folder / "results", "scratch": folder / "scratch"}
    return Campaign(name, **{**given, **options})


def test_an_append_is_set_against_a_bare_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PEERS", {SMALL[0]: PEERS[SMALL[0]]})
    monkeypatch.setattr(append, "SETTINGS", ("commit", "commit, leased"))
    rows = campaign("append", tmp_path, peers=True).run().rows
    assert {row["status"] for row in rows.values()} <= ANSWERED
    found = rows["metaal", "commit"]
    assert found["status"] == rows[append.BARE, ""]["status"] == "ok"
    assert found["wall_ratio_low"] <= found["wall_ratio"] <= found["wall_ratio_high"]
    assert found["cpu_ms"] > 0
    assert found["peak_mib"] > 10
    assert rows[SMALL[0], ""]["cpu_times_ours"] > 0
    assert "metaal, commit" in tables.markdown("append", tmp_path / "results")


def test_what_is_read_is_counted_in_every_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PEERS", {SMALL[0]: PEERS[SMALL[0]]})
    rows = campaign("read", tmp_path, peers=True).run().rows
    assert {row["status"] for row in rows.values()} <= {*ANSWERED, "not installed"}
    found = rows["metaal", "uncompacted", "open and frame"]
    assert (found["runs"], found["loops"], found["scalars"]) == (4, 5, 20)
    assert rows[SMALL[0], "", "open and frame"]["full_s"] > 0


def test_writers_together_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SETTINGS", ("commit", "commit, leased"))
    rows = campaign("writers", tmp_path).run().rows
    assert {row["status"] for row in rows.values()} <= ANSWERED
    found = rows["metaal", "commit"]
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]
    assert found["sync_p99_ms"] > 0


def test_a_log_is_opened_whole_and_torn(tmp_path: Path) -> None:
    rows = campaign("recover", tmp_path).run().rows
    assert {row["status"] for row in rows.values()} <= ANSWERED
    assert {rows["1 GB", "open"]["status"], rows["1 GB, torn", "open"]["status"]} == {"ok"}
    assert rows["a million loops", "append_many"]["records"] == 100
    assert not (tmp_path / "scratch" / "quick").exists()


def test_a_rerun_measures_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(function: str, options: dict[str, Any], **_: Any) -> dict[str, Any]:
        asked.append(options.get("setting", function))
        row = {"subject": "metaal", "setting": options.get("setting", ""), "status": "ok"}
        rows = [row, row | {"subject": append.BARE, "setting": ""}]
        if function == "about.about":
            rows = [{"versions": {}, "disk": {}}]
        return {"rows": rows[: 2 if options.get("setting") == "commit" else 1], "peak_mib": 1.0}

    monkeypatch.setattr(process, "answer", answer)
    campaign("append", tmp_path).run()
    assert asked.count("group") == 2  # measured, and its memory
    asked.clear()
    campaign("append", tmp_path).run()
    assert asked == ["about.about"]
    campaign("append", tmp_path, again=True).run()
    assert asked.count("group") == 2


def test_a_failure_is_a_row_and_not_the_end(tmp_path: Path) -> None:
    options = {"subject": "no such tracker", "shape": {"scalars": 1}, "rounds": 1, "records": 1}
    found = process.answer("append.peer", options, python=sys.executable, folder=tmp_path)
    assert found["rows"][0]["status"] == "error"
    assert "no such tracker" in found["rows"][0]["note"]
    found = process.answer("os.system", {}, python=sys.executable, folder=tmp_path)
    assert found["rows"][0]["status"] == "error"
    assert list(tmp_path.iterdir()) == []


def test_a_measurement_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    found = process.answer("about.about", {}, python=sys.executable, folder=tmp_path, seconds=0.01)
    assert found["rows"][0]["status"] == "over 0.01 s"


@pytest.mark.parametrize("name", SMALL)
def test_a_peer_reads_back_as_many_values_as_were_given(name: str, tmp_path: Path) -> None:
    source = Source(Shape(3, 4, 5))
    tracker = PEERS[name](tmp_path)
    tracker.append("one", 0, *source.contents())
    tracker.close()
    other = tmp_path / "other"
    other.mkdir()
    tracker = PEERS[name](other)
    tracker.append_run("two", [source.contents()[0] for _ in range(2)])
    assert tracker.read() == 6
    tracker.close()


def test_contents_are_the_same_each_time_and_as_large_as_said() -> None:
    shape = Shape(3, 4, 5)
    (values, arrays), (again, _) = Source(shape).contents(), Source(shape).contents()
    assert values == again
    assert len(raw_bytes(values, arrays)) == shape.raw == 96
    assert np.frombuffer(raw_bytes(values, arrays), np.float64, 3).tolist() == list(values.values())


def test_clocks_and_sizes_say_what_happened(tmp_path: Path) -> None:
    watch = Watch()
    assert watch.call(max, 1, 2) == 2
    assert len(watch.wall) == len(watch.cpu) == 1
    assert quantile([5.0, 1.0, 3.0], 0.5) == 3.0
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(os.urandom(100))
    assert bytes_of(tmp_path) == warm(tmp_path) == 100


def test_bars_name_each_limit_that_was_missed() -> None:
    row = {"subject": "metaal", "setting": "commit", "status": "ok", "cpu_ms": 0.4, "make_ms": 0.05}
    good = row | {"wall_ratio": 1.4, "bytes_ratio": 1.07}
    assert judged("append", [good])[0]["verdict"] == "met"
    bad = judged("append", [good | {"wall_ratio": 2.0, "bytes_ratio": 1.2}])[0]["verdict"]
    assert bad == "missed: 2× a bare write > 1.5× a bare write; 1.2× the raw bytes > 1.1× the raw bytes"
    peer = {"subject": MLFLOW, "setting": "", "status": "ok", "cpu_times_ours": 40.0}
    assert judged("append", [peer])[0]["verdict"].startswith("missed")
    lost = {"subject": "metaal", "setting": "group", "status": "ok", "lost": 1, "doubled": 0}
    assert judged("writers", [lost])[0]["verdict"] == "missed: 1 lost > 0 lost"


def test_mlflow_is_judged_by_seconds_at_the_full_size() -> None:
    ours = {"subject": "metaal", "tier": "compacted", "what": "open and frame", "status": "ok", "wall_s": 0.2}
    theirs = {"subject": MLFLOW, "tier": "", "what": "open and frame", "status": "ok", "full_s": 400.0, "wall_s": 4.0}
    rows = judged("read", [theirs, ours])
    assert rows[0]["times_ours"] == 2000
    assert [row["verdict"] for row in rows] == ["met", "met"]
    assert judged("read", [theirs | {"full_s": 100.0}, ours])[0]["verdict"].startswith("missed")


def test_a_store_is_made_once_for_each_specification(tmp_path: Path) -> None:
    spec = {"name": "s", "runs": 2, "loops": 3, "shape": {"scalars": 2, "bins": 0, "ids": 0}}
    first = read.made(tmp_path, spec)
    times = {file: file.stat().st_mtime_ns for file in first.rglob("*")}
    assert read.made(tmp_path, spec) == first
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} == times
    read.made(tmp_path, spec | {"shape": {"scalars": 1, "bins": 0, "ids": 0}})
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} != times


def test_committed_results_read_back() -> None:
    for file in sorted(RESULTS.glob("store_*.csv")):
        name = file.stem.removeprefix("store_")
        with file.open(newline="", encoding="utf-8") as lines:
            found = list(csv.DictReader(lines))
        facts = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        assert facts["rows"] == len(found) > 0
        assert {"machine", "versions", "command", "disk", "sizes"} <= set(facts)
        assert {row["status"] for row in found} <= {"ok", "not installed"}
        assert tables.markdown(name).count("|") > 20
