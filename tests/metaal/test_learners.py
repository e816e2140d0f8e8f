"""Learners: every one of them survives what the first labels of a run can be, and repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import get_config
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import metaal
from metaal import Task, play
from metaal.rehearsal import LEARNERS, make_learner
from metaal.rehearsal.learners import find_learner, fit_learner, learner, registry
from metaal.rehearsal.learners.svm_rbf import KernelMachine
from metaal.rehearsal.playing import layout_of

CLASSIFIERS = [name for name, entry in LEARNERS.items() if entry.kind == "classification"]
REGRESSORS = [name for name, entry in LEARNERS.items() if entry.kind == "regression"]
X = np.random.default_rng(0).normal(size=(40, 3))


def test_the_registry_holds_the_learners_of_the_documentation() -> None:
    assert set(CLASSIFIERS) == {
        *("logistic", "extra_trees", "lightgbm", "svm_rbf", "nearest_neighbours", "naive_bayes", "mlp"),
    }
    assert set(REGRESSORS) == {"ridge", "forest", "lightgbm_regression", "gaussian_process"}
    assert all(entry.summary.endswith(".") for entry in LEARNERS.values())
    assert (len(LEARNERS), "logistic" in LEARNERS, "nothing" in LEARNERS) == (11, True, False)


def fitted(name: str, x: np.ndarray, y: Any, classes: int = 3) -> Any:
    entry = find_learner(name)
    count = classes if entry.kind == "classification" else 0
    return fit_learner(entry.make(1), x, np.asarray(y), kind=entry.kind, classes=count, entry=entry)


FEW = {
    "one row": (X[:1], [2]),
    "one class only": (X[:8], [1] * 8),
    "one row a class": (X[:3], [0, 1, 2]),
    "two rows of two classes": (X[:2], [0, 2]),
    "constant features": (np.ones((9, 3)), [0, 1, 2] * 3),
    "rows that repeat": (np.repeat(X[:2], 5, axis=0), [0, 1] * 5),
    "a single column": (X[:9, :1], [0, 1, 2] * 3),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("case", FEW)
def test_every_classifier_survives_few_rows(name: str, case: str) -> None:
    x, y = FEW[case]
    proba = fitted(name, x, y).output(X[:, : x.shape[1]])
    assert proba.shape == (40, 3)
    assert np.isfinite(proba).all()
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(1), 1)
    unseen = [c for c in range(3) if c not in y]
    if not np.allclose(proba, 1 / 3):  # naive Bayes may know nothing
        assert (proba[:, unseen] == 0).all()


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("case", FEW)
def test_every_regressor_survives_few_rows(name: str, case: str) -> None:
    x, y = FEW[case]
    model = fitted(name, x, np.array(y, dtype=float))
    out = model.output(X[:, : x.shape[1]])
    assert out.shape == (40,)
    assert np.isfinite(out).all()
    if len(set(y)) == 1:
        assert (out == y[0]).all()
        assert model.model is None


@pytest.mark.parametrize("name", LEARNERS)
def test_no_rows_get_no_answers(name: str) -> None:
    kind = LEARNERS[name].kind
    out = fitted(name, X[:9], np.array([0, 1, 2] * 3, dtype=float if kind == "regression" else int)).output(X[:0])
    assert out.shape == ((0,) if kind == "regression" else (0, 3))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_repeats_with_its_seed_and_learns(name: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 4))
    if LEARNERS[name].kind == "regression":
        y: np.ndarray = 10 + 3 * x[:, 0] - x[:, 1]
        one, two = (fitted(name, x[:60], y[:60]).output(x[60:]) for _ in range(2))
        assert np.mean((one - y[60:]) ** 2) < 0.5 * y.var()
    else:
        y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
        one, two = (fitted(name, x[:60], y[:60]).output(x[60:]) for _ in range(2))
        assert (one.argmax(1) == y[60:]).mean() > 0.6
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["extra_trees", "mlp", "forest"])
def test_the_seed_reaches_the_learners_that_draw(name: str) -> None:
    y = np.array([0, 1, 2] * 10)
    first, second = (
        fit_learner(find_learner(name).make(seed), X[:30], y, kind=LEARNERS[name].kind, classes=3).output(X[30:])
        for seed in (1, 2)
    )
    assert not np.array_equal(first, second)


def test_class_columns_stay_in_their_place_where_classes_are_missing() -> None:
    proba = fitted("logistic", X[:20], [1, 4] * 10, classes=6).output(X)
    assert (proba[:, [0, 2, 3, 5]] == 0).all()
    plain = LogisticRegression(C=1.0, max_iter=300).fit(X[:20], [1, 4] * 10).predict_proba(X)
    np.testing.assert_array_equal(proba[:, [1, 4]], plain)


def test_the_kernel_machine_is_svc_with_probabilities_that_follow_its_decisions() -> None:
    from sklearn.datasets import load_iris, load_wine

    x, y = load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    two = y < 2
    own, svc = KernelMachine().fit(x[two], y[two]), SVC(C=10.0).fit(x[two], y[two])
    order = np.argsort(svc.decision_function(x[two]), kind="stable")
    assert (np.diff(own.predict_proba(x[two])[order, 1]) >= 0).all()
    np.testing.assert_array_equal(own.predict(x[two]), svc.predict(x[two]))
    np.testing.assert_allclose(own.predict_proba(x[two])[:, 1], 1 / (1 + np.exp(-3 * svc.decision_function(x[two]))))
    x, y = load_iris(return_X_y=True)
    own = KernelMachine().fit(x[::2], y[::2])
    proba = own.predict_proba(x[1::2])
    np.testing.assert_allclose(proba.sum(1), 1)
    assert (own.predict(x[1::2]) == y[1::2]).mean() > 0.93
    # Where the pairs agree with one another, coupling gives back the probabilities that made them.
    truth = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    own.svc_ = type("Stub", (), {"decision_function": lambda self, X: _log_odds(truth) / 3.0})()
    np.testing.assert_allclose(own.predict_proba(truth), truth)


def _log_odds(proba: np.ndarray) -> np.ndarray:
    first, other = np.triu_indices(proba.shape[1], 1)
    return np.log(proba[:, first] / proba[:, other])


def test_the_kernel_machine_is_an_estimator_that_can_be_cloned_and_observed() -> None:
    from sklearn.base import clone

    model = clone(KernelMachine(C=2.0)).set_params(gamma=0.5)
    assert repr(model) == "KernelMachine(C=2.0, gamma=0.5)"
    with pytest.raises(ValueError, match="no parameter 'c'"):
        model.set_params(c=1)
    y = np.array([0, 1, 2] * 10)
    given = metaal.outputs(model.fit(X[:30], y), X[30:], want=["margin"])
    np.testing.assert_array_equal(given["proba"], model.predict_proba(X[30:]))


def test_many_classes_are_coupled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from metaal.rehearsal.learners import svm_rbf

    y = np.arange(40) % 8
    model = KernelMachine().fit(X, y)
    whole = model.predict_proba(X)
    monkeypatch.setattr(svm_rbf, "BLOCK", 300)
    np.testing.assert_allclose(model.predict_proba(X), whole, rtol=1e-12)


class Watched(LogisticRegression):
    """Notes whether scikit-learn would check its parameters and its rows."""

    def __init__(self, C: float = 1.0) -> None:
        super().__init__(C=C)

    def fit(self, X: Any, y: Any) -> Any:
        self.while_fitted_ = get_config()
        return super().fit(X, y)

    def predict_proba(self, X: Any) -> Any:
        self.while_asked_ = get_config()
        return super().predict_proba(X)


@pytest.mark.parametrize("ours", [True, False])
def test_the_registrys_learners_are_spared_scikit_learns_checks_and_nobody_elses(ours: bool) -> None:
    """What is skipped changes no bit of the outputs, and only for as long as the model is at work."""
    y = np.arange(40) % 3
    entry = find_learner("logistic") if ours else None
    fitted = fit_learner(Watched(), X, y, kind="classification", classes=3, entry=entry)
    output = fitted.output(X)
    model = fitted.model
    assert model.while_fitted_["assume_finite"] is model.while_asked_["assume_finite"] is ours
    assert model.while_fitted_["skip_parameter_validation"] is ours
    assert not get_config()["assume_finite"]
    assert not get_config()["skip_parameter_validation"]
    plain = LogisticRegression().fit(X, y).predict_proba(X)
    assert np.array_equal(output, plain / plain.sum(1, keepdims=True))


def test_an_estimator_of_the_users_is_told_what_is_wrong_with_its_parameters() -> None:
    with pytest.raises(ValueError, match="'C' parameter"):
        fit_learner(LogisticRegression(C=-1.0), X, np.arange(40) % 3, kind="classification", classes=3)


def test_unknown_learners_get_the_nearest_name() -> None:
    with pytest.raises(metaal.TaskError, match=r"logistik.*logistic"):
        Task("iris", "logistik")
    with pytest.raises(metaal.TaskError, match="no learner"):
        make_learner("", 0)


def test_estimators_without_probabilities_are_refused_with_the_wrapper_to_use() -> None:
    with pytest.raises(metaal.TaskError, match=r"predict_proba; wrap it in CalibratedClassifierCV"):
        Task("iris", LinearSVC())
    for wrong in (LogisticRegression, object(), 3):
        with pytest.raises(metaal.TaskError, match="unfitted estimator"):
            Task("iris", wrong)
    for kept in (CalibratedClassifierCV(LinearSVC()), make_pipeline(StandardScaler(), LogisticRegression())):
        assert Task("iris", kept).learner_name == type(kept).__name__


@pytest.mark.parametrize("learner_of_user", [DecisionTreeClassifier(max_depth=3), make_pipeline(LogisticRegression())])
def test_any_classifier_of_the_users_is_played_and_repeats(learner_of_user: Any) -> None:
    task = Task("iris", learner_of_user, batch=5, budget=15, regime="unseen")
    first, second = (play("margin", task).curve["accuracy"].tolist() for _ in range(2))
    assert first == second
    assert first[-1] > first[0]


def test_random_states_inside_of_a_pipeline_are_set() -> None:
    task = Task("iris", make_pipeline(StandardScaler(), DecisionTreeClassifier(splitter="random")))
    states = [task.new_learner(10).named_steps["decisiontreeclassifier"].random_state for _ in range(2)]
    assert states[0] == states[1] is not None
    assert task.new_learner(11).named_steps["decisiontreeclassifier"].random_state != states[0]


def test_learners_and_data_of_different_kinds_are_refused_with_those_that_fit() -> None:
    for task, words in (
        (Task("diabetes", "logistic"), "logistic is for classification, and diabetes is a regression.*ridge"),
        (Task("iris", "ridge"), "ridge is for regression, and iris is a classification.*extra_trees"),
        (Task("iris", LinearRegression()), "LinearRegression is for regression"),
        (Task("diabetes", DecisionTreeClassifier()), "is for classification"),
    ):
        with pytest.raises(metaal.TaskError, match=words):
            task.lay_out()


@pytest.fixture
def no_kept_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_found", dict(registry._found))


@pytest.mark.usefixtures("no_kept_learners")
def test_a_third_party_learner_is_one_decorator() -> None:
    @learner("stump", kind="classification")
    def stump(seed: int) -> Any:
        """One split."""
        return DecisionTreeClassifier(max_depth=1, random_state=seed)

    assert LEARNERS["stump"].summary == "One split."
    assert play("margin", Task("iris", "stump", batch=5, budget=10)).curve["labels"].tolist() == [6, 11, 16]
    with pytest.raises(metaal.TaskError, match="taken"):
        learner("stump", kind="classification")(lambda seed: None)
    for name, kind in (("two words", "classification"), ("good", "ranking")):
        with pytest.raises(metaal.TaskError, match="identifier"):
            learner(name, kind=kind)  # type: ignore[arg-type]


def test_fits_on_the_same_rows_in_another_task_draw_other_seeds() -> None:
    task = Task("iris", "extra_trees", seeds=1)
    other = replace(task, seeds=metaal.Seeds(1, 1, 2, 1))
    assert task.new_learner(6).random_state != other.new_learner(6).random_state
    layout = layout_of(task)
    np.testing.assert_array_equal(layout.initial, layout_of(other).initial)


class Offered:
    """An entry point of another package."""

    def __init__(self, load: Any) -> None:
        self.name, self.value, self.load = "theirs", "their.package", load


@pytest.mark.usefixtures("no_kept_learners")
def test_learners_of_other_packages_are_found_and_broken_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def good() -> None:
        learner("stump", kind="classification")(lambda seed: DecisionTreeClassifier(max_depth=1, random_state=seed))

    def bad() -> None:
        raise ImportError("no such module")

    monkeypatch.setattr(registry, "_loaded", {"own"})
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [Offered(bad), Offered(good)] if "learners" in group else []
    )
    with pytest.warns(UserWarning, match=r"'theirs' \(their.package\).*ImportError: no such module"):
        assert Task("iris", "stump").name == "iris~stump~b10"
    assert "stump" in LEARNERS
