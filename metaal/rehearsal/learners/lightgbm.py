"""Gradient boosting by LightGBM, for classes and for numbers."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner

# LightGBM's own defaults want 20 rows a leaf and 3 a bin: on the first labels it would predict the mean.
FEW_ROWS: dict[str, Any] = {
    "n_estimators": 50,
    "num_leaves": 7,
    "min_child_samples": 3,
    "min_data_in_bin": 1,
    "n_jobs": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


ROUNDS = 15  # of boosting, where it goes on from the last trees


def more_rounds(last: Any, fresh: Any, x: Any, y: Any) -> Any:
    """Further rounds on all labels, on top of the last trees."""
    return fresh.set_params(n_estimators=ROUNDS).fit(x, y, init_model=last)


@learner("lightgbm", kind="classification", warm=more_rounds)
def lightgbm(seed: int) -> Any:
    """50 rounds of gradient boosting with trees of 7 leaves, of 3 rows or more each."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**FEW_ROWS, random_state=seed)


@learner("lightgbm_regression", kind="regression", warm=more_rounds)
def lightgbm_regression(seed: int) -> Any:
    """50 rounds of gradient boosting of the squared error with trees of 7 leaves, of 3 rows or more each."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(**FEW_ROWS, random_state=seed)
