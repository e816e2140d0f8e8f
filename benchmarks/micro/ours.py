"""What is timed of our own strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import strategy_zoo
from benchmarks.micro.inputs import Inputs


class NotHereError(LookupError):
    """The strategy doesn't exist yet, or can't be asked in this way yet."""


def strategy(spelling: str) -> strategy_zoo.Strategy:
    """The strategy of a spelling, or of a name whose class has parameters without default."""
    try:
        known = {entry["name"]: entry["example"] for entry in strategy_zoo.catalogue()}
        return strategy_zoo.get(known.get(spelling, spelling))
    except strategy_zoo.UnknownStrategyError as error:
        raise NotHereError(str(error)) from error


def fields(found: strategy_zoo.Strategy, inputs: Inputs) -> dict[str, Any]:
    """The arrays that the strategy reads."""
    return inputs.fields(found.needs, found.uses, regression="classification" not in found.task)


def view_and_propose(spelling: str, inputs: Inputs) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Two calls: making the view, and choosing rows from one that is made."""
    found = strategy(spelling)
    arrays = fields(found, inputs)
    view = strategy_zoo.View(**arrays)
    n = inputs.n
    return (
        lambda: strategy_zoo.View(**arrays),
        lambda: strategy_zoo.propose(found, view, n, np.random.default_rng(0)).rows,
    )


def whole(spelling: str, inputs: Inputs) -> Callable[[], Any]:
    """One call as a user pays for it: the view and the choice; streams are offered every row, one at a time."""
    found = strategy(spelling)
    if found.kind == "stream":
        return _stream(found, fields(found, inputs), inputs.U)
    n = inputs.n

    def call() -> Any:
        arrays = fields(found, inputs)  # made before; only look-ahead that trains comes afresh
        return strategy_zoo.propose(found, strategy_zoo.View(**arrays), n, np.random.default_rng(0)).rows

    fields(found, inputs)
    return call


def _stream(found: strategy_zoo.Strategy, arrays: dict[str, Any], rows: int) -> Callable[[], Any]:
    from strategy_zoo.stream import Stream

    def call() -> int:
        stream = Stream(found, np.random.default_rng(0))
        for row in range(rows):
            here = {name: array if name.startswith("seen") else array[row : row + 1] for name, array in arrays.items()}
            stream.offer(strategy_zoo.View(**here))
        return stream.asked

    return call
