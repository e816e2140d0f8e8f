"""The former place of data sets and their sources."""

from __future__ import annotations

from metaal.rehearsal.dataset import Dataset, make_dataset
from metaal.rehearsal.sources import MISSING, builtin_names, data_name, days, load_data, read_table, sources, typed

__all__ = [
    "MISSING",
    "Dataset",
    "builtin_names",
    "data_name",
    "days",
    "load_data",
    "make_dataset",
    "read_table",
    "sources",
    "typed",
]
