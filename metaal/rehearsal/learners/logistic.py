"""Logistic regression."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("logistic", kind="classification")
def logistic(seed: int) -> Any:
    """Multinomial logistic regression with an L2 penalty of weight 1 (deterministic)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=300)
