"""`metaal.outputs`: what cannot be is refused with words."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from metaal import EmptyPoolError, InputError
from metaal.model_outputs import outputs
from tests.metaal.estimators import DIABETES, WINE, one, parted


def test_scores_without_probabilities_are_refused_with_words():
    pool, X, y = parted(WINE)
    model = SVC().fit(X, y)
    for name in ("proba", "margin", "committee", "stochastic", "seen_proba", "lookahead", "gradient", "predict"):
        with pytest.raises(InputError, match=r"SVC has no predict_proba.*CalibratedClassifierCV"):
            outputs(model, pool, X_seen=X, y_seen=y, want=name)
    with pytest.raises(InputError, match="Pipeline of RidgeClassifier"):
        outputs(make_pipeline(StandardScaler(), RidgeClassifier()).fit(X, y), pool)
    calibrated = CalibratedClassifierCV(SVC(), ensemble=False).fit(X, y)
    assert one("proba", calibrated, pool).shape == (len(pool), 3)
    assert one("embedding", model, pool).shape == pool.shape  # what doesn't need probabilities can be had


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"want": "probba"}, "neither a field.*nor a strategy"),
        ({"want": []}, "nothing is wanted"),
        ({"want": None}, "neither a field"),
        ({"want": "margn"}, "did you mean"),
        ({"want": "prediction"}, "GaussianNB is a classifier; ask for proba"),
        ({"want": "quantiles"}, "is a classifier"),
        ({"want": "label_proba"}, "ask for proba"),
        ({"want": "seen_labels"}, "for seen_y"),
        ({"want": "previous"}, "pass previous="),
        ({"want": "votes"}, "pass votes="),
        ({"want": "previous", "previous": np.ones((3, 3)) / 3}, r"previous: got shape \(3, 3\)"),
        ({"want": "seen_y", "X_seen": None}, "X_seen: missing"),
        ({"want": "seen_y", "X_seen": None, "y_seen": None}, "pass X_seen= and y_seen="),
        ({"want": "committee", "X_seen": None, "y_seen": None}, "pass X_seen= and y_seen="),
        ({"want": "seen_proba", "X_seen": None, "y_seen": None}, "pass X_seen= and y_seen="),
        ({"want": "lookahead", "X_seen": None, "y_seen": None}, "pass X_seen= and y_seen="),
        ({"want": "seen_embedding", "X_seen": None, "y_seen": None}, "pass X_seen= and y_seen="),
        ({"want": "seen_y", "y_seen": [0, 1]}, r"y_seen: got shape \(2,\)"),
        ({"want": "seen_y", "y_seen": 3}, r"y_seen: got shape \(\)"),
        ({"want": "seen_y", "y_seen": ["a"] * 60}, "none of the estimator's classes"),
        ({"want": "k_center", "X": [["a"], ["b"]], "estimator": "texts"}, "texts"),
        ({"X": np.empty((0, 13))}, "pool is empty"),
        ({"X": 3}, "X: got a int"),
        ({"members": 0}, "members"),
        ({"passes": 1.5}, "passes"),
        ({"folds": 1}, "folds"),
        ({"evaluation": 0}, "evaluation"),
        ({"block": -1}, "block"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"noise": 0.5}, "noise"),
        ({"noise": ("dropout", 1.5)}, "noise"),
        ({"noise": ("salt", 0.5)}, "noise"),
        ({"levels": (0.9, 0.1)}, "levels"),
        ({"levels": ()}, "levels"),
        ({"estimator": GaussianNB()}, "isn't fitted"),
        ({"estimator": make_pipeline(StandardScaler(), GaussianNB())}, "isn't fitted"),
        ({"estimator": PCA().fit(WINE[0])}, "expected a fitted classifier"),
        ({"estimator": object()}, "expected a fitted classifier"),
    ],
)
def test_what_cannot_be_is_refused_with_words(change, words):
    pool, X, y = parted(WINE)
    if change.get("estimator") == "texts":
        change = change | {"estimator": TakesTexts().fit(None, y)}
    given: dict[str, Any] = {"estimator": GaussianNB().fit(X, y), "X": pool, "X_seen": X, "y_seen": y} | change
    with pytest.raises(InputError, match=words):
        outputs(given.pop("estimator"), given.pop("X"), **given)


class TakesTexts(DecisionTreeClassifier):
    """Takes texts as they come."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_other_refusals():
    pool, X, y = parted(DIABETES)
    with pytest.raises(EmptyPoolError):
        outputs(Ridge().fit(X, y), pool[:0])
    with pytest.raises(InputError, match="Ridge is a regressor; ask for prediction"):
        outputs(Ridge().fit(X, y), pool)
    with pytest.raises(InputError, match="proba, which margin needs, cannot be had"):
        outputs(Ridge().fit(X, y), pool, want="margin")
    both = np.stack([y, y], 1)
    with pytest.raises(InputError, match="an estimator for each target"):
        outputs(Ridge().fit(X, both), pool, want="prediction")
    with pytest.raises(InputError, match="an estimator for each target"):
        outputs(RandomForestRegressor(2).fit(X, both), pool, want="committee_prediction")
    with pytest.raises(InputError, match="expected numbers"):
        outputs(Ridge().fit(X, y), pool, want="seen_y", X_seen=X, y_seen=["a"] * 60)
    holes = pool.copy()
    holes[3, 2] = np.nan
    model = lgb.LGBMRegressor(n_estimators=2, verbose=-1, n_jobs=1).fit(X, y)
    assert one("prediction", model, holes).shape == (len(pool),)
    with pytest.raises(InputError, match="NaN"):
        outputs(model, holes, want="embedding")
    wine, seen, labels = parted(WINE)
    near, broken = KNeighborsClassifier().fit(seen, labels), np.where(seen > 5, np.nan, seen)
    with pytest.raises(InputError, match=r"a clone of KNeighborsClassifier can't be fitted on 60 labelled rows"):
        outputs(near, wine, X_seen=broken, y_seen=labels, want="committee")
