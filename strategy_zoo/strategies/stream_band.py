"""Band over a stream: ask for rows whose confidence lies in a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo.errors import SpellingError
from strategy_zoo.registry import register
from strategy_zoo.strategy import real
from strategy_zoo.stream import F8, State, StreamStrategy, confidence
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class StreamBand(StreamStrategy):
    """Ask for a row of a stream when its confidence above chance lies between `low` and `high`, within the budget.

    Confidence above chance is (p - 1/C) / (1 - 1/C) for the largest class probability p: 0 when all classes are
    alike, 1 when the model is certain; with one class it is 0. Balcan, Broder and Zhang ask inside a band around the
    boundary of a linear classifier that they narrow from round to round; here confidence stands for the distance to
    the boundary, and the band is yours: `low` above 0 leaves out rows that nobody could label. With low = 0 and high
    = share it is `stream_fixed_uncertainty`. See `strategy_zoo.stream` for the budget and for what happens in a pool;
    there rows that were passed over fill the batch from those closest to the band on, the least confident first among
    those inside.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream, at most.
    window : 1 to 1,000,000. Rows over which the budget is kept (at least 10 / share).
    low : 0 to 1. Lower end of the band.
    high : 0 to 1, not below low. Upper end of the band.

    Examples
    --------
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_band(low=0.1, high=0.4)", np.random.default_rng(0))
    >>> stream.offer_many(View(proba=[[0.5, 0.5], [0.6, 0.4], [0.8, 0.2]])).tolist()
    [False, True, False]

    References
    ----------
    Balcan, Broder and Zhang 2007, Margin Based Active Learning.
    """

    name: ClassVar[str] = "stream_band"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    growth: ClassVar[str] = "min(U, 200,000) C"
    reference: ClassVar[str] = "Balcan, Broder and Zhang 2007, Margin Based Active Learning"

    low: float = 0.0
    high: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "low", real(self.name, "low", self.low, 0, 1))
        object.__setattr__(self, "high", real(self.name, "high", self.high, 0, 1))
        if self.low > self.high:
            raise SpellingError(f"{self.name}: low is {self.low}, above high = {self.high}; swap them")

    def measure(self, view: View) -> F8:
        return confidence(view, above_chance=True)

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        return bool(self.low <= value <= self.high)

    def wish(self, value: F8) -> F8:
        away = np.maximum(0, np.maximum(self.low - value, value - self.high))
        return np.where(away > 0, -1 - away, -value)  # confidence is at most 1, so inside always comes first
