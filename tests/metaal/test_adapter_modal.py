"""A run as a modAL query strategy: same rows as the plain loop, labels found where teach puts them, restarts."""

from __future__ import annotations

import copy
import doctest
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from modAL.models import ActiveLearner, Committee
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression

from metaal import EmptyPoolError, InputError, OutOfTurnError, Prices, Run
from metaal.adapters import content, modal
from metaal.adapters.content import content_ids, row_digests
from metaal.adapters.modal import modal_query_strategy
from metaal.policies.learned import untrained
from metadata_store import open_store

X, Y = load_iris(return_X_y=True)
SEEDS = np.arange(0, 150, 25)
LEARNED = untrained("margin", Prices(label=1.0), {})


def spelling(policy):
    return getattr(policy, "spelling", policy)


def model():
    return LogisticRegression(solver="newton-cholesky")  # few steps: quick on a busy machine


def fitted(strategy, rows=SEEDS, x=X, y=Y):
    """A learner whose training set is rows; the constructor is the part of modAL that still fits."""
    return ActiveLearner(model(), query_strategy=strategy, X_training=x[rows], y_training=y[rows])


def teach(learner, x, y):
    """What ``learner.teach`` does where it works: append, and fit on everything."""
    learner.X_training = np.concatenate([learner.X_training, x])
    learner.y_training = np.concatenate([learner.y_training, y])
    learner.estimator.fit(learner.X_training, learner.y_training)


def loop(run, loops, n=5, x=X, y=Y, seeds=SEEDS):
    """The usual modAL loop, deleting taught rows; returns the rows picked, as positions in the whole data."""
    learner = fitted(modal_query_strategy(run), seeds, x, y)
    left, picked = np.setdiff1d(np.arange(len(x)), seeds), []
    for _ in range(loops):
        rows, instances = learner.query(x[left], n_instances=n)
        assert np.array_equal(instances, x[left[rows]])
        picked.append(left[rows].tolist())
        teach(learner, instances, y[left[rows]])
        left = np.delete(left, rows)
    return picked, learner, left


def plain(run, loops, n=5, x=X, y=Y, seeds=SEEDS):
    """The same loop with ask and tell."""
    seen, left, picked = list(seeds), np.setdiff1d(np.arange(len(x)), seeds), []
    for _ in range(loops):
        fit = model().fit(x[seen], y[seen])
        query = run.ask(
            n,
            ids=left,
            proba=fit.predict_proba(x[left]),
            embedding=x[left],
            seen_embedding=x[seen],
            seen_y=y[seen],
            classes=fit.classes_,
        )
        run.tell(y[query.ids])
        picked.append(query.ids.tolist())
        seen, left = [*seen, *query.ids], np.setdiff1d(left, query.ids)
    return picked


def begin(policy="margin", store=None, name="r", **more):
    return Run(name, policy=policy, seed=3, stream="s", store=store or open_store("memory:"), **more)


def a_query(learner, left, n=5):
    rows, _ = learner.query(X[left], n_instances=n)
    return rows


@pytest.mark.parametrize("policy", ["margin", "k_center", "uniform", "schedule", "default", LEARNED], ids=spelling)
def test_picks_what_the_plain_loop_picks(policy):
    by_modal, by_hand = begin(policy), begin(policy)
    assert loop(by_modal, 5)[0] == plain(by_hand, 5)
    assert by_modal.history.actions == by_hand.history.actions


def test_picks_what_the_plain_loop_picks_on_digits_with_text_labels():
    x, y = load_digits(return_X_y=True)
    x, y = x[y < 4, 16:48][:200] / 16, np.array([f"d{k}" for k in y[y < 4][:200]])
    assert loop(begin(), 3, 10, x, y, np.arange(30))[0] == plain(begin(), 3, 10, x, y, np.arange(30))


def test_each_query_tells_the_labels_that_were_taught():
    run = begin()
    picked, learner, left = loop(run, 2)
    assert len(run.labels) == 5  # the second batch is found by the third query
    learner.query(X[left], n_instances=5)
    assert list(run.labels.values()) == Y[np.concatenate(picked)].tolist()
    assert run.history.series("surprise.accuracy.batch").shape == (3,)


def test_teach_of_this_modal_fails_on_new_scikit_learn_only_where_the_docstring_says():
    """If this fails, modAL works again: use teach in these tests and change the docstring of the adapter."""
    learner = fitted(modal_query_strategy(begin()))
    with pytest.raises(TypeError, match=r"check_X_y\(\) got an unexpected keyword argument 'force_all_finite'"):
        learner.teach(X[:1], Y[:1])
    assert "force_all_finite" in (modal.__doc__ or "")


def test_modal_calls_the_strategy_once_even_for_two_rows():
    """modAL unpacks two values, and asks again if it cannot: bare indices would be torn apart or asked twice."""
    run = begin()
    learner = fitted(modal_query_strategy(run))
    rows, instances, query = learner.query(X[50:], n_instances=2, return_metrics=True)
    assert (len(rows), instances.shape, len(run.history)) == (2, (2, 4), 1)
    assert query is learner.query_strategy.last_query
    assert query.action == "margin"


def test_a_training_set_in_another_order_is_read_as_well():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    left = np.setdiff1d(np.arange(150), SEEDS)
    got = left[a_query(learner, left)]
    rows = np.sort(np.concatenate([SEEDS, got]))
    learner.X_training, learner.y_training = X[rows], Y[rows]
    a_query(learner, np.setdiff1d(left, got))
    assert list(run.labels.values()) == Y[got].tolist()


def test_rows_taught_in_part_and_late():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    left = np.setdiff1d(np.arange(150), SEEDS)
    first = left[a_query(learner, left)]
    teach(learner, X[first[:2]], Y[first[:2]])
    left = np.setdiff1d(left, first[:2])  # the other three stay in the pool, and wait
    second = left[a_query(learner, left)]
    assert not set(second) & set(first)
    assert len(run.pending) == 8
    teach(learner, X[[*second, *first[2:]]], Y[[*second, *first[2:]]])
    a_query(learner, np.setdiff1d(left, [*first, *second]))
    assert len(run.labels) == 10
    assert run.history.series("oracle.late")[1] == 3


def test_asking_again_without_any_label_is_the_runs_own_error():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    learner.query(X[50:], n_instances=3)
    with pytest.raises(OutOfTurnError, match=r"ask\(\) was called twice"):
        learner.query(X[50:], n_instances=3)
    assert len(run.history) == 1
    run.skip(run.pending.ids)
    learner.query(X[50:], n_instances=3)
    assert len(run.history) == 2


def test_labels_told_by_hand_are_not_told_twice():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    rows, instances = learner.query(X[50:], n_instances=3)
    strategy.tell(Y[50:][rows], score=0.5, seconds=0.1)
    teach(learner, instances, Y[50:][rows])
    learner.query(np.delete(X[50:], rows, axis=0), n_instances=3)
    assert len(run.labels) == 3
    assert run.history.series("score.value")[0] == 0.5


@pytest.mark.parametrize("policy", ["margin", "uniform", "schedule", LEARNED], ids=spelling)
@pytest.mark.parametrize("taught", [False, True])
def test_a_killed_process_goes_on_as_if_unbroken(tmp_path, policy, taught):
    """New objects on the same store: killed before the answer, the pending rows come again; after it, the next."""
    whole = loop(begin(policy), 4)[0]
    with Run(tmp_path / "store" / "r", policy=policy, seed=3, stream="s") as run:
        picked, learner, left = loop(run, 2)
        rows = a_query(learner, left)
        picked.append(left[rows].tolist())
        if taught:
            teach(learner, X[left[rows]], Y[left[rows]])
            left = np.delete(left, rows)
        x_training, y_training = learner.X_training, learner.y_training
    run = Run.resume(tmp_path / "store" / "r", policy=None if isinstance(policy, str) else policy)
    strategy = modal_query_strategy(run)
    learner = ActiveLearner(model(), strategy, X_training=x_training, y_training=y_training)
    rows = a_query(learner, left)
    if not taught:
        assert left[rows].tolist() == picked[-1]
        assert len(run.history) == 3
        teach(learner, X[left[rows]], Y[left[rows]])
        left = np.delete(left, rows)
        rows = a_query(learner, left)
    assert [*picked, left[rows].tolist()] == whole
    assert len(run.labels) == 15
    run.close()


def test_after_a_restart_rows_that_wait_since_earlier_loops_are_not_handed_out_again():
    store = open_store("memory:")
    strategy = modal_query_strategy(begin(store=store))
    learner = fitted(strategy)
    left = np.setdiff1d(np.arange(150), SEEDS)
    first = left[a_query(learner, left)]
    teach(learner, X[first[:1]], Y[first[:1]])
    left = np.setdiff1d(left, first)  # four rows left the pool, and are with the annotators
    second = left[a_query(learner, left)]
    strategy = learner.query_strategy = modal_query_strategy(begin(store=store))
    assert left[a_query(learner, left)].tolist() == second.tolist()
    assert len(strategy.last_query) == 5


@pytest.mark.parametrize("restart", [False, True])
def test_equal_rows_in_the_pool_and_in_the_training_set(restart):
    """A label that was there before, for an equal row, is not an answer; and no id is given to two rows."""
    store = open_store("memory:")
    strategy = modal_query_strategy(begin(store=store))
    x, y = np.repeat(X, 3, axis=0), np.repeat(Y, 3)  # three of each row, one of them in the training set
    seeds = np.arange(0, 450, 3)
    left = np.setdiff1d(np.arange(450), seeds)
    learner = fitted(strategy, seeds, x, y)
    got = left[learner.query(x[left], n_instances=4)[0]]
    if restart:
        strategy = learner.query_strategy = modal_query_strategy(begin(store=store))
        assert left[learner.query(x[left], n_instances=4)[0]].tolist() == got.tolist()
    with pytest.raises(OutOfTurnError):
        learner.query(x[left], n_instances=4)
    for loops in range(1, 6):
        teach(learner, x[got], y[got])
        left = np.setdiff1d(left, got)
        got = left[learner.query(x[left], n_instances=4)[0]]
        assert len(strategy.run.labels) == 4 * loops
        assert len(set(got)) == 4


def test_of_two_equal_rows_only_the_taught_one_is_told():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    pool = np.repeat(X[70:72], 2, axis=0)
    rows, instances = learner.query(np.concatenate([pool, X[:3]]), n_instances=4)
    assert sorted(rows) == [0, 1, 2, 3]
    strategy.tell([1], ids=run.pending.ids[:1])
    teach(learner, instances[:1], [1])
    learner.query(np.concatenate([pool[1:], X[:3]]), n_instances=1)
    assert list(run.labels.values()) == [1]


def test_ids_of_the_caller():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    names = np.array([f"flower{k}" for k in range(150)])
    left = np.setdiff1d(np.arange(150), SEEDS)
    rows, instances = learner.query(X[left], n_instances=3, ids=names[left])
    assert run.pending.ids.tolist() == names[left[rows]].tolist()
    teach(learner, instances, Y[left[rows]])
    got, left = left[rows], np.delete(left, rows)
    learner.query(X[left], n_instances=3, ids=names[left])
    assert run.labels == dict(zip(names[got], Y[got].tolist(), strict=True))


def test_ids_of_the_caller_after_a_restart():
    """Rows still in the pool are recognised; of rows that left it the labels are told by hand."""
    store = open_store("memory:")
    learner = fitted(modal_query_strategy(begin(store=store)))
    rows, instances = learner.query(X[50:], n_instances=3, ids=np.arange(50, 150))
    teach(learner, instances, Y[50:][rows])
    run = begin(store=store)
    strategy = learner.query_strategy = modal_query_strategy(run)
    left = np.setdiff1d(np.arange(50, 150), 50 + rows)
    with pytest.raises(OutOfTurnError, match=r"read run.pending, then tell\(\)"):
        learner.query(X[left], n_instances=3, ids=left)
    strategy.tell(Y[50 + rows], ids=50 + rows)
    learner.query(X[left], n_instances=3, ids=left)
    assert run.labels == dict(zip((50 + rows).tolist(), Y[50 + rows].tolist(), strict=True))


def test_stop_is_seen_and_raised_and_logged_once():
    store = open_store("memory:")
    run = begin(budget=4, store=store)
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    assert (strategy.stopped, strategy.last_query) == (False, None)
    rows, instances = learner.query(X[50:], n_instances=4)
    assert not strategy.stopped
    teach(learner, instances, Y[50:][rows])
    for _ in range(2):
        with pytest.raises(OutOfTurnError, match=r"the policy says stop .*budget of 4 labels is spent"):
            learner.query(np.delete(X[50:], rows, axis=0), n_instances=4)
    assert strategy.stopped
    assert len(strategy.last_query) == 0
    assert (len(run.labels), run.history.actions) == (4, ("margin", "stop"))
    learner.query_strategy = modal_query_strategy(begin(budget=4, store=store))
    assert learner.query_strategy.stopped
    with pytest.raises(OutOfTurnError, match="the policy says stop"):
        learner.query(X[50:], n_instances=4)
    run.end()
    with pytest.raises(OutOfTurnError, match="has ended"):
        learner.query_strategy.__class__(run)(learner, X[50:])


def test_the_last_rows_are_handed_out_with_a_stop():
    strategy = modal_query_strategy(begin())
    learner = fitted(strategy)
    rows, instances = learner.query(X[50:53], n_instances=5)
    assert sorted(rows) == [0, 1, 2]
    assert strategy.stopped
    teach(learner, instances, Y[50:53][rows])
    with pytest.raises(EmptyPoolError):
        learner.query(X[:0])
    assert len(strategy.run.labels) == 3  # told all the same


def test_labels_that_come_after_the_stop_are_told():
    run = begin(budget=3)
    learner = fitted(modal_query_strategy(run))
    rows, instances = learner.query(X[50:], n_instances=3)
    for part in ([0], [1, 2]):
        teach(learner, instances[part], Y[50:][rows[part]])
        with pytest.raises(OutOfTurnError, match="the policy says stop"):
            learner.query(X[50:], n_instances=3)
    assert list(run.labels.values()) == Y[50:][rows].tolist()


def test_errors_are_named_and_log_nothing():
    run = begin()
    strategy = modal_query_strategy(run)
    learner = fitted(strategy)
    with pytest.raises(EmptyPoolError, match="X_pool: the pool is empty"):
        learner.query(X[:0])
    with pytest.raises(InputError, match="n: got 0"):
        learner.query(X, n_instances=0)
    with pytest.raises(InputError, match="ids"):
        learner.query(X, ids=[1, 2])
    with pytest.raises(TypeError, match="colour"):
        learner.query(X, colour="red")
    with pytest.raises(InputError, match="run: got str, expected a metaal"):
        modal_query_strategy("runs/r")
    with pytest.raises(InputError, match="embed"):
        modal_query_strategy(run, embed="pca")
    assert len(run.history) == 0
    assert len(learner.query(X[50:])[0]) == 1


def test_what_near_means_is_the_callers_choice():
    """Shown: the features, the caller's vectors, or nothing; and then strategies that need them are out."""
    arms = {}
    for name, embed in (("features", True), ("own", lambda x: x[:, :2]), ("none", False)):
        store = open_store("memory:")
        fitted(modal_query_strategy(begin("uniform('random', 'k_center')", store), embed=embed)).query(X[60:])
        arms[name] = store.records("r")[-1].arrays["actions"].tolist()
    assert arms == {"features": ["random", "k_center"], "own": ["random", "k_center"], "none": ["random"]}


def test_sparse_pools_data_frames_and_committees():
    for pool in (sp.csr_matrix(X[50:]), pd.DataFrame(X[50:]), X[50:].tolist()):
        run = begin()
        learner = fitted(modal_query_strategy(run))
        if isinstance(pool, pd.DataFrame):
            pool.columns = pool.columns.astype(str)
            learner.estimator.fit(pd.DataFrame(X, columns=pool.columns), Y)
        assert len(learner.query(pool, n_instances=3)[0]) == 3
    run = begin()
    committee = Committee([ActiveLearner(model(), X_training=X[k::5], y_training=Y[k::5]) for k in range(2)])
    committee.query_strategy = modal_query_strategy(run)
    rows, instances = committee.query(X[50:], n_instances=3)
    for learner in committee:
        teach(learner, instances, Y[50:][rows])
    committee.query(np.delete(X[50:], rows, axis=0), n_instances=3)
    assert len(run.labels) == 3


def test_copies_of_a_learner_share_the_run():
    strategy = modal_query_strategy(begin())
    learner = fitted(strategy)
    assert clone(strategy, safe=False) is strategy
    assert copy.deepcopy(learner).query_strategy is strategy
    assert "Run('r'" in repr(strategy)


def test_digests_go_by_value():
    digests = row_digests(np.array([[0.0, 1], [-0.0, 1], [np.nan, 2]]), key=b"k")
    assert digests[0] == digests[1] != digests[2]
    assert digests[:2] == row_digests(np.array([[0, 1], [0, 1]], dtype=np.int8), key=b"k")
    assert digests != row_digests([[0.0, 1], [-0.0, 1], [np.nan, 2]], key=b"other")
    sparse = sp.csr_matrix([[0, 1.0], [0, 1], [2, 0]])
    sparse.data[:] = [1, 1, 2]
    ours = row_digests(sparse, key=b"k")
    assert ours[0] == ours[1] != ours[2]
    assert ours == row_digests(sp.vstack([sparse, sparse]), key=b"k")[3:]
    texts = row_digests(["ab", "c", "ab"], key=b"k")
    assert texts[0] == texts[2] != texts[1]
    frame = pd.DataFrame({"t": ["a", "b"], "n": [1, 2]})
    mixed = np.array([["a", 1], ["a", 1.0], [None, True]], dtype=object)
    assert len(set(row_digests(mixed, key=b"k"))) == 2
    assert row_digests(frame.to_numpy(), key=b"k") == row_digests(frame, key=b"k")
    assert row_digests(np.array(["2020-01-01"], dtype="M8[D]"), key=b"x" * 100)
    for bad, why in (([[1], [1, 2]], "unequal"), (3, "single int"), (np.array([{}, {}]), "a cell is a dict")):
        with pytest.raises(InputError, match=why):
            row_digests(bad, key=b"k")


def test_numbers_pass_over_what_is_labelled():
    assert content_ids(["a", "a", "b"], {"a-0": 1, "a-2": 1}) == ["a-1", "a-3", "b-0"]


def test_the_import_is_light():
    code = """
import sys, metaal.adapters.modal, metaal.adapters.skactiveml as other
dir(other)
print([name for name in ("modAL", "skactiveml", "sklearn", "pandas") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_examples_run():
    for module in (content, modal):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0
