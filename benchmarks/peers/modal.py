"""modAL's sampling functions; they take anything with a fitted classifier's methods.

Source: Danka and Horvath 2018, modAL: A modular active learning framework for Python (version 0.4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers.standing import Answers, table
from strategy_zoo.plain import Rule
from strategy_zoo.view import View


class Learner:
    """Stands for a fitted ``ActiveLearner``."""

    on_transformed = False

    def __init__(self, view: View) -> None:
        self._answers = Answers(view)
        self.x = self._answers.x
        seen = table(view)[0][view.n :]
        self.X_training = seen if len(seen) else None

    def predict_proba(self, X: Any) -> np.ndarray:
        """Of rows of the pool."""
        return self._answers(X)


def sampled(view: View, n: int, rng: np.random.Generator, *, module: str, name: str) -> np.ndarray:
    """The rows that one of the functions takes."""
    from importlib import import_module

    learner = Learner(view)
    chosen = getattr(import_module(f"modAL.{module}"), name)(learner, learner.x, n_instances=n)
    # Row numbers and their scores; a release before 0.4.2 had instances in the second place.
    return np.asarray(chosen[0] if isinstance(chosen, tuple) else chosen).astype(np.int64)


RULES: Mapping[str, Rule] = {
    "margin": partial(sampled, module="uncertainty", name="margin_sampling"),
    "entropy": partial(sampled, module="uncertainty", name="entropy_sampling"),
    "least_confidence": partial(sampled, module="uncertainty", name="uncertainty_sampling"),
    "ranked_batch": partial(sampled, module="batch", name="uncertainty_batch_sampling"),
}
"""Our name of the strategy → theirs; ranked_batch (Cardoso et al. 2017) is modAL's own way to batches."""
