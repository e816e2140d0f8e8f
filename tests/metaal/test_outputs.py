"""`metaal.outputs`: every field against direct calls of scikit-learn and LightGBM, and every strategy end to end."""

from __future__ import annotations

import copy
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import metaal
from metaal import EmptyPoolError, InputError
from metaal.model_outputs import embedded, looking, outputs
from metaal.model_outputs.committee import bootstrap
from metaal.model_outputs.entry import MAKERS
from metaal.model_outputs.models import seeded
from metaal.model_outputs.predicted import dealt
from metaal.model_outputs.rows import joined
from metaal.randomness import generator
from metadata_store import open_store
from strategy_zoo import FIELDS, Strategy, View, catalogue, get, propose

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


# ------------------------------------------------------------------------------- committees


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_the_committee_of_a_forest_is_its_trees(kind):
    pool, X, y = parted(DIGITS, labelled=300)
    model = kind(9, random_state=0).fit(X, np.array(list("qwertyuiop"))[y])
    committee = one("committee", model, pool)
    assert np.array_equal(committee, np.stack([tree.predict_proba(pool) for tree in model.estimators_]))
    np.testing.assert_allclose(committee.mean(0), model.predict_proba(pool), atol=1e-12)
    assert np.array_equal(one("committee", model, pool, members=4), committee[:4])
    with pytest.raises(InputError, match="has 9"):
        outputs(model, pool, want="committee", members=10)


def test_the_committee_of_a_forest_in_a_pipeline_and_of_sparse_rows_is_its_trees():
    pool, X, y = parted(DIGITS, labelled=300)
    model = make_pipeline(PCA(8, random_state=0), RandomForestClassifier(5, random_state=0)).fit(X, y)
    inner = model[:-1].transform(pool)
    assert np.array_equal(one("committee", model, pool), [t.predict_proba(inner) for t in model[-1].estimators_])
    sparse = RandomForestClassifier(5, random_state=0).fit(sp.csr_matrix(X), y)
    expected = [tree.predict_proba(pool) for tree in sparse.estimators_]
    assert np.array_equal(one("committee", sparse, sp.coo_matrix(pool), block=99), expected)


def test_members_of_a_bag_that_lack_classes_and_columns_are_aligned():
    pool, X, y = parted(WINE)
    words = np.array(["x", "b", "m"])[y]
    model = BaggingClassifier(
        KNeighborsClassifier(1), 12, max_features=0.4, max_samples=4, bootstrap_features=True, random_state=1
    ).fit(X, words)
    assert {len(m.classes_) for m in model.estimators_} == {2, 3}
    committee = one("committee", model, pool)
    np.testing.assert_allclose(committee.sum(2), 1)
    np.testing.assert_allclose(committee.mean(0), model.predict_proba(pool), atol=1e-12)
    for member, columns, table in zip(model.estimators_, model.estimators_features_, committee, strict=True):
        told = model.classes_[member.classes_[member.predict_proba(pool[:, columns]).argmax(1)]]
        assert (model.classes_[table.argmax(1)] == told).all()


def test_members_of_a_bag_without_probabilities_vote_as_in_the_bag_itself():
    pool, X, y = parted(WINE)
    model = BaggingClassifier(RidgeClassifier(), 6, random_state=0).fit(X, y)
    committee = one("committee", model, pool)
    assert set(np.unique(committee)) == {0, 1}
    np.testing.assert_allclose(committee.mean(0), model.predict_proba(pool))


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_the_committee_of_a_vote_is_its_voters(voting):
    pool, X, y = parted(WINE)
    frame, names = pd.DataFrame(X), [f"c{i}" for i in range(X.shape[1])]
    frame.columns = names
    model = VotingClassifier([("nb", GaussianNB()), ("tree", DecisionTreeClassifier(random_state=0))], voting=voting)
    model.fit(frame, np.array(list("zyx"))[y])
    table = pd.DataFrame(pool, columns=names)
    expected = np.stack([m.predict_proba(table) for m in model.estimators_])
    assert np.array_equal(one("committee", model, table, block=50), expected)


def test_members_of_regressors_and_their_quantiles():
    pool, X, y = parted(DIABETES)
    forest = RandomForestRegressor(11, random_state=0).fit(X, y)
    given = outputs(forest, pool, want=["committee_prediction", "quantiles"])
    expected = np.stack([tree.predict(pool) for tree in forest.estimators_])
    assert np.array_equal(given["committee_prediction"], expected)
    np.testing.assert_allclose(given["quantiles"], np.quantile(expected, [0.1, 0.5, 0.9], axis=0).T)
    pieces = outputs(forest, pool, want=["committee_prediction", "quantiles"], block=40)
    assert np.array_equal(pieces["committee_prediction"], expected)
    np.testing.assert_allclose(pieces["quantiles"], given["quantiles"])
    extra = ExtraTreesRegressor(4, random_state=0).fit(X, y)
    assert np.array_equal(one("committee_prediction", extra, pool), [tree.predict(pool) for tree in extra.estimators_])
    alone = one("quantiles", forest, pool, levels=[0.25, 0.75], block=40)
    np.testing.assert_allclose(alone, np.quantile(expected, [0.25, 0.75], axis=0).T)
    bag = BaggingRegressor(n_estimators=4, max_features=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(one("committee_prediction", bag, pool).mean(0), bag.predict(pool))
    vote = VotingRegressor([("a", Ridge()), ("b", Ridge(10.0))]).fit(X, y)
    np.testing.assert_allclose(one("committee_prediction", vote, pool).mean(0), vote.predict(pool))


def test_a_bag_of_clones_equals_fits_on_its_bootstrap_samples():
    pool, X, y = parted(DIGITS, labelled=80)
    model = logistic().fit(X, y)
    committee = one("committee", model, pool, X_seen=X, y_seen=y, members=3, seed=7)
    for number, table in enumerate(committee):
        rows = bootstrap(y, number, 7, stratify=True)
        np.testing.assert_allclose(table, clone(model).fit(X[rows], y[rows]).predict_proba(pool), atol=1e-12)
    assert not np.allclose(committee[0], committee[1])
    pool, X, y = parted(DIABETES)
    members = one("committee_prediction", Ridge().fit(X, y), pool, X_seen=X, y_seen=y)
    assert members.shape == (5, len(pool))
    rows = bootstrap(y, 2, 0, stratify=False)
    np.testing.assert_allclose(members[2], Ridge().fit(X[rows], y[rows]).predict(pool))


def test_clones_of_a_bag_draw_their_own_chances_too():
    pool, X, y = parted(DIGITS, labelled=80)
    model = DecisionTreeClassifier(splitter="random", max_features=1, random_state=0).fit(X, y)
    for number, table in enumerate(one("committee", model, pool, X_seen=X, y_seen=y, members=3, seed=7)):
        rows = bootstrap(y, number, 7, stratify=True)
        again = seeded(model, 7, "member", number).fit(X[rows], y[rows])
        assert np.array_equal(table, again.predict_proba(pool))
    assert len({seeded(model, 7, "member", number).random_state for number in range(3)}) == 3


def test_bootstrap_samples_by_class_keep_every_class():
    codes = np.repeat([0, 1, 2], [50, 3, 1])
    samples = [bootstrap(codes, number, 0, stratify=True) for number in range(20)]
    assert all(np.bincount(codes[rows]).tolist() == [50, 3, 1] for rows in samples)
    assert len({tuple(rows) for rows in samples}) == 20
    free = bootstrap(np.arange(1000.0), 0, 0, stratify=False)
    assert 0.6 < len(np.unique(free)) / 1000 < 0.66  # 1 − 1/e


def test_classes_that_the_labelled_rows_lack_get_zero_columns():
    pool, X, y = parted(WINE)
    model = GaussianNB().fit(X, y)
    two = y != 1
    committee = one("committee", model, pool, X_seen=X[two], y_seen=y[two])
    assert (committee[..., 1] == 0).all()
    np.testing.assert_allclose(committee.sum(2), 1)
    only = one("committee", model, pool, X_seen=X[y == 2], y_seen=y[y == 2])
    assert (only == [0, 0, 1]).all()


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


# --------------------------------------------------------------------------------- look-ahead


@pytest.mark.parametrize(
    "model",
    [
        GaussianNB(),
        MultinomialNB(),
        BernoulliNB(binarize=8.0),
        ComplementNB(),
        make_pipeline(StandardScaler(), GaussianNB(var_smoothing=1e-2)),
        make_pipeline(MinMaxScaler(clip=True), MultinomialNB()),
        RandomForestClassifier(3, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_lookahead_equals_a_refit_by_hand(model):
    pool, X, y = parted(DIGITS, labelled=120)
    words = np.array(list("abcdefghij"))[y]
    model = clone(model).fit(X, words)
    lookahead = one("lookahead", model, pool, X_seen=X, y_seen=words, evaluation=20, seed=5)
    rows = np.array([3, 700, 3])
    given = lookahead(rows)
    assert given.shape == (3, 10, 20, 10)
    assert len(np.unique(lookahead.evaluation)) == 20
    for place, row in enumerate(rows):
        for code in (0, 9):
            again = seeded(model, 5, "lookahead").fit(np.vstack([X, pool[row]]), np.append(words, model.classes_[code]))
            np.testing.assert_allclose(given[place, code], again.predict_proba(pool[lookahead.evaluation]), atol=1e-9)


def test_lookahead_of_a_learner_that_keeps_counts_refits_while_a_class_has_no_label():
    pool, X, y = parted(DIGITS, labelled=120)
    model = MultinomialNB().fit(X, y)
    few = y != 4
    lookahead = one("lookahead", model, pool, X_seen=X[few], y_seen=y[few], evaluation=20)
    given = lookahead([7])[0]
    sample = pool[lookahead.evaluation]
    again = MultinomialNB().fit(np.vstack([X[few], pool[7]]), np.append(y[few], 4))
    np.testing.assert_allclose(given[4], again.predict_proba(sample), atol=1e-9)
    again = MultinomialNB().fit(np.vstack([X[few], pool[7]]), np.append(y[few], 2))
    np.testing.assert_allclose(np.delete(given[2], 4, axis=1), again.predict_proba(sample), atol=1e-9)
    assert not given[2][:, 4].any()


def test_lookahead_joins_frames_whose_categories_differ():
    pool, X, y = parted(WINE)
    words = np.array(list("abcd"))
    more, less = pd.DataFrame(pool), pd.DataFrame(X)
    more["kind"] = pd.Categorical(words[np.arange(len(pool)) % 4])
    less["kind"] = pd.Categorical(words[np.arange(len(X)) % 3])
    model = lgb.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1).fit(less, y)
    lookahead = one("lookahead", model, more, X_seen=less, y_seen=y, evaluation=9)
    kind = pd.CategoricalDtype(words)
    all_four = one(
        "lookahead", model, more.astype({"kind": kind}), X_seen=less.astype({"kind": kind}), y_seen=y, evaluation=9
    )
    np.testing.assert_allclose(lookahead([3, 5]), all_four([3, 5]), atol=1e-12)
    table = joined(less, more.iloc[[3]])
    assert table["kind"].dtype == kind
    assert table["kind"].tolist() == [*less["kind"], "d"]
    assert less["kind"].cat.categories.tolist() == list("abc")


@pytest.mark.parametrize("dense", ["pool", "seen"])
def test_lookahead_joins_sparse_and_dense_rows(dense):
    pool, X, y = parted(WINE)
    model = DecisionTreeClassifier(random_state=0).fit(X, y)
    expected = one("lookahead", model, pool, X_seen=X, y_seen=y, evaluation=9)([3, 5])
    given = (pool, sp.csr_matrix(X)) if dense == "pool" else (sp.csr_matrix(pool), X)
    assert np.array_equal(one("lookahead", model, given[0], X_seen=given[1], y_seen=y, evaluation=9)([3, 5]), expected)


def test_partial_fit_of_gaussian_naive_bayes_is_not_exact():
    """Why it isn't in the list."""
    X, y = WINE
    base = GaussianNB(var_smoothing=1e-2).fit(X[:-1], y[:-1])
    partial = base.partial_fit(X[-1:], y[-1:]).predict_proba(X)
    assert np.abs(partial - GaussianNB(var_smoothing=1e-2).fit(X, y).predict_proba(X)).max() > 0.01
    assert "GaussianNB" not in looking.ADDITIVE


def test_lookahead_fits_each_row_once(monkeypatch):
    pool, X, y = parted(WINE)
    fits = []

    class Counting(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            fits.append(len(y))
            return super().fit(X, y)

    model = Counting().fit(X, y)
    fits.clear()
    lookahead = one("lookahead", model, pool, X_seen=X, y_seen=y, evaluation=5)
    assert not fits  # nothing is fitted before it is asked for
    first = lookahead([1, 2, 1])
    assert fits == [61] * 6
    assert np.array_equal(lookahead([2, 1]), first[[1, 0]])
    assert len(fits) == 6
    monkeypatch.setattr(looking, "KEPT", 1)
    lookahead([5, 6])  # all but the last are forgotten
    lookahead([6, 5])
    assert len(fits) == 6 + 9


def test_lookahead_serves_views_of_other_rows_and_refuses_rows_that_are_not_there():
    pool, X, y = parted(WINE)
    model = GaussianNB().fit(X, y)
    given = outputs(model, pool, X_seen=X, y_seen=y, evaluation=5, want=["proba", "lookahead"])
    part = View(**given).take([9, 4])
    assert np.array_equal(part.lookahead(np.array([1])), given["lookahead"]([4]))
    for rows in ([len(pool)], [-1], [0.5], 3):
        with pytest.raises(InputError, match="rows"):
            given["lookahead"](rows)


def test_lookahead_with_nothing_labelled_is_sure_of_the_only_label():
    pool, X, y = parted(WINE)
    lookahead = one("lookahead", GaussianNB().fit(X, y), pool, X_seen=X[:0], y_seen=y[:0], evaluation=4)
    assert np.array_equal(lookahead([0])[0], np.broadcast_to(np.eye(3)[:, None], (3, 4, 3)))


# ------------------------------------------------------------------------------- several labels


def signs(y):
    """Three labels of a digit: even, small, prime."""
    return np.stack([y % 2 == 0, y < 5, np.isin(y, (2, 3, 5, 7))], axis=1).astype(int)


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


# -------------------------------------------------------------------------------------- refusals


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


# ---------------------------------------------------------------------------------- strategies


@dataclass(frozen=True, repr=False)
class Curious(Strategy):
    """Needs one thing and could use many."""

    name: ClassVar[str] = "curious"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    uses: ClassVar[tuple[str, ...]] = ("embedding", "committee", "previous", "seen_y", "prediction")


def test_a_strategy_gets_what_it_needs_and_of_its_uses_what_can_be_had():
    pool, X, y = parted(WINE)
    model = GaussianNB().fit(X, y)
    assert fields(outputs(model, pool, want=Curious())) == ["proba", "embedding"]
    more = outputs(model, pool, X_seen=X, y_seen=y, want=[Curious(), "seen_proba"])
    assert fields(more) == ["proba", "embedding", "committee", "seen_y", "seen_proba"]
    last = model.predict_proba(pool)
    assert "previous" in outputs(model, pool, want=Curious(), previous=last)
    assert fields(outputs(model, pool, want="narrow(margin, k_center)")) == ["proba", "embedding"]
    with pytest.raises(InputError, match="y_seen"):  # wrong, not missing
        outputs(model, pool, want=Curious(), X_seen=X, y_seen=y + 5)


def test_a_strategy_that_needs_nothing_gets_a_view_all_the_same():
    pool, X, y = parted(WINE)
    assert fields(outputs(GaussianNB().fit(X, y), pool, want="random")) == ["proba"]
    assert fields(outputs(SVC().fit(X, y), pool, want="random")) == ["embedding"]
    assert list(outputs(Ridge().fit(X, y), pool, want="random")) == ["prediction"]
    assert list(outputs(GaussianNB().fit(X, y), pool, want="seen_y", X_seen=X, y_seen=y)) == ["seen_y", "classes"]
    assert list(outputs(GaussianNB().fit(X, y), pool, want="classes")) == ["classes"]
    with pytest.raises(InputError, match="is a regressor"):
        outputs(Ridge().fit(X, y), pool, want="classes")


def test_a_run_can_ask_with_them():
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    seen = np.arange(0, 150, 15)
    pool = np.setdiff1d(np.arange(150), seen)
    model = GaussianNB().fit(X[seen], y[seen])
    run = metaal.Run("demo", policy="k_center", seed=0, store=open_store("memory:"))
    given = outputs(
        model, X[pool], X_seen=X[seen], y_seen=y[seen], want=CLASSIFIED, previous=model.predict_proba(X[pool])
    )
    query = run.ask(5, ids=pool, **given)
    expected = propose("k_center", View(**given), 5, np.random.default_rng(0))
    assert query.rows.tolist() == expected.rows.tolist()
    run.tell(y[query.ids])


def task_of_kind(task):
    """A model, its pool, and what is labelled, for each task that strategies know."""
    if task == "classification":
        pool, X, y = parted(WINE, labelled=40)
        return make_pipeline(StandardScaler(), GaussianNB(var_smoothing=1e-2)).fit(X, y), pool[:50], X, y
    if task == "regression":
        pool, X, y = parted(DIABETES, labelled=40)
        return RandomForestRegressor(8, random_state=0).fit(X, y), pool[:50], X, y
    pool, X, y = parted(DIGITS, labelled=60)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(8, random_state=0))
    return model.fit(X, signs(y)), pool[:50], X, signs(y)


ONLY_THE_CALLER_HAS = {
    "previous": "what proba was in the last loop for the same rows",
    "votes": "what annotators said so far",
}
"""Fields that no estimator can give: passed on when the caller passes them, asked for by name when not."""

NOT_SERVED: dict[tuple[str, str], str] = {}
"""(strategy, task): why `outputs` can't serve the strategy even with everything passed."""


def test_there_is_a_maker_for_each_field():
    assert tuple(MAKERS) == FIELDS
    pool, X, y = parted(WINE)
    for name in ONLY_THE_CALLER_HAS:
        with pytest.raises(InputError, match=f"pass {name}="):
            outputs(GaussianNB().fit(X, y), pool, X_seen=X, y_seen=y, want=name)


CASES = [(entry["name"], entry["example"], task) for entry in catalogue() for task in entry["task"]]


@pytest.mark.parametrize(("name", "example", "task"), CASES, ids=[f"{name}-{task}" for name, _, task in CASES])
def test_every_strategy_runs_from_outputs_of_an_estimator(name, example, task):
    """Whoever adds a strategy that this can't serve says why in NOT_SERVED, or teaches `outputs` the field."""
    strategy = get(example)
    model, pool, X, y = task_of_kind(task)
    given = {"X_seen": X, "y_seen": y, "want": example, "evaluation": 20}
    own = [field for field in strategy.needs if field in ONLY_THE_CALLER_HAS]
    if own:
        with pytest.raises(InputError, match=f"pass {own[0]}="):
            outputs(model, pool, **given)
        rng = np.random.default_rng(0)
        given["previous"] = rng.dirichlet([1.0] * 3, len(pool))
        given["votes"] = rng.integers(0, 3, (len(pool), 3))
    if (name, task) in NOT_SERVED:
        with pytest.raises((InputError, ValueError)):
            propose(strategy, View(**outputs(model, pool, **given)), 5, np.random.default_rng(0))
        return
    made = outputs(model, pool, **given)
    assert set(strategy.needs) <= set(made)
    assert set(made) <= {*strategy.needs, *strategy.uses, "proba", "prediction", "label_proba", "classes"}
    rows = propose(strategy, View(**made), 5, np.random.default_rng(0)).rows
    assert len(np.unique(rows)) == 5
    again = propose(strategy, View(**outputs(model, pool, **given)), 5, np.random.default_rng(0)).rows
    assert rows.tolist() == again.tolist()


def test_the_table_of_strategies_that_are_not_served_names_only_existing_ones():
    assert NOT_SERVED.keys() <= {(name, task) for name, _, task in CASES}


def test_importing_the_package_stays_light():
    heavy = "{'sklearn', 'lightgbm', 'pandas', 'scipy', 'joblib'}"
    code = f"import sys, metaal.model_outputs; print(sorted({heavy} & {{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"levels": 0.5}, "levels: got 0.5"),
        ({"levels": "abc"}, "levels: got 'abc'"),
        ({"embedding": lambda rows: None, "want": "embedding"}, "with no rows"),
        ({"seen_embedding": lambda rows: rows[:1], "want": "seen_embedding"}, "1 vectors for 20 rows"),
        ({"X_seen": np.zeros((20, 3)), "want": "seen_proba"}, "X_seen: has 3 columns and X has 13"),
    ],
)
def test_arguments_of_a_wrong_shape_are_refused_with_words(change, words):
    pool, X, y = parted(WINE, labelled=20)
    given: dict[str, Any] = {"X_seen": X, "y_seen": y} | change
    with pytest.raises(InputError, match=words):
        outputs(GaussianNB().fit(X, y), pool, **given)
