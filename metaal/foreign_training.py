"""Train a policy on runs that another program logged.

Such logs hold no proposals, so the policy goes by the state alone. A first stage, which knows the actions by name, says
which one is best in a state; the members say what that one gains over the default, and the gate is measured on left-out
groups as everywhere. Every gain is doubly robust (see `metaal.robust`).
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.actions import Action, read_action
from metaal.boosting import MIN_BASE, Boosting, Evidence, Params, cross_gate, ranges
from metaal.curve import HORIZON
from metaal.errors import FitError, MetaalError
from metaal.features import PROPOSAL, action_features, state_names
from metaal.importing import canonical
from metaal.logs import Log
from metaal.policies.learned import Learned, first_features, untrained
from metaal.prices import Prices
from metaal.robust import Observed, brought, chances
from strategy_zoo import ZooError

MIN_DECISIONS = 60
"""Decisions with a known outcome below which nothing is trained."""
MIN_ACTION = 20
"""Decisions of an action below which nothing is said of it."""
MIN_SHARE = 0.05
"""Share of the states in which an action must look best to be learnt at all."""
ANY = 1e300
"""Edge of the range of a feature that no run logged: no tree reads it, so every value is inside."""
_NONE = np.full(len(PROPOSAL), np.nan)


@dataclass(frozen=True, eq=False)
class _Table:
    """Gains f8[N,K] of K actions over the default in N states, with the states, and the unit f8[N] of each one."""

    state: np.ndarray
    gain: np.ndarray
    unit: np.ndarray
    group: np.ndarray
    actions: tuple[str, ...]

    def only(self, kept: Sequence[str]) -> _Table:
        places = [self.actions.index(action) for action in kept]
        return _Table(self.state, self.gain[:, places], self.unit, self.group, tuple(kept))


def fit_imported(
    log: Log,
    *,
    default: str,
    prices: Prices,
    seed: int,
    params: Params | None = None,
    facts: dict[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Learned:
    """Train on the decisions of imported runs.

    Parameters
    ----------
    log : Log
        `metaal.logs.read_log(...).imported`.
    default : str
        Must have been taken in at least 40 of the decisions.
    prices, seed, params, progress
        As for `metaal.fit`.
    facts : dict, optional
        For the card.

    Returns
    -------
    Learned
        With fewer than 60 scored decisions, or one group, a warning is given and it always takes the default.

    Raises
    ------
    FitError
        The default, or everything else, is too rare in the logs; or they name a strategy that does not exist.
    """
    say = progress or (lambda text: None)
    decisions = log.decisions
    counts = Counter(decision.action for decision in decisions)
    groups = sorted({decision.group for decision in decisions})
    facts = {
        "trained on": f"{len(decisions)} decisions of {log.runs} imported runs in {len(groups)} groups",
        "seed": seed,
        **(facts or {}),
        "horizon": f"{HORIZON} batches of labels",
        "families": groups,
    }
    if log.unscored:
        facts["left out"] = f"{log.unscored} runs without two scored loops"
    if decisions:
        _check(counts, default)
    if len(decisions) < MIN_DECISIONS or len(groups) < 2:
        few = f"{len(decisions)} imported decisions have a known outcome, and at least {MIN_DECISIONS} are needed"
        one = "all imported runs are of one group, so no gain can be measured on left-out ones"
        advice = "import more runs" if len(decisions) < MIN_DECISIONS else "keep runs apart with groups='run'"
        why = few if len(decisions) < MIN_DECISIONS else one
        warnings.warn(f"{why}: the policy will always take {default}; {advice}", stacklevel=3)
        return untrained(default, prices, facts)
    rare = sorted(action for action, count in counts.items() if count < MIN_ACTION)
    if rare:
        facts["too rare"] = f"{', '.join(rare)}: fewer than {MIN_ACTION} decisions"
    say("estimating what each action would have brought")
    seen = Observed.of(decisions)
    others = sorted(action for action, count in counts.items() if action != default and count >= MIN_ACTION)
    outcome = brought(seen, [default, *others], default)
    logged = int(chances(seen)[1].sum())
    facts["propensities"] = f"logged for {logged} of {len(decisions)} decisions" + (
        "" if logged == len(decisions) else ", else estimated from the logged state: right if nothing else decided"
    )
    gain = outcome[:, 1:] - outcome[:, :1]
    table = _Table(seen.state, gain, _unit(gain, seen.group), seen.group, tuple(others))
    boosting = Boosting(params or Params(), seed)
    say("choosing the best action of each state")
    pick = _picks(boosting, table)
    kept = [action for k, action in enumerate(table.actions) if (pick == k).mean() >= MIN_SHARE]
    if len(kept) < len(table.actions):
        table = table.only(kept)
        pick = _picks(boosting, table)
    names = (default, *table.actions)
    x = np.stack([_features(s, read_action(names[1 + k])) for s, k in zip(table.state, pick, strict=True)])
    advantage = table.gain[np.arange(len(pick)), pick]
    target, weight = advantage / table.unit, np.ones(len(pick))
    group = np.array([decision.group for decision in decisions], dtype=str)
    digest = np.array([decision.digest for decision in decisions], dtype=str)
    say("measuring the gain on left-out groups")
    nothing = np.zeros(len(pick), dtype=bool)
    gate, report = cross_gate(boosting, Evidence(x, target, advantage, weight, group, digest, nothing), default)
    say("training")
    heads = {"advantage": boosting.members(x, target, weight, group)}
    if len(table.actions) > 1:
        heads["first"] = (boosting.train(*_stacked(table, np.arange(len(pick))), number=750),)
    seconds = np.array([decision.seconds for decision in decisions])
    if (seconds > 0).sum() >= 30:
        heads["fit"] = (boosting.train(seen.state[seconds > 0], np.log(seconds[seconds > 0]), number=900),)
    low, high = _ranges(x)
    return Learned(
        heads=heads,
        low=low,
        high=high,
        scale=float(np.median(table.unit)),
        gate=gate,
        actions=names,
        default=default,
        prices=prices,
        previews=1,
        facts=facts | report,
    )


def _check(counts: Counter[str], default: str) -> None:
    """Refuse logs that cannot say what is better than the default."""
    wrong = []
    for action in sorted(counts):
        try:
            canonical(action)
        except (ZooError, MetaalError) as error:
            wrong.append(f"  {action!r}: {error}")
    if wrong:
        raise FitError(
            "\n".join(
                ["imported runs name strategies that do not exist; import them with --strategy THEIRS=OURS:", *wrong]
            )
        )
    said = ", ".join(f"{action} ({count})" for action, count in counts.most_common(8))
    enough = counts.total() >= MIN_DECISIONS
    if counts[default] < (MIN_BASE if enough else 1):
        often = next((action for action, count in counts.most_common() if count >= MIN_BASE), None)
        raise FitError(
            f"the default {default} was taken in {counts[default]} of {counts.total()} imported decisions, and at "
            f"least {MIN_BASE} are needed to compare others with it; the logs hold {said}; "
            + (
                f"name another default: metaal.fit(..., default={often!r}), or metaal fit --default {often!r}"
                if often
                else "import more runs"
            )
        )
    if enough and not any(action != default and count >= MIN_ACTION for action, count in counts.items()):
        raise FitError(
            f"no action but the default {default} was taken in at least {MIN_ACTION} imported decisions ({said}), so "
            "there is nothing to compare; import runs of other strategies too"
        )


def _unit(gain: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Typical size f8[N] of the gains in each row's group, drawn towards that of all."""
    whole = float((gain**2).mean())
    if whole == 0:
        return np.ones(len(gain))
    square, count = np.bincount(group, weights=(gain**2).mean(1)), np.bincount(group)
    unit: np.ndarray = np.sqrt((square + 20 * whole) / (count + 20))[group]
    return unit


def _features(state: np.ndarray, action: Action) -> np.ndarray:
    return action_features(state, _NONE, _NONE, action)


def _stacked(table: _Table, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Input and target of the first stage: every action in some states."""
    actions = [read_action(text) for text in table.actions]
    x = [first_features(table.state[k], 1 + place, action) for place, action in enumerate(actions) for k in rows]
    return np.stack(x), (table.gain[rows] / table.unit[rows, None]).T.ravel()


def _picks(boosting: Boosting, table: _Table) -> np.ndarray:
    """The best action i8[N] of each state, by a first stage that never saw the state's group."""
    count = len(table.actions)
    out = np.zeros(len(table.gain), dtype=np.int64)
    if count < 2:
        return out
    for fold in boosting.folds(table.group):
        mine = np.isin(table.group, fold)
        model = boosting.train(*_stacked(table, np.flatnonzero(~mine)), number=750)
        guess = model.predict(_stacked(table, np.flatnonzero(mine))[0]).reshape(count, -1)
        out[mine] = guess.argmax(0)
    return out


def _ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The range f8[F] of each feature; of state features that no run logged, everything."""
    low, high = ranges(x)
    unread = np.isnan(low) & (np.arange(x.shape[1]) < len(state_names()))
    low[unread], high[unread] = -ANY, ANY
    return low, high
