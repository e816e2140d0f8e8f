"""From a DataFrame of any columns to f8[N,D]: imputed, scaled, one-hot, and at most 100 wide; fitted on the pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.rehearsal.sources import days

if TYPE_CHECKING:
    import pandas

WIDTH_LIMIT, WIDTH = 100, 50
ABSURD = 1e100  # larger numbers are marks of something else, and their squares overflow
LEVELS = 20
"""Columns that a text column becomes at most; the rarest values share one."""

Encode = Callable[[Any], np.ndarray]


def encoder(X: pandas.DataFrame) -> Encode:
    """Fit the encoding on ``X``; the result turns a DataFrame of the same columns into f8[n,D].

    Numbers and dates (as days): median for what is missing, mean 0, deviation 1. Text, categories and truth values:
    one column for each of the 20 commonest values. More than 100 columns (pixels, embeddings) are reduced to the 50
    first principal components, in units of the first one's deviation.

    Examples
    --------
    >>> import pandas as pd
    >>> encode = encoder(pd.DataFrame({"height": [1.0, 3.0, None], "colour": ["red", "blue", "red"]}))
    >>> encode(pd.DataFrame({"height": [2.0], "colour": ["red"]}))
    array([[0., 0., 1.]])
    """
    from pandas.api import types
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [c for c in X if types.is_numeric_dtype(X[c]) and not types.is_bool_dtype(X[c])]
    dates = [c for c in X if X[c].dtype.kind == "M"]
    other = [c for c in X if c not in set(numeric) and c not in set(dates)]
    scale = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=LEVELS, sparse_output=False)
    numbers = _numbers(X, numeric, dates)
    if numbers.shape[1]:
        scale.fit(numbers)
    if other:
        hot.fit(_texts(X, other))

    def plain(values: pandas.DataFrame) -> np.ndarray:
        parts = []
        if numbers.shape[1]:
            parts.append(scale.transform(_numbers(values, numeric, dates)))
        if other:
            parts.append(hot.transform(_texts(values, other)))
        return np.hstack(parts)

    encoded = plain(X)
    if encoded.shape[1] <= WIDTH_LIMIT:
        return lambda values: np.ascontiguousarray(plain(values))
    # Wide data (pixels, sentence embeddings) would make every distance slow and every learner short of labels.
    shrink = PCA(min(WIDTH, len(X) - 1), random_state=0, whiten=False).fit(encoded)
    unit = float(np.sqrt(shrink.explained_variance_[0])) or 1.0
    return lambda values: np.ascontiguousarray(shrink.transform(plain(values)) / unit)


def _numbers(values: pandas.DataFrame, numeric: list[Any], dates: list[Any]) -> np.ndarray:
    """Numbers and dates f8[n,·], NaN where missing or absurd; one conversion for all columns of plain types."""
    out = values[numeric].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    out[~(np.abs(out) <= ABSURD)] = np.nan
    if dates:
        out = np.column_stack([out, *(days(values[column]).to_numpy(dtype=np.float64) for column in dates)])
    # Sums along the columns depend on how they lie in memory in the last bit: always column by column.
    return np.asfortranarray(out)


def _texts(values: pandas.DataFrame, other: list[Any]) -> Any:
    out = values[other].copy()
    for column in other:
        out[column] = out[column].astype("object").where(out[column].notna(), "missing").astype(str)
    return out
