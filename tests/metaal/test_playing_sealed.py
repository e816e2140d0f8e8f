"""The trap: who reads a test label before the report does not win, but fails the run."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import metaal
from metaal import Task, evaluate, play
from metaal.rehearsal import Layout, Sealed, SealedError, playing
from metaal.rehearsal.playing import layout_of
from metaal.rehearsal.regimes import Change, Regime
from metadata_store import MemoryStore

TASK = Task("iris", "logistic", batch=4, budget=16, seeds=1)


class Peeking(metaal.Fixed):
    """A policy that looks at the test labels before it decides."""

    def decide(self, history: metaal.History, actions: metaal.ActionSet) -> metaal.Decision:
        layout_of(TASK).test_y.open()
        return super().decide(history, actions)


def test_a_policy_that_reads_test_labels_fails_the_run() -> None:
    with pytest.raises(SealedError, match="only the report reads them"):
        play(Peeking("margin"), TASK)


def test_in_an_evaluation_the_peeking_is_the_error_of_its_row() -> None:
    with pytest.raises(metaal.EvaluationError, match="SealedError") as caught:
        evaluate({"bad": Peeking("margin"), "good": "margin"}, [TASK], [1], store=MemoryStore(), progress=False)
    assert caught.value.result.errors["policy"].tolist() == ["bad"]


def test_the_report_opens_the_envelope_once_a_model_and_nothing_else_does() -> None:
    metaal.rehearsal.playing._full_scores.cache_clear()
    layout = layout_of(TASK)
    before = layout.test_y.reads
    trace = play("margin", TASK, name="counted")
    assert layout.test_y.reads - before == len(trace.curve) + 1  # every model, and the one of the whole pool
    before = layout.test_y.reads
    play("margin", TASK, name="counted again", full=False)
    assert layout.test_y.reads - before == len(trace.curve)


def test_a_learner_is_never_shown_test_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit, guide scores, outputs and the oracle all happen while the envelope is shut."""
    shut: list[bool] = []
    playing._laid_out.cache_clear()  # else models that another test has trained are not trained again
    layout = layout_of(TASK)

    def is_shut() -> bool:
        try:
            layout.test_y.open()
        except SealedError:
            return True
        return False

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **words: Any) -> Any:
            shut.append(is_shut())
            return function(*args, **words)

        return call

    for owner, name in ((Task, "fit"), (metaal.Run, "ask"), (metaal.Run, "tell"), (metaal.Run, "report")):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    play("margin", TASK, full=False)
    assert len(shut) > 15
    assert all(shut)


@dataclass(frozen=True)
class Cheating(Change):
    """Puts the easiest test labels into the pool's truth."""

    name: ClassVar[str] = "cheating"

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        return replace(layout, pool_y=layout.test_y.open()[: len(layout.pool_y)])


def test_a_change_that_reads_test_labels_is_refused() -> None:
    with pytest.raises(SealedError):
        replace(TASK, regime=Regime((Cheating(),))).lay_out()


@pytest.mark.parametrize(
    "read",
    [
        lambda labels: labels[0],
        lambda labels: list(labels),
        lambda labels: labels == 1,
        lambda labels: np.asarray(labels),
        lambda labels: np.arange(3) == labels,
        lambda labels: np.mean(labels),
    ],
)
def test_no_expression_reads_sealed_labels_by_accident(read: Callable[[Sealed], Any]) -> None:
    labels = Sealed(np.array([0, 1, 1]))
    with pytest.raises(SealedError, match=r"write \.open\(\)"):
        read(labels)
    assert labels.reads == 0


def test_bans_nest_and_each_reading_counts() -> None:
    source = np.array([0, 1, 1])
    labels = Sealed(source)
    source[0] = 7
    assert labels.open().tolist() == [0, 1, 1]
    assert not labels.open().flags.writeable
    with labels.forbidden(), labels.forbidden():
        with labels.allowed():
            assert labels.open().tolist() == [0, 1, 1]
        with pytest.raises(SealedError):
            labels.open()
    assert labels.reads == 3
    assert (len(labels), labels.shape, str(labels)) == (3, (3,), "Sealed(3 labels, opened 3 times)")
    assert labels.copy().reads == 0
    assert pickle.loads(pickle.dumps(labels)).open().tolist() == copy.deepcopy(labels).open().tolist() == [0, 1, 1]  # noqa: S301
    assert labels == labels
    assert labels != labels.copy()


def test_the_ban_ends_with_the_run_also_when_it_fails() -> None:
    with pytest.raises(SealedError):
        play(Peeking("margin"), TASK)
    assert len(layout_of(TASK).test_y.open()) > 10
