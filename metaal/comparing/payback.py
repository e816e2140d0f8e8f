"""Payback: the labels at which the labels saved have paid for the additional compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaal.measures import PHASES, labels_to_each
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

Curve = dict[str, np.ndarray]


LEVELS = 100
"""Scores between the start and the best, at which the balance is struck."""


def payback(own: Sequence[Trace], other: Sequence[Trace], prices: Prices) -> float:
    """Labels at which a policy has paid for itself against a baseline, on one task.

    The curves are averaged over seeds. At each of 100 equally spaced scores, the labels that the baseline needs to get
    there, less the policy's, at the price of a label, are set against the additional compute and rounds up to there.
    Where the baseline never gets there, its whole budget counts, which is less than it would have needed; if even that
    does not pay, nothing is known of this score, and it is left out. Where the policy never gets there, it counts as a
    loss by its whole budget.

    Parameters
    ----------
    own, other : sequence of Trace
        Of the policy and of the baseline, one a seed.
    prices : Prices

    Returns
    -------
    float
        Labels at the first score with a balance of nought or more from which on it is so on average, too (a balance
        that is only now and then positive is noise). NaN = not paid back within the budget. Where compute and rounds
        are free, these are the labels from which on any are saved.
    """
    policy, baseline = (mean_curve([curve(trace) for trace in traces]) for traces in (own, other))
    return first_paid(policy, baseline, prices)


def curve(trace: Trace) -> Curve:
    """Labels, score, and seconds and rounds so far, of one run."""
    frame: pandas.DataFrame = trace.curve
    spent = np.zeros(len(frame))
    for phase in PHASES:
        column = f"cost.{phase}.seconds"
        if column in frame:
            spent += np.nan_to_num(frame[column].to_numpy(dtype=np.float64))
    return {
        "labels": frame["labels"].to_numpy(dtype=np.float64),
        "score": frame[trace.main].to_numpy(dtype=np.float64),
        "seconds": np.cumsum(spent),
        "rounds": np.arange(len(frame), dtype=np.float64),
    }


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Averaged over seeds on the label counts of the first one, where all of them have a model."""
    start, end = max(c["labels"][0] for c in curves), min(c["labels"][-1] for c in curves)
    labels = np.unique(np.clip(curves[0]["labels"], start, end))
    out = {"labels": labels}
    for name in ("score", "seconds", "rounds"):
        out[name] = np.mean([np.interp(labels, c["labels"], c[name]) for c in curves], axis=0)
    return out


def first_paid(own: Curve, other: Curve, prices: Prices) -> float:
    """See `payback`."""
    start = max(own["score"][0], other["score"][0])
    top = max(own["score"].max(), other["score"].max())
    if not top > start:
        return float("nan")
    levels = np.linspace(start, top, LEVELS + 1)[1:]
    needed, spent = (_needed(curve, levels) for curve in (other, own))
    missed, failed = np.isnan(needed), np.isnan(spent)
    needed, spent = np.where(missed, other["labels"][-1], needed), np.where(failed, own["labels"][-1], spent)
    extra = np.zeros(LEVELS)
    for name, price in (("seconds", prices.second), ("rounds", prices.round)):
        extra += price * (_at(own, name, spent) - _at(other, name, needed))
    balance = prices.label * (needed - spent) - extra
    balance = np.where(failed, np.minimum(balance, 0.0), balance)
    known = ~(missed & (balance < 0))
    on_average = np.cumsum(np.where(known, balance, 0.0)[::-1])[::-1]
    paid = np.flatnonzero(known & ~failed & (balance >= -1e-9) & (on_average >= -1e-9))
    return float(spent[paid[0]]) if len(paid) else float("nan")


def _needed(curve: Curve, levels: np.ndarray) -> np.ndarray:
    return labels_to_each(curve["labels"], curve["score"], levels)


def _at(curve: Curve, name: str, labels: np.ndarray) -> np.ndarray:
    return np.interp(labels, curve["labels"], curve[name])
