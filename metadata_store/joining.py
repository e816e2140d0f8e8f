"""Between tables of (run, loop) and matrices of run × loop, without a loop over values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from .series import Series

MAX_CELLS = 2**28  # 2 GiB; runs whose loops have nothing in common would make a matrix of almost nothing but NaN


class Grid(NamedTuple):
    """Where the rows of a table stand in a matrix: R runs, T loops, and row and column of each of N table rows."""

    runs: tuple[str, ...]
    loops: np.ndarray
    row: np.ndarray
    column: np.ndarray

    def present(self) -> np.ndarray:
        """Return bool[R, T], the cells that the table has."""
        cells = np.zeros((len(self.runs), len(self.loops)), bool)
        cells[self.row, self.column] = True
        return cells

    def matrix(self, column: pd.Series) -> np.ndarray:
        """Return f8[R, T], the values of a column, NaN where the table has none."""
        cells = np.full((len(self.runs), len(self.loops)), np.nan)
        cells[self.row, self.column] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return cells


def grid_of(frame: pd.DataFrame) -> Grid:
    """Return the grid of a wide frame, runs in its order.

    Parameters
    ----------
    frame : from `Store.frame`, index (run, loop).

    Raises
    ------
    OptionError : the matrix would have more than 2**28 cells.

    Examples
    --------
    >>> from metadata_store import MemoryStore, Record
    >>> store = MemoryStore()
    >>> _ = store.append_many([Record("b", 3, "tell"), Record("a", 1, "tell")])
    >>> grid = grid_of(store.frame())
    >>> grid.runs, grid.present().tolist()
    (('b', 'a'), [[False, True], [True, False]])
    """
    index: Any = frame.index
    codes, levels = np.asarray(index.codes[0]), index.levels[0]
    seen, first = np.unique(codes, return_index=True)
    order = seen[np.argsort(first)]
    row_of = np.zeros(len(levels), np.int64)
    row_of[order] = np.arange(len(order))
    loops, column = np.unique(index.get_level_values(1).to_numpy(np.int64), return_inverse=True)
    if len(order) * len(loops) > MAX_CELLS:
        raise OptionError(
            f"{len(order)} runs × {len(loops)} loops are more than {MAX_CELLS} cells; choose runs=…, or use "
            "store.frame, which has a row only for the loops that are there"
        )
    return Grid(tuple(str(levels[code]) for code in order), loops, row_of[codes], column)


def is_text(frame: pd.DataFrame, name: str) -> bool:
    """Say whether a column holds text."""
    return str(frame.dtypes[name]) in ("string", "str", "object")


def side_by_side(parts: Sequence[Series], how: str) -> pd.DataFrame:
    """Return series as the columns of one table; only cells with a value are touched.

    Parameters
    ----------
    parts, how : as in `Series.join`.

    Raises
    ------
    OptionError : two series of one name, or another `how`.
    """
    import pandas as pd

    if how not in ("outer", "inner"):
        raise OptionError(f"how is {how!r}; give 'outer' or 'inner'")
    names = [one.name for one in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"two series are called {twice[0]!r}; rename one: dataclasses.replace(series, name=…)")
    runs = list(dict.fromkeys(run for one in parts for run in one.runs))
    code = {run: number for number, run in enumerate(runs)}
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for one in parts:
        row, column = np.nonzero(~np.isnan(one.matrix))
        codes = np.array([code[run] for run in one.runs], np.int64)
        found.append((codes[row], one.loops[column], one.matrix[row, column]))
    run = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in found)])
    loop = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in found)])
    order = np.lexsort((loop, run))
    first = np.ones(len(run), bool)
    first[1:] = (np.diff(run[order]) != 0) | (np.diff(loop[order]) != 0)
    place = np.empty(len(run), np.int64)
    place[order] = np.cumsum(first) - 1
    table = np.full((int(first.sum()), len(names)), np.nan)
    stop = 0
    for number, (_, _, values) in enumerate(found):
        start, stop = stop, stop + len(values)
        table[place[start:stop], number] = values
    keys = order[first]
    index = pd.MultiIndex.from_arrays([np.array(runs, object)[run[keys]], loop[keys]], names=["run", "loop"])
    result = pd.DataFrame(table, index=index, columns=names)
    return result if how == "outer" else result[~np.isnan(table).any(axis=1)]
