"""Running a suite: resumable, in shards, peers beside ours; results with a manifest; what is quoted is recomputed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import record, report
from benchmarks import run as runs
from benchmarks.micro import cases, latency
from benchmarks.record import check_manifest, commit, manifest, read_result, versions_and_machine, write_manifest
from metaal import Fixed, Prices
from metaal.result import Result
from metadata_store import open_store

SMALL = ["--suite", "tiny", "--jobs", "1"]


def test_a_suite_is_played_in_shards_and_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What two shards logged is what the whole is read from; a peer is in the same table."""
    words = [*SMALL, "--store", str(tmp_path / "store"), "--policies", "margin", "skactiveml.margin", "random"]
    for shard in ("1/2", "2/2"):
        assert runs.main([*words, "--shard", shard]) == 0
    with open_store(tmp_path / "store") as store:
        before = len(store.records(store.runs()[0])), len(store.runs())
    results = tmp_path / "results"
    assert runs.main([*words, "--write", "tiny", "--results", str(results)]) == 0
    with open_store(tmp_path / "store") as store:
        assert (len(store.records(store.runs()[0])), len(store.runs())) == before == (before[0], 12)
    said = capsys.readouterr().out
    assert "| `margin` | 4 |" in said
    assert "The bars" not in said  # they belong to another suite
    table = pd.read_csv(results / "tiny.csv")
    wide = table.pivot(index="stream", columns="policy", values="aulc")
    assert wide["margin"].tolist() == wide["skactiveml.margin"].tolist() != wide["random"].tolist()
    facts = json.loads((results / "tiny.json").read_text(encoding="utf-8"))
    assert facts["command"] == "python -m benchmarks.run --suite tiny --policies margin skactiveml.margin random"
    assert (facts["runs"], facts["seeds"], facts["suite"]["name"]) == (12, [0, 1], "tiny")
    assert facts["versions"]["scikit-activeml"]
    assert said.strip().splitlines()[-3:] == (results / "tiny.md").read_text(encoding="utf-8").splitlines()[-3:]
    assert check_manifest(results) == []
    (part,) = [part for part in report.pages(results=results) if part.name == "tiny.md"]
    assert part.right
    (results / "tiny.csv").write_text(table.assign(aulc=table["aulc"] + 0.01).to_csv(index=False), encoding="utf-8")
    assert "tiny.md differs from benchmarks/results" in report.problems(results=results)


def test_failed_runs_stay_in_their_rows_and_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(view: Any, n: int, rng: np.random.Generator) -> np.ndarray:
        raise RuntimeError("out of order")

    monkeypatch.setattr(runs, "line_up", lambda names, with_peers: {"margin": "margin", "broken": Fixed(fails)})
    words = [*SMALL, "--only", "iris*s0", "--store", str(tmp_path / "store")]
    assert runs.main(words) == 1
    said = capsys.readouterr()
    assert "1 of 2 runs failed; first: broken" in said.err
    assert "out of order" in said.err


def test_what_cannot_be_played_is_said_before_anything_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path / "store")]
    assert runs.main([*SMALL, *store, "--shard", "1/2", "--write", "x"]) == 2
    assert runs.main(["--suite", "none.toml", *store]) == 2
    assert runs.main([*SMALL, *store, "--policies", "margins"]) == 2
    (tmp_path / "dev_manifest.csv").write_text("name,rows\nx,5\n", encoding="utf-8")
    assert runs.main([*store, "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    for words in ("--write is for the whole", "no suite 'none.toml'", "margins"):
        assert words in said
    assert not (tmp_path / "store").exists()


def test_the_line_up_has_what_the_bars_refer_to() -> None:
    usual = runs.line_up()
    assert {"learned", "schedule", "margin", "cluster_margin", "random"} <= set(usual)
    more = runs.line_up(("margin",), with_peers=True)
    assert next(iter(more)) == "margin"
    assert isinstance(more["modal.margin"], Fixed)
    assert {"skactiveml.badge", "albl"} <= set(more)


def made(count: int = 6) -> Result:
    rows = [
        {
            **{"policy": policy, "task": f"t{k}", "data": f"d{k}", "family": f"f{k}", "learner": "l", "batch": 3},
            **{"regime": "clean", "seed": 7, "stream": f"t{k}~s7", "error": "", "aulc": 0.123456789 + k / 10},
            **{"first30": 0.5, "final": 0.5, "full": 0.5, "rounds": 3.0, "fits": 4.0, "seconds": 1.23456789},
            **{f"labels.to.{level}": np.nan for level in (90, 95)},
            **{f"compression.{level}": np.nan for level in (90, 95)},
        }
        for k in range(count)
        for policy in ("margin", "random")
    ]
    return Result(rows, {}, Prices(), {"margin": "margin", "random": "random"})


@pytest.mark.parametrize(("many", "kind"), [(5000, "csv"), (5, "parquet")])
def test_results_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, kind: str) -> None:
    monkeypatch.setattr(record, "MANY", many)
    (tmp_path / f"demo.{'csv' if kind == 'parquet' else 'parquet'}").write_text("of an earlier call", encoding="utf-8")
    record.write_result("demo", made(), "make it", more={"extra": 1}, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"demo.{kind}", "demo.json"])
    back = read_result("demo", tmp_path)
    assert back.policies == {"margin": "margin", "random": "random"}
    assert back.runs["aulc"].tolist() == pytest.approx(made().runs["aulc"].tolist(), abs=5e-7)
    assert set(back.runs["seconds"]) == {1.2346}
    assert len(back.errors) == 0
    facts = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert (facts["extra"], facts["families"], facts["runs"]) == (1, 6, 12)


def test_the_manifest_notices_every_change(tmp_path: Path) -> None:
    record.write_result("demo", made(), "make it", folder=tmp_path)
    assert check_manifest(tmp_path) == ["manifest.json is missing"]
    write_manifest(tmp_path)
    entry = manifest(tmp_path)["results"]["demo.csv"]
    assert (entry["rows"], entry["command"], entry["seeds"]) == (12, "make it", [7])
    assert {"versions", "machine", "commit", "bytes", "sha256"} <= set(entry)
    assert check_manifest(tmp_path) == []
    text = (tmp_path / "demo.csv").read_text(encoding="utf-8")
    (tmp_path / "demo.csv").write_text(text.replace("0.5", "0.6", 1), encoding="utf-8")
    (tmp_path / "new.json").write_text("{}", encoding="utf-8")
    (tmp_path / "page.md").write_text("not a number", encoding="utf-8")
    assert check_manifest(tmp_path) == ["new.json is not in the manifest", "demo.csv is not what the manifest says"]
    (tmp_path / "demo.csv").unlink()
    assert "demo.csv is in the manifest and not in the folder" in check_manifest(tmp_path)


def test_versions_machine_and_commit_are_kept_without_names(tmp_path: Path) -> None:
    facts = versions_and_machine(("numpy", "no-such-package"))
    assert set(facts) == {"versions", "machine", "commit"}
    assert set(facts["machine"]) == {"cores", "architecture", "system"}
    assert facts["versions"]["numpy"] == np.__version__
    assert "no-such-package" not in facts["versions"]
    assert commit(tmp_path) == ""

    def git(*words: str) -> None:
        said = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *said, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "file").write_text("1", encoding="utf-8")
    git("add", "file")
    git("commit", "-qm", "one")
    first = commit(tmp_path)
    assert len(first) == 12
    (tmp_path / "file").write_text("2", encoding="utf-8")
    assert commit(tmp_path) == f"{first}+"


# ------------------------------------------------------------------ report


def test_known_marks_are_filled_and_others_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "SECTIONS", {"one": lambda: "1 | 2", "two": lambda: "never"})
    text = "a <!-- one -->\nold\n<!-- /one --> b <!-- other -->x<!-- /other -->"
    wanted = "a <!-- one -->\n1 | 2\n<!-- /one --> b <!-- other -->x<!-- /other -->"
    assert report.filled(text) == wanted == report.filled(wanted)
    with pytest.raises(ValueError, match="has no <!-- /one --> after it"):
        report.filled("<!-- /one --> <!-- one -->")
    monkeypatch.setattr(report, "SECTIONS", {"one": lambda: Path("absent.csv").read_text(encoding="utf-8")})
    with pytest.raises(ValueError, match=r"<!-- one -->: absent\.csv was not measured yet"):
        report.filled(text)


def copied(tmp_path: Path) -> Path:
    shutil.copy(report.ROOT / "README.md", tmp_path)
    (tmp_path / "docs").mkdir()
    for path in (report.ROOT / "docs").glob("*.md"):
        shutil.copy(path, tmp_path / "docs")
    return tmp_path


def test_a_changed_number_is_found_wherever_it_stands(tmp_path: Path) -> None:
    root = copied(tmp_path)
    sound = report.problems(root)
    page, readme = root / "docs" / "speed.md", root / "README.md"
    page.write_text(page.read_text(encoding="utf-8").replace("0.39", "0.38", 1), encoding="utf-8")
    text = readme.read_text(encoding="utf-8")
    start = text.index("<!-- results -->")
    changed = text[:start] + text[start:].replace("86.", "88.", 1)
    changed = changed.replace(f"{record_strategies()} querying", "99 querying")
    readme.write_text(changed, encoding="utf-8")
    found = [said for said in report.problems(root) if said not in sound]
    assert [said.split(" ")[0] for said in found] == ["README.md", "docs/speed.md", "README"]
    assert found[-1] == f"README says how many strategies there are 99; it is {record_strategies()}"


def record_strategies() -> int:
    from strategy_zoo import names

    return len(names())


def test_claims_hold_or_are_gone() -> None:
    text = (report.ROOT / "README.md").read_text(encoding="utf-8")
    for claim in report.CLAIMS:
        assert claim.check(text) == ""
        assert claim.check("") == ""
        assert all(claim.truth())
    assert report.CLAIMS[2].truth() == ("two", "eight")
    assert "it is two, eight" in report.CLAIMS[2].check("TypiClust for one loops, clustered margin for six")


def test_everything_that_is_quoted_is_what_was_measured() -> None:
    """README, docs, claims and the manifest; `python -m benchmarks.report` writes what is generated."""
    assert report.problems() == []


# ----------------------------------------------------------------- latency


@pytest.mark.parametrize("case", cases.cases(rows=(300,)), ids=lambda case: case.id)
def test_every_case_can_be_timed(case: cases.Case, tmp_path: Path) -> None:
    (tmp_path / "round").mkdir()
    answer = case.ready(tmp_path / "round")()
    cases._filled.cache_clear()
    if case.group == "frame":
        assert answer.shape[0] == case.rows
        assert np.isfinite(answer[sorted(set(answer.columns) & set(frame_names()))].to_numpy()).all()
    elif case.group in ("ask", "loop", "strategy"):
        few = case.group == "loop" or f"{cases.FEW} rows" in case.name
        assert len(getattr(answer, "ids", answer)) == (cases.FEW if few else 30)
    elif case.group == "decide":
        assert answer.probabilities.sum() == pytest.approx(1)
        assert np.isfinite(answer.advantage).sum() > 2
    elif case.group == "append":
        with open_store(tmp_path / "round" / "store") as store:
            assert len(store.records("run")) == 2
    else:
        assert case.group == "tell"
        with open_store(tmp_path / "round" / "store") as store:
            assert [record.event for record in store.records("run")] == ["begin", "ask", "tell", "ask", "tell"]


def frame_names() -> list[str]:
    return cases.Source(cases.Shape(cases.SCALARS, 0, 0)).names


def test_what_pytest_benchmark_measured_becomes_a_table(tmp_path: Path) -> None:
    stats = {"median": 0.0012345678, "iqr": 0.0001, "min": 0.001, "max": 0.002, "rounds": 15}
    entries = [
        {"extra_info": {"group": "ask", "case": name, "rows": rows}, "stats": stats}
        for name, rows in (("margin", 1000), ("margin", 10000), ("random", 1000))
    ]
    table = latency.read({"benchmarks": entries})
    assert table["median_ms"].tolist() == [1.235] * 3
    latency.write(table, tmp_path, (0.5, 1.0))
    text = latency.markdown(tmp_path)
    assert "load of the machine before and after 0.5 and 1" in text
    assert "| ask | 1,000 rows | 10,000 rows |" in text
    assert "| `random` | 1.235 (0.1) | – |" in text
    facts = json.loads((tmp_path / "micro_latency.json").read_text(encoding="utf-8"))
    assert (facts["rows"], facts["load"], facts["command"]) == (3, [0.5, 1.0], "python -m benchmarks.micro latency")
