"""`metaal.outputs`: several labels, LightGBM, frames, texts and sparse rows; what is passed stays as it is."""

from __future__ import annotations

import copy
import tracemalloc

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from metaal import InputError
from metaal.model_outputs import outputs
from metaal.model_outputs.committee import bootstrap
from metaal.model_outputs.models import seeded
from strategy_zoo import View
from tests.metaal.estimators import CLASSIFIED, DIABETES, DIGITS, WINE, logistic, one, parted, signs

# ------------------------------------------------------------------------------- several labels


@pytest.mark.parametrize(
    "model",
    [
        OneVsRestClassifier(GaussianNB()),
        MultiOutputClassifier(GaussianNB()),
        ClassifierChain(GaussianNB()),
        KNeighborsClassifier(),
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)),
        MLPClassifier((8,), solver="lbfgs", max_iter=15, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_probabilities_of_several_labels(model):
    pool, X, y = parted(DIGITS, labelled=200)
    model = clone(model).fit(X, signs(y))
    given = outputs(model, pool, X_seen=X, y_seen=signs(y), want=["label_proba", "seen_labels"], block=300)
    table = model.predict_proba(pool)
    expected = np.stack([p[:, 1] for p in table], axis=1) if isinstance(table, list) else table
    np.testing.assert_allclose(given["label_proba"], expected, atol=1e-12)
    assert given["seen_labels"].tolist() == signs(y).tolist()
    for name in ("proba", "prediction", "committee", "seen_y", "stochastic", "lookahead"):
        with pytest.raises(InputError, match="label"):
            outputs(model, pool, X_seen=X, y_seen=signs(y), want=name)


def test_a_label_that_never_varied_and_labels_of_many_classes():
    pool, X, y = parted(DIGITS)
    constant = signs(y)
    constant[:, 1], constant[:, 2] = 1, 0
    model = RandomForestClassifier(3, random_state=0).fit(X, constant)
    assert (one("label_proba", model, pool)[:, 1:] == [1, 0]).all()
    many = RandomForestClassifier(3, random_state=0).fit(X, np.stack([y, y], 1))
    with pytest.raises(InputError, match="expected 0 and 1"):
        outputs(many, pool, want="label_proba")


# -------------------------------------------------------------------------------------- LightGBM


def test_lightgbm_classifier():
    pool, X, y = parted(WINE, labelled=90)
    model = lgb.LGBMClassifier(n_estimators=8, min_child_samples=3, verbose=-1, n_jobs=1, random_state=0).fit(X, y)
    want = ["proba", "committee", "seen_proba", "lookahead", "stochastic", "gradient", "predict"]
    given = outputs(model, pool, X_seen=X, y_seen=y, want=want, members=2, passes=2, evaluation=6)
    assert np.array_equal(given["proba"], model.predict_proba(pool))
    rows = bootstrap(y, 1, 0, stratify=True)
    twin = seeded(model, 0, "member", 1).fit(X[rows], y[rows])
    assert np.array_equal(given["committee"][1], twin.predict_proba(pool))
    assert given["lookahead"]([0]).shape == (1, 3, 6, 3)
    with pytest.raises(InputError, match="pass X_seen="):
        outputs(model, pool, want="committee")


def test_lightgbm_with_frames_keeps_categories_and_column_names():
    pool, X, y = parted(WINE, labelled=90)
    names = [f"c{i}" for i in range(13)]
    pool, X = pd.DataFrame(pool, columns=names), pd.DataFrame(X, columns=names)
    model = lgb.LGBMClassifier(n_estimators=4, min_child_samples=3, verbose=-1, n_jobs=1).fit(X, y)
    want = ["proba", "committee", "seen_proba", "lookahead", "stochastic", "predict"]
    given = outputs(model, pool, X_seen=X, y_seen=y, want=want, members=2, passes=2, evaluation=6, block=20)
    assert np.array_equal(given["proba"], model.predict_proba(pool))
    assert np.array_equal(given["predict"](pool.to_numpy()), given["proba"])
    assert given["lookahead"]([1]).shape == (1, 3, 6, 3)
    for frame in (pool, X):
        frame["kind"] = pd.Categorical(np.where(frame["c0"] > 13, "strong", "light"), categories=["light", "strong"])
    model = lgb.LGBMClassifier(n_estimators=4, min_child_samples=3, verbose=-1, n_jobs=1).fit(X, y)
    given = outputs(model, pool, X_seen=X, y_seen=y, want=["proba", "committee", "lookahead"], evaluation=6)
    assert np.array_equal(given["proba"], model.predict_proba(pool))
    again = seeded(model, 0, "lookahead").fit(pd.concat([X, pool.iloc[[2]]]), np.append(y, 1))
    sample = pool.iloc[given["lookahead"].evaluation]
    assert np.array_equal(given["lookahead"]([2])[0, 1], again.predict_proba(sample))
    with pytest.raises(InputError, match="texts"):
        outputs(model, pool, want="embedding")


def test_lightgbm_regressor():
    pool, X, y = parted(DIABETES, labelled=150)
    model = lgb.LGBMRegressor(n_estimators=8, verbose=-1, n_jobs=1, objective="quantile", alpha=0.5).fit(X, y)
    want = ["prediction", "committee_prediction", "quantiles"]
    given = outputs(model, pool, X_seen=X, y_seen=y, want=want)
    assert np.array_equal(given["prediction"], model.predict(pool))
    assert given["committee_prediction"].shape == (5, len(pool))
    assert given["committee_prediction"].std(0).max() > 0
    assert (np.diff(given["quantiles"], axis=1) >= 0).all()


# --------------------------------------------------------------------------------- kinds of rows


def test_frames_texts_and_searches():
    pool, X, y = parted(WINE)
    names = [f"c{i}" for i in range(13)]
    frame, seen = pd.DataFrame(pool, columns=names, index=np.arange(len(pool)) * 7), pd.DataFrame(X, columns=names)
    for table in (frame, seen):
        table["kind"] = np.where(table["c0"] > 13, "strong", "light")
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), names))
    model = make_pipeline(encode, LogisticRegression(max_iter=300)).fit(seen, y)
    want = ["proba", "embedding", "committee", "stochastic", "seen_proba", "seen_embedding", "lookahead"]
    given = outputs(model, frame, X_seen=seen, y_seen=y, want=want, block=25, evaluation=5)
    np.testing.assert_allclose(given["proba"], model.predict_proba(frame), atol=1e-12)
    assert given["embedding"].shape == (len(pool), 15)
    again = clone(model).fit(pd.concat([seen, frame.iloc[[8]]]), np.append(y, 2))
    expected = again.predict_proba(frame.iloc[given["lookahead"].evaluation])
    np.testing.assert_allclose(given["lookahead"]([8])[0, 2], expected, atol=1e-9)

    texts = [f"{'good fine' if k % 2 else 'bad poor'} word{k % 7} word{k % 11}" for k in range(60)]
    labels = ["yes" if k % 2 else "no" for k in range(20)]
    piped = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts[:20], labels)
    for rows, few in ((texts[20:], texts[:20]), (np.array(texts[20:]), pd.Series(texts[:20]))):
        given = outputs(piped, rows, X_seen=few, y_seen=labels, want=want, block=9, evaluation=5)
        np.testing.assert_allclose(given["proba"], piped.predict_proba(rows), atol=1e-12)
        assert given["embedding"].shape == (40, len(piped[0].vocabulary_))
        assert given["lookahead"]([0]).shape == (1, 2, 5, 2)

    search = GridSearchCV(make_pipeline(StandardScaler(), GaussianNB()), {"gaussiannb__var_smoothing": [1e-9, 1e-3]})
    search.fit(X, y)
    given = outputs(search, pool, X_seen=X, y_seen=y, want=["proba", "embedding", "committee"])
    np.testing.assert_allclose(given["proba"], search.predict_proba(pool))
    np.testing.assert_allclose(given["embedding"], search.best_estimator_[:-1].transform(pool), rtol=1e-4, atol=1e-4)


def global_numbers():
    """The state of numpy's global generator."""
    return np.random.get_state()[1].copy()  # noqa: NPY002


def test_nothing_that_was_passed_is_changed():
    pool, X, y = parted(WINE)
    model = make_pipeline(StandardScaler(), MLPClassifier((4,), solver="lbfgs", max_iter=30, random_state=3)).fit(X, y)
    before, state = copy.deepcopy(model), [array.copy() for array in (pool, X, y)]
    for array in (pool, X, y):
        array.flags.writeable = False
    numbers = global_numbers()
    given = outputs(model, pool, X_seen=X, y_seen=y, want=CLASSIFIED, evaluation=5, previous=model.predict_proba(pool))
    given["lookahead"]([0, 1])
    assert np.array_equal(global_numbers(), numbers)
    assert all(np.array_equal(a, b) for a, b in zip(state, (pool, X, y), strict=True))
    assert model.get_params()["mlpclassifier"].get_params() == before[-1].get_params()
    for one_, two in zip(model[-1].coefs_, before[-1].coefs_, strict=True):
        assert np.array_equal(one_, two)
    assert all(not value.flags.writeable for value in given.values() if isinstance(value, np.ndarray))
    View(**given)


def test_the_same_seed_gives_the_same_arrays_and_another_one_others():
    pool, X, y = parted(WINE)
    model = DecisionTreeClassifier(max_features=2).fit(X, y)  # no random state of its own
    want = ["committee", "stochastic", "seen_proba", "lookahead"]

    def made(seed):
        given = outputs(model, pool, X_seen=X, y_seen=y, want=want, seed=seed, evaluation=9, passes=2)
        return {**given, "lookahead": given["lookahead"]([3, 4])}

    first, again, other = made(1), made(1), made(2)
    for name in want:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_clones_get_random_states_in_every_part():
    model = make_pipeline(PCA(2, random_state=1), BaggingClassifier(DecisionTreeClassifier(), random_state=1))
    one_, two = seeded(model, 0, "member", 0).get_params(), seeded(model, 0, "member", 1).get_params()
    keys = [key for key in one_ if key.endswith("random_state")]
    assert len(keys) == 3
    assert all(isinstance(one_[key], int) and one_[key] != two[key] for key in keys)
    assert len({one_[key] for key in keys}) == 3
    assert model[0].random_state == 1


def test_memory_of_proba_stays_near_its_own_size():
    """All at once, the intermediate results of the pipeline would take several times the pool."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400_000, 20)), np.arange(100) % 3
    model = logistic().fit(X[:100], y)
    one("proba", model, X[:1000])
    tracemalloc.start()
    try:
        proba = one("proba", model, X, block=10_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < proba.nbytes + 16 * 2**20 < X.nbytes
