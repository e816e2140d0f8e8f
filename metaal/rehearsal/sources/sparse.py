"""Sparse data (LIBSVM files, sparse OpenML sets) as an ordinary table, where it fits into memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError

if TYPE_CHECKING:
    import pandas

DENSE_BYTES = 2**29
"""The largest dense table that is made of a sparse one: 512 MiB, 64 million numbers."""


def read_svmlight(path: Path) -> tuple[pandas.DataFrame, str]:
    """Read ``label index:value index:value …`` lines; absent values are zeros.

    Parameters
    ----------
    path : Path
        ``.svm``, ``.libsvm`` or ``.svmlight``, also with ``.gz`` or ``.bz2``. Indices from 0 or from 1.

    Returns
    -------
    table : DataFrame
        Columns ``f0``, ``f1``, …, and ``target``: whole numbers where every label is one.
    target : str
    """
    from sklearn.datasets import load_svmlight_file

    values, labels = load_svmlight_file(str(path))
    table = dense(path, values, [f"f{k}" for k in range(values.shape[1])])
    table["target"] = labels.astype(np.int64) if (labels % 1 == 0).all() else labels
    return table, "target"


def dense(where: object, values: Any, columns: list[str]) -> pandas.DataFrame:
    """A sparse matrix [N, F] as a DataFrame of float64.

    Raises
    ------
    TaskError
        It would need more than `DENSE_BYTES`.
    """
    import pandas as pd

    rows, width = values.shape
    if (need := rows * width * 8) > DENSE_BYTES:
        raise TaskError(
            f"{where}: {rows} rows × {width} columns would need {need / 2**30:.1f} GiB as a table (limit "
            f"{DENSE_BYTES / 2**30:.1f}); reduce it first, for example with scikit-learn's TruncatedSVD, and pass a "
            "DataFrame"
        )
    return pd.DataFrame(values.toarray(), columns=columns)
