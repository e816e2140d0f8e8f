"""Variation ratio: ask where many members of the committee vote against the majority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._committee import counts, refined, votes
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class VariationRatio(Strategy):
    """The share of members that don't vote for the most voted class, in [0, 1 - 1/min(M, C)].

    A member votes for its most probable class, the first one among equals. M members give at most M different shares,
    so the score is rounded to steps of 2^-20 (about a millionth) and a tie-break of at most half a step is added: one
    minus the margin of the members' mean probabilities. It never overturns the share.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.1, 0.9], [0.7, 0.3]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("variation_ratio", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 2, 0]

    References
    ----------
    Beluch, Genewein, Nürnberger and Köhler 2018, The Power of Ensembles for Active Learning in Image Classification.
    """

    name: ClassVar[str] = "variation_ratio"
    family: ClassVar[str] = "committee"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = "Beluch et al. 2018, The Power of Ensembles for Active Learning in Image Classification"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        committee = field_of(view, "committee")
        most = counts(votes(committee), committee.shape[2]).max(axis=1)
        return refined(1 - most / len(committee), committee)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (1.6 * M + 4) + 22 * M) + 230 * n)
