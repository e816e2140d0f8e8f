"""Features of a proposal, against values worked out by hand and by plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from metaal.features import PROPOSAL, proposal_features
from metaal.sketch import Sketch
from strategy_zoo import View


def found(view: View, rows: list[int], shares: list[float] | None = None) -> dict[str, float]:
    """The features of a batch, by name; every row of the pool is a reference row."""
    sketch = Sketch(view, np.random.default_rng(0), np.arange(view.n))
    given = None if shares is None else np.array(shares)
    values = proposal_features(sketch, np.array(rows), default_rows=None, label_shares=given)
    return dict(zip(PROPOSAL, values.tolist(), strict=True))


def line(points: list[float], seen: list[float], labels: list[int], proba: list[float]) -> View:
    """A pool on a line; ``proba`` is what the second of two classes gets."""
    p = np.array(proba)
    return View(
        proba=np.stack([1 - p, p], axis=1),
        embedding=np.array(points)[:, None],
        seen_embedding=np.array(seen)[:, None],
        seen_y=np.array(labels),
    )


LINE = line([0.0, 1.0, 4.0, 6.0, 9.0], [0.0, 10.0], [0, 1], [0.1, 0.2, 0.6, 0.7, 0.9])


def test_a_batch_captures_what_is_nearer_to_it_than_to_any_label() -> None:
    one = found(LINE, [2])  # the row at 4: the rows at 4 and 6 come to it
    assert one["captured"] == pytest.approx(2 / 5)
    assert one["captured.margin"] == pytest.approx(1 - (0.2 + 0.4) / 2)
    assert one["captured.conflict"] == 0, "both are predicted as the second class"
    assert one["captured.flip"] == pytest.approx(1 / 2), "of the row at 4 the nearest label is the first class"
    assert one["captured.spread"] == 1.0
    assert found(LINE, [0])["captured"] == 0
    assert np.isnan(found(LINE, [0])["captured.margin"])


def test_the_captured_rows_may_fall_to_one_row_of_the_batch_or_to_all() -> None:
    even, uneven = found(LINE, [2, 3]), found(LINE, [0, 2])
    assert even["captured.spread"] == pytest.approx(1)
    assert uneven["captured.spread"] == pytest.approx(0)


def test_conflict_is_with_the_prediction_for_the_row_that_captures() -> None:
    view = line([4.0, 5.0], [0.0, 10.0], [0, 1], [0.4, 0.9])
    assert found(view, [0])["captured.conflict"] == pytest.approx(1 / 2)


def test_the_enemy_is_measured_against_the_friend() -> None:
    assert found(LINE, [3])["enemy"] == pytest.approx(4 / 6)
    assert found(LINE, [1])["enemy"] == pytest.approx(1 / 9)
    assert found(LINE, [1, 2])["enemy"] == pytest.approx((1 / 9 + 4 / 6) / 2)
    alone = line([1.0, 2.0], [0.0, 5.0], [0, 0], [0.1, 0.2])
    assert found(alone, [0])["enemy"] == 0, "there is no other class"


def test_leverage_and_variance_are_those_of_a_ridge_regression() -> None:
    rng = np.random.default_rng(3)
    pool, seen = rng.normal(size=(40, 3)) * [1, 5, 0.2], rng.normal(size=(6, 3))
    view = View(proba=np.full((40, 2), 0.5), embedding=pool, seen_embedding=seen, seen_y=np.array([0, 1] * 3))
    rows = [3, 17, 30]
    got = found(view, rows)
    pool, seen = (x.astype(np.float32).astype(np.float64) for x in (pool, seen))
    z, s = ((x - pool.mean(0)) / pool.std(0) for x in (pool, seen))
    gram = s.T @ s + np.eye(3)
    leverage = np.array([row @ np.linalg.solve(gram, row) for row in z])
    after = gram + sum(np.outer(z[k], z[k]) for k in rows)
    left = np.mean([row @ np.linalg.solve(after, row) for row in z])
    assert got["leverage"] == pytest.approx(np.log(leverage[rows].mean() / leverage.mean()))
    assert got["variance"] == pytest.approx(1 - left / leverage.mean())


def test_a_wide_embedding_is_looked_at_in_a_few_directions() -> None:
    rng = np.random.default_rng(4)
    pool = rng.normal(size=(60, 300))
    pool[7] *= 8
    view = View(proba=np.full((60, 2), 0.5), embedding=pool, seen_embedding=pool[20:29], seen_y=np.arange(9) % 2)
    assert found(view, [7])["leverage"] > found(view, [30])["leverage"] + 1
    assert 0 < found(view, [30])["variance"] < found(view, [30, 31, 32])["variance"] < 1


def test_a_batch_of_the_rarer_class_brings_balance() -> None:
    rare, common = found(LINE, [4], [0.75, 0.25]), found(LINE, [0], [0.75, 0.25])
    counts = np.array([0.75, 0.25]) * 2 + [0.1, 0.9]
    p = counts / counts.sum()
    entropy = lambda q: -(q * np.log2(q)).sum()  # noqa: E731
    assert rare["balance.gain"] == pytest.approx(entropy(p) - entropy(np.array([0.75, 0.25])))
    assert common["balance.gain"] < 0 < rare["balance.gain"]


def test_without_labels_or_classes_nothing_is_made_up() -> None:
    bare = View(proba=LINE.proba, embedding=LINE.embedding)
    unknown = ("captured", "enemy", "leverage", "variance", "balance.gain", "seen", "coverage")
    assert all(np.isnan(found(bare, [2])[name]) for name in unknown)
    still = View(proba=LINE.proba, embedding=np.ones((5, 2)), seen_embedding=np.ones((2, 2)), seen_y=np.array([0, 1]))
    assert np.isfinite([found(still, [2])[name] for name in ("captured", "enemy", "density")]).all()
    assert np.isnan(found(still, [2])["leverage"]), "a space without extent has no directions"
