"""What a caller shows to `ask`: checked against the ids, turned into the zoo's view, and summed up in a digest."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from metaal.errors import EmptyPoolError, InputError
from metaal.inputs import plain_array
from strategy_zoo import View, ZooError
from strategy_zoo.view import AXES

HASHED = 2**26
"""Bytes above which only every second, third … row of an array goes into the digest."""

_DIGESTED = (
    *("proba", "prediction", "embedding", "committee", "previous", "gradient", "seen_embedding"),
    *("quantiles", "committee_prediction", "stochastic", "label_proba", "votes", "seen_proba", "seen_labels"),
)
"""Arrays in the digest; new ones come last, so that what was logged before keeps its digest."""


def make_view(ids: np.ndarray, outputs: dict[str, Any]) -> View:
    """The zoo's view of the outputs, with their lengths checked against the ids.

    Raises
    ------
    EmptyPoolError, InputError
    """
    if not len(ids):
        raise EmptyPoolError("ids: the pool is empty; end the run, or pass the rows that still have no label")
    given = {name: value for name, value in outputs.items() if value is not None}
    for name, axes in AXES.items():
        if "U" not in axes:
            continue
        axis = axes.index("U")
        shape = _shape(given[name]) if name in given else None
        if shape is not None and (len(shape) <= axis or shape[axis] != len(ids)):
            rows = shape[axis] if len(shape) > axis else 0
            raise InputError(f"{name}: shape {shape} has {rows} rows, but ids has {len(ids)}; pass one row for each id")
    for name in ("seen_y", "classes"):
        if name in given:
            given[name] = plain_array(name, given[name])
    try:
        return View(**given)
    except ZooError as error:
        raise InputError(str(error)) from error


def _shape(value: Any) -> tuple[int, ...] | None:
    try:
        return np.shape(value)
    except ValueError:
        return None  # rows of unequal length: the view says which array it is


def digest_of(n: int, ids: np.ndarray, view: View) -> str:
    """What was shown, as 16 hexadecimal digits: equal digests mean the same state of the same task."""
    digest = hashlib.blake2b(pool_digest(n, ids).encode(), digest_size=8)
    for name in _DIGESTED:
        array = getattr(view, name)
        if array is not None:
            step = 1 + array.nbytes // HASHED
            digest.update(f"{name} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array[::step]).tobytes())
    return digest.hexdigest()


def pool_digest(n: int, ids: np.ndarray) -> str:
    """Which rows were shown and how many were wanted, as 16 hexadecimal digits, whatever the outputs."""
    digest = hashlib.blake2b(f"{n} {ids.dtype.kind} {len(ids)}".encode(), digest_size=8)
    # Text is hashed without the width of its array, which depends on the longest other id.
    digest.update("\x1f".join(ids.tolist()).encode() if ids.dtype.kind == "U" else ids.tobytes())
    return digest.hexdigest()
