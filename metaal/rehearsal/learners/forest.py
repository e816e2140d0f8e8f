"""A forest for numbers."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.extra_trees import TREES, a_quarter_of_new_trees
from metaal.rehearsal.learners.registry import learner


@learner("forest", kind="regression", warm=a_quarter_of_new_trees)
def forest(seed: int) -> Any:
    """A random forest of 50 regression trees; its trees are a committee of their own."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=TREES, random_state=seed, n_jobs=1)
