"""What each action would have brought in each state of a log that tells no proposals, doubly robust.

A model of the outcome, corrected by what it got wrong where the action was taken, weighted by one over the chance of
that. Where the log tells the chances, this is right whatever the model is; where it doesn't, they are estimated, and it
is right if the model or the chances are, provided that what was done depended on nothing else that matters for the
outcome than on what was logged (no hidden confounder), and that every action had a chance in such states.

References: Robins, Rotnitzky and Zhao, 1994, Estimation of Regression Coefficients When Some Regressors Are Not Always
Observed; Dudík, Langford and Li, 2011, Doubly Robust Policy Evaluation and Learning; Kennedy, 2023, Towards Optimal
Doubly Robust Estimation of Heterogeneous Causal Effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaal.expecting import expect
from metaal.features import state_features
from metaal.logs import LoggedDecision

LEAST = 0.05
"""Chance that an action is taken to have had at least: one over it is the largest weight."""
SURE = 1 - 1e-6
"""Propensity from which a decision counts as made by a fixed strategy, whose chance among all it does not tell."""
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Observed:
    """Logged decisions as arrays.

    Parameters
    ----------
    state : f8[N,S]
        What a policy could have read.
    known : f8[N,K]
        The same, with the score and the number of the loop: what a person could have gone by (see `known_of`).
    phase : f8[N]
        Logarithm of the number of the loop.
    action : U[N] · outcome, propensity : f8[N]
    group, run : i8[N]
        Numbers of each decision's group and run, from 0.
    """

    state: np.ndarray
    known: np.ndarray
    phase: np.ndarray
    action: np.ndarray
    outcome: np.ndarray
    propensity: np.ndarray
    group: np.ndarray
    run: np.ndarray

    @classmethod
    def of(cls, decisions: Sequence[LoggedDecision]) -> Observed:
        """The arrays of at least one decision."""
        state = np.array([state_features(d.history) for d in decisions])
        phase = np.log1p([len(d.history) for d in decisions])
        level = np.array([d.level for d in decisions])
        return cls(
            state,
            known_of(state, level, phase),
            phase,
            np.array([d.action for d in decisions], dtype=str),
            np.array([d.outcome for d in decisions]),
            np.array([d.propensity for d in decisions]),
            np.unique([d.group for d in decisions], return_inverse=True)[1],
            np.unique([d.run for d in decisions], return_inverse=True)[1],
        )


def known_of(state: np.ndarray, level: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """What somebody could have gone by f8[N,K]: state f8[N,S], score and phase f8[N], the latter two in steps, too.

    People change strategies after so many rounds, or above some score, which no straight line follows.
    """
    steps = [values > edge for values in (level, phase) for edge in np.unique(_quantiles(values))]
    return np.column_stack([state, level, phase, *steps]).astype(np.float64)


def _quantiles(values: np.ndarray) -> np.ndarray:
    known = values[np.isfinite(values)]
    return np.quantile(known, np.linspace(0.1, 0.9, 9), method="lower") if len(known) else known


def chances(seen: Observed) -> tuple[np.ndarray, np.ndarray]:
    """The probability with which each logged action was taken, and whether the log tells it.

    A missing propensity, or one of 1, is replaced by an estimate from what was known, by a model that never saw the
    decision's group (its run, where there is one group).

    Returns
    -------
    chance : f8[N], in [`LEAST`, 1]
    logged : bool[N]
    """
    logged = (seen.propensity > 0) & (seen.propensity < SURE)
    chance = np.where(logged, seen.propensity, np.nan)
    rows = np.flatnonzero(~logged)
    if len(rows):
        apart = seen.group if seen.group.max() > 0 else seen.run
        chance[rows] = _estimated(seen.known[rows], seen.action[rows], apart[rows])
    return np.clip(chance, LEAST, 1.0), logged


def brought(seen: Observed, actions: Sequence[str], default: str) -> np.ndarray:
    """Outcome of each action in each state f8[N,K], doubly robust.

    Parameters
    ----------
    seen : Observed
        Of at least two groups.
    actions : K texts
    default : str
        Where a group has decisions of it and of others, what the model is wrong about for all of them alike is taken
        out: it is no difference between actions.
    """
    chance, _ = chances(seen)
    done = seen.action.tolist()

    def expected(policy: list[dict[str, float]]) -> tuple[np.ndarray, np.ndarray]:
        model = expect(seen.known, seen.phase, done, policy, seen.outcome, seen.group)
        return model.predicted, model.expected

    columns = []
    residual = np.zeros(0)
    for action in actions:
        predicted, mean = expected([{action: 1.0}] * len(done))
        residual = residual if len(residual) else _beside(seen.outcome - predicted, seen, default)
        weight = np.where(seen.action == action, 1 / chance, 0.0)
        weight *= len(weight) / weight.sum()  # self-normalised: a mean of 1 is what they stand for
        columns.append(mean + weight * residual)
    return np.column_stack(columns)


def _beside(residual: np.ndarray, seen: Observed, default: str) -> np.ndarray:
    """Residuals f8[N] less their group's mean, where the group tells actions from the default."""
    out = residual.copy()
    for number in np.unique(seen.group):
        rows = seen.group == number
        usual = seen.action[rows] == default
        if usual.any() and not usual.all():
            out[rows] -= residual[rows].mean()
    return out


def _estimated(known: np.ndarray, action: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Chance of the action taken f8[n], by logistic regression on the other parts."""
    from sklearn.linear_model import LogisticRegression

    x = _standard(known)
    out = np.empty(len(action))
    names, part = np.unique(apart, return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(names))[part] % min(FOLDS, len(names))
    for number in np.unique(fold):
        mine, others = fold == number, fold != number
        others = others if others.any() else mine
        labels, place = np.unique(action[others], return_inverse=True)
        shares = np.bincount(place) / len(place)
        if len(labels) > 1:
            model = LogisticRegression(C=0.1, max_iter=1000).fit(x[others], action[others])
            table = model.predict_proba(x[mine])
        else:
            table = np.tile(shares, (int(mine.sum()), 1))
        column = {label: k for k, label in enumerate(labels.tolist())}
        out[mine] = [row[column[a]] if a in column else LEAST for row, a in zip(table, action[mine], strict=True)]
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and spread 1, 0 where unknown; extremes are cut at 3."""
    with np.errstate(all="ignore"):
        known = np.isfinite(values)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, values, 0.0).sum(0) / count
        spread = np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(0) / count)
        scaled = np.where(known & (spread > 1e-12), (values - mean) / np.where(spread > 0, spread, 1.0), 0.0)
    return np.clip(scaled, -3, 3)
