"""From another program's log to a policy that is plugged in: it deviates where the truth says so, and nowhere else."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import BadParameter

import metaal
from metaal import FitError, Learned, Run
from metaal.boosting import Params
from metaal.cli.app import app
from metaal.importing import rules
from metaal.logs import LoggedDecision, read_log
from metaal.testing import make_actions
from metadata_store import MemoryStore, Record, open_store
from metadata_store.interchange import SourceError, load_table
from tests.metaal import foreign_logs
from tests.metaal.foreign_logs import COLUMNS, EARLY, STRATEGIES, alike, arguments, early, write

GUIDE = Path(__file__).parents[2] / "docs" / "policies.md"
QUICK = Params(members=3, rounds=40, folds=4)


def imported(
    folder: Path,
    gain: foreign_logs.Gain = early,
    *,
    after: bool = True,
    ours: dict[str, str | None] = STRATEGIES,
    **more: Any,
) -> MemoryStore:
    """A store of such a log, loaded by the library."""
    store = open_store("memory:")
    file = write(foreign_logs.log(gain, after=after, **more), folder / "log.jsonl")
    columns = {name: to for name, to in COLUMNS.items() if name != "p" or more.get("switching")}
    told = ("n_labels", "val_acc") if after else ()
    load_table(file, store, run="run", loop="round", columns=columns, after=told, rules=rules(ours))
    return store


def decisions(store: Any, **more: Any) -> list[LoggedDecision]:
    log = read_log(store, score="score.value", default="random", **more).imported
    assert log is not None
    return log.decisions


def told(decision: LoggedDecision) -> tuple[Any, ...]:
    labels = decision.history.last("labels.count")
    return decision.run, decision.group, decision.action, labels, round(decision.outcome, 12), round(decision.level, 12)


def live(policy: Learned, loops: int = 9) -> list[str]:
    """What the policy does in a run of metaal's own, which shows it proposals, embeddings and all."""
    rng = np.random.default_rng(0)
    embedding, pool, done = rng.normal(size=(300, 4)), np.arange(10, 300), []
    run = Run("live", policy=policy, store=open_store("memory:"))
    for _ in range(loops):
        logits = rng.normal(size=(len(pool), 3))
        proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        seen = np.setdiff1d(np.arange(300), pool)
        query = run.ask(20, ids=pool, proba=proba, embedding=embedding[pool], seen_embedding=embedding[seen])
        assert "outside of the training range" not in query.reason
        run.tell(query.ids % 3)
        pool = np.setdiff1d(pool, query.ids)
        done.append(query.action)
    return done


# --------------------------------------------------------- end to end


def test_a_csv_of_another_program_becomes_a_policy_that_is_better_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Import, fit and save by the command line alone, then plug in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("metaal.foreign_training.Params", lambda: QUICK)
    write(foreign_logs.log(early), tmp_path / "runs.csv")
    app(arguments("runs.csv", "store"), standalone_mode=False)
    assert "660 records in runs.csv, 660 of them new in store" in capsys.readouterr().out
    app(arguments("runs.csv", "store"), standalone_mode=False)
    assert "0 of them new" in capsys.readouterr().out
    app(["fit", "store", "--default", "random", "-o", "mine.metaal"], standalone_mode=False)
    card = capsys.readouterr().out
    assert "trained on: 300 decisions of 30 imported runs in 10 groups" in card
    assert "propensities: logged for 0 of 300 decisions, else estimated" in card
    policy = metaal.load("mine.metaal")
    assert np.isfinite(policy.gate)
    assert policy.default == "random"
    done = live(policy)
    assert done[: EARLY - 1] == ["margin"] * (EARLY - 1)
    assert set(done[EARLY:]) == {"random"}
    app(["estimate", "mine.metaal", "store"], standalone_mode=False)
    assert "propensities of 100% of the decisions were not logged" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("after", [True, False])
def test_every_format_and_either_convention_tells_the_same_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], suffix: str, after: bool
) -> None:
    """The score after round t is the one before round t + 1: both ways of logging one campaign are one log."""
    monkeypatch.chdir(tmp_path)
    file = write(foreign_logs.log(early, tasks=2, after=after, switching=True), tmp_path / f"runs.{suffix}")
    app(arguments(file.name, "store", after=after, propensity=True), standalone_mode=False)
    expected = decisions(imported(tmp_path, tasks=2, after=False, switching=True))
    with open_store("store", create=False) as store:
        found = decisions(store)
    assert [told(d) for d in found] == [told(d) for d in expected]
    assert {d.propensity for d in found} == {1 / 3}
    # A decision's score is the one from before its batch, so the first one of a run is what the run began with.
    first = [d for d in found if d.history.last("loop.since.first") == 0]
    assert len(first) == 6
    assert all(d.level == pytest.approx(0.3, abs=0.1) for d in first)
    assert {d.history.last("labels.count") for d in first} == {10}


def test_the_commands_of_the_guide_run_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("metaal.foreign_training.Params", lambda: QUICK)
    section = GUIDE.read_text(encoding="utf-8").split("## Training on logs of other programs")[1].split("\n## ")[0]
    (block,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    rows = foreign_logs.log(early, switching=True)
    write([row for row in rows if row["strategy"] != "MaxEntropy"], tmp_path / "runs.csv")
    with pytest.raises(SourceError, match="no loop 3 between others"):
        app(shlex.split(block.splitlines()[0])[1:], standalone_mode=False)
    for row in rows:
        row["strategy"] = row["strategy"].replace("MaxEntropy", "Random")
    write(rows, tmp_path / "runs.csv")
    for command in block.splitlines():
        program, *told = shlex.split(command)
        assert program == "metaal"
        app(told, standalone_mode=False)
    assert "logged for 300 of 300 decisions" in capsys.readouterr().out
    assert metaal.load("mine.metaal").actions == ("random", "margin")


def test_runs_of_mlflow_become_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategy and data set are params of the run, labels and score are metrics by step, logged through its client."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "WARNING")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'theirs.db'}"  # in full, since MLflow remembers a database by its name
    rows = [row for row in foreign_logs.log(early, tasks=6) if "MaxEntropy" not in row["run"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports and its use of SQLAlchemy
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        client = MlflowClient(uri)
        for name in dict.fromkeys(row["run"] for row in rows):
            mine = [row for row in rows if row["run"] == name]
            run = client.create_run("0", run_name=name)
            params = [Param("strategy", mine[-1]["strategy"]), Param("data", str(mine[0]["dataset"]))]
            metrics = [Metric(k, float(row[k]), 0, row["round"]) for row in mine for k in ("n_labels", "val_acc")]
            client.log_batch(run.info.run_id, metrics, params)
            client.set_terminated(run.info.run_id)
        call = ["import", uri, "store", "--format", "mlflow"]
        for pair in ("params.strategy=action.name", "params.data=run.task", "n_labels=labels.count"):
            call += ["--map", pair]
        call += ["--map", "val_acc=score.value"]
        for theirs, ours in STRATEGIES.items():
            call += ["--strategy", f"{theirs}={ours or ''}"]
        # What is logged at step t is known before round t + 1: each step is the state in which the next one is decided.
        app(call, standalone_mode=False)
    with open_store("store", create=False) as store:
        found = decisions(store)
        table = [d for d in decisions(imported(tmp_path, tasks=6)) if d.action != "entropy"]
        assert sorted(told(d)[1:] for d in found) == sorted(told(d)[1:] for d in table)
        policy = metaal.fit(store, default="random", params=QUICK)
    done = live(policy)
    assert done[: EARLY - 1] == ["margin"] * (EARLY - 1)
    assert set(done[EARLY:]) == {"random"}


# ----------------------------------------------------- no harm comes first


@pytest.mark.parametrize("switching", [True, False])
def test_where_no_strategy_is_better_the_policy_never_deviates(tmp_path: Path, switching: bool) -> None:
    policy = metaal.fit(imported(tmp_path, alike, switching=switching), default="random", params=QUICK)
    assert policy.gate == float("inf")
    assert "never deviates" in policy.card()
    assert set(live(policy, 4)) == {"random"}


def test_a_habit_is_not_taken_for_a_gain(tmp_path: Path) -> None:
    """Margin sampling was mostly used early, when any strategy gains much: the plain means differ, the policy doesn't.

    With the propensities logged and without.
    """
    rng = np.random.default_rng(3)
    rows = []
    for task in range(10):
        for number in range(3):
            level = 0.3
            for loop in range(12):
                chance = 0.85 if loop < 4 else 0.15
                margin = rng.random() < chance
                row = {"run": f"{task} {number}", "dataset": task, "round": loop, "n_labels": 10 + 20 * loop}
                row |= {"strategy": "MarginSampling" if margin else "Random", "val_acc": level}
                rows.append(row | {"p": chance if margin else 1 - chance})
                level += 0.06 * np.exp(-loop / 4) + 0.004 * rng.normal()
    for known in (True, False):
        store = open_store("memory:")
        columns = {**COLUMNS, "p": "action.propensity" if known else None}
        file = write(rows, tmp_path / "habit.csv")
        load_table(file, store, run="run", loop="round", columns=columns, rules=rules(STRATEGIES))
        found = decisions(store)
        means = [np.mean([d.outcome for d in found if d.action == name]) for name in ("margin", "random")]
        assert means[0] > means[1] + 0.02
        policy = metaal.fit(store, default="random", params=QUICK)
        assert policy.facts["propensities"].startswith(f"logged for {len(found) if known else 0} of {len(found)} ")
        assert policy.gate == float("inf")


def test_series_that_no_run_logged_are_not_out_of_range(tmp_path: Path) -> None:
    """A live state has thirty series of which such a log knows nothing: no tree reads them, so none is foreign."""
    policy = metaal.fit(imported(tmp_path, switching=True), default="random", params=QUICK)
    policy.save(tmp_path / "mine.metaal")
    for one in (policy, metaal.load(tmp_path / "mine.metaal")):
        history = metaal.History(
            [{"labels.count": 30.0, "loop.batch": 20.0, "loop.since.first": 1.0, "pool.margin.mean": 0.3}],
            actions=[],
            propensities=[],
        )
        actions = make_actions(one)
        decision = one.decide(history, actions)
        assert "outside" not in decision.reason
        assert str(actions[int(decision.probabilities.argmax())]) == "margin"


def test_runs_apart_judge_where_there_is_one_data_set(tmp_path: Path) -> None:
    rows = [{**row, "run": f"{row['dataset']} {row['run']}", "dataset": "mine"} for row in foreign_logs.log(early)]
    store = open_store("memory:")
    columns = {name: to for name, to in COLUMNS.items() if name != "p"}
    file = write(rows, tmp_path / "log.csv")
    told_after = ("n_labels", "val_acc")
    load_table(file, store, run="run", loop="round", columns=columns, after=told_after, rules=rules(STRATEGIES))
    with pytest.warns(UserWarning, match="all imported runs are of one group.*groups='run'"):
        assert not metaal.fit(store, default="random", params=QUICK).heads
    policy = metaal.fit(store, default="random", groups="run", params=QUICK)
    assert "in 30 groups" in policy.facts["trained on"]
    assert live(policy, 3) == ["margin"] * 3


# ------------------------------------------------------- said, not guessed


def test_a_default_that_nobody_took_is_named_with_what_to_do(tmp_path: Path) -> None:
    store = imported(tmp_path, tasks=5)
    words = (
        r"default cluster_margin was taken in 0 of 150 imported decisions, and at least 40 .* the logs hold "
        r"margin \(50\), entropy \(50\), random \(50\).*metaal fit --default 'margin'"
    )
    with pytest.raises(FitError, match=words):
        metaal.fit(store)


def part(store: MemoryStore, *runs: str) -> MemoryStore:
    """Some runs of a store."""
    found = open_store("memory:")
    for name in runs:
        found.append_many(store.records(name))
    return found


def test_few_decisions_and_one_strategy_are_said(tmp_path: Path) -> None:
    store = imported(tmp_path, tasks=5)
    usual = [f"task {task} Random" for task in range(5)]
    margin = [name for name in store.runs() if "Margin" in name]
    with pytest.raises(FitError, match=r"default random was taken in 20 of 70 .*default='margin'"):
        metaal.fit(part(store, *usual[:2], *margin), default="random")
    with pytest.raises(FitError, match=r"default random was taken in 0 of 20 .* import more runs"):
        metaal.fit(part(store, *margin[:2]), default="random")
    many = imported(tmp_path, tasks=6)
    with pytest.raises(FitError, match=r"no action but the default random .*\(random \(60\)\).* nothing to compare"):
        metaal.fit(part(many, *(name for name in many.runs() if "Random" in name)), default="random")
    short = part(store, *usual[:4])
    short.append_many(store.records("task 0 MarginSampling"))
    with pytest.warns(UserWarning, match="50 imported decisions .* at least 60 are needed: .* always take random"):
        policy = metaal.fit(short, default="random")
    assert not policy.heads
    assert "trained on: 50 decisions of 5 imported runs in 4 groups" in policy.card()


def test_rare_actions_are_left_out_and_said(tmp_path: Path) -> None:
    store = imported(tmp_path, switching=True)
    for loop in range(12):
        values = {"action.name": "badge" if loop < 6 else "random", "run.task": "0"}
        values |= {"labels.count": 10.0 + 20 * loop, "score.value": 0.3 + 0.02 * loop}
        store.append(Record("rare", loop, "report", values))
    policy = metaal.fit(store, default="random", params=QUICK)
    assert policy.facts["too rare"] == "badge: fewer than 20 decisions"
    assert "badge" not in policy.actions


def test_strategies_that_do_not_exist_are_listed_even_where_no_import_looked(tmp_path: Path) -> None:
    store = open_store("memory:")
    columns = {name: to for name, to in COLUMNS.items() if name != "p"}
    load_table(write(foreign_logs.log(early), tmp_path / "l.csv"), store, run="run", loop="round", columns=columns)
    with pytest.raises(FitError, match=r"(?s)do not exist; .*--strategy THEIRS=OURS.*'MarginSampling'.*'initial'"):
        metaal.fit(store, default="random")


def test_imported_runs_cannot_refine_a_policy_that_reads_proposals(tmp_path: Path) -> None:
    store = imported(tmp_path, switching=True)
    base = metaal.fit(store, default="random", params=QUICK)
    with pytest.raises(FitError, match="the 30 imported runs hold no proposals"):
        metaal.fit(store, base=base)


def test_the_command_refines_a_policy_and_keeps_its_default_and_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ours = {**STRATEGIES, "Random": "cluster_margin"}
    logs = imported(tmp_path, ours=ours, switching=True)
    base = metaal.fit(logs, params=QUICK, prices=metaal.Prices(label=2))
    base.save("base.metaal")
    with open_store("own") as store:
        for policy in ("margin", "cluster_margin"):
            for seed in range(2):
                task = metaal.Task("iris", "naive_bayes", batch=5, budget=20, seeds=seed)
                metaal.play(policy, task, store=store)
    app(["fit", "own", "--base", "base.metaal", "-o", "same.metaal"], standalone_mode=False)
    refined = metaal.load("same.metaal")
    assert refined.default == "cluster_margin"
    assert "refined on" in refined.facts
    assert refined.prices == metaal.Prices(label=2)
    app(["fit", "own", "--base", "base.metaal", "--label", "3", "-o", "dear.metaal"], standalone_mode=False)
    assert metaal.load("dear.metaal").prices == metaal.Prices(label=3)
    with pytest.raises(BadParameter, match="keeps its own; leave out --default or --base"):
        app(["fit", "own", "--base", "base.metaal", "--default", "margin"], standalone_mode=False)


def test_runs_of_both_kinds_are_not_mixed_in_silence(tmp_path: Path) -> None:
    store = imported(tmp_path, switching=True)
    task = metaal.Task("iris", "naive_bayes", batch=5, budget=20, seeds=0)
    metaal.play("margin", task, store=store)
    with pytest.warns(UserWarning, match=r"30 imported runs and 1 of metaal's, .*: those of metaal are left out"):
        policy = metaal.fit(store, default="random", params=QUICK)
    assert "imported" in policy.facts["trained on"]


def test_two_fits_give_equal_files(tmp_path: Path) -> None:
    for number in range(2):
        metaal.fit(imported(tmp_path, tasks=6), default="random", params=QUICK).save(tmp_path / f"{number}.metaal")
    assert (tmp_path / "0.metaal").read_bytes() == (tmp_path / "1.metaal").read_bytes()


def test_estimates_tell_the_strategies_apart(tmp_path: Path) -> None:
    """With propensities logged the value of always-random and always-margin is found, and covered."""
    store = imported(tmp_path, switching=True, tasks=20, loops=EARLY)
    margin, random = metaal.estimate("margin", store), metaal.estimate("random", store)
    assert margin.assumed == random.assumed == 0
    assert margin.covered
    assert margin.decisions == 20 * 3 * EARLY
    assert margin.low > random.high
    unknown = metaal.estimate("margin", imported(tmp_path, tasks=20, loops=EARLY))
    assert unknown.assumed == 1
    assert unknown.value == pytest.approx(margin.value, abs=0.03)
