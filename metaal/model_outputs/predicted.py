"""What the model itself says: of the pool, and of the labelled rows out of fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.model_outputs.models import Unavailable, fit_classifier, named, need_proba, one_value, seeded
from metaal.model_outputs.rows import take
from metaal.model_outputs.source import Source
from metaal.randomness import generator


def proba(source: Source) -> np.ndarray:
    """f8[U, C] by predict_proba."""
    if "proba" not in source.shared:
        out = np.empty((source.n, source.proba_classes()))
        for part, rows in source.blocks(source.X):
            out[part] = source.estimator.predict_proba(rows)
        source.shared["proba"] = out
    kept: np.ndarray = source.shared["proba"]
    return kept


def prediction(source: Source) -> np.ndarray:
    """f8[U] by predict."""
    if source.task != "regression":
        raise Unavailable(source.kind)
    out = np.empty(source.n)
    for part, rows in source.blocks(source.X):
        out[part] = one_value(source.estimator.predict(rows), source.estimator)
    return out


def label_proba(source: Source) -> np.ndarray:
    """f8[U, K]: probability that each label is 1."""
    if source.task != "multilabel":
        raise Unavailable(source.kind)
    need_proba(source.estimator)
    parts = [_label_block(source, rows) for _, rows in source.blocks(source.X)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _label_block(source: Source, rows: Any) -> np.ndarray:
    given = source.estimator.predict_proba(rows)
    if not isinstance(given, list):
        return np.asarray(given, dtype=np.float64)
    # Forests, trees, neighbours and MultiOutputClassifier answer with one array [n, classes of the label] a label.
    columns = []
    for label, (table, classes) in enumerate(zip(given, source.last.classes_, strict=True)):
        names = np.asarray(classes).tolist()
        if not set(names) <= {0, 1}:
            raise Unavailable(
                f"label {label} of {named(source.estimator)} has the classes {names[:5]}, expected 0 and 1; "
                "use an estimator for each output that has several classes"
            )
        columns.append(table[:, names.index(1)] if 1 in names else np.zeros(len(table)))
    return np.stack(columns, axis=1).astype(np.float64, copy=False)


def seen_labels(source: Source) -> np.ndarray:
    """f8[L, K] of 0 and 1."""
    if source.task != "multilabel":
        raise Unavailable(f"{source.kind}, and for seen_y")
    labels = source.labels
    if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
        raise InputError(f"y_seen: got shape {labels.shape}, expected a table [L, K] of 0 and 1, a column for a label")
    return labels.astype(np.float64)


def seen_y(source: Source) -> np.ndarray:
    """Labels [L], to be read with `classes`, or f8[L] values."""
    if source.task == "multilabel":
        raise Unavailable(f"{source.kind}, and for seen_labels")
    return source.values if source.task == "regression" else source.classes[source.codes]


def classes(source: Source) -> np.ndarray:
    """Labels [C] that the columns of proba stand for."""
    return source.classes


def seen_proba(source: Source) -> np.ndarray:
    """f8[L, C] of the labelled rows, each by a clone that was fitted without it.

    The rows of each class are dealt out to the folds in turn, so that every class with two rows or more is in every
    training set, however few they are. A class with a single row can't be left out without losing the class: that row
    gets the mean of all folds' clones, which have seen it.
    """
    source.proba_classes()
    codes, classes = source.codes, source.classes
    out = np.zeros((len(codes), len(classes)))
    if not len(codes):
        return out
    fold = dealt(codes, source.folds, source.seed)
    alone = np.flatnonzero(fold < 0)
    used = np.unique(fold[fold >= 0]).tolist() or [-2]  # -2: all rows are alone in their class
    for number in used:
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = seeded(source.estimator, source.seed, "seen_proba", number)
        predict = fit_classifier(model, take(source.X_seen, train), codes[train], classes)
        if len(test):
            out[test] = predict(take(source.X_seen, test))
        if len(alone):
            out[alone] += predict(take(source.X_seen, alone)) / len(used)
    return out


def dealt(codes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold i8[L] of each row; −1 for rows that are alone in their class."""
    rng = generator(seed, "outputs", 0, "folds")
    out = np.full(len(codes), -1)
    turn = 0
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        if len(rows) > 1:
            out[rows] = (turn + np.arange(len(rows))) % folds
            turn += len(rows)  # the next class goes on where this one ended: folds of equal size
    return out
