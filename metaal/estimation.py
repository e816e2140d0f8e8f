"""What a policy would have achieved on logged runs, from the propensities with which their actions were drawn.

Estimates screen policies before they are tried; they do not replace closed-loop runs (`metaal.evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metaal.actions import DEFAULT_ARM, Action, ActionSet, Policy
from metaal.errors import FitError, UnavailableError
from metaal.expecting import expect
from metaal.features import PROPOSAL, state_features
from metaal.history import History
from metaal.logs import LoggedDecision, read_log
from metaal.offpolicy import ESTIMATORS, NOTHING, Guess, effective, guesses
from metaal.policies import read_policy
from metaal.robust import Observed, chances
from metadata_store import Store
from strategy_zoo import get

FEW = 30
"""Effective sample size below which an estimate means little."""
MOST_UNSEEN = 0.05
"""Share of a policy's decisions that may take actions that no log holds, before a model of them is no model."""

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
    """Off-policy estimates of the mean outcome of a decision, in units of the score.

    Parameters
    ----------
    guesses : dict
        ips, snips, direct, dr, switch_dr: values with 95 % intervals; see `metaal.offpolicy`. NaN where the logs cannot
        tell: all of them if no logged decision agrees with the policy; ips if the weights refute that the logs cover
        what the policy does, and dr and switch_dr, too, if they are too large; the last three if it takes actions that
        were never logged.
    logged : float
        Mean outcome of the logged decisions themselves.
    decisions, runs : int
        Logged ones that could be used.
    effective : float
        Effective sample size (Σw)² / Σw²; below about 30 the values mean little.
    support : float
        Mean probability that the policy gives to the action that was logged: near 0, the logs say nothing about it.
    weight : float
        Mean of the weights w; 1 up to chance where the logged propensities cover the policy.
    covered : bool
        Whether it is.
    unseen : float
        Mean probability that the policy gives to actions that no log holds.
    explained : float
        Share of the outcomes' variance that the model of the direct method explains on runs that it has not seen.
    threshold : float
        Weight above which switch_dr trusts the model alone; infinite if nowhere.
    assumed : float
        Share of the decisions, all of imported runs, whose propensity was not logged and is estimated from the state.
    """

    guesses: Mapping[str, Guess]
    logged: float
    decisions: int
    runs: int = 0
    effective: float = 0.0
    support: float = 0.0
    weight: float = 0.0
    covered: bool = False
    unseen: float = 0.0
    explained: float = float("nan")
    threshold: float = float("inf")
    assumed: float = 0.0

    @property
    def value(self) -> float:
        """The self-normalised estimate (snips): it needs no model, and no full coverage."""
        return self.guesses["snips"].value

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        return self.guesses["snips"].low

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        return self.guesses["snips"].high

    @property
    def cautions(self) -> list[str]:
        """What speaks against believing these numbers, in sentences; empty if nothing does."""
        said = []
        if self.support == 0:
            return ["no logged decision is one that the policy would have taken, so the logs say nothing about it"]
        if self.effective < FEW:
            said.append(f"effective sample size {self.effective:.0f}, below {FEW}: the values mean little")
        if self.assumed > 0:
            said.append(
                f"the propensities of {self.assumed:.0%} of the decisions were not logged; they are estimated, as if "
                "nothing but what was logged had decided which strategy was taken"
            )
        if not self.covered:
            said.append(
                f"the weights have mean {self.weight:.2f} where the propensities imply 1: "
                + (
                    "the logs hold too little of what the policy does (were they made by fixed strategies?), so ips is "
                    "not given, and snips speaks only of where they agree"
                    if self.weight < 1
                    else "the policy reads previews of actions that were not logged, so it could be asked only about "
                    "those that were, and chose the logged one too often; only a closed loop can tell"
                )
            )
        if self.unseen > 0:
            said.append(
                f"{self.unseen:.0%} of its decisions take actions that were never logged"
                + (", so no model can speak for them" if self.unseen > MOST_UNSEEN else "")
            )
        return said

    def facts(self) -> dict[str, Any]:
        """Everything as plain numbers, by name."""
        plain = {name: value for name, value in vars(self).items() if name != "guesses"}
        own = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **own,
            **{name: vars(guess) for name, guess in self.guesses.items()},
            **plain,
            "cautions": self.cautions,
        }

    def __str__(self) -> str:
        lines = [
            f"estimated gain a decision, pp (95 % interval); logged {100 * self.logged:+.2f} pp; {self.decisions} "
            f"decisions of {self.runs} runs, effective sample size {self.effective:.0f}, agreement {self.support:.2f}",
            *(f"  {name:9} {guess}" for name, guess in self.guesses.items()),
            *(f"  caution: {text}" for text in self.cautions),
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _Weighed:
    """Logged decisions as arrays, and what the judged policy would have done in their place."""

    outcome: np.ndarray
    propensity: np.ndarray
    run: np.ndarray
    action: list[str] = field(default_factory=list)
    policy: list[dict[str, float]] = field(default_factory=list)

    @property
    def agreement(self) -> np.ndarray:
        """Probability f8[N] that the policy gives to the logged action."""
        return np.array([mix.get(name, 0.0) for name, mix in zip(self.action, self.policy, strict=True)])

    @property
    def unseen(self) -> float:
        known = set(self.action)
        return float(np.mean([sum(p for name, p in mix.items() if name not in known) for mix in self.policy]))


def estimate(
    policy: Policy | str, store: Store, *, score: Mapping[str, float] | str = "score.value", seed: int = 0
) -> Estimate:
    """Estimate a policy from logged runs: IPS, SNIPS, direct method, DR and switch-DR.

    Each logged decision weighs in by the probability that ``policy`` gives to the logged action, over the probability
    with which it was drawn. What is estimated is the mean outcome of one decision in the states that the logs hold, not
    that of a whole run of the policy.

    A policy that reads the proposals' features, as a learned one does, can be offered only the actions whose previews
    were logged: the default and the one taken. So logs of the uniform policy say most, and logs of one fixed strategy
    only whether the policy would have agreed. Of runs imported from other programs no proposal is known, and their
    propensities are estimated where they were not logged.

    Parameters
    ----------
    policy : Policy or str
    store : Store
    score : str or mapping
        As for `metaal.fit`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Estimate

    Raises
    ------
    FitError
        A record of metaal's has no propensity, or any record one outside (0, 1].
    """
    chosen = read_policy(policy)
    log = read_log(store, score=score, default=DEFAULT_ARM, needs_default=False, groups="run")
    decisions = [*log.decisions, *(log.imported.decisions if log.imported is not None else ())]
    propensity, assumed = _propensities(decisions)
    weighed = _weigh(chosen, decisions, propensity)
    count, y, agreement = len(weighed.outcome), weighed.outcome, weighed.agreement
    logged = float(y.mean()) if count else float("nan")
    runs = int(weighed.run.max()) + 1 if count else 0
    if not count or agreement.sum() == 0:
        unseen = weighed.unseen if count else 0.0
        return Estimate(dict.fromkeys(ESTIMATORS, NOTHING), logged, count, runs, unseen=unseen, assumed=assumed)
    w = agreement / weighed.propensity
    state = np.array([state_features(decision.history) for decision in decisions])
    # What comes next to the count of labels is how many loops there were: gains fall as one over it.
    phase = np.log1p([len(decision.history) for decision in decisions])
    model = expect(state, phase, weighed.action, weighed.policy, y, weighed.run)
    found, threshold = guesses(y, w, weighed.run, model, seed=seed)
    covered = _covers(w, weighed.run)
    blind = {"direct", "dr", "switch_dr"} if weighed.unseen > MOST_UNSEEN else set()
    if not covered:
        blind |= {"ips"} if w.mean() < 1 else {"ips", "dr", "switch_dr"}
    return Estimate(
        {name: NOTHING if name in blind else guess for name, guess in found.items()},
        logged,
        count,
        runs,
        effective(w),
        float(agreement.mean()),
        float(w.mean()),
        covered,
        weighed.unseen,
        model.explained,
        threshold,
        assumed,
    )


def _propensities(decisions: list[LoggedDecision]) -> tuple[np.ndarray, float]:
    """Propensities f8[N], and the share of them that had to be estimated."""
    found = np.array([decision.propensity for decision in decisions])
    unknown = np.array([d.imported and not np.isfinite(d.propensity) for d in decisions], dtype=bool)
    for logged in (d for d, hidden in zip(decisions, unknown, strict=True) if not hidden):
        if not 0 < logged.propensity <= 1:
            raise FitError(
                f"run {logged.run!r}, loop {logged.loop}: propensity {logged.propensity!r} is not in (0, 1]; estimates "
                "need the probability with which each action was drawn"
            )
    if not unknown.any():
        return found, 0.0
    found[unknown] = chances(Observed.of([d for d, hidden in zip(decisions, unknown, strict=True) if hidden]))[0]
    return found, float(unknown.mean())


def _weigh(policy: Policy, decisions: list[LoggedDecision], propensity: np.ndarray) -> _Weighed:
    names = [decision.run for decision in decisions]
    return _Weighed(
        np.array([decision.outcome for decision in decisions]),
        propensity,
        np.unique(np.array(names), return_inverse=True)[1] if names else np.zeros(0, dtype=np.int64),
        [decision.action for decision in decisions],
        [_would_do(policy, decision) for decision in decisions],
    )


def _covers(weight: np.ndarray, run: np.ndarray) -> bool:
    """Whether the weights' mean is 1 up to chance, as it must be where the propensities cover the policy."""
    counts = np.bincount(run)
    excess = np.bincount(run, weights=weight - 1)
    runs = len(counts)
    error = np.sqrt(((excess - excess.mean()) ** 2).sum() * runs / max(runs - 1, 1)) / counts.sum()
    return bool(abs(excess.sum() / counts.sum()) <= max(3 * error, 0.05))


def _would_do(policy: Policy, logged: LoggedDecision) -> dict[str, float]:
    """Probability of each action by its text, among those that the policy would have been offered."""
    if logged.imported:
        return _offer(policy, logged, {})
    why = {arm: _unmet(arm, logged.history) for arm in policy.arms if arm not in logged.previews}
    try:
        return _offer(policy, logged, {arm: reason for arm, reason in why.items() if reason})
    except _NotLoggedError:
        return _offer(policy, logged, dict.fromkeys(why, "its preview was not logged"))


def _offer(policy: Policy, logged: LoggedDecision, missing: Mapping[str, str]) -> dict[str, float]:
    offers = getattr(policy, "offers", None)
    wanted = (
        [Action(arm, float(m)) for arm in policy.arms for m in policy.multipliers]
        if offers is None
        else list(offers(logged.history))
    )
    offered = [action for action in wanted if action.stop or action.strategy not in missing]
    if not offered:
        return {}

    def features(strategy: str) -> np.ndarray:
        if logged.imported:
            return np.full(len(PROPOSAL), np.nan)
        if strategy not in logged.previews:
            raise _NotLoggedError(strategy)
        return logged.previews[strategy]

    actions = ActionSet(offered, features=features, feature_names=PROPOSAL, unavailable=missing, default=DEFAULT_ARM)
    try:
        decision = policy.decide(logged.history, actions).checked(actions)
    except UnavailableError:
        return {}  # in this state the policy could not have gone on
    return {str(a): float(p) for a, p in zip(actions, decision.probabilities, strict=True) if p > 0}


def _unmet(arm: str, history: History) -> str:
    """Which output that the strategy needs was not shown in that loop, as far as the logged series tell."""
    for need in get(arm).needs:
        if need in _SIGNS and not np.isfinite(history.last(_SIGNS[need])):
            return f"{need} was not shown"
    return ""
