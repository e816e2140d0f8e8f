"""Privacy levels, enforced when a record is written: `private` makes a store keep one, `audit` says what a store shows.

L0 keeps nothing outside of the process, L1 scalars and histograms of a loop made coarse, L2 also ids as keyed hashes
and ranks of rows, L3 everything. No level makes metadata harmless; see `audit`.

Examples
--------
>>> from metadata_store import Record, open_store
>>> store = private(open_store("memory:"), "L1")
>>> record = store.append(Record("r", 0, "ask", {"pool.size": 1234, "note": "Mrs. X"}, {"ids": [17, 18]}))
>>> dict(record.values), dict(record.arrays)
({'pool.size': 1230, 'privacy.dropped': 2}, {})
"""

from ..errors import PrivacyError, PrivacyWarning
from .audit import Audit, Column, audit
from .level import LEVELS, Level, Privacy
from .private import PrivateStore, private
from .rules import BY_NAME, Rule, Rules
from .sharing import Shared

__all__ = [
    "BY_NAME",
    "LEVELS",
    "Audit",
    "Column",
    "Level",
    "Privacy",
    "PrivacyError",
    "PrivacyWarning",
    "PrivateStore",
    "Rule",
    "Rules",
    "Shared",
    "audit",
    "private",
]
