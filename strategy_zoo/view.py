"""What one loop shows to a strategy: arrays over the pool, validated once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_zoo.errors import ViewError

# The letters are the shared sizes: U rows of the pool, C classes, D and G columns, M members, L labelled rows.
_AXES: dict[str, tuple[str, ...]] = {
    "proba": ("U", "C"),
    "prediction": ("U",),
    "embedding": ("U", "D"),
    "committee": ("M", "U", "C"),
    "previous": ("U", "C"),
    "gradient": ("U", "G"),
    "seen_embedding": ("L", "D"),
    "seen_y": ("L",),
}
_SINGLE = {"embedding", "gradient", "seen_embedding"}  # float32; every other number is float64
_SIMPLEX = {"proba", "previous", "committee"}
_MEANING = {
    "U": "rows of the pool",
    "C": "classes",
    "D": "embedding columns",
    "G": "gradient columns",
    "M": "committee members",
    "L": "labelled rows",
}
_SUM_TOLERANCE = 1e-3  # float16 and float32 softmax outputs stay inside
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """What one loop shows to a strategy: arrays over the rows of the pool, and what is labelled already.

    Every field is optional, but at least one array over the pool is needed. Arrays are kept without a copy when their
    type is right, and exposed as read-only views; the caller's arrays are never written to nor frozen.

    Parameters
    ----------
    proba : float64[U, C], rows sum to 1. Class probabilities of the pool.
    prediction : float64[U]. Predicted values of the pool (regression), in the unit of the target.
    embedding : float32[U, D]. Features or a network's embedding of the pool, any unit.
    committee : float64[M, U, C], rows sum to 1. Class probabilities by each of M models.
    previous : float64[U, C], rows sum to 1. Class probabilities of the same rows one loop ago.
    gradient : float32[U, G]. Gradient embedding of the pool.
    seen_embedding : float32[L, D]. Embedding of the labelled rows; L may be 0.
    seen_y : [L]. Labels of the labelled rows, any type.
    lookahead : callable(rows) -> array. What the caller's model would answer for these rows of this view.

    Raises
    ------
    ViewError : an array has a wrong shape, isn't finite, or isn't made of probabilities.

    Examples
    --------
    >>> view = View(proba=[[0.9, 0.1], [0.4, 0.6]])
    >>> view.n, view.classes, view.has("embedding")
    (2, 2, False)
    """

    proba: NDArray[np.float64] | None = None
    prediction: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    committee: NDArray[np.float64] | None = None
    previous: NDArray[np.float64] | None = None
    gradient: NDArray[np.float32] | None = None
    seen_embedding: NDArray[np.float32] | None = None
    seen_y: NDArray[Any] | None = None
    lookahead: Callable[[NDArray[np.int64]], Any] | None = None

    def __post_init__(self) -> None:
        known: dict[str, tuple[int, str]] = {}
        for name, axes in _AXES.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = _convert(name, value)
            _check_shape(name, array, axes, known)
            _check_finite(name, array, axes)
            if name in _SIMPLEX:
                _check_simplex(name, array)
            object.__setattr__(self, name, _frozen(array))
        if self.lookahead is not None and not callable(self.lookahead):
            raise ViewError(
                f"lookahead is a {type(self.lookahead).__name__}, expected a callable that takes rows; pass a function"
            )
        if "U" not in known:
            raise ViewError(
                "the view holds no array over the pool, so its number of rows is unknown; pass at least one of "
                "proba, prediction, embedding, committee, previous, gradient"
            )
        object.__setattr__(self, "_n", known["U"][0])

    @property
    def n(self) -> int:
        """Number of rows in the pool (U)."""
        return int(self.__dict__["_n"])

    @property
    def classes(self) -> int | None:
        """Number of classes (C), or None when no array shows it."""
        for array in (self.proba, self.committee, self.previous):
            if array is not None:
                return int(array.shape[-1])
        return None

    def has(self, name: str) -> bool:
        """Whether the field `name` was given."""
        if name not in FIELDS:
            raise ViewError(f"a view has no field {name!r}; its fields are {', '.join(FIELDS)}")
        # Through __dict__, so that asking whether a field is there never counts as reading it.
        return self.__dict__.get(name) is not None

    def take(self, rows: ArrayLike) -> Self:
        """The view of some rows of the pool, in the given order; what is labelled stays as it is.

        >>> View(proba=[[1, 0], [0, 1], [0.5, 0.5]]).take([2, 0]).proba.tolist()
        [[0.5, 0.5], [1.0, 0.0]]
        """
        index = np.asarray(rows)
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise ViewError(f"rows have shape {index.shape} and type {index.dtype}, expected whole numbers [k]")
        index = index.astype(np.int64)
        if index.size and (index.min() < 0 or index.max() >= self.n):
            raise ViewError(
                f"rows reach from {index.min()} to {index.max()}, but the view has {self.n} rows; "
                f"expected 0 to {self.n - 1}"
            )
        # The values were checked when this view was made: the copy is filled without doing it again.
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        for name, axes in _AXES.items():
            array = self.__dict__[name]
            if array is not None and "U" in axes:
                part.__dict__[name] = _frozen(np.take(array, index, axis=axes.index("U")))
        lookahead = self.__dict__["lookahead"]
        if lookahead is not None:
            part.__dict__["lookahead"] = partial(_shifted, lookahead, index)
        part.__dict__["_n"] = len(index)
        return part


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(View))


def _shifted(lookahead: Callable[[NDArray[np.int64]], Any], index: NDArray[np.int64], rows: ArrayLike) -> Any:
    return lookahead(index[np.asarray(rows, dtype=np.int64)])


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _convert(name: str, value: Any) -> NDArray[Any]:
    if np.ma.is_masked(value):
        raise ViewError(f"{name} is a masked array with hidden values; fill them or drop these rows first")
    if name == "seen_y":
        return np.asarray(value)
    wanted = np.float32 if name in _SINGLE else np.float64
    try:
        raw = np.asarray(value)
        if raw.dtype.kind == "c":
            raise TypeError("complex numbers")
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
            f"({', '.join(f'{a}: {_MEANING[a]}' for a in axes)}){hint}"
        )
    for size, axis in zip(array.shape, axes, strict=True):
        if size == 0 and axis not in "UL":
            raise ViewError(f"{name} has shape {array.shape}, expected at least one of {axis} ({_MEANING[axis]})")
        expected, source = known.setdefault(axis, (size, name))
        if size != expected:
            raise ViewError(
                f"{name} has shape {array.shape} with {axis}={size} {_MEANING[axis]}, expected {axis}={expected} "
                f"as in {source}; pass the same {_MEANING[axis]}, in the same order, in both"
            )


def _blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    step = max(1, _BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def _check_finite(name: str, array: NDArray[Any], axes: tuple[str, ...]) -> None:
    if array.dtype.kind not in "fc":
        return
    if axes[0] == "M":
        for member in array:
            _check_finite(name, member, axes[1:])
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
    if array.size == 0:
        return
    lowest = array.min(axis=-1)
    negative = np.argwhere(lowest < 0)
    if len(negative):
        at = tuple(int(i) for i in negative[0])
        raise ViewError(
            f"{name} has {len(negative)} row(s) with negative values (first: {_place(at)}, minimum {lowest[at]:.3g}); "
            "pass probabilities, or apply a softmax to the scores first"
        )
    total = array.sum(axis=-1)
    off = np.argwhere(np.abs(total - 1) > _SUM_TOLERANCE)
    if len(off):
        at = tuple(int(i) for i in off[0])
        raise ViewError(
            f"{name} has {len(off)} {'row' if len(off) == 1 else 'rows'} whose sum is not 1 (first: {_place(at)}, "
            f"sum {total[at]:.4g}); pass probabilities, or apply a softmax to the scores first"
        )


def _place(at: tuple[int, ...]) -> str:
    return f"row {at[0]}" if len(at) == 1 else f"member {at[0]}, row {at[1]}"
