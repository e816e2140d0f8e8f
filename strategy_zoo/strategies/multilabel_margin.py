"""Multi-label margin: rows some of whose labels are near the decision boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._labels import label_margins
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, field_of
from strategy_zoo.view import View

_BLOCK = 1 << 18  # entries


@register
@dataclass(frozen=True, repr=False)
class MultilabelMargin(Strategy):
    """Minus the margins |P(label) - P(no label)| of a row's labels, brought to one number in [-1, 0].

    The paper takes the smallest margin, the one of the label that is least sure. Few sure labels then say nothing about
    the others; the mean and the largest margin ask for rows that are unsure in more or in all of their labels (Esuli
    and Sebastiani compare these).

    Parameters
    ----------
    over : 'min', 'mean' or 'max'. Which number stands for the margins of all labels.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(label_proba=[[0.9, 0.5, 0.0], [0.3, 0.6, 0.7], [1.0, 0.9, 0.2]])
    >>> strategy_zoo.propose("multilabel_margin", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 1]
    >>> strategy_zoo.propose("multilabel_margin(over='mean')", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Brinker 2006, On Active Learning in Multi-label Classification.
    Esuli and Sebastiani 2009, Active Learning Strategies for Multi-Label Text Classification.
    """

    name: ClassVar[str] = "multilabel_margin"
    family: ClassVar[str] = "multi-label"
    needs: ClassVar[tuple[str, ...]] = ("label_proba",)
    kind: ClassVar[Kind] = "rowwise"
    task: ClassVar[tuple[str, ...]] = ("multilabel",)
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = "Brinker 2006, On Active Learning in Multi-label Classification"

    over: str = "min"

    def __post_init__(self) -> None:
        choice(self.name, "over", self.over, ("min", "mean", "max"))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba = field_of(view, "label_proba")
        out = np.empty(len(proba))
        step = max(1, _BLOCK // proba.shape[1])
        for start in range(0, len(proba), step):
            margin = label_margins(np.ascontiguousarray(proba[start : start + step]))
            if self.over == "mean":
                out[start : start + step] = -margin.mean(axis=1)
            else:
                out[start : start + step] = -(margin.min(axis=1) if self.over == "min" else margin.max(axis=1))
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (3.3 * C + 50))
