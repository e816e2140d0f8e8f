"""The command line, as a user or a program in another language calls it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
import metaal.evaluating.playing
import metaal.policies.learned
import strategy_zoo
from tests.metaal.calling import call

IRIS = metaal.Task("iris", "logistic", batch=5, budget=10)
COMMANDS = ["demo", "zoo", "check", "runs", "show", "ask", "tell", "fit", "evaluate", "estimate", "report"]
COMMANDS += ["verify", "repair", "export", "import"]


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
    "no labels": (["tell", "s/r"], 2, "nothing to tell"),
    "file and skip": (["tell", "s/r", "l.csv", "--skip", "1"], 2, "one at a time"),
    "skip and withdraw": (["tell", "s/r", "--skip", "1", "--withdraw", "2"], 2, "one at a time"),
    "no strategy": (["zoo", "margn"], 1, "margin"),
    "no suite": (["evaluate", "--suite", "huge"], 1, "huge"),
    "no source": (["evaluate"], 2, "--suite"),
    "two sources": (["evaluate", "--suite", "tiny", "--on", "x.csv"], 2, "--suite"),
    "one policy twice": (["evaluate", "--suite", "tiny", "-p", "a=margin", "-p", "a=random"], 2, "twice"),
    "ragged": (["ask", "s/r", "--ids", "i.npy", "--proba", "ragged.json"], 1, "differ in length"),
    "ragged input": (["ask", "s/r", "--input", "all.json"], 1, "proba: the rows differ in length"),
    "nested ids": (["ask", "s/r", "--proba", "p.npy", "--ids", "ragged.json"], 1, "plain JSON list"),
    "out nowhere": (["fit", "nowhere", "-o", "missing/x.metaal"], 1, "no directory missing"),
    "no data": (["evaluate", "--on", "no.csv"], 1, "no such file"),
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
    (tmp_path / "ragged.json").write_text("[[0.5, 0.5], [0.1]]")
    (tmp_path / "all.json").write_text('{"ids": [0, 1], "proba": [[0.5, 0.5], [0.1]]}')
    arguments, code, words = BAD[case]
    done = call(*arguments, cwd=tmp_path, code=code)
    assert words in done.stderr
    assert "create=True" not in done.stderr


@pytest.mark.parametrize("place", ["table", "file"])
def test_ids_stay_as_they_are_spelt(tmp_path: Path, proba: np.ndarray, place: str) -> None:
    rows = [f"{key},{a},{b}" for key, (a, b) in zip(["000", "001", "10", "11"], proba, strict=True)]
    (tmp_path / "p.csv").write_text("\n".join(["id,no,yes", *rows]))
    (tmp_path / "keys.csv").write_text("key\n000\n001\n10\n11\n")
    np.save(tmp_path / "p.npy", proba)
    source = {"table": ["--proba", "p.csv"], "file": ["--proba", "p.npy", "--ids", "keys.csv"]}[place]
    asked = call("ask", "s/r", "-n", "2", *source, "--policy", "margin", "--json", cwd=tmp_path)
    assert json.loads(asked.stdout)["ids"] == ["001", "11"]
    (tmp_path / "l.csv").write_text("id,label\n001,0\n11,1\n")
    call("tell", "s/r", "l.csv", cwd=tmp_path)
    # What is left of the pool spells whole numbers; the run's keys are text all the same.
    (tmp_path / "rest.csv").write_text("id,no,yes\n10,0.7,0.3\n12,0.6,0.4\n")
    asked = call("ask", "s/r", "-n", "1", "--proba", "rest.csv", "--json", cwd=tmp_path)
    assert json.loads(asked.stdout)["ids"] == ["12"]
    (tmp_path / "l.csv").write_text("id,label\n12,1\n")
    call("tell", "s/r", "l.csv", cwd=tmp_path)
    assert metaal.Run.resume(tmp_path / "s" / "r").labels == {"001": 0, "11": 1, "12": 1}


def test_only_an_empty_cell_is_no_label(tmp_path: Path, proba: np.ndarray) -> None:
    np.save(tmp_path / "p.npy", proba)
    np.save(tmp_path / "i.npy", np.arange(4))
    call("ask", "s/r", "-n", "3", "--ids", "i.npy", "--proba", "p.npy", "--policy", "margin", cwd=tmp_path)
    (tmp_path / "l.csv").write_text("id,label\n1,None\n2,\n3,NA\n")
    assert "1 rows have no label" in call("tell", "s/r", "l.csv", cwd=tmp_path, code=1).stderr
    (tmp_path / "l.csv").write_text("id,label\n1,None\n2,nan\n3,NA\n")
    call("tell", "s/r", "l.csv", cwd=tmp_path)
    assert metaal.Run.resume(tmp_path / "s" / "r").labels == {1: "None", 2: "nan", 3: "NA"}


def test_a_repeated_ask_may_spell_its_settings_in_any_way(tmp_path: Path, proba: np.ndarray) -> None:
    np.save(tmp_path / "p.npy", proba)
    np.save(tmp_path / "i.npy", np.arange(4))
    ask = ["ask", "s/r", "-n", "1", "--ids", "i.npy", "--proba", "p.npy", "--json"]
    given = ["--policy", "mix(margin=7,random=3)", "--seed", "5", "--budget", "3"]
    first = call(*ask, *given, cwd=tmp_path).stdout
    assert call(*ask, *given, cwd=tmp_path).stdout == first
    assert call(*ask, cwd=tmp_path).stdout == first
    for name, value in (("policy", "margin"), ("seed", "0"), ("budget", "4")):
        assert f"leave --{name} out" in call(*ask, f"--{name}", value, cwd=tmp_path, code=1).stderr
    metaal.policies.learned.untrained("margin", metaal.Prices(), {}).save(tmp_path / "x.metaal")
    for _ in range(2):
        call(*[word.replace("s/r", "s/file") for word in ask], "--policy", "./x.metaal", cwd=tmp_path)


def test_warnings_are_one_line(tmp_path: Path) -> None:
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame.astype({"target": "Int64"})
    frame.loc[:9, "target"] = None
    frame.assign(name=[f"wine {k}" for k in range(len(frame))]).to_csv(tmp_path / "w.csv", index=False)
    arguments = ["--target", "target", "--batch", "4", "--budget", "8", "--seeds", "2", "--jobs", "2", "-p", "random"]
    done = call("evaluate", "--on", "w.csv", *arguments, "--json", cwd=tmp_path)
    warned = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    assert len(warned) == 2
    assert warned[0].startswith("warning: w.csv: columns left out")
    assert warned[0].endswith(": name")
    assert warned[1] == "warning: w: 10 of 178 rows have no label and are left out"


def test_report_passes_over_runs_of_the_users_own(tmp_path: Path) -> None:
    with metaal.Run(tmp_path / "s" / "mine", policy="margin", tags={"policy": "mine"}) as run:
        run.ask(1, ids=[0, 1], proba=[[0.5, 0.5], [0.9, 0.1]])
        run.tell([1])
        run.end()
    assert "no finished run" in call("report", "s", cwd=tmp_path, code=1).stderr
    metaal.evaluate({"m": "margin"}, [IRIS], [0], store=tmp_path / "s", jobs=1, progress=False)
    call("report", "s", cwd=tmp_path)
    assert "mine" not in words_of(tmp_path / "report.html")


def test_report_says_which_policy_lacks_which_cell(tmp_path: Path) -> None:
    for seed, name in enumerate(("margin", "random")):
        metaal.evaluate({name: name}, [IRIS], [seed], store=tmp_path / "s", jobs=1, progress=False)
    said = call("report", "s", cwd=tmp_path, code=1).stderr
    assert "margin lacks iris~logistic~b5~s1" in said
    assert "random lacks iris~logistic~b5~s0" in said


def test_a_report_without_a_whole_cell_lists_the_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(metaal.evaluating.playing, "play", fail)
    with pytest.raises(metaal.EvaluationError) as caught:
        metaal.evaluate({"r": "random", "m": "margin"}, [IRIS], [0], jobs=1, progress=False)
    page = caught.value.result.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "out of ideas" in page
    assert "No cell was finished by every policy" in page


def words_of(path: Path) -> str:
    """The words of a report, without its scripts."""
    return re.sub(r"<script>.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_zoo_lists_and_explains(tmp_path: Path) -> None:
    names = {row["name"] for row in json.loads(call("zoo", "--json", cwd=tmp_path).stdout)}
    wanted = (
        "random least_confidence margin entropy power_margin cluster_margin balanced_margin k_center typiclust badge"
    )
    assert set(wanted.split()) <= names
    assert "Citovsky" in call("zoo", "cluster_margin", cwd=tmp_path).stdout
    assert "typiclust" in call("zoo", cwd=tmp_path).stdout


def test_zoo_says_what_is_impossible_and_why(tmp_path: Path, proba: np.ndarray) -> None:
    np.savez(tmp_path / "view.npz", proba=proba, ids=np.arange(4))
    shown = call("zoo", "--why", "view.npz", cwd=tmp_path).stdout
    assert "the view holds proba (4 rows)" in shown
    assert re.search(r"^badge +embedding +proba, embedding *$", shown, re.MULTILINE)
    told = json.loads(call("zoo", "--why", "proba,embedding", "--json", cwd=tmp_path).stdout)
    assert "badge" in told["possible"]
    assert "committee" in told["impossible"]["bald"]
    assert set(told["possible"]) | set(told["impossible"]) == set(strategy_zoo.names())
    assert "neither a .npz file nor names" in call("zoo", "--why", "probs", cwd=tmp_path, code=1).stderr
    np.savez(tmp_path / "odd.npz", probs=proba)
    assert "unknown array 'probs'" in call("zoo", "--why", "odd.npz", cwd=tmp_path, code=1).stderr


def test_zoo_lists_one_family_and_explains_a_spelling(tmp_path: Path) -> None:
    shown = call("zoo", "--family", "fusion", cwd=tmp_path).stdout
    assert "narrow" in shown
    assert "margin " not in shown.split("strategies;")[0].replace("cluster_margin", "")
    assert "there are balance" in call("zoo", "--family", "fruit", cwd=tmp_path, code=1).stderr
    told = call("zoo", "k_center(metric='cosine')", cwd=tmp_path).stdout
    assert "needs embedding; uses seen_embedding if given" in told
    assert "parameters: metric='euclidean'" in told
    assert re.search(r"about 0\.\d+ s for 100 of 100,000 rows", told)


def test_check_names_a_module_without_strategies_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "has no subclass" in call("check", "empty", cwd=tmp_path, code=1).stderr
    assert "can't import 'nowhere'" in call("check", "nowhere", cwd=tmp_path, code=1).stderr
    report = json.loads(call("check", "margin", "--json", cwd=tmp_path).stdout)
    assert report == {"margin": {}}


def test_ask_reads_every_output_from_one_npz_file(tmp_path: Path, proba: np.ndarray) -> None:
    np.savez(tmp_path / "view.npz", ids=np.arange(4), committee=np.stack([proba, 1 - proba]), classes=["no", "yes"])
    asked = call("ask", "runs/r", "-n", "1", "--view", "view.npz", "--policy", "bald", cwd=tmp_path).stdout
    assert asked.strip() == "0"
    np.savez(tmp_path / "odd.npz", ids=np.arange(4), probs=proba)
    assert "unknown array 'probs'" in call("ask", "runs/q", "--view", "odd.npz", cwd=tmp_path, code=1).stderr


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


def test_card_tells_what_a_policy_was_made_of(tmp_path: Path) -> None:
    shipped = json.loads(call("card", "--json", cwd=tmp_path).stdout)
    assert shipped["default"] == "cluster_margin"
    assert "optdigits" not in shipped["families"]
    text = call("card", cwd=tmp_path).stdout
    for words in ("trained on", "left-out gain", "made by", "versions", "falls back to the default"):
        assert words in text
    assert "card: margin is a rule" in call("card", "margin", cwd=tmp_path, code=1).stderr


def test_text_labels_that_look_like_numbers_stay_text(tmp_path: Path, proba: np.ndarray) -> None:
    (tmp_path / "ask.json").write_text(
        json.dumps({"ids": [0, 1, 2, 3], "proba": np.c_[proba, np.zeros(4)].tolist(), "classes": ["0", "1", "unknown"]})
    )
    call("ask", "s/r", "-n", "2", "--input", "ask.json", "--policy", "margin", cwd=tmp_path)
    (tmp_path / "labels.csv").write_text("id,label\n1,0\n3,0\n")
    call("tell", "s/r", "labels.csv", cwd=tmp_path)
    assert metaal.Run.resume(tmp_path / "s" / "r").labels == {1: "0", 3: "0"}


MODULE = """
from dataclasses import dataclass
from strategy_zoo import Strategy
{above}
class Mine(Strategy):
    "Mine."
    name, family, needs, growth, reference = "mine_of_cli", "own", {needs}, "U", "Doe 2026, X"
    def score(self, view, rng):
        return 1 - view.proba.max(axis=1)
    def cost(self, U, L, C, D, n):
        return float(U)
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def (", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("\n1 / 0", "ZeroDivisionError: division by zero (broken.py, line 2)"),
        (MODULE.format(above="@dataclass", needs="('proba',)"), "put @dataclass(frozen=True) above the class"),
        (MODULE.format(above="@dataclass(frozen=True)", needs="('proba')"), "write needs = ('proba',)"),
    ],
)
def test_check_of_a_broken_module_is_one_helpful_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    told = call("check", "broken", cwd=tmp_path, code=1).stderr
    assert words in told
    assert "Traceback" not in told


def test_why_says_what_a_composition_lacks_and_takes_every_field(tmp_path: Path) -> None:
    told = call("zoo", "--why", "proba,embedding", cwd=tmp_path).stdout
    assert re.search(r"^smooth +seen_embedding, seen_y", told, re.M)
    assert call("zoo", "--why", "votes", cwd=tmp_path).stdout.startswith("the view holds votes (2 rows)")
    call("zoo", "--why", ",".join(strategy_zoo.FIELDS), cwd=tmp_path)
    smooth = json.loads(call("zoo", "smooth", "--json", cwd=tmp_path).stdout)
    assert smooth["needs"] == ["proba", "embedding", "seen_embedding", "seen_y"]


def test_show_reads_a_run_whose_function_is_not_known_here(tmp_path: Path, proba: np.ndarray) -> None:
    run = metaal.Run(tmp_path / "s" / "r", policy=lambda view, n, rng: range(n))
    run.ask(2, ids=np.arange(4), proba=proba)
    run.close()
    assert "plain('<lambda>')" in call("show", "s/r", cwd=tmp_path).stdout
    (tmp_path / "labels.csv").write_text("id,label\n0,0\n1,1\n")
    assert "2 labels, 0 pending" in call("tell", "s/r", "labels.csv", cwd=tmp_path).stdout
