"""The page of regimes and learners says what the code does, names everything that is registered, and runs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaal.errors import TaskError
from metaal.rehearsal import LEARNERS, REGIMES, make_learner, read_regime
from metaal.rehearsal.listing import list_learners, list_regimes, list_suites, sentence
from metaal.rehearsal.sealed import Sealed
from metaal.rehearsal.suitefile import SUITES
from metaal.rehearsal.testing_regimes import SEEDS, make_layout
from tests.metaal.calling import call

PAGE = (Path(__file__).parents[2] / "docs" / "regimes.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL),
)


def rows_of(text: str) -> list[list[str]]:
    """Cells of the first table in a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_regime_has_its_section_and_no_other_does() -> None:
    assert list(SECTIONS) == list(REGIMES)


@pytest.mark.parametrize("name", REGIMES)
def test_a_section_has_the_parameters_with_their_defaults_an_example_and_a_source(name: str) -> None:
    text = SECTIONS[name]
    expected = [
        [f"`{field.name}`", "" if field.default is MISSING else f"`{field.default!r}`"]
        for field in fields(REGIMES[name])
    ]
    table = rows_of(text)
    assert [row[:2] for row in table] == expected
    assert all(len(row) == 4 and row[2] and row[3] for row in table)
    assert sentence(REGIMES[name]).split(":")[0].split(";")[0].rstrip(".") in " ".join(text.split())
    (example,) = re.findall(r"^Example: `([^`]+)`", text, re.MULTILINE)
    assert read_regime(example).spelling == example
    assert read_regime(example).changes[0].name == name
    (source,) = re.findall(r"^Source: (.*?)(?:\n\n|\Z)", text.strip(), re.MULTILINE | re.DOTALL)
    assert re.search(r"\b(19|20)\d\d\b", source)


def bounds(text: str) -> list[tuple[float, bool]]:
    """Numbers at the ends of a range in words, with whether they are allowed."""
    if text.startswith("whole, ≥"):
        low = float(text.split("≥")[1])
        return [(low, True), (low - 1, False)]
    found = re.fullmatch(r"(above )?([\d.]+),? to ([\d.]+)", text)
    if found is None:
        return []
    low, high = float(found[2]), float(found[3])
    return [(low, found[1] is None), (low - 0.01, False), (high, True), (high + 0.01, False)]


@pytest.mark.parametrize("name", REGIMES)
def test_the_ranges_on_the_page_are_those_that_are_checked(name: str) -> None:
    (example,) = re.findall(r"^Example: `([^`]+)`", SECTIONS[name], re.MULTILINE)
    change = read_regime(example).changes[0]
    checked = 0
    for parameter, _, span, _ in rows_of(SECTIONS[name]):
        for value, allowed in bounds(span):
            given = {**change.parameters, parameter.strip("`"): int(value) if "whole" in span else value}
            if allowed:
                type(change)(**given)
            else:
                with pytest.raises(TaskError, match=parameter.strip("`")):
                    type(change)(**given)
            checked += 1
    assert checked >= 2


EFFECTS = {row[0].strip("`"): row[1:] for row in rows_of(PAGE.split("## The regimes")[0])}


def effects(name: str) -> list[bool]:
    """What the example of a regime changes in a layout: in the order of the columns of the page."""
    (example,) = re.findall(r"^Example: `([^`]+)`", SECTIONS[name], re.MULTILINE)
    regime, before = read_regime(example), make_layout(classes=5)
    after = regime.apply(before, seeds=SEEDS, name="data")
    size = len(before.pool_y)
    rows = {tuple(row) for row in before.pool_x.tolist()}
    labels = after.oracle.tell(np.arange(len(after.pool_y)), 1000)
    try:
        regime.apply(make_layout("regression"), seeds=SEEDS, name="data")
        numbers = True
    except TaskError:
        numbers = False
    return [
        len(after.pool_y) != size or not np.array_equal(after.pool_y, before.pool_y),
        after.pool_x.shape[1] != 3 or any(tuple(row) not in rows for row in after.pool_x.tolist()),
        not np.array_equal(labels, after.pool_y),
        after.start != before.start,
        after.schedule != before.schedule,
        numbers,
    ]


@pytest.mark.parametrize("name", REGIMES)
def test_what_the_page_says_is_changed_is_changed_and_nothing_else(name: str) -> None:
    assert [cell == "yes" for cell in EFFECTS[name]] == effects(name)


def test_the_scores_are_measured_against_the_truth_under_every_regime() -> None:
    for name in REGIMES:
        (example,) = re.findall(r"^Example: `([^`]+)`", SECTIONS[name], re.MULTILINE)
        before = make_layout(classes=5)
        after = read_regime(example).apply(before, seeds=SEEDS, name="data")
        assert after.guide_y is before.guide_y
        assert isinstance(after.test_y, Sealed)
        np.testing.assert_array_equal(after.test_y.open(), before.test_y.open())


LEARNER_ROWS = {row[0].strip("`"): row[1:] for row in rows_of(PAGE.split("## The learners")[1].split("## Your own")[0])}


def test_every_learner_is_in_the_table_and_no_other_is() -> None:
    assert set(LEARNER_ROWS) == set(LEARNERS)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_has_the_parameters_that_the_page_says(name: str) -> None:
    kind, estimator, parameters, why = LEARNER_ROWS[name]
    model = make_learner(name, 0)
    assert kind == LEARNERS[name].kind
    assert estimator.strip("`") == type(model).__name__
    found = re.findall(r"`(\w+)=([^`]+)`", parameters)
    assert found
    for key, text in found:
        assert model.get_params()[key] == ast.literal_eval(text), key
    assert len(why) > 10
    seeded = "random_state" in model.get_params() and name != "logistic" and name != "ridge"
    assert ("Deterministic" in why) == (not seeded or name == "gaussian_process")


def test_the_page_runs_as_printed_and_what_it_adds_keeps_the_contracts(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"# (wine~.*)$", blocks[0], re.MULTILINE)
    assert said[0] in done.stdout
    assert "iris~stump~b3~blur(width=0.2)+cold_start [3.0, 6.0, 9.0, 12.0]" in done.stdout


def test_the_entry_points_of_the_page_are_the_groups_of_the_code() -> None:
    from metaal.rehearsal.learners import registry
    from metaal.rehearsal.regimes import changes
    from metaal.rehearsal.sources import loading

    groups = re.findall(r'entry-points\."([\w.]+)"', PAGE)
    assert groups == [registry.GROUP, changes.GROUP, loading.GROUP]


# ------------------------------------------------------------- the same names on the command line


def test_the_list_names_everything_with_a_line_each(tmp_path: Path) -> None:
    found = json.loads(call("rehearse", "--list", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in found["suites"]] == list(SUITES)
    assert {row["name"]: row["kind"] for row in found["learners"]} == {k: v.kind for k, v in LEARNERS.items()}
    assert [row["name"] for row in found["regimes"]] == list(REGIMES)
    every: list[Any] = [*found["suites"], *found["learners"], *found["regimes"]]
    assert all(row["summary"].endswith(".") and "\n" not in row["summary"] for row in every)
    assert (found["suites"], found["learners"]) == (list_suites(), list_learners())
    assert found["regimes"] == list_regimes()
    shown = call("rehearse", "--list", cwd=tmp_path).stdout
    assert all(re.search(rf"^{row['name']} ", shown, re.MULTILINE) for row in every)
    assert "rate, kind='uniform', after=100" in shown


def test_the_help_names_every_learner_and_regime() -> None:
    """Written down in the command, since looking them up would import what they are made of."""
    from metaal.cli.rehearsing import rehearse

    said = rehearse.__doc__ or ""
    of_learners, of_regimes = said.split("Learners:")[1].split("Regimes")[0], said.split("Regimes, joined by +:")[1]
    named = set(re.findall(r"\w+", of_learners)) - {"of", "numbers"}
    assert named == set(LEARNERS)
    assert re.findall(r"\w+", of_regimes.split(".")[0]) == list(REGIMES)
