"""The records that are written: 200 scalars, a histogram of 64 bins and 1,000 ids, or fewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

HISTOGRAM, IDS = "pool.margin.histogram", "batch.ids"


@dataclass(frozen=True)
class Shape:
    """How much a record holds.

    Parameters
    ----------
    scalars : float values.
    bins : length of the histogram (i8), 0 for none.
    ids : number of ids (i8), 0 for none.
    """

    scalars: int = 200
    bins: int = 64
    ids: int = 1000

    @property
    def raw(self) -> int:
        """Bytes of the bare numbers.

        >>> Shape().raw
        10112
        """
        return 8 * (self.scalars + self.bins + self.ids)


class Source:
    """Makes the contents of records, the same ones each time.

    Parameters
    ----------
    shape : what a record holds.
    seed : another seed, other numbers.

    Examples
    --------
    >>> values, arrays = Source(Shape(3, 2, 1)).contents()
    >>> list(values), [array.shape for array in arrays.values()]
    (['pool.group0.stat0', 'pool.group0.stat1', 'pool.group0.stat2'], [(2,), (1,)])
    """

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.shape = shape
        self.names = [f"pool.group{i // 10}.stat{i % 10}" for i in range(shape.scalars)]
        self._rng = np.random.default_rng(seed)

    def contents(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Values and arrays of the next record."""
        shape = self.shape
        arrays = {}
        if shape.bins:
            arrays[HISTOGRAM] = self._rng.integers(0, 1000, shape.bins)
        if shape.ids:
            arrays[IDS] = self._rng.integers(0, 10**6, shape.ids)
        return dict(zip(self.names, self._rng.random(shape.scalars).tolist(), strict=True)), arrays

    def record(self, run: str, loop: int) -> Any:
        """The next record, ready for our store."""
        from metadata_store import Record

        return Record(run, loop, "tell", *self.contents())


def raw_bytes(values: dict[str, float], arrays: dict[str, np.ndarray]) -> bytes:
    """The bare numbers of a record: what any store must write at least."""
    return b"".join([np.array(list(values.values())).tobytes(), *(array.tobytes() for array in arrays.values())])
