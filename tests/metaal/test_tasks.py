"""Tasks: splits, encoding, what is shared between them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal import Seeds, Task
from metaal.rehearsal import Dataset, load_data
from metaal.rehearsal.encoding import encoder
from metaal.rehearsal.layout import Schedule, Start, Truth
from metaal.rehearsal.splitting import split_and_encoded


def frame(rows: int = 200) -> pd.DataFrame:
    """A column of every type that data come with, with gaps."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd")).astype({"b": np.float32})
    table["whole"] = pd.array(rng.integers(0, 9, rows), dtype="Int64")
    table["plain"] = rng.integers(0, 9, rows).astype(np.int32)
    table["text"] = rng.choice(["x", "y", "z"], rows)
    table["truth"] = rng.random(rows) < 0.5
    table["maybe"] = pd.array(np.where(rng.random(rows) < 0.3, None, True), dtype="boolean")
    table["kind"] = pd.Categorical(rng.choice(["u", "v"], rows))
    table["day"] = pd.date_range("2024-01-01", periods=rows)
    table.loc[::7, "a"] = np.nan
    table.loc[3, "c"] = 1e200
    table.loc[::9, ["whole", "text", "day"]] = None
    table["empty"] = np.nan
    return table


def reference(fitted_on: pd.DataFrame, values: pd.DataFrame) -> np.ndarray:
    """The encoding by its definition, column by column."""
    out = []
    for name in ["a", "b", "c", "d", "whole", "plain", "empty", "day"]:
        columns = []
        for table in (fitted_on, values):
            column = table[name]
            if name == "day":
                column = (pd.to_datetime(column) - pd.Timestamp(0)) / pd.Timedelta(days=1)
            number = column.astype("float64").to_numpy(dtype=float, na_value=np.nan)
            columns.append(np.where(np.abs(number) > 1e100, np.nan, number))
        middle = 0.0 if np.isnan(columns[0]).all() else np.nanmedian(columns[0])
        known, wanted = (np.where(np.isnan(column), middle, column) for column in columns)
        out.append((wanted - known.mean()) / (known.std() or 1.0))
    for name in ["text", "truth", "maybe", "kind"]:
        known, wanted = (
            t[name].astype("object").where(t[name].notna(), "missing").astype(str) for t in (fitted_on, values)
        )
        out += [(wanted == level).to_numpy(dtype=float) for level in sorted(set(known))]
    return np.column_stack(out)


def test_every_type_of_column_is_encoded_by_its_definition() -> None:
    table = frame()
    pool, rest = table.iloc[:120], table.iloc[120:]
    got, wanted = encoder(pool)(rest), reference(pool, rest)
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    assert got.flags.c_contiguous
    assert got.dtype == np.float64


def test_of_many_values_the_commonest_keep_a_column_and_the_others_share_one() -> None:
    names = [f"v{k:02}" for k in range(25)]
    table = pd.DataFrame({"many": np.repeat(names, np.arange(1, 26))})  # v00 once, v24 25 times
    out = encoder(table)(pd.DataFrame({"many": [*names, "never seen"]}))
    np.testing.assert_array_equal(out[6:25, :19], np.eye(19))
    rare = np.r_[np.zeros(19), 1.0]
    np.testing.assert_array_equal(out[[0, 1, 2, 3, 4, 5, 25]], np.tile(rare, (7, 1)))


@pytest.mark.parametrize("columns", [["text"], ["day"], ["a"], ["truth", "empty"]])
def test_tables_of_one_type_are_encoded(columns: list[str]) -> None:
    table = frame()[columns]
    out = encoder(table.iloc[:100])(table)
    assert out.shape[0] == 200
    assert np.isfinite(out).all()


def test_wide_tables_are_reduced_and_scaled_by_their_first_component() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(300, 120)) + 3 * rng.normal(size=(300, 1))).rename(columns=str)
    out = encoder(table)(table)
    assert out.shape == (300, 50)
    np.testing.assert_allclose(out[:, 0].std(ddof=1), 1.0)
    assert (np.diff(out.var(0)) <= 1e-12).all()


def test_the_table_is_not_written() -> None:
    table = frame()
    before = table.copy(deep=True)
    encoder(table)(table)
    pd.testing.assert_frame_equal(table, before)


def test_a_regression_has_its_targets_deciles_in_every_split() -> None:
    layout = Task("diabetes", "ridge", seeds=5).lay_out()
    y = load_data("diabetes").y
    borders = np.quantile(y, np.linspace(0, 1, 11)[1:-1])
    for part in (layout.pool_y, layout.guide_y, layout.test_y.open()):
        shares = np.bincount(np.searchsorted(borders, part), minlength=10) / len(part)
        np.testing.assert_allclose(shares, 0.1, atol=0.035)
    assert len(layout.pool_y) + len(layout.guide_y) + len(layout.test_y) == len(y)
    assert (layout.kind, layout.classes, layout.pool_y.dtype, len(layout.initial)) == ("regression", 0, np.float64, 10)


def test_tasks_of_one_data_set_share_the_encoding_and_not_the_envelope() -> None:
    one, two = (
        Task("wine", learner, batch=b, seeds=Seeds(1, b, 3, 4)).lay_out() for learner, b in (("mlp", 3), ("svm_rbf", 4))
    )
    assert one.pool_x is two.pool_x
    assert one.test_y is not two.test_y
    one.test_y.open()
    assert two.test_y.reads == 0
    assert not one.pool_x.flags.writeable
    assert not np.array_equal(one.initial, two.initial)
    assert (one.schedule, two.schedule) == (Schedule(3), Schedule(4))


def test_what_is_shared_is_forgotten_with_other_data() -> None:
    base = load_data("wine")
    other = Dataset("wine", base.X * 2 + 1, base.y[::-1].copy(), base.classes, "wine")
    first, second = Task(base).lay_out(), Task(other).lay_out()
    assert not np.array_equal(first.pool_x, second.pool_x)
    assert split_and_encoded.cache_info().maxsize is not None  # a suite of a hundred data sets must not keep them all


def test_the_regimes_randomness_is_of_the_split_and_the_starts_of_the_initial_seed() -> None:
    base = Task("digits", regime="imbalance(ratio=0.1)+noise(rate=0.3)+unseen", seeds=Seeds(1, 1, 1, 1))
    layout = base.lay_out()
    for seeds, pool, start in (
        (Seeds(2, 1, 1, 1), False, None),
        (Seeds(1, 2, 1, 1), True, False),
        (Seeds(1, 1, 2, 2), True, True),
    ):
        other = replace(base, seeds=seeds).lay_out()
        same_pool = other.pool_x.shape == layout.pool_x.shape and np.array_equal(other.pool_x, layout.pool_x)
        assert same_pool == pool
        if start is not None:
            assert np.array_equal(other.initial, layout.initial) == start


def test_a_data_frame_is_a_data_set() -> None:
    table = frame().assign(label=np.arange(200) % 3)
    task = Task(table, batch=5, budget=10, target="label", family="mine")
    assert task.dataset.family == "mine"
    assert task.dataset.classes == (0, 1, 2)
    assert metaal.play("margin", task).curve["labels"].tolist() == [6, 11, 16]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"batch": 0}, "batch: got 0"),
        ({"budget": 1.5}, "budget: got 1.5"),
        ({"initial": -1}, "initial: got -1"),
        ({"initial": True}, "initial: got True"),
        ({"seeds": Seeds(split=-1)}, "seeds.split: got -1"),
        ({"regime": "unseen+nothing"}, "nothing"),
    ],
)
def test_bad_settings_are_refused_at_once(words: dict[str, Any], message: str) -> None:
    with pytest.raises(metaal.TaskError, match=message):
        Task("iris", **words)


def test_a_start_never_takes_the_whole_pool_or_a_row_twice() -> None:
    y = np.array([0, 0, 1, 1, 2])
    for count in (0, 1, 4, 5, 100):
        rows = Start(count).draw(y, 3, np.random.default_rng(count))
        assert len(set(rows.tolist())) == len(rows) == {0: 4, 1: 3}.get(count, 4)
        assert set(y[rows]) == {0, 1, 2}
    assert len(Start(each=100).draw(y, 3, np.random.default_rng(0))) == 4
    assert len(Start(100).draw(y.astype(float), 0, np.random.default_rng(0))) == 4


def test_the_truth_follows_its_rows() -> None:
    truth = Truth(np.array([5, 6, 7]))
    assert truth.take(np.array([2, 2, 0])).tell(np.array([0, 2]), asked=99).tolist() == [7, 5]
