"""Ridge regression."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner


@learner("ridge", kind="regression")
def ridge(seed: int) -> Any:
    """Linear regression with an L2 penalty of weight 1 (deterministic)."""
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1.0)
