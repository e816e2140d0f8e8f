"""Labelled data sets: the ones that come with scikit-learn and plotly, and any CSV, Parquet or ARFF file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError

if TYPE_CHECKING:
    import pandas

MIN_ROWS = 30


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and class labels of one set.

    Parameters
    ----------
    name : str
    X : DataFrame [N, F]
        Numeric columns, and text, category or truth-value columns that are one-hot encoded; missing values allowed.
    y : i8[N]
        Class codes 0..C−1.
    classes : tuple
        The label that each code stands for.
    family : str
        Sets of one origin share it, so that training and testing can be kept apart.
    """

    name: str
    X: pandas.DataFrame
    y: np.ndarray
    classes: tuple[Any, ...]
    family: str

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}: {len(self.y)} rows, {self.X.shape[1]} columns, {len(self.classes)} classes)"


def make_dataset(name: str, X: pandas.DataFrame, y: Any, *, family: str = "") -> Dataset:
    """Build a data set from a DataFrame and labels of any type; rows without a label are left out.

    Raises
    ------
    TaskError
        Too few rows, one class only, or a target that is not a class.
    """
    import pandas as pd

    labels = pd.Series(np.asarray(y)) if not isinstance(y, pd.Series) else y.reset_index(drop=True)
    X = X.reset_index(drop=True)
    if len(X) != len(labels):
        raise TaskError(f"{name}: {len(X)} rows of features and {len(labels)} labels; pass one label a row")
    X.columns = [str(column) for column in X.columns]
    known = labels.notna().to_numpy()
    X, labels = X[known].reset_index(drop=True), labels[known].reset_index(drop=True)
    codes, levels = pd.factorize(labels, sort=True)
    if labels.dtype.kind == "f" and (len(levels) > 50 or (len(levels) > 20 and not (labels % 1 == 0).all())):
        raise TaskError(
            f"{name}: the target has {len(levels)} different numbers, so it is a regression; this version rehearses "
            "classification only. Bin the target, or pass text labels"
        )
    if len(X) < MIN_ROWS or len(levels) < 2:
        raise TaskError(
            f"{name}: {len(X)} labelled rows of {len(levels)} classes; expected at least {MIN_ROWS} rows and 2 classes"
        )
    if len(levels) > len(X) / 3:
        raise TaskError(f"{name}: {len(levels)} classes in {len(X)} rows; is the target the right column?")
    return Dataset(name, X, codes.astype(np.int64), tuple(np.asarray(levels).tolist()), family or name)


def read_table(path: str | Path, *, target: str | None = None, name: str | None = None, family: str = "") -> Dataset:
    """Read a labelled table.

    Parameters
    ----------
    path : str, Path
        ``.csv`` (also ``.csv.gz``, ``.tsv``), ``.parquet`` or ``.arff``.
    target : str, optional
        Column with the labels. Default: ``target``, ``class``, ``label`` or ``y`` if there is one, else the last one.
    name, family : str, optional

    Raises
    ------
    TaskError
        The file cannot be read, or has no such column.
    """
    path = Path(path)
    if not path.is_file():
        raise TaskError(
            f"{path}: no such file; pass a CSV, Parquet or ARFF file, or one of {', '.join(builtin_names())}"
        )
    try:
        table, coded = _read(path)
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error
    if table.shape[1] < 2:
        raise TaskError(f"{path}: {table.shape[1]} columns; expected features and a target (is the separator a comma?)")
    if target is None:
        lower = {str(column).lower(): column for column in table.columns}
        target = next((lower[word] for word in ("target", "class", "label", "y") if word in lower), table.columns[-1])
    if target not in table.columns:
        raise TaskError(f"{path}: no column {target!r}; the columns are {', '.join(map(str, table.columns[:30]))}")
    features = table.drop(columns=[target])
    for column in coded & set(features.columns):
        features[column] = features[column].astype("Int64").mask(features[column] < 0).astype("string")
    return make_dataset(name or path.name.split(".")[0], features, table[target], family=family)


def _read(path: Path) -> tuple[pandas.DataFrame, set[str]]:
    """The table, and the columns that hold category codes with −1 for missing."""
    import pandas as pd

    words = path.name.lower().split(".")
    if "parquet" in words or "pq" in words:
        import pyarrow.parquet as pq

        loaded = pq.read_table(path)
        # Files of metaal's own form say so in their metadata: int16 columns there are category codes.
        own = "metaal" in {key.decode() for key in (loaded.schema.metadata or {})}
        table = loaded.to_pandas()
        return table, {c for c in table.columns if own and table[c].dtype == np.int16}
    if "arff" in words:
        from scipy.io import arff

        records, meta = arff.loadarff(str(path))
        table = pd.DataFrame(records)
        for column, kind in zip(meta.names(), meta.types(), strict=True):
            if kind == "nominal":
                table[column] = table[column].str.decode("utf-8").replace("?", None)
        return table, set()
    if "csv" in words or "tsv" in words or "txt" in words:
        return pd.read_csv(path, sep="\t" if "tsv" in words else ",", skipinitialspace=True), set()
    raise TaskError(f"{path}: unknown ending; expected .csv, .tsv, .parquet or .arff")


def _sklearn(loader: str) -> Callable[[], Dataset]:
    def load() -> Dataset:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{loader}")(as_frame=True)
        labels = np.array(bunch.target_names)[bunch.target]
        return make_dataset(loader, bunch.data, labels)

    return load


def _gapminder() -> Dataset:
    from plotly import data

    table = data.gapminder()
    return make_dataset("gapminder", table[["year", "lifeExp", "pop", "gdpPercap"]], table["continent"])


def _tips() -> Dataset:
    from plotly import data

    table = data.tips()
    return make_dataset("tips", table.drop(columns=["time"]), table["time"])


def _diabetes() -> Dataset:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True)
    return make_dataset("diabetes_high", bunch.data, np.where(bunch.target > bunch.target.median(), "high", "low"))


_BUILTIN: dict[str, Callable[[], Dataset]] = {
    "breast_cancer": _sklearn("breast_cancer"),
    "digits": _sklearn("digits"),
    "iris": _sklearn("iris"),
    "wine": _sklearn("wine"),
    "diabetes_high": _diabetes,
    "gapminder": _gapminder,
    "tips": _tips,
}


def builtin_names() -> list[str]:
    """Names of the sets that need no file."""
    return sorted(_BUILTIN)


@lru_cache(maxsize=4)
def load_data(source: str, target: str | None = None, family: str = "") -> Dataset:
    """A built-in set by name, or a file by path.

    Examples
    --------
    >>> load_data("iris")
    Dataset('iris': 150 rows, 4 columns, 3 classes)
    """
    if source in _BUILTIN:
        return _BUILTIN[source]()
    return read_table(source, target=target, family=family)


def parquet_facts(path: str | Path) -> dict[str, Any]:
    """The JSON under the Parquet metadata key ``metaal``, empty if there is none."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    return dict(json.loads(metadata.get(b"metaal", b"{}")))
