"""Optuna: a loop is a finished trial, its values and arrays are user attributes, added in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np


class Optuna:
    """One study.

    Parameters
    ----------
    folder : where it is.
    kind : "journal" (a file) or "sqlite".
    """

    def __init__(self, folder: Path, kind: Literal["journal", "sqlite"]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder, self.kind = folder, kind
        self.study = optuna.create_study(study_name="benchmark", storage=self._storage(), load_if_exists=True)

    def _storage(self) -> Any:
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self.kind == "journal":
            return JournalStorage(JournalFileBackend(str(self.folder / "journal.log")))
        return RDBStorage(f"sqlite:///{self.folder / 'optuna.db'}", engine_kwargs={"connect_args": {"timeout": 60}})

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """One trial."""
        attributes = {"run": run, "loop": loop, **values, **{name: array.tolist() for name, array in arrays.items()}}
        self.study.add_trial(self._trial(attributes))

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """All trials in one call."""
        self.study.add_trials([self._trial({"run": run, "loop": loop, **v}) for loop, v in enumerate(loops)])

    def _trial(self, attributes: dict[str, Any]) -> Any:
        from optuna.trial import TrialState, create_trial

        return create_trial(state=TrialState.COMPLETE, value=0.0, user_attrs=attributes)

    def read(self) -> int:
        """The table that Optuna makes of a study."""
        import optuna

        study = optuna.load_study(study_name="benchmark", storage=self._storage())
        table = study.trials_dataframe(attrs=("user_attrs",))
        return len(table) * (len(table.columns) - 2)

    def close(self) -> None:
        """Let the connections go."""
        self.study._storage.remove_session()
