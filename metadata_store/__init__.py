"""Records of loops, kept as durable time series: `open_store`, append `Record`s, read them back as a table.

Examples
--------
>>> from metadata_store import Record, open_store
>>> store = open_store("memory:")
>>> for loop, score in enumerate([0.5, 0.6]):
...     _ = store.append(Record("tickets", loop, "tell", {"score": score}))
>>> store.frame()["score"].tolist()
[0.5, 0.6]
"""

from .cold.compacting import Compaction
from .directory import DirectoryStore
from .errors import (
    ClosedError,
    ConflictError,
    DamagedError,
    FormatError,
    LeaseError,
    MissingStoreError,
    OptionError,
    PrivacyError,
    PrivacyWarning,
    ReadError,
    RecordError,
    StoreError,
    StoreWarning,
    UnknownNameError,
    UnknownRunError,
    UnknownStateError,
    WriteError,
)
from .leases import Lease
from .memory import MemoryStore
from .opening import open_store
from .privacy import Privacy, private
from .record import Record
from .report import Damage, Report
from .store import Store

__all__ = [
    "ClosedError",
    "Compaction",
    "ConflictError",
    "Damage",
    "DamagedError",
    "DirectoryStore",
    "FormatError",
    "Lease",
    "LeaseError",
    "MemoryStore",
    "MissingStoreError",
    "OptionError",
    "Privacy",
    "PrivacyError",
    "PrivacyWarning",
    "ReadError",
    "Record",
    "RecordError",
    "Report",
    "Store",
    "StoreError",
    "StoreWarning",
    "UnknownNameError",
    "UnknownRunError",
    "UnknownStateError",
    "WriteError",
    "open_store",
    "private",
]
