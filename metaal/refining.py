"""Refine a policy trained elsewhere with the user's own logged runs: few of them change little, many decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaal.boosting import Boosting, Params
from metaal.errors import FitError
from metaal.logs import read_log
from metaal.policies.learned import Learned
from metaal.training import advantages, merged, read_decisions
from metaal.trees import Trees, joined
from metadata_store import Store

SHRINK = 200.0
"""Own comparisons at which the correction counts for half."""


def refine(
    base: Learned,
    store: Store,
    *,
    groups: str = "task",
    seed: int = 0,
    score: Mapping[str, float] | str = "score.value",
    params: Params | None = None,
    progress: Callable[[str], None] | None = None,
) -> Learned:
    """Correct a policy's predictions by what the runs of a store say of them.

    A further ensemble is trained on what is left of the logged advantages when the policy's own predictions are taken
    away, and added to every member with the weight n / (n + `SHRINK`), n the number of comparisons: the shrinkage of
    empirical Bayes, with the policy as the prior (Efron and Morris, 1975, Data Analysis Using Stein's Estimator). The
    gate stays, and so do the costs, which calibrate themselves in every run.

    Parameters
    ----------
    base : Learned
        Such as ``metaal.read_policy("learned")``.
    store : Store
        Runs logged by `metaal.Run`, as for `metaal.fit`.
    groups, seed, score, params, progress
        As for `metaal.fit`.

    Returns
    -------
    Learned
        ``base`` itself where the store holds no run, or nothing that can be compared with the default.
    """
    say = progress or (lambda text: None)
    if not base.heads.get("advantage"):
        raise FitError(
            "the policy has no model that could be refined; fit one, or start from metaal.read_policy('learned')"
        )
    say("reading the logged runs")
    if not any(store.runs()):
        return base
    decisions = merged(read_decisions(read_log(store, groups=groups, score=score, default=base.default), base.default))
    try:
        rows, advantage, weight, paired = advantages(decisions, base.default, seed, params)
    except FitError:
        return base
    say("correcting the predictions")
    x, usual = decisions.features(rows), decisions.usual(rows, base.default)
    believed = base.predicted(x) - (base.predicted(usual) if base.centred else 0.0)
    residual = advantage / base.scale - believed
    # Of the default's own batch there is nothing to correct.
    both, left = np.concatenate([x, usual]), np.concatenate([residual, np.zeros(len(rows))])
    share = len(rows) / (len(rows) + SHRINK)
    trained = Boosting(params or Params(), seed).train(both, left, np.concatenate([weight, weight]), number=600)
    correction = _scaled(trained, share)
    members = tuple(joined((member, correction)) for member in base.heads["advantage"])
    taken = sorted(set(map(str, decisions.action[rows])) - set(base.actions) - {"stop"})
    # A series that nobody logged is NaN throughout, and widens no range.
    low, high = np.fmin(base.low, np.fmin.reduce(x, axis=0)), np.fmax(base.high, np.fmax.reduce(x, axis=0))
    facts: dict[str, Any] = {
        **base.facts,
        "refined on": f"{len(rows)} comparisons ({paired} in pairs) of {decisions.runs} runs, weight {share:.0%}",
        "families": sorted({*map(str, base.facts.get("families", [])), *map(str, decisions.group)}),
    }
    return replace(
        base,
        heads={**base.heads, "advantage": members},
        low=low,
        high=high,
        actions=(*base.actions, *taken),
        facts=facts,
        spelling="fitted",
        checksum="",
    )


def _scaled(trees: Trees, factor: float) -> Trees:
    return replace(trees, leaf=trees.leaf * factor)
