"""What a learning curve is worth: area, labels to a target, compression, seconds, utility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

TARGETS = (0.90, 0.95)
FURTHER = ("balanced_accuracy", "log_loss", "rmse")
PHASES = ("fit", "score", "observe", "decide", "select")


def area(labels: np.ndarray, score: np.ndarray, *, upto: float | None = None) -> float:
    """Area under the learning curve, as the mean score between the first label count and the last (or ``upto``).

    Examples
    --------
    >>> area(np.array([0.0, 10.0, 20.0]), np.array([0.5, 0.7, 0.7]))
    0.65
    """
    labels, score = np.asarray(labels, dtype=np.float64), np.asarray(score, dtype=np.float64)
    end = float(labels[-1] if upto is None else min(upto, labels[-1]))
    if end <= labels[0]:
        return float(score[0])
    inside = labels < end
    x = np.append(labels[inside], end)
    y = np.append(score[inside], np.interp(end, labels, score))
    return float(round(np.trapezoid(y, x) / (x[-1] - x[0]), 12))


def labels_to(labels: np.ndarray, score: np.ndarray, target: float) -> float:
    """Labels at which the curve first reaches ``target``, by linear interpolation; NaN if it never does.

    Examples
    --------
    >>> labels_to(np.array([10.0, 20.0]), np.array([0.5, 0.7]), 0.6)
    15.0
    """
    reached = np.flatnonzero(np.asarray(score) >= target)
    if not len(reached):
        return float("nan")
    k = int(reached[0])
    if k == 0:
        return float(labels[0])
    share = (target - score[k - 1]) / (score[k] - score[k - 1])
    return float(labels[k - 1] + share * (labels[k] - labels[k - 1]))


def measure(trace: Trace, prices: Prices) -> dict[str, float]:
    """Every number of one played run, on the test split.

    The main score is accuracy, and in a regression R² (not below −1), of which one hundredth is a point.

    Returns
    -------
    dict
        ``aulc`` (main score), ``aulc.balanced_accuracy`` and ``aulc.log_loss`` (in a regression ``aulc.rmse``),
        ``first30`` (main score over the first 30 labels), ``final``, ``full`` (trained on the whole pool; NaN if the
        run was played without), ``labels``, ``labels.to.90`` and ``.95`` (labels to that share of ``full``; NaN = not
        reached, or ``full`` is not above 0), ``compression.90`` and ``.95`` (1 − labels / pool), ``rounds``, seconds by
        phase, ``utility`` (points of AULC over the first model, less labels, seconds and rounds, in the prices).
    """
    curve: pandas.DataFrame = trace.curve
    labels = curve["labels"].to_numpy(dtype=np.float64)
    main = curve[trace.main].to_numpy(dtype=np.float64)
    others = [name for name in FURTHER if name in curve]
    out = {
        "aulc": area(labels, main),
        **{f"aulc.{name}": area(labels, curve[name].to_numpy(dtype=np.float64)) for name in others},
        "first30": area(labels, main, upto=labels[0] + 30),
        "final": float(main[-1]),
        "full": trace.full.get(trace.main, float("nan")),
        "labels": float(labels[-1]),
        "rounds": float(len(curve) - 1),
    }
    for target in TARGETS:
        needed = labels_to(labels, main, target * out["full"]) if out["full"] > 0 else float("nan")
        out[f"labels.to.{round(100 * target)}"] = needed
        out[f"compression.{round(100 * target)}"] = 1 - needed / trace.pool
    seconds = 0.0
    for phase in PHASES:
        column = f"cost.{phase}.seconds"
        out[f"seconds.{phase}"] = float(np.nansum(curve[column])) if column in curve else 0.0
        seconds += out[f"seconds.{phase}"]
    points = 100 * (out["aulc"] - main[0])
    # A point is priced over the time of one batch of labels, so a run's mean gain counts once for every batch.
    batches = (labels[-1] - labels[0]) / max(float(np.nanmedian(curve["query.count"])), 1.0) if len(curve) > 1 else 0.0
    out["utility"] = prices.utility(
        points=points * batches, labels=labels[-1] - labels[0], seconds=seconds, rounds=out["rounds"]
    )
    return out
