"""Two policies over many families: Wilcoxon's signed-rank test with Holm's correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaal.comparing.frames import complete
from metaal.comparing.resampling import bootstrap

if TYPE_CHECKING:
    import pandas

EQUAL = 1e-12
"""Differences up to here are rounding, and count as ties."""


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p values: the chance of one false finding among all stays below the level.

    NaN stays NaN and does not count.

    References
    ----------
    Holm, 1979, A simple sequentially rejective multiple test procedure.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return out


def wilcoxon(delta: np.ndarray) -> tuple[float, float]:
    """Statistic and two-sided p of Wilcoxon's signed-rank test of paired differences (scipy; exact where it can be).

    Differences of nought are left out (Wilcoxon's own treatment); with none but those, p is 1.

    References
    ----------
    Wilcoxon, 1945, Individual comparisons by ranking methods.
    """
    from scipy import stats

    kept = np.where(np.abs(delta) <= EQUAL, 0.0, delta)
    if not (kept != 0).any():
        return 0.0, 1.0
    found = stats.wilcoxon(kept)
    return float(found.statistic), float(found.pvalue)


def wilcoxon_holm(
    table: pandas.DataFrame, policy: str, *, factor: float = 1.0, less: bool = False, confidence: float = 0.95
) -> pandas.DataFrame:
    """One policy against each other one, over families.

    Parameters
    ----------
    table : DataFrame
        Families × policies, as `family_means`; families without some policy are left out.
    policy : str
        The one that is judged.
    factor : float
        Differences are multiplied by it: 100 makes percentage points of shares.
    less : bool
        Whether less is better; it decides what a win is, and changes no sign.
    confidence : float
        Of the interval.

    Returns
    -------
    DataFrame
        By rival: ``difference`` (mean over families of policy − rival), ``low``, ``high`` (BCa bootstrap over
        families), ``median``, ``statistic``, ``p`` (two-sided), ``p_holm`` (over all rivals of this table), ``wins``,
        ``ties``, ``losses`` (families), ``n`` (families).

    Raises
    ------
    InputError
        No such policy, or no family with all of them.

    References
    ----------
    Demšar, 2006, Statistical comparisons of classifiers over multiple data sets. Benavoli, Corani and Mangili, 2016,
    Should we really use post-hoc tests based on mean-ranks?
    """
    import pandas as pd

    whole = complete(table)
    complete(table, [policy])
    lines = []
    for rival in (name for name in whole if name != policy):
        delta = factor * (whole[policy] - whole[rival]).to_numpy(dtype=np.float64)
        lines.append({"rival": rival, **_line(delta, less, confidence)})
    out = pd.DataFrame(lines, columns=["rival", *COLUMNS]).set_index("rival")
    out["p_holm"] = holm(out["p"].to_numpy(dtype=np.float64))
    return out


COLUMNS = ("difference", "low", "high", "median", "statistic", "p", "p_holm", "wins", "ties", "losses", "n")


def _line(delta: np.ndarray, less: bool, confidence: float) -> dict[str, float]:
    interval = bootstrap(delta, confidence=confidence)
    statistic, p = wilcoxon(delta)
    good = -delta if less else delta
    return {
        "difference": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "median": float(np.median(delta)),
        "statistic": statistic,
        "p": p,
        "p_holm": float("nan"),
        "wins": int((good > EQUAL).sum()),
        "ties": int((np.abs(good) <= EQUAL).sum()),
        "losses": int((good < -EQUAL).sum()),
        "n": len(delta),
    }
