"""Flips: ask where the prediction changed since the last loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Flips(Strategy):
    """Rows whose predicted class is another one than a loop ago, and among equals those whose probabilities moved most.

    The score is 1 for a changed prediction plus half the total variation sum_c |p_c - q_c| / 2 between the
    probabilities of now and before: above 1 for rows that flipped, at most 1/2 for the others. Two loops show a row in
    one of two states only, and late in a run hardly any row flips, so the size of the change decides among many; it can
    never overturn a flip. (The paper counts the predictions over all epochs of a training, of which a view shows the
    last two loops.) The predicted class is the first of the most probable ones.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]], previous=[[0.6, 0.4], [0.4, 0.6], [0.7, 0.3]]
    ... )
    >>> strategy_zoo.propose("flips", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 0, 2]

    References
    ----------
    Zolfaghari Bengar, Raducanu and van de Weijer 2021, When Deep Learners Change Their Mind: Learning Dynamics for
    Active Learning.
    """

    name: ClassVar[str] = "flips"
    family: ClassVar[str] = "change"
    needs: ClassVar[tuple[str, ...]] = ("proba", "previous")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = (
        "Zolfaghari Bengar, Raducanu and van de Weijer 2021, When Deep Learners Change Their Mind: Learning Dynamics "
        "for Active Learning"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba, previous = field_of(view, "proba"), field_of(view, "previous")
        flipped = proba.argmax(axis=1) != previous.argmax(axis=1)
        return flipped + np.abs(proba - previous).sum(axis=1) / 4

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (4 * C + 45) + 130 * n)
