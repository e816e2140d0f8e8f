"""The arrays of a loop at any size: clusters with classes, equal for us and for peers; made when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CLUSTERS = 50
EVALUATION = 256  # rows on which look-ahead strategies evaluate
_BLOCK = 1 << 16


class Inputs:
    """Arrays by name, as `View` has them; the same sizes give the same arrays.

    Sizes: U pool rows, L labelled rows, C classes (or labels of a multi-label task), D columns, M committee members
    (and noisy passes), n rows wanted.
    ``refit=1`` makes `lookahead` that of `metaal.outputs`, which trains naive Bayes for each row and class; without it
    the answer is a cheap formula, so that only the strategy is measured.
    """

    def __init__(self, *, U: int, L: int = 100, C: int = 10, D: int = 32, M: int = 5, n: int = 100, refit: int = 0):
        self.U, self.L, self.C, self.D, self.M, self.n, self.refit = U, L, C, D, M, n, refit
        self._made: dict[str, Any] = {}
        rng = np.random.default_rng(0)
        self._centres = (3 * rng.standard_normal((CLUSTERS, D))).astype(np.float32)
        self._logits = 2 * rng.standard_normal((CLUSTERS, C))
        self._cluster = rng.integers(CLUSTERS, size=U)
        self._seen = rng.integers(CLUSTERS, size=L)

    def __getitem__(self, name: str) -> Any:
        if name == "lookahead" and self.refit:
            return self._refits()  # it keeps what it answered, so a second call with the same one would cost nothing
        if name not in self._made:
            self._made[name] = self._makers()[name]()
        return self._made[name]

    def fields(self, needs: tuple[str, ...], uses: tuple[str, ...] = (), regression: bool = False) -> dict[str, Any]:
        """The fields of a view; optional ones that this module doesn't know are left out."""
        known = self._makers()
        names = [*needs, *(name for name in uses if name in known)]
        given = {name: self[name] for name in names} or {"prediction": self["prediction"]}
        if regression and "seen_y" in given:
            given["seen_y"] = self["seen_values"]
        return given

    def _makers(self) -> dict[str, Callable[[], Any]]:
        U, L, M, D = self.U, self.L, self.M, self.D
        return {
            "proba": lambda: self._proba(1, self._cluster),
            "previous": lambda: self._proba(2, self._cluster),
            "seen_proba": lambda: self._proba(3, self._seen),
            "committee": lambda: self._proba(4, self._cluster, M),
            "stochastic": lambda: self._proba(5, self._cluster, M),
            "embedding": lambda: self._points(6, self._cluster),
            "seen_embedding": lambda: self._points(7, self._seen),
            "gradient": lambda: np.random.default_rng(8).standard_normal((U, D), dtype=np.float32),
            "prediction": lambda: np.random.default_rng(9).standard_normal(U),
            "committee_prediction": lambda: np.random.default_rng(10).standard_normal((M, U)),
            "quantiles": lambda: np.cumsum(np.random.default_rng(11).random((U, 3)), axis=1),
            "label_proba": lambda: np.random.default_rng(12).random((U, self.C)),
            "seen_labels": lambda: np.random.default_rng(13).integers(0, 2, (L, self.C)).astype(np.float64),
            "votes": lambda: np.random.default_rng(14).integers(0, 4, (U, self.C)).astype(np.float64),
            "seen_y": self._seen_y,
            "seen_values": lambda: np.random.default_rng(16).standard_normal(L),
            "lookahead": self._formula,
            "predict": self._predict,
        }

    def _points(self, seed: int, cluster: np.ndarray) -> np.ndarray:
        points = np.random.default_rng(seed).standard_normal((len(cluster), self.D), dtype=np.float32)
        for start in range(0, len(points), _BLOCK):
            points[start : start + _BLOCK] += self._centres[cluster[start : start + _BLOCK]]
        return points

    def _proba(self, seed: int, cluster: np.ndarray, members: int = 0) -> np.ndarray:
        """Softmax of the cluster's scores plus noise, filled in blocks: making it must not raise the memory's peak."""
        rng = np.random.default_rng(seed)
        out = np.empty((max(1, members), len(cluster), self.C))
        for member in out:
            for start in range(0, len(member), _BLOCK):
                score = self._logits[cluster[start : start + _BLOCK]]
                score = np.exp(score + rng.standard_normal(score.shape))
                member[start : start + _BLOCK] = score / score.sum(axis=1, keepdims=True)
        return out if members else out[0]

    def _seen_y(self) -> np.ndarray:
        y = self["seen_proba"].argmax(axis=1)
        y[: min(self.C, self.L)] = np.arange(min(self.C, self.L))  # every class, where there are enough rows
        return y

    def evaluation(self) -> np.ndarray:
        """The rows of the pool on which look-ahead strategies evaluate."""
        return np.sort(np.random.default_rng(17).choice(self.U, min(EVALUATION, self.U), replace=False))

    def _formula(self) -> Callable[[Any], np.ndarray]:
        points = self["embedding"]
        sample = points[self.evaluation()].astype(np.float64)
        base = self._proba(18, self._cluster[self.evaluation()])
        eye = np.eye(self.C)

        def lookahead(rows: Any) -> np.ndarray:
            out = np.empty((len(rows), self.C, len(sample), self.C))
            for i, row in enumerate(np.asarray(rows)):
                near = np.exp(-np.square(sample - points[row]).mean(axis=1))
                out[i] = (base + near[None, :, None] * eye[:, None, :]) / (1 + near)[None, :, None]
            return out

        return lookahead

    def _refits(self) -> Any:
        from sklearn.naive_bayes import GaussianNB

        from metaal.model_outputs import outputs

        seen, y = self["seen_embedding"], self["seen_y"]
        model = GaussianNB().fit(seen, y)
        given = outputs(
            model, self["embedding"], want="lookahead", X_seen=seen, y_seen=y, evaluation=len(self.evaluation())
        )
        return given["lookahead"]

    def _predict(self) -> Callable[[Any], np.ndarray]:
        weight = np.random.default_rng(19).standard_normal((self.D, self.C)) / np.sqrt(self.D)

        def predict(points: Any) -> np.ndarray:
            score = np.asarray(points, np.float64) @ weight
            score = np.exp(score - score.max(axis=1, keepdims=True))
            return score / score.sum(axis=1, keepdims=True)

        return predict
