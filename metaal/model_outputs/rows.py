"""Rows of whatever the user keeps them in: arrays, sparse matrices, data frames, lists of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metaal.errors import InputError


def tidy(name: str, X: Any) -> Any:
    """The same rows in a form that can be cut; only sparse matrices of other layouts are converted."""
    if is_sparse(X):
        return X.tocsr()
    if not (hasattr(X, "shape") or isinstance(X, list | tuple)):
        raise InputError(
            f"{name}: got a {type(X).__name__}, expected an array, a sparse matrix, a data frame or a list; "
            "pass the rows that the estimator's own predict takes"
        )
    if hasattr(X, "shape") and len(X.shape) == 0:
        raise InputError(f"{name}: got a single value, expected one entry a row")
    return X


def count(X: Any) -> int:
    """Number of rows."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def width(X: Any) -> int:
    """Numbers in a row, as far as can be told."""
    return int(np.prod(X.shape[1:], dtype=np.int64)) if hasattr(X, "shape") else 64


def is_sparse(X: Any) -> bool:
    """Whether X is a scipy sparse matrix or array; found out without importing scipy."""
    return hasattr(X, "tocsr")


def is_frame(X: Any) -> bool:
    """Whether X is a pandas data frame."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def take(X: Any, index: Any) -> Any:
    """The rows of a slice or of an array of positions, of the same type as X."""
    if hasattr(X, "iloc"):
        return X.iloc[index]
    if isinstance(X, list | tuple) and not isinstance(index, slice):
        return [X[i] for i in index.tolist()]
    return X[index]


def blocks(X: Any, step: int) -> Iterator[tuple[slice, Any]]:
    """X in pieces of `step` rows, each with the slice that it came from."""
    n = count(X)
    for start in range(0, n, step):
        part = slice(start, min(n, start + step))
        yield part, (X if step >= n else take(X, part))


def numbers(values: Any, dtype: Any) -> np.ndarray:
    """Dense rows [n, D] of finite numbers.

    Raises
    ------
    ValueError
        In words that go on after "with": they aren't numbers, not finite, or not of two dimensions.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.asarray(values.toarray() if is_sparse(values) else values)
        if not array.ndim:
            raise ValueError("no rows")
        text = array.dtype.kind in "US" or (
            array.dtype.kind == "O" and any(isinstance(entry, str | bytes) for entry in array[:1].ravel().tolist())
        )
        if text:  # numpy would read "12" as a number
            raise ValueError("texts")
        try:
            array = array.astype(dtype, copy=False)
        except (TypeError, ValueError):
            raise ValueError("values that aren't numbers") from None
        if array.ndim != 2 or not array.shape[1]:
            raise ValueError(f"shape {array.shape} instead of two dimensions")
        # The sum is finite unless an entry isn't (or huge ones overflow): only then every entry is looked at.
        if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
            raise ValueError(f"NaN, or values that {array.dtype} can't hold")
    return array


def joined(one: Any, two: Any) -> Any:
    """The rows of `one` followed by those of `two`."""
    if is_frame(one) != is_frame(two):
        raise InputError("X and X_seen: one is a data frame and the other isn't; pass both as data frames, or neither")
    if hasattr(one, "iloc") and hasattr(two, "iloc"):
        import pandas as pd

        return pd.concat(_alike(one, two) if is_frame(one) else [one, two])
    if is_sparse(one) or is_sparse(two):
        from scipy.sparse import vstack

        return vstack([one, two], format="csr")
    if isinstance(one, list | tuple) and isinstance(two, list):
        return [*one, *two]
    return np.concatenate([one, two])


def _alike(one: Any, two: Any) -> list[Any]:
    """Two data frames with the same categories in each column of them; pandas would make texts of them otherwise."""
    import pandas as pd

    kinds = dict(two.dtypes.items())
    common = {
        name: pd.CategoricalDtype(kind.categories.union(kinds[name].categories, sort=False), kind.ordered)
        for name, kind in one.dtypes.items()
        if isinstance(kind, pd.CategoricalDtype)
        and isinstance(kinds.get(name), pd.CategoricalDtype)
        and kind != kinds[name]
    }
    return [one.astype(common), two.astype(common)] if common else [one, two]


def frozen(array: np.ndarray) -> np.ndarray:
    """A read-only view; the array itself stays as writable as it was."""
    view = array.view()
    view.flags.writeable = False
    return view
