"""The user's prices: what turns labels, seconds and quality into one number."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields

from metaal.errors import InputError


@dataclass(frozen=True)
class Prices:
    """What labels, compute, rounds and quality are worth, in one currency.

    Parameters
    ----------
    label : float
        Price of one label, ≥ 0. The default makes one label the unit of account.
    second : float
        Price of one second of compute (fit, score and select), ≥ 0.
    round : float
        Price of one more loop, whatever its size, ≥ 0 (hand-over to the annotators, deployment, waiting).
    point : float
        Value of one percentage point of score, held over the time of one batch of labels, ≥ 0.
    final : float
        Value of one percentage point of the model that the run ends with, ≥ 0. With 0 a learned policy never stops
        before the budget does; above, it stops when no further labels are worth their price.

    Raises
    ------
    InputError
        A price is negative, infinite or not a number.

    Examples
    --------
    >>> Prices(label=1, second=0.002).utility(points=2.0, seconds=100.0)
    19.8
    """

    label: float = 1.0
    second: float = 0.0
    round: float = 0.0
    point: float = 10.0
    final: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
                raise InputError(f"Prices({field.name}={value!r}): expected a finite number ≥ 0; pass 0 to ignore it")

    def utility(self, *, points: float = 0.0, labels: float = 0.0, seconds: float = 0.0, rounds: float = 0.0) -> float:
        """Value of the points less the price of the labels, the seconds and the rounds."""
        return self.point * points - self.label * labels - self.second * seconds - self.round * rounds
