"""What was passed to `outputs`, checked once, and what several fields share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from metaal.errors import EmptyPoolError, InputError
from metaal.model_outputs.models import Unavailable, named, need_proba, split, task_of, unwrapped
from metaal.model_outputs.rows import blocks, count, tidy, width

ENTRIES = 1 << 22
"""Numbers of X in a block: 32 MB."""


@dataclass(kw_only=True)
class Source:
    """The arguments of `outputs`; `estimator` is the model itself, where a search was passed."""

    estimator: Any
    X: Any
    X_seen: Any
    y_seen: Any
    embedding: Any
    seen_embedding: Any
    previous: Any
    votes: Any
    members: int | None
    passes: int
    noise: tuple[str, float]
    levels: tuple[float, ...]
    folds: int
    evaluation: int
    block: int | None
    seed: int
    shared: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.estimator = unwrapped(self.estimator)
        self.head, self.last = split(self.estimator)
        self.task = task_of(self.estimator, self.last)
        self.X = tidy("X", self.X)
        self.n = count(self.X)
        if not self.n:
            raise EmptyPoolError("X: the pool is empty; end the run, or pass the rows that still have no label")
        if (self.X_seen is None) != (self.y_seen is None):
            lacking = "X_seen" if self.X_seen is None else "y_seen"
            raise InputError(f"{lacking}: missing; X_seen= and y_seen= belong together, row by row")
        if self.X_seen is not None:
            self.X_seen = tidy("X_seen", self.X_seen)
            rows, shape = count(self.X_seen), np.shape(self.y_seen)
            if not shape or shape[0] != rows:
                raise InputError(f"y_seen: got shape {shape} for the {rows} rows of X_seen; pass one label for each")
            both = all(len(getattr(table, "shape", ())) == 2 for table in (self.X, self.X_seen))
            if both and rows and width(self.X_seen) != width(self.X):
                raise InputError(
                    f"X_seen: has {width(self.X_seen)} columns and X has {width(self.X)}; pass the same columns of both"
                )

    def blocks(self, X: Any) -> Iterator[tuple[slice, Any]]:
        """Pieces of X of bounded size."""
        return blocks(X, self.block or int(np.clip(ENTRIES // max(1, width(X)), 256, 1 << 17)))

    @property
    def kind(self) -> str:
        """What the estimator is and which field it has instead of those of the other tasks, for messages."""
        kinds = {
            "classification": "is a classifier; ask for proba",
            "multilabel": "predicts several labels a row; ask for label_proba",
            "regression": "is a regressor; ask for prediction",
        }
        return f"{named(self.estimator)} {kinds[self.task]}"

    @cached_property
    def classes(self) -> np.ndarray:
        """Labels [C] that the columns of proba stand for."""
        if self.task != "classification":
            raise Unavailable(self.kind)
        return np.asarray(self.last.classes_)

    @cached_property
    def codes(self) -> np.ndarray:
        """Columns i8[L] of proba that the labels y_seen stand for."""
        classes, labels = self.classes, self.labels
        if labels.ndim != 1:
            raise InputError(f"y_seen: got shape {labels.shape}, expected one label for each row of X_seen")
        place = {key: column for column, key in enumerate(classes.tolist())}
        strange = [key for key in labels.tolist() if key not in place]
        if strange:
            raise InputError(
                f"y_seen: {len(strange)} labels (first: {strange[0]!r}) are none of the estimator's classes "
                f"{classes.tolist()[:5]}; fit it on X_seen and y_seen before you ask for its outputs"
            )
        return np.array([place[key] for key in labels.tolist()], dtype=np.int64)

    @cached_property
    def values(self) -> np.ndarray:
        """Values f8[L] of the labelled rows (regression)."""
        try:
            values = self.labels.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(f"y_seen: got {self.labels.dtype}, expected numbers: the estimator regresses") from None
        if values.ndim != 1 or not np.isfinite(values).all():
            raise InputError(f"y_seen: expected one finite number a row, got shape {values.shape}, or NaN or infinity")
        return values

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels y_seen as an array, of whatever kind."""
        if self.y_seen is None:
            raise Unavailable("it is computed from the labelled rows; pass X_seen= and y_seen=")
        return np.asarray(self.y_seen)

    def proba_classes(self) -> int:
        """Number of classes, of an estimator that has probabilities."""
        classes = len(self.classes)
        need_proba(self.estimator)
        return classes
