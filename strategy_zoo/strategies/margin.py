"""Margin: ask where the two most probable classes are closest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import margins
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Margin(Strategy):
    """Minus the gap between the two largest class probabilities, in [-1, 0]; -1 everywhere with a single class.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    >>> strategy_zoo.propose("margin", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction.
    """

    name: ClassVar[str] = "margin"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = (
        "Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return -margins(field_of(view, "proba"))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (3 * C + 3))
