"""What a decision of another program's log is, what it was worth, and what is said where the log does not tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import metaal
from metaal import FitError
from metaal.curve import HORIZON
from metaal.foreign import read_foreign
from metaal.logs import LoggedDecision, read_log
from metadata_store import MemoryStore, Record, open_store


def stored(rows: list[dict[str, Any]], run: str = "r", about: dict[str, Any] | None = None) -> MemoryStore:
    """A run as an import leaves it: a record a loop, ``loop`` being its number."""
    store = open_store("memory:")
    for place, row in enumerate(rows):
        values = {name: value for name, value in row.items() if name != "loop" and value is not None}
        store.append(Record(run, row.get("loop", place), "report", values))
    if about is not None:
        store.append(Record(run, 0, "about", about))
    return store


def line(action: str | None, labels: float, score: float | None, **more: Any) -> dict[str, Any]:
    return {"action.name": action, "labels.count": labels, "score.value": score, "run.task": "t", **more}


def read(store: MemoryStore, **more: Any) -> list[LoggedDecision]:
    log = read_log(store, score=more.pop("score", "score.value"), default="random", **more).imported
    assert log is not None
    return log.decisions


def test_the_outcome_is_that_of_a_run_of_metaal_with_the_same_curve() -> None:
    rows = [line("margin", 10, 0.5), line("random", 20, 0.6), line("margin", 30, 0.7), line(None, 40, 0.8)]
    found = read(stored(rows))
    assert [d.action for d in found] == ["margin", "random", "margin"]
    assert [d.outcome for d in found] == pytest.approx([0.15, 0.1, 0.05])
    assert HORIZON == 3
    assert [d.level for d in found] == [0.5, 0.6, 0.7]
    assert all(d.imported and not d.previews and np.isnan(d.propensity) for d in found)
    assert [d.history.actions for d in found] == [(), ("margin",), ("margin", "random")]


def test_the_state_holds_what_was_known_and_never_the_score_or_what_came_later() -> None:
    later = {
        "surprise.accuracy.batch": 0.5,
        "query.margin.mean": 0.1,
        "cost.fit.seconds": 2.0,
        "action.propensity": 0.5,
    }
    shown = {"pool.size": 90.0, "pool.margin.mean": 0.3, "user.f1": 0.2, "score.f1": 0.9}
    rows = [line("margin", 10, 0.5, **shown, **later), line("random", 20, 0.6, **shown, **later), line(None, 30, 0.7)]
    first, second = read(stored(rows))
    now = {name: first.history.last(name) for name in first.history.names}
    expected = {"pool.size": 90, "pool.margin.mean": 0.3, "user.f1": 0.2, "labels.count": 10, "labels.share": 0.1}
    assert now == {**expected, "loop.since.first": 0, "loop.batch": 10}
    assert (first.propensity, first.seconds) == (0.5, 2.0)
    assert second.history.get("surprise.accuracy.batch").tolist()[0] == 0.5, "of the loop before it is known"
    assert np.isnan(second.history.last("surprise.accuracy.batch"))
    assert second.history.get("action.multiplier").tolist()[0] == 1
    assert not [name for name in second.history.names if name.startswith("score.")]


def test_the_batch_is_what_was_logged_or_the_labels_that_came() -> None:
    rows = [line("margin", 10, 0.5), line("margin ×2", 25, 0.6), line("margin", 55, 0.7), line(None, 70, 0.8)]
    assert [d.history.last("loop.batch") for d in read(stored(rows))] == [15, 15, 15]
    assert [d.multiplier for d in read(stored(rows))] == [1, 2, 1]
    logged = [{**row, "loop.batch": 40.0} for row in rows]
    # Fewer than 40 labels lie ahead of the second and third: what they brought cannot be known.
    assert [d.loop for d in read(stored(logged))] == [0, 1]


def test_what_stands_for_the_whole_run_holds_in_every_loop() -> None:
    """As MLflow has it: the strategy and the batch are params, labels and score are logged by step."""
    rows = [{"labels.count": 10.0 + 10 * k, "score.value": 0.5 + 0.1 * k} for k in range(4)]
    store = stored([*rows, {"user.loss": 0.5}], about={"action.name": "margin", "loop.batch": 10.0, "run.task": "t"})
    found = read(store)
    assert [(d.loop, d.action, d.group) for d in found] == [(k, "margin", "t") for k in range(3)]
    assert {d.history.last("loop.batch") for d in found} == {10}


def test_rounds_before_the_first_strategy_are_no_loops_and_unnamed_ones_are() -> None:
    rows = [line(None, 5, 0.4), line("margin", 10, 0.5), line(None, 20, 0.6), line("random", 30, 0.7)]
    found = read(stored([*rows, line("stop", 40, 0.8), line(None, 50, 0.9)]))
    assert [(d.loop, d.action) for d in found] == [(1, "margin"), (3, "random")]
    assert [d.history.last("loop.since.first") for d in found] == [0, 2]
    assert [len(d.history) for d in found] == [1, 3]


def test_loops_may_have_gaps_and_come_in_any_order() -> None:
    rows = [line("margin", 10 * k, 0.1 * k, loop=7 * k) for k in (4, 1, 3, 2)]
    assert [(d.loop, round(d.outcome, 6)) for d in read(stored(rows))] == [(7, 0.15), (14, 0.1), (21, 0.05)]


def test_a_loop_without_a_score_is_no_decision() -> None:
    rows = [line("margin", 10, None), line("margin", 20, 0.5), line("margin", 30, 0.6)]
    assert [d.loop for d in read(stored(rows))] == [1]


def test_runs_are_kept_together_by_task_tag_or_alone() -> None:
    rows = [line("margin", 10, 0.5, **{"tag.site": "berlin"}), line(None, 20, 0.6)]
    for groups, expected in (("task", "t"), ("site", "berlin"), ("run", "r")):
        assert {d.group for d in read(stored(rows), groups=groups)} == {expected}
    with pytest.raises(FitError, match=r"run 'r' has no tag\.planet; .*--map COLUMN=tag\.planet.*--groups run"):
        metaal.fit(stored(rows), groups="planet")
    two = [rows[0], {**rows[1], "run.task": "u"}]
    with pytest.raises(FitError, match=r"run 'r' has several run\.task: t, u"):
        metaal.fit(stored(two))


def test_a_log_without_labels_or_scores_says_which_column_to_map() -> None:
    rows = [{"action.name": "margin", "run.task": "t", "user.acc": 0.5}] * 2
    words = (
        r"1 imported runs name their strategies, but none has labels\.count, score\.value; .*--map COLUMN=labels\.count"
    )
    with pytest.raises(FitError, match=words):
        metaal.fit(stored(rows))


def test_another_score_may_be_learnt_from() -> None:
    rows = [line("margin", 10 * k, 0.1 * k, **{"user.f1": -0.2 * k}) for k in range(1, 4)]
    assert [d.outcome for d in read(stored(rows), score="user.f1")] == pytest.approx([-0.2, -0.1])
    assert [d.outcome for d in read(stored(rows), score={"user.f1": -1.0})] == pytest.approx([0.2, 0.1])


def test_records_without_strategies_and_runs_of_metaal_are_none() -> None:
    assert read_foreign([]) is None
    assert read_foreign([Record("r", 0, "report", {"labels.count": 10.0, "score.value": 0.5})]) is None
    own = [Record("r", 0, "begin", {"run.policy": "margin"}), Record("r", 0, "ask", {"action.name": "margin"})]
    assert read_foreign(own) is None
    assert read_foreign(own[1:]) is None, "a run of metaal's whose beginning is lost is no import"
