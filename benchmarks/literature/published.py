"""The published table, and which of its sets are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.literature.protocol import RULES

LARGE, FEW, MANY = 2000, 15, 150
"""Sets of more rows than LARGE were repeated FEW times, others MANY times (section 4 of the paper)."""


@dataclass(frozen=True)
class Known:
    """A set that is here and in the published table.

    Parameters
    ----------
    name, theirs : str
        Our name, and the published one.
    path : Path
    rows, features : int
    repeats : int
        Theirs.
    match : str
        How sure it is that both are the same data.
    """

    name: str
    theirs: str
    path: Path
    rows: int
    features: int
    repeats: int
    match: str

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Features f8[N,D] and labels i8[N]."""
        table = pd.read_parquet(self.path)
        return table.drop(columns="target").to_numpy(np.float64), table["target"].to_numpy(np.int64)


def known_sets(data: str | Path) -> list[Known]:
    """The sets with both a file and published numbers, the cheapest first.

    Parameters
    ----------
    data : str, Path
        Folder with ``published/names.csv``, the manifests and their files.
    """
    folder = Path(data)
    names = pd.read_csv(folder / "published" / "names.csv")
    pairs = pd.read_csv(folder / "published" / "lu2023_margin_model_pairs.csv")
    same = pairs[(pairs["query_model"] == "RBFSVM") & (pairs["task_model"] == "RBFSVM")].set_index("dataset")["repeats"]
    found = []
    for split in ("train", "dev"):
        manifest = pd.read_csv(folder / f"{split}_manifest.csv").set_index("name")
        for name, theirs, match in names.itertuples(index=False):
            if name in manifest.index:
                rows, features = int(manifest.loc[name, "rows"]), int(manifest.loc[name, "features"])
                repeats = int(same.get(theirs, FEW if rows > LARGE else MANY))
                path = folder / split / f"{name}.parquet"
                found.append(Known(name, theirs, path, rows, features, repeats, match))
    return sorted(found, key=lambda known: (known.rows, known.name))


def published(data: str | Path, sets: list[Known]) -> dict[str, dict[str, dict[str, float]]]:
    """Our name of the set → our strategy → published mean, standard deviation and repeats, as in the file."""
    table = pd.read_csv(Path(data) / "published" / "lu2023_aubc_summary.csv")
    keys = zip(table["dataset"], table["strategy"], strict=True)
    numbers = dict(zip(keys, table[["aubc", "std"]].to_numpy(np.float64), strict=True))
    out: dict[str, dict[str, dict[str, float]]] = {}
    for known in sets:
        out[known.name] = {}
        for ours, rule in RULES.items():
            mean, spread = numbers.get((known.theirs, rule.published), (np.nan, np.nan))
            if np.isfinite(mean):
                out[known.name][ours] = {"aubc": float(mean), "std": float(spread), "repeats": known.repeats}
    return out
