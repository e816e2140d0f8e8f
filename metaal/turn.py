"""The computing of one ask: observe the outputs, let the policy decide, draw, and select the rows.

Nothing here has a side effect: what it finds lies in ``values`` and ``arrays``, and the run writes them as one record.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metaal import observe
from metaal.actions import STOP, Action, ActionSet, Decision, Policy
from metaal.errors import PolicyError, UnavailableError
from metaal.features import PROPOSAL, proposal_features
from metaal.history import History
from metaal.query import Query
from metaal.randomness import generator
from metaal.sketch import REFERENCE, Sketch
from metaal.state import RunState, label_columns
from strategy_zoo import Proposal, View, get, propose, unmet

PREVIEW = 3_000
"""Rows above which candidates are previewed on a sample of the pool; the chosen one selects from all of it. Policies
learn from pools of this size at most, and what a preview costs ends here."""


@dataclass
class Turn:
    """One ask in the making.

    Parameters
    ----------
    state : RunState
        The run so far; read only.
    seed, stream, default, budget
        Settings of the run.
    n : int
        Rows the caller wants.
    view : View
        Outputs of the candidates.
    ids : (U,) array
        Their keys.
    scored : int
        Rows that the caller computed outputs for.
    unscored : int
        Further rows of the pool.
    """

    state: RunState
    seed: int
    stream: str
    default: str
    budget: int | None
    n: int
    view: View
    ids: np.ndarray
    scored: int
    unscored: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = self.state.loop + 1
        self.base = min(self.n, self.view.n)
        self._proposals: dict[tuple[str, int], Proposal] = {}
        self._sampled: tuple[np.ndarray, View] | None = None
        self._default_rows: np.ndarray | None = None
        self._default_possible = unmet(get(self.default), self.view) is None
        if self.view.classes is not None:
            self.arrays["classes"] = np.array(self.view.classes)

    # -------------------------------------------------------------- observe

    def observe(self) -> None:
        """Compute this loop's statistics, and keep the reference rows that the next loop compares with."""
        started = time.perf_counter()
        state, view = self.state, self.view
        reference, before = self._reference()
        kept = 0 if before is None else len(before)
        self.sketch = Sketch(view, generator(self.seed, self.stream, self.loop, "sketch"), reference)
        self.label_shares = self._label_shares()
        self.values |= observe.observe_pool(self.sketch, self.label_shares)
        told = float(len(state.labels))
        count = next((float(len(x)) for x in (view.seen_y, view.seen_embedding) if x is not None), told)
        self.values |= {
            "labels.count": count,
            "labels.told": told,
            "labels.share": count / (count + view.n + self.unscored),
            "pool.size": float(view.n + self.unscored),
            "loop.batch": float(self.n),
            "loop.since.first": float(self.loop),
            "oracle.waiting": float(len(state.waiting)),
            "cost.rows.scored": float(self.scored),
        }
        self.arrays["reference.ids"] = self.ids[self.sketch.reference]
        if view.proba is not None:
            now = view.proba[self.sketch.reference].astype(np.float32)
            self.arrays["reference.proba"] = now
            if before is not None:
                self.values |= observe.observe_churn(before, now[:kept].astype(np.float64))
        self.values["cost.observe.seconds"] = time.perf_counter() - started

    def _reference(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Rows to follow, and what the model said of the first of them in the last loop.

        Labelled rows leave the subset, and those that were not scored this time. When half is gone, others join it;
        when too few are left to say anything of churn, it pauses for a loop.
        """
        if not self.state.asks:
            return None, None
        last = self.state.asks[-1].arrays
        still = np.flatnonzero(np.isin(self.ids, last["reference.ids"]))
        place = {key: int(row) for key, row in zip(self.ids[still].tolist(), still, strict=True)}
        kept = [(k, place[key]) for k, key in enumerate(last["reference.ids"].tolist()) if key in place]
        if len(kept) < min(REFERENCE // 4, len(self.ids)):
            return None, None
        positions, rows = np.array([k for k, _ in kept]), np.array([row for _, row in kept])
        if len(kept) < min(REFERENCE // 2, len(self.ids)):
            others = np.setdiff1d(np.arange(len(self.ids)), rows)
            rng = generator(self.seed, self.stream, self.loop, "reference")
            fresh = rng.choice(others, min(REFERENCE - len(rows), len(others)), replace=False)
            rows = np.concatenate([rows, np.sort(fresh)])
        proba = last.get("reference.proba")
        return rows, None if proba is None else proba[positions].astype(np.float64)

    def _label_shares(self) -> np.ndarray | None:
        view = self.view
        # a private store keeps no labels: None after a resume
        told = [label for label in self.state.labels.values() if label is not None]
        labels = view.seen_y if view.seen_y is not None else told
        if view.proba is None or not len(labels):
            return None
        width = view.proba.shape[1]
        if view.seen_y is not None and view.classes is not None:
            columns: np.ndarray | None = view.seen_y  # columns already
        else:
            columns = label_columns(np.asarray(labels), view.classes, width)
        if columns is None or not (columns >= 0).any():
            return None
        return np.bincount(columns[columns >= 0], minlength=width) / len(columns)

    # --------------------------------------------------------------- choose

    def choose(self, policy: Policy) -> Query:
        """Let the policy decide, draw the action, and select the rows."""
        started = time.perf_counter()
        actions, decision = self._decide(policy)
        p = np.asarray(decision.probabilities, dtype=np.float64)
        drawn = int(generator(self.seed, self.stream, self.loop, "draw").choice(len(actions), p=p / p.sum()))
        action, reason = actions[drawn], decision.reason
        decided = time.perf_counter()
        chosen = None if action.stop else self._proposal(action.strategy, self._count(action))
        rows = np.zeros(0, dtype=np.int64) if chosen is None else chosen.rows
        self._describe(actions, action, rows)
        stop = action.stop
        if not stop and len(rows) == self.view.n and not self.unscored:
            stop = True
            reason = f"the last {self.view.n} rows fit into one batch, so there is nothing left to choose ({reason})"
        self.values |= {
            "action.name": str(action),
            "action.strategy": action.strategy,
            "action.multiplier": action.multiplier,
            "action.share": action.share,
            "action.refit": action.refit,
            "action.stop": bool(stop),
            "action.propensity": float(p[drawn]),
            "action.entropy": float(-(p[p > 0] * np.log(p[p > 0])).sum()) + 0.0,
            "decision.reason": reason,
            "cost.decide.seconds": decided - started,
            "cost.select.seconds": time.perf_counter() - decided,
        }
        for name, array in (("advantage", decision.advantage), ("lower", decision.lower)):
            if array is not None and np.isfinite(array[drawn]):
                self.values[f"decision.{name}"] = float(array[drawn])
        previews = actions.previewed
        self.arrays |= {
            "query.ids": self.ids[rows],
            "query.part": np.zeros(0, np.int64) if chosen is None else chosen.part,
            "query.score": np.zeros(0) if chosen is None else chosen.score,
            "actions": np.array([str(a) for a in actions], dtype=str),
            "actions.probability": p,
            "preview.strategy": np.array(list(previews), dtype=str),
            "preview.features": np.array(list(previews.values())).reshape(len(previews), len(PROPOSAL)),
        }
        for name in ("proba", "label_proba"):
            shown = getattr(self.view, name)
            if shown is not None:
                self.arrays[f"query.{name}"] = shown[rows]
        return Query(
            self.ids[rows],
            self.loop,
            stop,
            str(action),
            reason,
            float(p[drawn]),
            rows,
            self.arrays["query.part"],
            self.arrays["query.score"],
            action.share,
            action.refit,
        )

    def _decide(self, policy: Policy) -> tuple[ActionSet, Decision]:
        if self.budget is not None and self.state.spent >= self.budget:
            actions = self._offered([STOP], {})
            return actions, Decision(np.ones(1), f"the budget of {self.budget} labels is spent")
        # A user's validation score stays out: labels for it are not free, so no policy may come to depend on it.
        past = self.state.open_rows[: self.loop]
        history = History(
            [*past, {name: float(value) for name, value in self.values.items()}],
            actions=[str(ask.values["action.name"]) for ask in self.state.asks],
            propensities=[float(ask.values["action.propensity"]) for ask in self.state.asks],
        )
        actions = self._action_set(policy, history)
        return actions, policy.decide(history, actions).checked(actions)

    def _action_set(self, policy: Policy, history: History) -> ActionSet:
        """What the policy may choose among: its offers, or the product of its arms and multipliers."""
        why = {arm: unmet(get(arm), self.view) for arm in policy.arms}
        unavailable = {arm: reason for arm, reason in why.items() if reason is not None}
        offers = getattr(policy, "offers", None)
        if offers is None:
            wanted = [Action(arm, float(multiplier)) for arm in policy.arms for multiplier in policy.multipliers]
        else:
            wanted = list(offers(history))
            strange = [str(action) for action in wanted if not action.stop and action.strategy not in why]
            if strange:
                raise PolicyError(
                    f"policy {policy.spelling}: offers {strange[0]!r}, whose strategy is not among its arms "
                    f"({', '.join(policy.arms)})"
                )
        actions = [action for action in wanted if action.stop or action.strategy not in unavailable]
        if not actions or (unavailable and all(action.stop for action in actions)):
            raise UnavailableError(
                f"policy {policy.spelling}: none of its strategies can run on these outputs ("
                + "; ".join(f"{name}: {why}" for name, why in unavailable.items())
                + ")"
            )
        return self._offered(actions, unavailable)

    def _offered(self, actions: list[Action], unavailable: dict[str, str]) -> ActionSet:
        return ActionSet(
            actions,
            features=self._features,
            feature_names=PROPOSAL,
            unavailable=unavailable,
            default=self.default,
        )

    def _count(self, action: Action) -> int:
        count = min(max(1, round(self.n * action.multiplier)), self.view.n)
        return count if self.budget is None else min(count, self.budget - self.state.spent)

    def _proposal(self, spelling: str, count: int) -> Proposal:
        if (spelling, count) not in self._proposals:
            rng = generator(self.seed, self.stream, self.loop, f"strategy:{spelling}")
            self._proposals[spelling, count] = propose(get(spelling), self.view, count, rng)
        return self._proposals[spelling, count]

    def _preview(self, spelling: str) -> np.ndarray:
        """Rows that a strategy would ask for at the caller's batch size; on large pools, out of a sample of the
        pool."""
        if self.view.n <= PREVIEW:
            return self._proposal(spelling, self.base).rows
        if self._sampled is None:
            rng = generator(self.seed, self.stream, self.loop, "preview")
            rows = np.sort(rng.choice(self.view.n, max(PREVIEW, self.base), replace=False))
            self._sampled = rows, self.view.take(rows)
        rows, view = self._sampled
        rng = generator(self.seed, self.stream, self.loop, f"preview:{spelling}")
        return rows[propose(get(spelling), view, self.base, rng).rows]

    def _features(self, spelling: str) -> np.ndarray:
        if self._default_rows is None and self._default_possible:
            self._default_rows = self._preview(self.default)
        return proposal_features(
            self.sketch,
            self._preview(spelling),
            default_rows=self._default_rows,
            label_shares=self.label_shares,
        )

    def _describe(self, actions: ActionSet, action: Action, rows: np.ndarray) -> None:
        """Log the previews of the default and of the chosen strategy, whoever decided: logs must be able to train."""
        if self._default_possible:
            actions.features(self.default)
        if not action.stop:
            overlap = float(actions.features(action.strategy)[PROPOSAL.index("overlap.default")])
            self.values |= observe.observe_query(self.sketch, rows)
            if np.isfinite(overlap):
                self.values["query.overlap.default"] = overlap
