"""How well a model does on labelled rows: for classes and for numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metaal.rehearsal.layout import Kind

CLIP = 0.02
"""Log-loss takes no probability for smaller: one surprise must not outweigh a batch."""
FLOOR = -1.0
"""R² takes no model for worse: a linear model of two rows can be off by any factor, and would outweigh all loops."""

METRICS: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "log_loss"),
    "regression": ("r2", "rmse"),
}
"""What is measured of every model, the main score first."""

MAIN: Mapping[Kind, str] = {kind: names[0] for kind, names in METRICS.items()}
"""The score that a run is told as ``score.value``, and whose curve is drawn.

For regressions it is R², and not an error, because it has no unit, is better when larger, and has a range that can be
averaged over data sets, as accuracy has.
"""


def scores(kind: Kind, y: np.ndarray, output: np.ndarray) -> dict[str, float]:
    """The scores of one model.

    Parameters
    ----------
    kind : str
        ``"classification"`` or ``"regression"``.
    y : i8[n] codes, or f8[n]
        The truth.
    output : f8[n,C] probabilities, or f8[n] predictions

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy`` (mean recall of the classes present) and ``log_loss`` (probabilities clipped
        at 0.02); or ``r2`` (share of the variance explained, not below −1) and ``rmse`` (in the target's unit).

    Examples
    --------
    >>> scores("regression", np.array([0.0, 2.0]), np.array([0.0, 1.0]))["r2"]
    0.5
    >>> scores("classification", np.array([0, 1]), np.array([[1.0, 0.0], [0.8, 0.2]]))["accuracy"]
    0.5
    """
    return _of_numbers(y, output) if kind == "regression" else _of_classes(y, output)


def _of_classes(y: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    hit = proba.argmax(1) == y
    count = np.bincount(y)
    there = count > 0
    recall = np.bincount(y[hit], minlength=len(count))[there] / count[there]
    own = np.clip(proba[np.arange(len(y)), y], CLIP, 1.0)
    return {
        "accuracy": float(hit.mean()),
        "balanced_accuracy": float(recall.mean()),
        "log_loss": float(-np.log(own).mean()),
    }


def _of_numbers(y: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    # A prediction that is not finite is as wrong as can be told.
    error = float(np.mean((y - prediction) ** 2)) if np.isfinite(prediction).all() else np.finfo(np.float64).max
    spread = float(np.var(y))
    r2 = 1 - error / spread if spread > 0 else float(error == 0)
    return {"r2": max(r2, FLOOR), "rmse": float(np.sqrt(error))}


def brier(y: np.ndarray, proba: np.ndarray) -> float:
    """Mean squared distance of the probabilities f8[n,C] from the labels i8[n], from 0 to 2.

    Examples
    --------
    >>> brier(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    0.25
    """
    own = proba[np.arange(len(y)), y]
    return float(((proba**2).sum(1) - 2 * own + 1).mean())
