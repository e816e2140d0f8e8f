"""Train a policy offline, from logged runs alone.

Where runs were rehearsed with counterfactual branches, these are the evidence (see `branch_training`): every action was
tried in the very same state. Of plain runs, two kinds of evidence count:

- *siblings*: runs of one task that saw exactly the same outputs at a loop (equal digests) and then did different
  things. Their difference is a paired comparison under common random numbers, free of everything else.
- *plain decisions*: compared with what the default is expected to bring in such a state, as predicted by a model that
  never saw the task's group. They are noisier, and weigh in by the inverse of their variance.

Runs that were imported from other programs hold no proposals; see `metaal.foreign_training`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metaal.actions import DEFAULT_ARM, STOP, read_action
from metaal.boosting import MIN_BASE, Boosting, Evidence, Params, cross_gate, ranges
from metaal.errors import FitError
from metaal.features import PROPOSAL, action_features, action_names, state_features, state_names
from metaal.logs import HORIZON, Log, read_log
from metaal.policies.learned import Learned, untrained
from metaal.prices import Prices
from metadata_store import Store
from strategy_zoo import get

MIN_DECISIONS = 60
"""Decisions with a known outcome below which nothing is trained."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Logged decisions with their outcomes, one row each.

    Parameters
    ----------
    state : f8[N,S] · proposal, default : f8[N,P] · outcome, seconds : f8[N]
        Features, the chosen proposal's and the default's, and the mean score gained over the horizon.
    action, group, digest : U[N]
        Text of the action taken, the group it is kept together by, and the digest of what was shown.
    """

    state: np.ndarray
    proposal: np.ndarray
    default: np.ndarray
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
            [
                action_features(self.state[k], self.proposal[k], self.default[k], read_action(str(self.action[k])))
                for k in rows
            ]
        ).reshape(len(rows), len(action_names()))

    def usual(self, rows: np.ndarray, default: str) -> np.ndarray:
        """Model input f8[n,F] of the default's own action in the states of some rows."""
        action = read_action(default)
        return np.stack(
            [action_features(self.state[k], self.default[k], self.default[k], action) for k in rows]
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
    base: Learned | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Learned:
    """Train a policy on the runs of a store, or refine one that was trained elsewhere.

    Parameters
    ----------
    store : Store
        Runs logged by `metaal.Run`. A run counts if ``tell`` was given scores; runs of one task that branch from the
        same state teach most. Or runs imported from another program, with action.name, labels.count and the score.
    prices : Prices, optional
        What the policy will optimise; kept with it.
    groups : str
        Which fact of the runs keeps them together when the gain is measured on left-out data: ``"task"``, the name
        of a tag, or ``"run"``, every run by itself.
    seed : int
    default : str
        The action that the policy takes unless another one is predicted to be better with confidence. Imported runs
        must have taken it, too.
    score : str or mapping
        Logged series to learn from, or several with weights (each is standardised), such as
        ``{"score.value": 0.6, "score.log_loss": -0.4}``.
    params : Params, optional
        Of the boosting.
    base : Learned or str, optional
        A policy to refine, such as ``"learned"``: with few runs the result is near to it, with many they decide. Its
        default action stays, and so do its prices unless others are given. Imported runs cannot refine it, for want of
        proposals.
    progress : callable, optional
        Called with a line of text before each step.

    Returns
    -------
    Learned
        With fewer than 60 scored decisions a warning is given, and the policy always takes the default.

    Raises
    ------
    FitError
        The store has no run of metaal's and no imported one that names its strategies, or ``groups`` or ``score`` names
        nothing that was logged, or the default was not.
    """
    if base is not None:
        return _refined(
            base, store, prices, groups=groups, seed=int(seed), score=score, params=params, progress=progress
        )
    prices = prices or Prices()
    say = progress or (lambda text: None)
    default, seed = get(default).spelling, int(seed)
    say("reading the logged runs")
    if has_branches(store):
        from metaal.branch_training import fit_branched
        from metaal.branched import read_branched

        scores = None if score == "score.value" else _branch_scores(score)
        return fit_branched(
            read_branched(store), default=default, prices=prices, seed=seed, params=params, scores=scores, progress=say
        )
    log = read_log(store, groups=groups, score=score, default=default)
    decisions = merged(read_decisions(log, default))
    named = score if isinstance(score, str) else {name: float(weight) for name, weight in score.items()}
    if log.imported is not None and _by_imported(log, len(decisions)):
        from metaal.foreign_training import fit_imported

        return fit_imported(
            log.imported,
            default=default,
            prices=prices,
            seed=seed,
            params=params,
            facts={"score": named},
            progress=say,
        )
    facts: dict[str, Any] = {
        "trained on": f"{len(decisions)} decisions of {decisions.runs} runs in {len(set(decisions.group))} groups",
        "seed": seed,
        "score": named,
        "horizon": f"{HORIZON} batches of labels",
        "families": sorted(set(map(str, decisions.group))),
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
    gate, report = cross_gate(
        boosting,
        Evidence(x, target, advantage, weight, group, decisions.digest[rows], np.arange(len(rows)) < paired),
        default,
    )
    facts |= {"paired comparisons": int(paired), **report}
    say("training")
    members = boosting.members(x, target, weight, group)
    seconds = boosting.seconds(decisions)
    taken = sorted(set(decisions.action[rows].tolist()) - {str(STOP)})
    heads = {"advantage": members} | ({"fit": (seconds,)} if seconds is not None else {})
    low, high = ranges(x)
    return Learned(
        heads=heads,
        low=low,
        high=high,
        scale=scale,
        gate=gate,
        actions=tuple(dict.fromkeys([default, *taken])),
        default=default,
        prices=prices,
        facts=facts,
    )


def _by_imported(log: Log, own: int) -> bool:
    """Whether to train on the imported runs: not where metaal's own are enough, since their proposals tell more.

    The two cannot be mixed: where no proposal tells actions apart, the same model would learn only their mean.
    """
    if log.imported is None:
        return False
    few = own < MIN_DECISIONS
    if log.runs:
        warnings.warn(
            f"the store holds {log.imported.runs} imported runs and {log.runs} of metaal's, which cannot train one "
            f"policy together: {'those of metaal' if few else 'the imported ones'} are left out. Keep them in stores "
            "of their own, fit the imported ones, and refine the result with the others: base=",
            stacklevel=3,
        )
    return few


def _refined(base: Learned | str, store: Store, prices: Prices | None, **options: Any) -> Learned:
    from metaal.policies import read_policy
    from metaal.refining import refine

    policy = read_policy(base) if isinstance(base, str) else base
    if not isinstance(policy, Learned):
        raise FitError(f"base: {base!r} is not a learned policy; pass 'learned', a .metaal file or what fit() returned")
    refined = refine(policy, store, **options)
    if refined is policy and any(store.runs()):
        log = read_log(store, groups=options["groups"], score=options["score"], default=policy.default)
        if log.imported is not None:
            raise FitError(
                f"base: the {log.imported.runs} imported runs hold no proposals, which a policy is refined by; fit "
                "them without base"
            )
    return refined if prices is None else refined.at(prices)


def has_branches(store: Store) -> bool:
    """Whether runs of the store were rehearsed with counterfactual branches."""
    return "branch.action" in store.dataset().schema.names


def _branch_scores(score: Mapping[str, float] | str) -> dict[str, float]:
    """Scores of branches by the names that runs have for them; of their leads, more is better for losses as well."""
    from metaal.rehearsal.outcomes import LOWER_IS_BETTER

    weights = {score: 1.0} if isinstance(score, str) else dict(score)
    names = {"score.value": "accuracy"}
    plain = {names.get(name, name.removeprefix("score.")): float(weight) for name, weight in weights.items()}
    return {name: -weight if name in LOWER_IS_BETTER else weight for name, weight in plain.items()}


def read_decisions(log: Log, default: str) -> Decisions:
    """The log's decisions as arrays."""
    rows = log.decisions
    width = len(PROPOSAL)
    return Decisions(
        state=np.array([state_features(d.history) for d in rows]).reshape(len(rows), len(state_names())),
        proposal=np.array([d.previews[d.strategy] for d in rows]).reshape(len(rows), width),
        default=np.array([d.previews[default] for d in rows]).reshape(len(rows), width),
        outcome=np.array([d.outcome for d in rows]),
        seconds=np.array([d.seconds for d in rows]),
        action=np.array([d.action for d in rows], dtype=str),
        group=np.array([d.group for d in rows], dtype=str),
        digest=np.array([d.digest for d in rows], dtype=str),
        runs=log.runs,
        unscored=log.unscored,
    )


def merged(decisions: Decisions) -> Decisions:
    """The decisions with those of siblings that did the same thing in the same state made one, outcomes averaged.

    Ten siblings that share a prefix log its decisions ten times; counted ten times they would drown all others.
    """
    parts = (decisions.group, decisions.digest, decisions.action)
    key = np.array(["\x1f".join(words) for words in zip(*parts, strict=True)], dtype=str)
    _, first, place, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=decisions.outcome, minlength=len(first)) / count
    rows = np.sort(first)
    columns: dict[str, Any] = {k: value[rows] for k, value in vars(decisions).items() if isinstance(value, np.ndarray)}
    return replace(decisions, **{**columns, "outcome": mean[place[rows]]})


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
    is_default = decisions.action == default
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
