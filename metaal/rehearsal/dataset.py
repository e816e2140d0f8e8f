"""One labelled data set: features, and classes or numbers to predict."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError

if TYPE_CHECKING:
    import pandas

MIN_ROWS = 30
KINDS = ("classification", "regression")
FEW_NUMBERS = 20  # up to so many different fractional numbers may be class labels, and up to MANY whole ones
MANY_NUMBERS = 50


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and targets of one set.

    Parameters
    ----------
    name : str
    X : DataFrame [N, F]
        Numeric columns, and text, category or truth-value columns that are one-hot encoded; missing values allowed.
        Wide tables (sentence embeddings, pixels) are fine: a task reduces more than 100 encoded columns to 50 by PCA.
    y : i8[N] or f8[N]
        Class codes 0..C−1, or finite numbers for a regression.
    classes : tuple
        The label that each code stands for; empty for a regression.
    family : str
        Sets of one origin share it, so that training and testing can be kept apart.
    kind : {"classification", "regression"}

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> Dataset("line", pd.DataFrame({"x": np.arange(40.0)}), 2.0 * np.arange(40), (), "line", "regression")
    Dataset('line': 40 rows, 1 columns, regression)
    """

    name: str
    X: pandas.DataFrame
    y: np.ndarray
    classes: tuple[Any, ...]
    family: str
    kind: str = "classification"

    def __post_init__(self) -> None:
        check_kind(self.kind, self.name)
        if (self.kind == "regression") != (not self.classes):
            raise TaskError(
                f"{self.name}: kind {self.kind!r} with {len(self.classes)} classes; a regression has none, a "
                "classification at least two"
            )

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else "regression"
        return f"Dataset({self.name!r}: {len(self.y)} rows, {self.X.shape[1]} columns, {what})"


def check_kind(kind: str | None, name: str) -> None:
    """Refuse what is neither a kind of task nor None."""
    if kind is not None and kind not in KINDS:
        raise TaskError(f"{name}: kind {kind!r}; expected {' or '.join(map(repr, KINDS))}")


def make_dataset(name: str, X: pandas.DataFrame, y: Any, *, family: str = "", kind: str | None = None) -> Dataset:
    """Build a data set from a DataFrame and labels or numbers of any type.

    Rows without a label are left out, with a warning that says how many.

    Parameters
    ----------
    name : str
    X : DataFrame [N, F]
    y : array-like [N]
    family : str
        Default: the name.
    kind : {"classification", "regression"}, optional
        Default: what the target says. Fractional numbers with more than 20 different values, and floats with more
        than 50, are a regression; everything else names classes.

    Returns
    -------
    Dataset

    Raises
    ------
    TaskError
        Too few rows, one class or one number only, numbers where classes were asked for, or text where numbers were.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> X = pd.DataFrame({"x": np.arange(60.0)})
    >>> make_dataset("half", X, np.where(X["x"] < 30, "low", "high"))
    Dataset('half': 60 rows, 1 columns, 2 classes)
    >>> make_dataset("root", X, np.sqrt(X["x"]))
    Dataset('root': 60 rows, 1 columns, regression)
    """
    import pandas as pd

    check_kind(kind, name)
    labels = pd.Series(np.asarray(y)) if not isinstance(y, pd.Series) else y.reset_index(drop=True)
    if len(X) != len(labels):
        raise TaskError(f"{name}: {len(X)} rows of features and {len(labels)} labels; pass one label a row")
    known = labels.notna().to_numpy()
    X, labels = X[known].reset_index(drop=True), labels[known].reset_index(drop=True)
    X.columns = [str(column) for column in X.columns]
    numbers = _says_regression(labels)
    if kind == "classification" and numbers:
        raise TaskError(
            f"{name}: the target has {labels.nunique()} different numbers, so it is a regression, and a "
            "classification was asked for. Bin the target, pass text labels, or ask for kind='regression'"
        )
    if kind == "regression" or (kind is None and numbers):
        found = Dataset(name, X, _numbers(name, labels), (), family or name, "regression")
    else:
        codes, classes = _codes(name, labels)
        found = Dataset(name, X, codes, classes, family or name)
    if not known.all():
        text = f"{name}: {(~known).sum()} of {len(known)} rows have no label and are left out"
        warnings.warn(text, UserWarning, stacklevel=2)
    return found


def _says_regression(labels: pandas.Series) -> bool:
    """Whether a target of floats has too many values to be class labels."""
    if labels.dtype.kind != "f":
        return False
    levels = labels.nunique()
    return levels > MANY_NUMBERS or (levels > FEW_NUMBERS and not bool((labels % 1 == 0).all()))


def _codes(name: str, labels: pandas.Series) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Class codes i8[N] and the label of each."""
    import pandas as pd

    codes, levels = pd.factorize(labels, sort=True)
    if len(labels) < MIN_ROWS or len(levels) < 2:
        raise TaskError(
            f"{name}: {len(labels)} labelled rows of {len(levels)} classes; expected at least {MIN_ROWS} rows and "
            "2 classes"
        )
    if len(levels) > len(labels) / 3:
        hint = "; or is it a regression (kind='regression')?" if labels.dtype.kind in "iu" else "?"
        raise TaskError(f"{name}: {len(levels)} classes in {len(labels)} rows; is the target the right column{hint}")
    return codes.astype(np.int64), tuple(np.asarray(levels).tolist())


def _numbers(name: str, labels: pandas.Series) -> np.ndarray:
    """Targets of a regression, f8[N]."""
    from pandas.api import types

    if not types.is_numeric_dtype(labels) or types.is_bool_dtype(labels) or types.is_complex_dtype(labels):
        example = labels.iloc[0] if len(labels) else "nothing"
        raise TaskError(
            f"{name}: the target holds {labels.dtype} values such as {str(example)[:40]!r}; a regression needs "
            "numbers. Name a numeric column, or ask for kind='classification'"
        )
    values = labels.to_numpy(dtype=np.float64)
    if len(wrong := np.flatnonzero(~np.isfinite(values))):
        raise TaskError(
            f"{name}: {len(wrong)} targets are infinite (first: row {wrong[0]}); leave these rows out, or empty "
            "the cells"
        )
    if len(values) < MIN_ROWS or len(np.unique(values)) < 2:
        raise TaskError(
            f"{name}: {len(values)} rows with {len(np.unique(values))} different targets; a regression needs at "
            f"least {MIN_ROWS} rows and 2 values"
        )
    return values
