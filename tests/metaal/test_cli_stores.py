"""The commands around a whole store, as a user or a program in another language calls them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import metaal
from metadata_store import Record, open_store
from tests.metaal.calling import call

GUIDE = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of one real run and one of a user's own records."""
    with metaal.Run(tmp_path / "runs" / "mine", policy="margin", seed=0) as run:
        run.ask(1, ids=["a", "b"], proba=np.array([[0.5, 0.5], [0.9, 0.1]]))
        run.tell([1])
    with open_store(tmp_path / "runs") as opened:
        for loop in range(3):
            opened.append(Record("own", loop, "report", {"user.f1": loop / 3, "user.note": "é"}))
    return tmp_path / "runs"


def damage(store: Path) -> None:
    """Flip a bit of a record in the middle of the user's segment."""
    segment = next(path for path in store.glob("hot/*.seg") if b"own" in path.read_bytes())
    data = bytearray(segment.read_bytes())
    at = data.rindex(b"own", 0, data.rindex(b"own"))
    data[at] ^= 1
    segment.write_bytes(data)


def test_verify_and_repair_say_by_their_exit_code_whether_a_store_is_whole(tmp_path: Path, store: Path) -> None:
    assert call("verify", "runs", cwd=tmp_path).stdout.startswith("ok: ")
    whole = json.loads(call("verify", "runs", "--json", cwd=tmp_path).stdout)
    assert whole["ok"] is True
    assert whole["damage"] == []
    damage(store)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    told = call("verify", "runs", cwd=tmp_path, code=1)
    assert told.stdout.startswith("DAMAGED: ")
    assert "metaal repair runs" in told.stderr
    found = json.loads(call("verify", "runs", "--json", cwd=tmp_path, code=1).stdout)
    assert found["ok"] is False
    assert set(found["damage"][0]) == {"segment", "offset", "what", "bytes"}
    assert found["records"] == whole["records"] - 1
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    mended = json.loads(call("repair", "runs", "--json", cwd=tmp_path).stdout)
    assert mended["ok"] is True
    assert mended["repaired"]
    assert mended["records"] == whole["records"] - 1
    assert list((store / "damaged").iterdir())
    call("verify", "runs", cwd=tmp_path)
    assert "no damage" in call("repair", "runs", cwd=tmp_path).stdout


def test_jsonl_carries_a_whole_store_and_the_run_goes_on_in_the_copy(tmp_path: Path, store: Path) -> None:
    assert re.fullmatch(r"\d+ rows in all.jsonl\n", call("export", "runs", "all.jsonl", cwd=tmp_path).stdout)
    lines = (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()
    loaded = json.loads(call("import", "all.jsonl", "copy", "--json", cwd=tmp_path).stdout)
    assert loaded == {"read": len(lines), "new": len(lines)}
    assert ", 0 of them new in copy" in call("import", "all.jsonl", "copy", cwd=tmp_path).stdout
    call("export", "copy", "again.txt", "--format", "jsonl", cwd=tmp_path)
    assert (tmp_path / "again.txt").read_text(encoding="utf-8").splitlines() == lines
    with metaal.Run.resume(tmp_path / "copy" / "mine") as run:
        assert run.labels == {"a": 1}
        run.ask(1, ids=["b"], proba=[[0.9, 0.1]])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_one_run_goes_out_and_in(tmp_path: Path, store: Path, suffix: str) -> None:
    file = f"own.{suffix}"
    done = call("export", "runs", file, "--run", "own", "--name", "user.*", "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"file": file, "rows": 3}
    columns = ["--run-column", "run", "--loop-column", "loop", "--map", "user.f1=score.value", "--map", "user.note="]
    assert json.loads(call("import", file, "copy", *columns, "--json", cwd=tmp_path).stdout) == {"read": 3, "new": 3}
    with open_store(tmp_path / "copy", create=False) as copy:
        assert [dict(record.values) for record in copy.records("own")] == [{"score.value": k / 3} for k in range(3)]
    call("export", "runs", "long.csv", "--long", "--name", "user.f1", cwd=tmp_path)
    assert (tmp_path / "long.csv").read_text().startswith("run,loop,event,index,name,value,text,at\nown,0,report,")


def test_known_statistics_keep_their_names_and_others_become_the_users(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("exp,round,score.value,F1 macro,code\na,0,0.5,0.4,007\n")
    columns = ["--run-column", "exp", "--loop-column", "round", "--text", "code"]
    call("import", "log.csv", "s", *columns, cwd=tmp_path)
    with open_store(tmp_path / "s", create=False) as opened:
        values = dict(opened.records("a")[0].values)
    assert values == {"score.value": 0.5, "user.f1_macro": 0.4, "user.code": "007"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["log.csv", "s"], 2, "needs --run-column COLUMN and --loop-column COLUMN"),
        (["log.csv", "s", "--run-column", "run", "--loop-column", "loop", "--map", "acc"], 2, "expected column=name"),
        (["log.csv", "s", "--run-column", "runs", "--loop-column", "loop"], 1, "did you mean 'run'"),
        (["log.csv", "s", "--run-column", "run", "--loop-column", "loop"], 1, "line 3: column 'acc' has 'x'"),
        (
            ["log.csv", "s", "--run-column", "run", "--loop-column", "loop", "--map", "acc=pool.x"],
            1,
            "belongs under user.",
        ),
        (["nowhere.jsonl", "s"], 1, "nowhere.jsonl: no such file"),
        (["log.jsonl", "s", "--run-column", "run"], 2, "leave the columns out"),
        (["log.jsonl", "s"], 1, "line 2: not a record"),
        (["plain.jsonl", "s"], 2, "needs --run-column COLUMN and --loop-column COLUMN"),
        (["log.txt", "s"], 1, "no suffix that tells its format"),
    ],
)
def test_a_wrong_import_says_what_is_wrong(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "log.csv").write_text("run,loop,acc\nr,0,0.5\nr,1,x\n")
    (tmp_path / "log.jsonl").write_text('{"run": "r", "loop": 0, "event": "tell"}\n{"run": "r"\n')
    (tmp_path / "plain.jsonl").write_text('{"exp": "r", "round": 0, "acc": 0.5}\n')
    (tmp_path / "log.txt").write_text("")
    told = " ".join(re.sub("[│╭╮╰╯─]", " ", call("import", *arguments, cwd=tmp_path, code=code).stderr).split())
    assert words in told
    if arguments == ["log.jsonl", "s"]:
        with open_store(tmp_path / "s", create=False) as opened:
            assert opened.count("r") == 1


@pytest.mark.parametrize("command", [["verify", "s"], ["repair", "s"], ["export", "s", "a.csv"]])
def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, command: list[str]) -> None:
    assert "error: " in call(*command, cwd=tmp_path, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_guide_run_as_printed(tmp_path: Path, store: Path) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "log.csv").write_text("exp,round,acc,Batch Size\na,0,0.71,20\na,1,0.74,20\n")
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(commands) == 9
    for command in commands:
        assert command.startswith("metaal ")
        program = f'metaal() {{ "{sys.executable}" -m metaal "$@"; }}; {command}'
        done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    with open_store(tmp_path / "old", create=False) as opened:
        assert list(opened.frame()) == ["score.value"]


def test_runs_lists_an_imported_run_that_metaal_did_not_begin(tmp_path: Path, store: Path) -> None:
    (tmp_path / "log.csv").write_text("exp,round,acc\nold,0,0.7\nold,1,0.8\n", encoding="utf-8")
    call("import", "log.csv", str(store), "--run-column", "exp", "--loop-column", "round", cwd=tmp_path)
    rows = {row["run"]: row for row in json.loads(call("runs", str(store), "--json", cwd=tmp_path).stdout)}
    assert rows["old"]["state"] == "not begun by metaal"
    assert rows["old"]["loops"] == 2
    assert rows["mine"]["state"] != "not begun by metaal"
