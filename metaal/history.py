"""The run so far, as a matrix of named series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas


class History:
    """A run as a T × F matrix of named series, with the actions taken so far.

    Parameters
    ----------
    rows : sequence of mapping
        One mapping {statistic: number} a loop; the last one may be of the loop that is being decided.
    actions : sequence of str
        What was done in the decided loops (text of the action), oldest first.
    propensities : sequence of float
        Probability with which each of them was drawn.

    Examples
    --------
    >>> history = History([{"pool.size": 90.0}, {"pool.size": 80.0}], actions=["margin"], propensities=[1.0])
    >>> history.series("pool.size")
    array([90., 80.])
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, float]],
        *,
        actions: Sequence[str] = (),
        propensities: Sequence[float] = (),
    ) -> None:
        self.names: tuple[str, ...] = tuple(sorted({name for row in rows for name in row}))
        values = np.full((len(rows), len(self.names)), np.nan)
        self._column = {name: k for k, name in enumerate(self.names)}
        for t, row in enumerate(rows):
            for name, value in row.items():
                values[t, self._column[name]] = value
        values.flags.writeable = False
        self.values = values
        self.actions = tuple(actions)
        self.propensities = np.array(propensities, dtype=np.float64)
        self.propensities.flags.writeable = False

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"History({len(self)} loops × {len(self.names)} series)"

    def series(self, name: str) -> np.ndarray:
        """One series f8[T], oldest first, NaN where it was not logged."""
        if name not in self._column:
            raise InputError(f"no series {name!r} in this run; history.names lists the {len(self.names)} that exist")
        return self.values[:, self._column[name]]

    def get(self, name: str) -> np.ndarray:
        """Like ``series``, but all NaN where the series does not exist (the privacy level decides what does)."""
        return self.series(name) if name in self._column else np.full(len(self), np.nan)

    def last(self, name: str) -> float:
        """Value of a series in the current loop, NaN if there is none."""
        values = self.get(name)
        return float(values[-1]) if len(values) else float("nan")

    def frame(self) -> pandas.DataFrame:
        """The matrix as a DataFrame: one row a loop, one column a series."""
        import pandas

        return pandas.DataFrame(self.values, columns=list(self.names)).rename_axis("loop")
