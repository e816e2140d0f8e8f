"""Records of which a private store kept a part, with the missing parts in their emptiest form."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from metaal.features import PROPOSAL
from metadata_store import Record
from metadata_store.record import restored

NO_IDS = np.zeros(0, dtype=np.int64)
_ASK: dict[str, Any] = {
    "action.name": "",
    "action.strategy": "",
    "action.multiplier": 1.0,
    "action.stop": False,
    "action.propensity": float("nan"),
    "decision.reason": "(not kept)",
    "state.digest": "",
    "state.pool": "",
}


def filled(record: Record) -> Record:
    """A record of a private store with what is missing, and the reading of runs needs, in its emptiest form.

    Labels that were not kept are None; a record that lacks nothing is returned as it is.

    Examples
    --------
    >>> filled(Record("r", 0, "tell", {"privacy.dropped": 1}, {"ids": [3, 5]})).arrays["labels"].tolist()
    [None, None]
    """
    if "privacy.dropped" not in record.values:
        return record
    values, arrays = dict(record.values), dict(record.arrays)
    if record.event == "ask":
        values = {**_ASK, **values}
        n = len(arrays.setdefault("query.ids", NO_IDS))
        arrays.setdefault("query.part", np.full(n, -1, dtype=np.int64))
        arrays.setdefault("query.score", np.full(n, np.nan))
        arrays.setdefault("reference.ids", NO_IDS)
        arrays.setdefault("actions", np.zeros(0, dtype="U1"))
        arrays.setdefault("actions.probability", np.zeros(0))
        if "preview.strategy" not in arrays or "preview.features" not in arrays:
            arrays |= {"preview.strategy": np.zeros(0, "U1"), "preview.features": np.zeros((0, len(PROPOSAL)))}
    elif record.event in ("tell", "change", "skip", "withdraw"):
        ids = arrays.setdefault("ids", NO_IDS)
        if record.event in ("tell", "change"):
            arrays.setdefault("labels", np.full(len(ids), None, dtype=object))
    return with_content(record, values, arrays, record.at)


def with_content(record: Record, values: dict[str, Any], arrays: dict[str, np.ndarray], at: int) -> Record:
    """The record with other content, unchecked: labels that are not known are None, which no store would take."""
    content = MappingProxyType(values), MappingProxyType(arrays)
    return restored(record.run, record.loop, record.event, *content, at, record.index)
