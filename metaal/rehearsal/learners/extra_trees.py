"""Extremely randomised trees."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("extra_trees", kind="classification")
def extra_trees(seed: int) -> Any:
    """50 extremely randomised trees, grown to the end."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=50, random_state=seed, n_jobs=1)
