"""Density over a stream: ask for uncertain rows where the stream is dense."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo._uncertainty import margins
from strategy_zoo.errors import ViewError
from strategy_zoo.registry import register
from strategy_zoo.strategy import field_of, real, whole
from strategy_zoo.stream import F8, State, StreamStrategy
from strategy_zoo.view import View

_FAR = sys.float_info.max  # squared distance of a row that has no neighbour yet; JSON has no infinity


@register
@dataclass(frozen=True, repr=False)
class StreamDensity(StreamStrategy):
    """Ask for a row of a stream when it is the new nearest neighbour of a recent row and its margin is small.

    The last `window` rows are kept, each with the distance to the nearest row that came while it was kept or was
    there when it came. A row that is closer to at least one of them than that distance lies where the stream is
    dense: if there is a budget, it is asked for when the margin between its two largest class probabilities is below
    a threshold. The threshold starts at 1, is multiplied for each row by a normal number of mean 1 and deviation
    `spread`, falls by the factor 1 - step when a row is asked for, and rises by 1 + step when a dense one is passed
    over.

    The budget counts, as in the paper: nothing is asked while asked / seen is not below the share. Rows outside of
    dense regions leave the threshold as it is. See `strategy_zoo.stream` for what happens in a pool; there pools
    above 50,000 rows are replaced by a random subset of that size, and rows that were passed over fill the batch from
    the least margin on. The state holds `window` rows of the embedding.

    Parameters
    ----------
    share : 0 to 1. Labels per row of the stream, at most.
    window : 1 to 1,000. Recent rows that are kept.
    step : 0.0001 to 0.5. Relative change of the threshold.
    spread : 0 to 10. Deviation of the random factor; 0 for none.

    Examples
    --------
    >>> from strategy_zoo.stream import Stream
    >>> stream = Stream("stream_density(share=1, spread=0)", np.random.default_rng(0))
    >>> stream.offer_many(View(proba=[[0.5, 0.5]] * 3, embedding=[[0.0], [1.0], [9.0]])).tolist()
    [False, True, False]

    References
    ----------
    Ienco, Žliobaitė and Pfahringer 2014, High density-focused uncertainty sampling for active learning over evolving
    stream data.
    """

    name: ClassVar[str] = "stream_density"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    growth: ClassVar[str] = "min(U, 50,000) (C + window D)"
    limit: ClassVar[int | None] = 50_000
    reference: ClassVar[str] = (
        "Ienco et al. 2014, High density-focused uncertainty sampling for active learning over evolving stream data"
    )

    step: float = 0.01
    spread: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "window", whole(self.name, "window", self.window, 1, 1000))
        object.__setattr__(self, "step", real(self.name, "step", self.step, 0.0001, 0.5))
        object.__setattr__(self, "spread", real(self.name, "spread", self.spread, 0, 10))

    def begin(self) -> State:
        return {"seen": 0, "asked": 0, "threshold": 1.0, "recent": [], "nearest": []}

    def measure(self, view: View) -> F8:
        embedding = field_of(view, "embedding")
        out = np.empty((len(embedding), 1 + embedding.shape[1]))
        proba = field_of(view, "proba")
        if len(proba) == 1 and proba.shape[1] > 1:  # sorting one row costs less than `margins`, which goes by columns
            second, first = sorted(proba[0].tolist())[-2:]
            out[0, 0] = first - second
        else:
            out[:, 0] = margins(proba)
        out[:, 1:] = embedding
        return out

    def advance(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        dense = self.density(state, value[1:]) > 0
        state["seen"] += 1
        left = self.share >= 1 or state["asked"] / state["seen"] < self.share
        asked = bool(dense and left and self.decide(state, float(value[0]), rng))
        state["asked"] += asked
        return asked

    def density(self, state: State, point: F8) -> int:
        """How many recent rows have the point as their new nearest neighbour; the point becomes a recent row itself."""
        place = state["seen"] % self.window  # the oldest row makes room
        if not len(state["nearest"]):
            state["recent"], state["nearest"] = np.zeros((self.window, len(point))), np.full(self.window, _FAR)
        recent, nearest = state["recent"], state["nearest"]
        if recent.shape != (self.window, len(point)):
            raise ViewError(
                f"embedding has {len(point)} columns, expected {recent.shape[-1]} as in the rows before; begin another "
                "stream where the embedding changes"
            )
        kept = min(state["seen"], self.window)
        count, closest = 0, _FAR
        if kept:
            gap = recent[:kept] - point
            squared = np.einsum("ij,ij->i", gap, gap)
            closer = squared < nearest[:kept]
            count, closest = int(np.count_nonzero(closer)), float(squared.min())
            np.minimum(nearest[:kept], squared, out=nearest[:kept])
        recent[place], nearest[place] = point, min(closest, _FAR)
        return count

    def decide(self, state: State, value: Any, rng: np.random.Generator) -> bool:
        limit = state["threshold"]
        asked = bool(value < (limit * rng.normal(1, self.spread) if self.spread else limit))
        state["threshold"] = limit * (1 - self.step if asked else 1 + self.step)
        return asked

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        passing = min(U, max(self.limit or U, n))
        return float(passing * (12_000 + self.window * D * 1.5 + 5 * C + 2 * D) + 3 * U)
