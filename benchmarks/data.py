"""Data sets of a folder with a manifest (columns name, task, family, use), as tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Source:
    """One file of the folder."""

    path: str
    name: str
    family: str
    rows: int
    classes: int


def read_manifest(folder: str | Path, split: str) -> list[Source]:
    """Classification sets of ``folder/split_manifest.csv`` that have something to learn, in the manifest's order."""
    folder = Path(folder)
    table = pd.read_csv(folder / f"{split}_manifest.csv")
    table = table[(table["task"] == "clf") & (table["use"] == "yes")]
    return [
        Source(
            str(folder / split / f"{row.name_}.parquet"),
            row.name_,
            row.family if isinstance(row.family, str) and row.family else row.name_,
            int(row.rows),
            int(row.classes),
        )
        for row in table.rename(columns={"name": "name_"}).itertuples()
    ]
