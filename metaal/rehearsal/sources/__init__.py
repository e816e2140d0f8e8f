"""Where labelled data come from; one file a source.

builtin    sets of scikit-learn and plotly, by name
table      one file: CSV (delimited), Parquet, ARFF, LIBSVM (sparse)
manifest   a folder of tables with a manifest, ``FOLDER/manifest.csv#NAME``
openml     ``openml:ID``
frame      a DataFrame
loading    `load_data`, the door to all of them; other packages add schemes by entry points of ``metaal.sources``
"""

from __future__ import annotations

from metaal.rehearsal.sources.builtin import builtin_names
from metaal.rehearsal.sources.columns import MISSING, days, typed
from metaal.rehearsal.sources.loading import data_name, load_data
from metaal.rehearsal.sources.manifest import Source, sources
from metaal.rehearsal.sources.table import read_table

__all__ = [
    "MISSING",
    "Source",
    "builtin_names",
    "data_name",
    "days",
    "load_data",
    "read_table",
    "sources",
    "typed",
]
