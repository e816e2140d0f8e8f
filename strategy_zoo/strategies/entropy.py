"""Entropy: ask where the predicted distribution is flattest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import entropies
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Entropy(Strategy):
    """Shannon entropy of the class probabilities in nats, in [0, log C].

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    >>> strategy_zoo.propose("entropy", view, 2, np.random.default_rng(0)).rows.tolist()
    [2, 1]

    References
    ----------
    Shannon 1948, A Mathematical Theory of Communication.
    """

    name: ClassVar[str] = "entropy"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = "Shannon 1948, A Mathematical Theory of Communication"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return entropies(field_of(view, "proba"))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (3 * C + 20) + 50 * n)
