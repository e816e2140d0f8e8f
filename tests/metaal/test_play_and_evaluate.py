"""Rehearsal and evaluation: honest, paired, resumable, equal whatever the number of processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import metaal
from metaal import Task, evaluate, play
from metaal.evaluation import read_result
from metaal.measures import area, labels_to
from metaal.rehearsal import Trace
from metadata_store import MemoryStore, open_store
from tests.metaal.broken import play_broken_off, timeless

TINY = [Task("iris", "logistic", batch=4, budget=16), Task("wine", "naive_bayes", batch=4, budget=16)]
NUMBERS = ["aulc", "aulc.balanced_accuracy", "aulc.log_loss", "first30", "final", "full", "labels.to.90", "rounds"]


def test_a_played_run_equals_the_loop_done_by_hand() -> None:
    task = Task("wine", "logistic", batch=5, budget=20, seeds=3)
    trace = play("margin", task)
    parts = task.lay_out()
    seen = list(parts.initial)
    for _, row in trace.curve.iterrows():
        model = LogisticRegression(C=1.0, max_iter=300).fit(parts.pool_x[seen], parts.pool_y[seen])
        assert row["accuracy"] == pytest.approx(model.score(parts.test_x, parts.test_y.open()))
        assert row["guide"] == pytest.approx(model.score(parts.guide_x, parts.guide_y))
        assert row["labels"] == len(seen)
        pool = np.setdiff1d(np.arange(len(parts.pool_y)), seen)
        top = np.sort(model.predict_proba(parts.pool_x[pool]), axis=1)
        seen += pool[np.argsort(top[:, -1] - top[:, -2], kind="stable")[:5]].tolist()


def test_played_logs_the_same_run_as_play_and_reads_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from metaal.rehearsal import playing, read_trace

    store, trace = open_store("memory:"), play("margin", TINY[0])
    monkeypatch.setattr(playing, "read_trace", None)
    assert playing.played("margin", TINY[0], store) == trace.run
    pd.testing.assert_frame_equal(timeless(read_trace(store, trace.run).curve), timeless(trace.curve))


def test_one_thread_is_for_every_library_and_lifted_afterwards() -> None:
    """Also of those that were loaded after the first time; the test session's own limit is 1, so 2 is set before."""
    from threadpoolctl import threadpool_info, threadpool_limits

    from metaal.rehearsal.playing import one_thread

    with threadpool_limits(2):
        before = [pool["num_threads"] for pool in threadpool_info()]
        for _ in range(2):
            with one_thread(), one_thread():
                assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert 2 in before


def test_test_labels_change_nothing_but_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trap: with other test labels the run must take the very same decisions."""
    from metaal.rehearsal import playing
    from metaal.rehearsal.sealed import Sealed

    task = Task("iris", "logistic", batch=4, budget=16, seeds=1)
    honest = play("uniform", task)
    layout = task.lay_out()
    wrong = replace(layout, test_y=Sealed((layout.test_y.open() + 1) % layout.classes))
    monkeypatch.setattr(playing, "layout_of", lambda task: wrong)
    playing._full_scores.cache_clear()
    trapped = play("uniform", task)
    playing._full_scores.cache_clear()
    kept = ["labels", "guide", "action.name", "decision.reason"]
    pd.testing.assert_frame_equal(honest.curve[kept], trapped.curve[kept])
    assert honest.curve["accuracy"].iloc[-1] > 0.8 > 0.3 > trapped.curve["accuracy"].iloc[-1]


def test_test_scores_never_reach_the_history() -> None:
    store = open_store("memory:")
    trace = play("margin", TINY[0], store=store)
    history = metaal.Run.resume(trace.run, store=store).history
    assert not [name for name in history.names if "report" in name or "full" in name]


def test_a_played_run_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("iris", "extra_trees", batch=4, budget=16, seeds=2)
    whole = play("uniform", task)

    trace = play_broken_off("uniform", task, tmp_path / "s", monkeypatch)
    pd.testing.assert_frame_equal(timeless(trace.curve), timeless(whole.curve))
    assert trace.full == whole.full


def test_evaluation_is_the_same_in_one_process_two_and_from_the_log(tmp_path: Path) -> None:
    policies = {"m": "margin", "u": "uniform"}
    one = evaluate(policies, TINY, range(2), jobs=1, progress=False)
    two = evaluate(policies, TINY, range(2), jobs=2, store=tmp_path / "s", progress=False)
    again = evaluate(policies, TINY, range(2), jobs=1, store=tmp_path / "s", progress=False)
    with open_store(tmp_path / "s") as store:
        records = sum(len(store.records(run)) for run in store.runs())
        read = read_result(store)
    for other in (two, again):
        pd.testing.assert_frame_equal(
            one.runs[["policy", "stream", *NUMBERS]], other.runs[["policy", "stream", *NUMBERS]]
        )
    key = ["stream", "policy"]
    left, right = (r.runs.sort_values(key)[[*key, *NUMBERS]].reset_index(drop=True) for r in (one, read))
    pd.testing.assert_frame_equal(left, right)
    evaluate(policies, TINY, range(2), jobs=1, store=tmp_path / "s", progress=False)
    with open_store(tmp_path / "s") as store:
        assert sum(len(store.records(run)) for run in store.runs()) == records


def test_every_policy_of_a_cell_starts_from_the_same_state() -> None:
    store = MemoryStore()
    evaluate({"m": "margin", "r": "random", "k": "k_center"}, TINY[:1], range(2), store=store, progress=False)
    first: dict[str, set[Any]] = {}
    for run in store.runs():
        records = store.records(run)
        ask = next(record for record in records if record.event == "ask")
        first.setdefault(str(records[0].values["run.stream"]), set()).add(ask.values["state.digest"])
    assert len(first) == 2
    assert all(len(digests) == 1 for digests in first.values())


class Failing(metaal.Fixed):
    """Fails in the second loop."""

    def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
        if len(history) == 2:
            raise RuntimeError("no more ideas")
        return super().decide(history, actions)


def test_an_error_stays_in_its_row_and_is_raised_at_the_end() -> None:
    with pytest.raises(metaal.EvaluationError, match="no more ideas") as caught:
        evaluate({"bad": Failing("margin"), "good": "random"}, TINY, range(1), store=MemoryStore(), progress=False)
    result = caught.value.result
    assert len(result.runs) == 4
    assert result.errors["policy"].tolist() == ["bad", "bad"]
    assert result.runs.loc[result.runs["policy"] == "good", "aulc"].notna().all()


def test_bad_calls_of_evaluate() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: evaluate({}, TINY), "0 policies"),
        (lambda: evaluate({"m": "margin"}), "either tasks or suite"),
        (lambda: evaluate({"m": "margin"}, TINY, suite="tiny"), "either"),
        (lambda: evaluate({"m": "margin"}, []), "no tasks"),
        (lambda: evaluate({"m": "margin"}, TINY, [1, 1]), "repeat"),
        (lambda: evaluate({"m": "margn"}, TINY), "margin"),
    ]
    for call, words in cases:
        with pytest.raises(metaal.MetaalError, match=words):
            call()
    with pytest.raises(metaal.TaskError, match="no suite 'huge'"):
        evaluate({"m": "margin"}, suite="huge")


def test_area_and_labels_to_a_target_by_hand() -> None:
    labels, score = np.array([10.0, 20.0, 40.0]), np.array([0.5, 0.7, 0.9])
    assert area(labels, score) == pytest.approx((0.6 * 10 + 0.8 * 20) / 30)
    assert area(labels, score, upto=30) == pytest.approx((0.6 * 10 + 0.75 * 10) / 20)
    assert area(labels[:1], score[:1]) == 0.5
    assert labels_to(labels, score, 0.8) == pytest.approx(30)
    assert labels_to(labels, score, 0.4) == 10
    assert np.isnan(labels_to(labels, score, 0.95))


def made_up(values: dict[str, list[list[float]]]) -> metaal.Result:
    """A result with given AULCs: policy → task → seed."""
    rows, traces = [], {}
    for policy, tasks in values.items():
        for t, seeds in enumerate(tasks):
            for s, aulc in enumerate(seeds):
                stream = f"t{t}~s{s}"
                rows.append({"policy": policy, "task": f"t{t}", "stream": stream, "seed": s, "aulc": aulc, "error": ""})
                curve = pd.DataFrame({"labels": [1.0, 2.0], "accuracy": [aulc, aulc]})
                traces[policy, stream] = Trace(stream, curve, {}, 10)
    return metaal.Result(rows, traces, metaal.Prices(), {name: name for name in values})


def test_paired_differences_agree_with_scipy() -> None:
    from scipy.stats import bootstrap, wilcoxon

    rng = np.random.default_rng(1)
    base = rng.random(40)
    gain = rng.normal(0.02, 0.03, 40)
    result = made_up({"a": [(base + gain).tolist()], "b": [base.tolist()]})
    row: Any = result.versus("b").loc["a"]
    assert row["difference"] == pytest.approx(100 * gain.mean())
    assert row["p"] == pytest.approx(wilcoxon(gain).pvalue)
    reference = bootstrap((100 * gain,), np.mean, method="percentile", rng=np.random.default_rng(5)).confidence_interval
    assert row["low"] == pytest.approx(reference.low, abs=0.1)
    assert row["high"] == pytest.approx(reference.high, abs=0.1)
    assert (row["better"], row["worse"]) == ((gain > 0).sum(), (gain < 0).sum())


def test_tasks_weigh_the_same_whatever_their_seeds() -> None:
    result = made_up({"a": [[0.6] * 9, [0.5]], "b": [[0.5] * 9, [0.5]]})
    assert float(result.versus("b").loc["a", "difference"]) == pytest.approx(5.0)  # type: ignore[arg-type]


def test_a_target_that_most_runs_miss_is_not_reached() -> None:
    result = evaluate(
        {"r": "random"}, [Task("digits", batch=5, budget=5)], range(3), store=MemoryStore(), progress=False
    )
    row: Any = result.table().loc["r"]
    assert row["reached.95"] == 0
    assert np.isnan(row["labels.to.95"])
    assert np.isnan(row["compression.95"])


def test_cluster_margin_beats_random_clearly_on_digits() -> None:
    """The clear case: 20 seeds, logistic regression; a broken strategy or loop would not pass."""
    task = Task("digits", "logistic", batch=10, budget=100)
    result = evaluate({"cm": "cluster_margin", "r": "random"}, [task], range(20), jobs=1, progress=False)
    row: Any = result.versus("r").loc["cm"]
    assert row["low"] > 1.0
    assert row["better"] >= 18


def test_policy_names_cannot_inject_into_the_report(tmp_path: Path) -> None:
    result = evaluate({"<script>alert(1)</script>": "margin"}, TINY[:1], range(1), store=MemoryStore(), progress=False)
    body = result.report(tmp_path / "r.html").read_text(encoding="utf-8")
    body = body[body.index("</head>") :]
    assert "<script>alert(1)" not in body


def test_a_store_never_answers_for_other_data_or_another_learner(tmp_path: Path) -> None:
    """Runs are kept by name, and two files may share one: then it is an error in the row, not somebody "
    "else's number."""
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        frame.sample(frac=1, random_state=seed).to_csv(tmp_path / name / "train.csv", index=False)
    for first, second in (
        (
            Task(str(tmp_path / "a" / "train.csv"), batch=4, budget=8),
            Task(str(tmp_path / "b" / "train.csv"), batch=4, budget=8),
        ),
        (
            Task("iris", LogisticRegression(C=1e-3), batch=4, budget=8),
            Task("iris", LogisticRegression(C=1e3), batch=4, budget=8),
        ),
        (Task("iris", batch=4, budget=8), Task("iris", batch=4, budget=8, initial=30)),
    ):
        store = MemoryStore()
        evaluate({"m": "margin"}, [first], [0], store=store, progress=False)
        with pytest.raises(metaal.EvaluationError, match=r"fingerprint|initial"):
            evaluate({"m": "margin"}, [second], [0], store=store, progress=False)


def test_no_policy_sees_guide_scores() -> None:
    seen: set[str] = set()

    class Peek(metaal.Fixed):
        def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
            seen.update(history.names)
            return super().decide(history, actions)

    store = MemoryStore()
    trace = play(Peek("margin"), TINY[0], store=store)
    assert "pool.margin.mean" in seen
    assert not [name for name in seen if "guide" in name or name.startswith(("score", "report", "user"))]
    assert "score.log_loss" in metaal.Run.resume(trace.run, store=store).history.names


def test_a_store_that_was_deleted_is_opened_anew(tmp_path: Path) -> None:
    import shutil

    for _ in range(2):
        result = evaluate({"m": "margin"}, TINY[:1], [0], store=tmp_path / "s", jobs=1, progress=False)
        assert len(result.errors) == 0
        shutil.rmtree(tmp_path / "s")


def test_names_of_policies_that_differ_only_in_odd_letters_do_not_meet() -> None:
    from metaal.rehearsal.playing import run_name

    names = {run_name(TINY[0], policy) for policy in ("a/b", "a_b", "a:b", "x" * 300, "x" * 301)}
    assert len(names) == 5
    assert max(map(len, names)) <= 200


def test_differences_of_what_was_not_reached_are_refused() -> None:
    result = evaluate(
        {"m": "margin", "r": "random"}, [Task("digits", batch=5, budget=5)], [0], store=MemoryStore(), progress=False
    )
    with pytest.raises(metaal.InputError, match="not reached"):
        result.versus("r", score="labels.to.95")
    with pytest.raises(metaal.InputError, match="expected one of"):
        result.versus("r", score="family")
    loss: Any = result.versus("r", score="aulc.log_loss").loc["m"]
    wide = result.runs.set_index("policy")["aulc.log_loss"]
    assert loss["difference"] == pytest.approx(wide["m"] - wide["r"])


def doubled(values: np.ndarray) -> np.ndarray:
    return 2 * values


def test_learners_with_functions_in_them_can_be_resumed(tmp_path: Path) -> None:
    import re

    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    from metaal.rehearsal.playing import _fingerprint

    learner = make_pipeline(FunctionTransformer(doubled), LogisticRegression())
    assert re.search("0x", repr(learner.get_params()))
    task = Task("iris", learner, batch=4, budget=8)
    first = _fingerprint(task, task.dataset)

    def moved(values: np.ndarray) -> np.ndarray:
        return values

    moved.__qualname__, moved.__name__ = doubled.__qualname__, doubled.__name__
    other = Task("iris", make_pipeline(FunctionTransformer(moved), LogisticRegression()), batch=4, budget=8)
    assert _fingerprint(other, other.dataset) == first


def test_less_is_better_where_it_is() -> None:
    result = evaluate({"m": "margin", "r": "random"}, TINY[:1], range(3), store=MemoryStore(), progress=False)
    loss: Any = result.versus("r", score="aulc.log_loss").loc["m"]
    wide = result.runs.pivot(index="seed", columns="policy", values="aulc.log_loss")
    assert loss["better"] == int((wide["m"] < wide["r"]).sum())
