"""Power entropy: entropy with noise, so that a large batch doesn't ask the same question many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import entropies, powered
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class PowerEntropy(Strategy):
    """Rows drawn without replacement with weights entropy ** beta, by adding Gumbel noise to the log-score.

    Parameters
    ----------
    beta : 1e-6 to 1e6, no unit. Coldness: near 0 the rows are random, at large values they are those of entropy.
        A row with an entropy of 0 comes only when no other is left.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[1.0, 0.0], [0.5, 0.5], [0.6, 0.4]])
    >>> strategy_zoo.propose("power_entropy(beta=1000)", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal 2023, Stochastic Batch Acquisition: A Simple
    Baseline for Deep Active Learning.
    """

    name: ClassVar[str] = "power_entropy"
    family: ClassVar[str] = "uncertainty"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "rowwise"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = (
        "Kirsch et al. 2023, Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning"
    )

    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", real(self.name, "beta", self.beta, 1e-6, 1e6))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return powered(entropies(field_of(view, "proba")), self.beta, rng)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (3 * C + 40) + 90 * n)
