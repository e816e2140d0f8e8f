"""Label cardinality: rows that are predicted to have unusually many or few labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._labels import label_margins, with_ties
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View

_BLOCK = 1 << 18  # entries


@register
@dataclass(frozen=True, repr=False)
class LabelCardinality(Strategy):
    """Label cardinality inconsistency: |labels predicted - mean number of labels of the labelled rows|.

    A label is predicted when its probability is above one half. The number takes few values; rows where it is equal
    come in the order of their smallest margin |2 p - 1|, which adds at most half of the least difference that the
    number can have. With nothing labelled all rows are equal in this sense.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     label_proba=[[0.9, 0.1, 0.1], [0.9, 0.8, 0.7], [0.6, 0.1, 0.2]], seen_labels=[[1, 0, 0], [0, 1, 0]]
    ... )
    >>> strategy_zoo.propose("label_cardinality", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Li and Guo 2013, Active Learning with Multi-Label SVM Classification.
    """

    name: ClassVar[str] = "label_cardinality"
    family: ClassVar[str] = "multi-label"
    needs: ClassVar[tuple[str, ...]] = ("label_proba", "seen_labels")
    kind: ClassVar[Kind] = "rowwise"
    task: ClassVar[tuple[str, ...]] = ("multilabel",)
    growth: ClassVar[str] = "(U + L) C"
    reference: ClassVar[str] = "Li and Guo 2013, Active Learning with Multi-Label SVM Classification"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba, seen = field_of(view, "label_proba"), field_of(view, "seen_labels")
        wrong, least = np.zeros(len(proba)), np.empty(len(proba))
        step = max(1, _BLOCK // proba.shape[1])
        total = seen.sum()
        for start in range(0, len(proba), step):
            block = proba[start : start + step]
            if len(seen):
                wrong[start : start + step] = np.abs((block > 0.5).sum(axis=1) * len(seen) - total) / len(seen)
            least[start : start + step] = label_margins(block).min(axis=1)
        # All values are multiples of 1 / L.
        return with_ties(wrong, 1 - least, gap=1 / max(1, len(seen)))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (5 * C + 75) + L * C)
