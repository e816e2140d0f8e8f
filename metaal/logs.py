"""Read logged decisions back, with what was known when they were taken and what came of them.

What a decision was worth is read off the run's own learning curve: the mean score over the labels that the next
`HORIZON` batches bring, less the score at the decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.errors import FitError
from metaal.features import PROPOSAL
from metaal.history import History
from metaal.state import RunState
from metadata_store import Record, Store

HORIZON = 3
"""Batches of labels over which a decision's outcome is measured."""


@dataclass(frozen=True, eq=False)
class LoggedDecision:
    """One logged decision, with all that was known when it was taken and what came of it.

    Parameters
    ----------
    run, loop : where it stands in the store
    group : what its run is kept together by
    history : what a policy would be shown
    previews : strategy → f8[P], features of the proposals that were logged
    action : text of what was done; strategy, multiplier : parts of it; propensity : with what probability
    outcome : mean score gained over the horizon
    seconds : compute of the loop
    digest : of the outputs that were shown
    """

    run: str
    loop: int
    group: str
    history: History
    previews: dict[str, np.ndarray]
    action: str
    strategy: str
    multiplier: float
    propensity: float
    outcome: float
    seconds: float
    digest: str


@dataclass(frozen=True, eq=False)
class Log:
    """The decisions of a store, the number of its runs, and of those without scores."""

    decisions: list[LoggedDecision]
    runs: int
    unscored: int


def read_log(
    store: Store, *, groups: str = "task", score: Mapping[str, float] | str, default: str, needs_default: bool = True
) -> Log:
    """Collect every decision of the store whose outcome can be read off its run's scores."""
    weights = _weights(score)
    missing = set(weights) - {"score.value"}  # without a score at all the run still counts as one
    found: list[tuple[dict[str, Any], list[float]]] = []
    runs = unscored = 0
    # By name: the order in which parallel processes happened to write must not change what is learnt.
    for name in sorted(store.runs()):
        records = store.records(name)
        # Somebody else's records may use the same words for other things.
        if not records or records[0].event != "begin" or "run.policy" not in records[0].values:
            continue
        state = RunState()
        for record in records:
            state.apply(record)
        if state.begin is None:
            continue
        runs += 1
        missing -= {series for row in state.rows for series in row}
        key = "run.task" if groups == "task" else f"tag.{groups}"
        if key not in state.begin.values:
            tags = [k[4:] for k in state.begin.values if k.startswith("tag.")]
            raise FitError(
                f"groups: run {name!r} has no tag {groups!r}; use 'task' or one of {', '.join(tags) or 'its tags'}"
            )
        of_run = list(_of_run(state, weights, default if needs_default else None))
        unscored += not of_run
        found += [
            ({**facts, "run": name, "group": str(state.begin.values[key])}, outcomes) for facts, outcomes in of_run
        ]
    if not runs:
        raise FitError(
            "the store holds no run of metaal's; log some with metaal.Run, or with metaal.play on labelled data"
        )
    if missing:
        raise FitError(
            f"score: no run logged {', '.join(sorted(missing))}; use score.value (score= of tell) or a number of your "
            "own, user.NAME"
        )
    outcome = _combine(np.array([o for _, o in found], dtype=np.float64).reshape(len(found), len(weights)), weights)
    decisions = [LoggedDecision(**facts, outcome=float(y)) for (facts, _), y in zip(found, outcome, strict=True)]
    return Log(decisions, runs, unscored)


def _weights(score: Mapping[str, float] | str) -> dict[str, float]:
    weights = {score: 1.0} if isinstance(score, str) else {name: float(weight) for name, weight in score.items()}
    if not np.isfinite(list(weights.values())).all() or not any(weights.values()):
        raise FitError(f"score: got weights {weights}, expected a finite one for each series, at least one not 0")
    return weights


def _combine(outcomes: np.ndarray, weights: Mapping[str, float]) -> np.ndarray:
    """Weighted sum of the outcomes, each brought to the spread of the first, so that the unit stays that of a score."""
    factors = np.array(list(weights.values()))
    if outcomes.shape[1] == 1 or not len(outcomes):
        return outcomes[:, 0] * factors[0]
    spread = outcomes.std(0)
    factor = np.where(spread > 0, spread[0] / np.where(spread > 0, spread, 1.0), 0.0)
    return (outcomes * factor * factors).sum(1) / np.abs(factors).sum()


def _of_run(
    state: RunState, weights: Mapping[str, float], default: str | None
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Facts and outcomes of the decisions of one run."""
    labels = np.array([row.get("labels.count", np.nan) for row in state.rows])
    curves = [np.array([row.get(name, np.nan) for row in state.rows]) for name in weights]
    good = np.isfinite(labels) & np.all([np.isfinite(curve) for curve in curves], axis=0)
    if good.sum() < 2:
        return
    done = [str(ask.values["action.name"]) for ask in state.asks]
    chances = [float(ask.values.get("action.propensity", np.nan)) for ask in state.asks]
    for loop, ask in enumerate(state.asks):
        strategy, previews = str(ask.values["action.strategy"]), _previews(ask)
        if not good[loop] or strategy not in previews or (default is not None and default not in previews):
            continue
        ahead = _ahead(labels, good, loop)
        batch = float(ask.values["loop.batch"])
        if not len(ahead) or labels[ahead].max() < labels[loop] + batch:
            continue
        end = min(labels[loop] + HORIZON * batch, labels[ahead].max())
        at = np.concatenate([[loop], ahead])
        past = [{k: v for k, v in row.items() if not k.startswith("score.")} for row in state.rows[:loop]]
        phases = ("fit", "score", "decide", "select")
        facts = {
            "loop": loop,
            "history": History([*past, at_decision(ask)], actions=done[:loop], propensities=chances[:loop]),
            "previews": previews,
            "action": done[loop],
            "strategy": strategy,
            "multiplier": float(ask.values["action.multiplier"]),
            "propensity": float(ask.values.get("action.propensity", np.nan)),
            "seconds": sum(state.rows[loop].get(f"cost.{phase}.seconds", 0.0) for phase in phases),
            "digest": str(ask.values["state.digest"]),
        }
        yield facts, [_mean_gain(labels[at], curve[at], end) for curve in curves]


def _ahead(labels: np.ndarray, good: np.ndarray, loop: int) -> np.ndarray:
    """Later loops that have more labels than every one before them (labels can be withdrawn)."""
    out, most = [], labels[loop]
    for later in range(loop + 1, len(labels)):
        if good[later] and labels[later] > most:
            out.append(later)
            most = labels[later]
    return np.array(out, dtype=np.int64)


def at_decision(ask: Record) -> dict[str, float]:
    """What the policy knew of the loop when it decided: nothing of the query that came out of it."""
    later = ("query.", "action.", "decision.", "cost.decide", "cost.select", "state.")
    return {k: float(v) for k, v in ask.values.items() if not isinstance(v, str) and not k.startswith(later)}


def _previews(ask: Record) -> dict[str, np.ndarray]:
    names, features = ask.arrays["preview.strategy"], ask.arrays["preview.features"]
    if features.shape[-1] != len(PROPOSAL):
        raise FitError(
            f"run {ask.run!r}: proposals were logged with {features.shape[-1]} features, this version reads "
            f"{len(PROPOSAL)}; train with the version that logged them"
        )
    return dict(zip(names.tolist(), features, strict=True))


def _mean_gain(labels: np.ndarray, curve: np.ndarray, end: float) -> float:
    """Mean score over (labels[0], end] by linear interpolation, less the score at labels[0]."""
    inside = labels < end
    x = np.append(labels[inside], end)
    y = np.append(curve[inside], np.interp(end, labels, curve))
    return float(np.trapezoid(y, x) / (x[-1] - x[0]) - curve[0])
