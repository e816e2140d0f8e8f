"""The contract of a learner: it survives what the first labels of a run can be, learns, and repeats."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from metaal.rehearsal.learners import Fitted, Learner, find_learner, fit_learner
from metaal.rehearsal.testing_saying import global_generator_unused, run_all, say

LEARNER_CHECKS: dict[str, Callable[[Learner], None]] = {}
CLASSES = 3
_X = np.random.default_rng(0).normal(size=(40, 3))
FEW: dict[str, tuple[np.ndarray, list[int]]] = {
    "one row": (_X[:1], [2]),
    "rows of one class or value": (_X[:8], [1] * 8),
    "one row a class": (_X[:3], [0, 1, 2]),
    "two rows of two classes": (_X[:2], [0, 2]),
    "constant features": (np.ones((9, 3)), [0, 1, 2] * 3),
    "rows that repeat": (np.repeat(_X[:2], 5, axis=0), [0, 1] * 5),
    "a single column": (_X[:9, :1], [0, 1, 2] * 3),
}
"""What a run may know at first: features, and class codes that are the values of a regression as well."""


def check_learner(learner: str | Learner) -> None:
    """Run every check on a learner.

    Parameters
    ----------
    learner : str or Learner
        The name of a registered one, or an entry.

    Raises
    ------
    AssertionError
        A check fails; its name comes first.

    Examples
    --------
    >>> check_learner("naive_bayes")
    """
    entry = find_learner(learner) if isinstance(learner, str) else learner
    run_all(LEARNER_CHECKS, f"learner {entry.name}", entry)


def _check(function: Callable[[Learner], None]) -> Callable[[Learner], None]:
    LEARNER_CHECKS[function.__name__] = function
    return function


def _fit(entry: Learner, x: np.ndarray, y: Any, seed: int = 1) -> Fitted:
    numbers = entry.kind == "regression"
    values = np.asarray(y, dtype=np.float64 if numbers else np.int64)
    return fit_learner(entry.make(seed), x, values, kind=entry.kind, classes=0 if numbers else CLASSES, entry=entry)


def _problem(entry: Learner) -> tuple[np.ndarray, np.ndarray]:
    """Something easy: 120 rows of 4 columns, of which two decide."""
    x = np.random.default_rng(3).normal(size=(120, 4))
    if entry.kind == "regression":
        return x, 10 + 3 * x[:, 0] - x[:, 1]
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0.5)


@_check
def declares_itself(entry: Learner) -> None:
    """A name, a kind, and a sentence for the list."""
    say(entry.name.isidentifier() and entry.name.isascii(), f"the name {entry.name!r} is no ASCII identifier")
    say(entry.kind in ("classification", "regression"), f"the kind is {entry.kind!r}")
    good = entry.summary.endswith(".") and entry.summary.isprintable() and len(entry.summary) > 10
    say(good, f"the summary is {entry.summary!r}; begin the docstring with a sentence in one line")


@_check
def makes_a_new_estimator(entry: Learner) -> None:
    """Unfitted, another one at each call, with what a rehearsal calls and the parameters that a log names."""
    one, two = entry.make(0), entry.make(0)
    say(one is not two, "make gives the same object twice")
    needed = ("fit", "get_params", "predict_proba" if entry.kind == "classification" else "predict")
    for name in needed:
        say(callable(getattr(one, name, None)), f"a {type(one).__name__} has no {name}()")
    say(not hasattr(one, "classes_"), "the estimator is fitted already")

    def shown(model: Any) -> list[str]:
        # where a function lies in memory is another place in every process
        return [re.sub(r" at 0x[0-9a-f]+", "", repr(pair)) for pair in sorted(model.get_params().items())]

    say(shown(one) == shown(two), f"get_params() differs from call to call: {shown(one)}, {shown(two)}")


@_check
def works_on_one_core(entry: Learner) -> None:
    """Rehearsals run one process a core; threads inside of it make them wait for each other."""
    jobs = {key: value for key, value in entry.make(0).get_params().items() if key.split("__")[-1] == "n_jobs"}
    wrong = {key: value for key, value in jobs.items() if value not in (None, 1)}
    say(not wrong, f"it takes more than one core: {wrong}; set n_jobs=1")


@_check
def survives_few_rows(entry: Learner) -> None:
    """Whatever few rows it was fitted on, it answers for every row and class, with numbers."""
    for case, (x, y) in FEW.items():
        try:
            out = _fit(entry, x, y).output(_X[:, : x.shape[1]])
        except Exception as error:
            raise AssertionError(f"{case}: {type(error).__name__}: {error}; adapt= can change the estimator") from error
        say(np.isfinite(out).all(), f"{case}: an answer is not finite")
        if entry.kind == "classification":
            say(out.shape == (len(_X), CLASSES), f"{case}: answers have the shape {out.shape}")
            say((out >= 0).all() and np.allclose(out.sum(1), 1), f"{case}: the rows are no probabilities")
            unseen = [c for c in range(CLASSES) if c not in y]
            # A model that knows nothing may say so; else a class without a label has no chance.
            say(np.allclose(out, 1 / CLASSES) or not out[:, unseen].any(), f"{case}: classes without a label get some")
        else:
            say(out.shape == (len(_X),), f"{case}: answers have the shape {out.shape}")


@_check
def repeats_with_its_seed(entry: Learner) -> None:
    """The same seed and rows give the same answers to the last bit, and no other generator is touched."""
    x, y = _problem(entry)
    with global_generator_unused():
        one = _fit(entry, x[:60], y[:60], seed=7).output(x[60:])
    np.random.default_rng(0).random(1000)
    two = _fit(entry, x[:60], y[:60], seed=7).output(x[60:])
    say(np.array_equal(one, two), f"the same seed gives other answers (by {np.abs(one - two).max():.3g})")


@_check
def learns(entry: Learner) -> None:
    """On an easy problem it beats what knows no features."""
    x, y = _problem(entry)
    out, truth = _fit(entry, x[:80], y[:80]).output(x[80:]), y[80:]
    if entry.kind == "classification":
        mine, dull = float((out.argmax(1) == truth).mean()), float(np.bincount(truth).max() / len(truth))
        say(mine > dull, f"accuracy {mine:.2f} on an easy problem; always the commonest class has {dull:.2f}")
    else:
        mine, dull = float(np.mean((out - truth) ** 2)), float(truth.var())
        say(mine < dull, f"mean squared error {mine:.3g} on an easy problem; the mean has {dull:.3g}")


@_check
def answers_each_row_for_itself(entry: Learner) -> None:
    """What it says of a row does not depend on the other rows that it is asked about."""
    x, y = _problem(entry)
    model = _fit(entry, x[:60], y[:60])
    some, every = model.output(x[60:70]), model.output(x[60:])[:10]
    say(np.allclose(some, every, rtol=1e-6, atol=1e-8), "asked about other rows too, it answers otherwise")


@_check
def leaves_its_input_alone(entry: Learner) -> None:
    """Arrays that cannot be written are enough."""
    x, y = (array.copy() for array in _problem(entry))
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    try:
        _fit(entry, x, y).output(x)
    except ValueError as error:
        say("read-only" not in str(error), f"it writes into its input ({error}); copy it first")
        raise
    say(np.array_equal(x, before[0]) and np.array_equal(y, before[1]), "it changed the rows or the labels")


@_check
def goes_to_another_process(entry: Learner) -> None:
    """Pickled, the estimator is the same one."""
    x, y = _problem(entry)
    try:
        moved = pickle.loads(pickle.dumps(entry.make(7)))  # noqa: S301 - of this process's own making
    except Exception as error:
        raise AssertionError(f"it cannot be pickled, so no worker can have it: {error}") from error
    classes = 0 if entry.kind == "regression" else CLASSES
    there = fit_learner(moved, x[:60], y[:60], kind=entry.kind, classes=classes, entry=entry).output(x[60:])
    here = _fit(entry, x[:60], y[:60], seed=7).output(x[60:])
    say(np.array_equal(there, here), "after pickling it answers otherwise")
