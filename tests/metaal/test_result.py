"""A result as a whole: which cells count, every table, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal import Task, evaluate
from metaal.comparing.tables import TITLES
from metaal.errors import InputError
from metadata_store import MemoryStore
from tests.metaal.compared import result_of, trace_of

TABLES = set(TITLES) - {"errors", "leaks"}


def noisy(seed: int = 0, tasks: int = 7, seeds: int = 2, **more: Any) -> metaal.Result:
    """A result of three policies on seven families."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0.4, 0.6, tasks), seeds)
    curves = {}
    for name, gain in (("new", 0.30), ("margin", 0.28), ("random", 0.2)):
        curves[name] = [
            trace_of([10, 20, 30, 40], base + gain * np.array([0, 0.5, 0.8, 1]) + rng.normal(0, 0.01, 4), full=0.9)
            for base in level
        ]
    return result_of(curves, seeds=seeds, spellings={"new": "schedule(('margin', 0),)"}, **more)


def test_every_table_of_a_whole_result_is_there() -> None:
    found, lacking = noisy().tables()
    assert set(found) == TABLES
    assert lacking == {}
    assert all(len(table) for table in found.values())


def test_two_results_of_the_same_runs_give_the_same_tables() -> None:
    one, other = noisy().tables()[0], noisy().tables()[0]
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name])


def test_the_order_in_which_runs_were_finished_changes_no_number() -> None:
    one, other = noisy(), noisy()
    other.runs = other.runs.sample(frac=1, random_state=1)
    tables, shuffled = one.tables()[0], other.tables()[0]
    for name in set(tables) - {"runs", "curves"}:
        left, right = tables[name], shuffled[name]
        if name == "regret":
            left, right = (table.set_index(["policy", "against"]) for table in (left, right))
        right = right.reindex(index=left.index, columns=left.columns)
        pd.testing.assert_frame_equal(left, right, check_exact=False, rtol=1e-9)


def test_what_cannot_be_made_says_why() -> None:
    found, lacking = noisy(seeds=1).tables()
    assert "needs two or more" in lacking["gap"]
    assert "gap" not in found
    alone = noisy()
    alone.runs = alone.runs[alone.runs["policy"] == "margin"]
    alone.policies = {"margin": "margin"}
    found, lacking = alone.tables()
    assert {"versus", "wins", "gap", "regret"} <= set(lacking)
    assert {"table", "ranks", "curves"} <= set(found)


def test_static_strategies_are_told_from_policies() -> None:
    result = noisy()
    result.policies |= {"mixed": "mix(margin=0.7, random=0.3)", "big": "fixed('margin', multiplier=2.0)"}
    result.policies |= {"learned": "learned", "fitted": "fitted", "uniform": metaal.Uniform(("margin",)).spelling}
    assert result.fixed == ["margin", "random", "mixed", "big"]
    assert result.main == "new"


def test_baselines_are_found_by_what_they_do_and_not_by_their_names() -> None:
    result = result_of(
        {"mine": [trace_of([10, 20], [0.5, 0.9])], "m": [trace_of([10, 20], [0.5, 0.8])]},
        spellings={"mine": "uniform", "m": "margin"},
    )
    assert set(result.regret()["against"]) == {"m"}
    assert "payback against m" in result.business().index
    assert "payback against random" not in result.business().index


def test_comparisons_leave_out_cells_that_somebody_failed_or_leaked_in() -> None:
    result = noisy()
    result.runs["leak"] = False
    result.runs.loc[(result.runs["policy"] == "new") & (result.runs["task"] == "t0"), "leak"] = True
    result.runs.loc[(result.runs["policy"] == "random") & (result.runs["stream"] == "t1~s0"), "error"] = "broken"
    assert len(result.leaks) == 2
    assert set(result.good["task"]) == {f"t{k}" for k in range(1, 7)}
    assert "t1~s0" not in set(result.good["stream"])
    assert len(result.good) == 3 * (12 - 1)
    apart = result.leaking
    assert set(apart.good["task"]) == {"t0"}
    assert len(apart.leaks) == 0
    assert apart.table()["aulc"].notna().all()
    found, _ = result.tables()
    assert len(found["leaks"]) == 2
    assert len(found["errors"]) == 1
    assert "t0" not in set(found["curves"]["task"])


def test_nothing_is_compared_if_everything_leaks() -> None:
    result = noisy(leak=True)
    found, lacking = result.tables()
    assert set(found) == {"runs", "leaks"}
    assert "finished by every policy" in lacking["versus"]


def test_versus_counts_families_from_six_on_and_cells_on_demand() -> None:
    result = noisy()
    row: Any = result.versus("random").loc["new"]
    assert row["n"] == 7
    assert row["difference"] > 0
    cells: Any = result.versus("random", by="cells").loc["new"]
    assert cells["n"] == 14
    mirror: Any = result.against("random").loc["new"]
    assert mirror["difference"] == pytest.approx(-row["difference"])
    headline = result.headline()
    assert (headline.policy, headline.by) == ("new", "families")
    assert list(headline.table.index) == ["margin", "random"]
    with pytest.raises(InputError, match="no policy 'badge'"):
        result.versus("badge")


def test_ranks_wins_regret_gap_and_fronts_of_a_result() -> None:
    result = noisy(seeds=4)
    ranks = result.ranks()
    assert ranks.mean.index[-1] == "random"
    assert ranks.families == 7
    wins: Any = result.wins()
    assert wins.loc["random", "wins"] > wins.loc["margin", "wins"]
    assert wins.to_numpy().sum() == 14
    gap = result.gap()
    assert (gap.policy, gap.best_single) == ("new", "margin")
    assert gap.gain.low > 0
    assert result.pareto("seconds", "aulc").loc["new", "front"]
    loss = result.ranks("labels")
    assert loss.p == 1


def test_the_overview_has_every_target_and_the_means() -> None:
    table: Any = noisy().table()
    assert list(table.index) == ["new", "margin", "random"]
    for level in ("90", "95", "98"):
        assert (table[f"reached.{level}"] <= 1).all()
        assert f"labels.to.{level}" in table
    runs = noisy().runs
    assert table.loc["new", "aulc"] == pytest.approx(
        runs[runs["policy"] == "new"].groupby("task")["aulc"].mean().mean()
    )
    assert table.loc["new", "fits"] == 4
    assert table.loc["new", "seconds"] == 0


def test_curves_are_means_with_intervals_of_students_t() -> None:
    from scipy import stats

    result = noisy(seeds=3)
    table = result.curves("t2", points=4)
    new = table[table["policy"] == "new"]
    scores = np.stack([result.traces["new", f"t2~s{s}"].curve["accuracy"] for s in range(3)])
    assert new["mean"].to_numpy() == pytest.approx(scores.mean(0))
    low, high = stats.t.interval(0.95, 2, scores.mean(0), stats.sem(scores))
    assert new["low"].to_numpy() == pytest.approx(low)
    assert new["high"].to_numpy() == pytest.approx(high)
    with pytest.raises(InputError, match="no finished runs with curves of task 'no'; the tasks are t0, t1"):
        result.curves("no")
    with pytest.raises(InputError, match="no score 'recall'"):
        result.curves("t2", score="recall")


def test_markdown_is_made_of_whole_tables(tmp_path: Path) -> None:
    result = noisy(seeds=1)
    result.policies = {"new": result.policies["new"], "margin": "margin", "random": "random"}
    path = result.to_markdown(tmp_path / "deep" / "result.md")
    text = path.read_text(encoding="utf-8")
    assert "7 data-set families" in text
    assert f"{100 * result.table().loc['new', 'aulc']:.4g}" in text
    assert "## Work of a run" in text
    assert "Not given: gap closed" in text
    width = None
    for line in text.splitlines():
        width = None if not line.startswith("|") else width or line.replace("\\|", "").count("|")
        assert width is None or line.replace("\\|", "").count("|") == width
    for name, title in TITLES.items():
        assert (f"## {title}\n" in text) == (name not in ("curves", "runs", "families", "errors", "leaks"))


def test_markdown_survives_odd_names(tmp_path: Path) -> None:
    result = result_of(
        {"a|b<script>": [trace_of([10, 20], [0.5, 0.9])] * 2, "random": [trace_of([10, 20], [0.5, 0.8])] * 2}
    )
    text = result.to_markdown(tmp_path / "r.md").read_text(encoding="utf-8")
    assert "a\\|b&lt;script>" in text
    assert "<script" not in text


def test_tables_are_written_and_read_back(tmp_path: Path) -> None:
    result = noisy()
    result.runs["traceback"] = ""
    paths = result.to_csv(tmp_path / "csv"), result.to_parquet(tmp_path / "parquet")
    found, _ = result.tables()
    for form in paths:
        assert {path.stem for path in form} == set(found)
    for name, table in found.items():
        whole = table.reset_index() if table.index.name else table
        parquet = pd.read_parquet(tmp_path / "parquet" / f"{name}.parquet")
        assert list(parquet) == list(whole)
        csv = pd.read_csv(tmp_path / "csv" / f"{name}.csv")
        for column in whole.select_dtypes("number"):
            assert parquet[column].to_numpy() == pytest.approx(whole[column].to_numpy(), nan_ok=True)
            assert csv[column].to_numpy() == pytest.approx(whole[column].to_numpy(), nan_ok=True)
    assert "traceback" not in pd.read_csv(tmp_path / "csv" / "runs.csv")


def test_a_played_evaluation_has_every_table(tmp_path: Path) -> None:
    tasks = [Task("iris", "logistic", batch=4, budget=16), Task("wine", "naive_bayes", batch=4, budget=16)]
    policies = {"default": "default", "margin": "margin", "random": "random"}
    result = evaluate(policies, tasks, range(2), store=MemoryStore(), progress=False)
    found, lacking = result.tables()
    assert set(found) == TABLES - {"cells"}  # the headline is of cells already
    assert lacking == {}
    assert result.headline().by == "cells"
    assert (result.runs["fits"] == result.runs["rounds"] + 1).all()
    assert (result.runs["rows.scored"] > result.runs["labels.spent"]).all()
    assert result.fixed == ["margin", "random"]
    assert result.to_markdown(tmp_path / "r.md").stat().st_size > 2000
