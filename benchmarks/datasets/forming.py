"""A raw table in the one form that all sets have, and its Parquet file.

Feature columns first (float32 numbers, NaN = missing; int16 category codes, −1 = missing), `target` last (int16 class
code, or float32 for a regression). Names of levels and classes, the origin and what was left out stand in the file's
metadata under the key ``metaal`` (JSON). Rows are shuffled once; nothing is scaled, imputed or split.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SHUFFLE = 20240  # the seed with which every set's rows were shuffled
RARE = 10  # classes with fewer rows are left out
LEVELS = 100  # text columns with more levels are left out
NUMBERS = 0.98  # share of the cells of a text column that must be numbers, to read it as one


@dataclass(frozen=True, eq=False)
class Formed:
    """A set in its final form.

    Parameters
    ----------
    table : DataFrame
        Features, then ``target``.
    classes : list of str or None
        None for a regression.
    levels : dict
        Names of the levels of each category column, under the column's original name.
    dropped : list of str
        What was left out, with the reason.
    """

    table: pd.DataFrame
    classes: list[str] | None
    levels: dict[str, list[str]]
    dropped: list[str]


def form(raw: pd.DataFrame, *, target: str, drop: str = "", task: str = "clf") -> Formed:
    """Bring a raw table into form.

    Parameters
    ----------
    raw : DataFrame
        Not written to.
    target : str
        A column's name, or its position (``-1`` is the last one); with ``>NUMBER`` the class is whether it is larger.
    drop : str
        Columns to leave out: regular expressions for whole names, separated by blanks.
    task : {"clf", "reg"}

    Returns
    -------
    Formed

    Raises
    ------
    ValueError
        There is no such target.
    """
    patterns = drop.split()
    table = raw[[c for c in raw if not any(re.fullmatch(p, str(c)) for p in patterns)]]
    table = table.apply(_stripped)
    name, _, cut = target.partition(">")
    if re.fullmatch(r"-?\d+", name):
        name = table.columns[int(name)]
    if name not in table:
        raise ValueError(f"no column {name!r} for the target; the columns are {', '.join(map(str, table))}")
    y = table[name] if not cut else (table[name] > float(cut)).astype(int)
    known = y.notna()
    columns, levels, dropped = _features(table[known].drop(columns=[name]))
    y = y[known].reset_index(drop=True)
    classes: list[str] | None = None
    if task == "reg":
        columns["target"] = y.to_numpy(dtype=np.float32)
        keep = np.ones(len(y), dtype=bool)
    else:
        text = y.map(_label)
        counts = text.value_counts()
        common = counts[counts >= RARE].index
        keep = text.isin(common).to_numpy()
        if len(common) < len(counts):
            dropped.append(f"{len(counts) - len(common)} rare classes")
        classes = sorted(common)
        columns["target"] = text.map({label: code for code, label in enumerate(classes)}).fillna(-1).to_numpy(np.int16)
    rows = np.flatnonzero(keep)
    rows = rows[np.random.default_rng(SHUFFLE).permutation(len(rows))]
    return Formed(pd.DataFrame({c: values[rows] for c, values in columns.items()}), classes, levels, dropped)


def _features(table: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, list[str]], list[str]]:
    """Columns as numbers or codes, the names of their levels, and what was left out."""
    columns, levels, dropped = {}, {}, []
    for name in table:
        values = table[name]
        if values.nunique(dropna=False) <= 1:
            dropped.append(f"{name} (constant)")
            continue
        column = re.sub(r"\s+", "_", str(name).strip())
        numbers = _numeric(values)
        if numbers is not None:
            columns[column] = numbers
            continue
        text = values.dropna().astype(str)
        names = sorted(text.unique())
        if len(names) <= 1:  # one level and missing cells; in numbers, that is kept
            dropped.append(f"{name} (constant)")
            continue
        if len(names) > LEVELS:
            dropped.append(f"{name} ({len(names)} levels)")
            continue
        codes = values.map({level: code for code, level in enumerate(names)}, na_action="ignore")
        columns[column] = codes.fillna(-1).to_numpy(dtype=np.int16)
        levels[str(name)] = names
    return columns, levels, dropped


def _stripped(values: pd.Series) -> pd.Series:
    """Text and truth values as text without blanks around it; nothing left is missing."""
    if values.dtype.kind in "iuf":
        return values
    text = values.astype(object).map(lambda value: str(value).strip() or None, na_action="ignore")
    return text.astype(object)


def _numeric(values: pd.Series) -> np.ndarray | None:
    if values.dtype.kind in "iuf":
        return values.to_numpy(dtype=np.float32)
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    if numbers.notna().sum() < NUMBERS * values.notna().sum():
        return None
    return numbers.to_numpy(dtype=np.float32)


def _label(value: Any) -> str:
    """A class as text: 1.0 is 1."""
    if isinstance(value, float | np.floating) and value == int(value):
        return str(int(value))
    return str(value)


def write(formed: Formed, path: Path, facts: dict[str, str]) -> None:
    """Write a set, whole or not at all.

    Parameters
    ----------
    formed : Formed
    path : Path
    facts : dict
        name, task, domain, source, path and note, for the metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    said: dict[str, Any] = {key: facts[key] for key in ("name", "task", "domain", "source", "path")}
    said |= {"classes": formed.classes, "levels": formed.levels, "dropped": formed.dropped, "note": facts["note"]}
    arrays = {c: pa.array(formed.table[c].to_numpy()) for c in formed.table}
    table = pa.table(arrays).replace_schema_metadata({"metaal": json.dumps(said)})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    pq.write_table(table, part, compression="zstd")
    os.replace(part, path)
