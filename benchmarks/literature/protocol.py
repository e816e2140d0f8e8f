"""One run under the protocol of Lu, Li and Lin: RBF-SVM, batches of one, until nothing is left.

What the paper leaves open was read off its published program: rows are shuffled by the repeat's seed, the first 60 %
(rounded down) are the pool, its first 20 are labelled; a repeat in which these are of one class is left out; features
are scaled by the pool's mean and deviation; the machine has C = 1 and γ = 1 / features. The area (AUBC) is the sum of
the trapezoids between the accuracies after the first and after the last query, divided by the number of QUERIES, which
is one more than there are trapezoids: on a small set it is lower than the mean accuracy (by 2 % of it with 43 queries).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers.albl import EXPERTS, Albl
from metaal.randomness import generator
from metaal.rehearsal.learners.svm_rbf import KernelMachine
from strategy_zoo import View, propose
from strategy_zoo.plain import Plain

INITIAL = 20
TEST = 0.4


@dataclass(frozen=True, eq=False)
class Start:
    """One repeat's split, scaled.

    Parameters
    ----------
    pool_x, test_x : f8[·,D]
    pool_y, test_y : i8[·]
        0 or 1. The first `INITIAL` rows of the pool are labelled.
    """

    pool_x: np.ndarray
    pool_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def start(x: np.ndarray, y: np.ndarray, name: str, repeat: int) -> Start | None:
    """The split of one repeat; None where the initial labels are of one class.

    Parameters
    ----------
    x : f8[N,D]
    y : i8[N]
        0 or 1.
    name : str
        Of the set: with ``repeat`` it decides the shuffle, so all strategies get the same one.
    repeat : int
    """
    order = generator(repeat, name, 0, "literature split").permutation(len(y))
    cut = int(len(y) * (1 - TEST))
    pool, test = order[:cut], order[cut:]
    if len(np.unique(y[pool[:INITIAL]])) < 2:
        return None
    mean, spread = x[pool].mean(axis=0), x[pool].std(axis=0)
    spread[spread == 0] = 1.0
    scaled = (x - mean) / spread
    return Start(scaled[pool], y[pool], scaled[test], y[test])


def machine() -> KernelMachine:
    """The model that is scored and, except for the committee, queried."""
    return KernelMachine(C=1.0, gamma="auto")


Shows = Callable[[Start, np.ndarray, np.ndarray, Any, np.random.Generator], dict[str, Any]]
"""(start, labelled rows, the others, fitted machine, generator) → the fields of a view of the others."""


def by_machine(here: Start, seen: np.ndarray, left: np.ndarray, model: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Its probabilities, whose order by margin is that by the distance from its boundary."""
    return {"proba": model.predict_proba(here.pool_x[left])}


def by_place(here: Start, seen: np.ndarray, left: np.ndarray, model: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Where the rows lie."""
    return {"embedding": here.pool_x[left], "seen_embedding": here.pool_x[seen]}


def by_votes(here: Start, seen: np.ndarray, left: np.ndarray, model: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Hard votes of the published committee, each member trained on a bootstrap sample with both classes."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    members = (LogisticRegression(), SVC(kernel="linear"), SVC(gamma="auto"), LinearDiscriminantAnalysis())
    votes = np.zeros((len(members), len(left), 2))
    for vote, member in zip(votes, members, strict=True):
        bag = rng.choice(seen, len(seen))
        while len(np.unique(here.pool_y[bag])) < 2:
            bag = rng.choice(seen, len(seen))
        said = member.fit(here.pool_x[bag], here.pool_y[bag]).predict(here.pool_x[left])
        vote[np.arange(len(left)), said] = 1.0
    return {"committee": votes}


def by_labels(here: Start, seen: np.ndarray, left: np.ndarray, model: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Where the rows lie, and the labels: for strategies with models of their own."""
    return {**by_place(here, seen, left, model, rng), "seen_y": here.pool_y[seen]}


def _albl(queries: int) -> Plain:
    return Plain(Albl(EXPERTS, rounds=queries), "albl")


@dataclass(frozen=True)
class Rule:
    """One of our strategies, what it is shown, and what the published table calls it.

    Parameters
    ----------
    strategy : str or callable
        Spelling, or number of queries → strategy, for one that remembers what it asked.
    shows : callable
    published : str
    same : bool
        Whether theirs is the same strategy.
    """

    strategy: str | Callable[[int], Plain]
    shows: Shows
    published: str
    same: bool = True


RULES = {
    "random": Rule("random", by_machine, "Uniform"),
    "margin": Rule("margin", by_machine, "US-C"),
    "k_center": Rule("k_center", by_place, "Core-Set"),
    "qbc": Rule("vote_entropy", by_votes, "QBC"),
    "albl": Rule(_albl, by_labels, "ALBL", same=False),
}
"""Ours by name. ALBL is the peer of `benchmarks.peers.albl`: theirs has a fourth expert, HintSVM."""
USUAL = tuple(name for name, rule in RULES.items() if rule.same)
"""The strategies that are run unless others are named."""


def play(here: Start, rule: Rule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ask for every label of the pool, one at a time.

    Returns
    -------
    accuracy : f8[Q+1]
        On the test rows: with the initial labels, then after each of the Q queries.
    asked : i8[Q]
        Pool rows in the order of asking.
    """
    strategy = rule.strategy if isinstance(rule.strategy, str) else rule.strategy(len(here.pool_y) - INITIAL)
    labelled = np.zeros(len(here.pool_y), dtype=bool)
    labelled[:INITIAL] = True
    seen = list(range(INITIAL))
    accuracy = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # collinear columns, logistic regressions that want more rounds: as published
        while True:
            told = np.array(seen)
            model = machine().fit(here.pool_x[told], here.pool_y[told])
            accuracy.append(float(np.mean(model.predict(here.test_x) == here.test_y)))
            left = np.flatnonzero(~labelled)
            if not len(left):
                return np.array(accuracy), told[INITIAL:]
            view = View(**rule.shows(here, told, left, model, rng))
            row = int(left[propose(strategy, view, 1, rng).rows[0]])
            labelled[row] = True
            seen.append(row)


def aubc(accuracy: np.ndarray) -> float:
    """The published area: trapezoids from the first query to the last, by the number of queries.

    Examples
    --------
    >>> aubc(np.array([0.0, 0.8, 0.8, 0.8, 0.8]))
    0.6
    """
    after = np.asarray(accuracy, dtype=np.float64)[1:]
    return round(float(np.trapezoid(after)) / len(after), 12)


def run(x: np.ndarray, y: np.ndarray, name: str, repeat: int, strategy: str) -> dict[str, Any] | None:
    """The row of one run; None where the repeat is left out."""
    here = start(x, y, name, repeat)
    if here is None:
        return None
    begun = time.process_time()
    accuracy, asked = play(here, RULES[strategy], generator(repeat, name, 0, f"literature {strategy}"))
    return {
        "set": name,
        "strategy": strategy,
        "repeat": repeat,
        "aubc": round(aubc(accuracy), 6),
        "mean": round(float(np.trapezoid(accuracy) / len(asked)), 6),
        "first": round(float(accuracy[0]), 6),
        "last": round(float(accuracy[-1]), 6),
        "queries": len(asked),
        "seconds": round(time.process_time() - begun, 3),
    }
