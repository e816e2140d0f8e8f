"""Balanced margin: margin with a quota by predicted class, rare classes first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from strategy_zoo._labels import class_counts
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class BalancedMargin(Strategy):
    """Each pick goes to the class with the fewest labels so far, to its least-margin row among those predicted as it.

    Labels so far are those in the view's `seen_y` (counted when they are integers from 0 to C - 1, the columns of
    proba; other labels count for no class) plus the picks of this batch. Without `seen_y` all classes get the same
    quota. Among classes with equally few labels the one whose next row has the smaller margin comes first; a class
    without rows left drops out. No chance is involved.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.51, 0.49], [0.52, 0.48], [0.1, 0.9]], seen_y=[0, 0, 1])
    >>> strategy_zoo.propose("balanced_margin", view, 2, np.random.default_rng(0)).rows.tolist()
    [2, 0]

    References
    ----------
    Ertekin, Huang, Bottou and Giles 2007, Learning on the Border: Active Learning in Imbalanced Data Classification
    (the aim; the rule itself is the simplest greedy one).
    """

    name: ClassVar[str] = "balanced_margin"
    family: ClassVar[str] = "balance"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    uses: ClassVar[tuple[str, ...]] = ("seen_y",)
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "U C + U log U + n log C"
    reference: ClassVar[str] = (
        "Ertekin et al. 2007, Learning on the Border: Active Learning in Imbalanced Data Classification"
    )

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba = field_of(view, "proba")
        margin = margins(proba)
        predicted = proba.argmax(axis=1)
        count = class_counts(view.seen_y, proba.shape[1])
        # One queue a class, best row last, so that pop() takes it.
        order = np.lexsort((margin, predicted))
        ends = np.searchsorted(predicted[order], np.arange(proba.shape[1] + 1))
        queues = [order[a:b][::-1].tolist() for a, b in pairwise(ends)]
        waiting = [(int(count[c]), margin[q[-1]], q[-1], c) for c, q in enumerate(queues) if q]
        heapq.heapify(waiting)
        rows: list[int] = []
        while waiting and len(rows) < n:
            labels, _, row, c = heapq.heappop(waiting)
            rows.append(row)
            queue = queues[c]
            queue.pop()
            if queue:
                heapq.heappush(waiting, (labels + 1, margin[queue[-1]], queue[-1], c))
        picked = np.array(rows, np.int64)
        return Proposal(picked, -margin[picked])

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (4 * C + 2 * np.log2(U + 2)) + n * np.log2(C + 2) + L)
