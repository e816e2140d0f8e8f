"""One statistic of many runs as a (run × loop) matrix: lags, differences, windows and joins, each one call.

Positions are those of the run: "the loop before" is the loop before among the loops that the run has, also where their
numbers have gaps (0, 1, 5), as `groupby("run").shift()` does on `Store.frame`. A loop that the run has without a value
of the statistic keeps its place, and gives NaN to whatever needs it; windows leave missing values out. What a method
returns is again a `Series`, named as the policy's features are: ``score.value.lag1``, ``.diff``, ``.mean5``,
``.slope5``.

Examples
--------
>>> from metadata_store import MemoryStore, Record
>>> store = MemoryStore()
>>> for run, scores in {"a": [0.5, 0.7, 0.6], "b": [0.4, 0.9]}.items():
...     for loop, score in enumerate(scores):
...         _ = store.append(Record(run, loop, "tell", {"score.value": score}))
>>> score = series(store, "score.value")
>>> score.diff().matrix.round(1)
array([[ nan,  0.2, -0.1],
       [ nan,  0.5,  nan]])
>>> score.last(), score.since_best().last()
(array([0.6, 0.9]), array([1., 0.]))
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import rolling
from .errors import OptionError, nearest
from .joining import grid_of, is_text, side_by_side
from .store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Series:
    """One statistic of R runs in T loops.

    Parameters
    ----------
    matrix : f8[R, T], NaN where a run has no value; kept read-only.
    runs : R names.
    loops : i8[T], the loops that any of the runs has, ascending.
    name : what the series is called.
    present : bool[R, T], the loops that each run has, with a value or without; None: all of them.

    Raises
    ------
    OptionError : the shapes don't agree, or the loops don't ascend.

    Examples
    --------
    >>> Series(np.array([[1.0, 4.0, np.nan]]), ("r",), np.array([0, 1, 5]), "x").lag()
    Series('x.lag1', 1 run × 3 loops)
    """

    matrix: np.ndarray
    runs: tuple[str, ...]
    loops: np.ndarray
    name: str
    present: np.ndarray | None = None

    def __post_init__(self) -> None:
        matrix, loops = np.array(self.matrix, np.float64), np.array(self.loops, np.int64)
        runs = tuple(self.runs)
        present = np.ones(matrix.shape, bool) if self.present is None else np.array(self.present, bool)
        if matrix.shape != (len(runs), loops.size) or loops.ndim != 1 or present.shape != matrix.shape:
            raise OptionError(
                f"matrix of series {self.name!r} has shape {matrix.shape} and present {present.shape}; expected "
                f"({len(runs)}, {loops.size}), a row for each run and a column for each loop"
            )
        if (np.diff(loops) <= 0).any():
            raise OptionError(f"loops of series {self.name!r} do not ascend; sort them, each one once")
        for field, value in (("matrix", matrix), ("runs", runs), ("loops", loops), ("present", present)):
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, field, value)

    def __repr__(self) -> str:
        count, width = self.matrix.shape
        return f"Series({self.name!r}, {count} run{'s' * (count != 1)} × {width} loop{'s' * (width != 1)})"

    def __len__(self) -> int:
        return len(self.runs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the matrix; as numpy asks for it."""
        return self.matrix.astype(self.matrix.dtype if dtype is None else dtype, copy=bool(copy))

    def lag(self, n: int = 1) -> Series:
        """Return the value of n loops before; n below 0 looks ahead, which no policy can at the time.

        Examples
        --------
        >>> Series(np.array([[1.0, 4.0, 9.0]]), ("r",), np.arange(3), "x").lag(-1).matrix
        array([[ 4.,  9., nan]])
        """
        n = _whole("n", n)
        return self._new(f"lag{n}" if n >= 0 else f"lead{-n}", rolling.shift(self._packed(), n))

    def diff(self, n: int = 1) -> Series:
        """Return the value less that of n loops before; NaN where one of the two is missing.

        Examples
        --------
        >>> Series(np.array([[1.0, 4.0, 9.0]]), ("r",), np.array([0, 2, 9]), "x").diff().matrix
        array([[nan,  3.,  5.]])
        """
        n = _whole("n", n, 1)
        values = self._packed()
        with np.errstate(invalid="ignore"):  # inf less inf is NaN
            return self._new("diff" if n == 1 else f"diff{n}", values - rolling.shift(values, n))

    def rolling(self, window: int, what: str = "mean") -> Series:
        """Return a statistic of the values in the last `window` loops, this one included.

        Parameters
        ----------
        window : 1 or more loops of the run; at its start there are fewer.
        what : "mean", "sum", "std" (of all, n in the denominator, as every ``.std`` that metaal logs), "min", "max" or
            "count". Missing values are left out; NaN where the window has none (count 0).

        Examples
        --------
        >>> Series(np.array([[1.0, np.nan, 9.0, 2.0]]), ("r",), np.arange(4), "x").rolling(2, "max").matrix
        array([[1., 1., 9., 9.]])
        """
        window = _whole("window", window, 1)
        if what not in rolling.STATISTICS:
            raise OptionError(f"what is {what!r}; {nearest(str(what), rolling.STATISTICS)}")
        return self._new(f"{what}{window}", rolling.STATISTICS[what](self._packed(), window))

    def slope(self, window: int = 5) -> Series:
        """Return the least-squares slope of the values over the last `window` loops, in units a loop.

        Two values at least; missing ones are left out, and the others keep their positions.

        Examples
        --------
        >>> Series(np.array([[1.0, 3.0, np.nan, 7.0]]), ("r",), np.arange(4), "x").slope().matrix
        array([[nan,  2.,  2.,  2.]])
        """
        window = _whole("window", window, 2)
        return self._new(f"slope{window}", rolling.slope(self._packed(), window))

    def since_best(self, higher: bool = True) -> Series:
        """Return how many loops ago the best value so far was seen; 0 = now, NaN before the first value.

        Parameters
        ----------
        higher : whether more is better. An equal value is no improvement: the first of equals counts.

        Examples
        --------
        >>> Series(np.array([[0.5, 0.7, 0.7, 0.8]]), ("r",), np.arange(4), "x").since_best().matrix
        array([[0., 0., 1., 0.]])
        """
        values = self._packed() if higher else -self._packed()
        best = np.fmax.accumulate(values, axis=1) if values.size else values
        before = rolling.shift(best, 1)
        improved = ~np.isnan(values) & (np.isnan(before) | (values > before))
        position = np.broadcast_to(np.arange(values.shape[1], dtype=np.float64), values.shape)
        at = np.where(improved, position, np.nan)
        return self._new("since.best", position - (np.fmax.accumulate(at, axis=1) if at.size else at))

    def last(self) -> np.ndarray:
        """Return the last value f8[R] of each run; missing ones are passed over, NaN where there is none at all.

        Examples
        --------
        >>> Series(np.array([[0.5, 0.7, np.nan]]), ("r",), np.arange(3), "x").last()
        array([0.7])
        """
        known = ~np.isnan(self.matrix)
        if not known.size:
            return np.full(len(self.runs), np.nan)
        column = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        return self.matrix[np.arange(len(self.runs)), column]  # NaN itself where a row has nothing else

    def frame(self) -> pd.DataFrame:
        """Return the values that there are: index (run, loop), one column.

        Examples
        --------
        >>> Series(np.array([[0.5, np.nan]]), ("r",), np.arange(2), "x").frame()["x"].to_dict()
        {('r', 0): 0.5}
        """
        return self.join()

    def join(self, *others: Series, how: str = "outer") -> pd.DataFrame:
        """Return several series side by side.

        Parameters
        ----------
        others : of the same or of other runs and loops.
        how : "outer": every (run, loop) in which one of them has a value. "inner": in which all of them have one.

        Returns
        -------
        pandas.DataFrame : index (run, loop), runs in the order of the series, loops ascending; float64 columns.

        Raises
        ------
        OptionError : two series of one name, or another `how`.

        Examples
        --------
        >>> x = Series(np.array([[0.5, 0.7]]), ("r",), np.arange(2), "x")
        >>> x.join(x.lag(), how="inner").to_dict("index")
        {('r', 1): {'x': 0.7, 'x.lag1': 0.5}}
        """
        return side_by_side((self, *others), how)

    def _packed(self) -> np.ndarray:
        """Return f8[R, longest run]: the loops of each run side by side, its gaps closed, NaN behind its end."""
        if self._full():
            return self.matrix
        row, column, position = self._places()
        packed = np.full((len(self.runs), int(position.max(initial=-1)) + 1), np.nan)
        packed[row, position] = self.matrix[row, column]
        return packed

    def _new(self, suffix: str, packed: np.ndarray) -> Series:
        """Return a series of packed values, each put back to the loop that it belongs to."""
        matrix = packed
        if not self._full():
            row, column, position = self._places()
            matrix = np.full(self.matrix.shape, np.nan)
            matrix[row, column] = packed[row, position]
        return Series(matrix, self.runs, self.loops, f"{self.name}.{suffix}", self.present)

    def _full(self) -> bool:
        return self.present is None or bool(self.present.all())

    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return row, column and position within the run of every loop that a run has."""
        present = np.asarray(self.present)
        row, column = np.nonzero(present)
        return row, column, (np.cumsum(present, axis=1) - 1)[row, column]


def series(store: Store, name: str, runs: Iterable[str] | str | None = None) -> Series:
    """Return one statistic of a store as a (run × loop) matrix.

    All series of the same runs have the same shape, whatever the name: a column for every loop in which one of the runs
    has a record.

    Parameters
    ----------
    store : any store.
    name : of a float, int or bool value. Ints beyond 2**53 lose their last digits, False and True become 0 and 1.
    runs : runs in the order wanted; None for all, in order of their first record.

    Returns
    -------
    Series

    Raises
    ------
    OptionError : the name is of a text or a glob, or the matrix would have more than 2**28 cells.
    UnknownNameError, UnknownRunError : a name or run that is not there.

    Examples
    --------
    >>> from metadata_store import MemoryStore, Record
    >>> store = MemoryStore()
    >>> _ = store.append(Record("r", 3, "tell", {"labels": 20}))
    >>> series(store, "labels").matrix
    array([[20.]])
    """
    if not isinstance(name, str) or any(sign in name for sign in "*?["):
        raise OptionError(f"name is {name!r}; give one name, or use metadata_store.series.join for several")
    return _columns(store.frame([name], runs), [name])[0]


def join(
    store: Store,
    names: Iterable[str] | str,
    runs: Iterable[str] | str | None = None,
    *,
    lags: Mapping[str, int | Collection[int]] | None = None,
    how: str = "outer",
) -> pd.DataFrame:
    """Return several statistics and their lags, joined by run and loop, with one reading of the store.

    Parameters
    ----------
    store : any store.
    names : names, or globs such as "pool.*", of which texts are left out.
    runs : as in `series`.
    lags : for some of the names, how many loops back: {"score.value": [1, 2]} adds ``score.value.lag1`` and ``.lag2``.
    how : as in `Series.join`; lags don't count for it.

    Returns
    -------
    pandas.DataFrame : index (run, loop); a float64 column for each name, then for each lag.

    Raises
    ------
    OptionError : as `series`, a lag of a name that is not joined, or another `how`.
    UnknownNameError, UnknownRunError : an exact name or run that is not there.

    Examples
    --------
    >>> from metadata_store import MemoryStore, Record
    >>> store = MemoryStore()
    >>> for loop in range(2):
    ...     _ = store.append(Record("r", loop, "tell", {"score": loop / 2, "labels": 10 * loop}))
    >>> join(store, ["score", "labels"], lags={"score": 1}).to_dict("index")[("r", 1)]
    {'score': 0.5, 'labels': 10.0, 'score.lag1': 0.0}
    """
    asked = [names] if isinstance(names, str) else list(names)
    frame = store.frame(asked, runs)
    wanted = [str(name) for name in frame.columns if name in asked or not is_text(frame, name)]
    parts, shifted = _columns(frame, wanted), []
    for name, back in (lags or {}).items():
        if name not in wanted:
            raise OptionError(f"lags has {name!r}, which is not joined; {nearest(str(name), wanted)}")
        one = parts[wanted.index(name)]
        shifted += [one.lag(n) for n in ([back] if isinstance(back, int | np.integer) else back)]
    table = side_by_side(parts, how)
    return table.join(side_by_side(shifted, "outer")) if shifted else table


def _columns(frame: pd.DataFrame, names: list[str]) -> list[Series]:
    """Return the series of some columns of a wide frame, all of one shape."""
    grid = grid_of(frame)
    present = grid.present()
    found = []
    for name in names:
        if is_text(frame, name):
            raise OptionError(f"value {name!r} is text, and a series has numbers; read it with store.frame([{name!r}])")
        found.append(Series(grid.matrix(frame[name]), grid.runs, grid.loops, name, present))
    return found


def _whole(field: str, number: object, least: int | None = None) -> int:
    """Return a whole number, or raise `OptionError` naming the argument."""
    wrong = isinstance(number, bool) or not isinstance(number, int | np.integer)
    if wrong or (least is not None and int(number) < least):  # type: ignore[call-overload]
        expected = "a whole number" if least is None else f"a whole number, {least} or more"
        raise OptionError(f"{field} is {number!r}; give {expected}")
    return int(number)  # type: ignore[call-overload]
