"""Read the arrays that a loop in any language hands over: .npy, CSV, Parquet or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from metaal.errors import InputError

ID_COLUMNS = ("id", "ids")
PARQUET = (".parquet", ".pq")


def read_json(path: str) -> Any:
    """A JSON document from a file, or from standard input where ``path`` is ``-``."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{'standard input' if path == '-' else path}: not JSON ({error})") from error


def read_table(path: str, *, text: Container[str] | None = None) -> Any:
    """A DataFrame from CSV or Parquet.

    Parameters
    ----------
    path : str
    text : container of str, optional
        Columns of a CSV file (in lower case) to be left as the text that stands there, even ``001`` or ``NA``; None =
        all of them. A Parquet file has types of its own.
    """
    import pandas as pd

    from metaal.rehearsal.sources.columns import MISSING

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.endswith(PARQUET):
            return pd.read_parquet(path)
        names = list(pd.read_csv(path, nrows=0, skipinitialspace=True).columns)
        kept = [name for name in names if text is None or name.lower() in text]
        return pd.read_csv(
            path,
            skipinitialspace=True,
            low_memory=False,
            dtype=dict.fromkeys(kept, str),
            keep_default_na=False,
            na_values={name: [""] if name in kept else list(MISSING) for name in names},
        )
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error


def read_array(path: str, *, matrix: bool, keys: bool = False) -> tuple[Any, np.ndarray | None]:
    """One array from a file.

    Parameters
    ----------
    path : str
        ``.npy``, ``.csv``, ``.parquet`` or ``.json`` (nested lists; ``-`` = standard input).
    matrix : bool
        Whether a matrix is expected (every numeric column of a table) or one column.
    keys : bool
        Whether that column holds ids: the column ``id`` if there is one, each as it is spelt.

    Returns
    -------
    values : array or list
    ids : array or None
        The column ``id`` of a table that has one.
    """
    if path == "-" or path.endswith(".json"):
        value = read_json(path)
        return (as_array if matrix else as_list)(path, value), None
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False), None
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{path}: not a .npy array of numbers or fixed-width text ({error})") from error
    table = read_table(path, text=ID_COLUMNS if matrix else None)
    own = next((column for column in table.columns if str(column).lower() in ID_COLUMNS), None)
    ids = None if own is None else _ids(path, table[own])
    rest = table if own is None else table.drop(columns=[own])
    if matrix:
        wrong = [str(column) for column in rest if rest[column].dtype.kind not in "fiub"]
        if wrong:
            raise InputError(f"{path}: columns {', '.join(wrong[:5])} are not numbers; keep numbers, and one column id")
        return rest.to_numpy(dtype=np.float64), ids
    if ids is not None and (keys or rest.shape[1] == 0):
        return ids, ids
    column = table[rest.columns[0]]
    return _ids(path, column) if keys else _values(path, column), ids


def read_npz(path: str, known: Sequence[str]) -> dict[str, Any]:
    """The arrays of a .npz file, by name; only known names are taken."""
    if not path.endswith(".npz"):
        raise InputError(f"{path}: expected a .npz file (numpy.savez) with arrays named as in strategy_zoo.View")
    try:
        with np.load(path, allow_pickle=False) as archive:
            given = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        raise InputError(f"{path}: not a .npz file of numbers and fixed-width text ({error})") from error
    strange = sorted(set(given) - set(known))
    if strange:
        raise InputError(f"{path}: unknown array {strange[0]!r}; expected some of {', '.join(known)}")
    return given


def as_array(path: str, value: Any) -> np.ndarray:
    """An array from the nested lists of a JSON document."""
    if not isinstance(value, list):
        raise InputError(f"{path}: expected a JSON list (of lists), got {type(value).__name__}")
    try:
        return np.array(value)
    except ValueError as error:
        raise InputError(f"{path}: the rows differ in length ({error})") from error


def as_list(path: str, value: Any) -> list[Any]:
    """A plain list of a JSON document, its entries as they are."""
    if not isinstance(value, list) or any(isinstance(item, list | dict) for item in value):
        raise InputError(f"{path}: expected a plain JSON list, one entry a row, for ids, labels and predictions")
    return value


def _values(path: str, column: Any) -> np.ndarray:
    """A column of a CSV file, read as text, as what its cells spell; Parquet has types of its own."""
    from metaal.rehearsal.sources.columns import typed

    return np.asarray((column if path.endswith(PARQUET) else typed(column)).to_numpy())


def _ids(path: str, column: Any) -> np.ndarray:
    """A column of ids: whole numbers only where every cell is the spelling of one, so that 007 stays 007."""
    if column.isna().any():
        raise InputError(f"{path}: {int(column.isna().sum())} rows have no id; key every row")
    if path.endswith(PARQUET):
        return np.asarray(column.to_numpy())
    values = [str(value) for value in column]
    try:
        numbers = np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(values)
    return numbers if [str(number) for number in numbers.tolist()] == values else np.array(values)


def read_labels(path: str, *, text: bool = False) -> tuple[Any, Any]:
    """Ids and labels from a table with columns id and label, or from JSON.

    JSON may be ``{"ids": [...], "labels": [...]}``, an object id → label (ids are text then), or a list of pairs. In a
    CSV file only an empty cell is missing: ``None`` and ``NA`` are labels. ``text``: the run's labels are text, so
    that a cell 0 is "0", also in a file that holds no other label.
    """
    if path == "-" or path.endswith(".json"):
        value = read_json(path)
        if isinstance(value, dict) and set(value) == {"ids", "labels"}:
            return as_list(path, value["ids"]), as_list(path, value["labels"])
        if isinstance(value, dict):
            return list(value), as_list(path, list(value.values()))
        if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            return as_list(path, [pair[0] for pair in value]), as_list(path, [pair[1] for pair in value])
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
    column = table[names["label"]]
    return _ids(path, table[names["id"]]), column.astype(str).to_numpy() if text else _values(path, column)
