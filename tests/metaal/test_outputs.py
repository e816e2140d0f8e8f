"""`metaal.outputs`: what the model itself says, out of fold, under noise, and embedded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metaal import InputError
from metaal.model_outputs import embedded, outputs
from metaal.model_outputs.predicted import dealt
from metaal.randomness import generator
from strategy_zoo import FIELDS, View
from tests.metaal.estimators import CANCER, DIABETES, DIGITS, WINE, fields, logistic, one, parted

# ---------------------------------------------------------------- what the model itself says


@pytest.mark.parametrize("data", [DIGITS, CANCER, WINE], ids=["digits", "cancer", "wine"])
def test_proba_is_that_of_the_estimator(data):
    pool, X, y = parted(data)
    model = logistic().fit(X, y)
    np.testing.assert_allclose(one("proba", model, pool), model.predict_proba(pool), rtol=0, atol=1e-15)


def test_prediction_is_that_of_the_estimator():
    pool, X, y = parted(DIABETES)
    model = Ridge().fit(X, y)
    np.testing.assert_allclose(one("prediction", model, pool), model.predict(pool))


@pytest.mark.parametrize("block", [1, 7, 100, 10_000])
def test_blocks_of_any_size_give_the_same_arrays(block):
    pool, X, y = parted(WINE)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(7, random_state=0)).fit(X, y)
    want = ["proba", "embedding", "committee", "stochastic", "gradient", "seen_proba", "seen_embedding"]
    whole = outputs(model, pool, X_seen=X, y_seen=y, want=want)
    parts = outputs(model, pool, X_seen=X, y_seen=y, want=want, block=block)
    assert fields(whole) == [name for name in FIELDS if name in want]
    for name in want:
        np.testing.assert_allclose(parts[name], whole[name], rtol=0, atol=1e-6, err_msg=name)


def test_blocks_of_a_linear_model_and_of_a_regressor_give_the_same_arrays():
    pool, X, y = parted(WINE)
    model = logistic().fit(X, y)
    given = {"X_seen": X, "y_seen": y, "want": ["proba", "committee"]}
    whole, parts = outputs(model, pool, **given), outputs(model, pool, block=10, **given)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=0, atol=1e-12)
    pool, X, y = parted(DIABETES)
    given = {"X_seen": X, "y_seen": y, "want": ["prediction", "committee_prediction", "quantiles"]}
    model = Ridge().fit(X, y)
    whole, parts = outputs(model, pool, **given), outputs(model, pool, block=10, **given)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-12)


def test_labels_become_columns_in_the_order_of_the_classes():
    pool, X, y = parted(WINE)
    words = np.array(["red", "amber", "white"])[y]
    model = GaussianNB().fit(X, words)
    given = outputs(model, pool, X_seen=X, y_seen=pd.Series(words), want=["proba", "seen_y"])
    assert given["classes"].tolist() == ["amber", "red", "white"]
    assert given["seen_y"].tolist() == words.tolist()
    assert View(**given).seen_y.tolist() == [["amber", "red", "white"].index(word) for word in words]
    shifted = outputs(GaussianNB().fit(X, y + 1), pool, X_seen=X, y_seen=y + 1, want=["proba", "seen_y"])
    assert View(**shifted).seen_y.tolist() == y.tolist()
    values = one("seen_y", Ridge().fit(X, y), pool, X_seen=X, y_seen=y.tolist())
    assert values.dtype == np.float64
    assert values.tolist() == y.tolist()


# ----------------------------------------------------------------------------- out of fold


def test_out_of_fold_probabilities_are_out_of_fold():
    """One nearest neighbour knows every row by heart, but not those that it wasn't fitted on."""
    pool, X, y = parted(DIGITS, labelled=100)
    model = KNeighborsClassifier(1).fit(X, y)
    assert (model.predict(X) == y).all()
    table = one("seen_proba", model, pool, X_seen=X, y_seen=y)
    right = (table.argmax(1) == y).mean()
    assert 0.3 < right < 1
    # Neighbours among all other rows, by hand: no row can do better than it does there.
    distance = ((X[:, None] - X[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    assert right <= (y[distance.argmin(1)] == y).mean() + 0.05


def test_out_of_fold_probabilities_equal_a_fit_on_the_other_folds():
    pool, X, y = parted(WINE, labelled=31)
    model = GaussianNB().fit(X, y)
    table = one("seen_proba", model, pool, X_seen=X, y_seen=y, folds=3, seed=4)
    fold = dealt(y, 3, 4)
    for row in range(len(y)):
        other = fold != fold[row]
        expected = GaussianNB().fit(X[other], y[other]).predict_proba(X[[row]])[0]
        np.testing.assert_allclose(table[row], expected, atol=1e-12)


def test_folds_keep_every_class_in_every_training_set():
    codes = np.repeat([0, 1, 2, 3], [40, 2, 1, 7])
    fold = dealt(codes, 5, 0)
    assert (fold[codes == 2] == -1).all()
    assert (fold[codes != 2] >= 0).all()
    for number in range(5):
        assert set(codes[fold != number]) == {0, 1, 2, 3}
    assert np.ptp(np.bincount(fold[fold >= 0])) <= 1


def test_a_row_alone_in_its_class_is_not_left_out():
    pool, X, y = parted(WINE, labelled=30)
    keep = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1), np.flatnonzero(y == 2)[:1]]
    X, y = X[keep], y[keep]
    table = one("seen_proba", KNeighborsClassifier(1).fit(X, y), pool, X_seen=X, y_seen=y)
    assert table[-1].tolist() == [0, 0, 1]
    np.testing.assert_allclose(table.sum(1), 1)
    # All classes have one row: nothing can be left out.
    first = [int(np.flatnonzero(y == code)[0]) for code in range(3)]
    table = one("seen_proba", KNeighborsClassifier(1).fit(X[first], y[first]), pool, X_seen=X[first], y_seen=y[first])
    assert table.tolist() == np.eye(3).tolist()


# ------------------------------------------------------------------------------------- noise


def test_dropout_replaces_numbers_by_column_means():
    """At rate 1 every row is the mean row, at rate 0 nothing happens; passes differ in between."""
    pool, X, y = parted((StandardScaler().fit_transform(WINE[0]) + 9, WINE[1]))
    model = LogisticRegression(max_iter=500).fit(X, y)
    centre = model.predict_proba(pool.mean(0, keepdims=True))
    all_gone = one("stochastic", model, pool, noise=("dropout", 1.0), passes=2)
    np.testing.assert_allclose(all_gone, np.broadcast_to(centre, all_gone.shape), atol=1e-9)
    for noise in (("dropout", 0), ("gaussian", 0)):
        still = one("stochastic", model, pool, noise=noise, passes=2)
        np.testing.assert_allclose(still, np.stack([model.predict_proba(pool)] * 2), atol=1e-12)
    some = one("stochastic", model, pool, noise=("dropout", 0.3))
    assert some.shape == (10, len(pool), 3)
    assert not np.allclose(some[0], some[1])
    rng = generator(0, "outputs", 1, "stochastic")
    by_hand = np.where(rng.random(pool.shape) < 0.3, pool.mean(0), pool)
    np.testing.assert_allclose(some[1], model.predict_proba(by_hand), atol=1e-9)


def test_gaussian_noise_has_the_scale_of_the_columns():
    pool, X, y = parted(WINE)
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(X, y)
    inner = model[0].transform(pool)
    rng = generator(3, "outputs", 0, "stochastic")
    by_hand = inner + 0.2 * inner.std(0) * rng.standard_normal(inner.shape)
    given = one("stochastic", model, pool, noise=("gaussian", 0.2), passes=1, seed=3, block=30)
    np.testing.assert_allclose(given[0], model[-1].predict_proba(by_hand), atol=1e-9)


def test_sparse_rows_are_thinned_and_stay_sparse():
    pool, X, y = parted(DIGITS)
    model = MultinomialNB().fit(sp.csr_matrix(X), y)
    gone = one("stochastic", model, sp.csr_matrix(pool), noise=("dropout", 1.0), passes=1)
    np.testing.assert_allclose(gone[0], np.broadcast_to(model.predict_proba(np.zeros((1, 64))), gone[0].shape))
    some = one("stochastic", model, sp.csr_matrix(pool), passes=2, block=100)
    assert np.array_equal(some, one("stochastic", model, sp.csr_matrix(pool), passes=2))
    assert not np.allclose(some[0], some[1])
    with pytest.raises(InputError, match="dropout"):
        outputs(model, sp.csr_matrix(pool), want="stochastic", noise=("gaussian", 1.0))


# -------------------------------------------------------------------- embeddings and gradients


def test_the_embedding_is_what_the_last_step_gets():
    pool, X, y = parted(DIGITS)
    plain = LogisticRegression(max_iter=500).fit(X, y)
    given = outputs(plain, pool, X_seen=X, y_seen=y, want=["embedding", "seen_embedding"])
    assert given["embedding"].dtype == np.float32
    assert np.array_equal(given["embedding"], pool.astype(np.float32))
    assert np.array_equal(given["seen_embedding"], X.astype(np.float32))
    piped = make_pipeline(StandardScaler(), PCA(5, random_state=0), GaussianNB()).fit(X, y)
    given = outputs(piped, pool, X_seen=X, y_seen=y, want=["embedding", "seen_embedding"], block=100)
    np.testing.assert_allclose(given["embedding"], piped[:-1].transform(pool), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given["seen_embedding"], piped[:-1].transform(X), rtol=1e-4, atol=1e-5)
    single = make_pipeline(GaussianNB()).fit(X, y)
    assert np.array_equal(one("embedding", single, pool), pool.astype(np.float32))


def test_an_embedding_of_the_callers_own_is_used():
    pool, X, y = parted(DIGITS)
    model, pca = GaussianNB().fit(X, y), PCA(3, random_state=0).fit(pool)
    want = ["embedding", "seen_embedding"]
    by_function = outputs(model, pool, X_seen=X, y_seen=y, embedding=pca.transform, want=want, block=200)
    np.testing.assert_allclose(by_function["embedding"], pca.transform(pool), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_function["seen_embedding"], pca.transform(X), rtol=1e-4, atol=1e-4)
    by_array = outputs(model, pool, embedding=pca.transform(pool), seen_embedding=pca.transform(X), want=want)
    np.testing.assert_allclose(by_array["seen_embedding"], by_function["seen_embedding"], rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="pass seen_embedding="):
        outputs(model, pool, X_seen=X, y_seen=y, embedding=pca.transform(pool), want=want)
    with pytest.raises(InputError, match=f"expected {len(pool)}"):
        outputs(model, pool, embedding=pool[:5], want="embedding")
    with pytest.raises(InputError, match="two dimensions"):
        outputs(model, pool, embedding=pool[:, 0], want="typiclust")


def test_the_gradient_is_the_outer_product():
    pool, X, y = parted(WINE)
    model = logistic().fit(X, y)
    given = outputs(model, pool, want=["proba", "embedding", "gradient"])
    p, x = given["proba"], given["embedding"].astype(float)
    for row in (0, 17, 80):
        expected = np.outer(p[row] - np.eye(3)[p[row].argmax()], x[row]).ravel()
        np.testing.assert_allclose(given["gradient"][row], expected, rtol=1e-5, atol=1e-7)
    assert given["gradient"].dtype == np.float32
    assert given["gradient"].shape == (len(pool), 3 * 13)


def test_a_gradient_that_is_too_large_is_refused_with_advice(monkeypatch):
    pool, X, y = parted(DIGITS)
    monkeypatch.setattr(embedded, "LIMIT", 4 * len(pool) * 10 * 64 - 1)
    with pytest.raises(InputError, match="badge needs no gradient"):
        outputs(GaussianNB().fit(X, y), pool, want="gradient")
    monkeypatch.setattr(embedded, "LIMIT", 4 * len(pool) * 64 - 1)
    sparse = MultinomialNB().fit(sp.csr_matrix(X), y)
    with pytest.raises(InputError, match="TruncatedSVD"):
        outputs(sparse, sp.csr_matrix(pool), want="embedding")


def test_predict_answers_at_points_of_the_embedding():
    pool, X, y = parted(WINE)
    for model in (logistic().fit(X, y), GaussianNB().fit(X, y)):
        given = outputs(model, pool, want=["proba", "embedding", "predict"])
        points = given["embedding"].astype(np.float64)
        np.testing.assert_allclose(given["predict"](points), given["proba"], atol=1e-3)
    with pytest.raises(InputError, match="leave embedding= out"):
        outputs(model, pool, embedding=pool, want="predict")
