"""What buyers ask, by hand: savings that are never extrapolated, payback, prices, trade-offs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from metaal import Prices
from metaal.comparing import business, pareto, payback, price_grid, utility_at
from metaal.errors import InputError
from tests.metaal.compared import result_of, runs_of, trace_of

NAN = float("nan")


def needed(**labels: list[float]) -> pd.DataFrame:
    """Runs with given labels to 95 %, one cell each."""
    return runs_of({name: [[value] for value in values] for name, values in labels.items()}, score="labels.to.95")


def figure(table: pd.DataFrame, name: str, policy: str) -> float:
    return float(table.loc[name, policy])  # type: ignore[arg-type]


def test_savings_are_medians_over_pairs() -> None:
    table = business(needed(new=[50, 80, 30], random=[100, 100, 100]), label_seconds=60)
    saved = "annotation cost reduction at 95 % against random"
    assert figure(table, saved, "new") == pytest.approx(0.5)
    assert figure(table, "hours of labelling saved at 95 % against random", "new") == pytest.approx(50 / 60)
    assert np.isnan(figure(table, saved, "random"))
    assert "60 seconds a label" in str(table.loc["hours of labelling saved at 95 % against random", "definition"])


def test_a_target_that_one_of_a_pair_missed_is_beyond_all_measured_savings() -> None:
    saved, both = "annotation cost reduction at 95 % against random", "pairs that both reached 95 % against random"
    table = business(needed(new=[50, 80, 90], random=[100, 100, NAN]))
    assert figure(table, saved, "new") == pytest.approx(0.5)  # .2, .5, more than any
    assert figure(table, both, "new") == pytest.approx(2 / 3)
    table = business(needed(new=[50, 80, NAN], random=[100, 100, 100]))
    assert figure(table, saved, "new") == pytest.approx(0.2)  # less than any, .2, .5
    table = business(needed(new=[50, NAN, NAN], random=[100, 100, 90]))
    assert np.isnan(figure(table, saved, "new"))  # most pairs are only known to be losses
    table = business(needed(new=[50, NAN], random=[100, NAN]))
    assert figure(table, saved, "new") == pytest.approx(0.5)  # where neither got there, nothing is known
    table = business(needed(new=[NAN, NAN], random=[NAN, NAN]))
    assert np.isnan(figure(table, saved, "new"))
    assert figure(table, "runs that reached 95 %", "new") == 0
    assert np.isnan(figure(table, "labels to 95 %", "new"))


def test_a_target_that_both_meet_at_once_saves_nothing() -> None:
    table = business(needed(new=[0, 10], random=[0, 10]))
    assert figure(table, "annotation cost reduction at 95 % against random", "new") == 0


def test_spending_by_hand() -> None:
    curves = {
        "new": [trace_of([10, 20, 40], [0.5, 0.7, 0.9], seconds=2), trace_of([10, 40], [0.5, 0.9], seconds=4)],
        "random": [trace_of([10, 40], [0.5, 0.5], seconds=1), trace_of([10, 40], [0.5, 0.4], seconds=1)],
    }
    table = result_of(curves, prices=Prices(label=2, second=0.5, round=1)).business()
    assert figure(table, "retraining frequency", "new") == pytest.approx(100 * 2.5 / 30)
    assert figure(table, "compute", "new") == pytest.approx((6 + 8) / 2)
    assert figure(table, "compute cost", "new") == pytest.approx(3.5)
    assert figure(table, "cost per point", "new") == pytest.approx((2 * 30 + 0.5 * 7 + 1 * 1.5) / 40)
    assert np.isnan(figure(table, "cost per point", "random"))  # it only got worse
    assert (table["definition"].str.len() > 20).all()
    assert (table["unit"].str.len() > 0).all()


STEP = 0.004
"""Of the scores between .5 and .9 at which the balance is struck."""


def test_payback_by_hand() -> None:
    """Half of the labels are saved up to .7, ten from there on; the start costs 4 seconds more, each model as many."""
    baseline = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8], seconds=1)
    ahead = trace_of([10, 20, 30, 40], [0.5, 0.7, 0.8, 0.9], seconds=5)
    # Up to .7: 50 (s - .5) labels saved, 4 + 15 (s - .5) seconds more; then 10 labels, 7 + 40 (s - .7) seconds.
    # What the baseline would need beyond .8 is not known.
    for second in (0.1, 1.0, 1.1):
        level = np.ceil(4 * second / (50 - 15 * second) / STEP) * STEP
        assert payback([ahead], [baseline], Prices(label=1, second=second)) == pytest.approx(10 + 50 * level)
    assert np.isnan(payback([ahead], [baseline], Prices(label=1, second=1.2)))  # + 1.6 at .7, but - 3.2 at .8
    assert payback([ahead], [baseline], Prices(label=1.2, second=1.2)) == payback([ahead], [baseline], Prices(second=1))
    assert np.isnan(payback([ahead], [baseline], Prices(label=0, second=1)))


def test_a_policy_that_saves_nothing_and_costs_nothing_is_paid_at_once() -> None:
    baseline = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8], seconds=1)
    assert payback([baseline], [baseline], Prices(second=1)) == pytest.approx(10.3)
    flat = trace_of([10, 20], [0.5, 0.5])
    assert np.isnan(payback([flat], [flat], Prices()))


def test_labels_lost_at_first_are_paid_back_later() -> None:
    baseline = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8])
    slow = trace_of([10, 20, 30, 40], [0.5, 0.55, 0.78, 0.8])  # 5 labels lost at .55, 8 saved at .78
    crossing = 20 + 10 * 5 / 13  # the balance goes straight from - 5 to 8
    assert crossing <= payback([slow], [baseline], Prices()) < crossing + 10 * 0.003 / 0.23
    behind = trace_of([10, 20, 30, 40], [0.5, 0.55, 0.6, 0.65])
    assert np.isnan(payback([behind], [baseline], Prices()))


def test_more_rounds_have_to_be_paid_too() -> None:
    baseline = trace_of([10, 20, 30], [0.5, 0.6, 0.7])
    often = trace_of([10, 12, 14, 16, 18, 20], [0.5, 0.54, 0.58, 0.62, 0.66, 0.7])
    # at .7 ten labels saved by three more rounds, and in proportion before
    assert payback([often], [baseline], Prices(round=3.3)) == pytest.approx(10.1)
    assert np.isnan(payback([often], [baseline], Prices(round=3.4)))


def test_a_lucky_moment_is_no_payback() -> None:
    baseline = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8])
    lucky = trace_of([10, 20, 30, 40], [0.5, 0.65, 0.55, 0.6])
    assert np.isnan(payback([lucky], [baseline], Prices()))


def test_what_the_baseline_never_reached_counts_as_its_whole_budget() -> None:
    baseline = trace_of([10, 20, 30], [0.5, 0.5, 0.5], seconds=1)
    ahead = trace_of([10, 20, 30], [0.5, 0.9, 0.9], seconds=4)
    # the first score is reached with 10.1 labels, so 19.9 are saved at least, for 4.04 seconds against 3
    assert payback([ahead], [baseline], Prices(label=1, second=19)) == pytest.approx(10.1)
    assert np.isnan(payback([ahead], [baseline], Prices(label=1, second=20)))


def test_a_score_that_the_policy_never_reached_is_no_gain_however_dear_it_is_to_the_baseline() -> None:
    baseline = trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8], **{"cost.fit.seconds": [0.0, 0.0, 0.0, 1000.0]})
    stuck = trace_of([10, 20, 30, 40], [0.5, 0.61, 0.62, 0.65])
    assert np.isnan(payback([stuck], [baseline], Prices(second=1)))


def test_curves_of_seeds_are_averaged_where_all_have_a_model() -> None:
    long, short = trace_of([10, 20, 30, 40], [0.5, 0.7, 0.9, 0.1]), trace_of([10, 20, 30], [0.5, 0.7, 0.9])
    baseline = [trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8])]
    assert payback([long, short], baseline, Prices()) == payback([short], baseline, Prices())
    other = trace_of([10, 20, 30], [0.5, 0.6, 0.7])
    mean = trace_of([10, 20, 30], [0.5, 0.65, 0.8])
    assert payback([short, other], baseline, Prices()) == pytest.approx(payback([mean], baseline, Prices()))


def test_payback_in_the_table_is_the_median_over_tasks() -> None:
    baseline = [trace_of([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8])] * 3
    fast, never = trace_of([10, 20, 30, 40], [0.5, 0.7, 0.8, 0.9]), trace_of([10, 20, 30, 40], [0.5, 0.5, 0.5, 0.5])
    slow = trace_of([10, 20, 30, 40], [0.5, 0.55, 0.78, 0.8])
    table = result_of({"new": [fast, slow, never], "random": baseline}).business()
    slow_one = payback([slow], baseline[:1], Prices())
    assert 23 < figure(table, "payback against random", "new") == slow_one < 24
    assert figure(table, "tasks paid back against random", "new") == pytest.approx(2 / 3)
    table = result_of({"new": [fast, never, never], "random": baseline}).business()
    assert np.isnan(figure(table, "payback against random", "new"))
    without = business(result_of({"new": [fast], "random": baseline[:1]}).good)
    assert np.isnan(figure(without, "payback against random", "new"))


def test_bad_calls_of_business() -> None:
    runs = needed(new=[50], random=[100])
    with pytest.raises(InputError, match="no target of 80 %; expected one of 95"):
        business(runs, target=80)
    with pytest.raises(InputError, match="label_seconds=0"):
        business(runs, label_seconds=0)
    with pytest.raises(InputError, match="no baseline 'badge'"):
        business(runs, baseline="badge")


def test_the_front_is_what_no_other_policy_beats() -> None:
    runs = pd.concat(
        [
            runs_of({"cheap": [[1.0]], "good": [[3.0]], "dear": [[4.0]], "twin": [[3.0]]}, score="seconds"),
        ]
    )
    runs["compression.95"] = runs["policy"].map({"cheap": 0.5, "good": 0.9, "dear": 0.8, "twin": 0.9})
    table = pareto(runs)
    assert table["front"].to_dict() == {"cheap": True, "good": True, "twin": True, "dear": False}
    assert list(table["x"]) == [1.0, 3.0, 3.0, 4.0]
    with pytest.raises(InputError, match="no column 'speed'"):
        pareto(runs, "speed")


def test_a_policy_that_mostly_missed_the_target_is_not_on_the_front() -> None:
    runs = runs_of({"a": [[1.0], [1.0], [1.0]], "b": [[2.0], [2.0], [2.0]]}, score="seconds")
    runs["compression.95"] = [0.9, NAN, NAN, 0.5, 0.6, NAN]
    table = pareto(runs)
    assert table["front"].to_dict() == {"a": False, "b": True}
    assert np.isnan(table.loc["a", "y"])  # type: ignore[arg-type]
    assert table.loc["b", "y"] == 0.5


def test_utility_at_prices_is_that_of_the_runs() -> None:
    rng = np.random.default_rng(0)
    curves = {
        name: [trace_of([10, 20, 30], np.sort(rng.uniform(0.4, 0.9, 3)), seconds=3.0) for _ in range(6)]
        for name in ("new", "random")
    }
    for prices in (Prices(), Prices(label=2, second=0.3, round=1, point=4)):
        result = result_of(curves, seeds=2, prices=prices)
        table: Any = result.utility(prices)
        by_task = result.runs.groupby(["policy", "task"])["utility"].mean().groupby("policy").mean()
        assert table["prices"].to_dict() == pytest.approx(by_task.to_dict())
    grid = price_grid(Prices(label=2, round=1))
    table = result_of(curves).utility()
    assert list(table) == list(grid)
    assert len(grid) == 5
    assert [p.second for p in grid.values()] == [0, 0.0002, 0.002, 0.02, 0.2]
    assert {p.round for p in grid.values()} == {1}
    assert (np.diff(table.to_numpy(), axis=1) < 0).all()  # compute gets dearer
    with pytest.raises(InputError, match=r"no points, labels\.spent"):
        utility_at(runs_of({"a": [[1.0]]}))


def test_price_grids_of_free_labels() -> None:
    assert [p.second for p in price_grid(Prices(label=0)).values()][-1] == 0.1
