"""Regression: strategies of numbers, R² instead of accuracy, the same tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import metaal
from metaal import Task, evaluate, play
from metaal.evaluation import read_result
from metaal.measures import measure
from metaal.rehearsal import LEARNERS, Trace
from metaal.rehearsal.playing import layout_of
from metaal.rehearsal.scoring import brier, scores
from metaal.rehearsal.showing import shown, wanted
from metadata_store import MemoryStore, open_store
from strategy_zoo import catalogue, get

STRATEGIES = sorted(
    row["name"]
    for row in catalogue()
    if "regression" in row["task"] and row["kind"] in ("rowwise", "batch") and "expected" not in row["name"]
)
REGRESSORS = [name for name, entry in LEARNERS.items() if entry.kind == "regression"]


def test_a_played_regression_equals_the_loop_done_by_hand() -> None:
    task = Task("diabetes", "ridge", batch=6, budget=30, seeds=2)
    trace = play("greedy_y", task)
    layout = task.lay_out()
    seen = layout.initial
    for _, row in trace.curve.iterrows():
        model = Ridge(alpha=1.0).fit(layout.pool_x[seen], layout.pool_y[seen])
        prediction = model.predict(layout.test_x)
        truth = layout.test_y.open()
        assert row["labels"] == len(seen)
        assert row["r2"] == pytest.approx(max(r2_score(truth, prediction), -1))
        assert row["rmse"] == pytest.approx(root_mean_squared_error(truth, prediction))
        assert row["guide"] == pytest.approx(max(model.score(layout.guide_x, layout.guide_y), -1))
        pool = np.setdiff1d(np.arange(len(layout.pool_y)), seen)
        values, known = model.predict(layout.pool_x[pool]), layout.pool_y[seen]
        for _ in range(6):  # farthest in its prediction from every value known or predicted so far
            far = int(np.abs(values[:, None] - known).min(1).argmax())
            seen, known = np.append(seen, pool[far]), np.append(known, values[far])
            pool, values = np.delete(pool, far), np.delete(values, far)
    assert trace.main == "r2"
    assert trace.curve["labels"].tolist() == [10, 16, 22, 28, 34, 40]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_for_regressions_is_played(strategy: str) -> None:
    curve = play(strategy, Task("diabetes", "ridge", batch=5, budget=15, seeds=1)).curve
    assert curve["labels"].tolist() == [10, 15, 20, 25]
    assert curve["action.name"].dropna().unique().tolist() == [get(strategy).spelling]


@pytest.mark.parametrize("learner", REGRESSORS)
def test_committees_are_shown_where_an_arm_needs_them(learner: str) -> None:
    task = Task("diabetes", learner, seeds=1)
    layout = layout_of(task)
    seen, pool = layout.initial, np.arange(20)
    fitted = task.fit(layout.pool_x[seen], layout.initial_y, layout)
    given = shown(task, layout, fitted, seen, layout.initial_y, pool, ("committee_prediction", "quantiles"))
    members = 50 if learner == "forest" else 5
    assert given["committee_prediction"].shape == (members, 20)
    assert given["quantiles"].shape == (20, 3)
    assert (given["committee_prediction"].std(0) > 0).any()
    np.testing.assert_array_equal(given["prediction"], fitted.model.predict(layout.pool_x[pool]))
    again = shown(task, layout, fitted, seen, layout.initial_y, pool, ("committee_prediction",))
    np.testing.assert_array_equal(again["committee_prediction"], given["committee_prediction"])
    assert "quantiles" not in again


def test_what_an_arm_needs_is_found_inside_of_mixtures() -> None:
    assert wanted(["random", "greedy_x"], "regression") == ()
    assert wanted(["mix(committee_variance=0.5, random=0.5)"], "regression") == ("committee_prediction",)
    assert wanted(["quantile_width", "committee_variance"], "regression") == ("committee_prediction", "quantiles")
    assert wanted(["committee_variance"], "classification") == ()


def test_one_value_only_is_a_committee_that_agrees() -> None:
    task = Task("diabetes", "ridge", initial=1, batch=5, budget=10, seeds=1)
    curve = play("committee_variance", task).curve
    assert curve["labels"].tolist() == [1, 6, 11]
    assert curve["r2"].iloc[0] < 0.1


def test_the_default_arm_of_a_regression_is_previewed_in_every_loop() -> None:
    store = MemoryStore()
    run = play("random", Task("diabetes", "ridge", batch=5, budget=10), store=store).run
    records = store.records(run)
    assert records[0].values["run.default"] == "improved_greedy"
    assert records[0].values["tag.kind"] == "regression"
    asks = [record for record in records if record.event == "ask"]
    assert all("improved_greedy" in ask.arrays["preview.strategy"].tolist() for ask in asks)
    assert all("query.overlap.default" in ask.values for ask in asks)
    history = metaal.Run.resume(run, store=store).history
    for name in ("pool.prediction.mean", "pool.prediction.std", "space.seen.mean", "query.coverage", "score.rmse"):
        assert np.isfinite(history.series(name)[:-1]).all(), name
    assert not [name for name in history.names if "margin" in name or "proba" in name]


def test_strategies_of_classes_are_refused_with_the_reason() -> None:
    with pytest.raises(metaal.UnavailableError, match=r"margin.*proba"):
        play("margin", Task("diabetes", "ridge", batch=5, budget=10))


def test_a_policy_of_several_arms_takes_those_that_are_possible() -> None:
    actions = play(
        "uniform('margin', 'greedy_x', 'committee_variance')", Task("diabetes", "forest", budget=60, seeds=3)
    )
    assert set(actions.curve["action.name"].dropna()) == {"greedy_x", "committee_variance"}


def test_regressions_are_evaluated_in_the_same_tables(tmp_path: Path) -> None:
    tasks = [
        Task("diabetes", "ridge", batch=5, budget=20, regime="noise(rate=0.5)"),
        Task("iris", "logistic", batch=4, budget=8),
    ]
    result = evaluate(
        {"x": "greedy_x", "r": "random"}, tasks[:1], range(3), store=tmp_path / "s", jobs=1, progress=False
    )
    row: Any = result.table().loc["x"]
    assert -1 <= row["aulc"] <= 1
    assert row["aulc.rmse"] > 10
    assert np.isnan(row["aulc.log_loss"])
    assert list(result.versus("r").index) == ["x"]
    loss: Any = result.versus("r", score="aulc.rmse").loc["x"]
    better = result.runs.pivot(index="stream", columns="policy", values="aulc.rmse")
    assert loss["better"] == (better["x"] < better["r"]).sum()
    curve = result.curves(result.tasks[0])
    assert curve["mean"].between(-1, 1).all()
    assert result.report(tmp_path / "report.html").stat().st_size > 1000
    with open_store(tmp_path / "s") as store:
        read = read_result(store)
    numbers = ["aulc", "aulc.rmse", "final", "full"]
    pd.testing.assert_frame_equal(
        result.runs.sort_values(["stream", "policy"])[numbers].reset_index(drop=True),
        read.runs.sort_values(["stream", "policy"])[numbers].reset_index(drop=True),
    )
    mixed = evaluate({"r": "random"}, tasks, [0], store=MemoryStore(), progress=False)
    assert mixed.runs.set_index("data")["aulc.log_loss"].isna().to_dict() == {"diabetes": True, "iris": False}


def test_any_regressor_of_the_users_is_played_and_repeats() -> None:
    for model in (RandomForestRegressor(5), make_pipeline(PolynomialFeatures(2), Ridge())):
        task = Task("diabetes", model, batch=5, budget=10, seeds=4)
        first, second = (play("committee_variance", task).curve["r2"].tolist() for _ in range(2))
        assert first == second


def test_r2_and_brier_by_hand() -> None:
    y = np.array([1.0, 2.0, 3.0, 6.0])
    assert scores("regression", y, y) == {"r2": 1.0, "rmse": 0.0}
    assert scores("regression", y, np.full(4, 3.0)) == {"r2": 0.0, "rmse": pytest.approx(np.sqrt(3.5))}
    assert scores("regression", y, 1e9 * y)["r2"] == -1.0
    assert scores("regression", y, np.array([np.nan, 2, 3, 6]))["r2"] == -1.0
    assert scores("regression", np.ones(3), np.ones(3))["r2"] == 1.0
    assert scores("regression", np.ones(3), np.zeros(3))["r2"] == 0.0
    proba, codes = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), np.array([1, 0])
    assert brier(codes, proba) == pytest.approx(np.mean(((proba - np.eye(3)[codes]) ** 2).sum(1)))


def made_up(curve: dict[str, list[float]], full: dict[str, float]) -> dict[str, float]:
    frame = pd.DataFrame({"labels": [10.0, 20.0, 30.0], "query.count": [10, 10, np.nan], **curve})
    return measure(Trace("r", frame, full, 100, "r2"), metaal.Prices(label=0, point=1))


def test_measures_of_a_regression_are_of_r2() -> None:
    got = made_up({"r2": [-0.2, 0.4, 0.6], "rmse": [9.0, 5.0, 3.0]}, {"r2": 0.5})
    assert got["aulc"] == pytest.approx(0.3)
    assert got["aulc.rmse"] == pytest.approx(5.5)
    assert got["labels.to.90"] == pytest.approx(22.5)
    assert got["utility"] == pytest.approx(100 * (0.3 + 0.2) * 2)
    assert "aulc.log_loss" not in got
    hopeless = made_up({"r2": [-0.5, -0.4, -0.1], "rmse": [9.0, 9.0, 9.0]}, {"r2": -0.2})
    assert np.isnan(hopeless["labels.to.90"])
    assert np.isnan(made_up({"r2": [0.1, 0.2, 0.3], "rmse": [9.0, 9.0, 9.0]}, {})["full"])
