"""Smooth: an uncertainty strategy on probabilities that agree with the labels nearby."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._composing import by_position, combined
from strategy_zoo._grid import F4, F8, Rows, blocks, lengths, snap
from strategy_zoo._narrowing import subset
from strategy_zoo.entry import propose
from strategy_zoo.errors import SpellingError, ViewError
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, default_of, field_of, literal, real, whole
from strategy_zoo.view import View

_MOST_ANCHORS = 1_000  # pool rows in the graph, and labelled rows in it; fewer for large pools, but at least
_LEAST_ANCHORS = 500
_MOST_PAIRS = 200_000_000  # of pool rows and anchors
_LEAST_REACHED = 1e-200
_ROUNDS = 50  # of spreading; with alpha = 0.9 the rest is half a percent
_OWN = ("share", "neighbours", "alpha")


@register
@dataclass(frozen=True, repr=False)
class Smooth(Strategy):
    """Blend the model's probabilities with labels spread over the embedding, then let `inner` choose.

    Labelled rows and pool rows are the nodes of a graph: each is joined to its nearest neighbours (an edge counts
    both ways), with the weight exp(-d² / 2s²), where s² is the mean squared length of the edges. The labels flow 50
    rounds by F ← alpha S F + (1 - alpha) Y, S being the weights divided by the square roots of both nodes' sums, as
    in the paper; rows of F scaled to sum 1 are the spread probabilities Q. `inner` then sees (1 - share) * proba +
    share * Q, and the answer is its answer. Rows that no label reaches, and all rows while nothing is labelled, keep
    their `proba`.

    To keep time and memory linear in the pool, the graph holds 1,000 pool rows and 1,000 labelled rows at most, drawn
    at random (200 million / U above 100,000 rows, but 500 of each); any other pool row takes the mean of F over its
    nearest neighbours in the graph, by the same weights. The authors join all pairs of rows. `seen_y` must hold
    columns of `proba` (0 to C - 1), or labels among `classes`; rows with another label are left out then.

    Parameters
    ----------
    inner : a strategy that reads `proba`, or its spelling, as in ``smooth(margin)``.
    share : 0 to 1. Weight of the spread labels; 0 is `inner` itself.
    neighbours : 1 to 100. Edges that each row brings into the graph.
    alpha : 0.01 to 0.999. How far the labels flow; the rest of the weight is for a node's own label.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.6, 0.4], [0.6, 0.4]], embedding=[[0.1], [5.0], [9.9]],
    ...     seen_embedding=[[0.0], [10.0]], seen_y=[0, 1]
    ... )
    >>> strategy_zoo.propose("smooth(margin, neighbours=1)", view, 1, np.random.default_rng(0)).rows.tolist()
    [2]

    References
    ----------
    Zhou, Bousquet, Lal, Weston and Schölkopf 2004, Learning with Local and Global Consistency.
    """

    name: ClassVar[str] = "smooth"
    family: ClassVar[str] = "fusion"
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U (a + min(L, a)) D with a from 500 to 1,000, plus that of inner"
    example: ClassVar[str] = "smooth(margin)"
    reference: ClassVar[str] = "Zhou et al. 2004, Learning with Local and Global Consistency"

    inner: Strategy = field()
    share: float = 0.5
    neighbours: int = 10
    alpha: float = 0.9

    def __post_init__(self) -> None:
        inner = get(self.inner)
        if "proba" not in (*inner.needs, *inner.uses):
            raise SpellingError(f"smooth: inner is {inner}, which reads no proba; expected a strategy such as margin")
        joined = combined((inner,))
        needs = tuple(dict.fromkeys(("proba", "embedding", "seen_embedding", "seen_y", *joined["needs"])))
        given = {
            "inner": inner,
            "share": real(self.name, "share", self.share, 0, 1),
            "neighbours": whole(self.name, "neighbours", self.neighbours, 1, 100),
            "alpha": real(self.name, "alpha", self.alpha, 0.01, 0.999),
            **joined,
            "needs": needs,
            "uses": tuple(name for name in joined["uses"] if name not in needs),
            "stochastic": True,
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba = field_of(view, "proba")
        seen, label = field_of(view, "seen_embedding"), field_of(view, "seen_y")
        if view.has("classes"):  # then the view has turned labels into columns, and -1 is a label of no class
            seen, label = seen[label >= 0], label[label >= 0]
        label = columns_of(label, proba.shape[1])
        if not len(label) or self.share == 0:
            return propose(self.inner, view, n, rng)
        spread = self.spread(field_of(view, "embedding"), seen, label, proba.shape[1], rng)
        reached = spread.sum(axis=1)
        reached[reached < _LEAST_REACHED] = 0.0  # what is left of a label after a thousand roundings says nothing
        # In place: spread is the only array of the pool's size that is made here.
        spread *= (self.share / np.where(reached > 0, reached, 1))[:, None]
        for start, block in blocks(proba):
            part = slice(start, start + len(block))
            spread[part] += block * np.where(reached[part] > 0, 1 - self.share, 1)[:, None]
        return propose(self.inner, view.replaced(proba=spread), n, rng)

    def spread(self, pool: F4, seen: F4, label: Rows, classes: int, rng: np.random.Generator) -> F8:
        """What the labels give to each pool row and class, before rows are scaled; zeros where no label reaches."""
        most = _most_anchors(len(pool))
        source, anchor = subset(len(seen), most, rng), subset(len(pool), most, rng)
        (points, known), _ = snap(pool, seen[source])
        nodes = np.concatenate([points[anchor], known])
        count = min(self.neighbours, len(nodes) - 1)
        near, squared = _neighbours(nodes, nodes, count, own=np.arange(len(nodes)))
        width = 2 * float(squared.mean())
        start, end, weight = _edges(near, _closeness(squared, width))
        degree = np.bincount(start, weight, len(nodes))
        scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
        weight = self.alpha * weight * scale[start] * scale[end]
        given = np.zeros((len(nodes), classes))
        given[len(anchor) + np.arange(len(source)), label[source]] = 1 - self.alpha
        value = _flow(given, start, end, weight)
        out = np.zeros((len(pool), classes))
        out[anchor] = value[: len(anchor)]
        if len(anchor) < len(pool):
            others = np.setdiff1d(np.arange(len(pool)), anchor, assume_unique=True)
            step = max(1, (1 << 20) // len(nodes))
            for first in range(0, len(others), step):
                rows = others[first : first + step]
                near, squared = _neighbours(points[rows], nodes, count)
                out[rows] = np.einsum("ij,ijc->ic", _closeness(squared, width), value[near])
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        nodes = min(U, _most_anchors(U)) + min(L, _most_anchors(U))
        pairs = max(U, nodes) * nodes
        flow = _ROUNDS * nodes * 2 * self.neighbours * (C + 3)
        return self.inner.cost(U, L, C, D, n) + float(pairs * (D / 4 + 6) + 4 * flow + U * self.neighbours * C * 4)

    @property
    def spelling(self) -> str:
        own = [f", {key}={literal(getattr(self, key))}" for key in _OWN if getattr(self, key) != _default(self, key)]
        return f"smooth({self.inner.spelling}{''.join(own)})"

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        usage = "smooth(inner, share=0.5, neighbours=10, alpha=0.9)"
        return super().build((), by_position(cls.name, ("inner",), args, kwargs, usage))


def _most_anchors(rows: int) -> int:
    return min(_MOST_ANCHORS, max(_LEAST_ANCHORS, _MOST_PAIRS // rows))


def columns_of(seen_y: NDArray[Any], classes: int) -> Rows:
    """Labels as columns of proba; a clear error for anything else."""
    kind = seen_y.dtype.kind
    label = seen_y.astype(np.float64) if kind in "iuf" else np.full(len(seen_y), np.nan)
    fine = (label >= 0) & (label < classes) & (label == np.floor(label))
    if not fine.all():
        bad = int(np.flatnonzero(~fine)[0])
        raise ViewError(
            f"seen_y holds {seen_y[bad]!r} (labelled row {bad}), expected columns of proba, 0 to {classes - 1}; "
            "pass np.searchsorted(model.classes_, y)"
        )
    return label.astype(np.int64)


def _neighbours(points: F4, nodes: F4, count: int, own: Rows | None = None) -> tuple[Rows, F8]:
    """The `count` nearest nodes of each point, and their squared distances; `own` is the node not to count."""
    near, squared = np.empty((len(points), count), np.int64), np.empty((len(points), count))
    exact = nodes.astype(np.float64)
    offset = lengths(exact)
    turned = np.ascontiguousarray(exact.T) * -2
    for start, block in blocks(points, len(nodes)):
        distance = block @ turned
        distance += offset
        part = slice(start, start + len(block))
        if own is not None:
            distance[np.arange(len(block)), own[part]] = np.inf
        # Sorted, because argpartition leaves the neighbours in an order of its own.
        near[part] = np.sort(np.argpartition(distance, count - 1, axis=1)[:, :count], axis=1)
        squared[part] = np.take_along_axis(distance, near[part], axis=1) + lengths(block)[:, None]
    return near, squared


def _closeness(squared: F8, width: float) -> F8:
    return np.exp(-squared / width) if width > 0 else np.ones(squared.shape)


def _edges(near: Rows, weight: F8) -> tuple[Rows, Rows, F8]:
    """All edges in both directions, each once, sorted by their start."""
    size = len(near)
    start, end = np.repeat(np.arange(size), near.shape[1]), near.ravel()
    key, first = np.unique(np.concatenate([start * size + end, end * size + start]), return_index=True)
    return key // size, key % size, np.tile(weight.ravel(), 2)[first]


def _flow(given: F8, start: Rows, end: Rows, weight: F8) -> F8:
    """The labels after all rounds of spreading along the edges."""
    value = given.copy()
    node, first = np.unique(start, return_index=True)
    for _ in range(_ROUNDS):
        passed = np.add.reduceat(value[end] * weight[:, None], first, axis=0) if len(end) else np.zeros((0, 1))
        value = given.copy()
        value[node] += passed
    return value


def _default(strategy: Strategy, key: str) -> Any:
    return default_of(strategy.__dataclass_fields__[key])
