"""The guide to interchange runs as printed, with the real programs at the other end."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metaal.cli.app import app
from metadata_store import DirectoryStore, Record, open_store
from metadata_store.interchange.labelbench import COLUMNS
from tests.metaal.calling import call

GUIDE = (Path(__file__).parents[2] / "docs" / "interchange.md").read_text(encoding="utf-8")

pytestmark = [
    # MLflow's own imports and its use of SQLAlchemy warn
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store, and with what other programs have logged; MLflow remembers its name, so for one test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "WARNING")
    with open_store("runs") as store:
        for loop in range(3):
            values = {"score.value": loop / 3, "user.codes": loop, "user.note": "é"}
            store.append(Record("own", loop, "report", values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna
        from mlflow import MlflowClient
    client = MlflowClient("sqlite:///theirs.db")
    client.search_experiments()
    shutil.copy("theirs.db", "mlflow.db")  # an empty one; making it takes a second
    run = client.create_run(client.create_experiment("nets"), run_name="resnet")
    client.log_param(run.info.run_id, "lr", "0.1")
    for step in range(4):
        client.log_metric(run.info.run_id, "val_acc", step / 4, step=step)
    client.set_terminated(run.info.run_id)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("journal.log"))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    optuna.create_study(study_name="tune", storage=storage).optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
    optuna.logging.set_verbosity(before)
    with open("journal.log", "ab") as file:
        file.write(b'{"op_code":5,"work')
    keys = {"dataset": "cifar10", "batch": "bs_100", "embed": "e", "model": "m", "trainer": "t", "strategy": "s"}
    rows = [{**keys, "seed": 1, "round": number, **dict.fromkeys(COLUMNS, 0.5)} for number in range(2)]
    pd.DataFrame(rows).to_parquet("labelbench_runs.parquet")
    lines = [{"exp": "a", "round": number, "by": "Random", "acc": number / 4} for number in range(2)]
    Path("theirs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in lines))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Call a command as `metaal --json` does, in this process."""
    app([*arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_the_guide_to_interchange_runs_as_printed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    told = []
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "metaal"
        told.append(run(capsys, *arguments))
    out, back, theirs, journal, labelbench, plain, delta, iceberg, shared = told
    assert (out["records"], out["new"]) == (3, 3)
    assert (back["read"], back["new"]) == (3, 3)
    assert (theirs["runs"], theirs["new"], theirs["problems"]) == (1, 6, [])
    assert (journal["read"], journal["new"]) == (2, 3)
    assert [place["data"] for place in journal["torn"]] == ['{"op_code":5,"work']
    assert labelbench == {"read": 3, "new": 3}
    assert plain == {"read": 4, "new": 4}
    with DirectoryStore("theirs") as store:
        assert store.frame(["score.value"])["score.value"].dropna().tolist() == [0, 0.25]
        assert store.frame(["action.name"])["action.name"].dropna().tolist() == ["random", "random"]
    assert (delta["version"], delta["added"], delta["rows"], delta["waiting"]) == (0, 1, 15, 0)
    assert (iceberg["version"], iceberg["added"], iceberg["rows"]) == (1, 1, 15)
    assert shared["rows"] == 15
    with DirectoryStore("runs") as store, DirectoryStore("copy") as copy:
        for mine, its in zip(store.records("own"), copy.records("own"), strict=True):
            assert mine.same_content(its)
            assert mine.at == its.at
        frame = store.frame(["score.value", "user.rate"])
        assert frame["score.value"].notna().sum() == 3 + 4 + 2 + 2
        assert frame["user.rate"].dropna().tolist() == [0.1]
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    for number, text in enumerate(blocks):
        exec(compile(text, f"block {number}", "exec"), {})  # noqa: S102 - the guide's own programs
    printed = capsys.readouterr().out
    assert printed.count("15\n") == 2
    assert "('own', 2, 0.666" in printed


def test_the_commands_say_in_words_what_they_did(tmp_path: Path) -> None:
    first = '{"op_code":0,"worker_id":"w","study_name":"tune","directions":[1]}\n'
    second = '{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"state":1,"values":[0.5]}\n'
    (tmp_path / "journal.log").write_text(first + second + '{"op_code":5,"work')
    done = call("import", "journal.log", "s", "--format", "optuna", cwd=tmp_path)
    assert done.stdout == "1 records in journal.log, 2 of them new in s\n"
    assert "line 3, byte 157: 18 torn bytes, left out" in done.stderr
    told = call("export", "s", "delta", "--format", "delta", cwd=tmp_path).stdout
    assert told == "delta is version 0: 2 rows, +1 -0 files\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "runs", "x", "--format", "delta", "--name", "pool.*"], 2, "--name means nothing for delta"),
        (["export", "runs", "x", "--format", "optuna"], 2, "goes the other way"),
        (["export", "runs", "a.csv", "--experiment", "x"], 2, "--experiment means nothing for file"),
        (["export", "runs", "runs/lake", "--format", "iceberg"], 1, "is in the store"),
        (["export", "runs", "a.csv", "--privacy", "L2", "--key-file", "none"], 1, "the key cannot be read"),
        (["import", "sqlite:///theirs.db", "s", "--format", "mlflow", "--map", "x=y"], 1, "no statistic is called 'y'"),
        (["import", "journal.log", "s", "--format", "labelbench"], 1, "no suffix that tells its format"),
        (["import", "journal.log", "s", "--format", "optuna", "--deleted"], 2, "--deleted means nothing for optuna"),
        (["import", "journal.log", "s", "--format", "delta"], 2, "goes the other way"),
        (["import", "none.log", "s", "--format", "optuna"], 1, "none.log: no such file"),
    ],
)
def test_options_that_would_do_nothing_and_wrong_sources_are_refused(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    with open_store(tmp_path / "runs") as store:
        store.append(Record("own", 0, "report", {"user.f1": 0.5}))
    (tmp_path / "journal.log").write_text("")
    told = " ".join(re.sub("[│╭╮╰╯─]", " ", call(*arguments, cwd=tmp_path, code=code).stderr).split())
    assert words in told
