"""What one run is worth, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal.comparing import NUMBERS, number
from metaal.measures import PHASES, area, labels_to, measure
from metaal.rehearsal import Trace
from tests.metaal.compared import trace_of


def test_every_number_of_a_run_by_hand() -> None:
    trace = trace_of([10, 20, 40], [0.5, 0.7, 0.9], seconds=2.0, full=0.9, pool=100)
    found = measure(trace, metaal.Prices(label=1, second=0.5, round=3, point=10))
    assert found["aulc"] == pytest.approx((0.6 * 10 + 0.8 * 20) / 30)
    assert found["first30"] == pytest.approx(found["aulc"])
    assert (found["first"], found["final"], found["full"]) == (0.5, 0.9, 0.9)
    assert (found["labels"], found["labels.spent"], found["rounds"]) == (40, 30, 2)
    assert found["labels.to.90"] == pytest.approx(20 + 20 * (0.81 - 0.7) / 0.2)
    assert found["labels.to.95"] == pytest.approx(20 + 20 * (0.855 - 0.7) / 0.2)
    assert found["labels.to.98"] == pytest.approx(20 + 20 * (0.882 - 0.7) / 0.2)
    assert found["compression.98"] == pytest.approx(1 - found["labels.to.98"] / 100)
    assert (found["seconds.fit"], found["seconds.select"], found["seconds"]) == (6, 0, 6)
    assert found["fits"] == 3
    assert found["rows.scored"] == 90 + 80 + 60
    # 15 labels a batch in the median, so 30 labels are two batches
    assert found["points"] == pytest.approx(100 * (found["aulc"] - 0.5) * 2)
    assert found["utility"] == pytest.approx(10 * found["points"] - 30 - 0.5 * 6 - 3 * 2)


def test_an_action_says_how_the_next_model_is_trained_and_what_it_sees() -> None:
    refit = {"action.refit": ["warm", "skip", "full", None], "action.share": [0.5, 1.0, 0.25, np.nan]}
    trace = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8], pool=100, **refit)
    found = measure(trace, metaal.Prices())
    assert found["fits"] == 2  # the first one, and the one after "full"
    assert found["rows.scored"] == 90 + 0.5 * 80 + 70 + 0.25 * 60


def test_scores_that_were_measured_are_integrated_and_others_are_not_made_up() -> None:
    plain = measure(trace_of([0, 10], [0.5, 0.7]), metaal.Prices())
    assert "aulc.brier" not in plain
    assert "aulc.log_loss" not in plain
    more = measure(trace_of([0, 10], [0.5, 0.7], brier=[0.4, 0.2], log_loss=[1.0, 0.5]), metaal.Prices())
    assert more["aulc.brier"] == pytest.approx(0.3)
    assert more["aulc.log_loss"] == pytest.approx(0.75)


def test_a_target_that_is_not_reached_is_not_a_number() -> None:
    found = measure(trace_of([10, 20], [0.5, 0.6], full=0.65), metaal.Prices())
    assert found["labels.to.90"] == pytest.approx(10 + 10 * (0.585 - 0.5) / 0.1)
    assert np.isnan(found["labels.to.98"])
    assert np.isnan(found["compression.98"])
    without = Trace("run", trace_of([10, 20], [0.5, 0.6]).curve, {}, 100)
    assert np.isnan(measure(without, metaal.Prices())["labels.to.90"])


def test_a_run_of_one_model() -> None:
    found = measure(trace_of([10], [0.5]), metaal.Prices(second=1.0))
    assert (found["aulc"], found["labels.spent"], found["rounds"], found["points"]) == (0.5, 0, 0, 0)
    assert found["utility"] == 0
    stopped = trace_of([10], [0.5])
    bare = Trace("run", stopped.curve.drop(columns=["loop.batch", "query.count"], errors="ignore"), {}, 100)
    assert measure(bare, metaal.Prices())["points"] == 0, "a run that was stopped before it asked has no batches"


def test_areas_do_not_depend_on_where_the_curve_was_measured_between_straight_pieces() -> None:
    labels, score = np.array([0.0, 30.0]), np.array([0.2, 0.8])
    fine = np.linspace(0, 30, 7)
    assert area(fine, np.interp(fine, labels, score)) == pytest.approx(area(labels, score))
    assert labels_to(fine, np.interp(fine, labels, score), 0.53) == pytest.approx(labels_to(labels, score, 0.53))


def test_every_number_of_a_run_is_in_the_dictionary() -> None:
    trace = trace_of([0, 10], [0.5, 0.7], brier=[0.4, 0.2], log_loss=[1.0, 0.5], balanced_accuracy=[0.5, 0.6])
    for name, value in measure(trace, metaal.Prices()).items():
        kind = number(name)
        assert kind.name == name
        assert kind.meaning, name
        assert kind.title, name
        assert isinstance(value, float)
    assert len({kind.name for kind in NUMBERS}) == len(NUMBERS)
    assert {number(f"seconds.{phase}").unit for phase in PHASES} == {"s"}


def test_direction_and_unit_of_numbers() -> None:
    assert [number(name).less for name in ("aulc", "aulc.log_loss", "labels.to.90", "compression.90")] == [
        False,
        True,
        True,
        False,
    ]
    assert number("compression.98").title == "compression at 98 %"
    assert (number("aulc").factor, number("aulc").difference) == (100, "pp")
    assert (number("utility").factor, number("utility").difference) == (1, "")
    assert [number(name).censored for name in ("labels.to.90", "labels.spent")] == [True, False]
    assert (number("my_loss").less, number("my_gain").less) == (True, False)


def test_a_curve_read_from_a_log_without_seconds_is_measured() -> None:
    curve = pd.DataFrame({"labels": [1.0, 2.0], "accuracy": [0.1, 0.3], "query.count": [1.0, np.nan]})
    found = measure(Trace("run", curve, {}, 10), metaal.Prices())
    assert found["seconds"] == 0
    assert found["aulc"] == pytest.approx(0.2)
