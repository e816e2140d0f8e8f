"""A fitted learner that answers for every class of the task, whatever few rows it was fitted on."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.rehearsal.layout import Kind
from metaal.rehearsal.learners.registry import Learner


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit has made.

    Parameters
    ----------
    kind : str
    classes : int
        Of the task; 0 in a regression.
    model : estimator or None
        None where nothing could be learnt from the rows, and ``constant`` answers.
    constant : float
        The only class, or the only value.
    trusted : bool
        The model is the registry's own, and the rows that it is shown are finite: scikit-learn need not check them.
    """

    kind: Kind
    classes: int
    model: Any
    constant: float = 0.0
    trusted: bool = False

    def output(self, x: np.ndarray) -> np.ndarray:
        """Probabilities f8[n,C] of all classes of the task, or predictions f8[n]."""
        return self.proba(x) if self.kind == "classification" else self.prediction(x)

    def proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities f8[n,C] with one column for every class of the task, also for those not seen so far."""
        out = np.zeros((len(x), self.classes))
        if not len(x):
            return out
        if self.model is None:
            out[:, int(self.constant)] = 1.0
            return out
        # Naive Bayes on a single row a class can underflow to NaN, and divide by 0: it then knows nothing.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"), _checks(self.trusted):
            out[:, self.model.classes_] = self.model.predict_proba(x)
        if not np.isfinite(out).all():
            out[~np.isfinite(out).all(1)] = 1 / self.classes
        return out / out.sum(1, keepdims=True)

    def prediction(self, x: np.ndarray) -> np.ndarray:
        """Predictions f8[n]."""
        if self.model is None or not len(x):
            return np.full(len(x), self.constant)
        with _checks(self.trusted):
            return np.asarray(self.model.predict(x), dtype=np.float64).reshape(len(x))


def fit_learner(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    kind: Kind,
    classes: int = 0,
    entry: Learner | None = None,
    last: Fitted | None = None,
) -> Fitted:
    """Fit an estimator to the labelled rows; where they teach nothing, no estimator is asked.

    With one class only the answer is that class, with certainty; with one row or one value only of a regression it is
    that value. Everything else goes to the estimator, and its errors to the caller.

    Parameters
    ----------
    model : estimator
        Unfitted.
    x : f8[L,D]
    y : i8[L] codes, or f8[L]
    kind : str
    classes : int
        Of the task.
    entry : Learner, optional
        The registry's entry, which knows what must be adapted to few rows.
    last : Fitted, optional
        The model to go on from, where the learner can and the classes are still the same; else it starts from scratch.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> alone = fit_learner(LogisticRegression(), np.zeros((1, 2)), np.array([1]), kind="classification", classes=3)
    >>> alone.output(np.zeros((2, 2))).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if (y == y[0]).all():
        return Fitted(kind, classes, None, float(y[0]))
    if entry is not None and entry.adapt is not None:
        model = entry.adapt(model, x, y)
    with warnings.catch_warnings(), _checks(entry is not None):
        from sklearn.exceptions import ConvergenceWarning

        # Thousands of small fits: that one of them stopped at its limit of steps is no news.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if entry is not None and entry.warm is not None and _continues(last, y, kind):
            model = entry.warm(last.model, model, x, y)  # type: ignore[union-attr]
        else:
            model.fit(x, y)
    return Fitted(kind, classes, model, trusted=entry is not None)


def _checks(trusted: bool) -> AbstractContextManager[None]:
    """With or without scikit-learn's checks of parameters and rows, which take up to a tenth of a small fit.

    Rows were checked when their data set was read and encoded, and the registry's learners have their parameters from
    us; somebody's own estimator is checked as ever.
    """
    from sklearn import config_context

    return config_context(assume_finite=True, skip_parameter_validation=True) if trusted else nullcontext()


def _continues(last: Fitted | None, y: np.ndarray, kind: Kind) -> bool:
    """Whether there is a model to go on from, for the very classes that are labelled now."""
    if last is None or last.model is None:
        return False
    return kind == "regression" or np.array_equal(last.model.classes_, np.unique(y))
