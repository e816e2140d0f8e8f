"""The report as a reader gets it: whole, honest about what is not known, and safe to open."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reported import made

import metaal
from metaal.report import write_report
from metaal.reporting.page import page

VOID = {"meta", "link", "line", "circle", "path", "br"}
SECTIONS = ["curves", "targets", "ranks", "front", "business", "timeline", "runs", "calibration", "losses", "method"]


class Reader(HTMLParser):
    """Collects what a browser would build, and complains where tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.tags: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("href", "src") and value:
                self.links.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def words(html: str) -> str:
    """What is read: without scripts and styles, all kinds of space alike."""
    return re.sub(r"\s+", " ", " ".join(read(html).text))


def numbers(html: str) -> dict[str, Any]:
    """What the charts are drawn from."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.fixture(scope="module")
def usual() -> str:
    return page(made())


def test_one_file_with_every_section_in_order_and_no_address_outside(usual: str) -> None:
    reader = read(usual)
    assert [name for name in reader.ids if name != "data"] == SECTIONS
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.links) == {"data:,", *(f"#{name}" for name in SECTIONS)}
    assert reader.tags["script"] == 3
    assert reader.tags["link"] == 1
    assert "@import" not in usual[: usual.index("</style>")]


def test_the_answer_comes_first_and_gives_the_numbers_of_the_result(usual: str) -> None:
    result = made()
    text = words(usual)
    row: Any = result.against().loc["random"]
    assert text.index("learned is better than margin") < text.index("Learning curves")
    shown = f"+{row['difference']:.2f} (+{row['low']:.2f} to +{row['high']:.2f}) better"
    assert shown in text
    assert f"{100 * result.table().loc['learned', 'aulc']:.2f} %" in text
    assert "28 paired runs on 14 tasks of 7 families" in text


def test_the_report_is_the_same_every_time(usual: str) -> None:
    assert page(made()) == usual


def test_the_judged_policy_can_be_chosen() -> None:
    text = words(page(made(), main="random"))
    assert "random is worse than learned" in text
    with pytest.raises(metaal.MetaalError, match="no policy 'nobody'"):
        page(made(), main="nobody")


def test_the_file_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    path = write_report(made(["a"], families=1), tmp_path / "new" / "report.html")
    assert path == tmp_path / "new" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_single_policy_is_not_compared_with_anybody() -> None:
    html = page(made(["margin"], families=2))
    text = words(html)
    assert "there is no rival to compare it with" in text
    assert "There is no rival to lose to" in text
    assert "better than" not in text.replace("better than random", "")
    assert "ranks" not in read(html).ids


def test_few_runs_do_not_make_a_verdict() -> None:
    text = words(page(made(["a", "b"], families=1, learners=1, regimes=("clean",), seeds=4, lead=0.1)))
    assert "4 paired runs are too few to tell a from b; it takes at least 6." in text
    assert "speak of these data sets alone" in text
    assert "A critical-difference diagram needs two families or more" in text


def test_more_rivals_need_more_families_for_a_verdict() -> None:
    """Six families can tell one rival (p = .031), and not two (Holm: p = .0625), however large the difference."""
    one, two = (words(page(made(names, families=6, lead=0.1))) for names in (["a", "b"], ["a", "b", "c"]))
    assert "a is better than b" in one
    assert "6 families are too few to tell a from b and c; it takes at least 7." in two


def test_where_it_is_surely_worse_is_said_first() -> None:
    text = words(page(made(["a", "b"], lead=-0.05)))
    assert "a is worse than b" in text
    assert "Against the strongest rival, b (highest mean AULC), a was behind on 14 of 14 tasks" in text
    assert re.search(r"That is certain .* for regime (clean|noise\(rate=0.3\)) \(−\d.\d\d\) and regime", text)
    assert text.index("The largest losses") < text.index("Where it gains")


def test_policies_that_hardly_differ_are_not_called_better() -> None:
    text = words(page(made(["a", "b"], lead=0.0)))
    assert re.search(r"a is (not distinguishable from|practically the same as) b", text)
    assert "In no regime, learner or batch is that certain" in text


def test_a_regression_is_never_said_to_have_an_accuracy() -> None:
    html = page(made(["greedy_x", "random"], kind="regression"))
    text = words(html)
    assert "accuracy" not in text
    assert "R²" in text
    assert "hundredths of R²" in text
    assert [score["name"] for score in numbers(html)["curves"]["scores"]] == ["r2", "rmse"]
    assert " pp" not in text


def test_without_the_full_data_score_nothing_is_said_to_be_not_reached() -> None:
    text = words(page(made(full=0.0)))
    assert "no target to reach" in text
    assert "not reached" not in text.replace("“Not reached” is no nought", "").lower()


def test_a_target_that_nobody_reaches_is_said_so() -> None:
    text = words(page(made(full=2.0)))
    assert "No run of any policy reached 90 %, 95 % and 98 %" in text
    assert "learned did not reach 90 % of the accuracy" in text
    assert "and no other policy did" in text


def test_failed_and_leaking_cells_are_named_and_take_part_in_nothing() -> None:
    result = made(families=8, failing=[("margin", 1)], leaking=["learned"])
    html = page(result)
    text = words(html)
    assert len(result.errors) == 2
    assert "2 runs of 96 failed" in text
    assert "the learner gave up" in text
    assert "Traceback: gave up" in text
    assert "learned was trained on families of 4 runs here" in text
    assert {"errors", "leaks"} <= set(read(html).ids)
    assert {line["family"] for line in numbers(html)["curves"]["lines"]} == {f"family{k}" for k in range(1, 8)}
    assert all(run["data"] != "set0" for run in numbers(html)["runs"]["runs"])
    assert "28 paired runs on 14 tasks of 7 families" in text


def test_a_result_without_a_whole_cell_still_has_a_report() -> None:
    result = made(["a", "b"], families=1, learners=1, regimes=("clean",), seeds=1, failing=[("b", 0)])
    html = page(result)
    assert "No cell was finished by every policy" in words(html)
    assert "plotly" not in html
    assert read(html).ids == ["errors", "method"]


def test_names_cannot_reach_the_script_or_the_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)>'\"&"
    html = page(made([evil, "margin"], families=2))
    reader = read(html)
    assert reader.tags["img"] == 0
    assert reader.tags["script"] == 3
    assert numbers(html)["policies"][0] == evil
    assert evil in "".join(reader.text)


def test_runs_without_series_say_so_and_have_no_calibration() -> None:
    html = page(made(series=False))
    assert "without the series" not in words(page(made(families=1)))
    assert "calibration" not in read(html).ids
    assert "calibration" not in numbers(html)
    assert "read back without the series that the policy was shown" in words(html)
    assert all(not name.startswith("pool.") for name in numbers(html)["runs"]["about"])


def test_the_numbers_of_the_charts_are_finite_or_null(usual: str) -> None:
    """json.loads accepts NaN, which no browser does."""
    data = re.search(r'id="data">(.*?)</script>', usual, re.DOTALL)
    assert data is not None
    assert not re.search(r"[:,\[](NaN|-?Infinity)", data[1])
    assert np.isfinite(numbers(usual)["curves"]["t"]).all()


def test_a_real_evaluation_of_both_kinds_is_reported(tmp_path: Path) -> None:
    tasks = [
        metaal.Task("diabetes", "ridge", batch=5, budget=15),
        metaal.Task("iris", "logistic", batch=4, budget=8),
    ]
    result = metaal.evaluate({"r": "random", "x": "greedy_x"}, tasks, range(2), jobs=1, progress=False)
    html = result.report(tmp_path / "r.html").read_text(encoding="utf-8")
    text = words(html)
    assert "main score (accuracy; R² in regressions)" in text
    lines = {line["data"]: set(line["scores"]) for line in numbers(html)["curves"]["lines"]}
    assert lines == {"diabetes": {"r2", "rmse"}, "iris": {"accuracy", "balanced_accuracy", "log_loss"}}


@pytest.mark.slow
def test_twelve_policies_on_sixty_families_stay_below_eight_megabytes() -> None:
    names = ["learned", *(f"rival {k}" for k in range(11))]
    html = page(made(names, families=60, learners=2, seeds=3, loops=15, lead=0.003))
    assert len(html.encode()) < 8e6
    assert "Curves are thinned to" in words(html)
    assert "runs are here, to keep this file small" in words(html)
