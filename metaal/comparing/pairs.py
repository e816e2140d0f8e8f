"""Wins, ties and losses: one paired t-test a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaal.comparing.frames import scored
from metaal.comparing.numbers import number
from metaal.comparing.signed import EQUAL
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

LEVEL = 0.05
UNITS = ("task", "data", "family")


def paired_tests(
    runs: pandas.DataFrame, score: str, policy: str, rival: str, *, by: str = "task", level: float = LEVEL
) -> pandas.DataFrame:
    """A paired t-test of two policies on each task (or data set, or family), over its seeds.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`.
    score : str
    policy, rival : str
    by : str
        ``"task"`` (data set × learner × batch × regime), ``"data"`` or ``"family"``.
    level : float
        Of the test, in (0, 1).

    Returns
    -------
    DataFrame
        By task: ``pairs``, ``difference`` (mean of policy − rival; percentage points for shares), ``t``, ``p``,
        ``outcome``: ``"win"`` or ``"loss"`` where p < ``level``, else ``"tie"``; ``"untested"`` with fewer than two
        pairs. Where all pairs differ by the same amount there is no spread to test, and p is 0.

    Raises
    ------
    InputError
        No such policy, score or unit, or no pair.

    References
    ----------
    Student, 1908, The probable error of a mean.
    """
    import pandas as pd
    from scipy import stats

    if by not in UNITS or not 0 < level < 1:
        raise InputError(f"paired tests: by={by!r}, level={level}; expected one of {', '.join(UNITS)}, and in (0, 1)")
    kind = number(score)
    rows = scored(runs, score)
    if by == "data" and "data" not in rows:
        rows = rows.assign(data=rows["task"])
    rows = rows[rows["policy"].isin([policy, rival])]
    for name in (policy, rival):
        if name not in set(rows["policy"]):
            raise InputError(f"no runs of policy {name!r} with {score}")
    wide = rows.set_index([by, "stream", "policy"])[score].unstack("policy").dropna()
    if not len(wide):
        raise InputError(f"no cell (task and seed) was finished by both {policy} and {rival}")
    groups = (kind.factor * (wide[policy] - wide[rival])).groupby(level=by, sort=False)
    count, mean = groups.size().to_numpy(), groups.mean().to_numpy()
    spread = groups.std(ddof=1).to_numpy()
    flat = spread <= EQUAL  # all pairs differ by the same amount; False where there is one pair
    same = flat & (np.abs(mean) <= EQUAL)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(same, 0.0, np.where(flat, np.copysign(np.inf, mean), mean / (spread / np.sqrt(count))))
    p = np.where(np.isnan(t), np.nan, 2 * stats.t.sf(np.abs(t), np.maximum(count - 1, 1)))
    gain = -mean if kind.less else mean
    outcome = np.select([np.isnan(p), p >= level, gain > 0], ["untested", "tie", "win"], "loss")
    columns = {"pairs": count, "difference": mean, "t": t, "p": p, "outcome": outcome}
    order = [unit for unit in dict.fromkeys(rows[by]) if unit in groups.groups]
    return pd.DataFrame(columns, index=groups.size().index).loc[order]


def paired_wins(
    runs: pandas.DataFrame, score: str, policy: str, rival: str, *, by: str = "task", level: float = LEVEL
) -> dict[str, int]:
    """Tasks on which ``policy`` beats ``rival``, ties with it and loses to it, by a paired t-test each.

    Parameters, errors and reference as `paired_tests`.

    Returns
    -------
    dict
        ``wins``, ``ties``, ``losses``, ``untested`` (fewer than two pairs). At level .05 one task in twenty is a false
        win or loss where nothing differs.
    """
    found = paired_tests(runs, score, policy, rival, by=by, level=level)["outcome"]
    names = {"wins": "win", "ties": "tie", "losses": "loss", "untested": "untested"}
    return {name: int((found == word).sum()) for name, word in names.items()}
