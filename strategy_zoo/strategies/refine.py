"""Refine: several strategies filter the pool in rounds, another one picks from what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._composing import combined, ingredients
from strategy_zoo._narrowing import subset
from strategy_zoo.entry import propose
from strategy_zoo.errors import SpellingError
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, default_of, literal, real, whole
from strategy_zoo.view import View

_MOST_FIRST = 5_000  # rows of a subset in the first round, as in the authors' program
_MOST_LEFT = 10_000  # rows that go on from a round, as there
_OWN = ("rounds", "subsets", "share")

Rows = NDArray[np.int64]


@register
@dataclass(frozen=True, repr=False)
class Refine(Strategy):
    """Clean the pool in rounds: what any ingredient keeps of any random subset goes on; then `pick` chooses n rows.

    In each round each ingredient sees `subsets` random subsets of the rows that are left, drawn anew for it, and
    keeps its n best rows of each; the union of all that was kept goes on to the next round. A subset holds `share` of
    the rows that are left, but at least n of them; in the first round 5,000 rows of the pool at most, and at most
    10,000 rows (drawn at random) go on from a round. A row that no ingredient wants survives all rounds with a
    probability that falls exponentially. The answer, with its scores, is that of `pick` on the rows that are left.

    The authors have nine ingredients and Uncertainty Herding as `pick`; here the ingredients are yours, and `pick` is
    `k_center` unless you name another one. The spelling is ``refine(margin, badge)`` or ``refine(margin, badge,
    pick=typiclust, rounds=3)``.

    Parameters
    ----------
    parts : one to 32 strategies that filter, or their spellings.
    pick : the strategy that chooses the batch, or its spelling; k_center when left out.
    rounds : 1 to 20.
    subsets : 1 to 100. Random subsets for each ingredient and round.
    share : 0.01 to 1. Part of the rows that are left, in each subset.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]], embedding=[[0.0], [5.0], [9.0]], seen_embedding=[[0.0]]
    ... )
    >>> strategy_zoo.propose("refine(margin, share=1)", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Huseljic, Herde, Rauch, Hahn and Sick 2025, Cleaning the Pool: Progressive Filtering of Unlabeled Pools in Deep
    Active Learning.
    """

    name: ClassVar[str] = "refine"
    family: ClassVar[str] = "fusion"
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "rounds subsets times that of the parts on 5,000 rows, plus that of pick on 10,000"
    example: ClassVar[str] = "refine(margin, k_center)"
    reference: ClassVar[str] = (
        "Huseljic et al. 2025, Cleaning the Pool: Progressive Filtering of Unlabeled Pools in Deep Active Learning"
    )

    parts: tuple[Strategy, ...] = field()
    pick: Strategy | None = None
    rounds: int = 5
    subsets: int = 10
    share: float = 0.4

    def __post_init__(self) -> None:
        parts = ingredients(self.name, self.parts, 1, "refine(margin, badge)")
        pick = get("k_center" if self.pick is None else self.pick)
        given = {
            "parts": parts,
            "pick": pick,
            "rounds": whole(self.name, "rounds", self.rounds, 1, 20),
            "subsets": whole(self.name, "subsets", self.subsets, 1, 100),
            "share": real(self.name, "share", self.share, 0.01, 1),
            **combined((*parts, pick)),
            "stochastic": True,
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        left: Rows = np.arange(view.n)
        most = _MOST_FIRST
        for _ in range(self.rounds):
            left = self._filtered(view, left, n, most, rng)
            most = _MOST_LEFT
        answer = propose(get(self.pick or "k_center"), view.take(left), n, rng)
        return Proposal(left[answer.rows], answer.score, answer.part)

    def _filtered(self, view: View, left: Rows, n: int, most: int, rng: np.random.Generator) -> Rows:
        """The rows of `left`, sorted, that some ingredient keeps of some random subset; n of them or more."""
        size = max(n, min(math.floor(self.share * len(left)), most))
        kept = []
        for part in self.parts:
            for _ in range(self.subsets):
                rows = left[subset(len(left), size, rng)]
                kept.append(rows[propose(part, view.take(rows), n, rng).rows])
        union = np.unique(np.concatenate(kept))
        return union[subset(len(union), max(_MOST_LEFT, n), rng)]

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        total, left, most = 0.0, U, _MOST_FIRST
        for _ in range(self.rounds):
            size = min(left, max(n, min(math.floor(self.share * left), most)))
            one = sum(part.cost(size, L, C, D, min(n, size)) for part in self.parts)
            # Drawing a subset without replacement looks at every row that is left.
            total += self.subsets * (one + len(self.parts) * (size * (C + D + 20) + 5 * left + 6e4))
            left = min(left, max(_MOST_LEFT, n), max(1, len(self.parts) * self.subsets * n))
            most = _MOST_LEFT
        return total + get(self.pick or "k_center").cost(left, L, C, D, n)

    @property
    def spelling(self) -> str:
        texts = [part.spelling for part in self.parts]
        if self.pick is not None and self.pick.spelling != "k_center":
            texts.append(f"pick={self.pick.spelling}")
        for key in _OWN:
            value = getattr(self, key)
            if value != default_of(self.__dataclass_fields__[key]):
                texts.append(f"{key}={literal(value)}")
        return f"refine({', '.join(texts)})"

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        strange = [key for key in kwargs if key not in ("pick", *_OWN)]
        if strange or not all(isinstance(arg, Strategy) for arg in args):
            raise SpellingError(
                f"refine got {', '.join([*map(literal, args), *strange])}; expected strategies, then pick=, rounds=, "
                "subsets=, share=, as in refine(margin, badge, pick=k_center)"
            )
        if not isinstance(kwargs.get("pick"), Strategy | None):
            raise SpellingError(f"refine: pick is {kwargs['pick']!r}, expected a strategy such as k_center")
        return cls(args, **kwargs)
