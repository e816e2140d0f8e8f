"""Stores in files and in other programs, and back.

JSONL holds everything, one record a line, and is read back equal (`export`, `load`). CSV and Parquet hold the scalars
as tables for other programs; `load_table` reads the logs of others, JSONL of plain objects too. MLflow's runs go both
ways, Optuna's journals and LabelBench's runs come in, and the compacted tier of a store becomes a table of Delta Lake
or Iceberg without a copy.

Examples
--------
>>> import tempfile, pathlib
>>> from metadata_store import Record, open_store
>>> store, copy = open_store("memory:"), open_store("memory:")
>>> _ = store.append(Record("tickets", 0, "tell", {"score": 0.5}))
>>> with tempfile.TemporaryDirectory() as folder:
...     file = pathlib.Path(folder) / "runs.jsonl"
...     print(export(store, file), load(file, copy))
1 Loaded(read=1, new=1)
>>> copy.records("tickets")[0].same_content(store.records("tickets")[0])
True
"""

from .delta import export_delta
from .exporting import export
from .foreign import MissingPackageError
from .from_mlflow import Imported, load_mlflow
from .from_optuna import JournalLoaded, load_optuna
from .iceberg import export_iceberg, open_catalog
from .journal_file import Torn
from .labelbench import load_labelbench
from .loading import Loaded, SourceError, load
from .logged import load_table
from .objects import holds_objects
from .parts import LakeExport
from .rules import Rules
from .to_mlflow import Exported, export_mlflow

__all__ = [
    "Exported",
    "Imported",
    "JournalLoaded",
    "LakeExport",
    "Loaded",
    "MissingPackageError",
    "Rules",
    "SourceError",
    "Torn",
    "export",
    "export_delta",
    "export_iceberg",
    "export_mlflow",
    "holds_objects",
    "load",
    "load_labelbench",
    "load_mlflow",
    "load_optuna",
    "load_table",
    "open_catalog",
]
