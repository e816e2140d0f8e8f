"""A labelled table in one file: CSV, TSV, Parquet, ARFF or LIBSVM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError
from metaal.rehearsal.dataset import Dataset, make_dataset
from metaal.rehearsal.sources.columns import find_target, usable
from metadata_store.errors import nearest

if TYPE_CHECKING:
    import pandas

ENDINGS = {
    **dict.fromkeys(("parquet", "pq"), "parquet"),
    "arff": "arff",
    **dict.fromkeys(("csv", "tsv", "txt"), "delimited"),
    **dict.fromkeys(("svm", "libsvm", "svmlight"), "svmlight"),
}
"""What each ending means; `.gz` and `.bz2` may follow where the format's reader unpacks."""


def read_table(
    path: str | Path, *, target: str | None = None, name: str | None = None, family: str = "", kind: str | None = None
) -> Dataset:
    """Read a labelled table.

    Parameters
    ----------
    path : str, Path
        ``.csv`` (also ``.csv.gz``, ``.tsv``) in UTF-8, separated by ``,``, ``;``, tab or ``|``; ``.parquet``,
        ``.arff``, or ``.svm`` (also ``.libsvm``, ``.svmlight``, and these with ``.gz`` or ``.bz2``). In the target of
        a CSV file only an empty cell is missing: ``None`` or ``NA`` may name a class.
    target : str, optional
        Column with the labels. Default: ``target``, ``class``, ``label`` or ``y`` if there is one, else the last one.
    name, family : str, optional
        Default: the file's name up to its first dot; the name.
    kind : {"classification", "regression"}, optional
        Default: what the file says (Parquet of metaal's own form does), else what the target says (`make_dataset`).

    Dates become numbers (days); text columns in which nearly every row differs are left out, with a warning.

    Raises
    ------
    TaskError
        The file cannot be read, or has no such column.
    """
    from metaal.rehearsal.sources.builtin import builtin_names

    path = Path(path)
    if not path.is_file():
        raise TaskError(
            f"{path}: no such file, and no built-in set: {nearest(str(path), builtin_names())} Pass a CSV, Parquet, "
            "ARFF or LIBSVM file, FOLDER/manifest.csv#NAME, openml:ID or a built-in name"
        )
    try:
        table, coded, target, said = _read(path, target)
    except TaskError:
        raise
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}: not UTF-8 text ({error.reason}: byte 0x{error.object[error.start]:02x}); convert it to UTF-8 "
            "first, for example with: iconv -f LATIN1 -t UTF-8"
        ) from error
    except Exception as error:
        raise TaskError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error
    features = table.drop(columns=[target])
    for column in coded & set(features.columns):
        features[column] = features[column].astype("Int64").mask(features[column] < 0).astype("string")
    name = name or path.name.split(".")[0]
    return make_dataset(name, usable(path, features, coded), table[target], family=family, kind=kind or said)


def form_of(path: Path) -> str | None:
    """What kind of table an ending promises: a value of `ENDINGS`, or None.

    Examples
    --------
    >>> form_of(Path("a.csv.gz")), form_of(Path("b.pq")), form_of(Path("c.md"))
    ('delimited', 'parquet', None)
    """
    words = path.name.lower().split(".")[1:]
    return next((ENDINGS[word] for word in reversed(words) if word in ENDINGS), None)


def own_form(path: Path) -> dict[str, Any] | None:
    """What a Parquet file of metaal's own form says of itself (metadata key ``metaal``); None for any other file."""
    if form_of(path) != "parquet":
        return None
    import pyarrow.parquet as pq

    said = (pq.read_schema(path).metadata or {}).get(b"metaal")
    return None if said is None else json.loads(said)


def _read(path: Path, target: str | None) -> tuple[pandas.DataFrame, set[str], str, str | None]:
    """The table, the columns that hold category codes with −1 for missing, the target's column, the kind if said."""
    import pandas as pd

    form = form_of(path)
    if form == "parquet":
        import pyarrow.parquet as pq

        said = own_form(path)
        table = pq.read_table(path).to_pandas()
        target = find_target(path, table.columns, target)
        # int16 columns of metaal's own form are category codes.
        coded = {c for c in table.columns if said is not None and table[c].dtype == np.int16}
        return table, coded, target, "regression" if (said or {}).get("task") == "reg" else None
    if form == "arff":
        from scipy.io import arff

        records, meta = arff.loadarff(str(path))
        table = pd.DataFrame(records)
        for column, kind in zip(meta.names(), meta.types(), strict=True):
            if kind == "nominal":
                table[column] = table[column].str.decode("utf-8").replace("?", None)
        return table, set(), find_target(path, table.columns, target), None
    if form == "svmlight":
        from metaal.rehearsal.sources.sparse import read_svmlight

        if target not in (None, "target"):
            raise TaskError(f"{path}: target {target!r}; a LIBSVM file has one target, at the start of its lines")
        table, target = read_svmlight(path)
        return table, set(), target, None
    if form == "delimited":
        from metaal.rehearsal.sources.delimited import read_delimited

        table, target = read_delimited(path, target)
        return table, set(), target, None
    raise TaskError(f"{path}: unknown ending; expected .csv, .tsv, .parquet, .arff or .svm")
