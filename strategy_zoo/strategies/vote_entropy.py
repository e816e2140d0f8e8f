"""Vote entropy: ask where the committee's votes are spread over the classes."""

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
class VoteEntropy(Strategy):
    """Shannon entropy of the members' votes in nats, in [0, log min(M, C)]; ties go to the least decided consensus.

    A member votes for its most probable class, the first one among equals. Few members give few different entropies, so
    the score is rounded to steps of 2^-20 (about a millionth) and a tie-break of at most half a step is added: one
    minus the margin of the members' mean probabilities. It never overturns the entropy.

    Examples
    --------
    >>> import strategy_zoo
    >>> members = [[[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.1, 0.9], [0.7, 0.3]]]
    >>> view = strategy_zoo.View(committee=members)
    >>> strategy_zoo.propose("vote_entropy", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 2, 0]

    References
    ----------
    Dagan and Engelson 1995, Committee-Based Sampling for Training Probabilistic Classifiers.
    """

    name: ClassVar[str] = "vote_entropy"
    family: ClassVar[str] = "committee"
    needs: ClassVar[tuple[str, ...]] = ("committee",)
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "M U C"
    reference: ClassVar[str] = (
        "Dagan and Engelson 1995, Committee-Based Sampling for Training Probabilistic Classifiers"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        committee = field_of(view, "committee")
        members, _, classes = committee.shape
        # -sum_c k_c / M log(k_c / M), looked up by the number of votes k_c
        share = np.arange(members + 1) / members
        part = -share * np.log(np.where(share > 0, share, 1.0))
        return refined(part[counts(votes(committee), classes)].sum(axis=1), committee)

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (C * (4 * M + 10) + 10 * M))
