"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np


def print_json(value: Any) -> None:
    """Write one JSON document to standard output; what is not a number becomes null."""
    print(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, fold: str | Sequence[str] = ()) -> None:
    """Print a table; in a narrow terminal the columns ``fold`` are folded, and the others keep their lines."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    rows = [list(row) for row in rows]
    folded = (fold,) if isinstance(fold, str) else fold
    for k, column in enumerate(columns):
        numeric = all(isinstance(row[k], int | float | np.number) or row[k] is None for row in rows)
        side: Literal["left", "right"] = "right" if numeric and rows else "left"
        table.add_column(column, justify=side, overflow="fold", no_wrap=column not in folded if folded else k == 0)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row))
    Console(soft_wrap=False).print(table)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
