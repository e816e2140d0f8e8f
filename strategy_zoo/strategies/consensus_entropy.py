"""Consensus entropy: ask where the committee as a whole is least certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import consensus
from strategy_zoo._uncertainty import entropies
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ConsensusEntropy(Strategy):
    """Shannon entropy of the members' mean probabilities in nats, in [0, log C].

    It counts both what the members doubt and what they disagree about; `bald` counts the disagreement alone. The name
    is modAL's; the paper calls it max entropy.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.1, 0.9], [0.7, 0.3]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("consensus_entropy", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 2, 0]

    References
    ----------
    Gal, Islam and Ghahramani 2017, Deep Bayesian Active Learning with Image Data.
    """

    name: ClassVar[str] = "consensus_entropy"
    family: ClassVar[str] = "committee"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = "Gal, Islam and Ghahramani 2017, Deep Bayesian Active Learning with Image Data"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return entropies(consensus(field_of(view, "committee")))

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (0.6 * M + 3.3) + 15) + 70 * n)
