"""Vectors in which near means alike, gradients on them, and probabilities at any of their points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.model_outputs.models import Unavailable, named
from metaal.model_outputs.predicted import proba
from metaal.model_outputs.rows import count, is_frame, is_sparse, numbers, take
from metaal.model_outputs.source import Source

LIMIT = 1 << 31
"""Bytes above which sparse rows aren't made dense, and gradients aren't built: 2 GB."""


def embedding(source: Source) -> np.ndarray:
    """f4[U, D] of the pool: what was passed, else what the last step of the estimator gets."""
    if "embedding" not in source.shared:
        source.shared["embedding"] = _vectors(source, "embedding", source.embedding, source.X)
    out: np.ndarray = source.shared["embedding"]
    return out


def seen_embedding(source: Source) -> np.ndarray:
    """f4[L, D] of the labelled rows, in the same space."""
    given = source.seen_embedding
    if given is None and callable(source.embedding):
        given = source.embedding
    if given is None and source.embedding is not None:
        raise Unavailable("embedding= was passed, and the labelled rows must be in its space; pass seen_embedding= too")
    if source.X_seen is None:
        if given is None or callable(given):
            raise Unavailable("it is computed from the labelled rows; pass X_seen= and y_seen=")
        return _passed("seen_embedding", given)
    if not count(source.X_seen):
        return np.empty((0, embedding(source).shape[1]), np.float32)
    return _vectors(source, "seen_embedding", given, source.X_seen)


def _vectors(source: Source, name: str, given: Any, X: Any) -> np.ndarray:
    if given is not None and not callable(given):
        array = _passed(name, given)
        if len(array) != count(X):
            raise InputError(f"{name}: has {len(array)} rows, expected {count(X)}, one for each row of its X")
        return array
    transform: Callable[[Any], Any] = given if given is not None else to_points(source)
    out = None
    for part, rows in source.blocks(X):
        points = transform(rows)
        if is_sparse(points):
            _refuse_dense(count(X), points.shape[1])
        block = _passed(f"{name}()", points) if given is not None else _points(source, points)
        if len(block) != count(rows):
            raise InputError(f"{name}(): got {len(block)} vectors for {count(rows)} rows; return one for each")
        if part == slice(0, count(X)):
            return block
        if out is None:
            out = np.empty((count(X), block.shape[1]), np.float32)
        out[part] = block
    if out is None:
        raise InputError(f"{name}: there are no rows")
    return out


def _refuse_dense(rows: int, columns: int) -> None:
    size = 4 * rows * columns
    if size > LIMIT:
        raise Unavailable(
            f"the rows are sparse, and would take {size / 2**30:.1f} GB when dense ({columns} columns); pass "
            "embedding= and seen_embedding=, for example by sklearn.decomposition.TruncatedSVD"
        )


def _passed(name: str, values: Any) -> np.ndarray:
    try:
        return numbers(values, np.float32)
    except ValueError as error:
        raise InputError(f"{name}: got an embedding with {error}; pass finite numbers (n, D)") from None


def _points(source: Source, values: Any) -> np.ndarray:
    try:
        return numbers(values, np.float32)
    except ValueError as error:
        raise Unavailable(
            f"{points_name(source)} with {error}; pass embedding= and seen_embedding=, numbers that say how alike rows "
            "are"
        ) from None


def points_name(source: Source) -> str:
    """Where the points of the last step come from, for messages."""
    return "the steps before the last answered" if source.head is not None else "X came"


def to_points(source: Source) -> Callable[[Any], Any]:
    """What turns rows of X into what the last step gets."""
    transform: Callable[[Any], Any] = (lambda rows: rows) if source.head is None else source.head.transform
    return transform


def restored(source: Source) -> Callable[[np.ndarray], Any]:
    """What turns dense points into what the last step was fitted on: data frames keep their columns."""
    example = to_points(source)(take(source.X, slice(0, 1)))
    if not is_frame(example):
        return lambda points: points
    import pandas as pd

    columns = example.columns
    return lambda points: pd.DataFrame(points, columns=columns)


def gradient(source: Source) -> np.ndarray:
    """f4[U, C·D]: the predicted label's gradients in a linear last layer, (p − onehot(argmax p)) ⊗ embedding."""
    classes = source.proba_classes()
    if source.embedding is None and source.head is None:
        columns = source.X.shape[1] if len(getattr(source.X, "shape", ())) == 2 else 1
        _refuse_large(source.n, classes, columns)  # before anything is computed
    vectors = embedding(source)
    _refuse_large(source.n, classes, vectors.shape[1])
    residual = proba(source).copy()
    residual[np.arange(source.n), residual.argmax(axis=1)] -= 1
    out = np.empty((source.n, classes * vectors.shape[1]), np.float32)
    cube = out.reshape(source.n, classes, vectors.shape[1])
    for column in range(classes):
        np.multiply(residual[:, column, None], vectors, out=cube[:, column], casting="same_kind")
    return out


def _refuse_large(n: int, classes: int, columns: int) -> None:
    size = 4 * n * classes * columns
    if size > LIMIT:
        raise Unavailable(
            f"{n} rows × {classes} classes × {columns} columns are {size / 2**30:.1f} GB; badge needs no gradient (it "
            "works on proba and embedding); for others pass fewer rows, or an embedding= with fewer columns"
        )


def predict(source: Source) -> Callable[[Any], np.ndarray]:
    """Class probabilities at any points of the embedding, by the last step of the estimator."""
    source.proba_classes()
    if source.embedding is not None:
        raise Unavailable(
            f"embedding= was passed, and {named(source.estimator)} can't predict from its points; leave embedding= "
            "out, or write the function yourself"
        )
    embedding(source)  # refuses rows that aren't numbers
    frame, last = restored(source), source.last

    def at_points(points: Any) -> np.ndarray:
        return np.asarray(last.predict_proba(frame(np.asarray(points, dtype=np.float64))), dtype=np.float64)

    return at_points
