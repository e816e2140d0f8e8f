"""Off-policy estimators: what one policy would have gained, from decisions that another one took and logged.

Notation: y the outcome of a logged decision, w = π(a|s) / p the weight of the logged action (π the policy judged, p the
logged propensity), q(s, a) a model of the outcome, q(s, π) its mean over the policy's actions.

=============  ==========================================  =========================================================
ips            mean of w y                                 Horvitz and Thompson, 1952; unbiased, of high variance
snips          sum of w y over sum of w                    Swaminathan and Joachims, 2015
direct         mean of q(s, π)                             as good as the model
dr             mean of q(s, π) + w (y − q(s, a))           Dudík, Langford and Li, 2011
switch_dr      dr, but without the correction where w > τ  Wang, Agarwal and Dudík, 2017
=============  ==========================================  =========================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metaal.expecting import Expectation

ESTIMATORS = ("ips", "snips", "direct", "dr", "switch_dr")
RESAMPLES = 2000
_BLOCK = 2_000_000  # numbers drawn at a time


@dataclass(frozen=True)
class Guess:
    """One estimate of the mean outcome of a decision, with its 95 % interval; NaN where there is none.

    Parameters
    ----------
    value, low, high : float
        In units of the score.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.value != self.value:
            return "–"
        if self.low != self.low:
            return f"{100 * self.value:+.2f}"
        return f"{100 * self.value:+.2f} ({100 * self.low:+.2f} to {100 * self.high:+.2f})"


NOTHING = Guess(float("nan"), float("nan"), float("nan"))


def guesses(
    outcome: np.ndarray, weight: np.ndarray, run: np.ndarray, model: Expectation, *, seed: int = 0
) -> tuple[dict[str, Guess], float]:
    """Every estimator on the same decisions.

    Parameters
    ----------
    outcome : f8[N]
        y, in units of the score.
    weight : f8[N]
        w ≥ 0.
    run : i8[N]
        Number of each decision's run: decisions of one run depend on each other, and are drawn together.
    model : Expectation
        q for each decision, made without its run.
    seed : int
        Of the bootstrap.

    Returns
    -------
    guesses : dict
        By name, in the order of `ESTIMATORS`; the interval is a bootstrap over runs, widened for few of them, and NaN
        for a single one.
    threshold : float
        τ of switch_dr, infinite where nothing was switched.
    """
    threshold = switch_at(outcome, weight, model)
    kept = np.where(weight <= threshold, weight, 0.0)
    ones = np.ones(len(outcome))
    # Each estimator is a mean, or a ratio of means: of the first column over the second.
    terms = {
        "ips": (weight * outcome, ones),
        "snips": (weight * outcome, weight),
        **{
            name: (model.expected + w * (outcome - model.predicted), ones)
            for name, w in (("direct", 0.0 * weight), ("dr", weight), ("switch_dr", kept))
        },
    }
    pulls = {
        name: model.pull(outcome, w) for name, w in (("direct", 0.0 * weight), ("dr", weight), ("switch_dr", kept))
    }
    found = {}
    for name in ESTIMATORS:
        top, bottom = terms[name]
        value = float(top.sum() / bottom.sum()) if bottom.sum() > 0 else float("nan")
        low, high = _interval(top + pulls.get(name, 0.0), bottom, run, seed)
        found[name] = Guess(value, low, high)
    return found, threshold


def switch_at(outcome: np.ndarray, weight: np.ndarray, model: Expectation) -> float:
    """The τ of least estimated squared error: variance of the mean, and a bound of the bias that it adds.

    The bias is at most the share of the policy's decisions whose corrections are left out times the model's error
    there. For the error stands the root mean square of the residuals, noise included, instead of the range of the
    outcomes (Wang, Agarwal and Dudík, 2017, section 4).

    Returns
    -------
    float
        Infinite where every correction stays.
    """
    levels = np.unique(weight[weight > 0])
    count = len(outcome)
    if count < 2 or len(levels) < 2:
        return float("inf")
    residual = outcome - model.predicted
    error = float(np.sqrt((residual**2).mean()))
    best, least = float("inf"), float("inf")
    for threshold in (np.inf, *np.quantile(levels[:-1], np.linspace(1, 0, 10), method="nearest")):
        kept = np.where(weight <= threshold, weight, 0.0)
        variance = np.var(model.expected + kept * residual, ddof=1) / count
        # Weights have mean 1, so what is left out is also what the others lack, which is known better.
        left_out = max(float((weight - kept).mean()), 1 - float(kept.mean())) if np.isfinite(threshold) else 0.0
        squared = float(variance + (left_out * error) ** 2)
        if squared < least:
            best, least = float(threshold), squared
    return best


def effective(weight: np.ndarray) -> float:
    """Effective sample size (Σw)² / Σw² (Kish, 1965); 0 where all weights are."""
    squares = float((weight**2).sum())
    return float(weight.sum() ** 2 / squares) if squares > 0 else 0.0


def _interval(top: np.ndarray, bottom: np.ndarray, run: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % interval of sum over sum by a bootstrap over runs.

    The quantiles are those of the expanded percentile interval (Hesterberg, 2015, What Teachers Should Know About the
    Bootstrap, section 5.2): the plain ones are too narrow for few runs.
    """
    from scipy.stats import norm, t

    tops, bottoms = np.bincount(run, weights=top), np.bincount(run, weights=bottom)
    runs = len(tops)
    if runs < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    values = []
    for start in range(0, RESAMPLES, step := max(1, _BLOCK // runs)):
        draws = rng.integers(runs, size=(min(step, RESAMPLES - start), runs))
        below = bottoms[draws].sum(1)
        values.append(tops[draws].sum(1)[below > 0] / below[below > 0])
    share = norm.cdf(np.sqrt(runs / (runs - 1)) * t.ppf(0.025, runs - 1))
    low, high = np.quantile(np.concatenate(values), [share, 1 - share])
    return float(low), float(high)
