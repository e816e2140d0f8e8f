"""Logistic regression."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from metaal.rehearsal.learners.registry import learner

STEPS = 20  # of L-BFGS, where it goes on from the last solution


def from_the_last_solution(last: Any, fresh: Any, x: Any, y: Any) -> Any:
    """A few steps from the last coefficients, on all labels."""
    return deepcopy(last).set_params(warm_start=True, max_iter=STEPS).fit(x, y)


@learner("logistic", kind="classification", warm=from_the_last_solution)
def logistic(seed: int) -> Any:
    """Multinomial logistic regression with an L2 penalty of weight 1 (deterministic)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=300)
