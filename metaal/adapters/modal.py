"""A run as a modAL query strategy.

modAL's `ActiveLearner` keeps the model and the training set, and the caller deletes labelled rows from the pool. So
rows are recognised by what they hold, and their labels are read from ``learner.X_training`` and ``y_training``, where
``teach`` puts them, at the next query. (Those of the last batch of a loop that ends without another query are told by
hand: ``learner.query_strategy.tell(labels)``.)

With scikit-learn 1.8 and later ``teach`` and ``fit`` of modAL-python 0.4.2.1 end in ``TypeError: check_X_y() got an
unexpected keyword argument 'force_all_finite'``, an argument that scikit-learn has renamed; the constructor and
``query`` still work. There, set ``learner.X_training`` and ``learner.y_training`` yourself and fit
``learner.estimator`` on them, as in the example below: this adapter reads the attributes, whoever wrote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from metaal.adapters.content import content_ids, digest_of, row_digests
from metaal.adapters.turns import ask, check_run, near, refuse_after_stop, says_stop
from metaal.errors import EmptyPoolError, InputError
from metaal.query import Query
from metaal.run import Run


def modal_query_strategy(
    run: Run, *, embed: Callable[[Any], Any] | bool = True, key: bytes | str | None = None
) -> ModalQueryStrategy:
    """Make a run the ``query_strategy`` of a modAL learner.

    Parameters
    ----------
    run : Run
        Whose policy decides. A run that is continued hands out its pending query again.
    embed : callable or bool
        ``embed(X)`` -> (n, D) array, in which near means alike. True: the features themselves where they are a dense
        table of finite numbers (after the learner's own pipeline, if it has ``on_transformed``). False: none.
    key : bytes or str, optional
        Key of the hash that makes ids from rows; pass a secret if the store leaves your hands. The same one is needed
        to continue the run. Default: the run's name.

    Returns
    -------
    ModalQueryStrategy

    Raises
    ------
    InputError
        Not a run.

    Examples
    --------
    >>> import numpy as np
    >>> from metaal import Run
    >>> from metadata_store import open_store
    >>> from modAL.models import ActiveLearner
    >>> from sklearn.linear_model import LogisticRegression
    >>> run = Run("demo", policy="margin", seed=0, store=open_store("memory:"))
    >>> pool = np.array([[0.1], [0.4], [0.9]])
    >>> learner = ActiveLearner(LogisticRegression(), modal_query_strategy(run), np.array([[0.0], [1.0]]), [0, 1])
    >>> rows, instances = learner.query(pool, n_instances=1)
    >>> instances.tolist()
    [[0.4]]
    >>> learner.X_training = np.concatenate([learner.X_training, instances])  # learner.teach(instances, [0])
    >>> learner.y_training = np.append(learner.y_training, 0)
    >>> _ = learner.estimator.fit(learner.X_training, learner.y_training)
    >>> rows, instances = learner.query(np.delete(pool, rows, axis=0), n_instances=1)
    >>> list(run.labels.values())
    [0]
    """
    return ModalQueryStrategy(run, embed=embed, key=key)


class ModalQueryStrategy:
    """What `modal_query_strategy` returns; modAL calls it, the caller reads ``last_query`` and ``stopped``."""

    def __init__(self, run: Run, *, embed: Callable[[Any], Any] | bool = True, key: bytes | str | None = None) -> None:
        self.run = check_run(run)
        if not (callable(embed) or isinstance(embed, bool)):
            raise InputError(f"embed: got {embed!r}, expected a function of X, True (the features) or False (none)")
        self.embed = embed
        key = run.name if key is None else key
        self._key = key.encode() if isinstance(key, str) else bytes(key)
        self._last: Query | None = None
        # Content of the rows that the caller's own ids stand for, and how many equal rows were in the training set
        # for other reasons than an answer of this run when it last asked; None before the first call.
        self._content: dict[Any, str] = {}
        self._strangers: Counter[str] | None = None

    @property
    def last_query(self) -> Query | None:
        """The query that was handed out last by this object, with its action, reason and propensity."""
        return self._last

    @property
    def stopped(self) -> bool:
        """Whether no further labels are worth asking for; the rows of ``last_query``, if any, are the last ones."""
        return says_stop(self.run) or (self._last is not None and self._last.stop)

    def tell(self, labels: Any, *, ids: Any = None, **more: Any) -> None:
        """Tell the run labels without waiting for ``teach``, in the order of the rows that were handed out.

        Parameters and errors are those of `Run.tell`; ``score`` and ``seconds`` can only be told here.
        """
        self.run.tell(labels, ids=ids, **more)

    def __call__(
        self, classifier: Any, X_pool: Any, n_instances: int = 1, *, ids: Any = None, **outputs: Any
    ) -> tuple[np.ndarray, Query]:
        """Tell the run what was taught since its last query, and ask for new rows.

        Parameters
        ----------
        classifier : modAL learner or committee
        X_pool : (U, ...) array, list, data frame or sparse matrix
        n_instances : int
            Rows wanted, ≥ 1; the policy may ask for a multiple, and the budget may cut it.
        ids : (U,) whole numbers or text, optional
            Stable keys of the pool rows, instead of those made from their content. After a restart the rows that were
            taught but are no longer in the pool cannot be recognised by them; ``tell`` their labels.
        **outputs
            Further outputs for `Run.ask`, such as ``committee`` or ``gradient``.

        Returns
        -------
        rows : i8[n]
            Positions in X_pool.
        query : Query
            What modAL hands on as metrics with ``return_metrics=True``. It has to be there: modAL unpacks two values,
            and where that fails it calls the strategy again, which would be a second ask.

        Raises
        ------
        OutOfTurnError
            None of the rows asked last has a label yet, or the policy says stop (the word is in the message).
        EmptyPoolError, InputError, UnavailableError
            As `Run.ask`.
        """
        digests = row_digests(X_pool, key=self._key)
        learner = next(iter(getattr(classifier, "learner_list", [])), classifier)
        seen_x, seen_y = getattr(learner, "X_training", None), getattr(learner, "y_training", None)
        taught = [] if seen_x is None or seen_y is None else row_digests(seen_x, key=self._key)
        if ids is not None:
            self._content.update(zip(np.asarray(ids).tolist(), digests, strict=False))
        self._tell_taught(taught, seen_y)
        refuse_after_stop(self.run)
        if not digests:
            raise EmptyPoolError("X_pool: the pool is empty; end the run, or pass the rows that still have no label")
        keys = content_ids(digests, self.run.labels) if ids is None else ids
        estimator = getattr(classifier, "estimator", classifier)
        given: dict[str, Any] = {
            "proba": classifier.predict_proba(X_pool),
            "classes": getattr(estimator, "classes_", None),
            "embedding": self._embed(classifier, X_pool),
        }
        if taught:
            given["seen_y"] = seen_y
            if given["embedding"] is not None:
                given["seen_embedding"] = self._embed(classifier, seen_x)
        query = ask(self.run, n_instances, ids=keys, **{**given, **outputs})
        self._last = query
        self._strangers = self._unexplained(taught)
        refuse_after_stop(self.run)
        return query.rows, query

    def _tell_taught(self, taught: list[str], seen_y: Any) -> None:
        """Tell the labels of waiting rows that the training set now holds."""
        pending = self.run.pending
        if pending is None or not taught:
            return
        extra = self._unexplained(taught)
        extra.subtract(self._remembered(taught))
        waiting: dict[str, list[Any]] = {}
        for key in pending.ids.tolist():
            digest = self._digest(key)
            if digest is not None and len(waiting.setdefault(digest, [])) < extra[digest]:
                waiting[digest].append(key)
        # Taught rows are appended: of equal rows the last ones are new.
        found = []
        for place in range(len(taught) - 1, -1, -1):
            if waiting.get(taught[place]):
                found.append((waiting[taught[place]].pop(), place))
        if found:
            order = {key: place for place, key in enumerate(pending.ids.tolist())}
            found.sort(key=lambda pair: order[pair[0]])
            self.run.tell(np.asarray(seen_y)[[place for _, place in found]], ids=[key for key, _ in found])

    def _unexplained(self, taught: list[str]) -> Counter[str]:
        """How many more equal rows the training set holds than the run was told labels of (may be negative)."""
        out = Counter(taught)
        out.subtract(digest for digest in map(self._digest, self.run.labels) if digest is not None)
        return out

    def _remembered(self, taught: list[str]) -> Counter[str]:
        """The same count when the pending query was asked."""
        if self._strangers is not None:
            return self._strangers
        # Asked by an earlier process. If the training set has its size of then, nothing was taught in between;
        # otherwise we suppose that no row of it was equal to a row of the pool.
        before = self.run.history.series("labels.count")[-1]
        return self._unexplained(taught) if len(taught) == before else Counter()

    def _digest(self, key: Any) -> str | None:
        return self._content.get(key) or digest_of(key)

    def _embed(self, classifier: Any, X: Any) -> Any:
        if callable(self.embed):
            return self.embed(X)
        if not self.embed:
            return None
        return near(classifier.transform_without_estimating(X) if getattr(classifier, "on_transformed", False) else X)

    def __deepcopy__(self, memo: dict[int, Any]) -> ModalQueryStrategy:
        # scikit-learn's clone copies a learner's parameters deeply, but a run has one writer.
        return self

    def __repr__(self) -> str:
        return f"modal_query_strategy({self.run!r})"
