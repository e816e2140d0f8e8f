"""Fitted estimators: what they predict, which classes their columns are, and clones fitted on other rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.model_outputs.rows import count
from metaal.randomness import generator

Predictor = Callable[[Any], np.ndarray]
"""Rows in; f8[n, C] probabilities in the order of the classes, or f8[n] predicted values, out."""


class Unavailable(InputError):
    """A field that cannot be had from what was passed; only skipped where the field was optional."""


def unwrapped(estimator: Any) -> Any:
    """The model itself: of a fitted search the best estimator, so that clones need not search again."""
    return getattr(estimator, "best_estimator_", estimator)


def named(estimator: Any) -> str:
    """How the estimator is called in messages."""
    steps = getattr(estimator, "steps", None)
    return f"{type(estimator).__name__} of {type(steps[-1][1]).__name__}" if steps else type(estimator).__name__


def split(estimator: Any) -> tuple[Any, Any]:
    """The steps before the last (None if there are none) and the last one."""
    if not hasattr(estimator, "steps"):
        return None, estimator
    return (estimator[:-1] if len(estimator.steps) > 1 else None), estimator.steps[-1][1]


def task_of(estimator: Any, last: Any) -> str:
    """``"classification"``, ``"multilabel"`` or ``"regression"``.

    Raises
    ------
    InputError
        The estimator isn't fitted, or is of another kind.
    """
    from sklearn.base import is_regressor
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(last)
    except NotFittedError:
        raise InputError(
            f"estimator: this {named(estimator)} isn't fitted; fit it on the labelled rows first"
        ) from None
    except TypeError:
        pass  # not scikit-learn's; whether it has classes decides
    classes = getattr(last, "classes_", None)
    if classes is not None:
        # Networks show several labels only by their output units.
        sigmoid = getattr(last, "out_activation_", "") == "logistic" and getattr(last, "n_outputs_", 1) > 1
        several = isinstance(classes, list) or getattr(last, "multilabel_", False) or sigmoid
        return "multilabel" if several else "classification"
    try:
        if is_regressor(last):
            return "regression"
    except (AttributeError, TypeError):
        pass  # no tags: not scikit-learn's
    raise InputError(
        f"estimator: got a {named(estimator)}, expected a fitted classifier (with classes_) or regressor of "
        "scikit-learn, LightGBM or the like; for other models pass the arrays themselves to ask() or View"
    )


def need_proba(estimator: Any) -> None:
    """Refuse estimators without probabilities, instead of guessing them from scores."""
    if not hasattr(estimator, "predict_proba"):
        raise Unavailable(
            f"{named(estimator)} has no predict_proba, and its scores aren't turned into probabilities by a guess; "
            "wrap the estimator in sklearn.calibration.CalibratedClassifierCV and fit that"
        )


def aligned(proba: Any, columns: np.ndarray | None, classes: int) -> np.ndarray:
    """Probabilities f8[n, C] with column j of `proba` moved to `columns`[j]; absent classes get 0, rows sum to 1."""
    proba = np.asarray(proba, dtype=np.float64)
    if columns is None or (len(columns) == classes and np.array_equal(columns, np.arange(classes))):
        return proba
    out = np.zeros((len(proba), classes))
    out[:, columns] = proba
    total = out.sum(axis=1, keepdims=True)
    return np.divide(out, total, out=np.full_like(out, 1 / classes), where=total > 0)


def one_value(values: Any, estimator: Any) -> np.ndarray:
    """Predicted values f8[n]; models of several targets are refused."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise Unavailable(
            f"{named(estimator)} predicts {values.shape[1]} values a row, and a view holds one; use an estimator for "
            "each target"
        )
    return values


def seeded(estimator: Any, seed: int, role: str, number: int = 0) -> Any:
    """An unfitted clone; every random_state in it, also of its parts, derives from (seed, role, number)."""
    from sklearn.base import clone

    try:
        twin = clone(estimator)
    except TypeError as error:
        raise Unavailable(f"{named(estimator)} can't be cloned ({error}); pass the array itself") from error
    rng = generator(seed, "outputs", number, role)
    keys = [k for k in sorted(twin.get_params(deep=True)) if k.split("__")[-1] == "random_state"]
    return twin.set_params(**{key: int(rng.integers(2**31 - 1)) for key in keys})


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of convergence: the user's own fit has given them, thousands of refits would repeat them."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit_classifier(model: Any, X: Any, codes: np.ndarray, classes: np.ndarray) -> Predictor:
    """Fit on the classes with these codes; the predictor's columns are all `classes`.

    With one class there is nothing to learn, and many estimators refuse: the predictor is sure of it.
    """
    if (codes == codes[0]).all():
        certain = np.eye(len(classes))[[codes[0]]]
        return lambda rows: np.repeat(certain, count(rows), axis=0)
    _fit(model, X, classes[codes])
    need_proba(model)
    place = {key: column for column, key in enumerate(classes.tolist())}
    columns = np.array([place[key] for key in np.asarray(model.classes_).tolist()], dtype=np.int64)
    return lambda rows: aligned(model.predict_proba(rows), columns, len(classes))


def fit_regressor(model: Any, X: Any, y: np.ndarray) -> Predictor:
    """Fit on the values y."""
    _fit(model, X, y)
    return lambda rows: one_value(model.predict(rows), model)


def _fit(model: Any, X: Any, y: np.ndarray) -> None:
    try:
        with quiet():
            model.fit(X, y)
    except ValueError as error:
        raise Unavailable(f"a clone of {named(model)} can't be fitted on {len(y)} labelled rows: {error}") from error
