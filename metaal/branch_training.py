"""Train a policy from rehearsed branches: every action's lead on the default, tried in the very same state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metaal.actions import read_action
from metaal.boosting import CONFIDENCE, GATES, MIN_GROUPS, Boosting, Params, ranges
from metaal.branched import Branched
from metaal.errors import FitError
from metaal.features import state_names
from metaal.policies.learned import AHEAD, Learned, first_features, untrained
from metaal.prices import Prices
from metaal.trees import Trees

SCORES: Mapping[str, float] = {"accuracy": 0.6, "log_loss": 0.4}
"""What the policy is trained for: accuracy alone is too coarse a ruler for one batch, log-loss alone prefers coverage
that accuracy does not pay for (both measured; see docs/policy.md)."""
PREVIEWS = 3
"""Arms whose proposals are computed in a loop; more of them made the choice no better (policy_log.md, 26)."""


@dataclass(frozen=True, eq=False)
class Task:
    """What the ensembles are trained on.

    Parameters
    ----------
    x : f4[n,F] · first : f8[n,G], what the first stage knows
    target : f8[n], blended scores beside the state's mean, in units of its spread
    ahead : f8[n], the same less the default's · lead : f8[n], on the default in main score
    state : i8[n] · group : U[n] · default : bool[n], the default's own rows
    plain : bool[n], strategies at the plain batch, full share, full training
    partner : i8[n], row of the same strategy's plain action in the same state; −1 = there is none
    """

    x: np.ndarray
    first: np.ndarray
    target: np.ndarray
    ahead: np.ndarray
    lead: np.ndarray
    state: np.ndarray
    group: np.ndarray
    default: np.ndarray
    plain: np.ndarray
    partner: np.ndarray


def fit_branched(
    data: Branched,
    *,
    default: str,
    prices: Prices,
    seed: int,
    params: Params | None = None,
    scores: Mapping[str, float] | None = None,
    gate: float | None = None,
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
    previews : int
        Arms whose proposals are computed in a loop at most; 0 means all.
    measured : bool
        Whether to measure the gain on left-out families. Without, ``gate`` is taken as it is and predictions are
        calibrated on what they were trained on: for trials whose gain is measured otherwise.
    progress : callable, optional

    Raises
    ------
    FitError
        A score is not among those logged, or no state holds two actions.
    """
    say = progress or (lambda text: None)
    params = params or Params()
    boosting = Boosting(params, seed)
    actions = _actions(data, default)
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
        gate, report = chosen_gate(mean, deviation, task, GATES if gate is None else (gate,))
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
        actions=actions,
        default=default,
        prices=prices,
        previews=previews,
        informs=informs,
        horizon=data.horizon,
        centred=True,
        facts=facts,
    )


def _actions(data: Branched, default: str) -> tuple[str, ...]:
    """Every action, the default first, then by their mean lead: so that numbers near to each other act alike."""
    names = np.unique(data.action)
    lead = next(iter(data.lead.values()))
    order = sorted(map(str, names), key=lambda name: -float(np.nanmean(lead[data.action == name])))
    return tuple(dict.fromkeys((default, *order)))


def _first(data: Branched, actions: Sequence[str]) -> np.ndarray:
    """Features f8[n,G] of the first stage."""
    place = {text: k for k, text in enumerate(actions)}
    states = data.x[:, : len(state_names())]
    return np.stack([first_features(s, place[a], read_action(a)) for s, a in zip(states, data.action, strict=True)])


def prepared(data: Branched, default: str, scores: Mapping[str, float]) -> Task:
    """Targets: how each action did beside the others of its state, in units of what is at stake there.

    The leads of a state share the luck of the default's one branch, which no feature can tell: 41 % of their variance
    in the shipped corpus. Less the mean of the state's plain actions it is gone, and predictions are compared with the
    default's prediction instead. Divided by the root mean square of the state, drawn half way to that of all states, no
    state drowns the others, and one in which all actions do alike does not shout.
    """
    missing = [name for name in scores if name not in data.lead]
    if missing:
        raise FitError(f"score: no branch has {missing[0]!r}; expected some of {', '.join(sorted(data.lead))}")
    plain = np.array([read_action(text).plain for text in data.action.tolist()])
    target, ahead = np.zeros(len(data)), np.zeros(len(data))
    states = int(data.state.max()) + 1
    for name, weight in scores.items():
        lead = data.lead[name]
        ok = plain & np.isfinite(lead)
        count = np.maximum(np.bincount(data.state[ok], minlength=states), 1)
        mean = np.bincount(data.state[ok], weights=lead[ok], minlength=states) / count
        beside = lead - mean[data.state]
        square = np.bincount(data.state[ok], weights=beside[ok] ** 2, minlength=states) / count
        spread = np.sqrt((square + np.mean(beside[ok] ** 2)) / 2)
        unit = np.where(spread > 0, spread, 1.0)[data.state]
        target += weight * beside / unit
        ahead += weight * lead / unit
    keep = np.isfinite(target)
    if not keep.any():
        raise FitError(
            "no branch could be compared with the default; branches need the default's own, as far as theirs"
        )
    lead = data.lead[next(iter(scores))]
    of_plain = {
        (state, action): row
        for row, (state, action) in enumerate(zip(data.state[keep].tolist(), data.action[keep].tolist(), strict=True))
    }
    strategy = {text: read_action(text).strategy for text in map(str, np.unique(data.action))}
    pairs = zip(data.state[keep].tolist(), data.action[keep].tolist(), strict=True)
    return Task(
        data.x[keep],
        _first(data, _actions(data, default))[keep],
        target[keep],
        ahead[keep],
        lead[keep],
        data.state[keep],
        data.group[keep],
        (data.action == default)[keep],
        plain[keep],
        np.array([of_plain.get((state, strategy[action]), -1) for state, action in pairs], dtype=np.int64),
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
    base = _usual(task)
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


def beside(predicted: np.ndarray, task: Task) -> np.ndarray:
    """Predictions f8[n], less that of the default of the same state."""
    return predicted - predicted[_usual(task)]


def _usual(task: Task) -> np.ndarray:
    """Row i8[n] of the default of each row's state."""
    place = np.zeros(int(task.state.max()) + 1, dtype=np.int64)
    place[task.state[task.default]] = np.flatnonzero(task.default)
    return place[task.state]


def chosen_gate(
    mean: np.ndarray, deviation: np.ndarray, task: Task, gates: Sequence[float] = GATES
) -> tuple[float, dict[str, Any]]:
    """The gate whose choices among plain actions gain most on left-out families, if that is surely above nought."""
    from scipy.stats import t

    names, group = np.unique(task.group, return_inverse=True)
    best: tuple[float, float, float] | None = None
    tried = {}
    for gate in gates:
        first, realised = choices(mean, deviation, task, gate)
        count = np.bincount(group[first], minlength=len(names))
        gain = np.bincount(group[first], weights=realised, minlength=len(names))[count > 0] / count[count > 0]
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        # The best of several gates is looked for, so each one's share of the risk is a part (Bonferroni).
        bound = float(gain.mean() - t.ppf(1 - (1 - CONFIDENCE) / len(gates), len(gain) - 1) * error)
        taken = float((~task.default[first]).mean())
        tried[f"{gate:g}"] = f"{100 * gain.mean():+.3f} ± {100 * error:.3f} pp, deviates in {taken:.0%} of states"
        if (gain != 0).sum() >= MIN_GROUPS and bound > 0 and (best is None or gain.mean() > best[1]):
            best = (gate, float(gain.mean()), error)
    report: dict[str, Any] = {"left-out gain by gate": tried}
    if best is None:
        report["left-out gain"] = (
            f"not above nought with {CONFIDENCE:.1%} confidence at any gate, so the policy never deviates"
        )
        return float("inf"), report
    report["left-out gain"] = f"{100 * best[1]:+.3f} ± {100 * best[2]:.3f} pp a decision ({len(names)} families)"
    return best[0], report


def choices(mean: np.ndarray, deviation: np.ndarray, task: Task, gate: float) -> tuple[np.ndarray, np.ndarray]:
    """Row i8[states] of the plain action that each state takes, and its lead f8[states] on the default."""
    lower = np.where(task.plain, mean - gate * deviation, -np.inf)
    value = np.where(task.default, 0.0, np.where(lower > 0, mean, -np.inf))
    order = np.lexsort((-value, task.state))
    first = order[np.unique(task.state[order], return_index=True)[1]]
    return first, np.where(np.isfinite(value[first]), np.nan_to_num(task.lead[first]), 0.0)


def calibrated(mean: np.ndarray, task: Task) -> tuple[float, str]:
    """Score that one unit of prediction stands for: slope, through the origin, of plain actions' left-out leads."""
    ok = task.plain & ~task.default & np.isfinite(task.lead)
    square = float((mean[ok] ** 2).sum())
    slope = float((mean[ok] * task.lead[ok]).sum() / square) if square > 0 else 0.0
    slope = max(slope, 1e-4)
    fit = 1 - float(((task.lead[ok] - slope * mean[ok]) ** 2).sum() / (task.lead[ok] ** 2).sum())
    return slope, f"one unit is {100 * slope:.2f} pp; R² of left-out leads {fit:.3f}"


def _costs(boosting: Boosting, data: Branched, actions: Sequence[str]) -> dict[str, tuple[Trees, ...]]:
    """Heads of log seconds, for whole trainings and pools; one that was skipped says nothing of what it costs."""
    heads: dict[str, tuple[Trees, ...]] = {}
    done = {text: read_action(text) for text in map(str, np.unique(data.action))}
    told = {"fit": {a for a in done if done[a].refit != "skip"}, "score": {a for a in done if done[a].share == 1.0}}
    rows = {"select": _first(data, actions)}
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
