"""Regimes: what each change does to a task, in numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import metaal
from metaal.rehearsal import Layout, Sealed, read_regime
from metaal.rehearsal.layout import Schedule, Start, Truth
from metaal.rehearsal.regimes.noise import Erring

SEEDS = {"split": 1, "initial": 2, "learner": 3, "strategy": 4}


def clean(classes: int = 4, pool: int = 4000, kind: Any = "classification", seed: int = 0) -> Layout:
    """A layout of equal classes, 3 columns, and a guide and test split of 300 rows each."""
    rng = np.random.default_rng(seed)
    sizes = {"pool": pool, "guide": 300, "test": 300}
    x = {name: rng.normal(size=(size, 3)) * [1.0, 2.0, 0.5] for name, size in sizes.items()}
    if kind == "regression":
        y: dict[str, np.ndarray] = {name: x[name][:, 0] * 5 + 100 for name in sizes}
    else:
        y = {name: rng.permutation(np.arange(size) % classes) for name, size in sizes.items()}
    return Layout(
        x["pool"],
        y["pool"],
        x["guide"],
        y["guide"],
        x["test"],
        Sealed(y["test"]),
        0 if kind == "regression" else classes,
        kind,
        schedule=Schedule(10),
    )


def changed(text: str, layout: Layout | None = None, *, seeds: dict[str, int] | None = None) -> Layout:
    return read_regime(text).apply(layout or clean(), seeds=seeds or SEEDS, name="data")


def counts(layout: Layout) -> np.ndarray:
    return np.bincount(layout.pool_y, minlength=layout.classes)


def told(layout: Layout, asked: int = 0) -> np.ndarray:
    return layout.oracle.tell(np.arange(len(layout.pool_y)), asked)


# ------------------------------------------------------------------ imbalance


@pytest.mark.parametrize(("ratio", "rare"), [(0.01, 10), (0.1, 100), (0.5, 500), (1.0, 1000)])
def test_imbalance_makes_half_of_the_classes_rare_at_the_ratio(ratio: float, rare: int) -> None:
    layout = changed(f"imbalance(ratio={ratio})")
    assert sorted(counts(layout)) == [rare, rare, 1000, 1000]


def test_imbalance_is_drawn_by_the_split_seed_alone() -> None:
    rare = {
        tuple(np.flatnonzero(counts(changed("imbalance(ratio=0.01)", seeds={**SEEDS, "split": k})) < 50))
        for k in range(20)
    }
    assert len(rare) > 3
    one, two = (changed("imbalance(ratio=0.01)", seeds={**SEEDS, "initial": k, "learner": k}) for k in (5, 6))
    np.testing.assert_array_equal(one.pool_x, two.pool_x)


def test_imbalance_leaves_guide_and_test_alone_and_keeps_two_rows_of_every_class() -> None:
    before = clean(classes=5, pool=100)
    after = changed("imbalance(ratio=0.001,rare=0.9)", before)
    assert sorted(counts(after)) == [2, 2, 2, 2, 20]
    for name in ("guide_x", "guide_y", "test_x", "test_y"):
        assert getattr(after, name) is getattr(before, name)
    two = changed("imbalance(ratio=0.02,rare=0.9)", clean(classes=2))
    assert sorted(counts(two)) == [40, 2000]


def test_imbalance_never_makes_a_rare_class_commoner() -> None:
    before = clean()
    few = before.take(np.concatenate([np.flatnonzero(before.pool_y > 0), np.flatnonzero(before.pool_y == 0)[:5]]))
    for seed in range(10):
        assert counts(changed("imbalance(ratio=0.2)", few, seeds={**SEEDS, "split": seed}))[0] == 5


# ---------------------------------------------------------------------- noise


@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_uniform_noise_errs_at_its_rate_towards_every_other_class_alike(rate: float) -> None:
    layout = changed(f"noise(rate={rate})")
    labels = told(layout)
    wrong = labels != layout.pool_y
    assert wrong.mean() == pytest.approx(rate, abs=0.025)
    offset = (labels[wrong] - layout.pool_y[wrong]) % 4
    np.testing.assert_allclose(np.bincount(offset, minlength=4)[1:] / wrong.sum(), 1 / 3, atol=0.06)
    per_class = [wrong[layout.pool_y == c].mean() for c in range(4)]
    np.testing.assert_allclose(per_class, rate, atol=0.05)
    np.testing.assert_array_equal(layout.pool_y, clean().pool_y)  # the truth is what it was


def test_noise_of_two_classes_tells_the_other_one() -> None:
    for kind in ("uniform", "confusion"):
        layout = changed(f"noise(rate=0.25,kind='{kind}')", clean(classes=2))
        labels = told(layout)
        assert set(labels) == {0, 1}
        assert (labels != layout.pool_y).mean() == pytest.approx(0.25, abs=0.03)


def test_confusion_has_the_rate_over_the_pool_differs_by_class_and_prefers_one_partner() -> None:
    spreads, shares = [], []
    for seed in range(5):
        layout = changed("noise(rate=0.3,kind='confusion')", seeds={**SEEDS, "split": seed})
        labels, y = told(layout), layout.pool_y
        assert (labels != y).mean() == pytest.approx(0.3, abs=0.03)
        rates = [(labels[y == c] != c).mean() for c in range(4)]
        spreads.append(max(rates) - min(rates))
        for c in range(4):
            taken = np.bincount(labels[(y == c) & (labels != c)], minlength=4)
            if taken.sum() > 100:
                shares.append(taken.max() / taken.sum())
    assert np.mean(spreads) > 0.15
    assert np.mean(shares) == pytest.approx(0.8 + 0.2 / 3, abs=0.03)


def test_confusion_rates_stay_rates_and_keep_their_mean() -> None:
    for rate in (0.05, 0.5, 0.9, 1.0):
        oracle = changed(f"noise(rate={rate},kind='confusion')", clean(classes=7)).oracle
        assert isinstance(oracle, Erring)
        assert ((oracle.rate >= 0) & (oracle.rate <= 1)).all()
        assert oracle.rate.mean() == pytest.approx(rate, abs=0.01)


def test_fatigue_grows_with_the_labels_told() -> None:
    layout = changed("noise(rate=0.4,kind='fatigue',after=200)", clean(pool=40_000))
    rows = np.arange(40_000)
    for asked, rate in ((0, 0.0), (100, 0.2), (200, 0.4), (1000, 0.4)):
        wrong = [layout.oracle.tell(rows[k : k + 1], asked) != layout.pool_y[k : k + 1] for k in range(0, 40_000, 10)]
        assert np.mean(wrong) == pytest.approx(rate, abs=0.03)


def test_the_number_of_a_label_counts_on_within_a_batch() -> None:
    """Told in one batch or one by one: the same labels."""
    layout = changed("noise(rate=0.9,kind='fatigue',after=300)")
    rows = np.random.default_rng(0).permutation(4000)[:500]
    single = np.concatenate([layout.oracle.tell(rows[k : k + 1], k) for k in range(500)])
    np.testing.assert_array_equal(layout.oracle.tell(rows, 0), single)
    np.testing.assert_array_equal(layout.oracle.tell(rows[200:], 200), single[200:])
    assert (single != layout.pool_y[rows]).mean() > 0.3


def test_initial_labels_are_noisy_as_others_are_but_right_before_fatigue() -> None:
    start = Start(count=1000)
    rng = np.random.default_rng
    noisy = replace(changed("noise(rate=0.4)"), start=start).begun(rng(0))
    assert (noisy.initial_y != noisy.pool_y[noisy.initial]).mean() == pytest.approx(0.4, abs=0.05)
    rested = replace(changed("noise(rate=0.4,kind='fatigue',after=10)"), start=start).begun(rng(0))
    np.testing.assert_array_equal(rested.initial_y, rested.pool_y[rested.initial])
    row = np.array([5, 9])
    np.testing.assert_array_equal(noisy.known(row), np.concatenate([noisy.initial_y, noisy.oracle.tell(row, 0)]))


def test_less_noise_errs_on_a_part_of_the_rows_of_more_noise() -> None:
    little, much = (told(changed(f"noise(rate={rate})")) for rate in (0.1, 0.3))
    y = clean().pool_y
    assert ((much != y)[little != y]).all()


def test_noise_on_noise_is_independent() -> None:
    layout = changed("noise(rate=0.2)+noise(rate=0.2)")
    # Right if both were right, or if the second put right by chance what the first had made wrong.
    assert (told(layout) == layout.pool_y).mean() == pytest.approx(0.8 * 0.8 + 0.2 * 0.2 / 3, abs=0.03)


def test_noise_in_a_regression_is_an_error_of_measurement() -> None:
    layout = changed("noise(rate=0.3)", clean(kind="regression"))
    error = told(layout) - layout.pool_y
    assert error.std() == pytest.approx(0.3 * layout.pool_y.std(), rel=0.05)
    assert abs(error.mean()) < 0.1
    tired = changed("noise(rate=0.3,kind='fatigue',after=1000)", clean(kind="regression"))
    assert (told(tired) - tired.pool_y)[:100].std() < 0.1 * error.std() < (told(tired) - tired.pool_y)[1000:].std()


# ---------------------------------------------------------------------- start


def test_a_cold_start_has_as_many_labels_of_each_class_and_no_more() -> None:
    for text, number in (("cold_start", 1), ("cold_start(labels=3)", 3)):
        layout = changed(text).begun(np.random.default_rng(0))
        assert np.bincount(layout.pool_y[layout.initial]).tolist() == [number] * 4
    few = clean().take(np.concatenate([np.flatnonzero(clean().pool_y > 0), np.flatnonzero(clean().pool_y == 0)[:2]]))
    layout = changed("cold_start(labels=5)", few).begun(np.random.default_rng(0))
    assert np.bincount(layout.pool_y[layout.initial]).tolist() == [2, 5, 5, 5]
    numbers = changed("cold_start(labels=3)", clean(kind="regression")).begun(np.random.default_rng(0))
    assert len(set(numbers.initial.tolist())) == 3


@pytest.mark.parametrize(("classes", "share", "hidden"), [(4, 0.5, 2), (5, 0.1, 1), (5, 1.0, 4), (2, 0.5, 1)])
def test_unseen_classes_have_no_initial_label_but_stay_in_the_pool(classes: int, share: float, hidden: int) -> None:
    layout = changed(f"unseen(share={share})", clean(classes=classes))
    layout = replace(layout, start=replace(layout.start, count=60)).begun(np.random.default_rng(0))
    seen = np.bincount(layout.pool_y[layout.initial], minlength=classes)
    assert (seen == 0).sum() == hidden
    assert seen.sum() == len(set(layout.initial.tolist())) == 60
    assert (counts(layout) > 0).all()


def test_unseen_classes_are_drawn_by_the_initial_seed() -> None:
    drawn = [changed("unseen", seeds={**SEEDS, "initial": k}).start.unseen for k in range(10)]
    assert len(set(drawn)) > 2
    assert changed("unseen", seeds={**SEEDS, "split": 9}).start == changed("unseen").start


def test_a_clean_start_has_every_class_and_twice_as_many_labels() -> None:
    layout = clean().begun(np.random.default_rng(3))
    assert len(layout.initial) == 8
    assert set(layout.pool_y[layout.initial]) == set(range(4))
    assert len(clean(kind="regression").begun(np.random.default_rng(3)).initial) == 10


# ------------------------------------------------------------- redundancy, shift, columns


def test_redundancy_fills_the_pool_with_near_duplicates_of_the_same_label() -> None:
    from sklearn.neighbors import NearestNeighbors

    before = clean(pool=600)
    after = changed("redundancy(copies=4,jitter=0.01)", before)
    assert len(after.pool_y) == 600
    away, near = NearestNeighbors(n_neighbors=6).fit(after.pool_x).kneighbors()
    assert np.median(away[:, 3]) < 0.1  # five alike: four others are next to each row
    assert np.median(away[:, 4]) > 2 * np.median(away[:, 3])
    assert (after.pool_y[near[:, :4]] == after.pool_y[:, None]).mean() > 0.9
    old = {tuple(row) for row in before.pool_x.tolist()}
    assert sum(tuple(row) in old for row in after.pool_x.tolist()) == 120
    assert before.pool_x.std(0) == pytest.approx(after.pool_x.std(0), rel=0.2)
    assert (counts(changed("redundancy(copies=500)", before)) > 0).all()


def test_jitter_is_in_units_of_each_column() -> None:
    before = clean(pool=300)
    after = changed("redundancy(copies=1,jitter=0.02)", before)
    place = {tuple(row): k for k, row in enumerate(before.pool_x.tolist())}
    exact = [tuple(row) in place for row in after.pool_x.tolist()]
    assert np.mean(exact) == 0.5
    # Every copy's original is in the pool: the nearest exact row; its differences have the columns' scale.
    from sklearn.neighbors import NearestNeighbors

    scaled = after.pool_x / before.pool_x.std(0)
    exact_rows, copies = scaled[np.array(exact)], scaled[~np.array(exact)]
    _, found = NearestNeighbors(n_neighbors=1).fit(exact_rows).kneighbors(copies)
    spread = (copies - exact_rows[found[:, 0]]).std(0)
    np.testing.assert_allclose(spread, 0.02, rtol=0.2)


def test_shift_moves_the_pool_and_nothing_else() -> None:
    before = clean()
    moved = []
    for tilt in (0.5, 1.0, 3.0):
        after = changed(f"shift(tilt={tilt})", before)
        assert len(after.pool_y) == pytest.approx(2000, abs=8)
        moved.append(float(np.linalg.norm((after.pool_x.mean(0) - before.pool_x.mean(0)) / before.pool_x.std(0))))
        assert after.guide_x is before.guide_x
        assert after.test_x is before.test_x
    assert 0.15 < moved[0] < moved[1] < moved[2]
    assert 0.7 < moved[2] < 0.8  # the upper half of a normal distribution lies 0.8 away
    same = changed("shift(tilt=3,keep=1)", before)
    np.testing.assert_array_equal(same.pool_x, before.pool_x)


def test_shift_goes_another_way_with_another_seed_and_keeps_every_class() -> None:
    before = clean()
    means = [changed("shift(tilt=5)", before, seeds={**SEEDS, "split": k}).pool_x.mean(0) for k in range(8)]
    assert np.std(np.sign(means), axis=0).min() > 0
    assert (counts(changed("shift(tilt=20,keep=0.001)", before)) >= 2).all()


def test_noise_columns_say_nothing_and_are_on_all_splits() -> None:
    before = clean()
    after = changed("noise_columns(count=5,scale=2)", before)
    unit = np.sqrt((before.pool_x.var(0)).mean())
    for name in ("pool_x", "guide_x", "test_x"):
        x = getattr(after, name)
        np.testing.assert_array_equal(x[:, :3], getattr(before, name))
        assert x.shape[1] == 8
        np.testing.assert_allclose(x[:, 3:].std(0), 2 * unit, rtol=0.15)
    assert np.abs(np.corrcoef(after.pool_x.T)[3:, :3]).max() < 0.06


# ---------------------------------------------------------------------- batch


def test_batches_grow_by_their_schedule() -> None:
    schedule = changed("batch(size=5,growth=1.25)").schedule
    assert [schedule.batch(loop, 0) for loop in range(6)] == [5, 6, 8, 10, 12, 15]
    assert changed("batch(growth=2)").schedule.batch(3, 0) == 80  # the task's own size
    shared = changed("batch(size=2,share=0.25)").schedule
    assert [shared.batch(0, labelled) for labelled in (4, 40, 400)] == [2, 10, 100]
    assert changed("batch(growth=100)").schedule.batch(10_000, 0) >= 10**9


# ---------------------------------------------------------------- composition


def test_changes_are_made_from_left_to_right() -> None:
    from sklearn.neighbors import NearestNeighbors

    def agreement(text: str) -> float:
        """Share of near-duplicates that are told the same wrong label."""
        layout = changed(text, clean(pool=2000))
        labels = told(layout)
        _, near = NearestNeighbors(n_neighbors=1).fit(layout.pool_x).kneighbors()
        wrong = labels != layout.pool_y
        return float((labels[near[:, 0]] == labels)[wrong].mean())

    once, anew = (
        agreement("noise(rate=0.3)+redundancy(copies=9,jitter=0.001)"),
        agreement("redundancy(copies=9,jitter=0.001)+noise(rate=0.3)"),
    )
    assert once > 0.9  # the original was mislabelled, and its copies with it
    assert anew < 0.25  # each copy is labelled for itself


def test_an_oracle_follows_the_rows_that_later_changes_drop() -> None:
    noisy, dropped = changed("noise(rate=0.3)"), changed("noise(rate=0.3)+imbalance(ratio=0.1)")
    place = {tuple(row): k for k, row in enumerate(noisy.pool_x.tolist())}
    rows = np.array([place[tuple(row)] for row in dropped.pool_x.tolist()])
    np.testing.assert_array_equal(told(dropped), told(noisy)[rows])
    assert len(rows) < 3000


def test_a_change_draws_the_same_numbers_whatever_stands_beside_it() -> None:
    alone, beside = changed("imbalance(ratio=0.1)"), changed("noise(rate=0.2)+imbalance(ratio=0.1)")
    np.testing.assert_array_equal(alone.pool_x, beside.pool_x)
    np.testing.assert_array_equal(told(changed("noise(rate=0.2)")), told(changed("cold_start+noise(rate=0.2)")))


def test_everything_at_once() -> None:
    text = "imbalance(ratio=0.05)+redundancy(copies=2)+shift(tilt=1)+noise_columns(count=4)+noise(rate=0.3)"
    layout = changed(f"{text}+unseen+cold_start+batch(size=3,growth=1.5)").begun(np.random.default_rng(0))
    assert layout.pool_x.shape == (len(layout.pool_y), 7)
    assert (counts(layout) > 0).all()
    assert len(layout.initial) == 2
    assert 0.2 < (told(layout) != layout.pool_y).mean() < 0.4
    assert layout.schedule.batch(2, 0) == 7


def test_a_clean_regime_changes_nothing() -> None:
    before = clean()
    assert changed("clean", before) is before
    assert isinstance(before.oracle, Truth)


@pytest.mark.parametrize("text", ["imbalance(ratio=0.1)", "unseen", "noise(rate=0.1,kind='confusion')"])
def test_changes_about_classes_refuse_a_regression(text: str) -> None:
    with pytest.raises(metaal.TaskError, match="this task is a regression"):
        changed(text, clean(kind="regression"))


@pytest.mark.parametrize("text", ["redundancy(copies=3)", "shift(tilt=1)", "noise_columns(count=3)", "batch(size=2)"])
def test_other_changes_take_a_regression(text: str) -> None:
    layout = changed(text, clean(kind="regression")).begun(np.random.default_rng(0))
    assert told(layout).dtype == np.float64
    assert len(layout.initial) == 10


def test_inputs_of_a_change_are_not_written() -> None:
    layout = clean(pool=500)
    for name in ("pool_x", "pool_y", "guide_x", "guide_y", "test_x"):
        getattr(layout, name).flags.writeable = False
    text = "imbalance(ratio=0.1)+redundancy(copies=2)+shift(tilt=1)+noise_columns(count=2)+noise(rate=0.3)+unseen"
    told(changed(text, layout))
