"""Ascend uncertainty: new points where the model is as uncertain as it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo.registry import register
from strategy_zoo.space import Space
from strategy_zoo.strategy import choice, whole
from strategy_zoo.synthesis import F8, Rows, Synthesis, SynthesisStrategy, answers, distinct, doubt, filled
from strategy_zoo.view import View

_FIRST_REACH = 0.1  # of the width of each column
_LEAST_REACH, _MOST_REACH = 1e-6, 0.5


@register
@dataclass(frozen=True, repr=False)
class AscendUncertainty(SynthesisStrategy):
    """From random points, take steps that make the model less certain; keep the best of several starts for each point.

    For each point wanted there are `starts` random valid points of the space. In each of `steps` rounds every one of
    them tries a step: real columns move by normal numbers times a reach (a tenth of the column's width at first),
    integer ones likewise and rounded, but one column at least is moved by one or more, and each categorical column
    takes a random value with a chance of one in the number of columns. Steps out of the space end at its border. The
    step is taken when the point is valid and the model no more certain there; the reach grows by a half when it is
    less certain, and shrinks by a tenth when the step is not taken. The best of its starts is the answer for each
    point, the most uncertain first; points that came out equal are replaced by the next best of all starts, then by
    places around the answers and random ones, and come again only when the space seems to hold no others. The score
    is the uncertainty.

    The survey describes queries made anew anywhere in the input space; the climbing is this package's, without a
    gradient of the model, so that trees can be climbed as well. In a pool the space is the bounding box of the pool,
    and the nearest free row stands for each point.

    Parameters
    ----------
    measure : 'margin' (minus the gap between the two largest class probabilities), 'entropy' (in nats) or
        'least_confidence' (1 minus the largest).
    starts : 1 to 1,000. Random points for each point wanted.
    steps : 0 to 10,000. Steps that each of them tries.

    Examples
    --------
    >>> import strategy_zoo
    >>> def predict(points):
    ...     right = 1 / (1 + np.exp(-points[:, 0]))
    ...     return np.column_stack([1 - right, right])
    >>> view = strategy_zoo.View(embedding=[[-4.0], [-0.5], [3.0]], predict=predict)
    >>> strategy_zoo.propose("ascend_uncertainty", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Settles 2009, Active Learning Literature Survey (section 2.1, membership query synthesis).
    """

    name: ClassVar[str] = "ascend_uncertainty"
    growth: ClassVar[str] = "n starts steps (C + D) + U n D"
    reference: ClassVar[str] = "Settles 2009, Active Learning Literature Survey"

    measure: str = "margin"
    starts: int = 5
    steps: int = 60

    def __post_init__(self) -> None:
        choice(self.name, "measure", self.measure, ("margin", "entropy", "least_confidence"))
        object.__setattr__(self, "starts", whole(self.name, "starts", self.starts, 1, 1000))
        object.__setattr__(self, "steps", whole(self.name, "steps", self.steps, 0, 10_000))

    def synthesise(self, view: View, space: Space, n: int, rng: np.random.Generator) -> Synthesis:
        points = space.sample(n * self.starts, rng)
        score = doubt(answers(view, points), self.measure)
        reach = np.full(len(points), _FIRST_REACH)
        for _ in range(self.steps):
            tried = _moved(space, points, reach, rng)
            value = np.where(space.accepts(tried), doubt(answers(view, tried), self.measure), -np.inf)
            # Equal is taken too: where the model is flat the points wander until they find a slope.
            taken = value >= score
            reach = np.clip(reach * np.where(value > score, 1.5, np.where(taken, 1.0, 0.9)), _LEAST_REACH, _MOST_REACH)
            points[taken], score[taken] = tried[taken], value[taken]
        order = _best(points, score, n)
        points, score = points[order], score[order]
        if len(points) < n:  # many starts ended in one place: look around it, then anywhere
            near = _moved(space, np.tile(points, (4, 1)), np.full(4 * len(points), _FIRST_REACH), rng)
            more = np.concatenate([near[space.accepts(near)], space.sample(max(100, 4 * n), rng)])
            points, score = filled(points, score, more, doubt(answers(view, more), self.measure), n)
        return Synthesis(points, score)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        made = (self.steps + 1) * (n * self.starts * (12 * C + 20 * D + 40) + 4e4)
        return float(made + U * D * (n / 4 + 12) + 2e5)  # each question to the model has a price of its own


def _moved(space: Space, points: F8, reach: F8, rng: np.random.Generator) -> F8:
    """A step from each point, inside the space."""
    count, columns = points.shape
    step = rng.normal(size=points.shape)
    out = points + step * reach[:, None] * space.width
    changed = rng.random(points.shape) * columns < 1
    pick = rng.random(points.shape)
    for column, values in space.categorical.items():
        drawn = np.array(values)[np.minimum((pick[:, column] * len(values)).astype(int), len(values) - 1)]
        out[:, column] = np.where(changed[:, column], drawn, points[:, column])
    if space.integer:
        # Where the reach is below one, rounding would undo the step: one integer column moves by one at least.
        column = np.array(space.integer)[rng.integers(len(space.integer), size=count)]
        row = np.arange(count)
        move = out[row, column] - points[row, column]
        out[row, column] = points[row, column] + np.where(move < 0, np.minimum(move, -1), np.maximum(move, 1))
    return space.repaired(out)


def _best(points: F8, score: F8, n: int) -> Rows:
    """The best of each group of starts, best first, then the next best of all starts; only points that differ."""
    groups = np.arange(len(points)).reshape(n, -1)
    won = np.zeros(len(points), bool)
    won[groups[np.arange(n), score[groups].argmax(axis=1)]] = True
    order = np.lexsort((np.arange(len(points)), -score, ~won))
    order = order[distinct(points[order])][:n]
    return order[np.lexsort((order, -score[order]))]
