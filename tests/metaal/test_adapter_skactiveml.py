"""A run as a scikit-activeml query strategy: same rows as the plain loop, scikit-activeml's demands, restarts.

The generic test templates of scikit-activeml are not in its wheel; what they demand of every strategy is tested here in
our words, but for one thing: a query that is repeated without any label is refused by a run, not repeated.
"""

from __future__ import annotations

import copy
import doctest
import inspect
import pickle

import numpy as np
import pytest
from skactiveml.base import SingleAnnotatorPoolQueryStrategy
from skactiveml.classifier import ParzenWindowClassifier, SklearnClassifier
from skactiveml.exceptions import MappingError
from skactiveml.pool import SubSamplingWrapper
from skactiveml.utils import call_func, is_labeled, unlabeled_indices
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from metaal import EmptyPoolError, InputError, OutOfTurnError, Prices, Run
from metaal.adapters import skactiveml as adapter
from metaal.adapters.skactiveml import RunQueryStrategy
from metaal.policies.learned import untrained
from metadata_store import open_store

X, Y = load_iris(return_X_y=True)
SEEDS = np.arange(0, 150, 25)
LEARNED = untrained("margin", Prices(label=1.0), {})


def spelling(policy):
    return getattr(policy, "spelling", policy)


def begin(policy="margin", store=None, **more):
    return Run("r", policy=policy, seed=3, stream="s", store=store or open_store("memory:"), **more)


def classifier(classes=(0, 1, 2), **more):
    return SklearnClassifier(LogisticRegression(solver="newton-cholesky"), classes=list(classes), **more)


def start(y=Y, seeds=SEEDS):
    """Labels with nan for those that are not known yet."""
    out = np.full(len(y), np.nan)
    out[seeds] = y[seeds]
    return out


def loop(strategy, loops, n=5, x=X, y=Y, seeds=SEEDS, known=None):
    """The usual scikit-activeml loop; returns the rows picked and the labels known."""
    known, picked = start(y, seeds) if known is None else known, []
    for _ in range(loops):
        rows = strategy.query(x, known, classifier(np.unique(y).tolist()), batch_size=n)
        known[rows] = y[rows]
        picked.append(rows.tolist())
    return picked, known


def plain(run, loops, n=5, x=X, y=Y, seeds=SEEDS):
    """The same loop with ask and tell."""
    seen, picked = seeds, []
    for _ in range(loops):
        left = np.setdiff1d(np.arange(len(x)), seen)
        fit = LogisticRegression(solver="newton-cholesky").fit(x[seen], y[seen])
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
        seen = np.union1d(seen, query.ids)
    return picked


@pytest.mark.parametrize("policy", ["margin", "k_center", "uniform", "schedule", "default", LEARNED], ids=spelling)
def test_picks_what_the_plain_loop_picks(policy):
    ours, by_hand = begin(policy), begin(policy)
    assert loop(RunQueryStrategy(ours), 5)[0] == plain(by_hand, 5)
    assert ours.history.actions == by_hand.history.actions
    told = {key: label for key, label in by_hand.labels.items() if key in ours.labels}
    assert ours.labels == told
    assert len(told) == 20  # the fifth batch is found by the sixth query


def test_picks_what_the_plain_loop_picks_on_digits():
    x, y = load_digits(return_X_y=True)
    x, y = x[y < 4, 16:48][:200] / 16, y[y < 4][:200]
    seeds = np.arange(30)
    assert loop(RunQueryStrategy(begin()), 3, 10, x, y, seeds)[0] == plain(begin(), 3, 10, x, y, seeds)


def test_equal_rows_are_told_apart_by_their_number():
    x, y = np.repeat(X, 2, axis=0), np.repeat(Y, 2)
    run = begin()
    picked, known = loop(RunQueryStrategy(run), 4, 5, x, y, 2 * SEEDS)
    assert len(np.unique(picked)) == 20
    assert run.labels == {row: y[row] for row in np.concatenate(picked[:3]).tolist()}
    assert is_labeled(known).sum() == 26


def test_whole_numbers_stay_whole_numbers_in_the_log():
    run = begin()
    loop(RunQueryStrategy(run), 2)
    assert {type(label) for label in run.labels.values()} == {int}


@pytest.mark.parametrize(
    ("missing", "classes", "dtype"),
    [
        (np.nan, [1.0, 2.0], float),
        (0, [1, 2], int),
        (None, [1, 2], object),
        (None, ["A", "B"], object),
        ("", ["A", "B"], str),
    ],
)
def test_every_kind_of_missing_label(missing, classes, dtype):
    y = np.full(20, missing, dtype="U1" if dtype is str else dtype)
    y[0], y[1] = classes
    run = begin()
    strategy = RunQueryStrategy(run, missing_label=missing)
    clf = ParzenWindowClassifier(classes=classes, missing_label=missing)
    rows = strategy.query(X[::7][:20], y, clf, batch_size=3)
    y[rows] = classes[1]
    strategy.query(X[::7][:20], y, clf, batch_size=3)
    assert run.labels == dict.fromkeys(rows.tolist(), classes[1])


@pytest.mark.parametrize("policy", ["margin", "uniform", "schedule", LEARNED], ids=spelling)
@pytest.mark.parametrize("labelled", [False, True])
def test_a_killed_process_goes_on_as_if_unbroken(tmp_path, policy, labelled):
    """New objects on the same store: killed before the answer, the pending rows come again; after it, the next."""
    whole = loop(RunQueryStrategy(begin(policy)), 4)[0]
    with Run(tmp_path / "store" / "r", policy=policy, seed=3, stream="s") as run:
        picked, known = loop(RunQueryStrategy(run), 3)
    if not labelled:
        known[picked.pop()] = np.nan
    with Run.resume(tmp_path / "store" / "r", policy=None if isinstance(policy, str) else policy) as run:
        picked += loop(RunQueryStrategy(run), 4 - len(picked), known=known)[0]
        assert picked == whole
        assert len(run.history) == 4


def test_rows_labelled_in_part_and_late():
    run = begin()
    strategy, known = RunQueryStrategy(run), start()
    first = strategy.query(X, known, classifier(), batch_size=5)
    known[first[:2]] = Y[first[:2]]
    second = strategy.query(X, known, classifier(), batch_size=5)
    assert not set(first) & set(second)
    assert sorted(run.pending.ids) == sorted([*first[2:], *second])
    known[second], known[first[2:]] = Y[second], Y[first[2:]]
    strategy.query(X, known, classifier(), batch_size=5)
    assert run.labels == {row: Y[row] for row in [*first, *second]}
    assert run.history.series("oracle.late")[1] == 3


def test_after_a_restart_rows_that_wait_since_earlier_loops_are_not_handed_out_again():
    store, known = open_store("memory:"), start()
    strategy = RunQueryStrategy(begin(store=store))
    first = strategy.query(X, known, classifier(), batch_size=5)
    known[first[:2]] = Y[first[:2]]
    second = strategy.query(X, known, classifier(), batch_size=5)
    again = RunQueryStrategy(begin(store=store)).query(X, known, classifier(), batch_size=5)
    assert again.tolist() == second.tolist()


def test_asking_again_without_any_label_is_the_runs_own_error():
    run = begin()
    strategy = RunQueryStrategy(run)
    rows = strategy.query(X, start(), classifier(), batch_size=5)
    with pytest.raises(OutOfTurnError, match=r"ask\(\) was called twice"):
        strategy.query(X, start(), classifier(), batch_size=5)
    run.tell(Y[rows], score=0.9)  # told by hand, and then found in y as well
    known = start()
    known[rows] = Y[rows]
    strategy.query(X, known, classifier(), batch_size=5)
    assert len(run.labels) == 5


def test_utilities_are_ranks_over_the_rows_of_x():
    known = start()
    rows, utilities = RunQueryStrategy(begin()).query(X, known, classifier(), batch_size=4, return_utilities=True)
    assert utilities.shape == (4, 150)
    assert np.isnan(utilities[0]).sum() == is_labeled(known).sum()
    assert np.nanargmax(utilities, axis=1).tolist() == rows.tolist()
    assert np.isnan(utilities[3, rows[:3]]).all()
    assert utilities[0, rows].tolist() == [1.0, 0.75, 0.5, 0.25]


def test_candidates_are_row_numbers():
    some = np.array([70, 71, 133, 119])
    rows, utilities = RunQueryStrategy(begin()).query(X, start(), classifier(), True, None, some, 2, True)
    assert set(rows) <= set(some)
    assert np.isfinite(utilities[0]).sum() == 4
    every = RunQueryStrategy(begin()).query(X, start(), classifier(), candidates=unlabeled_indices(start()))
    assert every.tolist() == RunQueryStrategy(begin()).query(X, start(), classifier()).tolist()
    with pytest.raises(MappingError, match="index array"):
        RunQueryStrategy(begin()).query(X, start(), classifier(), candidates=X[some])
    with pytest.raises(ValueError, match="must not contain labeled"):
        RunQueryStrategy(begin()).query(X, start(), classifier(), candidates=SEEDS)


def test_a_classifier_that_is_fitted_already_and_weights():
    weights = np.linspace(0.1, 2, 150)
    fitted = classifier().fit(X, start(), weights)
    before = pickle.dumps(fitted)
    a = RunQueryStrategy(begin()).query(X, start(), fitted, fit_clf=False, batch_size=9)
    b = RunQueryStrategy(begin()).query(X, start(), classifier(), sample_weight=weights, batch_size=9)
    assert a.tolist() == b.tolist()
    assert pickle.dumps(fitted) == before
    unfitted = classifier()
    RunQueryStrategy(begin()).query(X, start(), unfitted)
    assert not hasattr(unfitted, "classes_")


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("X", "text", (ValueError, TypeError)),
        ("X", np.vstack([X, X]), ValueError),
        ("y", np.nan, TypeError),
        ("y", np.vstack([Y, Y]), ValueError),
        ("clf", np.nan, TypeError),
        ("clf", GaussianNB(), TypeError),
        ("clf", classifier(missing_label=-1), ValueError),
        ("fit_clf", "text", TypeError),
        ("sample_weight", np.ones(151), ValueError),
        ("candidates", np.nan, ValueError),
        ("candidates", [200], ValueError),
        ("batch_size", 0, ValueError),
        ("batch_size", 1.2, TypeError),
        ("return_utilities", "text", TypeError),
    ],
)
def test_wrong_arguments_are_refused_as_by_every_strategy(argument, value, error):
    run = begin()
    with pytest.raises(error):
        RunQueryStrategy(run).query(**{"X": X, "y": start(), "clf": classifier(), argument: value})
    assert len(run.history) == 0


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [("random_state", "text", ValueError), ("missing_label", dict, TypeError), ("run", "runs/r", InputError)],
)
def test_wrong_settings_are_refused_at_the_query(argument, value, error):
    strategy = RunQueryStrategy(**{"run": begin(), argument: value})
    assert getattr(strategy, argument) is value
    with pytest.raises(error):
        strategy.query(X, start(), classifier())


@pytest.mark.filterwarnings("ignore:'batch_size=10' is larger than number of candidates:UserWarning")
def test_the_last_rows_and_an_empty_pool():
    run = begin()
    strategy, known = RunQueryStrategy(run), Y.astype(float)
    known[[60, 70, 120]] = np.nan
    assert sorted(strategy.query(X, known, classifier(), batch_size=10)) == [60, 70, 120]
    assert strategy.stopped
    with pytest.raises(EmptyPoolError, match="every row has a label"):
        strategy.query(X, Y.astype(float), classifier(), batch_size=10)
    assert run.labels == {60: 1, 70: 1, 120: 2}  # told all the same


def test_a_pool_without_any_label():
    clf = ParzenWindowClassifier(classes=[0, 1, 2])
    assert len(RunQueryStrategy(begin("k_center")).query(X, np.full(150, np.nan), clf, batch_size=3)) == 3


def test_stop_is_seen_and_raised_and_logged_once():
    store = open_store("memory:")
    run = begin(budget=5, store=store)
    strategy = RunQueryStrategy(run)
    assert (strategy.stopped, strategy.last_query) == (False, None)
    _, known = loop(strategy, 1)
    assert not strategy.stopped
    for restart in (False, False, True):
        each = RunQueryStrategy(begin(budget=5, store=store)) if restart else strategy
        with pytest.raises(OutOfTurnError, match=r"the policy says stop .*budget of 5 labels is spent"):
            each.query(X, known, classifier())
        assert each.stopped
    assert (len(run.labels), run.history.actions) == (5, ("margin", "stop"))
    assert len(strategy.last_query) == 0


def test_another_table_than_before_is_refused():
    run = begin()
    strategy, known = RunQueryStrategy(run), start()
    known[strategy.query(X, known, classifier(), batch_size=5)] = 1
    with pytest.raises(InputError, match=r"X: row .* waits for a label, but X"):
        strategy.query(X[::-1], known[::-1], classifier())
    with pytest.raises(InputError, match=r"X: row .* waits for a label, but X \(40 rows\)"):
        RunQueryStrategy(run).query(X[:40], known[:40], classifier())
    assert run.labels == {}


def test_is_a_strategy_like_the_others():
    run = begin()
    strategy = RunQueryStrategy(run, embed=False, random_state=1)
    assert isinstance(strategy, SingleAnnotatorPoolQueryStrategy)
    assert list(inspect.signature(RunQueryStrategy).parameters) == ["run", "embed", "missing_label", "random_state"]
    twin = clone(strategy)
    assert twin.run is run
    assert twin.get_params() == strategy.get_params()
    assert "RunQueryStrategy" in repr(strategy)
    call_func(strategy.query, X=X, y=start(), clf=classifier(), reg=None, batch_size=2)
    assert copy.deepcopy(strategy).last_query is copy.copy(strategy).last_query is strategy.last_query
    assert clone(strategy).last_query is None
    assert pickle.loads(pickle.dumps(RunQueryStrategy)) is RunQueryStrategy  # noqa: S301
    with pytest.raises(TypeError, match="the one writer of an open store"):
        pickle.dumps(strategy)
    assert dir(adapter) == ["RunQueryStrategy"]
    with pytest.raises(AttributeError, match="has no attribute 'Strategy'"):
        adapter.Strategy  # noqa: B018


def test_subsampling_around_it_works():
    run = begin()
    wrapped = SubSamplingWrapper(RunQueryStrategy(run), max_candidates=20, random_state=0)
    known = start()
    for _ in range(3):
        rows = wrapped.query(X, known, clf=classifier(), batch_size=2)
        known[rows] = Y[rows]
    assert len(run.labels) == 4


def test_an_embedding_of_ones_own_and_none():
    arms = {}
    for name, embed in (("features", True), ("own", lambda x: x[:, :2]), ("none", False)):
        store = open_store("memory:")
        RunQueryStrategy(begin("uniform('random', 'k_center')", store), embed).query(X, start(), classifier())
        arms[name] = store.records("r")[-1].arrays["actions"].tolist()
    assert arms == {"features": ["random", "k_center"], "own": ["random", "k_center"], "none": ["random"]}


def test_the_example_runs():
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(RunQueryStrategy, "RunQueryStrategy", module=False, globs={}):
        runner.run(test)
    assert (runner.failures, runner.tries) == (0, 11)
