"""Which learners exist: every module in this folder, and what other packages register."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from metaal.errors import TaskError
from metaal.rehearsal.layout import Kind
from metaal.rehearsal.plugins import load_all
from metadata_store.errors import nearest

GROUP = "metaal.learners"


@dataclass(frozen=True)
class Learner:
    """One learner of the registry.

    Parameters
    ----------
    name : str
    kind : str
        ``"classification"`` or ``"regression"``.
    summary : str
        One sentence.
    make : callable
        Seed → new unfitted estimator of scikit-learn's manner.
    adapt : callable, optional
        (estimator, x, y) → estimator: what must be set when the labelled rows are known, such as fewer neighbours than
        rows.
    warm : callable, optional
        (the last fitted estimator, a fresh one, x, y) → estimator trained on all labels from where the last one stood,
        at a fraction of the cost. Its numbers are not those of a fit from scratch.
    """

    name: str
    kind: Kind
    summary: str
    make: Callable[[int], Any]
    adapt: Callable[[Any, Any, Any], Any] | None = None
    warm: Callable[[Any, Any, Any, Any], Any] | None = None


_found: dict[str, Learner] = {}
_loaded: set[str] = set()


def learner(
    name: str,
    *,
    kind: Kind,
    adapt: Callable[[Any, Any, Any], Any] | None = None,
    warm: Callable[[Any, Any, Any, Any], Any] | None = None,
) -> Callable[[Callable[[int], Any]], Callable[[int], Any]]:
    """Register the function below, which makes the estimator from a seed; its docstring's first line is the summary.

    Raises
    ------
    TaskError
        The name is no identifier or is taken, or the kind is unknown.
    """
    if not (name.isidentifier() and name.isascii()) or kind not in get_args(Kind):
        raise TaskError(
            f"learner {name!r} of kind {kind!r}: expected an ASCII identifier, and {' or '.join(get_args(Kind))}"
        )

    def register(make: Callable[[int], Any]) -> Callable[[int], Any]:
        holder = _found.get(name)
        if holder is not None and (holder.make.__module__, holder.make.__qualname__) != (
            make.__module__,
            make.__qualname__,
        ):
            raise TaskError(f"the learner's name {name!r} is taken by {holder.make.__module__}; choose another")
        _found[name] = Learner(name, kind, (make.__doc__ or "").strip().split("\n")[0], make, adapt, warm)
        return make

    return register


def find_learner(name: str) -> Learner:
    """The learner of that name.

    Raises
    ------
    TaskError
        There is none; the nearest names are shown.
    """
    if name not in _found:
        _load()
    if name not in _found:
        raise TaskError(
            f"no learner {name!r}; {nearest(name, sorted(_found))} Expected one of {', '.join(LEARNERS)}, or an "
            "estimator of scikit-learn's manner"
        )
    return _found[name]


def make_learner(name: str, seed: int) -> Any:
    """Return a new unfitted estimator: a classifier with ``predict_proba``, or a regressor.

    Parameters
    ----------
    name : str
        One of `LEARNERS`.
    seed : int

    Raises
    ------
    TaskError
        There is no such learner.

    Examples
    --------
    >>> make_learner("naive_bayes", 0)
    GaussianNB(var_smoothing=0.001)
    """
    return find_learner(name).make(seed)


class _Learners(Mapping[str, Learner]):
    """All learners by name: classifiers first, each kind in alphabetical order."""

    def __getitem__(self, name: str) -> Learner:
        _load()
        return _found[name]

    def __iter__(self) -> Iterator[str]:
        _load()
        return iter(sorted(_found, key=lambda name: (_found[name].kind, name)))

    def __len__(self) -> int:
        _load()
        return len(_found)

    def __repr__(self) -> str:
        return f"LEARNERS({', '.join(self)})"


LEARNERS: Mapping[str, Learner] = _Learners()
"""Name → learner, with its kind and a sentence about it."""


def _load() -> None:
    load_all("metaal.rehearsal.learners", GROUP, _loaded)
