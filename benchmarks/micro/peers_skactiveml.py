"""Choices by scikit-activeml; an estimator that answers with given outputs stands where it wants a fitted one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.micro.inputs import Inputs

Call = Callable[[], Any]


def pool(inputs: Inputs, name: str, *estimators: Any, told: dict[str, Any] | None = None, **options: Any) -> Call:
    """``pool.<name>(**options).query(X, y, *estimators, batch_size=n, **told)`` on pool and labelled rows."""
    from skactiveml import pool as package

    X, y = _frame(inputs, "seen_y")
    return _query(getattr(package, name), options, X, y, estimators, {"batch_size": inputs.n, **(told or {})})


def regression(inputs: Inputs, name: str, *estimators: Any, told: dict[str, Any] | None = None, **options: Any) -> Call:
    """The same with values instead of classes."""
    from skactiveml import pool as package

    X, y = _frame(inputs, "seen_values")
    return _query(getattr(package, name), options, X, y, estimators, {"batch_size": inputs.n, **(told or {})})


def _query(
    cls: Any, options: dict[str, Any], X: np.ndarray, y: np.ndarray, estimators: Any, told: dict[str, Any]
) -> Call:
    return lambda: cls(random_state=0, **options).query(X, y, *estimators, **told)


def _frame(inputs: Inputs, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Pool rows first, so that they keep their numbers; what has no label is NaN."""
    X = np.concatenate([inputs["embedding"], inputs["seen_embedding"]])
    y = np.full(len(X), np.nan)
    y[inputs.U :] = inputs[labels]
    return X, y


def uncertainty(inputs: Inputs, method: str, **options: Any) -> Call:
    return pool(inputs, "UncertaintySampling", classifier(inputs), told={"fit_clf": False}, method=method, **options)


def expected_cost(inputs: Inputs) -> Call:
    cost = 1 - np.eye(inputs.C)
    return uncertainty(inputs, "least_confident", cost_matrix=cost)


def with_classifier(inputs: Inputs, name: str, flag: str = "fit_clf", **options: Any) -> Call:
    return pool(inputs, name, classifier(inputs), told={flag: False}, **options)


def with_committee(inputs: Inputs, name: str, field: str = "committee", **options: Any) -> Call:
    members = [classifier(inputs, member) for member in inputs[field]]
    return pool(inputs, name, members, told={"fit_ensemble": False}, **options)


def drop_query(inputs: Inputs) -> Call:
    """Its passes with dropped features answer with the given noisy ones; drawing the masks is part of the method."""
    passes = [proba.argmax(axis=1) for proba in inputs["stochastic"]]
    given = classifier(inputs)

    def call() -> Any:
        given.votes = [inputs["proba"].argmax(axis=1), *passes]
        return query()

    query = pool(inputs, "DropQuery", given, told={"fit_clf": False}, n_dropout_samples=len(passes))
    return call


def discriminative(inputs: Inputs, greedy: bool) -> Call:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    return pool(inputs, "DiscriminativeAL", SklearnClassifier(LogisticRegression()), greedy_selection=greedy)


def lookahead(inputs: Inputs, name: str, sample: bool = True) -> Call:
    """Naive Bayes is trained for each row and class, as on our side; where it can, on the same evaluation sample."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.naive_bayes import GaussianNB

    model = SklearnClassifier(GaussianNB(), classes=list(range(inputs.C)))
    told: dict[str, Any] = {"ignore_partial_fit": True}
    if sample:
        told["X_eval"] = inputs["embedding"][inputs.evaluation()]
    return pool(inputs, name, model, told=told)


def greedy_target(inputs: Inputs, method: str) -> Call:
    return regression(inputs, "GreedySamplingTarget", regressor(inputs), told={"fit_reg": False}, method=method)


def regression_committee(inputs: Inputs) -> Call:
    members = [regressor(inputs, values) for values in inputs["committee_prediction"]]
    return regression(inputs, "QueryByCommittee", members, told={"fit_ensemble": False})


def model_change(inputs: Inputs) -> Call:
    """It trains its own committee (of three by default), so that is part of the time."""
    from skactiveml.regressor import SklearnRegressor
    from sklearn.linear_model import LinearRegression

    told = {"fit_reg": True}
    return regression(
        inputs, "ExpectedModelChangeMaximization", SklearnRegressor(LinearRegression()), told=told, bootstrap_size=3
    )


def stream(inputs: Inputs, name: str, model: bool = True) -> Call:
    """All rows, one at a time: query, then update."""
    from skactiveml import stream as package

    X = inputs["embedding"]
    options = {"classes": list(range(inputs.C))} if name == "FixedUncertainty" else {}

    def call() -> int:
        strategy = getattr(package, name)(random_state=0, **options)
        given = classifier(inputs)
        asked = 0
        for row in range(inputs.U):
            candidate = X[row : row + 1]
            given.outputs[1] = inputs["proba"][row : row + 1]
            taken = strategy.query(candidate, clf=given) if model else strategy.query(candidate)
            strategy.update(candidate, taken)
            asked += len(taken)
        return asked

    return call


def classifier(inputs: Inputs, proba: np.ndarray | None = None) -> Any:
    """A fitted classifier whose outputs for the pool, and for the labelled rows, are given."""
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):
        def __init__(self, classes: Any = None, missing_label: Any = np.nan, cost_matrix: Any = None) -> None:
            super().__init__(classes=classes, missing_label=missing_label, cost_matrix=cost_matrix)

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> Any:
            return self.outputs[len(X)]

        def predict(self, X: Any) -> Any:
            return self.votes.pop(0) if self.votes else self.outputs[len(X)].argmax(axis=1)

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    given = Given(classes=list(range(inputs.C)))
    # Some strategies write to what a classifier returns, so they get arrays of their own.
    given.outputs = {
        inputs.L: inputs["seen_proba"].copy(),
        inputs.U: (inputs["proba"] if proba is None else proba).copy(),
    }
    given.votes = []
    given.classes_ = np.arange(inputs.C)
    return given


def regressor(inputs: Inputs, values: np.ndarray | None = None) -> Any:
    """A fitted regressor whose predictions for the pool are given."""
    from skactiveml.base import SkactivemlRegressor

    class Given(SkactivemlRegressor):
        def __init__(self, missing_label: Any = np.nan, random_state: Any = None) -> None:
            super().__init__(random_state=random_state, missing_label=missing_label)

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict(self, X: Any) -> Any:
            return self.values_[: len(X)]

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    given = Given()
    given.values_ = inputs["prediction"] if values is None else values
    return given
