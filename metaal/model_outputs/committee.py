"""Several models: the members that an ensemble has, or clones fitted on bootstrap samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.model_outputs.models import (
    Predictor,
    Unavailable,
    aligned,
    fit_classifier,
    fit_regressor,
    named,
    need_proba,
    one_value,
    seeded,
)
from metaal.model_outputs.rows import is_sparse, take
from metaal.model_outputs.source import Source
from metaal.randomness import generator

CLONES = 5
"""Members of a bag of clones, unless the caller says how many."""


def committee(source: Source) -> np.ndarray:
    """f8[M, U, C] by the members."""
    classes = len(source.classes)
    models = members(source)
    out = np.empty((len(models), source.n, classes))
    for part, rows in source.blocks(source.X):
        for number, table in enumerate(_answers(source, models, rows)):
            out[number, part] = table
    return out


def committee_prediction(source: Source) -> np.ndarray:
    """f8[M, U] by the members."""
    if "committee_prediction" not in source.shared:
        models = _regressors(source)
        out = np.empty((len(models), source.n))
        for part, rows in source.blocks(source.X):
            for number, values in enumerate(_answers(source, models, rows)):
                out[number, part] = values
        source.shared["committee_prediction"] = out
    kept: np.ndarray = source.shared["committee_prediction"]
    return kept


def quantiles(source: Source) -> np.ndarray:
    """f8[U, Q] of the members' predictions: how far the models differ, not how far the target scatters."""
    models = _regressors(source)
    ready = source.shared.get("committee_prediction")
    out = np.empty((source.n, len(source.levels)))
    for part, rows in source.blocks(source.X):
        table = np.stack(list(_answers(source, models, rows))) if ready is None else ready[:, part]
        out[part] = np.quantile(table, source.levels, axis=0).T
    # Rounding may put a quantile below the one before.
    return np.maximum.accumulate(out, axis=1, out=out)


def _regressors(source: Source) -> list[Predictor]:
    if source.task != "regression":
        raise Unavailable(f"{source.kind}, or for committee" if source.task == "classification" else source.kind)
    return members(source)


def members(source: Source) -> list[Predictor]:
    """The predictors of the committee, made once."""
    if "members" not in source.shared:
        own = _own(source)
        if own is not None and source.members is not None and source.members > len(own):
            raise InputError(
                f"members: got {source.members}, but {named(source.estimator)} has {len(own)}; ask for at most these"
            )
        source.shared["members"] = own[: source.members] if own is not None else _bag(source)
    made: list[Predictor] = source.shared["members"]
    return made


def _ensemble(last: Any) -> str | None:
    """``"forest"``, ``"bag"`` or ``"vote"``, the ensembles whose members answer for themselves; None for the others."""
    from sklearn import ensemble as e

    if isinstance(last, e.RandomForestClassifier | e.ExtraTreesClassifier | e.RandomForestRegressor):
        return "forest"
    if isinstance(last, e.ExtraTreesRegressor):
        return "forest"
    if isinstance(last, e.BaggingClassifier | e.BaggingRegressor):
        return "bag"
    return "vote" if isinstance(last, e.VotingClassifier | e.VotingRegressor) else None


def _own(source: Source) -> list[Predictor] | None:
    if _ensemble(source.last) is None:
        return None
    models = list(source.last.estimators_)
    features = getattr(source.last, "estimators_features_", [None] * len(models))
    return [_member(source, model, columns) for model, columns in zip(models, features, strict=True)]


def _member(source: Source, model: Any, features: Any) -> Predictor:
    def chosen(rows: Any) -> Any:
        return rows if features is None else rows[:, features]

    if source.task == "regression":
        return lambda rows: one_value(model.predict(chosen(rows)), source.estimator)
    total = len(source.classes)
    if not hasattr(model, "predict_proba"):
        if not hasattr(source.last, "predict_proba"):
            need_proba(model)
        # As the ensemble itself does: a member without probabilities votes.
        return lambda rows: np.eye(total)[np.asarray(model.predict(chosen(rows))).astype(np.int64)]
    # Ensembles fit their members on the numbers of the classes, of which a bootstrap sample may lack some.
    columns = None if len(model.classes_) == total else np.asarray(model.classes_).astype(np.int64)
    return lambda rows: aligned(model.predict_proba(chosen(rows)), columns, total)


def _answers(source: Source, models: list[Predictor], rows: Any) -> Iterator[np.ndarray]:
    """What each member says of a block; the work that all have in common is done once."""
    kind = _ensemble(source.last)
    if kind is not None and source.head is not None:
        rows = source.head.transform(rows)
    if kind in ("forest", "bag"):
        # These took the names of columns off, and trees read float32.
        dtype = np.float32 if kind == "forest" else None
        rows = rows.astype(dtype or rows.dtype) if is_sparse(rows) else np.asarray(rows, dtype=dtype)
    for model in models:
        yield model(rows)


def _bag(source: Source) -> list[Predictor]:
    labels = source.codes if source.task == "classification" else source.values
    if source.task == "classification":
        source.proba_classes()
    if not len(labels):
        raise Unavailable("X_seen has no row to fit the members on; label some first")
    made = []
    for number in range(source.members or CLONES):
        rows = bootstrap(labels, number, source.seed, stratify=source.task == "classification")
        model = seeded(source.estimator, source.seed, "member", number)
        X = take(source.X_seen, rows)
        if source.task == "classification":
            made.append(fit_classifier(model, X, labels[rows], source.classes))
        else:
            made.append(fit_regressor(model, X, labels[rows]))
    return made


def bootstrap(labels: np.ndarray, number: int, seed: int, *, stratify: bool) -> np.ndarray:
    """Rows i8[L] drawn with replacement, sorted; stratified: as many of each class as there are."""
    rng = generator(seed, "outputs", number, "bootstrap")
    if not stratify:
        return np.sort(rng.integers(len(labels), size=len(labels)))
    rows = [np.flatnonzero(labels == code) for code in np.unique(labels)]
    return np.sort(np.concatenate([rng.choice(own, size=len(own)) for own in rows]))
