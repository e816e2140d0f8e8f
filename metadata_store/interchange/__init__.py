"""Stores in files, files in stores: `export` to JSONL, CSV and Parquet, `load` from JSONL, `load_table` from tables.

JSONL holds everything, one record a line, and is read back equal. CSV and Parquet hold the scalars as tables for other
programs.

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

from .exporting import export
from .loading import Loaded, SourceError, load
from .logged import load_table

__all__ = ["Loaded", "SourceError", "export", "load", "load_table"]
