"""Nearest neighbours."""

from __future__ import annotations

from typing import Any

from metaal.rehearsal.learners.registry import learner

NEIGHBOURS = 5


def as_many_as_there_are(model: Any, x: Any, y: Any) -> Any:
    """Fewer neighbours where fewer rows are labelled."""
    return model.set_params(n_neighbors=min(NEIGHBOURS, len(y)))


@learner("nearest_neighbours", kind="classification", adapt=as_many_as_there_are)
def nearest_neighbours(seed: int) -> Any:
    """The 5 nearest neighbours, weighted by inverse distance (deterministic)."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=NEIGHBOURS, weights="distance")
