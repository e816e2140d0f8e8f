"""A loop to be driven: a small pool, a model, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


@dataclass
class Loop:
    """A caller's side of active learning on iris: owns data, model and labels."""

    seen: list[int] = field(default_factory=lambda: [0, 50, 100])

    def __post_init__(self) -> None:
        self.X, self.y = load_iris(return_X_y=True)

    def pool(self) -> np.ndarray:
        return np.setdiff1d(np.arange(len(self.y)), self.seen)

    def outputs(self, **change: Any) -> dict[str, Any]:
        """What `ask` is given in this state."""
        pool = self.pool()
        model = LogisticRegression(max_iter=200).fit(self.X[self.seen], self.y[self.seen])
        shown = {
            "ids": pool,
            "proba": model.predict_proba(self.X[pool]),
            "embedding": self.X[pool],
            "seen_embedding": self.X[self.seen],
            "seen_y": self.y[self.seen],
            "classes": model.classes_,
        }
        return {**shown, **change}

    def learn(self, ids: Any) -> np.ndarray:
        """Labels of the ids, which become known."""
        keys = [int(key) for key in ids]
        self.seen += keys
        return self.y[keys]


@pytest.fixture
def loop() -> Loop:
    return Loop()
