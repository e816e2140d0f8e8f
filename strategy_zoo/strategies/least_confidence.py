"""Least confidence: ask where the most probable class is least probable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import highest
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class LeastConfidence(Strategy):
    """One minus the probability of the most probable class, in [0, 1 - 1/C].

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    >>> strategy_zoo.propose("least_confidence", view, 2, np.random.default_rng(0)).rows.tolist()
    [2, 1]

    References
    ----------
    Lewis and Gale 1994, A Sequential Algorithm for Training Text Classifiers.
    """

    name: ClassVar[str] = "least_confidence"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = "Lewis and Gale 1994, A Sequential Algorithm for Training Text Classifiers"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return 1 - highest(field_of(view, "proba"))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (C + 3))
