"""The command evaluate, as somebody calls it who has a file and a question."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal.cli import main
from metaal.policies.learned import untrained
from tests.metaal.rehearsed import write_suite

MIXED = """
name = "mixed"
seeds = [7]
[[grid]]
data = ["iris", "nothing.csv"]
learners = ["naive_bayes"]
batches = [4]
budget = 8
"""
ONE = MIXED.replace(', "nothing.csv"', "")


@dataclass
class Done:
    """What a command wrote."""

    stdout: str
    stderr: str


Call = Callable[..., Done]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: starting one for each call would take most of the time."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, code: int = 0) -> Done:
        monkeypatch.setattr(sys, "argv", ["metaal", *words])
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as in a process of its own
            with pytest.raises(SystemExit) as ended:
                main()
        done = Done(*capsys.readouterr())
        assert ended.value.code == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """A file of a user, with ids and a rare class."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 150))
    kind = np.where(a + 0.3 * rng.normal(size=150) > 0, "refund", "question").astype(object)
    kind[3] = "spam"
    pd.DataFrame({"ticket": np.arange(150), "a": a, "b": b, "kind": kind}).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def test_one_line_on_a_file_of_ones_own_answers_the_question(tickets: Path, call: Call) -> None:
    line = ["evaluate", "--on", "t.csv", "--target", "kind", "--drop-rare", "--seeds", "2", "--jobs", "1"]
    outputs = ["--report", "r.html", "--markdown", "out/r.md", "--tables", "tables"]
    done = call(*line, *outputs)
    said = done.stderr.splitlines()
    assert said[0] == "warning: t: left out as ids (whole numbers, another one in every row): ticket"
    assert "classes with fewer than 4 are left out: 'spam' (1)" in said[1]
    assert said[2].startswith("t: 149 rows, 2 columns, 2 classes in 'kind'; 74 rows in the pool")
    assert said[3] == "logistic: batches of 2, 24 labels after 4 initial ones; 4 policies × 2 seeds = 8 runs"
    assert "evaluating: 8 of 8" in done.stderr
    for words in ("AULC", "default against the others", "cluster_margin", "p (Holm)", "it speaks of these data alone"):
        assert words in done.stdout
    assert (tickets / "r.html").stat().st_size > 1e5
    assert "| default |" in (tickets / "out" / "r.md").read_text(encoding="utf-8")
    runs = pd.read_csv(tickets / "tables" / "runs.csv")
    assert len(runs) == 8
    pd.testing.assert_frame_equal(
        runs[["policy", "aulc"]], pd.read_parquet(tickets / "tables" / "runs.parquet")[["policy", "aulc"]]
    )
    again = call(*line)
    assert "reading back: 8 of 8" in again.stderr
    assert "evaluating" not in again.stderr
    assert again.stdout == done.stdout


def test_a_failure_stays_in_its_row_and_the_command_fails_after_the_rest(tmp_path: Path, call: Call) -> None:
    suite = write_suite(tmp_path, MIXED)
    done = call("evaluate", "--suite", suite, "-p", "margin", "-p", "random", "--jobs", "1", code=1)
    assert "error: 2 of 4 runs failed; first: margin on nothing~naive_bayes~b4, seed 7: TaskError" in done.stderr
    assert re.search(r"^margin +\d\d\.\d\d", done.stdout, re.MULTILINE)
    found = call("evaluate", "--suite", suite, "-p", "margin", "-p", "random", "--jobs", "1", "--json", code=1)
    facts = json.loads(found.stdout)
    assert [row["task"] for row in facts["errors"]] == ["nothing~naive_bayes~b4"] * 2
    assert facts["table"]["margin"]["runs"] == 1
    assert (facts["main"], facts["by"], set(facts["versus"])) == ("margin", "cells", {"random"})


def test_a_leak_is_refused_or_marked(tmp_path: Path, call: Call) -> None:
    untrained("cluster_margin", metaal.Prices(), {"families": ["iris"]}).save(tmp_path / "p.metaal")
    suite = write_suite(tmp_path, ONE.replace('"iris"', '"iris", "wine"'))
    line = ["evaluate", "--suite", suite, "-p", "ours=p.metaal", "-p", "margin", "--jobs", "1"]
    assert "trained on the families of 1 of 2 data sets (iris)" in call(*line, code=1).stderr
    assert not (tmp_path / "eval_runs").exists()
    marked = call(*line, "--leaky", "mark").stdout
    assert marked.startswith("LEAK: ours was trained on the family of 1 of its runs (iris)")
    assert "1 paired cell" in marked
    alone = call(*line, "--leaky", "mark", "--only", "iris*").stdout
    assert "nothing is left to compare" in alone
    facts = json.loads(call(*line, "--leaky", "mark", "--json").stdout)
    assert facts["leaks"] == [["ours", "iris"]]
    assert "LEAK" not in call("evaluate", "--suite", suite, "-p", "margin", "--jobs", "1").stdout


def test_shards_and_estimates_from_what_was_logged(tmp_path: Path, call: Call) -> None:
    suite = write_suite(tmp_path, ONE)
    line = ["evaluate", "--suite", suite, "-p", "uniform", "--seeds", "4", "--jobs", "1", "--store", "s"]
    for shard in ("1/2", "2/2"):
        call(*line, "--shard", shard)
    assert "reading back: 4 of 4" in call(*line).stderr
    done = call("evaluate", "--estimate", "s", "-p", "uniform", "-p", "sure=margin")
    assert done.stdout.startswith("uniform: estimated gain a decision")
    assert "sure: " in done.stdout
    for name in ("ips", "snips", "direct", "dr", "switch_dr"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    facts = json.loads(call("evaluate", "--estimate", "s", "-p", "uniform", "--json").stdout)
    assert facts["uniform"]["snips"]["value"] == pytest.approx(facts["uniform"]["logged"])
    one = json.loads(call("estimate", "uniform", "s", "--json").stdout)
    assert one == facts["uniform"]


def test_a_report_can_be_written_later_from_the_store_with_its_tables_and_marks(tmp_path: Path, call: Call) -> None:
    untrained("cluster_margin", metaal.Prices(), {"families": ["iris"]}).save(tmp_path / "p.metaal")
    suite = write_suite(tmp_path, ONE.replace('"iris"', '"iris", "wine"'))
    line = ["evaluate", "--suite", suite, "-p", "margin", "-p", "ours=p.metaal", "--leaky", "mark", "--jobs", "1"]
    call(*line)
    told = call("report", "eval_runs", "-o", "r.html", "--main", "ours", "--markdown", "r.md", "--tables", "t")
    assert told.stdout.strip() == str(tmp_path / "r.html")
    assert "ours was trained on" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (tmp_path / "r.md").read_text(encoding="utf-8").startswith("# ours against margin")
    assert pd.read_csv(tmp_path / "t" / "runs.csv")["leak"].sum() == 1
    assert "--markdown t: is a directory" in call("report", "eval_runs", "--markdown", "t", code=1).stderr


def test_prices_reach_the_utility(tmp_path: Path, call: Call) -> None:
    suite = write_suite(tmp_path, ONE)
    line = ["evaluate", "--suite", suite, "-p", "margin", "--jobs", "1", "--json"]
    plain = json.loads(call(*line).stdout)["table"]["margin"]["utility"]
    dear = json.loads(call(*line, "--label", "3", "--round", "100").stdout)["table"]["margin"]["utility"]
    assert dear == pytest.approx(plain - 2 * 8 - 100 * 2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--on", "t.csv", "--target", "kind"], 1, "'spam' (1). Merge them into others, pass --drop-rare"),
        (["--on", "t.csv", "--target", "a"], 1, "pass --kind regression"),
        (["--on", "t.csv", "--target", "sort"], 1, "no column 'sort'; there is"),
        (["--suite", "tiny", "--target", "kind"], 2, "go with --on"),
        (["--suite", "tiny", "--estimate", "s"], 2, "one of --suite"),
        (["--suite", "tiny", "--shard", "0/2"], 1, "expected i/n"),
        (["--suite", "tiny", "--backend", "spark"], 1, "expected one of"),
        (["--suite", "tiny", "--leaky", "maybe"], 1, "'refuse' or 'mark'"),
        (["--suite", "tiny", "--report", "."], 1, "--report .: is a directory"),
        (["--suite", "tiny", "--tables", "t.csv"], 1, "--tables t.csv: is a file"),
        (["--estimate", "nowhere"], 1, "no store at nowhere"),
    ],
)
def test_calls_that_cannot_be_end_with_one_line(
    tickets: Path, call: Call, words: list[str], code: int, message: str
) -> None:
    said = call("evaluate", *words, code=code).stderr
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", said).split())
    assert message in said
    assert not (tickets / "eval_runs").exists()


def test_numbers_can_be_predicted(tickets: Path, call: Call) -> None:
    line = ["evaluate", "--on", "t.csv", "--target", "a", "--kind", "regression", "--seeds", "1", "--jobs", "1"]
    done = call(*line, "--budget", "12", "--batch", "4")
    assert "ridge: batches of 4, 12 labels after 10 initial ones; 4 policies × 1 seeds" in done.stderr
    assert "default against the others" in done.stdout
    assert "R²" in done.stdout


def test_in_a_terminal_a_bar_shows_how_long_it_takes(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ONE)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "metaal", "evaluate", "--suite", suite, "-p", "random", "--jobs", "1"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"evaluating .*1/1 .*left .*iris~naive_bayes~b4", plain)


GUIDE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_every_option_of_the_guide_is_one_of_the_command(tmp_path: Path, call: Call) -> None:
    own = GUIDE.split("## The report")[0]
    used = set(re.findall(r"--[a-z][a-z-]+", own))
    assert {"--on", "--suite", "--shard", "--leaky", "--estimate", "--report", "--drop-rare"} <= used
    told = call("evaluate", "--help").stdout
    assert [option for option in sorted(used) if option not in told] == []


def test_the_program_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = [text for text in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "evaluate(" in text]
    assert blocks
    exec(blocks[0].replace('store="eval_runs"', 'store="eval_runs", jobs=1'), {})  # noqa: S102 - our own words
    assert (tmp_path / "report.html").exists()
