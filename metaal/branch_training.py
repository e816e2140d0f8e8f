"""Train a policy from rehearsed branches: every action's lead on the default, tried in the very same state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from metaal.actions import read_action
from metaal.boosting import GATES, MIN_GROUPS, Boosting, Params, ranges
from metaal.branch_gains import calibrated, chosen_gate, chosen_limit, limits_of, within
from metaal.branch_targets import Task, actions_of, beside, first_of, prepared, usual
from metaal.branched import Branched
from metaal.policies.learned import AHEAD, Learned, untrained
from metaal.prices import Prices
from metaal.trees import Trees

SCORES: Mapping[str, float] = {"accuracy": 0.6, "log_loss": 0.4}
"""What the policy is trained for: accuracy alone is too coarse a ruler for one batch, log-loss alone prefers coverage
that accuracy does not pay for (both measured; see docs/policy.md)."""
USUAL_GATE = 1.0
"""At which the largest batch is looked for where no gate is given."""
PREVIEWS = 3
"""Arms whose proposals are computed in a loop; more of them made the choice no better (policy_log.md, 26)."""


def fit_branched(
    data: Branched,
    *,
    default: str,
    prices: Prices,
    seed: int,
    params: Params | None = None,
    scores: Mapping[str, float] | None = None,
    gate: float | None = None,
    largest: float | None = None,
    previews: int = PREVIEWS,
    measured: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Learned:
    """Train a policy on branches.

    Parameters
    ----------
    data : Branched
    default : str
        The default of the branches.
    prices : Prices
    seed : int
    params : Params, optional
    scores : mapping, optional
        Score → weight, of `Branched.lead`; default `SCORES`.
    gate : float, optional
        The one to use where its gain on left-out families is surely above nought. Default: the best of `GATES`.
    largest : float, optional
        Rows per batch up to which another strategy than the default's may be taken. Default: what the gain on left-out
        families says; see `chosen_limit`.
    previews : int
        Arms whose proposals are computed in a loop at most; 0 means all.
    measured : bool
        Whether to measure the gain on left-out families. Without, ``gate`` and ``largest`` are taken as they are and
        predictions are calibrated on what they were trained on: for trials whose gain is measured otherwise.
    progress : callable, optional

    Raises
    ------
    FitError
        A score is not among those logged, or no state holds two actions.
    """
    say = progress or (lambda text: None)
    params = params or Params()
    boosting = Boosting(params, seed)
    actions = actions_of(data, default)
    task = prepared(data, default, scores or SCORES)
    groups = len(np.unique(task.group))
    facts: dict[str, Any] = {
        "trained on": f"{len(data)} branches at {len(np.unique(data.state))} states of {groups} families",
        "seed": seed,
        "score": dict(scores or SCORES),
        "horizon": str(data.horizon),
        "families": sorted(set(map(str, task.group))),
        "boosting": asdict(params),
    }
    if groups < MIN_GROUPS:
        facts["left-out gain"] = f"not measurable with {groups} families, so the policy never deviates"
        return untrained(default, prices, facts)
    if measured:
        say("measuring the gain on left-out families")
        mean, deviation, unseen = left_out(boosting, task)
        limits = limits_of(task.batch) if largest is None else (largest,)
        largest, report = chosen_limit(mean, deviation, task, limits, USUAL_GATE if gate is None else gate)
        facts |= report
        gates = GATES if gate is None else (gate,)
        gate, report = chosen_gate(within(mean, task, largest), deviation, task, gates, len(limits))
        facts |= report
    say("training")
    members, first = _ensembles(boosting, task, task.plain)
    if not measured:
        mean = beside(np.mean([m.predict(task.x) for m in members], axis=0), task)
        unseen = beside(first.predict(task.first), task)
    scale, slope = calibrated(mean, task)
    judged = task.plain & ~task.default
    informs = scale * float((mean - unseen)[judged].std()) if judged.any() else 0.0
    facts |= {"calibration": slope, "a preview moves a prediction by": f"{100 * informs:.2f} pp"}
    heads: dict[str, tuple[Trees, ...]] = {"advantage": members, "first": (first,), "how": _how(boosting, task)}
    for name, level in (("low", 0.1), ("high", 0.9)):
        heads[name] = (boosting.train(task.x, task.ahead, number=700 + round(10 * level), quantile=level),)
    heads |= _costs(boosting, data, actions) | _ahead(boosting, data, default)
    low, high = ranges(data.x)
    return Learned(
        heads=heads,
        low=low,
        high=high,
        scale=scale,
        gate=float("inf") if gate is None else gate,
        largest=float("inf") if largest is None else largest,
        actions=actions,
        default=default,
        prices=prices,
        previews=previews,
        informs=informs,
        horizon=data.horizon,
        centred=True,
        facts=facts,
    )


def _ensembles(boosting: Boosting, task: Task, rows: np.ndarray) -> tuple[tuple[Trees, ...], Trees]:
    """Members, and the first stage, of the plain actions among ``rows``.

    Trained together with other batches, shares and trainings, whose effects are many times as large, the members tell
    strategies apart much worse (policy_log.md, 17); so those have a head of their own.
    """
    x, target, group = task.x[rows], task.target[rows], task.group[rows]
    members = boosting.members(x, target, np.ones(len(x)), group)
    return members, boosting.train(task.first[rows], target, number=750)


def _how(boosting: Boosting, task: Task) -> tuple[Trees, ...]:
    """What another batch, share or training changes of the strategy's own target; no trees where nothing was tried."""
    rows = np.flatnonzero(~task.plain & (task.partner >= 0))
    if not len(rows):
        return ()
    change = task.target[rows] - task.target[task.partner[rows]]
    return boosting.members(task.x[rows], change, np.ones(len(rows)), task.group[rows])


def left_out(
    boosting: Boosting, task: Task, taught: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation f8[n] of the advantages of plain actions, by members that never saw the row's family.

    The third is what the first stage predicts, before it looks at a proposal. Only rows that are ``taught`` bool[n]
    train, if that is given; predicted are all.
    """
    teaches = task.plain if taught is None else task.plain & taught
    mean, deviation, unseen = np.zeros(len(task.x)), np.zeros(len(task.x)), np.zeros(len(task.x))
    base = usual(task)
    for fold in boosting.folds(task.group):
        there = np.isin(task.group, fold)
        out = there & task.plain
        members, first = _ensembles(boosting, task, teaches & ~there)
        votes = np.zeros((len(members), len(task.x)))
        votes[:, out] = np.stack([member.predict(task.x[out]) for member in members])
        votes = votes[:, out] - votes[:, base[out]]
        mean[out], deviation[out] = votes.mean(0), votes.std(0)
        guess = np.zeros(len(task.x))
        guess[out] = first.predict(task.first[out])
        unseen[out] = (guess - guess[base])[out]
    mean[task.default] = deviation[task.default] = unseen[task.default] = 0.0
    return mean, deviation, unseen


def _costs(boosting: Boosting, data: Branched, actions: Sequence[str]) -> dict[str, tuple[Trees, ...]]:
    """Heads of log seconds, for whole trainings and pools; one that was skipped says nothing of what it costs."""
    heads: dict[str, tuple[Trees, ...]] = {}
    done = {text: read_action(text) for text in map(str, np.unique(data.action))}
    told = {"fit": {a for a in done if done[a].refit != "skip"}, "score": {a for a in done if done[a].share == 1.0}}
    rows = {"select": first_of(data, actions)}
    for number, phase in enumerate(("fit", "score", "select")):
        seconds = data.seconds[phase]
        known = np.isfinite(seconds) & (seconds > 0) & np.isin(data.action, list(told.get(phase, done)))
        if known.sum() >= 30:
            x = rows.get(phase, data.x)[known]
            heads[phase] = (boosting.train(x, np.log(seconds[known]), number=900 + number),)
    return heads


def _ahead(boosting: Boosting, data: Branched, default: str) -> dict[str, tuple[Trees, ...]]:
    """Heads of the gain that further batches of the default bring."""
    heads: dict[str, tuple[Trees, ...]] = {}
    rows = np.flatnonzero(data.action == default)
    for column, k in enumerate(AHEAD):
        gain = data.ahead[rows, column]
        known = np.isfinite(gain)
        if known.sum() >= 100:
            x, group = data.x[rows[known]], data.group[rows[known]]
            heads[f"ahead{k}"] = boosting.members(x, gain[known], np.ones(int(known.sum())), group)
    return heads
