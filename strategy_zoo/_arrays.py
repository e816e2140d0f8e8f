"""The arrays of a view: which axes they have, how they are converted, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.errors import ViewError

# The letters are the shared sizes, explained in MEANING.
AXES: dict[str, tuple[str, ...]] = {
    "proba": ("U", "C"),
    "prediction": ("U",),
    "quantiles": ("U", "Q"),
    "embedding": ("U", "D"),
    "committee": ("M", "U", "C"),
    "committee_prediction": ("M", "U"),
    "stochastic": ("S", "U", "C"),
    "previous": ("U", "C"),
    "gradient": ("U", "G"),
    "label_proba": ("U", "K"),
    "votes": ("U", "C"),
    "seen_embedding": ("L", "D"),
    "seen_y": ("L",),
    "seen_proba": ("L", "C"),
    "seen_labels": ("L", "K"),
    "classes": ("C",),
}
MEANING = {
    "U": "rows of the pool",
    "C": "classes",
    "D": "embedding columns",
    "G": "gradient columns",
    "K": "labels of a multi-label task",
    "L": "labelled rows",
    "M": "committee members",
    "Q": "quantiles",
    "S": "stochastic passes",
}
_SINGLE = {"embedding", "gradient", "seen_embedding"}  # float32; every other number is float64
_SIMPLEX = {"proba", "previous", "committee", "stochastic", "seen_proba"}
_NO_NUMBERS = {"c": "complex numbers", "M": "dates", "m": "differences of dates"}  # numpy would convert them
_SUM_TOLERANCE = 1e-3  # float16 and float32 softmax outputs stay inside
_BLOCK = 1 << 18  # entries: checks stay in the cache, and their scratch memory small


def read(name: str, value: Any, known: dict[str, tuple[int, str]]) -> NDArray[Any]:
    """One field of a view as a checked read-only array; `known` gathers the sizes seen so far and who showed them."""
    array = _convert(name, value)
    _check_shape(name, array, AXES[name], known)
    if name in _SIMPLEX:
        _check_simplex(name, array)
    else:
        _check_finite(name, array)
        if name in _RANGES:
            _check_range(name, array)
    return frozen(array)


def columns_of(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The column of proba that each label stands for; −1 for a label that is none of the classes."""
    names = classes.tolist()
    if len(set(names)) != len(names):
        raise ViewError(f"classes repeats a label ({names[:10]}); expected another label for each column of proba")
    known = labels.tolist()
    if known and isinstance(known[0], str) != isinstance(names[0], str):
        raise ViewError(
            f"seen_y has labels such as {known[0]!r}, classes has labels such as {names[0]!r}; "
            "pass labels of one kind (model.classes_ has the labels that the model was fitted with)"
        )
    place = {name: column for column, name in enumerate(names)}
    return np.array([place.get(label, -1) for label in known], dtype=np.int64)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _convert(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ViewError(f"{name} is a masked array with hidden values; fill them or drop these rows first")
    if name in ("seen_y", "classes"):
        return np.asarray(value)
    wanted = np.float32 if name in _SINGLE else np.float64
    try:
        raw = np.asarray(value)
        if raw.dtype == wanted:
            return raw
        if raw.dtype.kind in _NO_NUMBERS:
            raise TypeError(_NO_NUMBERS[raw.dtype.kind])
        # What overflows float32 becomes infinite here and is reported with its row below.
        with np.errstate(over="ignore"):
            return raw.astype(wanted, copy=False)
    except (TypeError, ValueError) as error:
        raise ViewError(
            f"{name} is a {type(value).__name__} that can't be read as numbers ({error}); pass a dense array of floats"
        ) from None


def _check_shape(name: str, array: NDArray[Any], axes: tuple[str, ...], known: dict[str, tuple[int, str]]) -> None:
    if array.ndim != len(axes):
        hint = "; for two classes pass np.column_stack([1 - p, p])" if name == "proba" and array.ndim == 1 else ""
        raise ViewError(
            f"{name} has shape {array.shape}, expected {len(axes)} dimension(s) [{', '.join(axes)}] "
            f"({', '.join(f'{a}: {MEANING[a]}' for a in axes)}){hint}"
        )
    for size, axis in zip(array.shape, axes, strict=True):
        if size == 0 and axis not in "UL":
            raise ViewError(f"{name} has shape {array.shape}, expected at least one of {axis} ({MEANING[axis]})")
        expected, source = known.setdefault(axis, (size, name))
        if size != expected:
            raise ViewError(
                f"{name} has shape {array.shape} with {axis}={size} {MEANING[axis]}, expected {axis}={expected} "
                f"as in {source}; pass the same {MEANING[axis]}, in the same order, in both"
            )


def _blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    step = max(1, _BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def _stacked(name: str) -> bool:
    """Whether the first axis counts members or passes instead of rows."""
    return AXES[name][0] in "MS"


def _check_finite(name: str, array: NDArray[Any], *, inside: bool = False) -> None:
    if array.dtype.kind not in "fc":
        return
    if _stacked(name) and not inside:
        for member in array:
            _check_finite(name, member, inside=True)
        return
    bad, first = 0, -1
    for start, block in _blocks(array):
        fine = np.isfinite(block)
        if fine.all():
            continue
        rows = np.flatnonzero(~fine.reshape(len(block), -1).all(axis=1))
        bad, first = bad + len(rows), first if bad else start + int(rows[0])
    if bad:
        range_note = " or values beyond float32" if name in _SINGLE else ""
        raise ViewError(
            f"{name} has {bad} row(s) with NaN or infinity{range_note} (first: row {first}); "
            "expected finite numbers; drop these rows or fill them in first"
        )


def _check_simplex(name: str, array: NDArray[np.float64]) -> None:
    flat = array.reshape(-1, array.shape[-1])
    negative, off, ones = 0, 0, np.ones(array.shape[-1])
    first_negative, first_off = "", ""
    with np.errstate(over="ignore", invalid="ignore"):  # huge numbers are reported as a wrong sum
        for start, block in _blocks(flat):
            total = block @ ones
            # Written so that NaN is no good sum either, and that a good block costs three small passes.
            if block.min(initial=0.0) >= 0 and np.abs(total - 1).max(initial=0.0) <= _SUM_TOLERANCE:
                continue
            bad = np.flatnonzero((block < 0).any(axis=1))
            if len(bad) and not negative:
                at = int(bad[0])
                first_negative = f"{_place(array, start + at)}, minimum {block[at].min():.3g}"
            negative += len(bad)
            bad = np.flatnonzero(~(np.abs(total - 1) <= _SUM_TOLERANCE))
            if len(bad) and not off:
                first_off = f"{_place(array, start + int(bad[0]))}, sum {total[bad[0]]:.4g}"
            off += len(bad)
    if negative or off:
        _check_finite(name, array)  # the better reason, where it is one; a row that sums to 1 holds no NaN
    if negative:
        raise ViewError(
            f"{name} has {negative} row(s) with negative values (first: {first_negative}); "
            "pass probabilities, or apply a softmax to the scores first"
        )
    if off:
        raise ViewError(
            f"{name} has {off} {'row' if off == 1 else 'rows'} whose sum is not 1 (first: {first_off}); "
            "pass probabilities, or apply a softmax to the scores first"
        )


def _place(array: NDArray[Any], flat: int) -> str:
    at = np.unravel_index(flat, array.shape[:-1])
    return f"row {at[0]}" if len(at) == 1 else f"member {at[0]}, row {at[1]}"


_RANGES = {
    "label_proba": "probabilities from 0 to 1, one per label (they need not sum to 1)",
    "votes": "numbers of votes per class, 0 or more (a row of zeros was never labelled)",
    "seen_labels": "0 or 1 for each label",
    "quantiles": "quantiles that don't fall from left to right",
}


def _check_range(name: str, array: NDArray[np.float64]) -> None:
    for start, block in _blocks(array):
        if name == "label_proba":
            bad = (block < 0) | (block > 1)
        elif name == "votes":
            bad = block < 0
        elif name == "seen_labels":
            bad = (block != 0) & (block != 1)
        else:
            bad = np.diff(block, axis=1) < 0
        if bad.any():
            row = int(np.flatnonzero(bad.any(axis=1))[0])
            raise ViewError(f"{name} has {block[row].tolist()} in row {start + row}, expected {_RANGES[name]}")
