"""MLflow through its client: metrics in one batch a loop, arrays as an artifact."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np


class MLflow:
    """A tracking store in one folder.

    Parameters
    ----------
    folder : where it is.
    kind : "sqlite" or "files" (which MLflow itself no longer recommends).
    artifacts : whether arrays are stored, as one .npz file a loop; MLflow has no other place for them.
    """

    def __init__(self, folder: Path, kind: Literal["sqlite", "files"], *, artifacts: bool = True) -> None:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        self.folder, self.artifacts = folder, artifacts
        self.uri = f"sqlite:///{folder / 'mlflow.db'}" if kind == "sqlite" else (folder / "mlruns").as_uri()
        self.client = self._open()
        place = (folder / "artifacts").as_uri()
        known = self.client.get_experiment_by_name("benchmark")
        create = self.client.create_experiment
        self.experiment = known.experiment_id if known else create("benchmark", artifact_location=place)
        self._ids: dict[str, str] = {}

    def _open(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def _run(self, run: str) -> str:
        if run not in self._ids:
            self._ids[run] = self.client.create_run(self.experiment, run_name=run).info.run_id
        return self._ids[run]

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """One batch of metrics, and one artifact."""
        self._log(run, {loop: values})
        if self.artifacts and arrays:
            file = self.folder / f"{loop}.npz"
            np.savez(file, **arrays)  # type: ignore[arg-type]
            self.client.log_artifact(self._run(run), str(file), "arrays")
            file.unlink()

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """As few batches as the limit of 1,000 metrics allows."""
        step = max(1, 1000 // max(1, len(loops[0])))
        for start in range(0, len(loops), step):
            self._log(run, dict(enumerate(loops[start : start + step], start)))

    def _log(self, run: str, loops: dict[int, dict[str, float]]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, loop, loop) for loop, values in loops.items() for name, value in values.items()]
        self.client.log_batch(self._run(run), metrics=metrics)

    def read(self) -> int:
        """The history of every metric of every run: the only call of the client that returns more than last values."""
        client = self._open()
        total = 0
        for run in client.search_runs([self.experiment], max_results=50_000):
            for name in run.data.metrics:
                history = client.get_metric_history(run.info.run_id, name)
                total += len(np.array([(metric.step, metric.value) for metric in history]))
        return total

    def close(self) -> None:
        """Nothing to close: the client keeps its engine for the process."""
