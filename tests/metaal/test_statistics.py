"""The dictionary of statistics: whole, in words that people can use, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import metaal
from metaal.statistics import FACTS, OPEN, STATISTICS, describe, dictionary
from metadata_store import open_store
from tests.metaal.calling import call


def test_every_name_that_a_run_logs_is_in_the_dictionary() -> None:
    store = open_store("memory:")
    rng = np.random.default_rng(0)
    with metaal.Run("r", policy="margin", seed=0, tags={"learner": "svm"}, budget=9, store=store) as run:
        proba, space = rng.dirichlet([1, 1, 1], 30), rng.normal(size=(30, 4))
        given = {"committee": rng.dirichlet([1, 1, 1], (5, 30)), "prediction": rng.normal(size=30)}
        query = run.ask(4, ids=range(30), proba=proba, embedding=space, seen_embedding=space[:2], **given)
        run.skip(query.ids[:1])
        run.tell([0, 1, 2], seconds={"fit": 1, "score": 1, "label": 1}, score={"value": 0.5, "f1": 0.1}, mine=0.5)
        run.change(query.ids[1:2], [2])
        run.withdraw(query.ids[1:2])
        run.report({"test": 0.5})
        run.end()
    logged = set(store.frame().columns)
    assert {"run.seed", "tag.learner", "action.stop", "user.mine", "score.f1", "report.test"} <= logged
    for name in logged:
        entry = describe(name)
        assert entry.name == name
        assert entry.unit
        assert entry.meaning
    closed = {name for name in logged if not name.startswith(tuple(OPEN))}
    assert closed <= {*STATISTICS, *FACTS}
    assert set(FACTS) <= logged


def test_every_entry_has_a_unit_a_range_and_a_meaning() -> None:
    assert not set(STATISTICS) & set(FACTS)
    for name, entry in {**STATISTICS, **FACTS}.items():
        assert entry.name == name
        assert entry.unit
        assert entry.meaning
        assert entry.cost
        assert (entry.range == "") == (entry.unit in ("text", "truth"))
        assert entry.low is None or entry.high is None or entry.low < entry.high
    assert {entry.unit for entry in STATISTICS.values()}.isdisjoint({"text", "truth"})


def test_ranges_are_told_in_words() -> None:
    assert describe("labels.share").range == "0 to 1"
    assert describe("surprise.gap.batch").range == "-1 to 1"
    assert describe("space.dimension").range == "0 or more"
    assert describe("decision.advantage").range == "any"
    assert describe("action.name").range == ""


def test_an_unknown_statistic_is_refused_with_the_nearest_names_unless_it_is_the_users() -> None:
    assert describe("user.anything.at_all").meaning == "added by the user"
    with pytest.raises(metaal.InputError, match=r"did you mean 'labels\.share'.*such as user\.label\.share"):
        describe("label.share")
    for name in ("user", "user.", "", "users.x"):
        with pytest.raises(metaal.InputError, match="no statistic is called"):
            describe(name)


def test_globs_choose_from_the_dictionary() -> None:
    assert [entry.name for entry in dictionary("pool.margin.q?5")] == [
        f"pool.margin.q{q}" for q in ("05", "25", "75", "95")
    ]
    assert [entry.name for entry in dictionary("*.seed")] == ["run.seed"]
    assert [entry.name for entry in dictionary()] == [*STATISTICS, *FACTS]
    assert [entry.name for entry in dictionary("user.f1")] == ["user.f1"]
    with pytest.raises(metaal.InputError, match=r"no statistic matches 'poool\.\*'"):
        dictionary("poool.*")


def test_the_command_prints_the_dictionary_as_a_table_and_as_json(tmp_path: Path) -> None:
    table = call("statistics", "churn.*", cwd=tmp_path).stdout
    assert "Cohen's kappa" in table
    assert "-1 to 1" in table
    assert "pool.size" not in table
    whole = call("statistics", cwd=tmp_path).stdout
    assert all(name in whole for name in (*STATISTICS, *FACTS, *OPEN))
    (entry,) = json.loads(call("statistics", "labels.share", "--json", cwd=tmp_path).stdout)
    assert entry == {
        "name": "labels.share",
        "unit": "1",
        "low": 0,
        "high": 1,
        "meaning": "labels.count over labels.count + pool.size",
        "cost": "1",
    }
    wrong = call("statistics", "pool.sise", cwd=tmp_path, code=1)
    assert "did you mean 'pool.size'" in wrong.stderr
