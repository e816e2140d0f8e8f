"""The one way in: `outputs`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from metaal.errors import InputError
from metaal.inputs import check_count
from metaal.model_outputs import committee, embedded, noisy, predicted
from metaal.model_outputs.looking import Lookahead
from metaal.model_outputs.models import Unavailable
from metaal.model_outputs.rows import frozen
from metaal.model_outputs.source import Source
from metaal.model_outputs.wants import Want, read_wants
from strategy_zoo.view import AXES

BASIC = ("proba", "prediction", "label_proba", "embedding")
"""What a view of the pool is made of where a strategy needs nothing of it; the first that can be had."""


def outputs(
    estimator: Any,
    X: Any,
    *,
    want: Want | Iterable[Want] = ("proba",),
    X_seen: Any = None,
    y_seen: Any = None,
    embedding: Any = None,
    seen_embedding: Any = None,
    previous: Any = None,
    votes: Any = None,
    members: int | None = None,
    passes: int = 10,
    noise: tuple[str, float] = ("dropout", 0.5),
    levels: Iterable[float] = (0.1, 0.5, 0.9),
    folds: int = 5,
    evaluation: int = 256,
    block: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute what strategies see of a model: arrays for ``Run.ask`` and ``strategy_zoo.View``.

    The estimator and the arrays are only read; what has to be fitted is a clone, with every ``random_state`` in it set
    from ``seed`` (same seed, same arrays) and without sample weights. A fitted search stands for its best estimator.
    X is predicted in blocks; what is returned has its own size, such as M·U·C·8 bytes for a committee.

    Parameters
    ----------
    estimator : classifier or regressor of scikit-learn or LightGBM, fitted
        Also a Pipeline or a search; or any other with the same methods, ``get_params`` and ``classes_``.
    X : U rows of the pool
        Whatever the estimator takes: array, sparse matrix, data frame, list of texts.
    want : str, Strategy, or several
        Fields of a view by name (a name that is both means the field), or strategies by spelling: then what they need,
        and of what they can use, what can be had. A strategy that reads nothing of the pool gets its most basic output
        too, for a view must have one.
    X_seen, y_seen : L labelled rows and their labels
        Needed by the ``seen_`` fields, by ``lookahead``, and by the committee of a single model.
    embedding, seen_embedding : (U, D) and (L, D) arrays, or a function
        Vectors in which near means alike; ``embedding=f`` is used for both. Default: what the last step of the
        estimator gets, that is X itself, or what the steps of a Pipeline before the last make of it.
    previous : (U, C) array
        Probabilities of the same rows in the last loop; passed on, as are votes.
    votes : (U, C) array
        Votes of annotators so far.
    members : int
        Size of the committee. Default: all members of a random forest, extra trees, bagging or voting ensemble, or 5
        clones of anything else, each fitted on a bootstrap sample of the labelled rows (for classifiers drawn by class,
        so that every class stays; classes of one row are then the same in all). Boosted trees are refitted too: the
        stages of one model are no committee. The weights of a voting ensemble are left out: members count equally.
    passes : int
        Noisy passes in ``stochastic``.
    noise : (kind, strength)
        ``("dropout", rate)``: each number that the last step gets is replaced, with that probability, by the mean of
        its column over the pool (in sparse rows by 0); DropQuery's authors drop 0.75 in 3 passes. ``("gaussian",
        scale)``: normal noise in units of the column's standard deviation.
    levels : numbers from 0 to 1
        Of ``quantiles``, which are those of the members' predictions.
    folds : int
        Of ``seen_proba``. Classes are dealt out evenly; a row that is alone in its class is never left out.
    evaluation : int
        Rows of the pool on which ``lookahead`` looks, drawn once.
    block : int
        Rows predicted at a time. Default: about four million numbers of X.
    seed : int

    Returns
    -------
    dict
        Read-only arrays, and functions for ``lookahead`` and ``predict``. For classifiers ``classes`` always comes
        along, by which a view and a run turn the labels in ``seen_y`` into columns of ``proba``.

        ``lookahead`` fits nothing before it is called, then C clones for each row; answers are kept. ``gradient`` is
        refused beyond 2 GB.

    Raises
    ------
    InputError
        A field cannot be had (the message says why and what to pass), or something passed is wrong.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from strategy_zoo import View
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GaussianNB().fit(X[::10], y[::10])
    >>> given = outputs(model, X[1:100], X_seen=X[::10], y_seen=y[::10], want=["margin", "committee"])
    >>> {name: array.shape for name, array in given.items()}
    {'proba': (99, 3), 'committee': (5, 99, 3), 'classes': (3,)}
    >>> View(**given).n
    99
    """
    wants = read_wants(want)
    source = Source(
        estimator=estimator,
        X=X,
        X_seen=X_seen,
        y_seen=y_seen,
        embedding=embedding,
        seen_embedding=seen_embedding,
        previous=previous,
        votes=votes,
        members=None if members is None else check_count(members, name="members", meaning="models of the committee"),
        passes=check_count(passes, name="passes", meaning="noisy passes"),
        noise=_check_noise(noise),
        levels=_check_levels(levels),
        folds=_check_folds(folds),
        evaluation=check_count(evaluation, name="evaluation", meaning="rows that lookahead looks at"),
        block=None if block is None else check_count(block, name="block", meaning="rows predicted at a time"),
        seed=_check_seed(seed),
    )
    had: dict[str, Any] = {}
    # Quantiles come last: they can be read from the members' predictions, if these are wanted too.
    for name, who in sorted(wants.required.items(), key=lambda item: item[0] == "quantiles"):
        try:
            had[name] = _make(name, source)
        except Unavailable as error:
            whose = "" if who == "you" else f", which {who} needs,"
            raise InputError(f"want: {name}{whose} cannot be had: {error}") from error
    for name in wants.optional:
        try:
            had[name] = _make(name, source)
        except Unavailable:
            continue  # optional means that the strategy does without it
    if wants.strategies and not any("U" in AXES.get(name, ()) for name in had):
        had |= _basic(source)
    if source.task == "classification":
        had["classes"] = _make("classes", source)
    return {name: had[name] for name in MAKERS if name in had}


def _make(name: str, source: Source) -> Any:
    made = MAKERS[name](source)
    return frozen(made) if isinstance(made, np.ndarray) else made


def _basic(source: Source) -> dict[str, Any]:
    reasons = []
    for name in BASIC:
        try:
            return {name: _make(name, source)}
        except Unavailable as error:
            reasons.append(f"{name}: {error}")
    raise InputError("want: a view needs something of the pool, and nothing can be had; " + "; ".join(reasons))


def _previous(source: Source) -> np.ndarray:
    return _passed_on("previous", source.previous, source, "it is what proba was in the last loop for the same rows")


def _votes(source: Source) -> np.ndarray:
    return _passed_on("votes", source.votes, source, "only the caller knows what the annotators said")


def _passed_on(name: str, value: Any, source: Source, why: str) -> np.ndarray:
    if value is None:
        raise Unavailable(f"{why}; pass {name}=")
    array = np.asarray(value)
    expected = (source.n, len(source.classes))
    if array.shape != expected:
        raise InputError(f"{name}: got shape {array.shape}, expected {expected}: rows of X, the estimator's classes")
    return array


MAKERS: dict[str, Callable[[Source], Any]] = {
    "proba": predicted.proba,
    "prediction": predicted.prediction,
    "quantiles": committee.quantiles,
    "embedding": embedded.embedding,
    "committee": committee.committee,
    "committee_prediction": committee.committee_prediction,
    "stochastic": noisy.stochastic,
    "previous": _previous,
    "gradient": embedded.gradient,
    "label_proba": predicted.label_proba,
    "votes": _votes,
    "seen_embedding": embedded.seen_embedding,
    "seen_y": predicted.seen_y,
    "seen_proba": predicted.seen_proba,
    "seen_labels": predicted.seen_labels,
    "classes": predicted.classes,
    "lookahead": Lookahead,
    "predict": embedded.predict,
}
"""One for each field of a view, in its order."""


def _check_noise(noise: Any) -> tuple[str, float]:
    usage = "noise: got {!r}, expected ('dropout', rate from 0 to 1) or ('gaussian', scale of 0 or more)"
    if not (isinstance(noise, tuple | list) and len(noise) == 2 and noise[0] in noisy.NOISES):
        raise InputError(usage.format(noise))
    kind, strength = noise
    number = isinstance(strength, int | float | np.number) and not isinstance(strength, bool)
    if not number or not 0 <= strength <= (1 if kind == "dropout" else math.inf) or not math.isfinite(strength):
        raise InputError(usage.format(noise))
    return kind, float(strength)


def _check_levels(levels: Any) -> tuple[float, ...]:
    try:
        out = tuple(float(level) for level in levels)
    except (TypeError, ValueError):
        out = ()
    if not out or list(out) != sorted(out) or not 0 <= out[0] <= out[-1] <= 1:
        raise InputError(f"levels: got {out or levels!r}, expected rising numbers from 0 to 1, such as (0.1, 0.5, 0.9)")
    return out


def _check_folds(folds: Any) -> int:
    if check_count(folds, name="folds", meaning="parts that are left out in turn") < 2:
        raise InputError("folds: got 1, expected 2 or more: a row is predicted by a model fitted on the other folds")
    return int(folds)


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: got {seed!r}, expected a whole number ≥ 0")
    return int(seed)
