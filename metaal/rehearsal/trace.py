"""What a played run measured, read back from its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaal.rehearsal.layout import Kind
from metaal.rehearsal.scoring import MAIN
from metaal.statistics import STATISTICS
from metadata_store import Store

if TYPE_CHECKING:
    import pandas

EVENTS = ("ask", "tell", "report", "end")
"""Records that a curve is made of; branches and whatever else lies beside a run are not."""


TEXTS = ("action.name", "action.strategy", "action.refit", "decision.reason")
"""What a loop says in words; its series are all kept."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What one played run measured.

    Parameters
    ----------
    run : str
        Its name in the store.
    curve : DataFrame
        One row a model: loop, labels, test scores, guide score, seconds of each phase, the action taken with it.
    full : dict
        Test scores of the learner trained on the whole pool; empty if the run was played without.
    pool : int
        Rows of the pool, the initial ones included.
    main : str
        The score that counts: ``"accuracy"``, or ``"r2"`` in a regression.
    """

    run: str
    curve: pandas.DataFrame
    full: dict[str, float]
    pool: int
    main: str = MAIN["classification"]


def read_trace(store: Store, run: str) -> Trace:
    """Read back what a played run measured."""
    import pandas as pd

    rows: dict[int, dict[str, Any]] = {}
    full: dict[str, float] = {}
    pool = 0
    kind: Kind = "classification"
    for record in store.records(run):
        if record.event == "begin":
            pool = int(record.values.get("tag.pool", 0))
            kind = "regression" if record.values.get("tag.kind") == "regression" else kind
        if record.event not in EVENTS:
            continue
        row = rows.setdefault(record.loop, {"loop": record.loop})
        for name, value in record.values.items():
            if name.startswith("report.full_"):
                full[name.removeprefix("report.full_")] = float(value)
            elif name.startswith("report."):
                row[name.removeprefix("report.")] = float(value)
            elif name in STATISTICS or name.startswith(("score.", "user.")) or name.endswith(".seconds"):
                row[name] = float(value)
            elif name in TEXTS:
                row[name] = value
    curve = pd.DataFrame(_models(rows)).rename(columns={"labels.count": "labels", "score.value": "guide"})
    return Trace(run, curve, full, pool, MAIN[kind])


def _models(rows: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a model, oldest first: an ask that said stop shares its labels with the end, and its row as well."""
    last = max(rows, default=0)
    for k in [k for k, row in rows.items() if row.get("action.name") == "stop" and k < last]:
        stopped = rows.pop(k)
        rows[last] = {name: stopped[name] for name in TEXTS if name in stopped} | rows[last]
    return [rows[k] for k in sorted(rows)]
