"""Relabel or new: one ranking of rows to label and rows to label again, by the error that a label removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F8
from strategy_zoo._labels import with_ties
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View

_TINY = 1e-12
_BLOCK = 1 << 18  # entries


@register
@dataclass(frozen=True, repr=False)
class RelabelOrNew(Strategy):
    """How much one more vote is expected to lower the probability that the row's best label is wrong, in [0, 1].

    What is known of a row's class is the model's probabilities times the likelihood of its votes, where each vote names
    the true class with the probability `accuracy`, and any other class equally often. The best label is the most
    probable class then; for a row without votes this is the prediction, and the probability that it is wrong is the
    model's least confidence. The expected value of a vote is the mean, over the answers that it may give, of the
    highest probability afterwards, minus the one before. So new rows and rows with votes stand on one scale. A vote
    that can't change the best label has the value zero; rows of equal value (to within a billionth) come in the order
    of the probability that the best label is wrong.

    The authors of the reference score a row by its impact on the classifier, which needs the model to be trained again
    for each row; the value here is that of the row's own label, and what a new row teaches about others isn't counted.

    Parameters
    ----------
    accuracy : 0.5 to 0.999. Probability that an annotator names the true class.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.9, 0.1], [0.9, 0.1], [0.55, 0.45], [0.7, 0.3]], votes=[[1, 0], [0, 1], [2, 0], [0, 0]]
    ... )
    >>> strategy_zoo.propose("relabel_or_new", view, 4, np.random.default_rng(0)).rows.tolist()
    [1, 3, 2, 0]

    References
    ----------
    Lin, Mausam and Weld 2016, Re-Active Learning: Active Learning with Relabeling.
    """

    name: ClassVar[str] = "relabel_or_new"
    family: ClassVar[str] = "noisy oracle"
    needs: ClassVar[tuple[str, ...]] = ("proba", "votes")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = "Lin, Mausam and Weld 2016, Re-Active Learning: Active Learning with Relabeling"

    accuracy: float = 0.8

    def __post_init__(self) -> None:
        object.__setattr__(self, "accuracy", real(self.name, "accuracy", self.accuracy, 0.5, 0.999))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba, votes = field_of(view, "proba"), field_of(view, "votes")
        if proba.shape[1] == 1:
            return np.zeros(len(proba))
        right, wrong = self.accuracy, (1 - self.accuracy) / (proba.shape[1] - 1)
        out = np.empty(len(proba))
        step = max(1, _BLOCK // proba.shape[1])
        for start in range(0, len(proba), step):
            part = slice(start, start + step)
            known = _posterior(proba[part], votes[part], np.log(right / wrong))
            best = known.max(axis=1, keepdims=True)
            # An answer j leaves either j or the best class so far on top: the sum over j of the higher joint
            # probability of answer and class is the expected probability of being right afterwards.
            after = np.maximum(right * known, wrong * best).sum(axis=1)
            out[part] = with_ties(np.maximum(after - best[:, 0], 0), np.clip(1 - best[:, 0], 0, 1))
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (13.5 * C + 140))


def _posterior(proba: F8, votes: F8, weight: float) -> F8:
    """Probability of each class given the model and the votes, each of which multiplies the odds by exp(weight)."""
    # The floor lets votes speak against a model that excludes a class, as saturated models do.
    known = np.log(np.maximum(proba, _TINY)) + weight * votes
    known -= known.max(axis=1, keepdims=True)
    np.exp(known, out=known)
    known /= known.sum(axis=1, keepdims=True)
    return np.asarray(known)
