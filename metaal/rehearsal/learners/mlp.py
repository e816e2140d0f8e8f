"""A small neural network."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from metaal.rehearsal.learners.registry import learner

STEPS = 15  # of L-BFGS, where it goes on from the last weights


def from_the_last_weights(last: Any, fresh: Any, x: Any, y: Any) -> Any:
    """A quarter of the steps from the last weights, on all labels (replay: new rows alone would be learnt by heart)."""
    return deepcopy(last).set_params(warm_start=True, max_iter=STEPS).fit(x, y)


@learner("mlp", kind="classification", warm=from_the_last_weights)
def mlp(seed: int) -> Any:
    """A multi-layer perceptron of one hidden layer with 32 units, 60 steps of L-BFGS, L2 penalty 1.

    On tens of labels the quasi-Newton method costs as much as an epoch or two of Adam costs in Python.
    """
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((32,), solver="lbfgs", alpha=1.0, max_iter=60, random_state=seed)
