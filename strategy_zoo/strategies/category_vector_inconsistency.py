"""CVIRS: rows that are unsure in all labels and whose predicted label set is unlike those seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F8, Rows
from strategy_zoo._labels import evenly, label_margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View

_MOST_LABELLED = 1_000
_ENTRIES = 1 << 20  # of a block


@register
@dataclass(frozen=True, repr=False)
class CategoryVectorInconsistency(Strategy):
    """Category vector inconsistency and ranking of scores: the product of two uncertainties, each in [0, 1].

    Ranking: for each label the rows of the pool are ranked by their margin |2 p - 1|; a row's score is its Borda count,
    the share of the other rows that it is less sure than, averaged over the labels (1: least sure everywhere). Rows of
    equal margin share the mean of their ranks, so that the order of the file plays no part.

    Inconsistency: the row's predicted label set (probabilities above one half) is compared with that of each labelled
    row. Seen as pairs of values over the labels, two sets have the distance (2 H(a, b) - H(a) - H(b)) / H(a, b), where
    H are entropies of the shares of labels that are in the sets; it is 0 for equal sets, and set to 1 for complements,
    which entropy can't tell from equal ones. The mean over the labelled rows (above 1,000 of them: over 1,000, evenly
    spaced in the order in which they are given) is the inconsistency, 1 when nothing is labelled.

    Rows of equal product come in the order of the ranking score. That the distance is an entropy makes sets that are
    nearly complements nearly equal; this is as in the paper.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     label_proba=[[0.6, 0.4, 0.6, 0.3], [0.6, 0.7, 0.4, 0.2], [0.9, 0.9, 0.1, 0.0]], seen_labels=[[1, 1, 0, 0]]
    ... )
    >>> strategy_zoo.propose("category_vector_inconsistency", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 1]

    References
    ----------
    Reyes, Morell and Ventura 2018, Effective Active Learning Strategy for Multi-Label Learning.
    """

    name: ClassVar[str] = "category_vector_inconsistency"
    family: ClassVar[str] = "multi-label"
    needs: ClassVar[tuple[str, ...]] = ("label_proba", "seen_labels")
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("multilabel",)
    growth: ClassVar[str] = "U C log U + min(U, 2^C) min(L, 1000, 2^C) C"
    reference: ClassVar[str] = (
        "Reyes, Morell and Ventura 2018, Effective Active Learning Strategy for Multi-Label Learning"
    )

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba, seen = field_of(view, "label_proba"), field_of(view, "seen_labels")
        rank = borda(proba)
        score = rank.copy()
        if len(seen):
            sets, which = _distinct(proba > 0.5)
            score *= _inconsistency(sets, seen[evenly(len(seen), _MOST_LABELLED)])[which]
        rows = np.lexsort((-rank, -score))[:n]
        return Proposal(rows, score[rows])

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        sets = 2.0 ** min(C, 60)
        compared = min(U, sets) * min(L, _MOST_LABELLED, sets)
        return float(U * (C * (4 * np.log2(U + 2) + 10) + 300) + 40 * min(U, sets) * C + compared * (C / 5 + 6))


def borda(proba: F8) -> F8:
    """Share of the other rows with a larger margin, averaged over the labels; equal rows count half."""
    others = len(proba) - 1
    total = np.zeros(len(proba))
    if others == 0:
        return total + 1
    for column in range(proba.shape[1]):
        margin = label_margins(proba[:, column])
        order = np.argsort(margin)
        ranked = margin[order]
        # Runs of equal margins: their first and last place in ascending order.
        starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        size = np.diff(np.append(starts, len(ranked)))
        total[order] += np.repeat(others - (starts + (size - 1) / 2), size)
    return np.asarray(total / (others * proba.shape[1]))


def _distinct(sets: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> tuple[F8, Rows]:
    """The different rows, and for each row which of them it is."""
    packed = np.packbits(sets, axis=1)
    width = max(8, packed.shape[1])
    wide = np.zeros((len(packed), width), np.uint8)
    wide[:, : packed.shape[1]] = packed
    # Up to 64 labels fit in one number, which sorts faster than bytes.
    keys = wide.view(np.uint64 if width == 8 else np.dtype((np.void, width)))[:, 0]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return sets[first].astype(np.float64), which.astype(np.int64)


def _inconsistency(sets: F8, seen: F8) -> F8:
    """Mean distance of each set to the labelled ones."""
    labels = sets.shape[1]
    different, which = _distinct(seen > 0.5)
    weight = np.bincount(which) / len(seen)
    turned = np.ascontiguousarray(different.T)
    # Distances depend on three sizes only. For sets of one size they are a table of the other set's size and the
    # intersection's, in which each pair is looked up at the place of its row plus the intersection.
    theirs = different.sum(axis=1).astype(np.int64)
    place = theirs * (labels + 1)
    size = sets.sum(axis=1).astype(np.int64)
    out = np.empty(len(sets))
    step = max(1, _ENTRIES // max(labels, len(different)))
    for count in np.unique(size):
        members = np.flatnonzero(size == count)
        table = None
        if len(members) * len(different) > (labels + 1) ** 2:  # else there are fewer pairs than entries
            table = entropy_distance(np.arange(labels + 1), count, np.arange(labels + 1)[:, None], labels).ravel()
        for start in range(0, len(members), step):
            some = members[start : start + step]
            both = (sets[some] @ turned).astype(np.int64)
            distance = entropy_distance(both, count, theirs, labels) if table is None else table[both + place]
            out[some] = np.einsum("ij,j->i", distance, weight)
    return out


def entropy_distance(both: Rows, ours: Rows, theirs: Rows, labels: int) -> F8:
    """Normalised entropy distance of label sets, given the sizes of their intersection and of each of them.

    For sizes that no two sets can have the result means nothing.
    """
    share = np.arange(labels + 1) / labels
    part = -share * np.log2(np.where(share > 0, share, 1))  # p log p for each number of labels
    only, other = np.maximum(ours - both, 0), np.maximum(theirs - both, 0)
    neither = np.clip(labels - both - only - other, 0, labels)
    joint = part[both] + part[only] + part[other] + part[neither]
    alone = part[ours] + part[labels - ours] + part[theirs] + part[labels - theirs]
    distance = 2 - alone / np.where(joint > 0, joint, 1)
    distance[joint == 0] = 0  # both sets are empty or full: equal, or complements
    distance[only + other == 0] = 0  # exactly, also where rounding says otherwise
    distance[only + other == labels] = 1
    return np.asarray(np.clip(distance, 0, 1))
