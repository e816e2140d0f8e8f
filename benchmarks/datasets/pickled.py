"""Pickled DataFrames read as data: only eleven classes and functions are known, and each has a harmless stand-in.

An ordinary unpickler would call whatever the file names. Here a foreign name is an error, and pandas' own machinery
(which changes between versions) isn't needed either.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pandas as pd


def read_pickle(content: bytes) -> pd.DataFrame:
    """Read a pickled DataFrame with blocks of numbers, truth values or Python objects.

    Parameters
    ----------
    content : bytes
        The pickle, already decompressed.

    Returns
    -------
    DataFrame
        Row labels are left out.

    Raises
    ------
    ValueError
        The pickle names anything else, or is no DataFrame.
    """
    try:
        found = _Reader(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not a pickled DataFrame of plain columns: {error}") from error
    if not isinstance(found, _Frame):
        raise ValueError(f"the pickle holds a {type(found).__name__}; expected a DataFrame")
    return found.table()


class _Frame:
    """In place of DataFrame."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.manager = state["_mgr"]

    def table(self) -> pd.DataFrame:
        names = list(self.manager.axes[0])
        columns: dict[int, Any] = {}
        for values, places in self.manager.blocks:
            where = range(len(names))[places] if isinstance(places, slice) else places
            columns.update(zip(where, values, strict=True))
        # One by one, so that pandas keeps objects as objects.
        series = [pd.Series(columns[k], dtype=columns[k].dtype, name=name) for k, name in enumerate(names)]
        return pd.concat(series, axis=1)


class _Manager:
    """In place of BlockManager."""

    def __init__(self, blocks: tuple[Any, ...], axes: list[Any], *rest: Any) -> None:
        self.blocks, self.axes = blocks, axes


def _index(kind: str, parts: dict[str, Any]) -> Any:
    return range(parts["start"], parts["stop"], parts["step"]) if kind == "RangeIndex" else parts["data"]


def _block(values: np.ndarray, places: Any, ndim: int) -> tuple[np.ndarray, Any]:
    return values, places


def _buffer(buffer: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _array(kind: Any, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    return np.ndarray(shape, dtype=np.int8)  # its real content comes as its state


_KNOWN: dict[tuple[str, str], Any] = {
    **{(module, "DataFrame"): _Frame for module in ("pandas.core.frame", "pandas")},
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas._libs.internals", "_unpickle_block"): _block,
    ("pandas.core.indexes.base", "_new_Index"): _index,
    **{(module, "Index"): "Index" for module in ("pandas.core.indexes.base", "pandas")},
    **{(module, "RangeIndex"): "RangeIndex" for module in ("pandas.core.indexes.range", "pandas")},
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): "ndarray",
    **{(f"numpy.{core}.numeric", "_frombuffer"): _buffer for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise ValueError(f"the pickle names {module}.{name}, which is not part of a plain DataFrame; not read")
        return _KNOWN[module, name]
