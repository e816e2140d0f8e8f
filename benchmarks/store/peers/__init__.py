"""Trackers that people use, each behind the same four calls, used as their own documentation says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np


class Tracker(Protocol):
    """What a peer can do in a benchmark."""

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """Store one record as durably as the peer can by its defaults."""
        ...

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """Store the scalars of all loops of a run by the fastest way that the peer offers."""
        ...

    def read(self) -> int:
        """Read the scalars of all runs into memory by a fresh opening; return how many there were."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def _mlflow_sqlite(folder: Path) -> Tracker:
    from benchmarks.store.peers.mlflow import MLflow

    return MLflow(folder, "sqlite")


def _mlflow_scalars(folder: Path) -> Tracker:
    from benchmarks.store.peers.mlflow import MLflow

    return MLflow(folder, "sqlite", artifacts=False)


def _mlflow_files(folder: Path) -> Tracker:
    from benchmarks.store.peers.mlflow import MLflow

    return MLflow(folder, "files")


def _optuna_journal(folder: Path) -> Tracker:
    from benchmarks.store.peers.optuna import Optuna

    return Optuna(folder, "journal")


def _optuna_sqlite(folder: Path) -> Tracker:
    from benchmarks.store.peers.optuna import Optuna

    return Optuna(folder, "sqlite")


def _sqlite_rows(folder: Path) -> Tracker:
    from benchmarks.store.peers.sqlite import Rows

    return Rows(folder)


def _sqlite_json(folder: Path) -> Tracker:
    from benchmarks.store.peers.sqlite import Documents

    return Documents(folder)


def _delta(folder: Path) -> Tracker:
    from benchmarks.store.peers.delta import Delta

    return Delta(folder)


MLFLOW = "MLflow, SQLite"
PEERS: dict[str, Callable[[Path], Tracker]] = {
    "SQLite, a row a value": _sqlite_rows,
    "SQLite, JSON": _sqlite_json,
    "Optuna, journal file": _optuna_journal,
    "Optuna, SQLite": _optuna_sqlite,
    MLFLOW: _mlflow_sqlite,
    "MLflow, SQLite, scalars only": _mlflow_scalars,
    "MLflow, files": _mlflow_files,
    "Delta": _delta,
}
