"""PowerBALD: BALD with noise, so that a large batch doesn't ask the same question many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import information
from strategy_zoo._uncertainty import powered
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class PowerBald(Strategy):
    """Rows drawn without replacement with weights BALD ** beta, by adding Gumbel noise to the log-score.

    Parameters
    ----------
    beta : 1e-6 to 1e6, no unit. Coldness: near 0 the rows are random, at large values they are those of bald. A
        row with a BALD of 0 comes only when no other is left.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]], [[0.8, 0.2], [0.1, 0.9], [0.5, 0.5]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("power_bald(beta=1000)", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal 2023, Stochastic Batch Acquisition: A Simple
    Baseline for Deep Active Learning.
    """

    name: ClassVar[str] = "power_bald"
    family: ClassVar[str] = "bayesian"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = (
        "Kirsch et al. 2023, Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning"
    )

    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", real(self.name, "beta", self.beta, 1e-6, 1e6))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return powered(information(field_of(view, "committee")), self.beta, rng)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (3.5 * M + 3.5) + 3 * M + 95) + 140 * n)
