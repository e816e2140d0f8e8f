"""What the report computes itself: thinning, single runs, calibration, losses and the diagram."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reported import made
from scipy.stats import ttest_1samp

from metaal.measures import measure
from metaal.prices import Prices
from metaal.rehearsal import Trace
from metaal.reporting import diagram, losses, words
from metaal.reporting.calibration import calibrations
from metaal.reporting.curves import LEAST, MOST, curve_data, grid_curve
from metaal.reporting.money import front_data
from metaal.reporting.reading import Reading
from metaal.reporting.timeline import run_data, share_data
from metaal.result import Result


def built(curves: dict[tuple[str, str], pd.DataFrame], *, regime: dict[str, str] | None = None) -> Result:
    """A result of given curves, by policy and cell; each cell is a task of its own family."""
    rows, traces = [], {}
    for (policy, cell), curve in curves.items():
        trace = Trace(f"{cell}~{policy}", curve, {"accuracy": 1.0}, 100)
        traces[policy, f"{cell}~s0"] = trace
        row: dict[str, Any] = {"policy": policy, "task": cell, "data": cell, "family": cell, "learner": "logistic"}
        row |= {
            "batch": 10,
            "regime": (regime or {}).get(cell, "clean"),
            "seed": 0,
            "stream": f"{cell}~s0",
            "error": "",
        }
        rows.append(row | measure(trace, Prices()))
    return Result(rows, traces, Prices(), {name: name for name, _ in curves})


def curve(
    scores: list[float], *, actions: list[str] | None = None, advantage: list[float] | None = None
) -> pd.DataFrame:
    """Ten labels more in each loop."""
    count = len(scores)
    actions = actions or ["margin"] * (count - 1)
    out = {"loop": np.arange(count), "labels": 10.0 * np.arange(1, count + 1), "accuracy": scores}
    out |= {"query.count": [*[10.0] * (count - 1), np.nan], "action.name": [*actions, np.nan]}
    out |= {"decision.reason": [*["because"] * (count - 1), np.nan]}
    if advantage is not None:
        out["decision.advantage"] = [*advantage, np.nan]
    return pd.DataFrame(out)


def test_the_curves_are_those_of_the_result() -> None:
    result = made(families=1, learners=1, regimes=("clean",))
    data = curve_data(Reading(result))
    line = data["lines"][0]
    assert data["points"] == MOST
    for k, policy in enumerate(result.policies):
        rows = result.curves(result.tasks[0], points=MOST)
        rows = rows[rows["policy"] == policy]
        mean, half = (np.array(values) / 10_000 for values in line["scores"]["accuracy"][k])
        np.testing.assert_allclose(mean, rows["mean"], atol=6e-5)
        np.testing.assert_allclose(half, (rows["high"] - rows["low"]) / 2, atol=6e-5)
    assert line["span"] == [10.0, 50.0]
    assert data["note"] == ""


def test_a_run_that_stopped_early_ends_early_in_the_chart() -> None:
    mean, half = grid_curve([(np.array([0.0, 2.0]), np.array([0.0, 1.0]))], np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(mean, [0.0, 0.5, np.nan])
    assert np.isnan(half).all()
    result = built({("a", "x"): curve([0.1, 0.2]), ("b", "x"): curve([0.1, 0.2, 0.3, 0.4])})
    line = curve_data(Reading(result))["lines"][0]
    assert line["span"] == [10.0, 40.0]
    short, whole = line["scores"]["accuracy"][0][0], line["scores"]["accuracy"][1][0]
    assert short[-1] is None
    assert short[0] == whole[0] == 1000
    assert None not in whole


@pytest.mark.parametrize("room", [30_000, 20_000, 10_000, 3_000])
def test_curves_are_thinned_until_they_fit_and_it_is_said(room: int) -> None:
    reading = Reading(made(families=10, regimes=("clean",), seeds=1))
    data = curve_data(reading, room=room)
    size = sum(len(json.dumps(line["scores"], separators=(",", ":"))) for line in data["lines"])
    assert size < 1.2 * room or data["pooled"]
    assert LEAST <= data["points"] <= MOST
    assert data["note"]
    if data["pooled"]:
        assert "means over data sets by learner and regime" in data["note"]


def test_pooled_curves_are_means_over_families() -> None:
    reading = Reading(made(families=5, regimes=("clean",), seeds=1, loops=MOST - 1))
    whole, pooled = curve_data(reading, room=10**7), curve_data(reading, room=10)
    assert [line["families"] for line in pooled["lines"]] == [5]
    for k in range(3):
        each = np.array([line["scores"]["accuracy"][k][0] for line in whole["lines"]])
        found = np.array(pooled["lines"][0]["scores"]["accuracy"][k][0])
        np.testing.assert_allclose(found, each.mean(0), atol=1.1)
        half = np.array(pooled["lines"][0]["scores"]["accuracy"][k][1])
        np.testing.assert_allclose(half, 2.776445 * each.std(0, ddof=1) / np.sqrt(5), atol=1.5)


def test_an_error_in_the_unit_of_the_target_keeps_its_digits() -> None:
    data = curve_data(Reading(made(["a", "b"], kind="regression", families=1, regimes=("clean",))))
    about = next(score for score in data["scores"] if score["name"] == "rmse")
    first = data["lines"][0]["scores"]["rmse"][0][0][0] / about["scale"]
    assert 20 < first < 80
    assert about["scale"] == 100
    assert not about["averaged"]


def test_shares_of_actions_add_up_and_rare_ones_are_taken_together() -> None:
    names = [f"arm{k}" for k in range(12)]
    result = built({("a", f"x{k}"): curve([0.1, 0.2, 0.3], actions=["first", name]) for k, name in enumerate(names)})
    found = share_data(Reading(result))["a"]
    assert found["loops"] == [0, 1]
    assert found["runs"] == [12, 12]
    assert found["actions"][0] == "first"
    assert found["actions"][-1] == "other"
    np.testing.assert_allclose(np.array(found["shares"]).sum(0), 100, atol=0.5)
    assert found["shares"][-1] == [0.0, round(100 * 4 / 12, 1)]


def test_single_runs_say_what_was_seen_done_and_why() -> None:
    result = made(families=2, regimes=("clean",))
    data = run_data(Reading(result), {})
    assert len(data["runs"]) == data["all"] == 12
    run = data["runs"][0]
    frame = result.traces["learned", f"{run['task']}~{run['cell']}"].curve
    assert [data["texts"][k] for k in run["action"][:-1]] == list(frame["action.name"][:-1])
    assert [data["texts"][k] for k in run["reason"][:-1]] == list(frame["decision.reason"][:-1])
    assert run["action"][-1] is None
    np.testing.assert_allclose(run["score"], frame["accuracy"], rtol=1e-3)
    seen = run["series"]["decision.advantage"]
    np.testing.assert_allclose(seen[:-1], frame["decision.advantage"][:-1])
    assert seen[-1] is None
    assert data["about"]["churn.label"]["meaning"].startswith("share of reference rows")
    assert {"overview", "pool", "churn", "decision", "cost"} <= {group["name"] for group in data["groups"]}


def test_where_there_is_no_room_the_judged_policys_worst_tasks_are_kept() -> None:
    reading = Reading(made(families=4, regimes=("clean",)))
    first = {task: float(k) for k, task in enumerate(reversed(reading.tasks))}
    data = run_data(reading, first, room=5_000)
    assert 0 < len(data["runs"]) < data["all"] == 24
    assert {run["policy"] for run in data["runs"]} == {"learned"}
    assert data["runs"][0]["task"] == reading.tasks[-1]


def test_gains_that_come_true_lie_on_the_line() -> None:
    """One batch ahead the policy gains what it predicted over the static default, at every decision."""
    rng = np.random.default_rng(1)
    curves = {}
    predicted = []
    for k in range(30):
        gain = float(rng.uniform(0.001, 0.05))
        base = list(np.linspace(0.5, 0.7, 5))
        better = [base[0], *(value + gain for value in base[1:])]
        # the mean over three batches of a step of g reached after the first one is 5/6 g
        predicted.append(gain * 5 / 6)
        actions = ["badge", "cluster_margin", "cluster_margin", "cluster_margin"]
        curves["p", f"x{k}"] = curve(better, actions=actions, advantage=[gain * 5 / 6, 0.0, 0.0, 0.0])
        curves["cm", f"x{k}"] = curve(base, actions=["cluster_margin"] * 4)
    (found,) = calibrations(Reading(built(curves)))
    assert (found.policy, found.against, found.stayed, len(found.decisions)) == ("p", "cm", 90, 30)
    np.testing.assert_allclose(found.decisions["realised"], 100 * np.array(predicted), atol=1e-9)
    np.testing.assert_allclose(found.decisions["predicted"], found.decisions["realised"], atol=1e-9)
    assert found.rank == pytest.approx(1)
    np.testing.assert_allclose(found.bins["predicted"], found.bins["realised"], atol=1e-9)
    assert found.bins["n"].sum() == 30


def test_without_the_default_only_the_order_of_predictions_is_checked() -> None:
    curves = {
        ("p", f"x{k}"): curve([0.5, 0.5 + 0.01 * k, 0.6, 0.6], advantage=[0.001 * k, 0.0, 0.0]) for k in range(1, 9)
    }
    (found,) = calibrations(Reading(built(curves)))
    assert found.against == ""
    assert found.rank == pytest.approx(1)
    assert found.decisions["realised"].mean() == pytest.approx(0)


def test_policies_that_predict_nothing_have_no_calibration() -> None:
    result = built({("p", "x"): curve([0.5, 0.6], advantage=[0.0]), ("q", "x"): curve([0.5, 0.6])})
    assert calibrations(Reading(result)) == []


def test_losses_come_first_with_when_and_what_was_done() -> None:
    flat = [0.5] * 7
    result = built(
        {
            ("p", "early"): curve([0.5, 0.3, 0.3, 0.5, 0.5, 0.5, 0.5], actions=["badge"] * 6),
            ("p", "late"): curve([0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1]),
            ("p", "won"): curve([0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]),
            ("q", "early"): curve(flat),
            ("q", "late"): curve(flat),
            ("q", "won"): curve(flat),
        },
        regime={"won": "noise(rate=0.3)"},
    )
    reading = Reading(result)
    found = losses.losses(reading, "q")
    assert [(loss.task, loss.when) for loss in found] == [("late", "late"), ("early", "early")]
    assert (found[1].did, found[1].other, found[1].worse, found[1].seeds) == ("badge 100 %", "margin 100 %", 1, 1)
    assert found[0].difference == pytest.approx(-40 * 1.5 / 6)
    groups = losses.by_group(reading).set_index(["kind", "group"])
    clean: Any = groups.loc[("regime", "clean")]
    expected = np.array([-40 * 1.5 / 6, -20 * 2 / 6])
    assert clean["difference"] == pytest.approx(expected.mean())
    assert clean["low"] == pytest.approx(expected.mean() - 12.7062047 * expected.std(ddof=1) / np.sqrt(2))
    assert (clean["tasks"], clean["worse"]) == (2, 2)
    assert clean["p"] == pytest.approx(ttest_1samp(expected, 0).pvalue)
    assert np.isnan(groups.loc[("family", "won")]["low"])
    assert "batch" not in groups.index.get_level_values("kind")


def test_the_fronts_of_the_page_are_those_of_the_comparison() -> None:
    result = made(["a", "b", "c", "d"], families=3, lead=0.003)
    data = front_data(Reading(result))
    assert {"seconds", "fits", "rows.scored", "rounds"} == set(data["x"])
    assert {"compression.90", "compression.95", "compression.98", "aulc"} == set(data["y"])
    for pair, points in data["pairs"].items():
        found = result.pareto(*pair.split("|"))
        assert {point["policy"]: point["front"] for point in points} == found["front"].to_dict()
        for point in points:
            x: Any = found.loc[point["policy"], "x"]
            assert point["x"] == pytest.approx(x, rel=1e-4)


@pytest.mark.parametrize("width", [360, 760])
def test_the_diagram_puts_ranks_in_their_place_and_joins_what_cannot_be_told(width: int) -> None:
    result = made(["learned", "a policy with a very long name indeed", "random"], families=12)
    found = result.ranks()
    drawn = diagram.critical_difference(found, "learned", width=width)
    at = [float(x) for x in re.findall(r"M([\d.]+) 46V", drawn)]
    assert len(at) == 3
    ranks = found.mean.to_numpy()
    order = [0, 1, 2]  # two on the left, best first, and one on the right
    spread = np.diff(np.array(at)[order]) / np.diff(ranks)
    np.testing.assert_allclose(spread, spread[0], rtol=0.02)
    assert drawn.count('class="bar"') == len(found.cliques)
    assert drawn.count("class='judged'") == 1
    assert "a policy with a very long name indeed" in drawn
    assert all(0 <= float(x) <= width for x in re.findall(r'x="([\d.-]+)"', drawn))


def test_an_interval_is_drawn_where_it_lies() -> None:
    drawn = diagram.interval(1.0, 0.0, 2.0, 2.0, "good")
    assert 'x1="50.00%" x2="98.00%"' in drawn
    assert 'cx="74.00%"' in drawn
    assert diagram.interval_scale([-1.0, float("nan")], [3.0]) == pytest.approx(3.24)
    assert "circle" not in diagram.interval(float("nan"), float("nan"), float("nan"), 1.0, "")


def test_numbers_are_written_without_false_signs_or_digits() -> None:
    assert words.number(-0.004, 2, signed=True) == "0.00"
    assert words.number(-3.14159, 2) == "−3.14"
    assert words.percent(float("nan")) == "–"
    assert words.chance(0.05) == "p = .050"
    assert words.seconds(300) == "5 min"


def test_a_table_escapes_and_marks() -> None:
    table = words.Table(["a<b", "n"], [["<x>", words.Cell("1", "better", "why", below="small")]], marked=[0])
    html = table.html()
    assert "a&lt;b" in html
    assert "&lt;x&gt;" in html
    assert '<tr class="first">' in html
    assert '<td class="better" title="why">1<small>small</small></td>' in html
