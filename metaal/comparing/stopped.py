"""What a policy's stop cost, beside the stop that would have been best in hindsight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaal.errors import InputError
from metaal.measures import PHASES
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace


def stop_costs(curve: pandas.DataFrame, prices: Prices, *, score: str = "accuracy") -> np.ndarray:
    """Total cost f8[T] of ending a run at each of its T models.

    Money spent on labels, seconds and rounds until then, and ``prices.final`` for every point that the model falls
    short of the best one of the whole curve (the cost of Pullar-Strecker, Dost, Frank and Wicker 2022, Hitting the
    Target: Stopping Active Learning at the Cost-Based Optimum, with the run's own best model for the perfect one).

    Parameters
    ----------
    curve : DataFrame
        Of a run that was not stopped; see `metaal.rehearsal.Trace`.
    prices : Prices
    score : str
        A column of ``curve``, more is better.

    Raises
    ------
    InputError
        The end has no value in these prices, so no stop is better than none.
    """
    if not prices.final > 0:
        raise InputError("stop_costs: prices.final is 0, so nothing is lost by never labelling; set it above 0")
    labels, value = (curve[name].to_numpy(dtype=np.float64) for name in ("labels", score))
    # The row of a model holds the seconds of its own training and of what was asked with it, the latter not yet spent.
    before = [f"cost.{phase}.seconds" for phase in PHASES if f"cost.{phase}.seconds" in curve]
    seconds = curve[before].fillna(0.0).sum(axis=1).to_numpy(dtype=np.float64).cumsum()
    spent = prices.label * (labels - labels[0]) + prices.second * seconds + prices.round * np.arange(len(labels))
    return np.asarray(spent + 100 * prices.final * (value.max() - value), dtype=np.float64)


def stop_ratio(stopped: Trace, going: Trace, prices: Prices) -> float:
    """Total cost at the stop of one run over that of the best stop on the curve of its twin, which went on; ≥ 1.

    Raises
    ------
    InputError
        The second run is no continuation of the first.
    """
    cost = stop_costs(going.curve, prices, score=going.main)
    labels = stopped.curve["labels"].to_numpy(dtype=np.float64)
    twin = going.curve["labels"].to_numpy(dtype=np.float64)
    if len(twin) < len(labels) or not np.array_equal(labels, twin[: len(labels)]):
        raise InputError(f"{going.run} is not the run that {stopped.run} would have been had it gone on")
    best = float(cost.min())
    return float(cost[len(labels) - 1] / best) if best > 0 else 1.0 if cost[len(labels) - 1] == 0 else float("inf")
