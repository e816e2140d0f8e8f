"""The cost of a stop, on curves whose best stop is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal import InputError, Prices
from metaal.comparing import stop_costs, stop_ratio
from metaal.rehearsal import Trace
from metadata_store import open_store

CURVE = pd.DataFrame(
    {"labels": [10, 20, 30, 40], "accuracy": [0.5, 0.7, 0.75, 0.76], "cost.fit.seconds": [1.0, 2.0, 3.0, np.nan]}
)


def trace(rows: int, labels: Sequence[int] | None = None) -> Trace:
    curve = CURVE.iloc[:rows].copy()
    if labels is not None:
        curve["labels"] = labels
    return Trace(f"run of {rows}", curve, {}, 100)


def test_what_is_spent_and_what_is_missed_make_the_cost() -> None:
    cost = stop_costs(CURVE, Prices(label=1, second=10, round=5, final=2))
    expected = [10 + 2 * 26, 10 + 5 + 30 + 2 * 6, 20 + 10 + 60 + 2 * 1, 30 + 15 + 60]
    np.testing.assert_allclose(cost, expected)


@pytest.mark.parametrize(
    ("stopped", "final", "expected"), [(2, 2.0, 1.0), (3, 2.0, 22 / 22), (4, 2.0, 30 / 22), (1, 2.0, 52 / 22)]
)
def test_a_stop_is_judged_by_the_best_one_in_hindsight(stopped: int, final: float, expected: float) -> None:
    prices = Prices(final=final)  # 0 + 52, 10 + 12, 20 + 2, 30 + 0
    assert stop_ratio(trace(stopped), trace(4), prices) == pytest.approx(expected)


def test_twins_that_differ_and_ends_without_value_are_refused() -> None:
    with pytest.raises(InputError, match="is not the run that run of 2 would have been"):
        stop_ratio(trace(2, [10, 25]), trace(4), Prices(final=1))
    with pytest.raises(InputError, match="is not the run"):
        stop_ratio(trace(4), trace(3), Prices(final=1))
    with pytest.raises(InputError, match=r"prices.final is 0.*set it above 0"):
        stop_costs(CURVE, Prices())


def test_where_nothing_costs_anything_any_stop_is_right() -> None:
    flat = Trace("flat", pd.DataFrame({"labels": [5.0, 6.0], "accuracy": [0.5, 0.5]}), {}, 9)
    assert stop_ratio(flat, flat, Prices(label=0, final=1)) == 1.0


def test_a_played_run_is_its_twins_beginning() -> None:
    task = metaal.Task("wine", "naive_bayes", batch=4, budget=20)
    store = open_store("memory:")
    going = metaal.play("margin", task, store=store)
    stopped = metaal.play("stopping('margin', rule='max_confidence', threshold=0.9, least=2)", task, store=store)
    assert len(stopped.curve) < len(going.curve)
    prices = Prices(final=5)
    cost = stop_costs(going.curve, prices)
    assert stop_ratio(stopped, going, prices) == pytest.approx(cost[len(stopped.curve) - 1] / cost.min())
