"""What a rehearsal shows to `Run.ask`: the outputs of the model and the rows, as a caller would pass them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from metaal.randomness import generator
from metaal.rehearsal.layout import Kind, Layout
from metaal.rehearsal.learners import Fitted
from metaal.rehearsal.task import Task
from strategy_zoo import get

COSTLY = ("committee_prediction", "quantiles")
"""Outputs of a regression that take further fits, and are computed where an arm needs them."""


def shown(
    task: Task,
    layout: Layout,
    fitted: Fitted,
    seen: np.ndarray,
    y_seen: np.ndarray,
    pool: np.ndarray,
    extra: Collection[str] = (),
) -> dict[str, Any]:
    """What `Run.ask` is given in one loop.

    Parameters
    ----------
    task, layout
    fitted : Fitted
        On the rows ``seen``.
    seen : i8[L]
        Labelled pool rows.
    y_seen : [L]
        Their labels as told.
    pool : i8[U]
        Pool rows without a label.
    extra : collection of str
        From `wanted`.

    Returns
    -------
    dict
        Keyword arguments: ids, proba and classes or prediction, embedding, seen_embedding, seen_y, and what is extra.
    """
    x = layout.pool_x[pool]
    given: dict[str, Any] = {"ids": pool}
    if layout.kind == "classification":
        given |= {"proba": fitted.proba(x), "classes": np.arange(layout.classes)}
    else:
        given["prediction"] = fitted.prediction(x)
        given |= _several(task, layout, fitted, seen, y_seen, x, extra)
    given["embedding"] = x.astype(np.float32)
    given["seen_embedding"] = layout.pool_x[seen].astype(np.float32)
    given["seen_y"] = y_seen
    return given


def _several(
    task: Task,
    layout: Layout,
    fitted: Fitted,
    seen: np.ndarray,
    y_seen: np.ndarray,
    x: np.ndarray,
    extra: Collection[str],
) -> dict[str, Any]:
    """Predictions of a committee: a forest's trees, else five fits on bootstrap samples of the labelled rows."""
    if not extra:
        return {}
    if fitted.model is None:  # all members would say the same
        alike = {"committee_prediction": (2, len(x)), "quantiles": (len(x), 3)}
        return {name: np.full(alike[name], fitted.constant) for name in extra}
    from metaal.model_outputs import outputs

    seed = int(generator(task.seeds.learner, task.name, len(seen), "committee").integers(2**31))
    return outputs(fitted.model, x, want=tuple(extra), X_seen=layout.pool_x[seen], y_seen=y_seen, seed=seed)


def wanted(arms: Iterable[str], kind: Kind) -> tuple[str, ...]:
    """The costly outputs that some of these strategies need; none for classes.

    Examples
    --------
    >>> wanted(["committee_variance", "random"], "regression")
    ('committee_prediction',)
    """
    if kind == "classification":
        return ()
    needs = {need for arm in arms for need in get(arm).needs}
    return tuple(name for name in COSTLY if name in needs)
