"""Random over a stream: each row has the same chance while there is a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo.registry import register
from strategy_zoo.stream import F8, State, StreamStrategy
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class StreamRandom(StreamStrategy):
    """Ask for a row of a stream with the probability `share`, while there is a budget.

    A little less than the share is asked for, since rows that fall on a moment without budget are lost; this is the
    yardstick of the other stream strategies. See `strategy_zoo.stream` for the budget and for what happens in a pool;
    there the rows are a random sample.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream.
    window : 1 to 1,000,000. Rows over which the budget is kept (at least 10 / share).

    Examples
    --------
    >>> from strategy_zoo import View
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_random(share=0.2)", np.random.default_rng(0))
    >>> int(stream.offer_many(View(prediction=np.zeros(1000))).sum())
    183

    References
    ----------
    Žliobaitė, Bifet, Pfahringer and Holmes 2014, Active Learning With Drifting Streaming Data.
    """

    name: ClassVar[str] = "stream_random"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression", "multilabel")
    growth: ClassVar[str] = "min(U, 200,000)"
    reference: ClassVar[str] = "Žliobaitė et al. 2014, Active Learning With Drifting Streaming Data"

    def measure(self, view: View) -> F8:
        return np.zeros(view.n)

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        return bool(rng.random() < self.share)
