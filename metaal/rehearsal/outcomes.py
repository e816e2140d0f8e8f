"""Branches read back as a table: a row for each action tried at a state, with what it brought."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from metaal.errors import FitError
from metaal.rehearsal.following import leads
from metadata_store import Store

if TYPE_CHECKING:
    import pandas

LOWER_IS_BETTER = ("log_loss", "brier", "rmse")
"""Scores whose advantage is the default's less the action's, so that more is better everywhere."""


def read_branches(store: Store, *, runs: Iterable[str] | None = None) -> pandas.DataFrame:
    """The counterfactual branches of a store.

    Parameters
    ----------
    store : Store
        That `rehearse` wrote to.
    runs : iterable of str, optional
        Only these. The series that led to a state are ``store.records(run)`` up to its loop, or
        ``Run.resume(run, store=store).history``.

    Returns
    -------
    DataFrame
        Ordered by run, loop, index, with the columns

        - ``run``, ``loop``, ``index``; ``action``, ``strategy``, ``multiplier``; ``propensity`` of the action under the
          policy that played the run, ``taken`` (whether it did this); ``count`` of the state's branches, ``played``
          (index of the branch whose playing this is: another one than its own where both ask for the same rows);
        - ``share`` of the pool that is scored next and ``scored``, those rows; ``refit``, the training after the batch;
        - ``labels`` of the batch, ``fit.seconds``, ``score.seconds``, ``select.seconds``, ``horizon``, ``default``;
        - ``h0.labels``, ``h0.accuracy``, … at the state, ``h1.…`` after the action's batch, ``h2.…``, … after each of
          the default's batches that follow;
        - ``advantage.h1.accuracy``, …: score less what the plain default's branch has at the same number of labels, by
          linear interpolation (its negative for losses: more is better), and ``advantage.accuracy``, …: the same for
          the mean of the curve over the labels of the whole branch. NaN where the default's branch ends before.

    Raises
    ------
    FitError
        The store has no branches.

    Examples
    --------
    >>> from metadata_store import open_store
    >>> from metaal.rehearsal import Branches, Exploring, Task, branch, play, read_branches
    >>> task, store = Task("iris", "naive_bayes", batch=4, budget=8), open_store("memory:")
    >>> plan = Branches(("margin", "random"), states=1)
    >>> trace = play(Exploring(plan.strategies), task, store=store)
    >>> branch(task, store, trace.run, plan)
    3
    >>> read_branches(store)[["action", "h1.labels", "h3.labels"]].values.tolist()
    [['cluster_margin', 14, 22], ['margin', 14, 22], ['random', 14, 22]]
    """
    import pandas as pd
    import pyarrow.compute as pc

    data = store.dataset()
    names = [name for name in data.schema.names if name.startswith("branch.")]
    keep = pc.field("event") == "branch"
    if runs is not None:
        keep = keep & pc.field("run").isin(list(runs))
    columns = ["run", "loop", "index", *names]
    table = data.to_table(columns=columns, filter=keep).to_pandas() if names else pd.DataFrame(columns=columns)
    if not len(table):
        raise FitError("the store holds no branches; make some with metaal rehearse, or metaal.rehearsal.rehearse")
    table = table.rename(columns={name: name.removeprefix("branch.") for name in names})
    table = table.sort_values(["run", "loop", "index"], kind="stable").reset_index(drop=True)
    advantages = _advantages(table)
    return pd.concat([table, advantages], axis=1)


def _advantages(table: pandas.DataFrame) -> pandas.DataFrame:
    import pandas as pd

    columns = [str(name) for name in table]
    scores = [name.removeprefix("h0.") for name in columns if name.startswith("h0.") and name != "h0.labels"]
    steps = sorted(int(name[1:].split(".")[0]) for name in columns if re.fullmatch(r"h\d+\.labels", name))
    labels = table[[f"h{h}.labels" for h in steps]].to_numpy(dtype=np.float64)
    usual = (table["action"] == table["default"]).to_numpy()
    state = table.groupby(["run", "loop"], sort=False).ngroup().to_numpy()
    base = np.full(int(state.max()) + 1, -1)
    base[state[usual]] = np.flatnonzero(usual)
    at, horizon = base[state], table["horizon"].to_numpy()
    out: dict[str, np.ndarray] = {}
    for score in scores:
        sign = -1.0 if score in LOWER_IS_BETTER else 1.0
        # The default's own branches reach further than others', and further in one kind of task than in the other.
        curve = table.reindex(columns=[f"h{h}.{score}" for h in steps]).to_numpy(dtype=np.float64)
        found = np.full((len(table), int(horizon.max()) + 1), np.nan)
        for k in np.flatnonzero(at >= 0).tolist():
            found[k, : horizon[k] + 1] = sign * _lead(labels, curve, k, int(at[k]), int(horizon[k]))
        for h in range(1, found.shape[1]):
            out[f"advantage.h{h}.{score}"] = found[:, h]
        out[f"advantage.{score}"] = found[:, 0]
    return pd.DataFrame(out, index=table.index)


def _lead(labels: np.ndarray, curve: np.ndarray, row: int, base: int, horizon: int) -> np.ndarray:
    """`leads` of one row of the table over the default's; NaN where one of them is not known."""
    other = np.isfinite(labels[base]) & np.isfinite(curve[base])
    x, y = labels[row, : horizon + 1], curve[row, : horizon + 1]
    at, level = labels[base][other], curve[base][other]
    if not np.isfinite(x).all() or not np.isfinite(y).all() or len(at) < 2:
        return np.full(horizon + 1, np.nan)
    return leads(x, y, at, level)
