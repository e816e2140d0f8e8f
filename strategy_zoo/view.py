"""What one loop shows to a strategy: arrays over the pool, validated once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_zoo._arrays import AXES, columns_of, frozen, read
from strategy_zoo.errors import ViewError

Lookahead = Callable[[NDArray[np.int64]], ArrayLike]
Predict = Callable[[NDArray[np.float64]], ArrayLike]


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """What one loop shows to a strategy: arrays over the rows of the pool, and what is labelled already.

    Every field is optional, but at least one array over the pool is needed. Arrays are kept without a copy when their
    type is right, and exposed as read-only views; the caller's arrays are never written to nor frozen.

    Parameters
    ----------
    proba : float64[U, C], rows sum to 1. Class probabilities of the pool.
    prediction : float64[U]. Predicted values of the pool (regression), in the unit of the target.
    quantiles : float64[U, Q], not falling from left to right. Predicted quantiles, in the unit of the target.
    embedding : float32[U, D]. Features or a network's embedding of the pool, any unit.
    committee : float64[M, U, C], rows sum to 1. Class probabilities by each of M models.
    committee_prediction : float64[M, U]. Predicted values by each of M models (regression).
    stochastic : float64[S, U, C], rows sum to 1. Class probabilities by S noisy passes of one model (dropout).
    previous : float64[U, C], rows sum to 1. Class probabilities of the same rows one loop ago.
    gradient : float32[U, G]. Gradient embedding of the pool.
    label_proba : float64[U, K] in [0, 1]. Probability of each of K labels (multi-label tasks; no sum is expected).
    votes : float64[U, C] ≥ 0. Votes of annotators for each class so far; zeros for a row that was never labelled.
    seen_embedding : float32[L, D]. Embedding of the labelled rows; L may be 0.
    seen_y : [L]. Labels of the labelled rows. With `classes` they are read as labels and kept as columns of proba (−1
        for a label that is no class); without, they are columns (0 to C - 1), values (regression), or any other type.
    seen_proba : float64[L, C], rows sum to 1. Class probabilities of the labelled rows, out of fold where possible.
    seen_labels : float64[L, K] of 0 and 1. Labels of the labelled rows of a multi-label task.
    classes : [C]. The label that each column of proba stands for (``model.classes_``), all different.
    lookahead : callable(rows int64[k]) -> float64[k, C, E, C]. For each of these rows of the view and each class that
        its label could have: the class probabilities that the model, trained with that label too, would give to a
        fixed evaluation sample of E rows (the same sample in every call).
    predict : callable(points float64[k, D]) -> float64[k, C]. Class probabilities at any points of the embedding.

    Raises
    ------
    ViewError : an array has a wrong shape, isn't finite, or isn't made of probabilities.

    Examples
    --------
    >>> view = View(proba=[[0.9, 0.1], [0.4, 0.6]])
    >>> view.n, view.class_count, view.has("embedding")
    (2, 2, False)
    """

    proba: NDArray[np.float64] | None = None
    prediction: NDArray[np.float64] | None = None
    quantiles: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    committee: NDArray[np.float64] | None = None
    committee_prediction: NDArray[np.float64] | None = None
    stochastic: NDArray[np.float64] | None = None
    previous: NDArray[np.float64] | None = None
    gradient: NDArray[np.float32] | None = None
    label_proba: NDArray[np.float64] | None = None
    votes: NDArray[np.float64] | None = None
    seen_embedding: NDArray[np.float32] | None = None
    seen_y: NDArray[Any] | None = None
    seen_proba: NDArray[np.float64] | None = None
    seen_labels: NDArray[np.float64] | None = None
    classes: NDArray[Any] | None = None
    lookahead: Lookahead | None = None
    predict: Predict | None = None

    def __post_init__(self) -> None:
        known: dict[str, tuple[int, str]] = {}
        for name in AXES:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read(name, value, known))
        if self.classes is not None:
            labels = np.empty(0, np.int64) if self.seen_y is None else self.seen_y
            columns = columns_of(labels, self.classes)
            if self.seen_y is not None:
                object.__setattr__(self, "seen_y", frozen(columns))
        for name in _CALLABLES:
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ViewError(f"{name} is a {type(value).__name__}, expected a callable; pass a function")
        if "U" not in known:
            raise ViewError(
                "the view holds no array over the pool, so its number of rows is unknown; pass at least one of "
                f"{', '.join(name for name, axes in AXES.items() if 'U' in axes)}"
            )
        object.__setattr__(self, "_n", known["U"][0])

    @property
    def n(self) -> int:
        """Number of rows in the pool (U)."""
        return int(self.__dict__["_n"])

    @property
    def class_count(self) -> int | None:
        """Number of classes (C), or None when no array shows it."""
        for name in ("proba", "committee", "stochastic", "previous", "votes", "seen_proba"):
            array = self.__dict__.get(name)
            if array is not None:
                return int(array.shape[-1])
        return None

    @property
    def width(self) -> int:
        """Numbers that a row holds in all its probabilities together, at least 1; blocks are cut by it."""
        held = (self.__dict__.get(name) for name in ("proba", "committee", "stochastic", "previous", "label_proba"))
        return max(1, sum(array.size // max(1, self.n) for array in held if array is not None))

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
        return self._part(lambda array, axis: np.take(array, index, axis=axis), partial(_taken, index), len(index))

    def block(self, start: int, stop: int) -> Self:
        """The view of the rows from `start` up to `stop`, without a copy; what is labelled stays as it is."""
        start, stop, _ = slice(start, stop).indices(self.n)
        stop = max(start, stop)
        return self._part(
            lambda array, axis: array[(slice(None),) * axis + (slice(start, stop),)],
            partial(_shifted, start),
            stop - start,
        )

    def replaced(self, **arrays: Any) -> Self:
        """The view with some fields set to arrays that the caller vouches for (nothing is checked again)."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        for name, array in arrays.items():
            part.__dict__[name] = frozen(array)
        return part

    def _part(
        self, cut: Callable[[NDArray[Any], int], NDArray[Any]], to_whole: Callable[[Any], NDArray[np.int64]], n: int
    ) -> Self:
        # The values were checked when this view was made: the copy is filled without doing it again.
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        for name, axes in AXES.items():
            array = self.__dict__[name]
            if array is not None and "U" in axes:
                part.__dict__[name] = frozen(cut(array, axes.index("U")))
        lookahead = self.__dict__["lookahead"]
        if lookahead is not None:
            part.__dict__["lookahead"] = partial(_moved, lookahead, to_whole)
        part.__dict__["_n"] = n
        return part


_CALLABLES = ("lookahead", "predict")
FIELDS: tuple[str, ...] = tuple(field.name for field in fields(View))


def _taken(index: NDArray[np.int64], rows: ArrayLike) -> NDArray[np.int64]:
    return index[np.asarray(rows, dtype=np.int64)]


def _shifted(start: int, rows: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(rows, dtype=np.int64) + start


def _moved(lookahead: Lookahead, to_whole: Callable[[Any], NDArray[np.int64]], rows: ArrayLike) -> Any:
    return lookahead(to_whole(rows))
