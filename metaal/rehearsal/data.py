"""Labelled data sets: the ones that come with scikit-learn and plotly, and any CSV, Parquet or ARFF file."""

from __future__ import annotations

import csv
import gzip
import itertools
import warnings
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
SEPARATORS = (",", ";", "\t", "|")
MISSING = (
    *("", "?", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "n/a", "NA", "NULL", "null", "None", "NaN", "nan"),
    *("-NaN", "-nan", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
)
"""What counts as missing in the cells of a feature column; in a target only the empty cell does."""
MANY_LEVELS = 50
DATES = 0.95  # share of the cells of a column of dates that must be dates


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
    """Build a data set from a DataFrame and labels of any type.

    Rows without a label are left out, with a warning that says how many.

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
    if not known.all():
        text = f"{name}: {(~known).sum()} of {len(known)} rows have no label and are left out"
        warnings.warn(text, UserWarning, stacklevel=2)
    return Dataset(name, X, codes.astype(np.int64), tuple(np.asarray(levels).tolist()), family or name)


def read_table(path: str | Path, *, target: str | None = None, name: str | None = None, family: str = "") -> Dataset:
    """Read a labelled table.

    Parameters
    ----------
    path : str, Path
        ``.csv`` (also ``.csv.gz``, ``.tsv``) in UTF-8, separated by ``,``, ``;``, tab or ``|``; ``.parquet`` or
        ``.arff``. In the target of a CSV file only an empty cell is missing: ``None`` or ``NA`` may name a class.
    target : str, optional
        Column with the labels. Default: ``target``, ``class``, ``label`` or ``y`` if there is one, else the last one.
    name, family : str, optional

    Dates become numbers (days); text columns in which nearly every row differs are left out, with a warning.

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
        table, coded, target = _read(path, target)
    except TaskError:
        raise
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}: not UTF-8 text ({error.reason}: byte 0x{error.object[error.start]:02x}); convert it to UTF-8 "
            "first, for example with: iconv -f LATIN1 -t UTF-8"
        ) from error
    except Exception as error:
        raise TaskError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error
    features = table.drop(columns=[target])
    for column in coded & set(features.columns):
        features[column] = features[column].astype("Int64").mask(features[column] < 0).astype("string")
    return make_dataset(name or path.name.split(".")[0], _usable(path, features, coded), table[target], family=family)


def _read(path: Path, target: str | None) -> tuple[pandas.DataFrame, set[str], str]:
    """The table, the columns that hold category codes with −1 for missing, and the target's column."""
    import pandas as pd

    words = path.name.lower().split(".")
    if "parquet" in words or "pq" in words:
        import pyarrow.parquet as pq

        loaded = pq.read_table(path)
        # Files of metaal's own form say so in their metadata: int16 columns there are category codes.
        own = "metaal" in {key.decode() for key in (loaded.schema.metadata or {})}
        table = loaded.to_pandas()
        target = _target(path, table.columns, target)
        return table, {c for c in table.columns if own and table[c].dtype == np.int16}, target
    if "arff" in words:
        from scipy.io import arff

        records, meta = arff.loadarff(str(path))
        table = pd.DataFrame(records)
        for column, kind in zip(meta.names(), meta.types(), strict=True):
            if kind == "nominal":
                table[column] = table[column].str.decode("utf-8").replace("?", None)
        return table, set(), _target(path, table.columns, target)
    if "csv" in words or "tsv" in words or "txt" in words:
        return _read_text(path, target)
    raise TaskError(f"{path}: unknown ending; expected .csv, .tsv, .parquet or .arff")


def _read_text(path: Path, target: str | None) -> tuple[pandas.DataFrame, set[str], str]:
    import pandas as pd

    # A .tsv says what it is; else what splits the header into columns among which the target is, and into most of them.
    marks = ("\t",) if "tsv" in path.name.lower().split(".") else SEPARATORS
    headers = {}
    for mark in marks:
        headers[mark] = list(pd.read_csv(path, sep=mark, skipinitialspace=True, nrows=0, encoding="utf-8").columns)
    mark = max(marks, key=lambda mark: (target in headers[mark], _splits(path, mark), len(headers[mark])))
    target = _target(path, headers[mark], target)
    table = pd.read_csv(
        path,
        sep=mark,
        skipinitialspace=True,
        encoding="utf-8",
        low_memory=False,  # types of whole columns, not of pieces
        index_col=False,  # rows that end in one separator too many do not shift
        dtype={target: str},
        keep_default_na=False,
        na_values={column: [""] if column == target else list(MISSING) for column in headers[mark]},
    )
    table[target] = typed(table[target])
    return table, set(), target


def _splits(path: Path, mark: str) -> bool:
    """Whether a separator gives the first rows as many fields, more than one, as the header."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as text:
        widths = {len(row) for row in itertools.islice(csv.reader(text, delimiter=mark), 6) if row}
    return len(widths) == 1 and widths.pop() > 1


def _target(path: Path, columns: Any, target: str | None) -> str:
    """The target's column: the one that was named, or the likely one."""
    if len(columns) < 2:
        raise TaskError(
            f"{path}: {len(columns)} columns; expected features and a target, separated by a comma, a semicolon, a "
            "tab or |"
        )
    if target is None:
        lower = {str(column).lower(): column for column in columns}
        return next((lower[word] for word in ("target", "class", "label", "y") if word in lower), columns[-1])
    if target not in columns:
        raise TaskError(f"{path}: no column {target!r}; the columns are {', '.join(map(str, columns[:30]))}")
    return target


def typed(text: pandas.Series) -> pandas.Series:
    """A column of text as numbers or truth values if every cell that is not missing spells one; else as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> typed(pd.Series(["1", "2"])).tolist(), typed(pd.Series(["1", "None"])).tolist()
    ([1, 2], ['1', 'None'])
    """
    import pandas as pd

    known = text.dropna().str.strip()
    if not len(known):
        return text
    if known.str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf").all():
        return pd.to_numeric(text)
    if known.str.lower().isin(["true", "false"]).all():
        return text.str.strip().str.lower().map({"true": True, "false": False})
    return text


def days(column: pandas.Series) -> pandas.Series:
    """Dates as days since 1970, NaN where there is none; what is not an ISO date counts as missing."""
    import pandas as pd

    form = None if column.dtype.kind == "M" else "ISO8601"
    dates = pd.to_datetime(column, format=form, errors="coerce", utc=True)
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _usable(path: Path, features: pandas.DataFrame, coded: set[str]) -> pandas.DataFrame:
    """Dates as days; text columns that are ids or free text left out, with a warning."""
    from pandas.api import types

    dropped = []
    for column in [c for c in features if c not in coded]:
        values = features[column]
        if values.dtype.kind == "M" or types.infer_dtype(values, skipna=True) in ("date", "datetime", "datetime64"):
            features[column] = days(values if values.dtype.kind == "M" else values.astype("string"))
        elif types.infer_dtype(values, skipna=True) == "string":
            known = values.dropna()
            if _like_dates(known) >= DATES:
                features[column] = days(values.astype("string"))
            elif (levels := known.nunique()) > MANY_LEVELS and levels > len(values) / 2:
                dropped.append(column)
    if len(dropped) == features.shape[1]:
        raise TaskError(f"{path}: every column but the target is text with nearly as many values as rows; add features")
    if dropped:
        text = (
            f"{path}: columns left out as ids or free text (nearly every row differs): {', '.join(map(str, dropped))}"
        )
        warnings.warn(text, UserWarning, stacklevel=2)
    return features.drop(columns=dropped)


def _like_dates(text: pandas.Series) -> float:
    """Share of cells that are ISO dates, with or without a time."""
    whole = text[text.str.match(r"\d{4}-\d{2}-\d{2}([T ]|$)")]
    return float(days(whole).notna().sum() / len(text)) if len(whole) else 0.0


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


def load_data(source: str, target: str | None = None, family: str = "") -> Dataset:
    """A built-in set by name, or a file by path; a file is read again only after it has changed.

    Examples
    --------
    >>> load_data("iris")
    Dataset('iris': 150 rows, 4 columns, 3 classes)
    """
    try:
        found = Path(source).stat() if source not in _BUILTIN else None
    except (OSError, ValueError):  # read_table says what is wrong with it
        found = None
    stamp = (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None
    return _load_data(source, target, family, stamp)


@lru_cache(maxsize=4)
def _load_data(source: str, target: str | None, family: str, stamp: tuple[int, ...] | None) -> Dataset:
    if source in _BUILTIN:
        return _BUILTIN[source]()
    return read_table(source, target=target, family=family)
