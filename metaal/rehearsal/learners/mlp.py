"""A small neural network."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("mlp", kind="classification")
def mlp(seed: int) -> Any:
    """A multi-layer perceptron of one hidden layer with 32 units, 60 steps of L-BFGS, L2 penalty 1.

    On tens of labels the quasi-Newton method costs as much as an epoch or two of Adam costs in Python.
    """
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((32,), solver="lbfgs", alpha=1.0, max_iter=60, random_state=seed)
