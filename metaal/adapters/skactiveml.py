"""A run as a scikit-activeml query strategy.

``RunQueryStrategy`` is a `SingleAnnotatorPoolQueryStrategy`. Its base class is imported when the name is first used, so
that importing this module stays light. Rows are keyed by their number in ``X``, which scikit-activeml never changes;
labels are read from ``y`` at the next query. (If there is none: ``strategy.run.tell(y[rows], ids=rows)``.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from metaal.adapters.turns import ask, check_run, near, refuse_after_stop, says_stop
from metaal.errors import EmptyPoolError, InputError
from metaal.query import Query


class _RunQueries:
    """A scikit-activeml query strategy whose rows are chosen by a run.

    Parameters
    ----------
    run : Run
        Whose policy decides. Clones and copies share it, for a run has one writer.
    embed : callable or bool
        ``embed(X)`` -> (n, D) array, in which near means alike. True: the features, if X has two dimensions. False:
        none.
    missing_label : scalar, str, nan or None
        What stands for a missing label in ``y``; the classifier must have the same.
    random_state : int, RandomState or None
        Part of scikit-activeml's interface and checked like everywhere; what is drawn derives from the run's seed.

    Examples
    --------
    >>> import numpy as np
    >>> from metaal import Run
    >>> from metaal.adapters.skactiveml import RunQueryStrategy
    >>> from metadata_store import open_store
    >>> from skactiveml.classifier import ParzenWindowClassifier
    >>> strategy = RunQueryStrategy(Run("demo", policy="margin", seed=0, store=open_store("memory:")))
    >>> X, y = np.array([[0.0], [0.45], [0.9], [1.0]]), np.array([0, np.nan, np.nan, 1])
    >>> clf = ParzenWindowClassifier(classes=[0, 1])
    >>> strategy.query(X, y, clf)
    array([1])
    >>> y[1] = 0
    >>> strategy.query(X, y, clf), strategy.run.labels
    (array([2]), {1: 0})
    """

    # Given by scikit-activeml's base class.
    _validate_data: Any
    _transform_candidates: Any
    get_params: Any
    missing_label_: Any

    def __init__(
        self,
        run: Any,
        embed: Callable[[Any], Any] | bool = True,
        missing_label: Any = np.nan,
        random_state: Any = None,
    ) -> None:
        self.run = run
        self.embed = embed
        self.missing_label = missing_label
        self.random_state = random_state

    @property
    def last_query(self) -> Query | None:
        """The query that was handed out last by this object, with its action, reason and propensity."""
        return self.__dict__.get("_last")

    @property
    def stopped(self) -> bool:
        """Whether no further labels are worth asking for; the rows of ``last_query``, if any, are the last ones."""
        return says_stop(self.run) or (self.last_query is not None and self.last_query.stop)

    def query(
        self,
        X: Any,
        y: Any,
        clf: Any,
        fit_clf: bool = True,
        sample_weight: Any = None,
        candidates: Any = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Tell the run the labels that ``y`` now holds for waiting rows, and ask for new rows.

        Parameters
        ----------
        X : (n_samples, n_features) array
            All rows, labelled or not, in the same order in every call of a run.
        y : (n_samples,) array
            Their labels; ``missing_label`` where there is none yet.
        clf : SkactivemlClassifier
            Is left as it is; a clone of it is fitted.
        fit_clf : bool
            False: ``clf`` is fitted already.
        sample_weight : (n_samples,) array, optional
        candidates : (n_candidates,) row numbers, optional
            Rows that may be asked; default: all that have no label. Rows that wait for a label are left out.
        batch_size : int
            Rows wanted, ≥ 1; the policy may ask for a multiple, and the budget may cut it.
        return_utilities : bool

        Returns
        -------
        query_indices : i8[n]
            Row numbers in X, best first.
        utilities : f8[n, n_samples]
            Only with ``return_utilities``: the ranks of the chosen rows from 1 down to 1/n, 0 for other candidates,
            nan for the rest; in line i the rows chosen before i are nan. A run keeps no scores.

        Raises
        ------
        OutOfTurnError
            None of the rows asked last has a label yet, or the policy says stop (the word is in the message).
        MappingError
            ``candidates`` are feature rows: the run could not know which rows of X they are.
        EmptyPoolError
            Every row has a label, or waits for one.
        InputError
            X is not the table of the earlier calls, or a candidate has a label in this run already.
        TypeError, ValueError
            As every scikit-activeml strategy.
        """
        from skactiveml.base import SkactivemlClassifier
        from skactiveml.utils import check_equal_missing_label, check_type, is_labeled
        from sklearn.base import clone

        run = check_run(self.run)
        X, y, candidates, batch_size, return_utilities = self._validate_data(
            X, y, candidates, batch_size, return_utilities, reset=True
        )
        X_pool, rows = self._transform_candidates(candidates, X, y, enforce_mapping=True, allow_only_unlabeled=True)
        check_type(clf, "clf", SkactivemlClassifier)
        check_equal_missing_label(clf.missing_label, self.missing_label_)
        check_type(fit_clf, "fit_clf", bool)
        self._check_table(X)
        labelled = is_labeled(y, self.missing_label_)
        if fit_clf:
            weights = () if sample_weight is None else (sample_weight,)
            clf = clone(clf).fit(X, y, *weights)
        labels = _as_classes(y[labelled], clf.classes_)
        self._tell_found(np.flatnonzero(labelled), labels)
        refuse_after_stop(run)
        if not len(rows):
            raise EmptyPoolError("X: every row has a label, so that there is nothing to ask for; end() the run")
        outputs = {"proba": clf.predict_proba(X_pool), "embedding": self._embed(X_pool)}
        if labelled.any():
            outputs["seen_y"] = labels
            if outputs["embedding"] is not None:
                outputs["seen_embedding"] = self._embed(X[labelled])
        query = ask(run, batch_size, ids=rows, classes=clf.classes_, **outputs)
        self._last = query
        waiting = [] if run.pending is None else run.pending.ids.tolist()
        self._shown = {row: X[row].copy() for row in waiting}
        refuse_after_stop(run)
        return (query.ids, _utilities(query.ids, rows, len(X))) if return_utilities else query.ids

    def _check_table(self, X: np.ndarray) -> None:
        """Refuse rows in another order, whose labels would go to the wrong rows of the run."""
        pending = self.run.pending
        if pending is None:
            return
        shown = self.__dict__.get("_shown", {})
        for row in pending.ids.tolist():
            # scikit-activeml refuses nan in X, so that equal means equal.
            if row >= len(X) or not np.array_equal(X[row], shown.get(row, X[row])):
                raise InputError(
                    f"X: row {row} waits for a label, but X ({len(X)} rows) does not hold it there any more; pass the "
                    "same rows in the same order in every call, and candidates= to ask among some of them"
                )

    def _tell_found(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Tell the labels of waiting rows, given the rows that have one."""
        pending = self.run.pending
        if pending is None:
            return
        place = {row: k for k, row in enumerate(rows.tolist())}
        found = [row for row in pending.ids.tolist() if row in place]
        if found:
            self.run.tell(labels[[place[row] for row in found]], ids=found)

    def _embed(self, X: np.ndarray) -> Any:
        if callable(self.embed):
            return self.embed(X)
        return near(X) if self.embed else None

    def __sklearn_clone__(self) -> Any:
        return type(self)(**self.get_params(deep=False))

    def __copy__(self) -> Any:
        # Not by way of __getstate__, which refuses.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(
            "a RunQueryStrategy cannot be pickled: its run is the one writer of an open store; in the other process, "
            "make a new one with RunQueryStrategy(metaal.Run.resume(path))"
        )


def _as_classes(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Whole numbers that scikit-activeml keeps as floats, for the sake of nan, become whole numbers again."""
    if labels.dtype.kind == "f" and np.asarray(classes).dtype.kind in "iu":
        return labels.astype(np.int64)
    return labels


def _utilities(chosen: np.ndarray, candidates: np.ndarray, n_samples: int) -> np.ndarray:
    first = np.full(n_samples, np.nan)
    first[candidates] = 0.0
    first[chosen] = np.arange(len(chosen), 0, -1) / max(len(chosen), 1)
    out = np.tile(first, (len(chosen), 1))
    for line in range(len(chosen)):
        out[line, chosen[:line]] = np.nan
    return out


@cache
def _strategy_class() -> Any:
    from skactiveml.base import SingleAnnotatorPoolQueryStrategy

    # Under the name by which the module's __getattr__ finds it, so that the class can be pickled by reference.
    return type(
        "RunQueryStrategy",
        (_RunQueries, SingleAnnotatorPoolQueryStrategy),
        {"__module__": __name__, "__doc__": _RunQueries.__doc__},
    )


def __getattr__(name: str) -> Any:
    if name == "RunQueryStrategy":
        return _strategy_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["RunQueryStrategy"]
