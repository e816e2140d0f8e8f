"""What a policy is trained on: how each action of a state did beside the others, from rehearsed branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaal.actions import read_action
from metaal.branched import Branched
from metaal.errors import FitError
from metaal.features import action_names, state_names
from metaal.policies.learned import first_features

BATCH = action_names().index("state.loop.batch")


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
    batch : f8[n], rows asked for; NaN = not known
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
    batch: np.ndarray


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
        first_of(data, actions_of(data, default))[keep],
        target[keep],
        ahead[keep],
        lead[keep],
        data.state[keep],
        data.group[keep],
        (data.action == default)[keep],
        plain[keep],
        np.array([of_plain.get((state, strategy[action]), -1) for state, action in pairs], dtype=np.int64),
        np.exp(data.x[keep, BATCH].astype(np.float64)),
    )


def actions_of(data: Branched, default: str) -> tuple[str, ...]:
    """Every action, the default first, then by their mean lead: so that numbers near to each other act alike."""
    names = np.unique(data.action)
    lead = next(iter(data.lead.values()))
    order = sorted(map(str, names), key=lambda name: -float(np.nanmean(lead[data.action == name])))
    return tuple(dict.fromkeys((default, *order)))


def first_of(data: Branched, actions: Sequence[str]) -> np.ndarray:
    """Features f8[n,G] of the first stage."""
    place = {text: k for k, text in enumerate(actions)}
    states = data.x[:, : len(state_names())]
    return np.stack([first_features(s, place[a], read_action(a)) for s, a in zip(states, data.action, strict=True)])


def beside(predicted: np.ndarray, task: Task) -> np.ndarray:
    """Predictions f8[n], less that of the default of the same state."""
    return predicted - predicted[usual(task)]


def usual(task: Task) -> np.ndarray:
    """Row i8[n] of the default of each row's state."""
    place = np.zeros(int(task.state.max()) + 1, dtype=np.int64)
    place[task.state[task.default]] = np.flatnonzero(task.default)
    return place[task.state]
