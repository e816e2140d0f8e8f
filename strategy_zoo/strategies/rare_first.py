"""Rare first: rows that probably belong to the classes with the fewest labels so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._labels import class_counts, with_ties
from strategy_zoo._uncertainty import margins
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View

_BLOCK = 1 << 18  # entries


@register
@dataclass(frozen=True, repr=False)
class RareFirst(Strategy):
    """Expected rarity: the mean of the classes' rarities, weighted by their predicted probabilities.

    The rarity of a class with k labels so far is ((fewest + 1) / (k + 1)) ** power: 1 for the rarest class, 0.5 for one
    with twice its labels. With power 1 this is, up to scale, what the label is expected to add to the sum over classes
    of log(1 + labels), which is largest when classes are balanced. Labels are counted as in balanced_margin: when they
    are integers from 0 to C - 1, the columns of proba; others count for no class. Rows whose expected rarity is equal
    to within a billionth come in the order of their margin; without `seen_y`, and when all classes have equally many
    labels, those are all rows.

    The minority-class strategy of the paper ranks rows by how likely they are in a minority class, one or the other;
    the rarity makes this gradual.

    Parameters
    ----------
    power : 0.01 to 100. How strongly rare classes are preferred; at large values only the rarest class counts.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]], seen_y=[0, 0, 0, 1])
    >>> strategy_zoo.propose("rare_first", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Aggarwal, Popescu and Hudelot 2022, Minority Class Oriented Active Learning for Imbalanced Datasets.
    """

    name: ClassVar[str] = "rare_first"
    family: ClassVar[str] = "balance"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    uses: ClassVar[tuple[str, ...]] = ("seen_y",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C + L"
    reference: ClassVar[str] = (
        "Aggarwal, Popescu and Hudelot 2022, Minority Class Oriented Active Learning for Imbalanced Datasets"
    )

    power: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", real(self.name, "power", self.power, 0.01, 100))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba = field_of(view, "proba")
        labels = class_counts(view.seen_y, proba.shape[1])
        rarity = ((labels.min() + 1) / (labels + 1)) ** self.power
        expected = np.empty(len(proba))
        step = max(1, _BLOCK // proba.shape[1])
        for start in range(0, len(proba), step):
            block = proba[start : start + step]
            # Rows sum to 1 only nearly, which would order rows when all classes are equally rare.
            expected[start : start + step] = (block * rarity).sum(axis=1) / block.sum(axis=1)
        return with_ties(expected, np.clip(1 - margins(proba), 0, 1))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (7 * C + 65) + L)
