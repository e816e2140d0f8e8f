"""What becomes of the columns of a table: marks of missing values, numbers written as text, dates, ids."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from metaal.errors import TaskError
from metadata_store.errors import nearest

if TYPE_CHECKING:
    import pandas

MISSING = (
    *("", "?", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "n/a", "NA", "NULL", "null", "None", "NaN", "nan"),
    *("-NaN", "-nan", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
)
"""What counts as missing in the cells of a feature column; in a target only the empty cell does."""
MANY_LEVELS = 50
DATES = 0.95  # share of the cells of a column of dates that must be dates


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
    """Dates as days since 1970, NaN where there is none; what is not an ISO date counts as missing.

    Examples
    --------
    >>> import pandas as pd
    >>> days(pd.Series(["1970-01-03", "some day"])).tolist()
    [2.0, nan]
    """
    import pandas as pd

    form = None if column.dtype.kind == "M" else "ISO8601"
    dates = pd.to_datetime(column, format=form, errors="coerce", utc=True)
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def usable(where: object, features: pandas.DataFrame, coded: set[str]) -> pandas.DataFrame:
    """Dates as days; text columns that are ids or free text left out, with a warning.

    Parameters
    ----------
    where : object
        What the features are of; messages begin with it.
    features : DataFrame [N, F]
        Not written to.
    coded : set of str
        Columns that are categories already, and stay as they are.

    Raises
    ------
    TaskError
        No column is left.
    """
    from pandas.api import types

    features = features.copy(deep=False)
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
        raise TaskError(
            f"{where}: every column but the target is text with nearly as many values as rows; add features"
        )
    if dropped:
        text = (
            f"{where}: columns left out as ids or free text (nearly every row differs): {', '.join(map(str, dropped))}"
        )
        warnings.warn(text, UserWarning, stacklevel=2)
    return features.drop(columns=dropped)


def _like_dates(text: pandas.Series) -> float:
    """Share of cells that are ISO dates, with or without a time."""
    whole = text[text.str.match(r"\d{4}-\d{2}-\d{2}([T ]|$)")]
    return float(days(whole).notna().sum() / len(text)) if len(whole) else 0.0


def find_target(where: object, columns: pandas.Index | list[str], target: str | None) -> str:
    """The target's column: the one that was named, or the likely one.

    Examples
    --------
    >>> find_target("t.csv", ["x", "Label", "note"], None), find_target("t.csv", ["x", "kind"], None)
    ('Label', 'kind')
    """
    if len(columns) < 2:
        raise TaskError(
            f"{where}: {len(columns)} columns; expected features and a target, separated by a comma, a semicolon, a "
            "tab or |"
        )
    if target is None:
        lower = {str(column).lower(): column for column in columns}
        return next((lower[word] for word in ("target", "class", "label", "y") if word in lower), columns[-1])
    if target not in columns:
        names = list(map(str, columns))
        raise TaskError(
            f"{where}: no column {target!r}; {nearest(str(target), names)} The columns are {', '.join(names[:30])}"
        )
    return target
