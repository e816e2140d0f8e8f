"""BALD: ask where the members of the committee are certain and disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import information
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Bald(Strategy):
    """Mutual information of a row's label and the model, in nats, in [0, log min(M, C)].

    The members stand for draws from the posterior of the model: the score is the entropy of their mean probabilities
    minus the mean of their entropies. It is also the mean Kullback-Leibler divergence of the members from their mean
    (McCallum and Nigam 1998), and their Jensen-Shannon divergence.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]], [[0.8, 0.2], [0.1, 0.9], [0.5, 0.5]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("bald", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 0, 2]

    References
    ----------
    Houlsby, Huszár, Ghahramani and Lengyel 2011, Bayesian Active Learning for Classification and Preference Learning.
    """

    name: ClassVar[str] = "bald"
    family: ClassVar[str] = "bayesian"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = (
        "Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference Learning"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return information(field_of(view, "committee"))

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (3.2 * M + 3.2) + 3 * M + 75) + 80 * n)
