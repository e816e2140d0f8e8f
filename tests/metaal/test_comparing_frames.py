"""Which runs count, and how seeds, tasks and families are averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metaal.comparing import family_means, task_means
from metaal.errors import InputError
from tests.metaal.compared import runs_of


def test_seeds_are_averaged_first_then_tasks_then_families() -> None:
    runs = runs_of({"a": [[0.1, 0.3], [0.5, 0.7], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.9, 0.9]]}, tasks=3)
    extra = runs[runs["task"] == "f0~t0"].assign(stream="f0~t0~s9", aulc=0.2)  # more seeds of one task weigh nothing
    table = family_means(pd.concat([runs, extra]))
    assert table["a"].to_dict() == pytest.approx({"f0": (0.2 + 0.6 + 1) / 3, "f1": 0.3})


def test_order_of_policies_and_families_is_that_of_the_runs() -> None:
    runs = runs_of({"z": [[0.1], [0.2]], "a": [[0.3], [0.4]]})
    table = family_means(runs.iloc[::-1])
    assert list(table) == ["a", "z"]
    assert list(table.index) == ["f1", "f0"]


def test_a_policy_without_runs_in_a_family_is_not_a_number_there() -> None:
    runs = runs_of({"a": [[0.1], [0.2]], "b": [[0.3], [0.4]]})
    table = family_means(runs[~((runs["policy"] == "b") & (runs["family"] == "f1"))])
    assert np.isnan(table.loc["f1", "b"])
    assert int(table.isna().to_numpy().sum()) == 1


def test_failed_and_leaking_runs_do_not_count() -> None:
    for leak in ([False, True], [np.nan, True], [None, True]):
        runs = runs_of({"a": [[0.1, 0.5]]}).assign(leak=leak)
        assert float(family_means(runs)["a"].iloc[0]) == 0.1
    runs = runs_of({"a": [[0.1, 0.5]]}).assign(error=["broken", ""])
    assert float(family_means(runs)["a"].iloc[0]) == 0.5


def test_tables_without_family_or_regime_are_taken() -> None:
    runs = runs_of({"a": [[0.1], [0.2]]}).drop(columns=["family", "data"])
    assert list(family_means(runs).index) == ["f0~t0", "f1~t0"]
    assert task_means(runs, "aulc").index.get_level_values("regime").unique().to_list() == ["clean"]


def test_a_score_that_a_kind_of_task_does_not_have_leaves_its_tasks_out() -> None:
    runs = runs_of({"a": [[0.1], [0.2]], "b": [[0.1], [0.3]]})
    runs["aulc.rmse"] = np.where(runs["task"] == "f0~t0", np.nan, 2.0)
    assert list(family_means(runs, "aulc.rmse").index) == ["f1"]


def test_what_cannot_be_averaged_is_refused() -> None:
    runs = runs_of({"a": [[10.0, np.nan]], "b": [[10.0, 20.0]]}, score="labels.to.90")
    with pytest.raises(InputError, match=r"1 runs have no labels\.to\.90"):
        family_means(runs, "labels.to.90")
    all_missed = runs.assign(**{"labels.to.90": np.nan})
    with pytest.raises(InputError, match="not reached"):
        family_means(all_missed, "labels.to.90")
    with pytest.raises(InputError, match=r"expected one of labels\.to\.90"):
        family_means(runs, "aulc")
    with pytest.raises(InputError, match="expected one of"):
        family_means(runs, "seed")
    with pytest.raises(InputError, match="no column 'stream'"):
        family_means(runs.drop(columns="stream").assign(aulc=1.0), "aulc")
    with pytest.raises(InputError, match="no finished run"):
        family_means(runs.assign(aulc=np.nan), "aulc")
