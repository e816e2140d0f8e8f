"""Classic rules that say when to stop, each as a condition on series that cost no labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metaal.history import History

Series = Callable[["History"], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    words : str
        What is looked at.
    series : callable
        History → f8[T]; the last value is the newest that can be known.
    kind : str
        "mean over" and "all over": of the last ``loops`` values the mean, or each one, is at least the threshold;
        "mean under" and "all under": at most. "falls": each of the last ``loops`` changes is a fall by more than it.
    threshold : float
    loops : int
    reference : str
    note : str
        In what the series differs from what the authors look at; empty if in nothing.
    """

    words: str
    series: Series
    kind: str
    threshold: float
    loops: int
    reference: str
    note: str = ""

    def holds(self, history: History, threshold: float, loops: int) -> tuple[bool, str]:
        """Whether the rule says stop, and the number behind it in words.

        Where the newest value is unknown the rule says nothing; older gaps are passed over.
        """
        values = np.asarray(self.series(history), dtype=np.float64)
        if not len(values) or not np.isfinite(values[-1]):
            return False, f"{self.words} is not known"
        known = values[np.isfinite(values)]
        wanted = loops + (self.kind == "falls")
        if len(known) < wanted:
            return False, f"{self.words} is known of {len(known)} loops, of {wanted} that are wanted"
        last = known[-wanted:]
        if self.kind == "falls":
            falls = int((np.diff(last) < -threshold).sum())
            return falls == loops, f"{self.words} fell in {falls} of the last {loops} loops"
        over = self.kind.endswith("over")
        extreme = last.min() if over else last.max()
        # rounded, because three times 0.99 has a mean of a little less
        value = round(float(last.mean() if self.kind.startswith("mean") else extreme), 12)
        shown = f"{self.words} {value:.4g}, {'at least' if over else 'at most'} {threshold:g} is wanted"
        return (value >= threshold) if over else (value <= threshold), shown


def now(name: str) -> Series:
    """A series that the loop being decided has already."""
    return lambda history: history.get(name)


def changed(name: str) -> Series:
    """A series of what changed since the last loop; unknown where nothing could change.

    A model that was not trained again, or not on more labels, agrees with itself: that says nothing about stopping.
    """

    def series(history: History) -> np.ndarray:
        values, labels = history.get(name).copy(), history.get("labels.count")
        same = np.zeros(len(values), dtype=bool)
        same[1:] = np.diff(labels) <= 0  # not where the labels are unknown
        kept = [k + 1 for k, text in enumerate(history.actions) if text.endswith(", skip") and k + 1 < len(values)]
        same[kept] = True
        values[same] = np.nan
        return values

    return series


def before(name: str) -> Series:
    """A series that is known only after a loop."""
    return lambda history: history.get(name)[:-1]


def _contradiction(history: History) -> np.ndarray:
    wrong = 1 - history.get("surprise.accuracy.batch")[:-1]
    return np.asarray(wrong * history.get("surprise.confidence.batch")[:-1], dtype=np.float64)


RULES: dict[str, Rule] = {
    "stabilising": Rule(
        "agreement (kappa) with the last loop's predictions",
        changed("churn.kappa"),
        "mean over",
        0.99,
        3,
        "Bloodgood and Vijay-Shanker 2009, A Method for Stopping Active Learning Based on Stabilizing Predictions and "
        "the Need for User-Adjustable Stopping",
        "on up to 256 reference rows, where the authors keep a stop set of 2,000",
    ),
    "classification_change": Rule(
        "share of changed predictions",
        changed("churn.label"),
        "all under",
        0.0,
        1,
        "Zhu, Wang and Hovy 2008, Multi-Criteria-Based Strategy to Stop Active Learning for Data Annotation",
        "on up to 256 reference rows instead of the whole pool",
    ),
    "overall_uncertainty": Rule(
        "mean entropy of the pool",
        now("pool.entropy.mean"),
        "all under",
        0.01,
        1,
        "Zhu, Wang and Hovy 2008, Multi-Criteria-Based Strategy to Stop Active Learning for Data Annotation; Zhu, "
        "Wang, Hovy and Ma 2010, Confidence-Based Stopping Criteria for Active Learning for Data Annotation",
        "entropy over log C",
    ),
    "max_confidence": Rule(
        "mean entropy of the last batch",
        before("query.entropy.mean"),
        "all under",
        0.001,
        1,
        "Zhu and Hovy 2007, Active Learning for Word Sense Disambiguation with Methods for Addressing the Class "
        "Imbalance Problem",
        "entropy over log C, averaged over the batch where the authors look at single rows, and one loop old; it means "
        "what they mean only when the strategy asks for the most uncertain rows",
    ),
    "entropy": Rule(
        "95 % quantile of the pool's entropy",
        now("pool.entropy.q95"),
        "all under",
        0.01,
        1,
        "Zhu, Wang and Hovy 2008, Learning a Stopping Criterion for Active Learning for Word Sense Disambiguation and "
        "Text Classification",
        "entropy over log C of 95 % of the rows, where the authors want all rows below",
    ),
    "selected_accuracy": Rule(
        "accuracy on the last batch before learning it",
        before("surprise.accuracy.batch"),
        "all over",
        0.9,
        1,
        "Zhu, Wang and Hovy 2008, Learning a Stopping Criterion for Active Learning for Word Sense Disambiguation and "
        "Text Classification",
    ),
    "min_margin": Rule(
        "5 % quantile of the pool's margin",
        now("pool.margin.q05"),
        "all over",
        0.462,
        1,
        "Schohn and Cohn 2000, Less is More: Active Learning with Support Vector Machines",
        "the authors stop when no row lies inside of the SVM's margin; a logistic model gives two classes there a "
        "difference of tanh(1/2) = 0.462, and here 95 % of the rows must lie outside",
    ),
    "confidence_drop": Rule(
        "mean confidence on the pool",
        now("pool.confidence.mean"),
        "falls",
        0.0,
        3,
        "Vlachos 2008, A Stopping Criterion for Active Learning",
        "on the pool itself, where the author keeps a separate set without labels",
    ),
    "contradiction": Rule(
        "confidence of wrong predictions on the last batch",
        _contradiction,
        "falls",
        0.0,
        3,
        "Vlachos 2008, A Stopping Criterion for Active Learning, as compared by Pullar-Strecker, Dost, Frank and "
        "Wicker 2022, Hitting the Target",
        "share of wrong predictions times mean confidence of the batch, because single rows are not among the series",
    ),
}
"""Every rule by name."""
