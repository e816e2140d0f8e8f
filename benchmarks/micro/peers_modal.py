"""Choices by modAL: its functions take anything with the methods of a fitted learner or committee."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.micro.inputs import Inputs

Call = Callable[[], Any]


def uncertainty(inputs: Inputs, name: str) -> Call:
    from modAL import uncertainty as package

    learner, X, proba = _Given(), inputs["embedding"], inputs["proba"]
    learner.predict_proba = lambda X: proba
    return lambda: getattr(package, name)(learner, X, n_instances=inputs.n)


def committee(inputs: Inputs, name: str) -> Call:
    from modAL import disagreement as package

    given, X = _Given(), inputs["embedding"]
    by_row = inputs["committee"].transpose(1, 0, 2).copy()
    votes, mean = by_row.argmax(axis=2), by_row.mean(axis=1)
    given.members = list(range(by_row.shape[1]))
    given.classes_ = list(range(inputs.C))
    given.vote = lambda X: votes
    given.vote_proba = lambda X: by_row
    given.predict_proba = lambda X: mean
    return lambda: getattr(package, name)(given, X, n_instances=inputs.n)


def regressors(inputs: Inputs) -> Call:
    """Mean and spread of the members are computed by modAL's committee, so here too."""
    from modAL.disagreement import max_std_sampling

    given, X, values = _Given(), inputs["embedding"], inputs["committee_prediction"].T.copy()
    given.predict = lambda X, return_std: (values.mean(axis=1), values.std(axis=1))
    return lambda: max_std_sampling(given, X, n_instances=inputs.n)


def density(inputs: Inputs) -> Call:
    """Only the densities: modAL leaves it to the user to weigh and to choose."""
    from modAL.density import information_density

    X = inputs["embedding"]
    return lambda: information_density(X)


def expected_error(inputs: Inputs) -> Call:
    from modAL.expected_error import expected_error_reduction
    from modAL.models import ActiveLearner
    from sklearn.naive_bayes import GaussianNB

    X = inputs["embedding"]
    learner = ActiveLearner(GaussianNB(), X_training=inputs["seen_embedding"], y_training=inputs["seen_y"])
    return lambda: expected_error_reduction(learner, X, n_instances=inputs.n)


class _Given:
    """Stands for a learner or a committee; its methods are set from outside."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Any:
        return iter(self.members)
