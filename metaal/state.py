"""A run's state, folded from its records one by one.

The live run and the resumed run fold the same records with the same function, so they cannot differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.filled import filled
from metaal.history import History
from metaal.statistics import STATISTICS
from metadata_store import Record

Id = Any  # int or str, as the caller keys the rows


class RunState:
    """What is known of a run: who was asked, what was told, and the series so far."""

    def __init__(self) -> None:
        self.begin: Record | None = None
        self.asks: list[Record] = []
        self.counts: dict[tuple[int, str], int] = {}
        self.asked_in: dict[Id, int] = {}
        self.position: dict[Id, int] = {}
        self.waiting: dict[Id, int] = {}
        self.again = 0
        self.labels: dict[Id, Any] = {}
        self.skipped: dict[Id, int] = {}
        self.rows: list[dict[str, float]] = []
        self.open_rows: list[dict[str, float]] = []  # without the scores, which no policy sees while deciding
        self.ended: Record | None = None
        self.reports: list[Record] = []

    @property
    def loop(self) -> int:
        """Number of the latest ask; −1 before the first."""
        return len(self.asks) - 1

    @property
    def answered(self) -> bool:
        """Whether the latest ask has had any answer, or needed none."""
        if not self.asks:
            return True
        ids = self.asks[-1].arrays["query.ids"].tolist()
        return not ids or any(key not in self.waiting for key in ids)

    @property
    def quiet(self) -> bool:
        """Whether the latest ask wanted no rows and nothing was logged since."""
        loop = self.loop
        after = sum(self.counts.get((loop, event), 0) for event in ("tell", "skip", "change", "withdraw"))
        return bool(self.asks) and not len(self.asks[-1].arrays["query.ids"]) and not after

    @property
    def id_example(self) -> np.ndarray | None:
        """Some ids of the run, whose kind all others must share; None before the first ask."""
        return self.asks[0].arrays["reference.ids"] if self.asks else None

    @property
    def spent(self) -> int:
        """Labels that count against the budget: those told, those told again, and those that are still awaited."""
        return len(self.labels) + self.again + len(self.waiting)

    def apply(self, record: Record) -> None:
        """Fold one record in."""
        record = filled(record)
        self.counts[record.loop, record.event] = self.counts.get((record.loop, record.event), 0) + 1
        if record.event == "begin":
            self.begin = record
        elif record.event == "ask":
            self._ask(record)
        elif record.event in ("tell", "change"):
            for key, label in zip(record.arrays["ids"].tolist(), record.arrays["labels"].tolist(), strict=True):
                # A row that was asked for a second vote costs a second label; a correction costs nothing.
                self.again += key in self.labels and key in self.waiting
                self.labels[key] = label
                self.waiting.pop(key, None)
                self.skipped.pop(key, None)
        elif record.event == "skip":
            for key in record.arrays["ids"].tolist():
                self.waiting.pop(key, None)
                self.skipped[key] = record.loop
        elif record.event == "withdraw":
            for key in record.arrays["ids"].tolist():
                self.labels.pop(key, None)
                self.waiting.pop(key, None)
        elif record.event == "end":
            self.ended = record
        elif record.event == "report":
            self.reports.append(record)
        # What is reported (test scores) never becomes part of the history that a policy reads.
        if record.event not in ("begin", "report"):
            self._series(record)

    def _ask(self, record: Record) -> None:
        self.asks.append(record)
        for place, key in enumerate(record.arrays["query.ids"].tolist()):
            self.asked_in[key] = record.loop
            self.position[key] = place
            self.waiting[key] = record.loop
            self.skipped.pop(key, None)

    def _series(self, record: Record) -> None:
        while len(self.rows) <= record.loop:
            self.rows.append({})
            self.open_rows.append({})
        row, open_row = self.rows[record.loop], self.open_rows[record.loop]
        for name, value in record.values.items():
            if isinstance(value, str) or (name not in STATISTICS and not name.startswith(("user.", "score."))):
                continue
            row[name] = float(value)
            if not name.startswith("score."):
                open_row[name] = row[name]

    def history(self) -> History:
        """Every series so far, with the actions taken."""
        return History(
            self.rows,
            actions=[str(ask.values["action.name"]) for ask in self.asks],
            propensities=[float(ask.values["action.propensity"]) for ask in self.asks],
        )

    def excluded(self) -> set[Id]:
        """Ids that must not be asked now: waiting for a label, or skipped."""
        return set(self.waiting) | set(self.skipped)


def label_columns(labels: list[Any] | np.ndarray, classes: np.ndarray | None, count: int) -> np.ndarray | None:
    """Columns i8[n] of proba that the labels stand for; None if that cannot be known.

    A label that is not among ``classes`` is of a class that the model has not seen: its column is −1. Without
    ``classes`` only whole numbers in 0..C−1 can be read as columns.

    Raises
    ------
    InputError
        Labels are text and classes are not, or the other way round.
    """
    values = np.asarray(labels)
    if classes is not None:
        if len(values) and (values.dtype.kind == "U") != (classes.dtype.kind == "U"):
            raise InputError(
                f"labels: {values[0].item()!r} cannot be among classes= {classes.tolist()[:5]}; pass labels "
                "and classes of "
                "one kind (model.classes_ has the labels that the model was fitted with)"
            )
        place = {key: k for k, key in enumerate(classes.tolist())}
        return np.array([place.get(key, -1) for key in values.tolist()], dtype=np.int64)
    if values.dtype.kind not in "iub" or not len(values):
        return None
    columns = values.astype(np.int64)
    return None if columns.min() < 0 or columns.max() >= count else columns
