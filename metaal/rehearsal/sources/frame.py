"""A table that the user has in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaal.errors import TaskError
from metaal.rehearsal.dataset import Dataset, make_dataset
from metaal.rehearsal.sources.columns import find_target, usable

if TYPE_CHECKING:
    import pandas


def read_frame(
    frame: pandas.DataFrame,
    target: str | None = None,
    *,
    name: str = "",
    family: str = "",
    kind: str | None = None,
) -> Dataset:
    """Make a data set of a DataFrame with a column of labels.

    Parameters
    ----------
    frame : DataFrame [N, F + 1]
        Its columns are treated as those of a file: dates become days, ids and free text are left out with a warning.
        Sentence embeddings or pixels are columns, one a dimension. Not written to.
    target : str, optional
        Column with the labels. Default: ``target``, ``class``, ``label`` or ``y`` if there is one, else the last one.
    name : str
        Default: ``frame.attrs["name"]``, else ``"frame"``. Runs are named after it.
    family : str
        Default: the name.
    kind : {"classification", "regression"}, optional
        Default: what the target says (`make_dataset`).

    Raises
    ------
    TaskError
        There is no such column, two columns share a name, or the target cannot be learnt.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> read_frame(pd.DataFrame({"x": np.arange(40.0), "label": ["no", "yes"] * 20}), name="mine")
    Dataset('mine': 40 rows, 1 columns, 2 classes)
    """
    name = name or str(frame.attrs.get("name", "frame"))
    column = find_target(name, frame.columns, target)
    texts = [str(column) for column in frame.columns]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise TaskError(f"{name}: two columns are called {twice!r}; rename one of them")
    features = usable(name, frame.drop(columns=[column]), set())
    return make_dataset(name, features, frame[column], family=family, kind=kind)
