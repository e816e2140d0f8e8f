"""The contract of a regime: it repeats, keeps the truth that scores are measured against, and can be branched from."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from metaal.errors import MetaalError, TaskError
from metaal.rehearsal.branching import Branches, branch
from metaal.rehearsal.exploring import Exploring
from metaal.rehearsal.layout import Kind, Layout, Schedule
from metaal.rehearsal.playing import play
from metaal.rehearsal.regimes import Change, Regime, read_regime
from metaal.rehearsal.sealed import Sealed
from metaal.rehearsal.task import Task
from metaal.rehearsal.testing_saying import global_generator_unused, run_all, say
from metadata_store import open_store

REGIME_CHECKS: dict[str, Callable[[Change], None]] = {}
SEEDS = {"split": 1, "initial": 2, "learner": 3, "strategy": 4}


def check_regime(regime: str | Change) -> None:
    """Run every check on a change, with the parameters that it is given.

    Parameters
    ----------
    regime : str or Change
        One change, or its spelling.

    Raises
    ------
    AssertionError
        A check fails; its name comes first.

    Examples
    --------
    >>> check_regime("shift(tilt=2.0)")
    """
    changes = read_regime(regime).changes
    say(len(changes) == 1, f"regime {regime}: {len(changes)} changes; check them one by one")
    run_all(REGIME_CHECKS, f"regime {changes[0].spelling}", changes[0])


def _check(function: Callable[[Change], None]) -> Callable[[Change], None]:
    REGIME_CHECKS[function.__name__] = function
    return function


def make_layout(kind: Kind = "classification", classes: int = 4, rows: int = 240, seed: int = 0) -> Layout:
    """A layout to try a change on: 3 columns, guide and test split of 60 rows, nothing writeable.

    Parameters
    ----------
    kind : str
    classes : int
        Of about equal size; without meaning in a regression.
    rows : int
        Of the pool.
    seed : int
    """
    rng = np.random.default_rng(seed)
    sizes = {"pool": rows, "guide": 60, "test": 60}
    x = {name: rng.normal(size=(size, 3)) * [1.0, 2.0, 0.5] for name, size in sizes.items()}
    if kind == "regression":
        y: dict[str, np.ndarray] = {name: x[name][:, 0] * 5 + 100 for name in sizes}
    else:
        y = {name: rng.permutation(np.arange(size) % classes) for name, size in sizes.items()}
    for array in (*x.values(), *y.values()):
        array.flags.writeable = False
    arrays = x["pool"], y["pool"], x["guide"], y["guide"], x["test"], Sealed(y["test"])
    return Layout(*arrays, 0 if kind == "regression" else classes, kind, schedule=Schedule(10))


def _apply(change: Change, layout: Layout, **seeds: int) -> Layout:
    with layout.test_y.forbidden():
        return Regime((change,)).apply(layout, seeds={**SEEDS, **seeds}, name="data")


def _each(change: Change) -> list[tuple[str, Layout, Layout]]:
    """Name, before, after: of every layout that the change takes; it may refuse one kind of task."""
    found = []
    for name, layout in (
        ("four classes", make_layout()),
        ("two classes", make_layout(classes=2)),
        ("a regression", make_layout("regression")),
    ):
        try:
            found.append((name, layout, _apply(change, layout)))
        except TaskError:
            continue
        except Exception as error:
            raise AssertionError(
                f"{name}: {type(error).__name__}: {error}; refuse what cannot be with a TaskError"
            ) from error
    say(found, "it refuses classifications and regressions alike")
    return found


def _digest(layout: Layout) -> str:
    digest = hashlib.blake2b()
    layout.digest(digest)
    digest.update(repr((layout.schedule, layout.start)).encode())
    return digest.hexdigest()


@_check
def spelling_reads_back(change: Change) -> None:
    """Its text gives the same change; parameters are numbers and texts; it can be sent to another process."""
    text = change.spelling
    say(text.isprintable(), f"the spelling {text!r} is not one line of printable text")
    try:
        again = read_regime(text)
    except MetaalError as error:
        raise AssertionError(f"{text!r} cannot be read back: {error}; put @change above the class") from error
    say(again == Regime((change,)), f"{text!r} reads back as {again}")
    say(hash(again) == hash(Regime((change,))), "equal changes have different hashes")
    for key, value in change.parameters.items():
        say(
            isinstance(value, int | float | str),
            f"the parameter {key} is a {type(value).__name__}; expected numbers or text",
        )
    moved = pickle.loads(pickle.dumps(change))  # noqa: S301 - of this process's own making
    say(moved == change, "after pickling it is another one")


@_check
def says_what_it_does(change: Change) -> None:
    """A docstring that begins with a sentence, for the list and the page."""
    text = (type(change).__doc__ or "").strip()
    say(len(text.split()) > 3, "the class has no docstring; begin it with a sentence that says what is changed")


@_check
def leaves_its_input_alone(change: Change) -> None:
    """The layout that it is given is as before; its arrays cannot be written anyway."""
    for layout in (make_layout(), make_layout("regression")):
        before = _digest(layout)
        try:
            with suppress(TaskError):
                _apply(change, layout)
        except ValueError as error:
            say("read-only" not in str(error), f"it writes into its input ({error}); copy it first")
            raise
        say(_digest(layout) == before, f"it changed the {layout.kind} that it was given; return another layout")


@_check
def repeats_with_its_seed(change: Change) -> None:
    """The same seed gives the same layout, and only the seed that it names is drawn from."""
    others = [name for name in SEEDS if name != change.seed]
    for name, layout, first in _each(change):
        with global_generator_unused():
            again = _apply(change, layout)
        say(_digest(again) == _digest(first), f"{name}: the same seed gives another layout")
        moved = _apply(change, layout, **dict.fromkeys(others, 99))
        say(_digest(moved) == _digest(first), f"{name}: it draws from another seed than {change.seed!r}")


@_check
def keeps_the_truth(change: Change) -> None:
    """What scores are measured against stays: rows and labels of guide and test; every class stays in the pool."""
    for name, before, after in _each(change):
        say(
            after.kind == before.kind and after.classes == before.classes, f"{name}: it changes the kind or the classes"
        )
        say(np.array_equal(after.guide_y, before.guide_y), f"{name}: it changes the guide's labels")
        with before.test_y.allowed(), after.test_y.allowed():
            same = np.array_equal(after.test_y.open(), before.test_y.open())
        say(same, f"{name}: it changes the test labels")
        sizes = len(after.guide_x) == len(after.guide_y) and len(after.test_x) == len(before.test_x)
        say(sizes, f"{name}: guide or test have other rows than labels")
        gone = set(before.pool_y.tolist()) - set(after.pool_y.tolist()) if before.classes else set()
        say(not gone, f"{name}: the classes {sorted(gone)} are gone from the pool")


@_check
def lays_out_what_fits(change: Change) -> None:
    """Rows and labels agree, all splits have the same columns, all numbers are finite; something is left to ask for."""
    for name, _, after in _each(change):
        say(len(after.pool_x) == len(after.pool_y) > 1, f"{name}: {len(after.pool_x)} rows, {len(after.pool_y)} labels")
        widths = {x.shape[1] for x in (after.pool_x, after.guide_x, after.test_x)}
        say(len(widths) == 1, f"{name}: the splits have {sorted(widths)} columns")
        for x in (after.pool_x, after.guide_x, after.test_x):
            say(np.isfinite(x).all(), f"{name}: a feature is not finite")
        begun = after.begun(np.random.default_rng(0))
        rows = begun.initial
        say(0 < len(rows) < len(after.pool_y), f"{name}: {len(rows)} initial labels in a pool of {len(after.pool_y)}")
        say(len(set(rows.tolist())) == len(rows), f"{name}: an initial row comes twice")
        sizes = [after.schedule.batch(loop, 20 + loop) for loop in range(30)]
        say(all(isinstance(size, int) and size >= 1 for size in sizes), f"{name}: batches of {sizes} rows")


@_check
def its_oracle_has_no_memory(change: Change) -> None:
    """The answer depends on the row and on how many labels were told before, on nothing else."""
    rng = np.random.default_rng(0)
    for name, _, after in _each(change):
        oracle, size = after.oracle, len(after.pool_y)
        rows = rng.permutation(size)[: min(60, size)]
        said = oracle.tell(rows, 5)
        say(np.array_equal(oracle.tell(rows, 5), said), f"{name}: asked again, it answers otherwise")
        single = np.concatenate([oracle.tell(rows[k : k + 1], 5 + k) for k in range(len(rows))])
        say(np.array_equal(single, said), f"{name}: one by one it answers otherwise than in a batch")
        part = oracle.take(rows).tell(np.arange(len(rows)), 5)
        say(np.array_equal(part, said), f"{name}: of a part of the pool (take) it says something else")
        say(len(oracle.tell(rows[:0], 5)) == 0, f"{name}: of no rows it says something")
        if after.classes:
            inside = said.dtype.kind in "iu" and ((said >= 0) & (said < after.classes)).all()
            say(inside, f"{name}: it tells labels that are no classes of the task")
        else:
            say(said.dtype.kind == "f" and np.isfinite(said).all(), f"{name}: it tells no finite numbers")


@_check
def can_be_played_and_branched(change: Change) -> None:
    """A run under it repeats, and its states can be built again, which they can only where nothing is hidden."""
    for data, learner, arms in (
        ("iris", "naive_bayes", ("margin", "random")),
        ("diabetes", "ridge", ("greedy_x", "random")),
    ):
        task = Task(data, learner, batch=4, budget=12, seeds=1, regime=change)
        try:
            task.lay_out()
        except TaskError:
            continue
        plan = Branches(arms, states=2, horizon=2, default=arms[0])
        outcomes: list[Any] = []
        for _ in range(2):
            with open_store("memory:") as store:
                trace = play(Exploring(plan.strategies, default=plan.default), task, store=store, full=False)
                try:
                    made = branch(task, store, trace.run, plan)
                except TaskError as error:
                    raise AssertionError(f"{data}: no state can be built again: {error}") from error
                say(made > 0, f"{data}: no branch could be made")
                score = "branch.h2.accuracy" if data == "iris" else "branch.h2.r2"
                branches = [record for record in store.records(trace.run) if record.event == "branch"]
                outcomes.append([record.values[score] for record in branches])
        say(outcomes[0] == outcomes[1], f"{data}: the same run has other outcomes the second time")
