"""A support vector machine with an RBF kernel, and probabilities that cost no further fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaal.rehearsal.learners.registry import learner

SLOPE = 3.0
BLOCK = 1 << 22  # numbers of the table rows × pairs that are held at a time


class KernelMachine:
    """scikit-learn's ``SVC`` with ``predict_proba``: logistic in each pair's decision value, coupled in closed form.

    scikit-learn's own probabilities come from five further fits in a cross-validation (5 to 10 times the seconds, and
    an error where a class has fewer rows than folds), which on tens of labels calibrates little. Here the slope is
    fixed: P(a rather than b) = 1 / (1 + exp(-3 f)), so the margin f = 1 means 95 %. The order of the rows by their
    margin, which is what strategies read, does not depend on the slope where there are two classes.

    Parameters
    ----------
    C : float
        Cost of a violated margin, > 0.
    gamma : float or str
        Of the kernel; see ``sklearn.svm.SVC``.

    References
    ----------
    Price, Knerr, Personnaz and Dreyfus 1995, Pairwise Neural Network Classifiers with Probabilistic Outputs.
    """

    _estimator_type = "classifier"  # what scikit-learn before 1.6 asks for; later it reads the tags below

    def __init__(self, C: float = 10.0, gamma: float | str = "scale") -> None:
        self.C = C
        self.gamma = gamma

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The two parameters."""
        return {"C": self.C, "gamma": self.gamma}

    def set_params(self, **params: Any) -> KernelMachine:
        """Change some of them."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"KernelMachine has no parameter {name!r}; it has C and gamma")
            setattr(self, name, value)
        return self

    def fit(self, X: Any, y: Any) -> KernelMachine:
        """Fit on rows f8[L,D] and their labels [L], of two classes or more."""
        from sklearn.svm import SVC

        self.svc_ = SVC(C=self.C, gamma=self.gamma, decision_function_shape="ovo").fit(X, y)
        self.classes_ = self.svc_.classes_
        self.n_features_in_ = self.svc_.n_features_in_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class [n]."""
        labels: np.ndarray = self.classes_[self.predict_proba(X).argmax(1)]
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities f8[n,C]."""
        count = len(self.classes_)
        rows = max(1, BLOCK // (count * count))
        return np.concatenate([self._coupled(X[k : k + rows]) for k in range(0, max(len(X), 1), rows)])

    def _coupled(self, X: Any) -> np.ndarray:
        count = len(self.classes_)
        if not len(X):
            return np.zeros((0, count))
        decision = SLOPE * self.svc_.decision_function(X)
        if count == 2:  # SVC gives one column, positive for the second class
            second = 1 / (1 + np.exp(-decision))
            return np.column_stack([1 - second, second])
        # exp(-f) = 1/r - 1 for r = P(a rather than b); capped, since the sum of some of them is divided by.
        odds = np.exp(np.clip(-decision, -30, 30))
        first, other = np.triu_indices(count, 1)
        inverse = np.ones((len(X), count))  # 1 + sum of 1/r - 1 over the rivals = sum of 1/r - (C - 2)
        for column, (a, b) in enumerate(zip(first, other, strict=True)):
            inverse[:, a] += odds[:, column]
            inverse[:, b] += 1 / odds[:, column]
        out = 1 / inverse
        return out / out.sum(1, keepdims=True)

    def __sklearn_tags__(self) -> Any:
        from sklearn.svm import SVC

        return SVC().__sklearn_tags__()

    def __repr__(self) -> str:
        return f"KernelMachine(C={self.C!r}, gamma={self.gamma!r})"


@learner("svm_rbf", kind="classification")
def svm_rbf(seed: int) -> Any:
    """A support vector machine with an RBF kernel, C = 10; probabilities by fixed slopes (deterministic)."""
    return KernelMachine()
