"""The models that rehearsals train: small, quick, of different kinds."""

from __future__ import annotations

from typing import Any

from metaal.errors import TaskError

LEARNERS = ("logistic", "extra_trees", "naive_bayes", "nearest_neighbours")


def make_learner(name: str, seed: int) -> Any:
    """Return a new unfitted scikit-learn classifier with ``predict_proba``.

    Parameters
    ----------
    name : str
        One of `LEARNERS`.
    seed : int

    Raises
    ------
    TaskError
        There is no such learner.
    """
    if name == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=1.0, max_iter=300)
    if name == "extra_trees":
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(n_estimators=50, random_state=seed, n_jobs=1)
    if name == "naive_bayes":
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB(var_smoothing=1e-3)
    if name == "nearest_neighbours":
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(n_neighbors=5, weights="distance")
    raise TaskError(f"no learner {name!r}; expected one of {', '.join(LEARNERS)}, or a scikit-learn classifier")
