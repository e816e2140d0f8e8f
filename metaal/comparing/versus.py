"""One table of paired differences, over families where there are enough of them, otherwise over cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from metaal.comparing.bayes import ROPE, posterior, posterior_weights
from metaal.comparing.frames import complete, family_means, scored, with_keys
from metaal.comparing.numbers import number
from metaal.comparing.resampling import stratified
from metaal.comparing.signed import EQUAL, holm, wilcoxon, wilcoxon_holm
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

ENOUGH = 6
"""Families from which on a signed-rank test can tell anything at the 5 % level (two-sided: 2 / 2⁶ = .031)."""
By = Literal["families", "cells"]
COLUMNS = ("difference", "low", "high", "median", "statistic", "p", "p_holm", "better", "equal", "worse", "n")


@dataclass(frozen=True, eq=False)
class Headline:
    """The comparison that a summary may state.

    Parameters
    ----------
    policy : str
        The one that is judged.
    by : str
        ``"families"`` or ``"cells"``.
    table : DataFrame
        By rival, as `against`.
    text : str
        What was tested on what, and what it speaks of.
    """

    policy: str
    by: By
    table: pandas.DataFrame
    text: str


def unit_of(runs: pandas.DataFrame) -> By:
    """``"families"`` from six families on, otherwise ``"cells"``."""
    return "families" if with_keys(runs)["family"].nunique() >= ENOUGH else "cells"


def against(
    runs: pandas.DataFrame, policy: str, score: str = "aulc", *, by: By | None = None, confidence: float = 0.95
) -> pandas.DataFrame:
    """Paired differences of one policy to each other one.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`.
    policy : str
    score : str
    by : {"families", "cells"}, optional
        Default: `unit_of`.
    confidence : float
        Of the interval, in (0, 1).

    Returns
    -------
    DataFrame
        By rival: ``difference`` (policy − rival; mean over families, or over tasks of the mean over seeds; percentage
        points for shares), ``low`` and ``high`` (bootstrap: over families it speaks of further families, over cells of
        further seeds of these tasks), ``median``, Wilcoxon's ``statistic`` and ``p``, ``p_holm`` (over the rivals of
        this table), ``better``, ``equal``, ``worse`` and ``n`` (families or cells). Over families and for shares also
        ``p_better``, ``p_same``, ``p_worse``: the Bayesian signed-rank test with ±0.1 pp for practically equal.

    Raises
    ------
    InputError
        No such policy, score or unit; some runs have no such score.
    """
    if by not in (None, "families", "cells") or not 0 < confidence < 1:
        raise InputError(f"by={by!r}, confidence={confidence}; expected 'families' or 'cells', and a number in (0, 1)")
    by = by or unit_of(runs)
    found = _families if by == "families" else _cells
    return found(runs, policy, score, confidence)


def _families(runs: pandas.DataFrame, policy: str, score: str, confidence: float) -> pandas.DataFrame:
    kind = number(score)
    table = family_means(runs, score)
    out = wilcoxon_holm(table, policy, factor=kind.factor, less=kind.less, confidence=confidence)
    out = out.rename(columns={"wins": "better", "ties": "equal", "losses": "worse"})
    if kind.factor == 100:
        whole = kind.factor * complete(table)
        sign = -1.0 if kind.less else 1.0
        weights = posterior_weights(len(whole))
        delta = sign * (whole[out.index.to_list()].to_numpy() - whole[[policy]].to_numpy())
        found = [posterior(weights, column, ROPE) for column in delta.T]
        for k, column in enumerate(("p_better", "p_same", "p_worse")):
            out[column] = [each[k] for each in found]
    return out


def _cells(runs: pandas.DataFrame, policy: str, score: str, confidence: float) -> pandas.DataFrame:
    import pandas as pd

    kind = number(score)
    rows = scored(runs, score)
    wide = rows.set_index(["task", "stream", "policy"])[score].unstack("policy")[list(dict.fromkeys(rows["policy"]))]
    whole = complete(wide)
    complete(wide, [policy])
    rivals = [name for name in whole if name != policy]
    delta = kind.factor * (whole[[policy]].to_numpy() - whole[rivals].to_numpy())
    tasks = whole.index.get_level_values("task")
    parts = [delta[where] for where in whole.groupby(tasks).indices.values()]
    # one set of draws for all rivals: equal runs get equal intervals
    intervals = stratified(parts, confidence=confidence)
    lines = []
    for rival, values, (estimate, low, high) in zip(rivals, delta.T, intervals, strict=True):
        statistic, p = wilcoxon(values)
        good = -values if kind.less else values
        line = {"rival": rival, "difference": estimate, "low": low, "high": high, "median": float(np.median(values))}
        line |= {"statistic": statistic, "p": p, "p_holm": np.nan, "better": int((good > EQUAL).sum())}
        line |= {"equal": int((np.abs(good) <= EQUAL).sum()), "worse": int((good < -EQUAL).sum()), "n": len(values)}
        lines.append(line)
    out = pd.DataFrame(lines, columns=["rival", *COLUMNS]).set_index("rival")
    out["p_holm"] = holm(out["p"].to_numpy(dtype=np.float64))
    return out


def mirrored(table: pandas.DataFrame) -> pandas.DataFrame:
    """The same table seen from the rivals: signs turned, better and worse swapped."""
    swap = {"low": "high", "high": "low", "better": "worse", "worse": "better"}
    swap |= {"p_better": "p_worse", "p_worse": "p_better"}
    order = list(table.columns)
    out = table.rename(columns=swap)[order].rename_axis("policy")
    for column in ("difference", "low", "high", "median"):
        out[column] = 0.0 - out[column]  # no negative nought
    return out


def headline(runs: pandas.DataFrame, policy: str, score: str = "aulc", *, confidence: float = 0.95) -> Headline:
    """The comparison of one policy with all others that a summary may state, and what it rests on.

    Parameters, errors as `against`.
    """
    by = unit_of(runs)
    table = against(runs, policy, score, by=by, confidence=confidence)
    rows = with_keys(runs)
    families, tasks = rows["family"].nunique(), rows["task"].nunique()
    if by == "families":
        text = (
            f"Wilcoxon signed-rank test with Holm's correction over the means of {families} data-set families; "
            f"{100 * confidence:g} % bootstrap intervals over families. It speaks of data sets like these."
        )
    else:
        text = (
            f"Wilcoxon signed-rank test with Holm's correction over {rows['stream'].nunique()} paired cells of {tasks} "
            f"task{'s' * (tasks > 1)}; {100 * confidence:g} % bootstrap intervals over their seeds. With {families} of "
            f"the {ENOUGH} data-set families that a test over families needs, it speaks of these data alone."
        )
    if score == "aulc" and all(name in rows and rows[name].notna().any() for name in ("aulc.log_loss", "aulc.rmse")):
        text += " Accuracy and R² are mixed here, whose points are not the same size: look at both kinds of task apart."
    return Headline(policy, by, table, text)
