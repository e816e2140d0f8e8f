"""Train a policy offline, from logged runs alone.

What a decision was worth is read off the run's own learning curve: the mean score over the labels that the next
`HORIZON` batches bring, less the score at the decision. Two kinds of evidence count:

- *siblings*: runs of one task that saw exactly the same outputs at a loop (equal digests) and then did different
  things. Their difference is a paired comparison under common random numbers, free of everything else.
- *plain decisions*: compared with what the default is expected to bring in such a state, as predicted by a model that
  never saw the task's group. They are noisier, and weigh in by the inverse of their variance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.actions import DEFAULT_ARM
from metaal.boosting import MIN_BASE, Boosting, Evidence, Params, cross_gate
from metaal.errors import FitError
from metaal.features import PROPOSAL, action_features, action_names, state_features, state_names
from metaal.history import History
from metaal.policies.learned import Learned, untrained
from metaal.prices import Prices
from metaal.state import RunState
from metadata_store import Record, Store
from strategy_zoo import get

HORIZON = 3
"""Batches of labels over which a decision's outcome is measured."""
MIN_DECISIONS = 60
"""Decisions with a known outcome below which nothing is trained."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Logged decisions with their outcomes, one row each.

    Parameters
    ----------
    state : f8[N,S] · proposal, default : f8[N,P] · multiplier, outcome, seconds : f8[N]
        Features, the chosen proposal's and the default's, and the mean score gained over the horizon.
    action, group, digest : U[N]
        Spelling chosen, the group it is kept together by, and the digest of what was shown.
    """

    state: np.ndarray
    proposal: np.ndarray
    default: np.ndarray
    multiplier: np.ndarray
    outcome: np.ndarray
    seconds: np.ndarray
    action: np.ndarray
    group: np.ndarray
    digest: np.ndarray
    runs: int
    unscored: int

    def __len__(self) -> int:
        return len(self.outcome)

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Model input f8[n,F] of some rows."""
        return np.stack(
            [action_features(self.state[k], self.proposal[k], self.default[k], self.multiplier[k]) for k in rows]
        ).reshape(len(rows), len(action_names()))


def fit(
    store: Store,
    *,
    prices: Prices | None = None,
    groups: str = "task",
    seed: int = 0,
    default: str = DEFAULT_ARM,
    score: Mapping[str, float] | str = "score.value",
    params: Params | None = None,
    progress: Callable[[str], None] | None = None,
) -> Learned:
    """Train a policy on the runs of a store.

    Parameters
    ----------
    store : Store
        Runs logged by `metaal.Run`. A run counts if ``tell`` was given scores; runs of one task that branch from the
        same state teach most.
    prices : Prices, optional
        What the policy will optimise; kept with it.
    groups : str
        Which fact of the runs keeps them together when the gain is measured on left-out data: ``"task"`` or the name
        of a tag.
    seed : int
    default : str
        The action that the policy takes unless another one is predicted to be better with confidence.
    score : str or mapping
        Logged series to learn from, or several with weights (each is standardised), such as
        ``{"score.value": 0.6, "user.guide_log_loss": -0.4}``.
    params : Params, optional
        Of the boosting.
    progress : callable, optional
        Called with a line of text before each step.

    Returns
    -------
    Learned
        With fewer than 60 scored decisions a warning is given, and the policy always takes the default.

    Raises
    ------
    FitError
        The store has no run of metaal's, or ``groups`` or ``score`` names nothing that was logged.
    """
    prices = prices or Prices()
    say = progress or (lambda text: None)
    default, seed = get(default).spelling, int(seed)
    say("reading the logged runs")
    decisions = read_decisions(read_log(store, groups=groups, score=score, default=default), default)
    facts: dict[str, Any] = {
        "trained on": f"{len(decisions)} decisions of {decisions.runs} runs in {len(set(decisions.group))} groups",
        "seed": seed,
        "score": score if isinstance(score, str) else {name: float(weight) for name, weight in score.items()},
        "horizon": f"{HORIZON} batches of labels",
    }
    if decisions.unscored:
        facts["left out"] = f"{decisions.unscored} runs without scores"
    if len(decisions) < MIN_DECISIONS:
        warnings.warn(
            f"{len(decisions)} logged decisions have a known outcome, and at least {MIN_DECISIONS} are "
            "needed: the policy "
            f"will always take {default}. Pass score= to tell(), and log runs of other strategies or of the "
            "uniform policy",
            stacklevel=2,
        )
        return untrained(default, prices, facts)
    say("comparing decisions with the default")
    rows, advantage, weight, paired = advantages(decisions, default, seed, params)
    boosting = Boosting(params or Params(), seed)
    x = decisions.features(rows)
    group = decisions.group[rows]
    spread = group_spread(advantage, weight, group)
    scale, target = float(np.median(spread)), advantage / spread
    say("measuring the gain on left-out groups")
    gate, report = cross_gate(boosting, Evidence(x, target, advantage, weight, group, decisions.digest[rows]), default)
    facts |= {"paired comparisons": int(paired), **report}
    say("training")
    members = boosting.members(x, target, weight, group)
    seconds = boosting.seconds(decisions)
    taken = sorted({*zip(decisions.action[rows].tolist(), decisions.multiplier[rows].tolist(), strict=True)})
    pairs = tuple(dict.fromkeys([(default, 1.0), *taken]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a series nobody logged has no range, and stays NaN
        low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
    return Learned(
        members=members,
        seconds=seconds,
        low=low,
        high=high,
        scale=scale,
        gate=gate,
        pairs=pairs,
        default=default,
        prices=prices,
        facts=facts,
    )


@dataclass(frozen=True, eq=False)
class LoggedDecision:
    """One logged decision, with all that was known when it was taken and what came of it.

    Parameters
    ----------
    run, loop : where it stands in the store
    group : what its run is kept together by
    history : what a policy would be shown
    previews : strategy → f8[P], features of the proposals that were logged
    strategy, multiplier, propensity : what was done, and with what probability
    outcome : mean score gained over the horizon
    seconds : compute of the loop
    digest : of the outputs that were shown
    """

    run: str
    loop: int
    group: str
    history: History
    previews: dict[str, np.ndarray]
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
    for name in store.runs():
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


def read_decisions(log: Log, default: str) -> Decisions:
    """The log's decisions as arrays."""
    rows = log.decisions
    width = len(PROPOSAL)
    return Decisions(
        state=np.array([state_features(d.history) for d in rows]).reshape(len(rows), len(state_names())),
        proposal=np.array([d.previews[d.strategy] for d in rows]).reshape(len(rows), width),
        default=np.array([d.previews[default] for d in rows]).reshape(len(rows), width),
        multiplier=np.array([d.multiplier for d in rows]),
        outcome=np.array([d.outcome for d in rows]),
        seconds=np.array([d.seconds for d in rows]),
        action=np.array([d.strategy for d in rows], dtype=str),
        group=np.array([d.group for d in rows], dtype=str),
        digest=np.array([d.digest for d in rows], dtype=str),
        runs=log.runs,
        unscored=log.unscored,
    )


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
            "history": History([*past, _at_decision(ask)]),
            "previews": previews,
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


def _at_decision(ask: Record) -> dict[str, float]:
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


def group_spread(advantage: np.ndarray, weight: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Typical size f8[n] of the advantages in each row's group, drawn towards that of all groups.

    Divided by it, a set on which everything matters and one on which little does speak with one voice.
    """
    whole = float(np.average(advantage**2, weights=weight))
    if whole == 0:
        return np.ones(len(advantage))
    out = np.empty(len(advantage))
    for name in np.unique(group):
        rows = group == name
        own, count = float(np.average(advantage[rows] ** 2, weights=weight[rows])), int(rows.sum())
        out[rows] = np.sqrt((count * own + 20 * whole) / (count + 20))
    return out


def advantages(
    decisions: Decisions, default: str, seed: int, params: Params | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Advantage over the default of every decision that deviated from it.

    Returns
    -------
    rows i8[n], advantage f8[n], weight f8[n], number of paired comparisons
    """
    is_default = (decisions.action == default) & (decisions.multiplier == 1)
    key = np.char.add(np.char.add(decisions.group, "\x1f"), decisions.digest)
    base: dict[str, list[float]] = {}
    for k in np.flatnonzero(is_default):
        base.setdefault(str(key[k]), []).append(decisions.outcome[k])
    rows = np.flatnonzero(~is_default)
    has_sibling = np.array([str(key[k]) in base for k in rows], dtype=bool)
    paired_rows, plain_rows = rows[has_sibling], rows[~has_sibling]
    paired = np.array([decisions.outcome[k] - np.mean(base[str(key[k])]) for k in paired_rows])
    expected = Boosting(params or Params(), seed).expected_default(decisions, is_default, plain_rows)
    known = np.isfinite(expected)
    plain_rows, plain = plain_rows[known], (decisions.outcome[plain_rows] - expected)[known]
    weights = [
        np.full(len(part), 1 / max(float((part**2).mean()), 1e-8)) if len(part) else part for part in (paired, plain)
    ]
    weight = np.concatenate(weights)
    if not len(rows):
        raise FitError(
            f"every logged decision took {default}, so there is nothing to compare; log runs of other strategies too"
        )
    if not len(weight):
        raise FitError(
            f"none of the {len(rows)} decisions that deviated from {default} can be compared with it: no run of it saw "
            f"the same outputs, and {int(is_default.sum())} decisions of it are too few to learn from (at least "
            f"{MIN_BASE} in other groups); log runs of {default} on the same tasks, with the same seed and stream"
        )
    return (
        np.concatenate([paired_rows, plain_rows]),
        np.concatenate([paired, plain]),
        weight / weight.mean(),
        len(paired),
    )
