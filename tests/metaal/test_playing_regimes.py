"""Playing under a regime: honest, paired, resumable, and named in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import metaal
from metaal import Task, evaluate, play
from metaal.evaluation import read_result
from metaal.rehearsal import read_regime
from metaal.rehearsal.playing import layout_of
from metadata_store import MemoryStore, open_store
from tests.metaal.broken import play_broken_off, timeless

HARD = "imbalance(ratio=0.1)+noise(rate=0.3,kind='fatigue',after=20)+batch(size=3,growth=1.5)+unseen"
NUMBERS = ["aulc", "aulc.balanced_accuracy", "aulc.log_loss", "final", "full", "labels.to.90", "rounds"]


def test_a_run_under_a_regime_equals_the_loop_done_by_hand() -> None:
    """Noisy labels train, clean ones score; batches grow; the oracle counts the labels."""
    task = Task("digits", "logistic", batch=7, budget=60, seeds=3, regime=HARD)
    trace = play("margin", task)
    layout = task.lay_out()
    seen, labels = layout.initial, layout.initial_y
    for loop, row in trace.curve.iterrows():
        model = LogisticRegression(C=1.0, max_iter=300).fit(layout.pool_x[seen], labels)
        assert row["labels"] == len(seen)
        assert row["accuracy"] == pytest.approx(model.score(layout.test_x, layout.test_y.open()))
        assert row["guide"] == pytest.approx(model.score(layout.guide_x, layout.guide_y))
        pool = np.setdiff1d(np.arange(len(layout.pool_y)), seen)
        proba = np.zeros((len(pool), 10))
        proba[:, model.classes_] = model.predict_proba(layout.pool_x[pool])
        top = np.sort(proba, axis=1)
        count = min(layout.schedule.batch(int(str(loop)), len(seen)), 60 + len(layout.initial) - len(seen))
        rows = pool[np.argsort(top[:, -1] - top[:, -2], kind="stable")[:count]]
        labels = np.concatenate([labels, layout.oracle.tell(rows, len(seen) - len(layout.initial))])
        seen = np.concatenate([seen, rows])
    assert trace.curve["labels"].diff().dropna().tolist() == [3, 4, 7, 10, 15, 21]
    assert 0.05 < (labels != layout.pool_y[seen]).mean() < 0.5


def test_every_method_hears_the_same_label_of_the_same_row() -> None:
    store = MemoryStore()
    task = Task("digits", batch=10, budget=300, regime="noise(rate=0.4)", seeds=2)
    heard: list[dict[int, int]] = []
    for policy in ("margin", "random"):
        run = play(policy, task, store=store, full=False).run
        heard.append(metaal.Run.resume(run, store=store).labels)
    both = heard[0].keys() & heard[1].keys()
    assert len(both) > 50
    assert all(heard[0][row] == heard[1][row] for row in both)
    truth = layout_of(task).pool_y
    wrong = np.mean([label != truth[row] for row, label in heard[1].items()])
    assert wrong == pytest.approx(0.4, abs=0.08)


def test_the_full_score_is_what_the_oracles_labels_of_the_whole_pool_teach() -> None:
    task = Task("wine", "logistic", batch=5, budget=5, regime="noise(rate=0.3)", seeds=1)
    trace, layout = play("random", task), task.lay_out()
    model = LogisticRegression(C=1.0, max_iter=300).fit(
        layout.pool_x, layout.oracle.tell(np.arange(len(layout.pool_y)), 0)
    )
    assert trace.full["accuracy"] == pytest.approx(model.score(layout.test_x, layout.test_y.open()))
    assert play("random", task, name="bare", full=False).full == {}


def test_a_run_under_a_regime_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("iris", "naive_bayes", batch=4, budget=25, seeds=2, regime=HARD)
    whole = play("uniform", task)

    trace = play_broken_off("uniform", task, tmp_path / "s", monkeypatch)
    pd.testing.assert_frame_equal(timeless(trace.curve), timeless(whole.curve))
    assert trace.full == whole.full


def test_names_and_tags_say_the_regime_and_its_parts() -> None:
    store = MemoryStore()
    task = Task("iris", batch=4, budget=8, regime="noise(kind='confusion', rate=.30)+cold_start")
    assert task.name == "iris~logistic~b4~noise(rate=0.3,kind='confusion')+cold_start"
    begin = store.records(play("margin", task, store=store, tags={"suite": "mine"}).run)[0].values
    assert begin["tag.regime"] == str(read_regime(task.regime)) == "noise(rate=0.3,kind='confusion')+cold_start"
    parts = {key: begin[f"tag.regime.{key}"] for key in ("noise.rate", "noise.kind", "cold_start.labels")}
    assert parts == {"noise.rate": 0.3, "noise.kind": "confusion", "cold_start.labels": 1.0}
    assert begin["tag.suite"] == "mine"
    assert begin["tag.initial"] == 3
    clean = store.records(play("margin", Task("iris", batch=4, budget=8), store=store).run)[0].values
    assert not [key for key in clean if "regime" in key or "kind" in key]


def test_an_evaluation_compares_regimes_and_is_read_back_from_its_store(tmp_path: Path) -> None:
    tasks = [
        Task("wine", "naive_bayes", batch=4, budget=16, regime=text) for text in ("clean", HARD, "redundancy(copies=3)")
    ]
    policies = {"m": "margin", "r": "random"}
    two = evaluate(policies, tasks, range(2), jobs=2, store=tmp_path / "s", progress=False)
    one = evaluate(policies, tasks, range(2), jobs=1, progress=False)
    with open_store(tmp_path / "s") as store:
        read = read_result(store)
    key = ["stream", "policy"]
    left, middle, right = (
        r.runs.sort_values(key)[[*key, "task", "regime", *NUMBERS]].reset_index(drop=True) for r in (one, two, read)
    )
    pd.testing.assert_frame_equal(left, middle)
    pd.testing.assert_frame_equal(left, right)
    assert set(one.runs["regime"]) == {str(task.regime) for task in tasks}
    assert one.tasks == [task.name for task in tasks]
    assert "redundancy" in one.report(tmp_path / "report.html").read_text(encoding="utf-8")


def test_all_policies_of_a_regime_start_from_the_same_state() -> None:
    store = MemoryStore()
    task = Task("wine", batch=4, budget=8, regime=HARD)
    evaluate({"m": "margin", "r": "random", "k": "k_center"}, [task], range(2), store=store, progress=False)
    digests: dict[str, set[Any]] = {}
    for run in store.runs():
        records = store.records(run)
        ask = next(record for record in records if record.event == "ask")
        digests.setdefault(str(records[0].values["run.stream"]), set()).add(ask.values["state.digest"])
    assert sorted(map(len, digests.values())) == [1, 1]


def test_branches_beside_a_finished_run_change_no_result() -> None:
    from metadata_store import Record

    store = MemoryStore()
    tasks = [Task("iris", batch=4, budget=8)]
    before = evaluate({"m": "margin"}, tasks, [0], store=store, progress=False)
    run = store.runs()[0]
    values = {"branch.action": "random", "branch.h1.accuracy": 0.1, "report.accuracy": 0.0}
    store.append(Record(run=run, loop=1, event="branch", index=0, values=values, arrays={}))
    after = read_result(store)
    pd.testing.assert_frame_equal(before.runs[NUMBERS], after.runs[NUMBERS])


def test_runs_of_other_noise_never_answer_for_each_other() -> None:
    """Same name but another oracle: the fingerprint tells."""
    from metaal.rehearsal.playing import _fingerprint

    prints = set()
    for text in ("clean", "noise(rate=0.1)", "noise(rate=0.2)", "imbalance(ratio=0.1)", "unseen"):
        task = Task("wine", regime=text)
        prints.add(_fingerprint(task, task.dataset))
    assert len(prints) == 5
