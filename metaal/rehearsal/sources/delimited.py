"""CSV files as people write them: the separator found out, marks of missing values known, the target taken as text."""

from __future__ import annotations

import csv
import gzip
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from metaal.rehearsal.sources.columns import MISSING, find_target, typed

if TYPE_CHECKING:
    import pandas

SEPARATORS = (",", ";", "\t", "|")


def read_delimited(path: Path, target: str | None) -> tuple[pandas.DataFrame, str]:
    """Read a CSV or TSV file.

    Parameters
    ----------
    path : Path
        ``.tsv`` is separated by tabs; else by ``,``, ``;``, tab or ``|``, whichever fits. ``.gz`` is unpacked.
    target : str, optional

    Returns
    -------
    table : DataFrame
    target : str
        The target's column. Its cells are missing only where they are empty: ``None`` or ``NA`` may name a class.
    """
    import pandas as pd

    # A .tsv says what it is; else what splits the header into columns among which the target is, and into most of them.
    marks = ("\t",) if "tsv" in path.name.lower().split(".") else SEPARATORS
    headers = {}
    for mark in marks:
        headers[mark] = list(pd.read_csv(path, sep=mark, skipinitialspace=True, nrows=0, encoding="utf-8").columns)
    mark = max(marks, key=lambda mark: (target in headers[mark], _splits(path, mark), len(headers[mark])))
    target = find_target(path, headers[mark], target)
    table = pd.read_csv(
        path,
        sep=mark,
        skipinitialspace=True,
        encoding="utf-8",
        low_memory=False,  # types of whole columns, not of pieces
        index_col=False,  # rows that end in one separator too many do not shift
        dtype={target: str},
        keep_default_na=False,
        na_values={column: [""] if column == target else list(MISSING) for column in headers[mark]},
    )
    table[target] = typed(table[target])
    return table, target


def _splits(path: Path, mark: str) -> bool:
    """Whether a separator gives the first rows as many fields, more than one, as the header."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as text:
        widths = {len(row) for row in itertools.islice(csv.reader(text, delimiter=mark), 6) if row}
    return len(widths) == 1 and widths.pop() > 1
