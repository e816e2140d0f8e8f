"""The command line, as a user or a program in another language calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal

COMMANDS = ["demo", "zoo", "runs", "show", "ask", "tell", "fit", "evaluate", "estimate", "report"]


def call(*arguments: str, cwd: Path, stdin: str | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "metaal", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def proba() -> np.ndarray:
    return np.array([[0.9, 0.1], [0.55, 0.45], [0.7, 0.3], [0.6, 0.4]])


def test_every_command_has_help(tmp_path: Path) -> None:
    overview = call("--help", cwd=tmp_path).stdout
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", overview)
    assert "--proba" in call("ask", "--help", cwd=tmp_path).stdout


def test_a_loop_from_files_with_a_broken_off_labelling(tmp_path: Path, proba: np.ndarray) -> None:
    np.save(tmp_path / "proba.npy", proba)
    (tmp_path / "ids.json").write_text('["a", "b", "c", "d"]')
    arguments = [
        "ask",
        "runs/r",
        "-n",
        "2",
        "--ids",
        "ids.json",
        "--proba",
        "proba.npy",
        "--policy",
        "margin",
        "--json",
    ]
    asked = json.loads(call(*arguments, cwd=tmp_path).stdout)
    assert asked["ids"] == ["b", "d"]
    assert asked["stop"] is False
    # The same call again, as after a crash: the same query, not another one.
    assert json.loads(call(*arguments, cwd=tmp_path).stdout) == asked
    (tmp_path / "labels.csv").write_text("id,label\nd,1\n")
    told = call("tell", "runs/r", "labels.csv", "--score", "0.8", "--seconds", "fit=1.5", "--json", cwd=tmp_path)
    assert json.loads(told.stdout) == {"labels": 1, "pending": ["b"]}
    call("tell", "runs/r", "--skip", "b", cwd=tmp_path)
    shown = json.loads(call("show", "runs/r", "--json", cwd=tmp_path).stdout)
    assert shown["series"]["score.value"] == [0.8]
    assert shown["series"]["cost.fit.seconds"] == [1.5]
    listed = json.loads(call("runs", "runs", "--json", cwd=tmp_path).stdout)
    assert listed[0]["labels"] == 1
    assert "margin" in call("show", "runs/r", cwd=tmp_path).stdout
    assert "runs" not in call("runs", "runs", cwd=tmp_path).stderr


@pytest.mark.parametrize("kind", ["csv", "parquet", "stdin"])
def test_outputs_come_in_any_form(tmp_path: Path, proba: np.ndarray, kind: str) -> None:
    if kind == "stdin":
        text = json.dumps({"ids": [10, 11, 12, 13], "proba": proba.tolist()})
        done = call("ask", "s/r", "-n", "1", "--input", "-", "--policy", "margin", "--json", cwd=tmp_path, stdin=text)
    else:
        frame = pd.DataFrame(proba, columns=["no", "yes"]).assign(id=[10, 11, 12, 13])
        path = tmp_path / f"p.{kind}"
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
        done = call("ask", "s/r", "-n", "1", "--proba", path.name, "--policy", "margin", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["ids"] == [11]
    told = call("tell", "s/r", "-", "--json", cwd=tmp_path, stdin='{"11": 1}')
    assert json.loads(told.stdout)["labels"] == 1
    call("tell", "s/r", "-", "--change", cwd=tmp_path, stdin="[[11, 0]]")
    call("tell", "s/r", "--withdraw", "11", cwd=tmp_path)
    assert metaal.Run.resume(tmp_path / "s" / "r").labels == {}


def test_plain_output_is_one_id_a_line(tmp_path: Path, proba: np.ndarray) -> None:
    np.save(tmp_path / "p.npy", proba)
    np.save(tmp_path / "i.npy", np.arange(4))
    done = call("ask", "s/r", "-n", "2", "--ids", "i.npy", "--proba", "p.npy", "--policy", "margin", cwd=tmp_path)
    assert done.stdout == "1\n3\n"


BAD: dict[str, tuple[list[str], int, str]] = {
    "no command": (["dance"], 2, "dance"),
    "no file": (["ask", "s/r", "--proba", "no.npy", "--ids", "no.npy"], 1, "no such file"),
    "no ids": (["ask", "s/r", "--proba", "p.npy"], 1, "--ids"),
    "pickle": (["ask", "s/r", "--ids", "o.npy", "--proba", "p.npy"], 1, "not a .npy array"),
    "wrong rows": (["ask", "s/r", "--ids", "short.json", "--proba", "p.npy"], 1, "ids has 2"),
    "no policy": (["ask", "s/r", "--ids", "i.npy", "--proba", "p.npy", "--policy", "margn"], 1, "margin"),
    "n": (["ask", "s/r", "-n", "0"], 2, "--n"),
    "no run": (["show", "s/nothing"], 1, "s"),
    "no store": (["runs", "nowhere"], 1, "nowhere"),
    "no labels": (["tell", "s/r"], 1, "nothing to tell"),
    "no strategy": (["zoo", "margn"], 1, "margin"),
    "no suite": (["evaluate", "--suite", "huge"], 1, "huge"),
    "two sources": (["evaluate"], 1, "--suite"),
    "fit on nothing": (["fit", "nowhere"], 1, "nowhere"),
    "policy file": (["evaluate", "--suite", "tiny", "-p", "no.metaal"], 1, "no.metaal"),
    "report on nothing": (["report", "nowhere"], 1, "nowhere"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_are_one_line_with_the_right_code(tmp_path: Path, proba: np.ndarray, case: str) -> None:
    np.save(tmp_path / "p.npy", proba)
    np.save(tmp_path / "i.npy", np.arange(4))
    np.save(tmp_path / "o.npy", np.array([object()] * 4), allow_pickle=True)
    (tmp_path / "short.json").write_text("[1, 2]")
    arguments, code, words = BAD[case]
    done = call(*arguments, cwd=tmp_path, code=code)
    assert words in done.stderr


def test_zoo_lists_and_explains(tmp_path: Path) -> None:
    names = {row["name"] for row in json.loads(call("zoo", "--json", cwd=tmp_path).stdout)}
    wanted = (
        "random least_confidence margin entropy power_margin cluster_margin balanced_margin k_center typiclust badge"
    )
    assert set(wanted.split()) <= names
    assert "Citovsky" in call("zoo", "cluster_margin", cwd=tmp_path).stdout
    assert "typiclust" in call("zoo", cwd=tmp_path).stdout


def test_evaluate_fit_estimate_and_report(tmp_path: Path) -> None:
    """On a user's own file, in one line; then a policy from the same logs."""
    from sklearn.datasets import load_wine

    load_wine(as_frame=True).frame.to_csv(tmp_path / "wine.csv", index=False)
    arguments = ["evaluate", "--on", "wine.csv", "--target", "target", "--batch", "4", "--budget", "24", "--seeds", "3"]
    arguments += ["-p", "uniform", "-p", "cm=cluster_margin", "-p", "pm=power_margin(beta=2.0)", "--jobs", "1"]
    found: dict[str, Any] = json.loads(call(*arguments, "--report", "r.html", "--json", cwd=tmp_path).stdout)
    assert set(found["table"]) == {"uniform", "cm", "pm"}
    assert found["errors"] == []
    assert (tmp_path / "r.html").stat().st_size > 1e6
    assert "AULC" in call(*arguments, cwd=tmp_path).stdout  # from the log this time
    facts = json.loads(call("fit", "eval_runs", "-o", "p.metaal", "--second", "0.01", "--json", cwd=tmp_path).stdout)
    assert "decisions" in facts["trained on"]
    assert metaal.load(tmp_path / "p.metaal").prices.second == 0.01
    estimated = json.loads(call("estimate", "margin", "eval_runs", "--json", cwd=tmp_path).stdout)
    assert estimated["decisions"] > 0
    call("report", "eval_runs", "-o", "again.html", cwd=tmp_path)
    assert (tmp_path / "again.html").exists()
