"""Regret: how much worse than a rival, on average, in the worst tenth, and at worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.comparing.frames import task_means
from metaal.comparing.numbers import number
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

REFERENCES = ("margin", "random")
WORST = 0.1
"""Share of the tasks that the worst decile takes."""
BEST_FIXED = "best fixed of its regime and learner"


def regret(
    runs: pandas.DataFrame,
    score: str = "aulc",
    rivals: Sequence[str] | None = None,
    *,
    fixed: Sequence[str] | None = None,
) -> pandas.DataFrame:
    """How much each policy loses to a rival, over tasks.

    The regret of a task is the rival's mean over seeds less the policy's (more is worse; negative where the policy is
    better), in percentage points for shares.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`.
    score : str
    rivals : sequence of str, optional
        Default: margin and random, where they are there.
    fixed : sequence of str, optional
        Static strategies: of each regime × learner the best of them by the mean over families is a rival, too (chosen
        in hindsight, so slightly too strong). Default: the rivals.

    Returns
    -------
    DataFrame
        One line a policy and rival (``against``): ``tasks``, ``mean`` (over families), ``worst_decile`` (mean of the
        worst tenth of the tasks, at least one), ``share_worse`` (of the tasks), ``worst`` (largest of a task),
        ``worst_task``; ``worst_group`` and ``worst_group_mean`` (regime · learner with the largest mean).

    Raises
    ------
    InputError
        No such score or policy, or some runs have none.
    """
    import pandas as pd

    table = task_means(runs, score).dropna()
    kind = number(score)
    table = table * (kind.factor * (-1 if kind.less else 1))
    names = [name for name in REFERENCES if name in table] if rivals is None else list(rivals)
    static = names if fixed is None else list(fixed)
    for name in {*names, *static}:
        if name not in table:
            raise InputError(f"regret: no policy {name!r} here; expected one of {', '.join(map(str, table.columns))}")
    against = {name: table[name] for name in names}
    if len(static) > 1:
        against[BEST_FIXED] = _best_fixed(table[static])
    lines = []
    for policy in table:
        for name, rival in against.items():
            if name != policy:
                lines.append({"policy": policy, "against": name, **_regret(rival - table[policy])})
    return pd.DataFrame(lines, columns=["policy", "against", *COLUMNS])


COLUMNS = (
    "tasks",
    "mean",
    "worst_decile",
    "share_worse",
    "worst",
    "worst_task",
    "worst_group",
    "worst_group_mean",
)


def _best_fixed(table: pandas.DataFrame) -> pandas.Series:
    """On each task the value of the policy that is best in its regime × learner."""
    import pandas as pd

    parts = []
    for _, part in table.groupby(level=["regime", "learner"], sort=False):
        best = part.groupby(level="family").mean().mean().idxmax()
        parts.append(part[best])
    return pd.concat(parts).reindex(table.index)


def _regret(values: pandas.Series) -> dict[str, object]:
    worst = np.sort(values.to_numpy(dtype=np.float64))[::-1]
    count = max(1, int(np.ceil(WORST * len(worst) - 1e-9)))
    groups = values.groupby(level=["regime", "learner"]).mean()
    worst_group: Any = groups.idxmax()
    return {
        "tasks": len(values),
        "mean": float(values.groupby(level="family").mean().mean()),
        "worst_decile": float(worst[:count].mean()),
        "share_worse": float((worst > 1e-12).mean()),
        "worst": float(worst[0]),
        "worst_task": min(map(str, values.index[values == values.max()].get_level_values("task"))),
        "worst_group": " · ".join(str(part) for part in worst_group if part),
        "worst_group_mean": float(groups.max()),
    }
