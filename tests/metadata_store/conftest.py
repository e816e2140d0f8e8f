"""Shared by the tests of the store: a path, small records, and the segments of a store."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from metadata_store import DirectoryStore, Record, StoreWarning


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def make():
    """Return a small record, different for each number."""

    def record(number: int, run: str = "r") -> Record:
        values = {"score": number / 7, "labels": number, "note": f"note {number}", "stop": number % 2 == 0}
        return Record(run, number, "tell", values, {"ids": np.arange(number % 5, dtype=np.int32)})

    return record


@pytest.fixture
def segments():
    def listed(path: Path) -> list[Path]:
        return sorted((path / "hot").glob("*.seg"))

    return listed


@pytest.fixture
def open_quietly():
    """Open a store that may be damaged; return it and whether it warned."""

    def opened(path: Path) -> tuple[DirectoryStore, bool]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            store = DirectoryStore(path, durability="none")
        return store, any(issubclass(warning.category, StoreWarning) for warning in caught)

    return opened
