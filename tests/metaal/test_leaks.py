"""No policy is judged on what it was trained on, and no planted leak wins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

import metaal
from metaal import Fixed, Prices, Task, evaluate, load
from metaal.evaluating.leaks import family_of, trained_on
from metaal.evaluation import LeakError, read_result
from metaal.policies.learned import Learned, untrained
from metaal.rehearsal import SealedError, load_data, play
from metaal.rehearsal.playing import layout_of
from metadata_store import MemoryStore, open_store
from strategy_zoo import View

IRIS, WINE = (Task(name, "naive_bayes", batch=4, budget=8, seeds=1) for name in ("iris", "wine"))


def taught(*families: str) -> Learned:
    """A policy that says it was trained on these families."""
    return untrained("cluster_margin", Prices(), {"families": list(families)})


def test_a_policy_is_refused_on_a_family_that_it_was_trained_on_before_anything_is_played() -> None:
    store = MemoryStore()
    with pytest.raises(LeakError, match=r"'ours' was trained on the families of 1 of 2 data sets \(wine\)") as caught:
        evaluate({"m": "margin", "ours": taught("wine")}, [IRIS, WINE], [0], store=store, progress=False)
    assert "--leaky mark" in str(caught.value)
    assert isinstance(caught.value, metaal.EvaluationError)
    assert store.runs() == []
    result = evaluate({"m": "margin", "ours": taught("wine")}, [IRIS], [0], store=store, progress=False)
    assert not result.runs["leak"].any()


def test_families_outlive_the_file_of_a_policy(tmp_path: Path) -> None:
    taught("Wine ", "digits").save(tmp_path / "p.metaal")
    assert trained_on(load(tmp_path / "p.metaal")) == {"wine", "digits"}
    with pytest.raises(LeakError):
        evaluate({"p": str(tmp_path / "p.metaal")}, [WINE], [0], progress=False)


def test_marked_runs_are_played_said_and_left_out_of_every_comparison() -> None:
    store = MemoryStore()
    policies: dict[str, Any] = {"ours": taught("wine"), "m": "margin"}
    result = evaluate(policies, [IRIS, WINE], [0], store=store, leaky="mark", progress=False)
    marked = result.runs[result.runs["leak"]]
    assert marked[["policy", "data"]].to_numpy().tolist() == [["ours", "wine"]]
    assert set(result.good["data"]) == {"iris"}
    assert result.table()["runs"].tolist() == [1, 1]
    read = read_result(store)
    assert read.runs.loc[read.runs["leak"], "policy"].tolist() == ["ours"]
    assert set(read.good["data"]) == {"iris"}
    with pytest.raises(LeakError):  # what was marked once is not let in through the store
        evaluate(policies, [IRIS, WINE], [0], store=store, progress=False)


def test_sets_of_one_family_count_whatever_they_are_called() -> None:
    renamed = replace(load_data("wine"), name="vintage")
    with pytest.raises(LeakError, match="vintage"):
        evaluate({"ours": taught("wine")}, [Task(renamed, batch=4, budget=8)], [0], progress=False)


def test_a_policy_that_is_wrapped_in_another_one_is_still_known() -> None:
    @dataclass(frozen=True)
    class Bold:
        inner: Any

        @property
        def arms(self) -> tuple[str, ...]:
            return tuple(self.inner.arms)

        @property
        def multipliers(self) -> tuple[float, ...]:
            return (1.0,)

        @property
        def spelling(self) -> str:
            return "bold"

        def decide(self, history: Any, actions: Any) -> Any:
            return self.inner.decide(history, actions)

    with pytest.raises(LeakError):
        evaluate({"bold": Bold(taught("iris"))}, [IRIS], [0], progress=False)
    assert trained_on(Bold(Fixed("margin"))) == frozenset()


def test_data_that_cannot_be_read_before_are_refused_in_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows their family before the start; here the file appears in between."""
    import metaal.evaluating.leaks as module

    monkeypatch.setattr(module, "family_of", lambda task: "")
    with pytest.raises(metaal.EvaluationError, match="LeakError: policy 'ours' was trained on") as caught:
        evaluate({"ours": taught("wine"), "m": "margin"}, [WINE], [0], store=MemoryStore(), progress=False)
    errors = caught.value.result.errors
    assert errors["policy"].tolist() == ["ours"]
    assert errors["leak"].tolist() == [True]


def test_the_family_of_a_listed_set_is_known_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,file,family\nred,red.csv,wines\nwhite,white.csv,\n")
    assert family_of(Task(f"{tmp_path}/manifest.csv#red")) == "wines"
    assert family_of(Task(f"{tmp_path}/manifest.csv#white")) == "white"
    assert family_of(Task(f"{tmp_path}/manifest.csv#rose")) == ""
    assert family_of(Task("nothing.csv")) == ""
    assert family_of(Task("diabetes_high")) == load_data("diabetes").family
    assert family_of(Task("iris", family="flowers")) == "flowers"


class Peeking(Fixed):
    """A policy that reads the test labels before it decides."""

    def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
        layout_of(IRIS).test_y.open()
        return super().decide(history, actions)


def peeking(view: View, n: int, rng: np.random.Generator) -> np.ndarray:
    """A strategy that does."""
    layout_of(IRIS).test_y.open()
    return rng.permutation(view.n)[:n]


class PeekingLearner(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A learner that does, and would be right about every test row."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> PeekingLearner:
        layout = layout_of(PLAYED)
        self.model_ = LogisticRegression(max_iter=300).fit(
            np.vstack([x, layout.test_x]), np.append(y, layout.test_y.open())
        )
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        proba: np.ndarray = self.model_.predict_proba(x)
        return proba


PLAYED = replace(IRIS, learner=PeekingLearner())


@pytest.mark.parametrize("leak", ["policy", "strategy", "learner"])
def test_a_planted_leak_fails_its_run_and_nobody_elses(leak: str) -> None:
    rival: Any = {"policy": Peeking("margin"), "strategy": peeking, "learner": "random"}[leak]
    tasks = [PLAYED, IRIS] if leak == "learner" else [IRIS]
    policies = {"honest": "margin"} | ({"bad": rival} if leak != "learner" else {})
    with pytest.raises(metaal.EvaluationError, match="SealedError: the test labels are sealed") as caught:
        evaluate(policies, tasks, [1], store=MemoryStore(), progress=False)
    result = caught.value.result
    wrong = {"policy": "bad", "strategy": "bad", "learner": "honest"}[leak]
    assert set(result.errors["policy"]) == {wrong}
    assert (result.runs["error"] == "").sum() == 1
    assert "only the report reads them" in result.errors["traceback"].iloc[0]


def test_the_test_split_is_opened_once_for_each_fitted_model() -> None:
    metaal.rehearsal.playing._full_scores.cache_clear()
    layout = layout_of(IRIS)
    before = layout.test_y.reads
    result = evaluate({"m": "margin", "r": "random"}, [IRIS], [1], store=MemoryStore(), progress=False)
    models = sum(len(trace.curve) for trace in result.traces.values())
    assert layout_of(IRIS) is layout
    assert layout.test_y.reads - before == models + 1  # and the model of the whole pool
    before = layout.test_y.reads
    with pytest.raises(SealedError):
        play(Peeking("margin"), IRIS, full=False)
    assert layout.test_y.reads == before + 1, "the report of the model before: what was refused was not read"


def test_knowing_other_test_labels_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """For leaks that open no envelope: a policy that reads the array itself decides otherwise with other labels."""
    from metaal.rehearsal import Sealed, playing

    class Sly(Fixed):
        def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
            known = playing.layout_of(IRIS).test_y._labels
            decision = super().decide(history, actions)
            return metaal.Decision(decision.probabilities, f"the first test row is of class {known[0]}")

    layout = IRIS.lay_out()
    other = replace(layout, test_y=Sealed((layout.test_y.open() + 1) % layout.classes))

    def reasons(policy: Any) -> list[list[str]]:
        found = []
        for shown in (layout, other):
            monkeypatch.setattr(playing, "layout_of", lambda task, shown=shown: shown)
            found.append(play(policy, IRIS, full=False).curve["decision.reason"].tolist())
        return found

    honest, sly = reasons(Fixed("margin")), reasons(Sly("margin"))
    assert honest[0][:-1] == honest[1][:-1]
    assert sly[0][:-1] != sly[1][:-1]


def test_a_store_keeps_what_was_marked(tmp_path: Path) -> None:
    evaluate({"ours": taught("iris")}, [IRIS, WINE], [0], store=tmp_path / "s", leaky="mark", jobs=1, progress=False)
    with open_store(tmp_path / "s") as store:
        begins = {run: store.records(run)[0].values for run in store.runs()}
    assert {values["tag.data"]: values.get("tag.leak") for values in begins.values()} == {"iris": 1.0, "wine": None}
