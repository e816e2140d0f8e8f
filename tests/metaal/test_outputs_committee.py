"""`metaal.outputs`: committees, of members that are there and of clones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
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
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from metaal import InputError
from metaal.model_outputs import outputs
from metaal.model_outputs.committee import bootstrap
from metaal.model_outputs.models import seeded
from tests.metaal.estimators import DIABETES, DIGITS, WINE, logistic, one, parted


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
