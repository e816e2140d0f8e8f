"""Read the arrays that a loop in any language hands over: .npy, CSV, Parquet or JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from metaal.errors import InputError

ID_COLUMNS = ("id", "ids")


def read_json(path: str) -> Any:
    """A JSON document from a file, or from standard input where ``path`` is ``-``."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{'standard input' if path == '-' else path}: not JSON ({error})") from error


def read_table(path: str) -> Any:
    """A DataFrame from CSV or Parquet."""
    import pandas as pd

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.endswith((".parquet", ".pq")):
            return pd.read_parquet(path)
        return pd.read_csv(path)
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error


def read_array(path: str, *, matrix: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """One array from a file.

    Parameters
    ----------
    path : str
        ``.npy``, ``.csv``, ``.parquet`` or ``.json`` (nested lists; ``-`` = standard input).
    matrix : bool
        Whether a matrix is expected (every numeric column of a table) or one column.

    Returns
    -------
    values : array
    ids : array or None
        The column ``id`` of a table that has one.
    """
    if path == "-" or path.endswith(".json"):
        return _as_array(path, read_json(path)), None
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False), None
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{path}: not a .npy array of numbers or fixed-width text ({error})") from error
    table = read_table(path)
    own = next((column for column in table.columns if str(column).lower() in ID_COLUMNS), None)
    ids = None if own is None else table[own].to_numpy()
    rest = table if own is None else table.drop(columns=[own])
    if matrix:
        wrong = [str(column) for column in rest if rest[column].dtype.kind not in "fiub"]
        if wrong:
            raise InputError(f"{path}: columns {', '.join(wrong[:5])} are not numbers; keep numbers, and one column id")
        return rest.to_numpy(dtype=np.float64), ids
    column = own if rest.shape[1] == 0 else rest.columns[0]
    return table[column].to_numpy(), ids


def _as_array(path: str, value: Any) -> np.ndarray:
    if not isinstance(value, list):
        raise InputError(f"{path}: expected a JSON list (of lists), got {type(value).__name__}")
    try:
        return np.array(value)
    except ValueError as error:
        raise InputError(f"{path}: the rows differ in length ({error})") from error


def read_labels(path: str) -> tuple[Any, Any]:
    """Ids and labels from a table with columns id and label, or from JSON.

    JSON may be ``{"ids": [...], "labels": [...]}``, an object id → label (ids are text then), or a list of pairs.
    """
    if path == "-" or path.endswith(".json"):
        value = read_json(path)
        if isinstance(value, dict) and set(value) == {"ids", "labels"}:
            return value["ids"], value["labels"]
        if isinstance(value, dict):
            return list(value), list(value.values())
        if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            return [pair[0] for pair in value], [pair[1] for pair in value]
        raise InputError(
            f'{path}: expected {{"ids": [...], "labels": [...]}}, an object, or a list of [id, label] pairs'
        )
    table = read_table(path)
    names = {str(column).lower(): column for column in table.columns}
    if "id" not in names or "label" not in names:
        raise InputError(f"{path}: expected columns id and label, got {', '.join(map(str, table.columns))}")
    if table[names["label"]].isna().any():
        raise InputError(
            f"{path}: {int(table[names['label']].isna().sum())} rows have no label; leave them out, or --skip"
        )
    return table[names["id"]].to_numpy(), table[names["label"]].to_numpy()
