"""Variable uncertainty over a stream: ask below a threshold of confidence that follows the stream."""

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
class StreamVariableUncertainty(StreamStrategy):
    """Ask for a row of a stream when its largest class probability is below a threshold that moves by `step`.

    The threshold starts at 1. While there is a budget, a row that is asked for lowers it by the factor 1 - step, one
    that is passed over raises it by 1 + step: the least confident rows of any time are asked for, however sure the
    model has become. With `spread` above 0 the threshold is multiplied for each row by a normal number of mean 1 and
    that deviation, so that changes far from the boundary are noticed too (the authors' Uncertainty Strategy with
    Randomization). See `strategy_zoo.stream` for the budget and for what happens in a pool; there rows that were
    passed over fill the batch from the least confident on.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream, at most.
    window : 1 to 1,000,000. Rows over which the budget is kept (at least 10 / share).
    step : 0.0001 to 0.5. Relative change of the threshold.
    spread : 0 to 10. Deviation of the random factor; the authors use 1.

    Examples
    --------
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_variable_uncertainty(share=1, step=0.1)", np.random.default_rng(0))
    >>> stream.offer_many(View(proba=[[0.95, 0.05]] * 4)).tolist()
    [True, False, True, False]

    References
    ----------
    Žliobaitė, Bifet, Pfahringer and Holmes 2014, Active Learning With Drifting Streaming Data.
    """

    name: ClassVar[str] = "stream_variable_uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    growth: ClassVar[str] = "min(U, 200,000) C"
    reference: ClassVar[str] = "Žliobaitė et al. 2014, Active Learning With Drifting Streaming Data"

    step: float = 0.01
    spread: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "step", real(self.name, "step", self.step, 0.0001, 0.5))
        object.__setattr__(self, "spread", real(self.name, "spread", self.spread, 0, 10))

    def begin(self) -> State:
        return super().begin() | {"threshold": 1.0}

    def measure(self, view: View) -> F8:
        return confidence(view)

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        limit = state["threshold"]
        asked = bool(value < (limit * rng.normal(1, self.spread) if self.spread else limit))
        state["threshold"] = limit * (1 - self.step if asked else 1 + self.step)
        return asked
