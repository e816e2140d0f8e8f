"""The page's script, run without a browser: what it draws is what the result says."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from py_mini_racer import MiniRacer
from reported import made
from test_report import numbers, read

from metaal.reporting.page import page
from metaal.result import Result

NAMES = ("learned", "margin", "random")


class Page:
    """A report whose script has run."""

    def __init__(self, html: str) -> None:
        self.data = numbers(html)
        stub = Path(__file__).with_name("page_stub.js").read_text(encoding="utf-8")
        script = (resources.files("metaal.reporting") / "page.js").read_text(encoding="utf-8")
        self.engine = MiniRacer()
        self.engine.eval(f"const SECTIONS = {json.dumps(read(html).ids)}, DATA = {json.dumps(json.dumps(self.data))};")
        self.engine.eval(stub)
        self.engine.eval(script)

    def ask(self, expression: str) -> Any:
        """The value of an expression, as JSON carries it."""
        return json.loads(str(self.engine.eval(f"JSON.stringify({expression})")))

    def drawn(self, section: str) -> dict[str, Any]:
        """What the section's chart was last given."""
        return dict(self.ask(f"drawn['{section} .chart'] || null"))

    def lines(self, section: str) -> dict[str, Any]:
        """Its named lines."""
        return {trace["name"]: trace for trace in self.drawn(section)["traces"] if "name" in trace}

    def choose(self, section: str, title: str, value: str, part: str = ".controls") -> None:
        """As a reader would."""
        self.engine.eval(f"choose({json.dumps(section)}, {json.dumps(title)}, {json.dumps(value)}, {json.dumps(part)})")


RESULT = made(learners=2)


@pytest.fixture(scope="module")
def html() -> str:
    return page(RESULT)


@pytest.fixture
def seen(html: str) -> Page:
    return Page(html)


def family_curves(result: Result, policy: str, points: int) -> np.ndarray:
    """Mean curve of every family, f8[families, points], from the traces alone."""
    out: dict[str, list[np.ndarray]] = {}
    for task in result.tasks:
        rows = result.good[(result.good["task"] == task) & (result.good["policy"] == policy)]
        curves = [result.traces[policy, stream].curve for stream in rows["stream"]]
        grid = np.linspace(curves[0]["labels"].iloc[0], curves[0]["labels"].iloc[-1], points)
        mean = np.mean([np.interp(grid, c["labels"], c["accuracy"]) for c in curves], axis=0)
        out.setdefault(str(rows["family"].iloc[0]), []).append(mean)
    return np.array([np.mean(curves, axis=0) for curves in out.values()])


def test_every_chart_is_drawn(seen: Page) -> None:
    for section in ("curves", "front", "timeline", "runs", "calibration"):
        assert seen.drawn(section)["traces"], section
    assert set(seen.lines("curves")) == set(NAMES)


def test_the_mean_over_all_tasks_is_over_families_with_their_interval(seen: Page) -> None:
    points = seen.data["curves"]["points"]
    bands = [trace for trace in seen.drawn("curves")["traces"] if trace.get("fill")]
    assert len(bands) == 3
    for name in NAMES:
        each = 100 * family_curves(RESULT, name, points)
        np.testing.assert_allclose(seen.lines("curves")[name]["y"], each.mean(0), atol=0.011)
    each = 100 * family_curves(RESULT, "learned", points)
    half = 2.446912 * each.std(0, ddof=1) / np.sqrt(7)  # t of 6 degrees of freedom
    np.testing.assert_allclose(bands[-1]["y"][:points], each.mean(0) + half, atol=0.02)


def test_differences_are_paired_by_family(seen: Page) -> None:
    seen.choose("curves", "shown", "2")
    points = seen.data["curves"]["points"]
    delta = 100 * (family_curves(RESULT, "learned", points) - family_curves(RESULT, "random", points))
    np.testing.assert_allclose(seen.lines("curves")["learned"]["y"], delta.mean(0), atol=0.02)
    assert set(seen.lines("curves")["random"]["y"]) == {0}
    assert "difference in accuracy, pp" in seen.drawn("curves")["layout"]["yaxis"]["title"]["text"]


def test_one_task_is_drawn_over_its_labels(seen: Page) -> None:
    for title, value in (("data set", "set3"), ("learner", "logistic"), ("regime", "clean")):
        seen.choose("curves", title, value)
    found = RESULT.curves("set3~logistic~b5", points=seen.data["curves"]["points"])
    rows = found[found["policy"] == "margin"]
    line = seen.lines("curves")["margin"]
    np.testing.assert_allclose(line["x"], rows["labels"], atol=0.01)
    np.testing.assert_allclose(line["y"], 100 * rows["mean"], atol=0.011)
    note = seen.ask("sections.curves.querySelector('.said').textContent")
    assert note.startswith("set3 · logistic · clean, batches of 5, 2 seeds.")


def test_of_few_families_the_band_speaks_of_their_seeds_alone() -> None:
    seen = Page(page(made(families=2, regimes=("clean",))))
    assert "of other data it says nothing" in seen.ask("sections.curves.querySelector('.said').textContent")
    lines = seen.data["curves"]["lines"]
    half = np.hypot(*(np.array(line["scores"]["accuracy"][0][1]) for line in lines)) / 2 / 100
    band = [trace for trace in seen.drawn("curves")["traces"] if trace.get("fill")][-1]
    mean = np.array(seen.lines("curves")["learned"]["y"])
    np.testing.assert_allclose(band["y"][: len(mean)], mean + half, atol=0.011)


def test_no_band_leaves_the_range_of_a_share() -> None:
    """Two seeds make a wide interval; accuracy still ends at 100 %."""
    seen = Page(page(made(families=1, regimes=("clean",), lead=-0.2)))
    ends = [value for trace in seen.drawn("curves")["traces"] if trace.get("fill") for value in trace["y"]]
    assert max(ends) == 100
    assert min(ends) >= 0


def test_a_score_in_the_targets_unit_is_not_averaged_over_data_sets() -> None:
    seen = Page(page(made(["a", "b"], kind="regression", families=2, regimes=("clean",))))
    seen.choose("curves", "score", "rmse")
    assert seen.ask("drawn['curves .chart'] || null") is None
    assert "choose one" in seen.ask("sections.curves.querySelector('.said').textContent")
    seen.choose("curves", "data set", "set1")
    assert max(seen.lines("curves")["a"]["y"]) > 20


def test_a_policy_can_be_hidden(seen: Page) -> None:
    seen.engine.eval("sections.curves.querySelector('.chips').children[1].fire('click')")
    assert set(seen.lines("curves")) == {"learned", "random"}


def test_policies_that_did_not_reach_the_target_are_named_and_not_drawn() -> None:
    seen = Page(page(made(full=2.0)))
    assert seen.drawn("front")["layout"]["yaxis"]["title"]["text"] == "AULC, accuracy, %"
    seen.choose("front", "up", "compression.95")
    assert seen.ask("drawn['front .chart'] || null") is None
    said = seen.ask("sections.front.querySelector('.said').textContent")
    assert all(name in said for name in NAMES)


def test_a_chosen_run_shows_its_actions_series_and_reasons(seen: Page) -> None:
    seen.choose("runs", "policy", "random")
    seen.choose("runs", "task", "set2~extra_trees~b5")
    seen.choose("runs", "seed", "s1")
    frame = RESULT.traces["random", "set2~extra_trees~b5~s1"].curve
    line = seen.lines("runs")["test"]
    np.testing.assert_allclose(line["y"], 100 * frame["accuracy"], atol=0.01)
    assert len(seen.drawn("runs")["layout"]["shapes"]) == len(frame) - 1
    reasons = seen.ask("sections.runs.querySelector('tbody').children.map(row => row.children.at(-1).textContent)")
    assert reasons == list(frame["decision.reason"][:-1])
    seen.choose("runs", "series", "churn", ".controls.more")
    names = seen.ask("sections.runs.querySelector('.multiples').children.map(f => f.children[0].textContent)")
    assert names == ["churn.label"]


def test_names_are_never_markup_in_a_chart() -> None:
    """Plotly reads some tags in names and hover texts."""
    seen = Page(page(made(["<b>bold</b>", "a&b"])))
    assert set(seen.lines("curves")) == {"&lt;b>bold&lt;/b>", "a&amp;b"}
