"""The space in which query synthesis makes points: bounds, whole numbers, categories, and what is valid."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_zoo._arrays import frozen
from strategy_zoo.errors import ZooError

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Valid = Callable[[F8], ArrayLike]

_TRIES = 50  # rounds of drawing until enough points are valid
_LEAST_DRAWN = 200  # points of a round: so many must be refused before a space counts as empty


@dataclass(frozen=True, eq=False, init=False)
class Space:
    """Where points may lie: bounds for each column, what its values may be, and which combinations make sense.

    Parameters
    ----------
    low, high : float64[D]. Bounds of the columns, both included, finite, in the unit of the embedding.
    integer : columns whose values are whole numbers.
    categorical : {column: values}. Columns that take one of a few numbers between their bounds, in no order.
    valid : callable(points float64[k, D]) -> bool[k], or None. Which points can exist.

    Raises
    ------
    ZooError : the bounds don't fit together, a column doesn't exist, or no value of a column lies within its bounds.

    Examples
    --------
    >>> space = Space([0, 0, 0], [1, 9, 2], integer=[1], categorical={2: [0, 2]})
    >>> space.repaired([[0.3, 4.6, 1.4], [7.0, -3.0, 0.1]]).tolist()
    [[0.3, 5.0, 2.0], [1.0, 0.0, 0.0]]
    """

    low: F8
    high: F8
    integer: tuple[int, ...]
    categorical: Mapping[int, tuple[float, ...]]
    valid: Valid | None

    def __init__(
        self,
        low: ArrayLike,
        high: ArrayLike,
        integer: Iterable[int] = (),
        categorical: Mapping[int, Iterable[float]] | None = None,
        valid: Valid | None = None,
    ) -> None:
        low, high = _bound("low", low), _bound("high", high)
        if low.shape != high.shape:
            raise ZooError(f"low has {len(low)} columns and high has {len(high)}; pass one bound of each for a column")
        if np.any(low > high):
            column = int(np.flatnonzero(low > high)[0])
            raise ZooError(f"low is {low[column]:g} and high is {high[column]:g} in column {column}; swap them")
        with np.errstate(over="ignore"):
            if not np.isfinite(high - low).all():
                raise ZooError("high - low overflows; set narrower bounds")
        if not isinstance(integer, Iterable):
            raise ZooError(f"integer is {integer!r}, expected column numbers, such as [{integer!r}]")
        if not isinstance(categorical, Mapping | None):
            raise ZooError(f"categorical is {categorical!r}, expected values by column, such as {{2: [0, 1]}}")
        whole = tuple(sorted({_column("integer", column, len(low)) for column in integer}))
        given = {_column("categorical", column, len(low)): known for column, known in (categorical or {}).items()}
        both = sorted(set(whole) & set(given))
        if both:
            raise ZooError(f"column {both[0]} is integer and categorical; say one of them")
        for column in whole:
            if np.ceil(low[column]) > np.floor(high[column]):
                raise ZooError(
                    f"integer column {column} has no whole number from {low[column]:g} to {high[column]:g}; widen it"
                )
        if valid is not None and not callable(valid):
            raise ZooError(f"valid is a {type(valid).__name__}, expected a function of points [k, D]")
        values = {c: _categories(c, known, low[c], high[c]) for c, known in sorted(given.items())}
        for key, value in {"low": low, "high": high, "integer": whole, "categorical": values, "valid": valid}.items():
            object.__setattr__(self, key, value)

    @classmethod
    def around(cls, *points: NDArray[np.floating[Any]]) -> Self:
        """The bounding box of some points, all columns real."""
        full = [p for p in points if len(p)]
        if not full:
            raise ZooError("there are no points to put a box around; pass at least one")
        low = np.min([p.min(axis=0) for p in full], axis=0)
        return cls(low, np.max([p.max(axis=0) for p in full], axis=0))

    @property
    def columns(self) -> int:
        """Number of columns (D)."""
        return len(self.low)

    @property
    def width(self) -> F8:
        """Size of the space along each column."""
        return self.high - self.low

    def repaired(self, points: ArrayLike) -> F8:
        """The nearest points that keep the bounds, whole numbers and categories; `valid` isn't asked."""
        out = np.clip(np.asarray(points, np.float64), self.low, self.high)
        for column in self.integer:
            bounds = np.ceil(self.low[column]), np.floor(self.high[column])
            out[:, column] = np.clip(np.rint(out[:, column]), *bounds)
        for column, values in self.categorical.items():
            known = np.array(values)
            out[:, column] = known[np.abs(out[:, column, None] - known).argmin(axis=1)]
        return out

    def accepts(self, points: F8) -> Bools:
        """Which points the caller's function calls valid; all of them without one."""
        if self.valid is None or not len(points):
            return np.ones(len(points), bool)
        given = points.copy()
        answer = np.asarray(self.valid(given))
        if answer.shape != (len(points),) or answer.dtype.kind != "b":
            raise ZooError(
                f"valid answered with shape {answer.shape} and type {answer.dtype} for {len(points)} points, expected "
                f"bool [{len(points)}]; return one True or False per point"
            )
        return answer

    def sample(self, k: int, rng: np.random.Generator) -> F8:
        """`k` points spread evenly at random over what is valid.

        Raises
        ------
        ZooError : after all tries no point was valid. When few were, they are repeated.
        """
        found: list[F8] = []
        missing, tried = k, 0
        for _ in range(_TRIES):
            drawn = self._drawn(max(missing, 0 if self.valid is None else _LEAST_DRAWN), rng)
            tried += len(drawn)
            found.append(drawn[self.accepts(drawn)][:missing])
            missing -= len(found[-1])
            if not missing:
                break
        points = np.concatenate(found) if found else np.empty((0, self.columns))
        if not len(points):
            raise ZooError(
                f"valid accepted none of {tried} points drawn in the bounds; check it on a point that you know to be "
                "valid, or narrow the bounds to where valid points are"
            )
        return points[np.arange(k) % len(points)]

    def _drawn(self, k: int, rng: np.random.Generator) -> F8:
        share = rng.random((k, self.columns))
        # A weighted mean instead of low + share * width: the width of extreme bounds would be infinite.
        out = self.low * (1 - share) + self.high * share
        for column in self.integer:
            first, last = np.ceil(self.low[column]), np.floor(self.high[column])
            out[:, column] = np.minimum(first + np.floor(share[:, column] * (last - first + 1)), last)
        for column, values in self.categorical.items():
            out[:, column] = np.array(values)[np.minimum((share[:, column] * len(values)).astype(int), len(values) - 1)]
        return np.clip(out, self.low, self.high)

    def unit(self, points: F8) -> F8:
        """Coordinates in which every column has the size 1, and two categories are 1 apart."""
        size = np.where(self.width > 0, self.width, 1)
        real = [c for c in range(self.columns) if c not in self.categorical]
        parts = [(points[:, real] / size[real] - self.low[real] / size[real])]
        for column, values in self.categorical.items():
            parts.append((points[:, column, None] == np.array(values)) * np.sqrt(0.5))
        return np.concatenate(parts, axis=1)


def _bound(name: str, value: Any) -> F8:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} can't be read as numbers ({error}); pass one bound per column") from None
    if array.ndim != 1 or not len(array):
        raise ZooError(f"{name} has shape {array.shape}, expected one bound per column [D]")
    if not np.isfinite(array).all():
        column = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ZooError(f"{name} is {array[column]} in column {column}, expected finite bounds; set a limit of your own")
    return frozen(array)


def _column(name: str, column: Any, count: int) -> int:
    if isinstance(column, bool) or not isinstance(column, numbers.Integral) or not 0 <= int(column) < count:
        raise ZooError(f"{name} names column {column!r}, expected columns from 0 to {count - 1}")
    return int(column)


def _categories(column: int, values: Iterable[Any], low: float, high: float) -> tuple[float, ...]:
    try:
        known = tuple(sorted({float(value) for value in values}))
    except (TypeError, ValueError) as error:
        raise ZooError(f"categorical column {column} has values that aren't numbers ({error}); encode them") from None
    if not known or not all(low <= value <= high for value in known):
        raise ZooError(
            f"categorical column {column} has the values {list(known)}, expected at least one, and all from {low:g} to "
            f"{high:g}; widen its bounds"
        )
    return known
