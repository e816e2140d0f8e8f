"""Extremely randomised trees."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from metaal.rehearsal.learners.registry import learner

TREES = 50


def a_quarter_of_new_trees(last: Any, fresh: Any, x: Any, y: Any) -> Any:
    """The oldest quarter of the trees gives way to new ones, grown on all labels."""
    model = deepcopy(last).set_params(warm_start=True, n_estimators=TREES, random_state=fresh.random_state)
    model.estimators_ = model.estimators_[TREES // 4 :]
    return model.fit(x, y)


@learner("extra_trees", kind="classification", warm=a_quarter_of_new_trees)
def extra_trees(seed: int) -> Any:
    """50 extremely randomised trees, grown to the end."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=TREES, random_state=seed, n_jobs=1)
