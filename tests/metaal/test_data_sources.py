"""Data from memory, from LIBSVM files, with numbers to predict, and from sources of other packages."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaal
from metaal.rehearsal import Dataset, builtin_names, data_name, load_data, make_dataset, read_table
from metaal.rehearsal.sources import loading, sparse
from metaal.rehearsal.sources.columns import usable

ROWS = 60


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    return pd.DataFrame(
        {
            "x": x,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D"),
            "price": 3 * x + rng.normal(size=ROWS),
            "count": rng.integers(0, 4, ROWS),
            "colour": rng.choice(["red", "green"], ROWS),
        }
    )


def test_numbers_with_many_values_are_a_regression(frame: pd.DataFrame) -> None:
    data = make_dataset("d", frame[["x"]], frame["price"])
    assert (data.kind, data.classes, data.y.dtype) == ("regression", (), np.float64)
    np.testing.assert_array_equal(data.y, frame["price"])
    assert repr(data) == "Dataset('d': 60 rows, 1 columns, regression)"


def test_the_kind_that_was_asked_for_decides(frame: pd.DataFrame) -> None:
    assert make_dataset("d", frame[["x"]], frame["count"]).kind == "classification"
    counted = make_dataset("d", frame[["x"]], frame["count"], kind="regression")
    assert counted.y.tolist() == frame["count"].tolist()
    assert counted.y.dtype == np.float64
    with pytest.raises(metaal.TaskError, match=r"60 different numbers.*Bin the target.*kind='regression'"):
        make_dataset("d", frame[["x"]], frame["price"], kind="classification")


def test_rows_without_a_number_are_left_out(frame: pd.DataFrame) -> None:
    frame.loc[:9, "price"] = np.nan
    with pytest.warns(UserWarning, match="10 of 60 rows have no label"):
        data = load_data(frame, "price")
    np.testing.assert_array_equal(data.y, frame["price"][10:])
    assert data.X["x"].tolist() == frame["x"][10:].tolist()


def test_targets_that_are_no_numbers_are_refused(frame: pd.DataFrame) -> None:
    X = frame[["x"]]
    cases: list[tuple[Any, str]] = [
        (frame["colour"], "needs numbers"),
        (frame["x"] > 0, "needs numbers"),
        (frame["price"].where(frame.index != 7, np.inf), "1 targets are infinite .first: row 7."),
        (np.ones(ROWS), "1 different targets"),
        (frame["price"][:40], "60 rows of features and 40 labels"),
    ]
    for y, words in cases:
        with pytest.raises(metaal.TaskError, match=words):
            make_dataset("d", X, y, kind="regression")
    with pytest.raises(metaal.TaskError, match=r"20 classes in 59 rows.*kind='regression'"):
        make_dataset("d", X[:59], pd.Series(np.arange(59) % 20))
    with pytest.raises(metaal.TaskError, match="kind 'ranking'; expected 'classification' or 'regression'"):
        make_dataset("d", X, frame["price"], kind="ranking")
    with pytest.raises(metaal.TaskError, match="with 0 classes"):
        Dataset("d", X, frame["price"].to_numpy(), (), "d")


def test_regression_files_and_built_in_sets(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_data(str(tmp_path / "t.csv"), "price")
    assert data.kind == "regression"
    np.testing.assert_allclose(data.y, frame["price"])
    assert load_data(str(tmp_path / "t.csv"), "count", kind="regression").kind == "regression"
    for name in builtin_names("regression"):
        built_in = load_data(name)
        assert (built_in.kind, built_in.name) == ("regression", name)
        assert np.isfinite(built_in.y).all()
    with pytest.raises(metaal.TaskError, match=r"diabetes: a regression, .* breast_cancer"):
        load_data("diabetes", kind="classification")
    assert set(builtin_names()) == {*builtin_names("classification"), *builtin_names("regression")}


def test_sets_made_of_the_same_rows_share_a_family() -> None:
    for one, other in [("diabetes", "diabetes_high"), ("gapminder", "life_expectancy"), ("tip", "tips")]:
        assert load_data(one).family == load_data(other).family
    assert load_data("digits").family == "optdigits"


def test_a_frame_is_read_as_a_file_would_be(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["id"] = [f"row {k}" for k in range(ROWS)]
    before = frame.copy()
    with pytest.warns(UserWarning, match="frame: columns left out as ids or free text .*: id$"):
        data = load_data(frame, "colour", "mine")
    pd.testing.assert_frame_equal(frame, before)
    assert (data.name, data.family, data.classes) == ("frame", "mine", ("green", "red"))
    assert data.X["day"].tolist() == list(range(18262, 18262 + ROWS))
    frame.drop(columns="id").to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(data.X, load_data(str(tmp_path / "t.csv"), "colour").X)
    frame.attrs["name"] = "sales"
    assert load_data(frame.drop(columns="id")).name == "sales"


def test_columns_are_cleaned_in_a_copy(frame: pd.DataFrame) -> None:
    before = frame.copy()
    assert usable("here", frame, set())["day"].tolist() == list(range(18262, 18262 + ROWS))
    pd.testing.assert_frame_equal(frame, before)


def test_a_frame_that_cannot_be_read_says_why(frame: pd.DataFrame) -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: load_data(frame, "color"), "no column 'color'; did you mean 'colour'"),
        (lambda: load_data(frame[["x"]]), "1 columns"),
        (lambda: load_data(pd.concat([frame, frame["x"]], axis=1), "colour"), "two columns are called 'x'"),
        (lambda: load_data(frame["x"].to_numpy()), "got a ndarray; expected a name"),  # type: ignore[arg-type]
        (lambda: load_data(load_data("iris"), kind="regression"), "iris: a classification"),
        (lambda: load_data("irish"), "irish: no such file, and no built-in set: did you mean 'iris'"),
    ]
    for call, words in cases:
        with pytest.raises(metaal.TaskError, match=words):
            call()
    data = load_data("iris")
    assert load_data(data) is data


def test_embeddings_of_text_or_images_are_columns() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(ROWS, 384)).astype(np.float32)).assign(label=np.arange(ROWS) % 3)
    data = load_data(table, "label")
    assert data.X.shape == (ROWS, 384)
    assert list(data.X)[:2] == ["0", "1"]
    assert data.classes == (0, 1, 2)


@pytest.mark.parametrize("ending", [".svm", ".libsvm", ".svmlight.gz"])
@pytest.mark.parametrize("start", [0, 1])
def test_libsvm_files(tmp_path: Path, ending: str, start: int) -> None:
    rng = np.random.default_rng(0)
    X = np.where(rng.random((ROWS, 5)) < 0.5, 0.0, rng.normal(size=(ROWS, 5)).round(3))
    X[0] = 1.0
    y = np.where(X[:, 0] > 0, 1, -1)
    lines = [f"{b:+d} " + " ".join(f"{k + start}:{v}" for k, v in enumerate(a) if v) for a, b in zip(X, y, strict=True)]
    path = tmp_path / f"t{ending}"
    content = "\n".join(lines).encode() + b"\n"
    path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    data = load_data(str(path))
    assert (data.name, data.classes) == ("t", (-1, 1))
    np.testing.assert_array_equal(data.X.to_numpy(), X)
    np.testing.assert_array_equal(np.array(data.classes)[data.y], y)


def test_libsvm_files_may_hold_a_regression(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text("".join(f"{k / 7} 1:{k} 3:1\n" for k in range(ROWS)))
    data = read_table(tmp_path / "t.svm")
    assert data.kind == "regression"
    np.testing.assert_allclose(data.y, np.arange(ROWS) / 7)
    with pytest.raises(metaal.TaskError, match="one target, at the start"):
        read_table(tmp_path / "t.svm", target="f0")
    (tmp_path / "t.svm").write_text("1 a:b\n")
    with pytest.raises(metaal.TaskError, match="cannot be read as a table"):
        read_table(tmp_path / "t.svm")


def test_a_sparse_table_that_would_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.svm").write_text("".join(f"{k % 2} {k + 1}:1\n" for k in range(ROWS)))
    monkeypatch.setattr(sparse, "DENSE_BYTES", 8 * ROWS * ROWS - 1)
    with pytest.raises(metaal.TaskError, match=r"60 rows × 60 columns would need .* TruncatedSVD"):
        read_table(tmp_path / "t.svm")


def test_other_packages_offer_sources(monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame) -> None:
    class Entry:
        name = "shop"

        @staticmethod
        def load() -> Any:
            return lambda text, target, family, kind: make_dataset(text, frame[["x"]], frame[target], kind=kind)

    monkeypatch.setattr(loading.metadata, "entry_points", lambda group: [Entry] if group == "metaal.sources" else [])
    assert repr(load_data("shop:orders/2020", "colour")) == "Dataset('orders/2020': 60 rows, 1 columns, 2 classes)"
    with pytest.raises(metaal.TaskError, match="no source 'store:'; expected openml:…, shop:…, a path"):
        load_data("store:orders")


def test_names_of_sources() -> None:
    assert data_name(load_data("iris")) == "iris"
    assert data_name(Path("a") / "b.v2.parquet") == "b"
    assert data_name("C:\\data\\t.csv") == "t"
    assert data_name("data#1/t.csv") == "t"
