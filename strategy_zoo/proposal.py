"""What a strategy answers: the rows to ask for, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_zoo.errors import ZooError


@dataclass(frozen=True, eq=False)
class Proposal:
    """The rows that a strategy asks for, best first, with the reason for each.

    Parameters
    ----------
    rows : int64[n]. Positions in the view, unique.
    score : float64[n]. The strategy's wish for each row, higher = more wanted; comparable inside one `part` only.
    part : int64[n]. Which ingredient of a mixture asked for the row; zeros otherwise (the default).
    probability : float64[n] or None. Probability that the row was to be in the batch, in (0, 1], where it is known.

    Examples
    --------
    >>> answer = Proposal([4, 2], [0.9, 0.5])
    >>> answer.rows.tolist(), answer.part.tolist(), len(answer)
    ([4, 2], [0, 0], 2)
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    part: NDArray[np.int64] = None  # type: ignore[assignment]  # filled in below
    probability: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        rows = np.asarray(self.rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ZooError(f"rows have shape {rows.shape} and type {rows.dtype}, expected whole numbers [n]")
        self._keep("rows", rows, np.int64, len(rows))
        self._keep("score", self.score, np.float64, len(rows))
        self._keep("part", np.zeros(len(rows), np.int64) if self.part is None else self.part, np.int64, len(rows))
        if self.probability is not None:
            self._keep("probability", self.probability, np.float64, len(rows))
            if np.any((self.probability <= 0) | (self.probability > 1)):
                raise ZooError("probability has values outside of (0, 1]; a row that was picked had a chance")

    def __len__(self) -> int:
        return len(self.rows)

    def _keep(self, name: str, value: ArrayLike, kind: Any, n: int) -> None:
        try:
            array = np.asarray(value).astype(kind, copy=False).view()
        except (TypeError, ValueError) as error:
            raise ZooError(f"{name} can't be read as numbers ({error}); pass one number for each row") from None
        if array.shape != (n,):
            raise ZooError(f"{name} has shape {array.shape}, expected ({n},) as in rows")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ZooError(f"{name} is {array[bad]} at position {bad}, expected finite numbers")
        array.flags.writeable = False
        object.__setattr__(self, name, array)
