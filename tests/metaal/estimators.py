"""Data, estimators and shorthands that the tests of `metaal.outputs` share."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metaal.model_outputs import outputs
from strategy_zoo import FIELDS

DIGITS = load_digits(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
WINE = load_wine(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


# Every field that a classifier can have; votes apart.
CLASSIFIED = [name for name in FIELDS if "predict" not in name and "label" not in name and name != "classes"]
CLASSIFIED = ["predict", *[name for name in CLASSIFIED if name not in ("quantiles", "votes")]]


def parted(data, labelled=60, seed=0):
    """Pool and labelled rows: (X, X_seen, y_seen)."""
    X, y = data
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[labelled:]], X[order[:labelled]], y[order[:labelled]]


def fields(given):
    """What was made, apart from the classes that always come along."""
    return [name for name in given if name != "classes"]


def one(name, *args, **kwargs):
    """A single field."""
    given = outputs(*args, want=name, **kwargs)
    assert fields(given) == [name]
    return given[name]


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))


def signs(y):
    """Three labels of a digit: even, small, prime."""
    return np.stack([y % 2 == 0, y < 5, np.isin(y, (2, 3, 5, 7))], axis=1).astype(int)
