"""Bisect boundary: new points where the model changes its mind, spread along the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import lengths, snap, to_row
from strategy_zoo._narrowing import subset
from strategy_zoo.registry import register
from strategy_zoo.space import Space
from strategy_zoo.strategy import whole
from strategy_zoo.synthesis import F8, Rows, Synthesis, SynthesisStrategy, answers, distinct, doubt, filled
from strategy_zoo.view import View

_MOST_ENDS = 2_000  # points between which pairs are formed
_TRIES = 10  # rounds of new pairs until enough points are valid


@register
@dataclass(frozen=True, repr=False)
class BisectBoundary(SynthesisStrategy):
    """Join pairs of points that the model puts into different classes, and halve the way to where its answer changes.

    The ends of the pairs are the labelled points (2,000 at random when there are more), moved into the space; when
    the model puts all of them into one class, 1,000 random rows of the pool join them, then 1,000 random points of
    the space. For each point wanted, `pairs` pairs are drawn: a random end, and a random one of another predicted
    class. On the way between the ends real columns change evenly, integer ones are rounded, and each categorical one
    switches from one value to the other at a place of its own, drawn at random. After `halvings` questions to the
    model there are two points on either side of the boundary; the valid one with the smaller margin is kept. Of all
    that were kept, n are chosen: first the smallest margin, then each time the one farthest from those chosen, in
    coordinates in which every column has the size 1. The score is minus the margin of the model there.

    When no pair exists because the model knows one class only, or too few points are valid or different after ten
    rounds, random points of the space fill the answer, the smallest margin first. The authors make one query at a time,
    halving one pair and then stepping to its side along a random perpendicular; many pairs and the choice of distant
    points serve the same purpose for a batch. In a pool the space is the bounding box of the pool, and the nearest free
    row stands for each point.

    Parameters
    ----------
    pairs : 1 to 1,000. Pairs for each point wanted.
    halvings : 1 to 60. Questions to the model for each pair.

    Examples
    --------
    >>> import strategy_zoo
    >>> def predict(points):
    ...     right = 1 / (1 + np.exp(-points[:, 0]))
    ...     return np.column_stack([1 - right, right])
    >>> view = strategy_zoo.View(
    ...     embedding=[[-4.0], [-0.5], [3.0]], seen_embedding=[[-5.0], [5.0]], predict=predict
    ... )
    >>> strategy_zoo.propose("bisect_boundary", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Wang, Hu, Yuan and Lu 2015, Active learning via query synthesis and nearest neighbour search.
    """

    name: ClassVar[str] = "bisect_boundary"
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    growth: ClassVar[str] = "n pairs (halvings (C + D) + n D) + U n D"
    reference: ClassVar[str] = "Wang et al. 2015, Active learning via query synthesis and nearest neighbour search"

    pairs: int = 5
    halvings: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", whole(self.name, "pairs", self.pairs, 1, 1000))
        object.__setattr__(self, "halvings", whole(self.name, "halvings", self.halvings, 1, 60))

    def synthesise(self, view: View, space: Space, n: int, rng: np.random.Generator) -> Synthesis:
        ends, label = _ends(view, space, rng)
        points, score = np.empty((0, space.columns)), np.empty(0)
        if len(np.unique(label)) > 1:
            for _ in range(_TRIES):
                more, value = self._crossings(view, space, ends, label, n, rng)
                points, score = np.concatenate([points, more]), np.concatenate([score, value])
                kept = distinct(points)
                points, score = points[kept], score[kept]
                if len(points) >= n:
                    break
        chosen = _spread(space.unit(points), score, n) if len(points) else np.empty(0, np.int64)
        points, score = points[chosen], score[chosen]
        if len(points) < n:
            more = space.sample(max(100, 4 * n), rng)
            points, score = filled(points, score, more, doubt(answers(view, more)), n)
        return Synthesis(points, score)

    def _crossings(
        self, view: View, space: Space, ends: F8, label: Rows, n: int, rng: np.random.Generator
    ) -> tuple[F8, F8]:
        """Valid points next to the boundary, one for each pair of ends, and how uncertain the model is there."""
        count = n * self.pairs
        one = rng.integers(len(ends), size=count)
        # Another class: a random place among the ends of all other classes, in the order of their labels.
        order = np.argsort(label, kind="stable")
        size = np.bincount(label)
        before = np.cumsum(size) - size
        place = (rng.random(count) * (len(ends) - size[label[one]])).astype(np.int64)
        two = order[np.where(place < before[label[one]], place, place + size[label[one]])]
        switch = rng.random((count, len(space.categorical)))
        start, stop = np.zeros(count), np.ones(count)
        for _ in range(self.halvings):
            middle = (start + stop) / 2
            same = answers(view, _on_the_way(space, ends[one], ends[two], middle, switch)).argmax(axis=1) == label[one]
            start, stop = np.where(same, middle, start), np.where(same, stop, middle)
        sides = [_on_the_way(space, ends[one], ends[two], where, switch) for where in (start, stop)]
        fine = np.stack([space.accepts(side) for side in sides])
        value = np.where(fine, np.stack([doubt(answers(view, side)) for side in sides]), -np.inf)
        better = value.argmax(axis=0)
        kept = fine.any(axis=0)
        points = np.where((better == 0)[:, None], sides[0], sides[1])
        return points[kept], value.max(axis=0)[kept]

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        pairs = n * self.pairs
        made = (self.halvings + 2) * (12 * pairs * (C + D + 5) + 2e4) + pairs * n * (D + 6)
        return float(
            made / 2 + U * D * 7 + U * (2.2 * n + 90) + n * (16 * n + 5_000 * D) + 1e6
        )  # each question to the model has a price of its own


def _ends(view: View, space: Space, rng: np.random.Generator) -> tuple[F8, Rows]:
    """Points to form pairs of, and the class of each by the model."""
    points = np.empty((0, space.columns))
    label = np.empty(0, np.int64)
    for draw in (
        lambda: _some(view.seen_embedding, _MOST_ENDS, rng),
        lambda: _some(view.embedding, _MOST_ENDS // 2, rng),
        lambda: space.sample(_MOST_ENDS // 2, rng),
    ):
        more = space.repaired(draw())
        if len(more):
            points = np.concatenate([points, more])
            label = np.concatenate([label, answers(view, more).argmax(axis=1)])
        if len(np.unique(label)) > 1:
            break
    return points, label


def _some(points: NDArray[np.float32] | None, most: int, rng: np.random.Generator) -> F8:
    return np.empty((0, 1)) if points is None else points[subset(len(points), most, rng)].astype(np.float64)


def _on_the_way(space: Space, one: F8, two: F8, where: F8, switch: F8) -> F8:
    """Points between the ends, at the part `where` of the way."""
    share = where[:, None]
    out = space.repaired(one * (1 - share) + two * share)
    for i, column in enumerate(space.categorical):
        out[:, column] = np.where(where < switch[:, i], one[:, column], two[:, column])
    return out


def _spread(unit: F8, score: F8, n: int) -> Rows:
    """n points: the best one, then each time the one farthest from all chosen before (the lower one among equals)."""
    (points,), _ = snap(unit)
    squared = lengths(points)
    chosen = [int(score.argmax())]
    distance = to_row(points, squared, chosen[0])
    while len(chosen) < min(n, len(points)):
        distance[chosen[-1]] = -1
        chosen.append(int(distance.argmax()))
        np.minimum(distance, to_row(points, squared, chosen[-1]), out=distance)
    return np.array(chosen, np.int64)
