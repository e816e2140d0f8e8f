"""Band: ask where the confidence is neither low nor high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import highest
from strategy_zoo.errors import SpellingError
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Band(Strategy):
    """Rows whose confidence (their largest probability) lies in a band, and after those the rows nearest to the band.

    Rows below the band are the ones that noisy labels and outliers fill, rows above it teach little. The score is
    positive inside of the band, 0 at its edges, and minus the distance to the band outside, in the unit of `scale`.
    Inside, with order 'middle', it is the distance to the nearer edge: the middle comes first, and the width of the
    band then decides which scores are positive but not the order of the rows. With order 'random' all rows inside are
    alike: it is a random number between 0 and 1. There are always n rows, even when the band is empty.

    Parameters
    ----------
    low, high : 0 to 1, low at most high, in the unit of `scale`. Edges of the band.
    scale : 'probability', the confidence as it is, which lies in [1/C, 1] and says how often the model is right; or
        'chance', (confidence - 1/C) / (1 - 1/C), which is 0 for a guess and 1 for certainty with any number of classes.
    order : 'middle' or 'random'. What comes first inside of the band.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.95, 0.05], [0.51, 0.49], [0.62, 0.38], [0.72, 0.28]])
    >>> strategy_zoo.propose("band", view, 3, np.random.default_rng(0)).rows.tolist()
    [2, 1, 3]

    References
    ----------
    Chong, Ohsaki and Ng 2024, Improve Cost Efficiency of Active Learning over Noisy Dataset (sampling around a chosen
    probability instead of the most uncertain one; the hard band is ours).
    """

    name: ClassVar[str] = "band"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = (
        "Chong, Ohsaki and Ng 2024, Improve Cost Efficiency of Active Learning over Noisy Dataset"
    )

    low: float = 0.5
    high: float = 0.7
    scale: str = "probability"
    order: str = "middle"

    def __post_init__(self) -> None:
        low, high = (real(self.name, key, getattr(self, key), 0, 1) for key in ("low", "high"))
        if low > high:
            raise SpellingError(f"band: low is {low:g} and high is {high:g}, expected low at most high; swap them")
        choice(self.name, "scale", self.scale, ("probability", "chance"))
        choice(self.name, "order", self.order, ("middle", "random"))
        for key, value in {"low": low, "high": high, "stochastic": self.order == "random"}.items():
            object.__setattr__(self, key, value)

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba = field_of(view, "proba")
        confidence = highest(proba)
        classes = proba.shape[1]
        if self.scale == "chance" and classes > 1:
            confidence = (confidence - 1 / classes) / (1 - 1 / classes)
        inward = np.minimum(confidence - self.low, self.high - confidence)
        if self.order == "middle":
            return inward
        return np.where(inward >= 0, rng.random(view.n), inward)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (1.2 * C + (5 if self.order == "middle" else 15)) + 50 * n)
