"""The micro-benchmarks work on tiny pools, without peers; what they committed is read back and keeps its targets."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strategy_zoo
from benchmarks.micro import harness, measuring, tables
from benchmarks.micro.calibration import checked, designed_sizes, fitted
from benchmarks.micro.campaigns import Campaign
from benchmarks.micro.inputs import Inputs
from benchmarks.micro.pairs import PAIRS, PEERS
from benchmarks.micro.targets import CASES, TARGETS, Target, verdict

RESULTS = harness.RESULTS
TINY = {"U": 200, "L": 20, "C": 3, "D": 4, "M": 2, "n": 5}


def campaign(name: str, folder: Path, *only: str, **options: Any) -> Campaign:
    return Campaign(name, only=only, folder=folder, show=False, **options)


def test_rowwise_strategies_are_set_against_a_partition(tmp_path: Path) -> None:
    rows = campaign("rowwise", tmp_path, "margin", "entropy").run(rows=5_000, rounds=2).rows
    assert set(rows) == {("margin",), ("entropy",)}
    for row in rows.values():
        assert row["status"] == "ok"
        assert row["ratio"] == pytest.approx(row["seconds"] / row["floor_seconds"], rel=1e-2)
        assert row["verdict"] == verdict(Target(row["target_ratio"], row["target_mib"]), "ok", row["ratio"], row["mib"])
    assert "`margin`" in tables.markdown("rowwise", tmp_path)


def test_a_rerun_measures_only_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "micro_batch.csv"
    campaign("batch", tmp_path, "margin").run(cases={"tiny": TINY})
    first = file.read_text(encoding="utf-8")
    campaign("batch", tmp_path, "margin", "k_center").run(cases={"tiny": TINY})
    both = file.read_text(encoding="utf-8").splitlines()
    assert len(both) == 3
    assert set(first.splitlines()) <= set(both)
    marked = file.read_text(encoding="utf-8").replace(",ok,", ",over 1 s,")
    file.write_text(marked, encoding="utf-8")
    campaign("batch", tmp_path, "margin", "k_center").run(cases={"tiny": TINY})
    assert file.read_text(encoding="utf-8") == marked
    campaign("batch", tmp_path, "margin", again=True).run(cases={"tiny": TINY})
    assert [row["status"] for row in tables.rows("batch", tmp_path)] == ["over 1 s", "ok"]


def test_a_peer_that_is_not_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "installed", lambda packages, python: dict.fromkeys(packages, False))
    rows = campaign("peers", tmp_path, "margin").run(sizes=(300,)).rows
    status = {(row["package"], row["call"]): row["status"] for row in rows.values()}
    assert status.pop(("metaal", "margin")) == "ok"
    assert set(status) == {(pair.package, pair.call) for pair in PAIRS if pair.strategy == "margin"}
    assert set(status.values()) == {"not installed"}
    assert tables.markdown("peers", tmp_path).count("not installed") == len(status)


def test_installed_peers_answer(tmp_path: Path) -> None:
    rows = campaign("peers", tmp_path, "margin", "badge", "committee_variance").run(sizes=(300,)).rows
    assert {row["status"] for row in rows.values()} <= {"ok", "not installed"}
    assert sum(row["status"] == "ok" for row in rows.values()) >= 3


def test_costs_are_fitted_and_shipped_as_json(tmp_path: Path) -> None:
    sizes = [TINY | {"U": rows} for rows in (200, 400, 800, 1600)]
    for given in sizes:
        del given["M"]
    campaign("cost", tmp_path, "margin").run(sizes=sizes)
    known = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))
    assert set(known) == {"machine_seconds", "typical", "strategies"}
    assert set(known["strategies"]) == {"margin"}
    assert all(number > 0 for number in known["strategies"]["margin"])
    assert "`margin`" in tables.markdown("cost", tmp_path)


def test_a_fit_finds_start_up_and_factor_again() -> None:
    cost = np.logspace(2, 9, 12)
    assert fitted(cost, 2e-3 + 3e-9 * cost) == pytest.approx((2e-3, 3e-9), rel=1e-3)
    rows = [
        {"status": "ok", "cost": c, "seconds": 1e-3 + 1e-8 * c, "U": i, "L": 1, "C": 2, "D": 3, "n": 4}
        for i, c in enumerate(cost)
    ]
    good = checked(rows)
    assert (good["within"], good["worst"]) == (1, pytest.approx(1, rel=1e-3))
    rows[3]["seconds"] *= 5  # of the half that isn't fitted
    assert checked(rows)["worst"] == pytest.approx(5, rel=1e-2)
    assert checked(rows)["worst_at"]["U"] == 3


def test_the_design_uses_every_size_equally_often() -> None:
    sizes = designed_sizes(30)
    for name, levels in {"U": 5, "L": 3, "C": 3, "D": 3}.items():
        counts = np.unique([given[name] for given in sizes], return_counts=True)[1]
        assert counts.tolist() == [30 // levels] * levels
    assert all(3 * given["n"] <= given["U"] for given in sizes)


def test_time_and_memory_have_limits_and_the_next_job_still_runs() -> None:
    after = {"kind": "about", "packages": [], "cpu_seconds": 30, "gibibytes": 4}
    for what, seconds, gibibytes, status in (("time", 0.3, 4, "over 0.3 s"), ("memory", 60, 1, "out of memory")):
        spin = {"kind": "spin", "strategy": what, "cpu_seconds": seconds, "gibibytes": gibibytes}
        answers = list(harness.run([spin, after]))
        assert [answer["status"] for answer in answers] == [status, "ok"]


def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho no interpreter here >&2\nexit 3\n", encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises((RuntimeError, BrokenPipeError)):
        harness.installed(("numpy",), str(tmp_path / "python"))


def test_the_peak_of_memory_is_that_of_the_call_alone() -> None:
    np.ones(1 << 24)  # an earlier peak doesn't count
    assert measuring.traced(lambda: np.ones(1 << 20)) == pytest.approx(8, abs=0.5)
    if sys.platform == "linux":
        assert measuring.resident(lambda: np.ones(1 << 22))[1] == pytest.approx(32, abs=4)


def test_inputs_are_valid_views_and_the_same_each_time() -> None:
    one, two = Inputs(**TINY), Inputs(**TINY)
    needed = {name for entry in strategy_zoo.catalogue() for name in strategy_zoo.get(entry["example"]).needs}
    names = sorted(needed - {"lookahead", "predict"})
    view = strategy_zoo.View(**one.fields(tuple(names)))
    assert view.n == TINY["U"]
    assert all(np.array_equal(one[name], two[name]) for name in names)
    assert strategy_zoo.View(**one.fields(("embedding", "lookahead"))).lookahead([3, 5]).shape[:2] == (2, 3)


def test_every_pair_and_target_names_a_strategy_of_the_zoo() -> None:
    known = set(strategy_zoo.names())
    assert {pair.strategy.split("(")[0] for pair in PAIRS} <= known
    assert {name for goals in TARGETS.values() for name in goals} <= known
    assert len(PEERS) == len(PAIRS)
    assert set(TARGETS) >= set(CASES)


@pytest.mark.parametrize("name", ["rowwise", "batch", "peers", "cost"])
def test_committed_results_read_back(name: str) -> None:
    file = RESULTS / f"micro_{name}.csv"
    if not file.exists():
        pytest.skip(f"{name} isn't measured yet")
    with file.open(newline="", encoding="utf-8") as lines:
        found = list(csv.DictReader(lines))
    facts = json.loads((RESULTS / f"micro_{name}.json").read_text(encoding="utf-8"))
    assert facts["rows"] == len(found) > 0
    assert {"machine", "versions", "command"} <= set(facts)
    assert tables.markdown(name).count("|") > 20


@pytest.mark.parametrize("name", ["rowwise", "batch"])
def test_committed_results_meet_their_targets(name: str) -> None:
    for row in tables.rows(name):
        quantity = row["ratio"] if name == "rowwise" else row["seconds"]
        limit = row["target_ratio"] if name == "rowwise" else row["target_seconds"]
        goal = Target(limit if limit != "" else None, row["target_mib"] if row["target_mib"] != "" else None)
        assert verdict(goal, row["status"], quantity, row["mib"]) in ("", "met"), row
        assert row["verdict"] in ("", "met"), row
