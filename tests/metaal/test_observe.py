"""The statistics against scipy, scikit-learn and plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy, spearmanr
from sklearn.metrics import brier_score_loss, cohen_kappa_score

from metaal import observe
from metaal.features import PROPOSAL, proposal_features
from metaal.sketch import Sketch, median, quantile
from strategy_zoo import View


@pytest.fixture
def view() -> View:
    rng = np.random.default_rng(3)
    proba = rng.dirichlet([1, 2, 1], 120)
    proba[:60] = proba[rng.integers(0, 5, 60)]  # ties, as forests have them
    return View(proba=proba, embedding=rng.normal(size=(120, 4)), seen_embedding=rng.normal(size=(9, 4)))


@pytest.fixture
def sketch(view: View) -> Sketch:
    return Sketch(view, np.random.default_rng(0))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 898, 1001])
def test_the_quick_median_and_quantiles_are_those_of_numpy_to_the_last_bit(count: int) -> None:
    for values in (np.random.default_rng(count).normal(size=count), np.random.default_rng(count).integers(0, 3, count)):
        ordered = np.sort(values.astype(np.float64))
        for level in (*observe.LEVELS.values(), 1 / 3, 0.0, 1.0):
            assert quantile(ordered, level) == np.quantile(values, level)
        assert median(values.astype(np.float64)) == np.median(values)


def test_outputs(view: View, sketch: Sketch) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    found = observe.observe_pool(sketch, shares)
    top = np.sort(view.proba, axis=1)
    margin = top[:, -1] - top[:, -2]
    assert found["pool.margin.q25"] == pytest.approx(np.quantile(margin, 0.25))
    assert found["pool.entropy.mean"] == pytest.approx((entropy(view.proba, axis=1) / np.log(3)).mean())
    assert found["pool.confidence.q05"] == pytest.approx(np.quantile(top[:, -1], 0.05))
    predicted = np.bincount(view.proba.argmax(1), minlength=3) / 120
    assert found["pool.predicted.rarest"] == pytest.approx(predicted.min())
    assert found["labels.gap"] == pytest.approx(np.abs(predicted - shares).sum() / 2)
    assert found["labels.entropy"] == pytest.approx(entropy(shares) / np.log(3))


def test_space_is_measured_in_median_distances_with_tied_ranks(view: View, sketch: Sketch) -> None:
    found = observe.observe_pool(sketch, None)
    between = cdist(view.embedding, view.embedding)
    scale = np.median(between[between > 0])
    nearest = cdist(view.embedding, view.seen_embedding).min(1)
    assert found["space.seen.mean"] == pytest.approx(nearest.mean() / scale, rel=1e-5)
    assert found["space.seen.max"] == pytest.approx(nearest.max() / scale, rel=1e-5)
    near = np.sort(between, axis=1)[:, 1:11].mean(1)
    assert found["space.neighbour.spread"] == pytest.approx(near.std() / near.mean(), rel=1e-4)
    values = np.linalg.eigvalsh(np.cov(view.embedding.T))
    assert found["space.dimension"] == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-4)
    top = np.sort(view.proba, axis=1)
    expected = spearmanr(top[:, -1] - top[:, -2], nearest).statistic
    assert found["space.margin.rank"] == pytest.approx(expected, abs=1e-6)


def test_distances_do_not_depend_on_the_scale_of_the_embedding(view: View) -> None:
    scaled = View(proba=view.proba, embedding=view.embedding * 1000, seen_embedding=view.seen_embedding * 1000)
    first, second = (observe.observe_pool(Sketch(v, np.random.default_rng(0)), None) for v in (view, scaled))
    for name in first:
        assert first[name] == pytest.approx(second[name], rel=1e-4), name


def test_churn(view: View) -> None:
    now = np.roll(view.proba, 1, axis=0)
    found = observe.observe_churn(view.proba, now)
    old, new = view.proba.argmax(1), now.argmax(1)
    assert found["churn.kappa"] == pytest.approx(cohen_kappa_score(old, new))
    assert found["churn.label"] == pytest.approx((old != new).mean())
    assert found["churn.proba"] == pytest.approx((np.abs(now - view.proba).sum(1) / 2).mean())
    assert observe.observe_churn(view.proba[:, :2], now) == {}
    same = np.tile([0.9, 0.1], (5, 1))
    assert observe.observe_churn(same, same)["churn.kappa"] == 1.0


def test_labels(view: View) -> None:
    columns = np.random.default_rng(1).integers(0, 3, 120)
    found = observe.observe_labels(view.proba, columns)
    hit = view.proba.argmax(1) == columns
    assert found["surprise.gap.batch"] == pytest.approx(hit.mean() - view.proba.max(1).mean())
    own = np.clip(view.proba[np.arange(120), columns], 0.02, 1)
    assert found["surprise.log_loss.batch"] == pytest.approx(-np.log(own).mean())
    # scikit-learn halves the multiclass Brier score only where asked to scale it by half.
    assert found["surprise.brier.batch"] == pytest.approx(brier_score_loss(columns, view.proba, scale_by_half=False))


def test_query_and_its_proposal_features(view: View, sketch: Sketch) -> None:
    rows = np.array([3, 17, 80, 99])
    found = observe.observe_query(sketch, rows)
    before = cdist(view.embedding, view.seen_embedding).min(1)
    after = np.minimum(before, cdist(view.embedding, view.embedding[rows]).min(1))
    assert found["query.coverage"] == pytest.approx((before - after).sum() / before.sum(), rel=1e-4)
    between = cdist(view.embedding[rows], view.embedding[rows]) + np.diag([np.inf] * 4)
    assert found["query.diversity"] == pytest.approx(between.min(1).mean() / sketch.scale, rel=1e-4)
    features = dict(
        zip(
            PROPOSAL,
            proposal_features(sketch, rows, default_rows=np.array([17, 80, 5, 6]), label_shares=None),
            strict=True,
        )
    )
    assert features["overlap.default"] == 0.5
    assert features["coverage"] == pytest.approx(found["query.coverage"])
    assert features["margin"] == pytest.approx(found["query.margin.mean"])
    assert features["seen"] == pytest.approx(before[rows].mean() / sketch.scale, rel=1e-4)
    assert 0 <= features["margin.rank"] <= 1
