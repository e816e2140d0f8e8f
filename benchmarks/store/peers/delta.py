"""Delta Lake through delta-rs: a loop is a row, a column for each value, arrays as lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class Delta:
    """One table."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "table")

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """One commit."""
        import pyarrow as pa

        columns: dict[str, Any] = {"run": [run], "loop": [loop], **{name: [value] for name, value in values.items()}}
        columns.update({name: pa.array([array]) for name, array in arrays.items()})
        self._write(pa.table(columns))

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """One commit for the run."""
        import pyarrow as pa

        names = {name: [values[name] for values in loops] for name in loops[0]}
        self._write(pa.table({"run": [run] * len(loops), "loop": list(range(len(loops))), **names}))

    def _write(self, table: Any) -> None:
        import deltalake

        deltalake.write_deltalake(self.path, table, mode="append")

    def read(self) -> int:
        """The whole table as a frame."""
        import deltalake

        table = deltalake.DeltaTable(self.path).to_pandas()
        return len(table) * (len(table.columns) - 2)

    def close(self) -> None:
        """Nothing is open."""
