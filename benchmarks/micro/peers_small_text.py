"""Choices by small-text: its strategies get a classifier and a data set that answer with given outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.micro.inputs import Inputs

Call = Callable[[], Any]


def strategy(inputs: Inputs, name: str, field: str = "proba", **options: Any) -> Call:
    """``small_text.<name>(**options).query(...)`` with the outputs of `field`; pool rows first, then labelled ones."""
    import small_text

    data = _Rows(np.arange(inputs.U + inputs.L))
    seen = np.arange(inputs.U, inputs.U + inputs.L)
    given = _Classifier(inputs, field)
    chosen = getattr(small_text, name)(**options)
    labels = inputs["seen_y"]
    if field == "label_proba":
        from scipy.sparse import csr_matrix

        labels = csr_matrix(inputs["seen_labels"].astype(np.int64))
    return lambda: chosen.query(given, data, np.arange(inputs.U), seen, labels, n=inputs.n)


def discriminative(inputs: Inputs) -> Call:
    """One training of logistic regression, all rows at once: the fewest that its authors allow."""
    import small_text
    from sklearn.linear_model import LogisticRegression

    X = np.concatenate([inputs["embedding"], inputs["seen_embedding"]])
    data = small_text.SklearnDataset(X, np.zeros(len(X), np.int64), target_labels=np.arange(2))
    factory = small_text.SklearnClassifierFactory(LogisticRegression(), 2)
    chosen = small_text.DiscriminativeActiveLearning(factory, num_iterations=1, pbar=None)
    seen = np.arange(inputs.U, inputs.U + inputs.L)
    return lambda: chosen.query(None, data, np.arange(inputs.U), seen, inputs["seen_y"], n=inputs.n)


class _Rows:
    """A data set that knows only which of its rows are meant."""

    is_multi_label = False

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: Any) -> _Rows:
        return _Rows(self.rows[chosen])


class _Classifier:
    """Answers with what was computed before."""

    def __init__(self, inputs: Inputs, field: str) -> None:
        if field == "stochastic":  # [rows, passes, classes]
            pool = inputs["stochastic"].transpose(1, 0, 2)
            seen = np.repeat(inputs["seen_proba"][:, None], inputs.M, axis=1)
        elif field == "label_proba":
            pool, seen = inputs["label_proba"], inputs["seen_labels"]
        else:
            pool, seen = inputs["proba"], inputs["seen_proba"]
        self.proba = np.concatenate([pool, seen])
        self.embedding = np.concatenate([inputs["embedding"], inputs["seen_embedding"]])

    def predict_proba(self, data: _Rows, **options: Any) -> np.ndarray:
        return self._of(self.proba, data)

    def embed(self, data: _Rows, return_proba: bool = False, **options: Any) -> Any:
        points = self._of(self.embedding, data)
        return (points, self._of(self.proba, data)) if return_proba else points

    def _of(self, array: np.ndarray, data: _Rows) -> np.ndarray:
        return array if len(data) == len(array) else array[data.rows]
