"""What a policy would have achieved on logged runs, from the propensities with which their actions were drawn.

Estimates screen policies before they are tried; they do not replace closed-loop runs (`metaal.evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metaal.actions import DEFAULT_ARM, Action, ActionSet, Policy
from metaal.errors import FitError, UnavailableError
from metaal.features import PROPOSAL
from metaal.history import History
from metaal.logs import LoggedDecision, read_log
from metaal.policies import read_policy
from metadata_store import Store
from strategy_zoo import get

_SIGNS = {
    "proba": "task.classes",
    "prediction": "pool.prediction.mean",
    "embedding": "task.dimension",
    "committee": "committee.disagreement.mean",
    "seen_embedding": "space.seen.mean",
}
"""The series that is logged when, and only when, an output was shown."""


class _NotLoggedError(Exception):
    """The policy reads the features of a proposal that was not logged."""


@dataclass(frozen=True)
class Estimate:
    """Off-policy estimate of the mean outcome of a decision.

    Parameters
    ----------
    value, low, high : float
        Self-normalised importance-weighted mean of the score gained over the horizon, and its 95 % interval (bootstrap
        over runs); NaN if no logged decision agrees with the policy.
    logged : float
        Mean outcome of the logged decisions themselves.
    decisions : int
        Logged decisions that could be used.
    effective : float
        Effective sample size (Σw)² / Σw²; below about 30 the value means little.
    support : float
        Mean probability that the policy gives to the action that was logged: near 0, the logs say nothing about it.
    """

    value: float
    low: float
    high: float
    logged: float
    decisions: int
    effective: float
    support: float

    def __str__(self) -> str:
        return (
            f"estimated gain a decision {100 * self.value:+.2f} pp ({100 * self.low:+.2f} to {100 * self.high:+.2f}), "
            f"logged {100 * self.logged:+.2f} pp; {self.decisions} decisions, effective sample size "
            f"{self.effective:.0f}"
        )


def estimate(
    policy: Policy | str, store: Store, *, score: Mapping[str, float] | str = "score.value", seed: int = 0
) -> Estimate:
    """Estimate a policy from logged runs by self-normalised inverse propensities (SNIPS).

    Each logged decision weighs in by the probability that ``policy`` gives to the logged action, over the probability
    with which it was drawn. A policy that reads the proposals' features, as a learned one does, can be offered only the
    actions whose previews were logged: the default and the one taken. So logs of the uniform policy say most, and logs
    of one fixed strategy only whether the policy would have agreed.

    Parameters
    ----------
    policy : Policy or str
    store : Store
    score : str or mapping
        As for `metaal.fit`.
    seed : int
        Of the bootstrap.

    Raises
    ------
    FitError
        A record has no propensity, or a propensity outside (0, 1].

    References
    ----------
    Swaminathan and Joachims, 2015, The Self-Normalized Estimator for Counterfactual Learning.
    """
    chosen = read_policy(policy)
    log = read_log(store, score=score, default=DEFAULT_ARM, needs_default=False)
    weights, outcomes, runs, agreements = [], [], [], []
    for logged in log.decisions:
        if not 0 < logged.propensity <= 1:
            raise FitError(
                f"run {logged.run!r}, loop {logged.loop}: propensity {logged.propensity!r} is not in (0, 1]; estimates "
                "need the probability with which each action was drawn"
            )
        p = _probability(chosen, logged)
        weights.append(p / logged.propensity)
        outcomes.append(logged.outcome)
        runs.append(logged.run)
        agreements.append(p)
    w, y = np.array(weights), np.array(outcomes)
    nan = float("nan")
    if not len(w) or w.sum() == 0:
        return Estimate(nan, nan, nan, float(y.mean()) if len(y) else nan, len(w), 0.0, 0.0)
    _, of_run = np.unique(np.array(runs), return_inverse=True)
    top, bottom = np.bincount(of_run, weights=w * y), np.bincount(of_run, weights=w)
    draws = np.random.default_rng(seed).integers(len(top), size=(2000, len(top)))
    below = bottom[draws].sum(1)
    values = top[draws].sum(1)[below > 0] / below[below > 0]
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(
        float((w * y).sum() / w.sum()),
        float(low),
        float(high),
        float(y.mean()),
        len(w),
        float(w.sum() ** 2 / (w**2).sum()),
        float(np.mean(agreements)),
    )


def _probability(policy: Policy, logged: LoggedDecision) -> float:
    """Probability that ``policy`` gives to the logged action, among those that it would have been offered."""
    why = {arm: _unmet(arm, logged.history) for arm in policy.arms if arm not in logged.previews}
    try:
        return _offer(policy, logged, {arm: reason for arm, reason in why.items() if reason})
    except _NotLoggedError:
        return _offer(policy, logged, dict.fromkeys(why, "its preview was not logged"))


def _offer(policy: Policy, logged: LoggedDecision, missing: Mapping[str, str]) -> float:
    offered = [Action(arm, float(m)) for arm in policy.arms if arm not in missing for m in policy.multipliers]
    action = Action(logged.strategy, logged.multiplier)
    if action not in offered:
        return 0.0

    def features(strategy: str) -> np.ndarray:
        if strategy not in logged.previews:
            raise _NotLoggedError(strategy)
        return logged.previews[strategy]

    actions = ActionSet(offered, features=features, feature_names=PROPOSAL, unavailable=missing, default=DEFAULT_ARM)
    try:
        decision = policy.decide(logged.history, actions).checked(actions)
    except UnavailableError:
        return 0.0  # in this state the policy could not have gone on
    return float(decision.probabilities[actions.index(action)])


def _unmet(arm: str, history: History) -> str:
    """Which output that the strategy needs was not shown in that loop, as far as the logged series tell."""
    for need in get(arm).needs:
        if need in _SIGNS and not np.isfinite(history.last(_SIGNS[need])):
            return f"{need} was not shown"
    return ""
