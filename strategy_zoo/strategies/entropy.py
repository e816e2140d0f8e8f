"""Entropy: ask where the predicted distribution is flattest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View

_BLOCK = 1 << 20  # entries


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
        proba = field_of(view, "proba")
        out = np.empty(len(proba))
        step = max(1, _BLOCK // proba.shape[1])
        for start in range(0, len(proba), step):
            block = proba[start : start + step]
            # The logarithm of 1 stands in where p = 0, because p log p goes to 0 there.
            out[start : start + step] = -(block * np.log(np.where(block > 0, block, 1.0))).sum(axis=1)
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (3 * C + 20) + 50 * n)
