"""Trade-offs: which policies no other one beats on two numbers, and what each is worth at which prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from metaal.comparing.frames import with_keys
from metaal.comparing.numbers import number
from metaal.errors import InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

RATIOS = (0.0, 0.0001, 0.001, 0.01, 0.1)
"""Prices of one second of compute, in labels."""
PARTS = ("points", "labels.spent", "seconds", "rounds")


def price_grid(base: Prices | None = None) -> dict[str, Prices]:
    """Five prices of a second of compute, from nothing to a tenth of a label; the other prices stay.

    At 10 cents a label they are 0, 0.04, 0.4, 4 and 36 dollars an hour of compute.

    Examples
    --------
    >>> list(price_grid())[1:3]
    ['second = label / 10000', 'second = label / 1000']
    """
    base = base or Prices()
    unit = base.label or 1.0
    out = {}
    for ratio in RATIOS:
        name = f"second = label / {round(1 / ratio)}" if ratio else "compute is free"
        out[name] = Prices(label=base.label, second=ratio * unit, round=base.round, point=base.point)
    return out


def middle(runs: pandas.DataFrame, score: str) -> pandas.Series:
    """One value a policy: mean over seeds, tasks, families; of targets the median over runs, NaN if most missed it."""
    import pandas as pd

    if score not in runs:
        raise InputError(f"no column {score!r} in the table of runs")
    rows = with_keys(runs)
    names = list(dict.fromkeys(rows["policy"]))
    kind = number(score)
    if kind.censored:
        never = np.inf if kind.less else -np.inf
        values = rows[score].fillna(never).groupby(rows["policy"]).median()
        return values.where(np.isfinite(values)).reindex(names)
    by_task = rows.groupby(["policy", "family", "task"], sort=False)[score].mean()
    means = by_task.groupby(level=["policy", "family"], sort=False).mean().groupby(level="policy", sort=False).mean()
    return pd.Series(means).reindex(names)


def pareto(runs: pandas.DataFrame, x: str = "seconds", y: str = "compression.95") -> pandas.DataFrame:
    """Which policies are not beaten on both of two numbers.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`.
    x, y : str
        Columns of numbers. Of targets (``labels.to.*``, ``compression.*``) the median over runs counts, a run that did
        not reach it being worse than any that did; of other numbers the mean over seeds, tasks and families.

    Returns
    -------
    DataFrame
        By policy, sorted by ``x``: columns ``x``, ``y`` (their values; NaN = most runs did not reach the target) and
        ``front`` (no other policy is as good on both and better on one; False where a value is NaN).

    Raises
    ------
    InputError
        No such column.
    """
    import pandas as pd

    table = pd.DataFrame({"x": middle(runs, x), "y": middle(runs, y)})
    table.index.name = "policy"
    points = table.to_numpy(dtype=np.float64) * [1 if number(x).less else -1, 1 if number(y).less else -1]
    beaten = [bool(((points <= own).all(1) & (points < own).any(1)).any()) for own in points]
    table["front"] = ~np.array(beaten, dtype=bool) & np.isfinite(points).all(1)
    return table.sort_values("x", kind="stable")


def utility_at(runs: pandas.DataFrame, prices: Mapping[str, Prices] | Prices | None = None) -> pandas.DataFrame:
    """Mean utility of a run by policy, at each of several prices.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`, with ``points``, ``labels.spent``, ``seconds`` and ``rounds``.
    prices : Prices or mapping of str to Prices, optional
        Default: `price_grid`.

    Returns
    -------
    DataFrame
        Policies × names of the prices: mean over seeds, tasks and families. The best of each column form the front
        over the prices.

    Raises
    ------
    InputError
        The runs lack one of the four numbers.
    """
    import pandas as pd

    grid = {"prices": prices} if isinstance(prices, Prices) else dict(prices or price_grid())
    lacking = [part for part in PARTS if part not in runs]
    if lacking:
        raise InputError(f"utility: the runs have no {', '.join(lacking)}; evaluate them with this version of metaal")
    means = pd.DataFrame({part: middle(runs, part) for part in PARTS})
    out = {name: utilities(means, each) for name, each in grid.items()}
    return pd.DataFrame(out).rename_axis("policy")


def utilities(runs: pandas.DataFrame, prices: Prices) -> pandas.Series:
    """Utility of each row, see `Prices.utility`; needs the columns of `PARTS`."""
    gained, spent = prices.point * runs["points"], prices.label * runs["labels.spent"]
    return gained - spent - prices.second * runs["seconds"] - prices.round * runs["rounds"]
