"""Query synthesis: points that are in no pool, made inside a space that the caller describes.

    space = Space(low=[0, 0, 1], high=[10, 5, 3], integer=[2], valid=lambda points: points[:, 0] > points[:, 1])
    made = synthesise("bisect_boundary", view, space, 10, np.random.default_rng(0))

A strategy of the kind "synthesis" defines ``synthesise(view, space, n, rng)``. In a loop over a pool it works as any
other one: points are made in the bounding box of the pool's embedding, and the nearest rows stand for them.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_zoo._arrays import frozen
from strategy_zoo._grid import lengths, nearest, snap
from strategy_zoo._uncertainty import margins
from strategy_zoo.errors import UnmetNeedError, ViewError, ZooError
from strategy_zoo.proposal import Proposal
from strategy_zoo.space import Space
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
Valid = Callable[[F8], ArrayLike]

_POINTS = 1 << 16  # that the model sees in one call
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Synthesis:
    """Points that a strategy made, best first.

    Parameters
    ----------
    points : float64[n, D]. Inside the space that was given.
    score : float64[n]. How uncertain the model is there, higher = more.
    rows : int64[n] or None. The pool row that stands for each point, unique; with ``project=True``.
    """

    points: F8
    score: F8
    rows: Rows | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, np.float64)
        score = np.asarray(self.score, np.float64)
        if points.ndim != 2 or score.shape != (len(points),):
            raise ZooError(f"points have shape {points.shape} and score {score.shape}, expected [n, D] and [n]")
        if not (np.isfinite(points).all() and np.isfinite(score).all()):
            raise ZooError("points or score hold NaN or infinity, expected finite numbers")
        object.__setattr__(self, "points", frozen(points))
        object.__setattr__(self, "score", frozen(score))
        if self.rows is not None:
            object.__setattr__(self, "rows", frozen(np.asarray(self.rows, np.int64)))

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, repr=False)
class SynthesisStrategy(Strategy):
    """The base of strategies that make points; subclasses are frozen dataclasses that define `synthesise`."""

    family: ClassVar[str] = "synthesis"
    kind: ClassVar[Kind] = "synthesis"
    needs: ClassVar[tuple[str, ...]] = ("embedding", "predict")
    stochastic: ClassVar[bool] = True

    def synthesise(self, view: View, space: Space, n: int, rng: np.random.Generator) -> Synthesis:
        """n points of the space; for validated input use `strategy_zoo.synthesise`."""
        raise ZooError(f"{self.name} makes no points; define synthesise(view, space, n, rng)")

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        """Points in the bounding box of the pool, and for each the nearest row that no point before it took."""
        pool = field_of(view, "embedding")
        field_of(view, "predict")
        made = self.synthesise(view, Space.around(pool), n, rng)
        return Proposal(projected(made.points, pool), made.score)


def synthesise(
    strategy: str | Strategy, view: View, space: Space, n: int, rng: np.random.Generator, project: bool = False
) -> Synthesis:
    """n new points of a space that a strategy asks for, best first.

    Parameters
    ----------
    strategy : a strategy of the kind "synthesis", or its spelling.
    view : what the loop shows; `predict` is needed, `seen_embedding` is used, `embedding` may have no rows.
    space : where points may lie; as many columns as the embedding has.
    n : points wanted, at least 1.
    rng : the only source of chance; the same state gives the same points.
    project : whether to find a pool row for each point too: the nearest one that no point before it took.

    Raises
    ------
    UnmetNeedError : the view has no `predict`, or no `embedding` to project to.
    ViewError : `predict` answered with something else than class probabilities.
    ZooError : the arguments are unusable, or the space holds no valid point.

    Examples
    --------
    >>> def predict(points):
    ...     left = 1 / (1 + np.exp(4 * points[:, 0]))
    ...     return np.column_stack([left, 1 - left])
    >>> view = View(embedding=[[-2.0, 0.0], [0.1, 1.0]], seen_embedding=[[-1.0, 0.0], [1.0, 0.0]], predict=predict)
    >>> made = synthesise("bisect_boundary", view, Space([-3, -3], [3, 3]), 2, np.random.default_rng(0))
    >>> bool(np.all(np.abs(made.points[:, 0]) < 0.001))
    True
    """
    known = get(strategy)
    if not isinstance(known, SynthesisStrategy):
        raise ZooError(f"{known} is of the kind {known.kind!r}, expected one that makes points such as bisect_boundary")
    if not isinstance(view, View):
        raise ZooError(f"view is a {type(view).__name__}, expected a View; write View(embedding=..., predict=...)")
    if not isinstance(space, Space):
        raise ZooError(f"space is a {type(space).__name__}, expected a Space; write Space(low, high)")
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
        raise ZooError(f"n is {n!r}, expected a whole number of points, at least 1")
    if not isinstance(rng, np.random.Generator):
        raise ZooError(f"rng is a {type(rng).__name__}, expected a numpy Generator; pass np.random.default_rng(seed)")
    needed = [name for name in ("predict", *(["embedding"] if project else [])) if not view.has(name)]
    if needed:
        raise UnmetNeedError(f"{known} needs {' and '.join(needed)} to make points; pass {needed[0]}= to View")
    for name in ("embedding", "seen_embedding"):
        array = getattr(view, name) if view.has(name) else None
        if array is not None and array.shape[1] != space.columns:
            raise ZooError(
                f"the space has {space.columns} columns, expected {array.shape[1]} as in {name}; give bounds for each"
            )
    if project and view.n < n:
        raise ZooError(f"n is {n}, but the pool has {view.n} rows to project to; ask for fewer points")
    made = known.synthesise(view, space, int(n), rng)
    if made.points.shape != (n, space.columns):
        raise ZooError(
            f"{known} made points of shape {made.points.shape}, expected ({n}, {space.columns}); repair the strategy"
        )
    if not project:
        return made
    return Synthesis(made.points, made.score, projected(made.points, field_of(view, "embedding")))


def answers(view: View, points: F8) -> F8:
    """The model's class probabilities at some points, checked."""
    predict: Any = field_of(view, "predict")
    out = []
    for start in range(0, len(points), _POINTS):
        part = points[start : start + _POINTS].copy()
        out.append(_checked(predict(part), len(part)))
    if len({answer.shape[1] for answer in out}) > 1:
        raise ViewError("predict gave another number of classes in another call, expected the same columns each time")
    return np.concatenate(out)


def _checked(answer: Any, k: int) -> F8:
    try:
        proba = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ViewError(f"predict answered with a {type(answer).__name__} ({error}), expected numbers [k, C]") from None
    if proba.ndim != 2 or len(proba) != k or not proba.shape[1]:
        raise ViewError(f"predict answered with shape {proba.shape} for {k} points, expected ({k}, C)")
    with np.errstate(invalid="ignore"):
        total = proba.sum(axis=1)
        bad = np.flatnonzero(~((proba >= 0).all(axis=1) & (np.abs(total - 1) <= _SUM_TOLERANCE)))
    if len(bad):
        raise ViewError(
            f"predict answered with {proba[bad[0]].tolist()} for point {bad[0]} of {k}, expected probabilities "
            "(0 or more, sum 1); apply a softmax to the scores first"
        )
    return proba


def doubt(proba: F8, measure: str = "margin") -> F8:
    """How uncertain the model is: minus the margin, the entropy in nats, or 1 minus the largest probability."""
    if measure == "entropy":
        return -(proba * np.log(np.where(proba > 0, proba, 1.0))).sum(axis=1)
    return 1 - proba.max(axis=1) if measure == "least_confidence" else -margins(proba)


def projected(points: F8, pool: NDArray[np.float32]) -> Rows:
    """For each point the nearest pool row that no point before it took; equal ones go to the lower row."""
    (rows, wanted), _ = snap(pool, points)
    squared = lengths(rows)
    first, _ = nearest(wanted, rows, lengths(wanted))
    taken = np.zeros(len(pool), bool)
    out = np.empty(len(points), np.int64)
    for i, row in enumerate(first.tolist()):
        if taken[row]:
            # Only points that share their nearest row come here; |p|² is the same for every row and is left out.
            away = squared - 2 * _products(rows, wanted[i])
            away[taken] = np.inf
            row = int(away.argmin())
        out[i], taken[row] = row, True
    return out


def _products(rows: NDArray[np.float32], point: NDArray[np.float32]) -> F8:
    out = np.empty(len(rows))
    one = point.astype(np.float64)
    step = max(1, (1 << 20) // rows.shape[1])
    for start in range(0, len(rows), step):
        out[start : start + step] = rows[start : start + step].astype(np.float64) @ one
    return out


def distinct(points: F8) -> Rows:
    """Positions of the first of each group of equal points, in order."""
    return np.sort(np.unique(points, axis=0, return_index=True)[1]).astype(np.int64)


def filled(points: F8, score: F8, others: F8, value: F8, n: int) -> tuple[F8, F8]:
    """`points` and the best of `others` that differ from them and each other; repeated when these are too few for n."""
    fresh = distinct(np.concatenate([points, others]))
    fresh = fresh[fresh >= len(points)] - len(points)
    fresh = fresh[np.argsort(-value[fresh], kind="stable")][: n - len(points)]
    points, score = np.concatenate([points, others[fresh]]), np.concatenate([score, value[fresh]])
    again = np.arange(n) % len(points)
    return points[again], score[again]
