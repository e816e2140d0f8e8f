"""From declared costs to seconds: factors measured once on a stated machine, scaled to this one.

`Strategy.cost` counts elementary operations. What an operation takes differs between strategies (a matrix product is
cheaper than a sort), so `calibration.json` holds for each of them the seconds of a call on almost nothing and the
seconds of one operation; ``python -m benchmarks.micro cost`` measures both and checks them on other sizes.
"""

from __future__ import annotations

import dataclasses
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from strategy_zoo.plain import Rule
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Strategy

FILE = Path(__file__).with_name("calibration.json")
_ROUNDS = 7


def seconds(
    strategy: str | Strategy | Rule,
    *,
    U: int,
    L: int = 0,
    C: int = 2,
    D: int = 1,
    n: int = 1,
    speed: float | None = None,
) -> float:
    """Predicted seconds of one proposal.

    Parameters
    ----------
    strategy : a strategy, its spelling, or a function (of which nothing is known: as if it read every number once).
    U, L, C, D, n : rows of the pool, labelled rows, classes, columns of the embedding, rows wanted.
    speed : what `machine_speed()` gives here; None takes the machine of the calibration.

    Examples
    --------
    >>> seconds("margin", U=1_000_000, C=10, n=100) < seconds("badge", U=1_000_000, C=10, D=64, n=100)
    True
    """
    ratio = 1.0 if speed is None else speed / float(_table()["machine_seconds"])
    return _priced(get(strategy), {"U": U, "L": L, "C": C, "D": D, "n": n}) * ratio


def _priced(strategy: Strategy, sizes: dict[str, int]) -> float:
    startup, unit = _table()["strategies"].get(strategy.name, _table()["typical"])
    parts = {
        field.name: value for field in dataclasses.fields(strategy) if _is_part(value := getattr(strategy, field.name))
    }
    if not parts:
        return float(startup + unit * strategy.cost(**sizes))
    # The parts of a composition count in nanoseconds, each by its own factor; its own work is counted at one a unit.
    known = {
        name: tuple(_Timed(part) for part in value) if isinstance(value, tuple) else _Timed(value)
        for name, value in parts.items()
    }
    return float(dataclasses.replace(strategy, **known).cost(**sizes) * 1e-9)


def _is_part(value: Any) -> bool:
    return isinstance(value, Strategy) or (
        isinstance(value, tuple) and bool(value) and all(isinstance(item, Strategy) for item in value)
    )


class _Timed(Strategy):
    """Stands in for a part of a composition, with a cost in nanoseconds."""

    def __init__(self, part: Strategy) -> None:
        self.__dict__["_part"] = part
        for name in ("name", "family", "needs", "uses", "kind", "task", "stochastic", "limit"):
            self.__dict__[name] = getattr(part, name)

    @property
    def spelling(self) -> str:
        return str(self.__dict__["_part"].spelling)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return 1e9 * _priced(self.__dict__["_part"], {"U": U, "L": L, "C": C, "D": D, "n": n})


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


def machine_speed() -> float:
    """Seconds that a fixed mixture of elementwise work, partial sorting and matrix products takes here; about 0.05.

    The median of several rounds in processor seconds. Strategies spend their time on these three, so seconds measured
    on another machine are carried over by the ratio of the two numbers.

    >>> 0 < machine_speed() < 10
    True
    """
    rng = np.random.default_rng(0)
    table = rng.random((20_000, 20))
    points = rng.integers(-100, 100, (20_000, 32)).astype(np.float32)
    centres = points[:128].T.copy()
    work = np.empty((20_000, 128), np.float32)
    spent = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        _elementwise(table)
        _sorting(table)
        _products(points, centres, work)
        spent.append(time.process_time() - start)
    return float(np.median(spent))


def _elementwise(table: Any) -> None:
    for _ in range(2):
        np.sum(table * np.log(table + 1e-9), axis=1)
        np.sqrt(table).max(axis=1)


def _sorting(table: Any) -> None:
    np.partition(table, -2, axis=1)
    np.argsort(table[:, 0], kind="stable")
    np.argpartition(table[:, 1], 100)


def _products(points: Any, centres: Any, work: Any) -> None:
    for _ in range(4):
        np.matmul(points, centres, out=work)
        work.argmin(axis=1)
