"""scikit-activeml's pool strategies.

Source: Herde et al. 2025, scikit-activeml: A Comprehensive and User-friendly Active Learning Library (version 1).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.peers.standing import Answers, seed_of, table, whole
from strategy_zoo.plain import Rule
from strategy_zoo.view import View


def by_place(view: View, n: int, rng: np.random.Generator, *, name: str) -> np.ndarray:
    """A strategy that looks at the rows alone."""
    x, y = table(view)
    return _queried(name, {}, rng, X=x, y=y, batch_size=n)


def by_model(
    view: View,
    n: int,
    rng: np.random.Generator,
    *,
    name: str,
    argument: str = "clf",
    options: Mapping[str, Any] | None = None,
    seeded: str = "",
) -> np.ndarray:
    """A strategy that looks at a classifier's probabilities, too.

    ``argument`` is what it calls the classifier; ``seeded`` names an option that holds the arguments of a clustering
    which would otherwise draw from numpy's global generator.
    """
    x, y = table(view)
    told = {argument: classifier(view), f"fit_{argument}": False}
    more = {seeded: {"random_state": seed_of(rng)}} if seeded else {}
    return _queried(name, {**(options or {}), **more}, rng, X=x, y=y, batch_size=n, **told)


def _queried(name: str, options: dict[str, Any], rng: np.random.Generator, **told: Any) -> np.ndarray:
    from skactiveml import pool

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # k-means on duplicates, and the like: theirs to say, not the run's
        rows = np.asarray(getattr(pool, name)(random_state=seed_of(rng), **options).query(**told))
    unlabelled = int(np.isnan(told["y"]).sum())
    return whole(rows, told["batch_size"], unlabelled, rng)


def classifier(view: View) -> Any:
    """A fitted classifier of theirs whose probabilities for the pool are given."""
    answers = Answers(view)
    count = answers.proba.shape[1]
    given = _class()(classes=list(range(count)))
    given.answers, given.classes_ = answers, np.arange(count)
    return given


@cache
def _class() -> type:
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):
        def __init__(self, classes: Any = None, missing_label: Any = np.nan, cost_matrix: Any = None) -> None:
            super().__init__(classes=classes, missing_label=missing_label, cost_matrix=cost_matrix)

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> Any:
            return self.answers(X)

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    return Given


def _uncertainty(method: str) -> Rule:
    return partial(by_model, name="UncertaintySampling", options={"method": method})


RULES: Mapping[str, Rule] = {
    "random": partial(by_place, name="RandomSampling"),
    "margin": _uncertainty("margin_sampling"),
    "entropy": _uncertainty("entropy"),
    "least_confidence": _uncertainty("least_confident"),
    "k_center": partial(by_place, name="CoreSet"),
    "typiclust": partial(by_place, name="TypiClust"),
    "badge": partial(by_model, name="Badge"),
    "clue": partial(by_model, name="Clue", argument="estimator", seeded="cluster_algo_dict"),
    "falcun": partial(by_model, name="Falcun"),
}
"""Our name of the strategy → theirs. Of Clue only the uncertainty is given; it clusters the features themselves."""
