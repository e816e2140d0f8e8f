"""Seconds predicted from declared costs, by the shipped calibration."""

import json
from typing import Any

import pytest

import strategy_zoo
from strategy_zoo import get, timing
from strategy_zoo.timing import seconds

SIZES = {"U": 100_000, "L": 100, "C": 10, "D": 32, "n": 100}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    made = {
        "machine_seconds": 0.02,
        "typical": [0.5, 1e-9],
        "strategies": {"margin": [1e-3, 2e-9], "random": [0, 1e-9]},
    }
    monkeypatch.setattr(timing, "_table", lambda: made)
    return made


@pytest.mark.usefixtures("table")
def test_seconds_are_the_start_up_and_the_operations() -> None:
    assert seconds("margin", **SIZES) == pytest.approx(1e-3 + 2e-9 * get("margin").cost(**SIZES))
    assert seconds("entropy", **SIZES) == pytest.approx(0.5 + 1e-9 * get("entropy").cost(**SIZES))
    assert seconds("margin", **SIZES, speed=0.06) == pytest.approx(3 * seconds("margin", **SIZES))


@pytest.mark.usefixtures("table")
def test_the_parts_of_a_composition_count_by_their_own_factors() -> None:
    mixed = seconds("mix(margin=0.5, random=0.5)", **SIZES)
    assert mixed == pytest.approx(seconds("margin", **SIZES) + seconds("random", **SIZES))
    narrowed = seconds("narrow(margin, random, factor=20)", **SIZES)
    parts = seconds("margin", **SIZES | {"n": 2_000}) + seconds("random", **SIZES | {"U": 2_000})
    assert parts < narrowed < parts + 2_000 * (10 + 32) * 1.1e-9
    deep = seconds("mix(narrow(margin, random), margin, weights=(0.5, 0.5))", **SIZES)
    assert deep == pytest.approx(seconds("narrow(margin, random)", **SIZES) + seconds("margin", **SIZES))


def test_the_shipped_calibration_knows_every_strategy_that_is_no_composition() -> None:
    shipped = json.loads(timing.FILE.read_text())
    assert shipped["machine_seconds"] > 0
    single = {row["name"] for row in strategy_zoo.catalogue() if row["example"] == row["name"]}
    assert single <= set(shipped["strategies"])
    assert all(startup >= 0 and unit > 0 for startup, unit in shipped["strategies"].values())


def test_a_function_has_a_prediction_too() -> None:
    assert seconds(lambda view, n, rng: range(n), U=1000) > 0
