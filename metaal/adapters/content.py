"""Ids from what a row holds, for callers whose row positions change from loop to loop."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from metaal.errors import InputError

_BYTES = 12  # 10⁶ different rows: two of them share a digest with probability 10⁻¹⁷


def row_digests(X: Any, *, key: bytes) -> list[str]:
    """Keyed hash of each row, 24 hexadecimal digits: equal rows have equal digests.

    Numbers are compared as float64, so that a row keeps its digest when its array is joined with one of another type.

    Parameters
    ----------
    X : (U, ...) array, list, data frame or sparse matrix
        Rows of numbers, text, or both.
    key : bytes
        Without it, nobody can find out from a digest whether it is of a row that they know.

    Raises
    ------
    InputError
        X is not a table, or a cell is neither a number nor text.

    Examples
    --------
    >>> a, b, c = row_digests([[1, 2], [1, 3], [1, 2]], key=b"k")
    >>> a == c, a == b, a == row_digests([[1.0, 2.0]], key=b"k")[0]
    (True, False, True)
    """
    # The key may have any length, the hash takes 64 bytes.
    key = hashlib.blake2b(key).digest()
    digest: Callable[[bytes], str] = lambda row: hashlib.blake2b(row, digest_size=_BYTES, key=key).hexdigest()  # noqa: E731
    return [digest(row) for row in _rows(X)]


def content_ids(digests: Iterable[str], labelled: Container[Any]) -> list[str]:
    """Ids ``digest-number``; equal rows are numbered from 0, and numbers that have a label in the run are passed over.

    Equal rows are interchangeable, so it does not matter which of them has which number; what matters is that the
    rest do not inherit the number of one that was labelled and has left the pool.

    Examples
    --------
    >>> content_ids(["aa", "bb", "aa"], labelled={"aa-0": 1})
    ['aa-1', 'bb-0', 'aa-2']
    """
    following: Counter[str] = Counter()
    ids = []
    for digest in digests:
        number = following[digest]
        while f"{digest}-{number}" in labelled:
            number += 1
        following[digest] = number + 1
        ids.append(f"{digest}-{number}")
    return ids


def digest_of(key: Any) -> str | None:
    """The digest in an id made by `content_ids`; None if this is another id."""
    digest, dash, number = str(key).rpartition("-")
    return digest if dash and number.isdigit() and len(digest) == 2 * _BYTES else None


def _rows(X: Any) -> Iterable[bytes]:
    """One text of bytes a row."""
    if hasattr(X, "tocsr"):
        return _sparse_rows(X)
    try:
        array = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
    except ValueError as error:
        raise InputError(f"X: rows of unequal length cannot be told apart ({error}); pass a table, or text") from error
    if array.ndim == 0:
        raise InputError(f"X: got a single {type(X).__name__}, expected one row for each entry of the pool")
    if not len(array):
        return []
    array = array.reshape(len(array), -1)
    if array.dtype.kind in "biuf":
        numbers = array.astype(np.float64) + 0.0  # −0 + 0 is 0
        numbers[np.isnan(numbers)] = np.nan  # one of the many that there are
        return [row.tobytes() for row in numbers]
    if array.dtype.kind in "mM":
        array = array.astype(str)
    return ["\x1f".join(map(_cell, row)).encode() for row in array.tolist()]


def _sparse_rows(X: Any) -> list[bytes]:
    matrix = X.tocsr(copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    places, values, starts = matrix.indices.astype(np.int64), matrix.data.astype(np.float64), matrix.indptr
    return [places[a:b].tobytes() + values[a:b].tobytes() for a, b in pairwise(starts)]


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f"text {len(value)} {value}"
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return f"number {(float(value) + 0.0).hex()}"
    raise InputError(
        f"X: a cell is a {type(value).__name__}, expected numbers or text, by which rows can be recognised"
    )
