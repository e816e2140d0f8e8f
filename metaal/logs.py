"""Read logged decisions back, with what was known when they were taken and what came of them (see `metaal.curve`).

Runs that metaal logged hold the proposals that were shown; runs imported from other programs don't, and are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.curve import HORIZON as HORIZON
from metaal.curve import gains
from metaal.errors import FitError
from metaal.features import PROPOSAL
from metaal.foreign import PHASES, ForeignRun, decisions_of, read_foreign
from metaal.history import History
from metaal.state import RunState
from metadata_store import Record, Store


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
    imported : whether another program logged it, so that there are no previews
    level : score at the decision; NaN where metaal logged it
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
    imported: bool = False
    level: float = float("nan")


@dataclass(frozen=True, eq=False)
class Log:
    """The decisions of a store's own runs, the number of these, and of those without scores; and the imported ones."""

    decisions: list[LoggedDecision]
    runs: int
    unscored: int
    imported: Log | None = None


Found = list[tuple[dict[str, Any], list[float]]]


def read_log(
    store: Store, *, groups: str = "task", score: Mapping[str, float] | str, default: str, needs_default: bool = True
) -> Log:
    """Collect every decision of the store whose outcome can be read off its run's scores.

    Parameters
    ----------
    store : Store
    groups : str
        ``"task"``, the name of a tag, or ``"run"``: every run by itself.
    score : str or mapping
        As for `metaal.fit`.
    default : str
        Strategy whose preview a decision of metaal's must have, if ``needs_default``.

    Raises
    ------
    FitError
        There is no run that could be read, or ``groups`` or ``score`` names nothing that was logged.
    """
    weights = _weights(score)
    missing = set(weights) - {"score.value"}  # without a score at all the run still counts as one
    found: Found = []
    foreign: list[ForeignRun] = []
    runs = unscored = 0
    # By name: the order in which parallel processes happened to write must not change what is learnt.
    for name in sorted(store.runs()):
        records = store.records(name)
        # Somebody else's records may use the same words for other things.
        if not records or records[0].event != "begin" or "run.policy" not in records[0].values:
            run = read_foreign(records)
            foreign += [] if run is None else [run]
            continue
        state = RunState()
        for record in records:
            state.apply(record)
        if state.begin is None:
            continue
        runs += 1
        missing -= {series for row in state.rows for series in row}
        group = name if groups == "run" else _group(state.begin, groups)
        of_run = list(_of_run(state, weights, default if needs_default else None))
        unscored += not of_run
        found += [({**facts, "run": name, "group": group}, outcomes) for facts, outcomes in of_run]
    imported = _imported(foreign, weights, groups) if foreign else None
    if not runs and imported is None:
        raise FitError(
            "the store holds no run of metaal's; log some with metaal.Run, or with metaal.play on labelled data, or "
            "import logs of another program with a column mapped to action.name"
        )
    if runs and missing:
        raise FitError(
            f"score: no run logged {', '.join(sorted(missing))}; use score.value (score= of tell) or a number of your "
            "own, user.NAME"
        )
    return Log(_decided(found, weights), runs, unscored, imported)


def _group(begin: Record, groups: str) -> str:
    key = "run.task" if groups == "task" else f"tag.{groups}"
    if key not in begin.values:
        tags = [k[4:] for k in begin.values if k.startswith("tag.")]
        raise FitError(
            f"groups: run {begin.run!r} has no tag {groups!r}; use 'task' or one of {', '.join(tags) or 'its tags'}"
        )
    return str(begin.values[key])


def _imported(runs: list[ForeignRun], weights: Mapping[str, float], groups: str) -> Log:
    """The decisions of imported runs, which must at least tell labels and scores."""
    missing = {"labels.count", *weights} - {series for run in runs for series in run.series}
    if missing:
        raise FitError(
            f"the {len(runs)} imported runs name their strategies, but none has {', '.join(sorted(missing))}; import "
            f"them into a new store with {' '.join(f'--map COLUMN={name}' for name in sorted(missing))}"
        )
    found: Found = []
    unscored = 0
    for run in runs:
        of_run = list(decisions_of(run, weights, groups))
        unscored += not of_run
        found += of_run
    return Log(_decided(found, weights), len(runs), unscored)


def _decided(found: Found, weights: Mapping[str, float]) -> list[LoggedDecision]:
    outcome = _combine(np.array([o for _, o in found], dtype=np.float64).reshape(len(found), len(weights)), weights)
    return [LoggedDecision(**facts, outcome=float(y)) for (facts, _), y in zip(found, outcome, strict=True)]


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
        outcomes = gains(labels, good, curves, loop, float(ask.values["loop.batch"]))
        if outcomes is None or strategy not in previews or (default is not None and default not in previews):
            continue
        facts = {
            "loop": loop,
            "history": History(
                [*state.open_rows[:loop], at_decision(ask)], actions=done[:loop], propensities=chances[:loop]
            ),
            "previews": previews,
            "action": done[loop],
            "strategy": strategy,
            "multiplier": float(ask.values["action.multiplier"]),
            "propensity": float(ask.values.get("action.propensity", np.nan)),
            "seconds": sum(state.rows[loop].get(f"cost.{phase}.seconds", 0.0) for phase in PHASES),
            "digest": str(ask.values["state.digest"]),
        }
        yield facts, outcomes


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
