"""The contract of a data source: the same data at each reading, without the answer among the features."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import TaskError
from metaal.rehearsal.dataset import KINDS, MIN_ROWS, Dataset
from metaal.rehearsal.task import Task
from metaal.rehearsal.testing_saying import global_generator_unused, run_all, say

if TYPE_CHECKING:
    import pandas

Reader = Callable[..., Dataset]
SOURCE_CHECKS: dict[str, Callable[[Reader, str], None]] = {}
NONSENSE = "no such data 7f3a9c"


def check_source(read: Reader, text: str) -> None:
    """Run every check on the function of an entry point in ``metaal.sources``.

    Parameters
    ----------
    read : callable
        ``read(text, target, *, family, kind)`` → Dataset.
    text : str
        Something that it can read: what stands behind ``scheme:``.

    Raises
    ------
    AssertionError
        A check fails; its name comes first.

    Examples
    --------
    >>> from metaal.rehearsal import load_data
    >>> def read(text, target=None, *, family="", kind=None):
    ...     return load_data(text, target, family, kind=kind)
    >>> check_source(read, "iris")
    """
    run_all(SOURCE_CHECKS, f"source {getattr(read, '__name__', read)} of {text!r}", read, text)


def _check(function: Callable[[Reader, str], None]) -> Callable[[Reader, str], None]:
    SOURCE_CHECKS[function.__name__] = function
    return function


def _read(read: Reader, text: str, target: str | None = None, **words: Any) -> Dataset:
    """A reading as `load_data` does it: it passes family and kind by name, whether they were given or not."""
    return read(text, target, **{"family": "", "kind": None, **words})


@_check
def gives_a_dataset(read: Reader, text: str) -> None:
    """Features and targets of one length, columns with names of their own, a name and a family."""
    try:
        data = _read(read, text)
    except Exception as error:
        raise AssertionError(f"it cannot read {text!r}: {type(error).__name__}: {error}") from error
    say(isinstance(data, Dataset), f"it gives a {type(data).__name__}; expected a Dataset, as make_dataset builds it")
    say(len(data.X) == len(data.y), f"{len(data.X)} rows of features and {len(data.y)} targets")
    say(len(data.y) >= MIN_ROWS, f"{len(data.y)} rows; a rehearsal needs {MIN_ROWS}")
    names = list(data.X.columns)
    say(all(isinstance(name, str) for name in names), "a column's name is no text")
    say(len(set(names)) == len(names), "two columns have the same name")
    for word, value in (("name", data.name), ("family", data.family)):
        say(
            isinstance(value, str) and value.isprintable() and value,
            f"its {word} is {value!r}; expected a line of text",
        )
    if data.kind == "classification":
        codes = data.y.dtype.kind == "i" and set(np.unique(data.y)) <= set(range(len(data.classes)))
        say(codes, "the targets are no codes of the classes")
    else:
        say(data.y.dtype == np.float64 and np.isfinite(data.y).all(), "the targets are no finite numbers")


@_check
def repeats(read: Reader, text: str) -> None:
    """Read twice, the same rows in the same order."""
    with global_generator_unused():
        one = _read(read, text)
    two = _read(read, text)
    say(two.X.equals(one.X), "the second reading has other features")
    say(np.array_equal(two.y, one.y), "the second reading has other targets")
    say((one.name, one.family, one.kind) == (two.name, two.family, two.kind), "name, family or kind change")


@_check
def takes_a_family(read: Reader, text: str) -> None:
    """The caller's family counts: it keeps training and testing apart."""
    say(_read(read, text, family="mine").family == "mine", "it leaves out the family= that it is given")


@_check
def obeys_the_kind(read: Reader, text: str) -> None:
    """Its own kind asked for is the same; the other one is that, or a TaskError."""
    usual = _read(read, text)
    again = _read(read, text, kind=usual.kind)
    say(again.kind == usual.kind and np.array_equal(again.y, usual.y), f"with kind={usual.kind!r} it is another one")
    (other,) = (kind for kind in KINDS if kind != usual.kind)
    try:
        found = _read(read, text, kind=other)
    except TaskError:
        return
    except Exception as error:
        raise AssertionError(f"kind={other!r}: {type(error).__name__}: {error}; refuse with a TaskError") from error
    say(found.kind == other, f"asked for a {other} it gives a {found.kind}")


@_check
def refuses_what_is_not_there(read: Reader, text: str) -> None:
    """An unknown text and an unknown column are TaskErrors that name them."""
    for what, target, word in ((NONSENSE, None, NONSENSE), (text, "no such column", "no such column")):
        try:
            _read(read, what, target)
        except TaskError as error:
            say(word in str(error), f"the error about {word!r} does not name it: {error}")
        except Exception as error:
            raise AssertionError(f"{word!r} ends in {type(error).__name__}: {error}; raise a TaskError") from error
        else:
            raise AssertionError(f"{word!r} is read without an error")


@_check
def keeps_the_answer_out(read: Reader, text: str) -> None:
    """No column is the target itself, under whatever names for its classes."""
    data = _read(read, text)
    for name in data.X:
        say(not _is_target(data.X[name], data), f"the column {name!r} is the target; take it out of the features")


def _is_target(column: pandas.Series, data: Dataset) -> bool:
    import pandas as pd

    if data.kind == "regression":
        return bool(pd.api.types.is_numeric_dtype(column) and np.array_equal(column.to_numpy(dtype=float), data.y))
    codes, levels = pd.factorize(column)
    pairs = len(set(zip(codes.tolist(), data.y.tolist(), strict=True)))
    return pairs == len(levels) == len(np.unique(data.y)) and bool((codes >= 0).all())


@_check
def can_be_rehearsed(read: Reader, text: str) -> None:
    """It can be split and encoded, and sent to another process."""
    data = _read(read, text)
    moved = pickle.loads(pickle.dumps(data))  # noqa: S301 - of this process's own making
    say(moved.X.equals(data.X) and np.array_equal(moved.y, data.y), "after pickling it is other data")
    layout = Task(data, "naive_bayes" if data.kind == "classification" else "ridge", batch=2, budget=4).lay_out()
    say(len(layout.pool_y) > 4 and np.isfinite(layout.pool_x).all(), "its pool cannot be encoded as finite numbers")
