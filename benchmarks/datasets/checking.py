"""What a rebuilt set shows, against what its manifest expects."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

FACTS = ("rows", "features", "categorical", "missing", "classes", "min_class", "majority")


def facts(path: Path) -> dict[str, Any]:
    """What a file of the common form holds, as its manifest says it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        `FACTS` (missing: NaN among all cells of features; classes, min_class and majority: NaN for a regression) and
        ``digest``: 16 hexadecimal digits of names, types, values and metadata. Equal digests: equal sets, the order
        of the rows included.
    """
    read = pq.read_table(path)
    said = json.loads(read.schema.metadata[b"metaal"])
    table = read.to_pandas()
    X, y = table.iloc[:, :-1], table["target"].to_numpy()
    coded = [column for column in X if X[column].dtype.kind == "i"]
    counts = np.bincount(y) if y.dtype.kind == "i" else None
    return {
        "rows": len(table),
        "features": X.shape[1],
        "categorical": len(coded),
        "missing": round(int(X.isna().to_numpy().sum()) / X.size, 4),
        "classes": np.nan if counts is None else len(counts),
        "min_class": np.nan if counts is None else int(counts.min()),
        "majority": np.nan if counts is None else round(int(counts.max()) / len(y), 4),
        "digest": _digest(table, said),
    }


def _digest(table: pd.DataFrame, said: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8)
    for name in table:
        values = table[name].to_numpy()
        digest.update(f"{name} {values.dtype.str} {len(values)}".encode())
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), values.dtype.type(np.nan), values)  # one pattern of bits for all NaN
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """In words, what is not as expected; empty if all is.

    Examples
    --------
    >>> differences({"rows": 9, "digest": "ab"}, {"rows": 10, "digest": "cd"})
    ['rows 9, expected 10']
    >>> differences({"rows": 10, "digest": "ab"}, {"rows": 10, "digest": "cd"})
    ['all facts agree, the content differs']
    """
    out = []
    for key in FACTS:
        if key in expected and not _same(found[key], expected[key]):
            out.append(f"{key} {found[key]}, expected {expected[key]:g}")
    if not out and found["digest"] != expected["digest"]:
        out.append("all facts agree, the content differs")
    return out


def _same(a: float, b: float) -> bool:
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(a) and np.isnan(b))
    return abs(a - b) < 1e-3
