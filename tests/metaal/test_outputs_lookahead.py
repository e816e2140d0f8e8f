"""`metaal.outputs`: what one more label would change, against refits by hand."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from metaal import InputError
from metaal.model_outputs import looking, outputs
from metaal.model_outputs.models import seeded
from metaal.model_outputs.rows import joined
from strategy_zoo import View
from tests.metaal.estimators import DIGITS, WINE, one, parted


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
