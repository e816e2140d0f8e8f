"""Labelled data of any kind becomes a task: types, missing values, classes, splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal import Task
from metaal.rehearsal import builtin_names, load_data, make_dataset, make_learner, read_table


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 200
    x = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "x": x,
            "whole": rng.integers(0, 9, n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "flag": rng.random(n) < 0.5,
            "empty": np.nan,
            "constant": 1.0,
            "label": np.where(x + 0.3 * rng.normal(size=n) > 0, "yes", "no"),
        }
    )
    frame.loc[::7, "x"] = np.nan
    frame.loc[::5, "colour"] = None
    frame.loc[3, "x"] = np.inf
    return frame


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".tsv":
        table.to_csv(path, sep="\t", index=False)
    elif path.suffix == ".arff":
        lines = ["@relation t"]
        kinds = {"colour": "{red,green,blue}", "flag": "{True,False}", "label": "{yes,no}"}
        lines += [f"@attribute {c} {kinds.get(c, 'numeric')}" for c in table]
        lines.append("@data")
        for row in table.replace({np.inf: np.nan}).itertuples(index=False):
            lines.append(",".join("?" if pd.isna(value) else str(value) for value in row))
        path.write_text("\n".join(lines) + "\n")
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.arff"])
def test_any_file_with_mixed_columns_is_played(tmp_path: Path, table: pd.DataFrame, name: str) -> None:
    path = write(table, tmp_path / name)
    task = Task(str(path), "logistic", batch=5, budget=20)
    data = task.dataset
    assert data.classes == ("no", "yes")
    parts = task.lay_out()
    assert np.isfinite(parts.pool_x).all()
    assert np.isfinite(parts.test_x).all()
    trace = metaal.play("margin", task)
    assert trace.curve["labels"].tolist() == [4, 9, 14, 19, 24]
    assert trace.curve["accuracy"].iloc[-1] > 0.6


@pytest.mark.parametrize("labels", [[1, 2], [1.0, 2.0], [True, False], ["a", "b"], [-5, 7]])
def test_labels_of_any_type(table: pd.DataFrame, labels: list[Any]) -> None:
    y = np.array(labels)[np.arange(len(table)) % 2]
    data = make_dataset("d", table[["whole"]], y)
    assert data.classes == tuple(sorted(labels))
    assert [data.classes[code] for code in data.y] == y.tolist()


def test_rows_without_a_label_are_left_out(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[:49, "label"] = None
    with pytest.warns(UserWarning, match="50 of 200 rows have no label"):
        data = read_table(write(table, tmp_path / "t.csv"), target="label")
    assert len(data.y) == 150


@pytest.mark.parametrize("name", ["None", "NA", "null", "nan", "?"])
def test_a_class_may_have_the_name_of_nothing(tmp_path: Path, table: pd.DataFrame, name: str) -> None:
    table["label"] = np.where(np.arange(len(table)) % 2 == 0, name, "yes")
    data = read_table(write(table, tmp_path / "t.csv"), target="label")
    assert set(data.classes) == {name, "yes"}
    assert len(data.y) == len(table)


@pytest.mark.parametrize("labels", [(0, 1), (-1.5, 2.5), (False, True)])
def test_a_target_of_numbers_stays_one(tmp_path: Path, table: pd.DataFrame, labels: tuple[Any, Any]) -> None:
    table["label"] = np.array(labels)[np.arange(len(table)) % 2]
    data = read_table(write(table, tmp_path / "t.csv"), target="label")
    assert data.classes == labels
    assert [type(label) for label in data.classes] == [type(label) for label in labels]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separator_and_marks_of_missing_values_are_recognised(tmp_path: Path, mark: str) -> None:
    lines = [mark.join(['"a, b; c"', "x", "label"])]
    lines += [
        mark.join(["?" if k % 5 == 0 else str(k), f" {'?' if k % 3 == 0 else 'u'}", "ab"[k % 2]]) for k in range(40)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    data = read_table(tmp_path / "t.csv")
    assert list(data.X) == ["a, b; c", "x"]
    assert data.X["a, b; c"].dtype == np.float64
    assert data.X["a, b; c"].isna().sum() == 8
    assert set(data.X["x"].dropna()) == {"u"}


def test_text_in_another_encoding_says_what_to_do(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = table["label"].replace("yes", "größer")
    table.to_csv(tmp_path / "t.csv", index=False, encoding="latin-1")
    with pytest.raises(metaal.TaskError, match="convert it to UTF-8"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_dates_become_days(tmp_path: Path, table: pd.DataFrame, suffix: str) -> None:
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(table)), unit="D")
    table["day"] = day
    table["text"] = day.strftime("%Y-%m-%dT%H:%M:%SZ")
    table.loc[3, "text"] = "unknown"
    data = read_table(write(table, tmp_path / f"t.{suffix}"), target="label")
    assert np.diff(data.X["day"]).tolist() == [1.0] * (len(table) - 1)
    assert data.X["text"].isna().tolist() == [row == 3 for row in range(len(table))]
    assert data.X["day"][0] == data.X["text"][0] == 18262.0
    dates = metaal.Dataset("d", pd.DataFrame({"day": day, "x": table["x"]}), data.y, data.classes, "d")
    assert Task(dates).lay_out().pool_x.shape[1] == 2


def test_ids_and_free_text_are_left_out_in_words(tmp_path: Path, table: pd.DataFrame) -> None:
    table["name"] = [f"row {k}" for k in range(len(table))]
    table["town"] = [f"town {k % 60}" for k in range(len(table))]
    path = write(table, tmp_path / "t.csv")
    with pytest.warns(UserWarning, match="ids or free text .*: name$"):
        data = read_table(path, target="label")
    assert "name" not in data.X
    assert "town" in data.X
    # A category dtype says that the column is one.
    own = write(table.drop(columns="town").astype({"name": "category"}), tmp_path / "t.parquet")
    assert "name" in read_table(own, target="label").X
    write(table[["name", "label"]], path)
    with pytest.raises(metaal.TaskError, match="every column but the target"):
        read_table(path)


def test_absurd_numbers_count_as_missing(table: pd.DataFrame) -> None:
    X = pd.DataFrame({"x": np.arange(200.0), "whole": pd.array([1, None] * 100, dtype="Int64")})
    y = (np.arange(200) % 2).astype(np.int64)
    marked = X.assign(x=X["x"].where(X["x"] != 7, np.nan))
    parts = [
        Task(metaal.Dataset("d", X.assign(x=X["x"].where(X["x"] != 7, mark)), y, (0, 1), "d")).lay_out()
        for mark in (1.7e308, -1e101, np.inf)
    ]
    wanted = Task(metaal.Dataset("d", marked, y, (0, 1), "d")).lay_out()
    for found in parts:
        np.testing.assert_array_equal(found.pool_x, wanted.pool_x)
        np.testing.assert_array_equal(found.test_x, wanted.test_x)


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path, table: pd.DataFrame) -> None:
    path = write(table, tmp_path / "t.csv")
    first = load_data(str(path))
    assert load_data(str(path)) is first
    write(table[:150], path)
    assert len(load_data(str(path)).y) == 150


def test_category_codes_of_own_parquet_files_are_categories(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    codes = np.tile(np.array([0, 1, 2, -1], dtype=np.int16), 20)
    frame = pa.table({"c": codes, "x": np.arange(80, dtype=np.float32), "target": codes.clip(0).astype(np.int16)})
    path = tmp_path / "own.parquet"
    pq.write_table(frame.replace_schema_metadata({"metaal": "{}"}), path)
    task = Task(str(path), batch=2, budget=4)
    assert task.dataset.X["c"].tolist()[:3] == ["0", "1", "2"]
    assert task.dataset.X["c"].isna().sum() == 20
    assert task.lay_out().pool_x.shape[1] == 5  # three codes, one for missing, one number


def test_bad_data_is_refused_in_words(tmp_path: Path, table: pd.DataFrame) -> None:
    path = write(table, tmp_path / "t.csv")
    cases: list[tuple[Any, str]] = [
        (lambda: read_table(tmp_path / "no.csv"), "no such file"),
        (lambda: read_table(path, target="weight"), "no column 'weight'"),
        (lambda: read_table(path, target="constant"), "2 classes"),
        (lambda: read_table(path, target="x", kind="classification"), "it is a regression"),
        (lambda: read_table(write(table[:10], tmp_path / "small.csv"), target="label"), "10 labelled rows"),
        (lambda: load_data("nothing"), "no such file"),
        (lambda: Task("iris", "oracle"), "no learner"),
        (lambda: Task("iris", object()), "an unfitted estimator"),
        (lambda: Task("iris", batch=0), "batch"),
        (lambda: Task("iris", seeds=-1), "seeds"),
    ]
    (tmp_path / "x.parquet").write_bytes(b"not a table")
    (tmp_path / "x.xyz").write_text("a,b")
    cases += [
        (lambda: read_table(tmp_path / "x.parquet"), "cannot be read"),
        (lambda: read_table(tmp_path / "x.xyz"), "ending"),
    ]
    for call, words in cases:
        with pytest.raises(metaal.TaskError, match=words):
            call()


@pytest.mark.parametrize("name", builtin_names("classification"))
def test_built_in_sets_load_and_split(name: str) -> None:
    parts = Task(name).lay_out()
    rows = len(parts.pool_y) + len(parts.guide_y) + len(parts.test_y)
    assert rows == len(load_data(name).y)
    assert set(parts.pool_y) == set(range(parts.classes))
    assert set(parts.pool_y[parts.initial]) == set(range(parts.classes))


def test_splits_are_disjoint_and_stratified() -> None:
    data = load_data("wine")
    marked = metaal.Dataset("marked", data.X.assign(row=np.arange(len(data.y))), data.y, data.classes, "m")
    parts = Task(marked).lay_out()
    # The column of row numbers survives encoding up to scale, so equal values would be equal rows.
    column = parts.pool_x.shape[1] - 1
    sets = [set(np.round(x[:, column], 9)) for x in (parts.pool_x, parts.guide_x, parts.test_x)]
    assert sum(map(len, sets)) == len(set.union(*sets)) == len(data.y)
    shares = [np.bincount(y, minlength=3) / len(y) for y in (parts.pool_y, parts.guide_y, parts.test_y.open())]
    assert np.abs(shares[0] - shares[2]).max() < 0.05


def test_seeds_are_separate() -> None:
    base = Task("wine", seeds=metaal.Seeds(1, 1, 1, 1)).lay_out()
    other_split = Task("wine", seeds=metaal.Seeds(2, 1, 1, 1)).lay_out()
    other_start = Task("wine", seeds=metaal.Seeds(1, 2, 1, 1)).lay_out()
    assert not np.array_equal(base.pool_x, other_split.pool_x)
    np.testing.assert_array_equal(base.pool_x, other_start.pool_x)
    assert not np.array_equal(base.initial, other_start.initial)


def test_wide_data_is_reduced_on_the_pool_alone() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 150)))
    data = metaal.Dataset("wide", X.rename(columns=str), (X[0] > 0).to_numpy().astype(np.int64), (0, 1), "wide")
    assert Task(data).lay_out().pool_x.shape == (150, 50)


def test_learners_are_seeded_and_any_classifier_works() -> None:
    from sklearn.tree import DecisionTreeClassifier

    assert make_learner("extra_trees", 3).random_state == 3
    task = Task("iris", DecisionTreeClassifier(max_depth=3), batch=5, budget=10)
    assert task.name == "iris~DecisionTreeClassifier~b5"
    first, second = (metaal.play("random", task).curve["accuracy"].tolist() for _ in range(2))
    assert first == second


def test_separators_in_names_and_at_the_end_of_rows(tmp_path: Path, table: pd.DataFrame) -> None:
    named = table[["x", "whole", "label"]].rename(columns={"x": "height, cm", "whole": "weight, kg"})
    named.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    assert load_data(str(tmp_path / "t.tsv"), "label").X.columns.tolist() == ["height, cm", "weight, kg"]
    table[["x", "whole", "label"]].rename(columns={"x": "a|b|c|d"}).to_csv(tmp_path / "p.csv", index=False)
    assert load_data(str(tmp_path / "p.csv"), "label").X.columns.tolist() == ["a|b|c|d", "whole"]
