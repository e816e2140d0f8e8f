"""Gaussian naive Bayes."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("naive_bayes", kind="classification")
def naive_bayes(seed: int) -> Any:
    """Gaussian naive Bayes; variances smoothed, since a class may have a single row (deterministic)."""
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB(var_smoothing=1e-3)
