"""Fixed uncertainty over a stream: ask below a threshold of confidence that the share sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo.registry import register
from strategy_zoo.stream import F8, State, StreamStrategy, confidence
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class StreamFixedUncertainty(StreamStrategy):
    """Ask for a row of a stream when its largest class probability is at most 1/C + share (1 - 1/C), within the budget.

    The threshold would ask for the share if confidence were spread evenly; it never learns, so a model that grows
    sure of itself asks less and less. See `strategy_zoo.stream` for the budget and for what happens in a pool; there
    rows that were passed over fill the batch from the least confident on.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream, at most.
    window : 1 to 1,000,000. Rows over which the budget is kept (at least 10 / share).

    Examples
    --------
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_fixed_uncertainty(share=0.2)", np.random.default_rng(0))
    >>> stream.offer_many(View(proba=[[0.61, 0.39], [0.59, 0.41]])).tolist()
    [False, True]

    References
    ----------
    Žliobaitė, Bifet, Pfahringer and Holmes 2014, Active Learning With Drifting Streaming Data.
    """

    name: ClassVar[str] = "stream_fixed_uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    growth: ClassVar[str] = "min(U, 200,000) C"
    reference: ClassVar[str] = "Žliobaitė et al. 2014, Active Learning With Drifting Streaming Data"

    def measure(self, view: View) -> F8:
        return confidence(view, above_chance=True)

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        return bool(value <= self.share)
