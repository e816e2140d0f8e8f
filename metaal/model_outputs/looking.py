"""What one more label would change: the model refitted with it, seen on a fixed sample of the pool."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.model_outputs.models import Unavailable, fit_classifier, seeded
from metaal.model_outputs.rows import count, joined, take
from metaal.model_outputs.source import Source
from metaal.randomness import generator

ADDITIVE = ("MultinomialNB", "BernoulliNB", "ComplementNB")
"""Learners that keep counts, so that partial_fit with one row equals a fit with all of them. GaussianNB isn't one: it
works its smoothing out from the last batch alone."""
KEPT = 1 << 28
"""Bytes of answers that are kept: 256 MB, the oldest are forgotten first."""


class Lookahead:
    """callable(rows i8[k]) -> f8[k, C, E, C]: what the model would say of the evaluation rows with that label too.

    Each (row, class) costs one fit on L + 1 rows and a prediction of E rows. What was answered is kept. All fits have
    the same random state, so that differences come from the label alone.
    """

    def __init__(self, source: Source) -> None:
        source.proba_classes()
        if source.X_seen is None:
            raise Unavailable("it refits the estimator on the labelled rows; pass X_seen= and y_seen=")
        self._source = source
        self._codes, self._classes = source.codes, source.classes
        rng = generator(source.seed, "outputs", 0, "evaluation")
        size = min(source.evaluation, source.n)
        self.evaluation = np.sort(rng.choice(source.n, size=size, replace=False))
        self._sample = take(source.X, self.evaluation)
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._fresh = seeded(source.estimator, source.seed, "lookahead")
        self._base: Any = None

    def __call__(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0)):
            raise InputError(f"rows: got shape {rows.shape} of {rows.dtype}, expected row numbers of the pool [k]")
        if rows.size and rows.max() >= self._source.n:
            raise InputError(f"rows: got {rows.max()}, but the pool has {self._source.n} rows")
        total = len(self._classes)
        out = np.empty((len(rows), total, len(self.evaluation), total))
        for place, row in enumerate(rows.tolist()):
            out[place] = self._of(row)
        return out

    def _of(self, row: int) -> np.ndarray:
        if row in self._kept:
            self._kept.move_to_end(row)
            return self._kept[row]
        answer = self._added(row) if self._adds() else self._refitted(row)
        self._kept[row] = answer
        while len(self._kept) > 1 and len(self._kept) * answer.nbytes > KEPT:
            self._kept.popitem(last=False)
        return answer

    def _refitted(self, row: int) -> np.ndarray:
        from sklearn.base import clone

        source = self._source
        rows = take(source.X, np.array([row]))
        X = joined(source.X_seen, rows) if count(source.X_seen) else rows
        tables = []
        for code in range(len(self._classes)):
            predict = fit_classifier(clone(self._fresh), X, np.append(self._codes, code), self._classes)
            tables.append(predict(self._sample))
        return np.stack(tables)

    def _adds(self) -> bool:
        source = self._source
        known = type(source.last).__module__.startswith("sklearn.") and type(source.last).__name__ in ADDITIVE
        return known and source.head is None and len(np.unique(self._codes)) == len(self._classes) > 1

    def _added(self, row: int) -> np.ndarray:
        from sklearn.base import clone

        source = self._source
        if self._base is None:
            self._base = clone(source.last).fit(source.X_seen, self._classes[self._codes])
        x = take(source.X, np.array([row]))
        tables = []
        for code in range(len(self._classes)):
            model = copy.deepcopy(self._base).partial_fit(x, self._classes[[code]])
            tables.append(np.asarray(model.predict_proba(self._sample), dtype=np.float64))
        return np.stack(tables)
