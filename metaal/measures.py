"""What a learning curve is worth: area, labels to a target, compression, fits, seconds, utility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

TARGETS = (0.90, 0.95, 0.98)
FURTHER = ("balanced_accuracy", "log_loss", "brier", "rmse")
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
    return float(labels_to_each(labels, score, np.array([target]))[0])


def labels_to_each(labels: np.ndarray, score: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """`labels_to` of several targets, f8[targets]."""
    labels, score = np.asarray(labels, dtype=np.float64), np.asarray(score, dtype=np.float64)
    best = np.maximum.accumulate(score)
    first = np.searchsorted(best, targets, side="left")
    k = np.clip(first, 1, max(len(score) - 1, 1))
    if len(score) < 2:
        return np.where(targets <= score[0], labels[0], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (targets - score[k - 1]) / (score[k] - score[k - 1])
        between = labels[k - 1] + share * (labels[k] - labels[k - 1])
    return np.where(first == 0, labels[0], np.where(first < len(score), between, np.nan))


def measure(trace: Trace, prices: Prices) -> dict[str, float]:
    """Every number of one played run, on the test split.

    The main score is accuracy, and in a regression R² (not below −1), of which one hundredth is a point. Titles, units
    and definitions of all numbers: `metaal.comparing.number`.

    Returns
    -------
    dict
        ``aulc`` (main score), ``aulc.balanced_accuracy`` and ``aulc.log_loss`` (in a regression ``aulc.rmse``, and
        ``aulc.brier`` where it was measured), ``first30`` (main score over the first 30 labels), ``first`` and
        ``final`` (first and last model), ``full`` (trained on the whole pool; NaN if the run was played without),
        ``labels``, ``labels.spent``, ``labels.to.90``, ``.95`` and ``.98`` (labels to that share of ``full``; NaN = not
        reached, or ``full`` is not above 0), ``compression.90``, ``.95`` and ``.98`` (1 − labels / pool), ``rounds``,
        ``fits`` (models trained from nothing), ``rows.scored`` (pool rows with model outputs, over all loops),
        ``seconds`` in all and by phase, ``points`` (of AULC over the first model, times the batches they were held
        for), ``utility`` (the points less labels, seconds and rounds, in the prices).
    """
    curve: pandas.DataFrame = trace.curve
    labels = curve["labels"].to_numpy(dtype=np.float64)
    main = curve[trace.main].to_numpy(dtype=np.float64)
    others = [name for name in FURTHER if name in curve]
    out = {
        "aulc": area(labels, main),
        **{f"aulc.{name}": area(labels, curve[name].to_numpy(dtype=np.float64)) for name in others},
        "first30": area(labels, main, upto=labels[0] + 30),
        "first": float(main[0]),
        "final": float(main[-1]),
        "full": trace.full.get(trace.main, float("nan")),
        "labels": float(labels[-1]),
        "labels.spent": float(labels[-1] - labels[0]),
        "rounds": float(len(curve) - 1),
        **_work(curve, labels, trace.pool),
    }
    for target in TARGETS:
        needed = labels_to(labels, main, target * out["full"]) if out["full"] > 0 else float("nan")
        out[f"labels.to.{round(100 * target)}"] = needed
        out[f"compression.{round(100 * target)}"] = 1 - needed / trace.pool
    # A point is priced over the time of one batch of labels, so a run's mean gain counts once for every batch.
    # A batch is what the caller asks for, and not what a policy makes of it: else larger ones were worth less.
    batches = 0.0
    if len(curve) > 1:  # else the run was stopped before anything was asked
        asked = curve["loop.batch"] if "loop.batch" in curve else curve["query.count"]
        batches = out["labels.spent"] / max(float(np.nanmedian(asked)), 1.0)
    out["points"] = 100 * (out["aulc"] - main[0]) * batches
    out["utility"] = prices.utility(
        points=out["points"], labels=out["labels.spent"], seconds=out["seconds"], rounds=out["rounds"]
    )
    return out


def _work(curve: pandas.DataFrame, labels: np.ndarray, pool: int) -> dict[str, float]:
    """Fits, rows scored and seconds. An action says how the next model is trained, and how much of the pool it sees."""
    fits = np.ones(len(curve), dtype=bool)
    if "action.refit" in curve:
        fits[1:] = curve["action.refit"].fillna("full").to_numpy()[:-1] == "full"
    share = np.ones(len(curve))
    if "action.share" in curve:
        share[1:] = curve["action.share"].fillna(1.0).to_numpy(dtype=np.float64)[:-1]
    scored = np.ceil(share * np.maximum(pool - labels, 0))
    if "cost.rows.scored" in curve:  # a small share of a small pool is more than it says, see `metaal.sampling`
        logged = curve["cost.rows.scored"].to_numpy(dtype=np.float64)
        scored = np.where(np.isfinite(logged), logged, scored)
    out = {"fits": float(fits.sum()), "rows.scored": float(scored.sum())}
    for phase in PHASES:
        column = f"cost.{phase}.seconds"
        out[f"seconds.{phase}"] = float(np.nansum(curve[column])) if column in curve else 0.0
    out["seconds"] = sum(out[f"seconds.{phase}"] for phase in PHASES)
    return out
