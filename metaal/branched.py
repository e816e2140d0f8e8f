"""What rehearsed branches teach: every action tried at a state, with its features, lead on the default and costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaal.actions import Action, read_action
from metaal.errors import FitError
from metaal.features import PROPOSAL, action_features, state_features, state_names
from metaal.history import History
from metaal.logs import at_decision
from metaal.policies.learned import AHEAD
from metaal.policies.weighing import SHORT, Horizon
from metaal.rehearsal.following import leads
from metaal.rehearsal.outcomes import LOWER_IS_BETTER
from metaal.state import RunState
from metadata_store import Record, Store

PHASES = ("fit", "score", "select")


@dataclass(frozen=True, eq=False)
class Branched:
    """Branches of many states, one row an action.

    Parameters
    ----------
    x : f4[n,F]
        Features, see `metaal.features.action_names`.
    action : U[n]
        Texts.
    lead : dict of str to f8[n]
        Score → lead on the default at the same labels, mean over the branch (more is better); ``h1.`` in front: after
        the action's own batch alone.
    seconds : dict of str to f8[n]
        Phase → seconds of the action, and ``last.fit``, ``last.score`` of the loop before.
    state, group : i8[n], U[n]
        Number of the state that a row belongs to, and the data-set family of its run.
    context : dict of str to U[n]
        Learner, regime, run and the policy that played it.
    ahead : f8[n,K]
        Points (0 to 1) of the main score gained by the default after `AHEAD` batches; NaN where it did not go so far.
    horizon : Horizon
        Over what leads are means.
    """

    x: np.ndarray
    action: np.ndarray
    lead: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    state: np.ndarray
    group: np.ndarray
    context: dict[str, np.ndarray]
    ahead: np.ndarray
    horizon: Horizon = SHORT

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, keep: np.ndarray) -> Branched:
        """Some of the rows."""
        return Branched(
            self.x[keep],
            self.action[keep],
            {name: values[keep] for name, values in self.lead.items()},
            {name: values[keep] for name, values in self.seconds.items()},
            self.state[keep],
            self.group[keep],
            {name: values[keep] for name, values in self.context.items()},
            self.ahead[keep],
            self.horizon,
        )


def joined(parts: Sequence[Branched]) -> Branched:
    """The rows of several stores, one after another; at least one part.

    Raises
    ------
    FitError
        Their leads are over different horizons.
    """
    horizons = {part.horizon for part in parts}
    if len(horizons) > 1:
        raise FitError(f"branches of different plans: {' and '.join(sorted(map(str, horizons)))}; train on one of them")

    def table(name: str) -> dict[str, np.ndarray]:
        tables: list[dict[str, np.ndarray]] = [getattr(part, name) for part in parts]
        keys = dict.fromkeys(key for found in tables for key in found)
        empty = [np.full(len(part), np.nan) for part in parts]
        return {key: np.concatenate([f.get(key, e) for f, e in zip(tables, empty, strict=True)]) for key in keys}

    starts = np.cumsum([0, *(int(part.state.max()) + 1 for part in parts)])
    return Branched(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.action for part in parts]),
        table("lead"),
        table("seconds"),
        np.concatenate([part.state + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.group for part in parts]),
        table("context"),
        np.concatenate([part.ahead for part in parts]),
        parts[0].horizon,
    )


def read_branched(
    store: Store, *, kind: str = "classification", progress: Callable[[int, int], None] | None = None
) -> Branched:
    """Every branch of the store's runs of one kind, in the order of the runs' names.

    Raises
    ------
    FitError
        There is none, or there are some of different plans.
    """
    rows: list[dict[str, Any]] = []
    names = sorted(store.runs())
    states = 0
    for done, name in enumerate(names, start=1):
        records = store.records(name)
        if not records or str(records[0].values.get("tag.kind", "classification")) != kind:
            continue
        for found in _states(records):
            rows += [{**row, "state": states} for row in found]
            states += 1
        if progress is not None:
            progress(done, len(names))
    if not rows:
        raise FitError(f"the store holds no branches of {kind} runs; make some with metaal rehearse")
    horizons = {row["horizon"] for row in rows}
    if len(horizons) > 1:
        raise FitError(
            f"the store holds branches of different plans: {' and '.join(sorted(map(str, horizons)))}; rehearse each "
            "plan into a store of its own"
        )
    return _stacked(rows)


def _stacked(rows: list[dict[str, Any]]) -> Branched:
    def column(name: str, kind: Any = np.float64) -> np.ndarray:
        return np.array([row[name] for row in rows], dtype=kind)

    def table(name: str) -> dict[str, np.ndarray]:
        keys = dict.fromkeys(key for row in rows for key in row[name])
        return {key: np.array([row[name].get(key, np.nan) for row in rows], dtype=np.float64) for key in keys}

    return Branched(
        x=np.stack([row["x"] for row in rows]).astype(np.float32),
        action=column("action", str),
        lead=table("lead"),
        seconds=table("seconds"),
        state=column("state", np.int64),
        group=column("group", str),
        context={name: column(name, str) for name in ("learner", "regime", "run", "policy")},
        ahead=np.stack([row["ahead"] for row in rows]),
        horizon=rows[0]["horizon"],
    )


def _states(records: list[Record]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each state of one run."""
    branches: dict[int, list[Record]] = {}
    for record in records:
        if record.event == "branch":
            branches.setdefault(record.loop, []).append(record)
    if not branches:
        return
    begin = records[0].values
    folded = RunState()
    facts = {
        "group": str(begin["run.task"]),
        "learner": str(begin.get("tag.learner", "")),
        "regime": str(begin.get("tag.regime", "clean")),
        "run": records[0].run,
        "policy": str(begin.get("run.policy", "")),
    }
    for record in records:
        if record.event == "ask" and record.loop in branches:
            rows = _of_state(folded, record, branches[record.loop])
            if rows:
                yield [{**facts, **row} for row in rows]
        if record.event != "branch":
            folded.apply(record)


def history_at(folded: RunState, ask: Record) -> History:
    """What a policy was shown when it decided ``ask``."""
    before = folded.history()
    return History(
        [*folded.open_rows[: ask.loop], at_decision(ask)],
        actions=before.actions,
        propensities=before.propensities.tolist(),
    )


def _of_state(folded: RunState, ask: Record, branches: list[Record]) -> list[dict[str, Any]]:
    made = {read_action(str(record.values["branch.action"])): record for record in branches}
    usual = made.get(Action(str(branches[0].values["branch.default"])))
    if usual is None:
        return []
    state = state_features(history_at(folded, ask))
    base = np.asarray(usual.arrays["branch.features"], dtype=np.float64)
    if base.shape != (len(PROPOSAL),) or len(state) != len(state_names()):
        raise FitError(
            f"run {ask.run!r}: branches were logged with {len(base)} features of a proposal, this version reads "
            f"{len(PROPOSAL)}; rehearse again, or train with the version that logged them"
        )
    curves = _curves(usual)
    last = folded.rows[ask.loop - 1] if ask.loop else {}
    out = []
    for action, record in made.items():
        own = np.asarray(record.arrays["branch.features"], dtype=np.float64)
        out.append(
            {
                "x": action_features(state, own, base, action),
                "action": str(action),
                "lead": _leads(_curves(record), curves, int(record.values["branch.horizon"])),
                "seconds": {
                    **{phase: float(record.values[f"branch.{phase}.seconds"]) for phase in PHASES},
                    **{f"last.{phase}": last.get(f"cost.{phase}.seconds", np.nan) for phase in PHASES},
                },
                "ahead": _ahead(curves),
                "horizon": Horizon(int(record.values["branch.horizon"]), int(record.values.get("branch.commit", 1))),
            }
        )
    return out


def _curves(record: Record) -> dict[str, np.ndarray]:
    """Labels and scores f8[H+1] along a branch, by name; losses are turned round, so that more is better."""
    steps = 0
    while f"branch.h{steps + 1}.labels" in record.values:
        steps += 1
    names = [name.removeprefix("branch.h0.") for name in record.values if name.startswith("branch.h0.")]
    curves = {name: np.array([float(record.values[f"branch.h{h}.{name}"]) for h in range(steps + 1)]) for name in names}
    return {name: -curve if name in LOWER_IS_BETTER else curve for name, curve in curves.items()}


def _leads(mine: Mapping[str, np.ndarray], usual: Mapping[str, np.ndarray], horizon: int) -> dict[str, float]:
    labels, at = mine["labels"][: horizon + 1], usual["labels"]
    out = {}
    for name, curve in mine.items():
        if name == "labels" or labels[-1] > at[-1]:
            continue
        out[name], out[f"h1.{name}"] = map(float, leads(labels, curve[: horizon + 1], at, usual[name])[:2])
    return out


def _ahead(curves: Mapping[str, np.ndarray]) -> np.ndarray:
    main = curves["accuracy"] if "accuracy" in curves else curves["r2"]
    return np.array([main[h] - main[0] if h < len(main) else np.nan for h in AHEAD])
