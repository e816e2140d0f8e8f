"""Train a policy from rehearsed branches: every action's lead on the default, tried in the very same state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metaal.actions import Action, read_action
from metaal.boosting import CONFIDENCE, GATES, MIN_GROUPS, Boosting, Params
from metaal.branched import Branched
from metaal.errors import FitError
from metaal.features import state_names
from metaal.policies.learned import AHEAD, HORIZON, Learned, first_features, untrained
from metaal.prices import Prices
from metaal.trees import Trees

SCORES: Mapping[str, float] = {"accuracy": 0.6, "log_loss": 0.4}
"""What the policy is trained for: accuracy alone is too coarse a ruler for one batch, log-loss alone prefers coverage
that accuracy does not pay for (both measured; see docs/policy.md)."""
PREVIEWS = 6
"""Arms whose proposals are computed in a loop."""


@dataclass(frozen=True, eq=False)
class Task:
    """What the ensembles are trained on.

    Parameters
    ----------
    x : f4[n,F] · target : f8[n], blended scores beside the state's mean, in units of its spread
    ahead : f8[n], the same less the default's · lead : f8[n], on the default in main score
    state : i8[n] · group : U[n] · default : bool[n], the default's own rows
    plain : bool[n], strategies at the plain batch, full share, full training
    """

    x: np.ndarray
    target: np.ndarray
    ahead: np.ndarray
    lead: np.ndarray
    state: np.ndarray
    group: np.ndarray
    default: np.ndarray
    plain: np.ndarray


def fit_branched(
    data: Branched,
    *,
    default: str,
    prices: Prices,
    seed: int,
    params: Params | None = None,
    scores: Mapping[str, float] | None = None,
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
        "horizon": f"{HORIZON} batches of labels",
        "families": sorted(set(map(str, task.group))),
        "boosting": asdict(params),
    }
    if groups < MIN_GROUPS:
        facts["left-out gain"] = f"not measurable with {groups} families, so the policy never deviates"
        return untrained(default, prices, facts)
    say("measuring the gain on left-out families")
    mean, deviation = left_out(boosting, task)
    gate, report = chosen_gate(mean, deviation, task)
    scale, slope = calibrated(mean, task)
    facts |= report | {"calibration": slope}
    say("training")
    heads: dict[str, tuple[Trees, ...]] = {
        "advantage": boosting.members(task.x, task.target, np.ones(len(task.x)), task.group)
    }
    for name, level in (("low", 0.1), ("high", 0.9)):
        heads[name] = (boosting.train(task.x, task.ahead, number=700 + round(10 * level), quantile=level),)
    place = {text: k for k, text in enumerate(actions)}
    states = data.x[:, : len(state_names())]
    first = np.stack([first_features(s, place[a], read_action(a)) for s, a in zip(states, data.action, strict=True)])
    heads["first"] = (boosting.train(first, task.target, number=750),)
    heads |= _costs(boosting, data) | _ahead(boosting, data, task.default)
    with np.errstate(all="ignore"):
        known = np.isfinite(data.x).any(0)
        low, high = np.full(data.x.shape[1], np.nan), np.full(data.x.shape[1], np.nan)
        low[known], high[known] = np.nanmin(data.x[:, known], axis=0), np.nanmax(data.x[:, known], axis=0)
    return Learned(
        heads=heads,
        low=low.astype(np.float64),
        high=high.astype(np.float64),
        scale=scale,
        gate=gate,
        actions=actions,
        default=default,
        prices=prices,
        previews=PREVIEWS,
        centred=True,
        facts=facts,
    )


def _actions(data: Branched, default: str) -> tuple[str, ...]:
    """Every action, the default first, then by their mean lead: so that numbers near to each other act alike."""
    names = np.unique(data.action)
    lead = next(iter(data.lead.values()))
    order = sorted(map(str, names), key=lambda name: -float(np.nanmean(lead[data.action == name])))
    return tuple(dict.fromkeys((default, *order)))


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
    plain = np.array([action == Action(action.strategy) for action in map(read_action, data.action.tolist())])
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
    return Task(
        data.x[keep],
        target[keep],
        ahead[keep],
        lead[keep],
        data.state[keep],
        data.group[keep],
        (data.action == default)[keep],
        plain[keep],
    )


def left_out(boosting: Boosting, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation f8[n] of the advantages predicted by members that never saw the row's family."""
    mean, deviation = np.zeros(len(task.x)), np.zeros(len(task.x))
    base = np.zeros(int(task.state.max()) + 1, dtype=np.int64)
    base[task.state[task.default]] = np.flatnonzero(task.default)
    for fold in boosting.folds(task.group):
        out = np.isin(task.group, fold)
        members = boosting.members(task.x[~out], task.target[~out], np.ones(int((~out).sum())), task.group[~out])
        votes = np.zeros((len(members), len(task.x)))
        votes[:, out] = np.stack([member.predict(task.x[out]) for member in members])
        votes = votes[:, out] - votes[:, base[task.state[out]]]
        mean[out], deviation[out] = votes.mean(0), votes.std(0)
    mean[task.default] = deviation[task.default] = 0.0
    return mean, deviation


def chosen_gate(mean: np.ndarray, deviation: np.ndarray, task: Task) -> tuple[float, dict[str, Any]]:
    """The gate whose choices among plain actions gain most on left-out families, if that is surely above nought."""
    from scipy.stats import t

    names, group = np.unique(task.group, return_inverse=True)
    best: tuple[float, float, float] | None = None
    tried = {}
    for gate in GATES:
        lower = np.where(task.plain, mean - gate * deviation, -np.inf)
        value = np.where(task.default, 0.0, np.where(lower > 0, mean, -np.inf))
        order = np.lexsort((-value, task.state))
        first = order[np.unique(task.state[order], return_index=True)[1]]
        realised = np.where(np.isfinite(value[first]), np.nan_to_num(task.lead[first]), 0.0)
        count = np.bincount(group[first], minlength=len(names))
        gain = np.bincount(group[first], weights=realised, minlength=len(names))[count > 0] / count[count > 0]
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        # The best of several gates is looked for, so each one's share of the risk is a part (Bonferroni).
        bound = float(gain.mean() - t.ppf(1 - (1 - CONFIDENCE) / len(GATES), len(gain) - 1) * error)
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


def calibrated(mean: np.ndarray, task: Task) -> tuple[float, str]:
    """Score that one unit of prediction stands for: slope, through the origin, of left-out leads on predictions."""
    ok = ~task.default & np.isfinite(task.lead)
    square = float((mean[ok] ** 2).sum())
    slope = float((mean[ok] * task.lead[ok]).sum() / square) if square > 0 else 0.0
    slope = max(slope, 1e-4)
    fit = 1 - float(((task.lead[ok] - slope * mean[ok]) ** 2).sum() / (task.lead[ok] ** 2).sum())
    return slope, f"one unit is {100 * slope:.2f} pp; R² of left-out leads {fit:.3f}"


def _costs(boosting: Boosting, data: Branched) -> dict[str, tuple[Trees, ...]]:
    """Heads of log seconds; a training that was skipped says nothing of what one costs."""
    heads: dict[str, tuple[Trees, ...]] = {}
    skipped = np.char.endswith(data.action, ", skip")
    for number, phase in enumerate(("fit", "score", "select")):
        seconds = data.seconds[phase]
        known = np.isfinite(seconds) & (seconds > 0) & ~(skipped if phase == "fit" else np.zeros(len(data), dtype=bool))
        if known.sum() >= 30:
            heads[phase] = (boosting.train(data.x[known], np.log(seconds[known]), number=900 + number),)
    return heads


def _ahead(boosting: Boosting, data: Branched, default: np.ndarray) -> dict[str, tuple[Trees, ...]]:
    """Heads of the gain that further batches of the default bring."""
    heads: dict[str, tuple[Trees, ...]] = {}
    rows = np.flatnonzero(data.action == data.action[np.flatnonzero(default)[0]]) if default.any() else np.zeros(0, int)
    for column, k in enumerate(AHEAD):
        gain = data.ahead[rows, column]
        known = np.isfinite(gain)
        if known.sum() >= 100:
            x, group = data.x[rows[known]], data.group[rows[known]]
            heads[f"ahead{k}"] = boosting.members(x, gain[known], np.ones(int(known.sum())), group)
    return heads
