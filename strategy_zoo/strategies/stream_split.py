"""Split over a stream: a few rows by chance, the others by variable uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo.registry import register
from strategy_zoo.strategy import real
from strategy_zoo.stream import F8, State, StreamStrategy, confidence
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class StreamSplit(StreamStrategy):
    """Each row of a stream goes by chance to random sampling or to variable uncertainty, which share one budget.

    While there is a budget, a row is given to random sampling with the probability `chance`, which asks for it with
    the probability `share`; otherwise it is compared with a threshold of confidence that starts at 1, falls by the
    factor 1 - step when a row is asked for, and rises by 1 + step when one is passed over. The authors watch the
    labels of the random part for a change of the distribution and then begin a new model; models are no business of a
    strategy, so that part is left to you: random sampling keeps looking everywhere, the model and its resets are
    yours. See `strategy_zoo.stream` for the budget and for what happens in a pool; there rows that were passed over
    fill the batch from the least confident on.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream, at most.
    window : 1 to 1,000,000. Rows over which the budget is kept (at least 10 / share).
    chance : 0 to 1. Part of the rows that goes to random sampling.
    step : 0.0001 to 0.5. Relative change of the threshold.

    Examples
    --------
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_split(share=0.5)", np.random.default_rng(0))
    >>> stream.offer_many(View(proba=[[1.0, 0.0], [0.9, 0.1], [0.6, 0.4]])).tolist()
    [False, True, True]

    References
    ----------
    Žliobaitė, Bifet, Pfahringer and Holmes 2014, Active Learning With Drifting Streaming Data.
    """

    name: ClassVar[str] = "stream_split"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    growth: ClassVar[str] = "min(U, 200,000) C"
    reference: ClassVar[str] = "Žliobaitė et al. 2014, Active Learning With Drifting Streaming Data"

    chance: float = 0.1
    step: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "chance", real(self.name, "chance", self.chance, 0, 1))
        object.__setattr__(self, "step", real(self.name, "step", self.step, 0.0001, 0.5))

    def begin(self) -> State:
        return super().begin() | {"threshold": 1.0}

    def measure(self, view: View) -> F8:
        return confidence(view)

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        if rng.random() < self.chance:
            return bool(rng.random() < self.share)
        asked = bool(value < state["threshold"])
        state["threshold"] *= 1 - self.step if asked else 1 + self.step
        return asked
