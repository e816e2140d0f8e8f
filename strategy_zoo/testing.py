"""The contract of a strategy as checks that anyone can run on their own.

    from strategy_zoo.testing import check_strategy
    check_strategy("my_strategy(sharpness=2)")

Each check raises AssertionError with words. `CHECKS` maps names to checks, so that a test suite can show one line for
each: ``@pytest.mark.parametrize("check", CHECKS)``.
"""

from __future__ import annotations

import math
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from strategy_zoo._arrays import AXES
from strategy_zoo._samples import CALLABLES, arrays, degenerate, permuted_classes
from strategy_zoo.entry import propose, unmet
from strategy_zoo.errors import UnmetNeedError, ViewError, ZooError
from strategy_zoo.proposal import Proposal
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Strategy
from strategy_zoo.testing_kinds import CHECKS_STREAM, CHECKS_SYNTHESIS
from strategy_zoo.view import FIELDS, View

Check = Callable[[Strategy], None]
CHECKS: dict[str, Check] = {}
TASKS = {"classification", "regression", "multilabel"}

__all__ = ["CHECKS", "TASKS", "Check", "arrays", "check_strategy", "checks_for", "degenerate"]


def check_strategy(strategy: str | Strategy) -> None:
    """Run every check; the first failure raises AssertionError that names the check, the strategy and the reason.

    >>> check_strategy("margin")
    """
    known = get(strategy)
    for name, check in checks_for(known).items():
        try:
            check(known)
        except AssertionError as error:
            raise AssertionError(f"{known} fails {name}: {error}") from error


def checks_for(strategy: Strategy) -> dict[str, Check]:
    """The checks that a strategy has to pass, by name: those for all, and those for its kind."""
    return CHECKS | {"stream": CHECKS_STREAM, "synthesis": CHECKS_SYNTHESIS}.get(strategy.kind, {})


def _check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def _say(condition: bool, reason: str) -> None:
    # Not an assert statement: the checks must also work under python -O.
    if not condition:
        raise AssertionError(reason)


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def _compare(one: Proposal, two: Proposal, reason: str) -> None:
    _say(one.rows.tolist() == two.rows.tolist(), f"{reason}: rows {one.rows[:10]} against {two.rows[:10]}")
    _say(np.array_equal(one.score, two.score), f"{reason}: the rows agree, the scores differ")


@_check
def declares_itself(strategy: Strategy) -> None:
    """The class says what it is, what it needs, where it comes from."""
    for field in ("name", "family", "growth", "reference"):
        _say(bool(getattr(strategy, field)), f"{field} is empty; set it on the class")
    year = any(word.isdigit() and len(word) == 4 for word in strategy.reference.replace(",", " ").split())
    _say(year, f"the reference {strategy.reference!r} has no year; write author, year, title")
    summary = (type(strategy).__doc__ or "").strip()
    _say(bool(summary) and not summary.startswith(type(strategy).__name__ + "("), "the class has no docstring")
    _say(set(strategy.task) <= TASKS and bool(strategy.task), f"task is {strategy.task}, expected some of {TASKS}")
    unknown = set(strategy.needs) | set(strategy.uses)
    _say(unknown <= set(FIELDS), f"needs or uses {unknown - set(FIELDS)}, which a view doesn't have")


@_check
def same_generator_same_rows(strategy: Strategy) -> None:
    view = View(**arrays())
    _compare(
        propose(strategy, view, 9, _rng()), propose(strategy, view, 9, _rng()), "two calls with equal generators differ"
    )


@_check
def ignores_global_state(strategy: Strategy) -> None:
    """Neither draws from nor seeds numpy's global generator."""
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    propose(strategy, View(**arrays()), 9, _rng())
    after = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    _say(before == after, "it changed numpy's global generator; draw from the rng that is passed")


@_check
def deterministic_unless_declared(strategy: Strategy) -> None:
    if not strategy.stochastic:
        view = View(**arrays())
        _compare(
            propose(strategy, view, 9, _rng(1)),
            propose(strategy, view, 9, _rng(2)),
            "stochastic is False, but another generator gives another answer",
        )


@_check
def exactly_n_unique_rows(strategy: Strategy) -> None:
    for size in (1, 2, 3, 17):
        view = View(**arrays(size))
        for n in (1, 2, size, size + 5, 10 * size):
            rows = strategy.propose(view, min(n, size), _rng()).rows
            _say(len(rows) == min(n, size), f"{len(rows)} rows instead of {min(n, size)} (pool {size}, n {n})")
            _say(len(np.unique(rows)) == len(rows), f"a row comes twice (pool {size}, n {n})")
            _say(rows.min() >= 0 and rows.max() < size, f"a row is out of range (pool {size}, n {n})")
            _say(len(propose(strategy, view, n, _rng()).rows) == min(n, size), "propose doesn't clip n to the pool")


@_check
def scores_are_ordered(strategy: Strategy) -> None:
    """Rowwise strategies: the batch is the top of the scores, equal scores in the order of the rows."""
    if strategy.kind != "rowwise":
        return
    view = View(**arrays())
    score = np.asarray(strategy.score(view, _rng()))
    _say(score.shape == (view.n,), f"score has shape {score.shape}, expected ({view.n},)")
    _say(score.dtype == np.float64, f"score is {score.dtype}, expected float64")
    expected = sorted(range(view.n), key=lambda row: (-score[row], row))
    for n in (1, 9, view.n):
        _say(propose(strategy, view, n, _rng()).rows.tolist() == expected[:n], f"the {n} rows aren't the best scores")


@_check
def rows_may_be_permuted(strategy: Strategy) -> None:
    if strategy.stochastic:
        return
    given = arrays()
    order = _rng(5).permutation(60)
    moved = View(**given).take(order)
    one, two = propose(strategy, View(**given), 9, _rng()), propose(strategy, moved, 9, _rng())
    _say(one.rows.tolist() == order[two.rows].tolist(), "the rows of the pool in another order give another batch")


@_check
def blocks_may_be_merged(strategy: Strategy) -> None:
    """Rowwise strategies: a row's score doesn't depend on which other rows are scored with it."""
    if strategy.kind != "rowwise":
        return
    view = View(**arrays())
    whole, rng = np.asarray(strategy.score(view, _rng())), _rng()
    parts = [np.asarray(strategy.score(view.block(a, a + 20), rng)) for a in (0, 20, 40)]
    _say(
        np.array_equal(whole, np.concatenate(parts)), "scores in blocks of 20 rows differ from those of all 60 at once"
    )


@_check
def classes_may_be_permuted(strategy: Strategy) -> None:
    if strategy.stochastic or ("regression" in strategy.task and "classification" not in strategy.task):
        return
    given = arrays()
    order = _rng(5).permutation(4)
    moved = View(**permuted_classes(given, order))
    one, two = propose(strategy, View(**given), 9, _rng()), propose(strategy, moved, 9, _rng())
    _say(one.rows.tolist() == two.rows.tolist(), "the classes in another order give another batch")


@_check
def inputs_stay_untouched(strategy: Strategy) -> None:
    given = arrays()
    copies = {name: np.array(value) for name, value in given.items() if name not in CALLABLES}
    for array in given.values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    propose(strategy, View(**given), 9, _rng())
    for name, copy in copies.items():
        _say(np.array_equal(given[name], copy), f"it changed {name}")


@_check
def answer_is_read_only(strategy: Strategy) -> None:
    answer = propose(strategy, View(**arrays()), 9, _rng())
    for name in ("rows", "score", "part"):
        _say(not getattr(answer, name).flags.writeable, f"{name} of the answer can be written to")
    _say(answer.rows.dtype == np.int64, f"rows are {answer.rows.dtype}, expected int64")


@_check
def float32_and_float64_agree(strategy: Strategy) -> None:
    given = arrays()
    single = {k: v.astype(np.float32) if k != "seen_y" else v for k, v in given.items() if k not in CALLABLES}
    double = {k: v.astype(np.float64) if k != "seen_y" else v for k, v in single.items()}
    look = {name: given[name] for name in CALLABLES}
    _compare(
        propose(strategy, View(**single, **look), 9, _rng()),
        propose(strategy, View(**double, **look), 9, _rng()),
        "the same numbers as float32 and float64 give different answers",
    )


@_check
def degenerate_pools(strategy: Strategy) -> None:
    for label, view in degenerate():
        if not all(view.has(name) for name in strategy.needs):
            continue
        for n in (1, min(5, view.n), view.n):
            try:
                answer = propose(strategy, view, n, _rng())
            except ZooError as error:
                # Words can't always stand for columns or values; then the error says so.
                if label == "labels are words" and "seen_y" in str(error):
                    continue
                raise AssertionError(f"pool with {label}, n {n}: {type(error).__name__}: {error}") from error
            except Exception as error:
                raise AssertionError(f"pool with {label}, n {n}: {type(error).__name__}: {error}") from error
            _say(bool(np.isfinite(answer.score).all()), f"pool with {label}: a score isn't finite")


@_check
def nan_is_refused(strategy: Strategy) -> None:
    for name in {*strategy.needs, *strategy.uses} - {*CALLABLES, "seen_y", "classes"}:
        given = arrays()
        given[name] = given[name].copy()
        given[name][..., -1] = np.nan
        try:
            propose(strategy, View(**given), 3, _rng())
        except ViewError as error:
            _say(name in str(error), f"the error about NaN in {name} doesn't name it: {error}")
        else:
            raise AssertionError(f"NaN in {name} went through")


@_check
def needs_are_enough(strategy: Strategy) -> None:
    """Fields that aren't declared in `needs` or `uses` are never read."""
    given = arrays()
    allowed = set(strategy.needs) | set(strategy.uses)
    guarded = _Guarded(**given)
    object.__setattr__(guarded, "_allowed", frozenset(allowed))
    propose(strategy, guarded, 9, _rng())
    # And the optional ones are optional.
    minimal = {name: given[name] for name in strategy.needs} or {"prediction": given["prediction"]}
    if any("U" in AXES.get(name, ()) for name in minimal):
        propose(strategy, View(**minimal), 9, _rng())


@_check
def needs_are_needed(strategy: Strategy) -> None:
    for name in strategy.needs:
        view = View(**{key: value for key, value in arrays().items() if key != name})
        _say(name in (unmet(strategy, view) or ""), f"unmet doesn't say that {name} is missing")
        try:
            propose(strategy, view, 3, _rng())
        except UnmetNeedError as error:
            _say(name in str(error), f"the error about the missing {name} doesn't name it")
        else:
            raise AssertionError(f"it ran without {name}, which it declares as needed")


@_check
def text_reads_back(strategy: Strategy) -> None:
    text = strategy.spelling
    _say(str(strategy) == text and repr(strategy) == text, f"str and repr must be the spelling {text!r}")
    again = get(text)
    _say(type(again) is type(strategy), f"{text!r} reads back as a {type(again).__name__}; is the class registered?")
    _say(again == strategy and hash(again) == hash(strategy), f"{text!r} reads back as something unequal")
    _say(again.spelling == text, f"{text!r} reads back as {again.spelling!r}")


@_check
def pickles(strategy: Strategy) -> None:
    again = pickle.loads(pickle.dumps(strategy))  # noqa: S301  # our own bytes
    _say(again == strategy and hash(again) == hash(strategy), "pickling makes it unequal")
    view = View(**arrays())
    _compare(propose(strategy, view, 5, _rng()), propose(again, view, 5, _rng()), "pickling changes what it does")


@_check
def is_frozen(strategy: Strategy) -> None:
    try:
        strategy.name = "changed"  # type: ignore[misc]
    except AttributeError:
        return
    raise AssertionError("it can be changed after it was made; use @dataclass(frozen=True)")


@_check
def cost_grows(strategy: Strategy) -> None:
    small = strategy.cost(U=1_000, L=10, C=3, D=8, n=5)
    large = strategy.cost(U=100_000, L=10, C=3, D=8, n=5)
    _say(isinstance(small, float) and math.isfinite(small) and small > 0, f"cost is {small!r}, expected a float > 0")
    _say(large > small, f"cost doesn't grow with the pool: {small} for 1,000 rows, {large} for 100,000")


@_check
def memory_grows_linearly(strategy: Strategy) -> None:
    """Four times the pool takes about four times the memory, and never a matrix of pool x pool."""
    peak = {}
    for size in (2_000, 8_000):
        view = View(**arrays(size))
        propose(strategy, view, 10, _rng())  # imports and caches don't count
        tracemalloc.start()
        try:
            propose(strategy, view, 10, _rng())
            peak[size] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    megabytes = {size: round(value / 2**20, 1) for size, value in peak.items()}
    _say(peak[8_000] < 8_000 * 8_000, f"peak memory {megabytes} MB: that is a matrix of pool x pool")
    # Blocks of constant size (a few times 8 MB) are allowed on top.
    _say(peak[8_000] < 5 * peak[2_000] + 24 * 2**20, f"peak memory {megabytes} MB grows faster than the pool")


class _Guarded(View):
    """A view that tells when a field is read that the strategy didn't declare."""

    def __getattribute__(self, name: str) -> Any:
        if name in FIELDS:
            allowed = object.__getattribute__(self, "__dict__").get("_allowed")
            if allowed is not None and name not in allowed:
                raise AssertionError(f"it reads {name}, which is in neither needs nor uses")
        return object.__getattribute__(self, name)
