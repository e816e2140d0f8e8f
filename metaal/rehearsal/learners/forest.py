"""A forest for numbers."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("forest", kind="regression")
def forest(seed: int) -> Any:
    """A random forest of 50 regression trees; its trees are a committee of their own."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=50, random_state=seed, n_jobs=1)
