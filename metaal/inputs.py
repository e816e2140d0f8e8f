"""Checks of what the caller passes; every one says which argument, what it got, and what to do."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from metaal.errors import InputError

PHASES = ("fit", "score", "label")


def softmax(scores: Any) -> np.ndarray:
    """Turn scores (U, C) into probabilities f8[U,C] that sum to one.

    Examples
    --------
    >>> softmax([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(f"scores: expected a finite array of shape (U, C), got shape {values.shape}")
    values = np.exp(values - values.max(1, keepdims=True))
    return values / values.sum(1, keepdims=True)


def plain_array(name: str, values: Any) -> np.ndarray:
    """One-dimensional array of whole numbers, text, truth values or numbers from whatever the caller has."""
    if isinstance(values, Mapping | set | frozenset):
        kind = type(values).__name__
        raise InputError(
            f"{name}: got a {kind}, whose order means nothing here; pass a list or an array, one entry a row"
        )
    if np.ma.is_masked(values):
        raise InputError(f"{name}: got a masked array, whose hidden entries have no value; leave them out")
    if hasattr(values, "__array__") or isinstance(values, str | bytes) or not isinstance(values, Iterable):
        array = np.asarray(values)
    else:
        # Not np.asarray at once: of ["a", nan] it would make the texts "a" and "nan".
        items = list(values)
        array = np.empty(len(items), dtype=object)
        if any(np.ndim(x) for x in items):
            raise InputError(f"{name}: expected one dimension, got rows of their own; pass one entry a row")
        array[:] = items
    if array.ndim != 1:
        raise InputError(f"{name}: expected one dimension, got shape {array.shape}; pass one entry a row")
    if array.dtype.kind in "OT" or array.dtype.kind == "S":
        kinds = {type(x.item() if isinstance(x, np.generic) else x) for x in array.tolist()}
        if kinds <= {str}:
            return np.array(array.tolist(), dtype=str)
        if kinds <= {bool}:
            return array.astype(bool)
        if kinds <= {int, bool}:
            return _whole(name, array.tolist())
        if kinds <= {float, int, bool}:
            return array.astype(np.float64)
        names = ", ".join(sorted(k.__name__ for k in kinds))
        raise InputError(f"{name}: expected whole numbers, numbers or text of one kind, got a mixture of {names}")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        return _whole(name, array.tolist())
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind in "bU":
        return array
    raise InputError(f"{name}: cannot log values of type {array.dtype}; pass whole numbers, numbers or text")


def _whole(name: str, values: list[int]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        raise InputError(f"{name}: a whole number does not fit in 64 bits; pass it as text") from None


def check_ids(ids: Any, *, name: str = "ids", like: np.ndarray | None = None) -> np.ndarray:
    """Ids i8[U] or U[U], without repeats; ``like`` fixes the kind that the run already uses."""
    array = plain_array(name, ids)
    if array.dtype.kind not in "iU" and len(array):
        raise InputError(f"{name}: expected whole numbers or text, got {array.dtype}; key every row by a stable id")
    if not len(array):
        array = array.astype(np.int64 if like is None else like.dtype)
    if like is not None and len(like) and len(array) and array.dtype.kind != like.dtype.kind:
        words = {"i": "whole numbers", "U": "text"}
        raise InputError(
            f"{name}: this run keys its rows by {words[like.dtype.kind]}, got {words[array.dtype.kind]}; "
            "use the same keys in every call"
        )
    values, first, counts = np.unique(array, return_index=True, return_counts=True)
    if len(values) < len(array):
        worst = int(counts.argmax())
        raise InputError(
            f"{name}: {len(array) - len(values)} of {len(array)} ids repeat (for example {values[worst].item()!r}, "
            f"{counts[worst]} times, first at row {first[worst]}); every row needs its own id"
        )
    return array


def among(ids: np.ndarray, keys: Collection[Any]) -> np.ndarray:
    """Which of the ids bool[U] are among ``keys``, without a Python loop over the pool."""
    if not keys:
        return np.zeros(len(ids), dtype=bool)
    return np.isin(ids, np.array(list(keys)))


def check_labels(labels: Any, count: int, *, of: str, width: int | None = None) -> np.ndarray:
    """Labels [n] of one kind, none missing; i8[n, K] of 0 and 1 where ``width`` says that a row has K labels."""
    array = plain_array("labels", labels) if width is None else _label_table(labels, width)
    if len(array) != count:
        raise InputError(f"labels: got {len(array)}, expected {count} ({of}); pass ids= to label only some of the rows")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InputError(f"labels: entry {first} is {array[first]}; leave rows without a label out, or skip() them")
    return array


def _label_table(labels: Any, width: int) -> np.ndarray:
    rows = labels if hasattr(labels, "__array__") or not isinstance(labels, Iterable) else list(labels)
    try:
        array = np.asarray(rows)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != width or array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise InputError(
            f"labels: got {array.dtype} of shape {array.shape}, expected {width} zeros and ones for each row, as "
            f"label_proba had {width} columns"
        )
    return array.astype(np.int64)


def check_count(n: Any, *, name: str = "n", meaning: str = "rows to ask for") -> int:
    """A whole number ≥ 1."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"{name}: got {n!r}, expected a whole number ≥ 1 ({meaning})")
    return int(n)


def check_seconds(seconds: Any) -> dict[str, float]:
    """Seconds by phase; a plain number is the time of fit."""
    if seconds is None:
        return {}
    given = dict(seconds) if isinstance(seconds, Mapping) else {"fit": seconds}
    out = {}
    for phase, value in given.items():
        if phase not in PHASES:
            raise InputError(f"seconds: unknown phase {phase!r}; expected some of {', '.join(PHASES)}")
        number = check_number(f"seconds[{phase!r}]", value)
        if number < 0:
            raise InputError(f"seconds[{phase!r}]: got {number}, expected ≥ 0")
        out[f"cost.{phase}.seconds"] = number
    return out


def check_number(name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool | str) or not np.isscalar(value) or isinstance(value, complex):
        raise InputError(f"{name}: got {value!r}, expected one finite number")
    number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{name}: got {number}, expected a finite number; leave it out where it is unknown")
    return number


def check_score(score: Any) -> dict[str, float]:
    """A score, or several by name: ``score.value`` first, others as ``score.NAME``."""
    if score is None:
        return {}
    given = score if isinstance(score, Mapping) else {"value": score}
    out = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or name != name.lower():
            raise InputError(f"score: name {name!r} is not a lower-case word such as value or log_loss")
        out[f"score.{name}"] = check_number("score" if name == "value" else f"score[{name!r}]", value)
    return out


def check_tags(tags: Mapping[str, Any] | None) -> dict[str, Any]:
    """Facts of a run: lower-case names, texts or finite numbers."""
    out: dict[str, Any] = {}
    for name, value in (tags or {}).items():
        if not all(part.isidentifier() and part.isascii() and part == part.lower() for part in str(name).split(".")):
            raise InputError(f"tags: name {name!r} is not made of lower-case words such as learner or seed.split")
        out[f"tag.{name}"] = value if isinstance(value, str) else check_number(f"tags[{name!r}]", value)
    return out


def check_stats(stats: Mapping[str, Any]) -> dict[str, float]:
    """The caller's own statistics, to be logged under ``user.*``."""
    out = {}
    for name, value in stats.items():
        key = name.removeprefix("user.")
        if not key or not all(
            part.isidentifier() and part == part.lower() and part.isascii() for part in key.split(".")
        ):
            raise InputError(
                f"statistic {name!r}: expected lower-case words such as val_f1; it is logged as user.val_f1"
            )
        out[f"user.{key}"] = check_number(name, value)
    return out
