"""What the policies did: shares of their runs by loop, and what single runs saw, did and gave as reason."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from metaal.reporting.reading import SCORES, Reading, words

ROOM = 900_000
"""Bytes of the page that single runs may take."""
MOST_ACTIONS = 9
"""Actions of one policy that are told apart in the shares by loop; the rest are "other"."""
GROUPS = {
    "overview": "what says most at a glance",
    "pool": "how sure the model is of the rows that are left",
    "churn": "what the last labels changed",
    "space": "where the labelled rows lie",
    "labels": "what was labelled so far",
    "query": "the rows that were asked for",
    "surprise": "how the new labels met the model's expectation",
    "committee": "how far the members disagree",
    "decision": "what the policy predicted",
    "action": "what was done",
    "cost": "what it took",
    "score": "scores on the guide split, which no policy sees while it decides",
    "user": "what was added by the user",
}
"""Groups of series, by the beginnings of their names, in words."""
OVERVIEW = (
    "pool.margin.mean",
    "pool.entropy.mean",
    "churn.label",
    "space.seen.mean",
    "labels.entropy",
    "surprise.gap.batch",
    "query.diversity",
    "query.overlap.default",
    "decision.advantage",
)


def share_data(reading: Reading) -> dict[str, Any]:
    """Share of each policy's runs that took an action, by loop.

    Returns
    -------
    dict
        By policy: ``actions`` (most frequent first), ``loops``, ``runs`` (that were still going on in each loop),
        ``shares`` (one row an action, in %). Policies that took no action have no entry.
    """
    out: dict[str, Any] = {}
    for policy in reading.policies:
        count: dict[int, Counter[str]] = defaultdict(Counter)
        for _, stream, actions in reading.taken(policy):
            for loop, action in zip(reading.column(policy, stream, "loop"), actions, strict=True):
                if action:
                    count[int(loop)][action] += 1
        if not count:
            continue
        total: Counter[str] = sum(count.values(), Counter())
        order = sorted(total, key=lambda name: (-total[name], name))
        kept, loops = order[:MOST_ACTIONS], sorted(count)
        runs = [count[loop].total() for loop in loops]
        rows = [[count[loop][name] for loop in loops] for name in kept]
        if len(order) > len(kept):
            rows.append([n - sum(column) for n, column in zip(runs, zip(*rows, strict=True), strict=True)])
            kept = [*kept, "other"]
        shares = [[round(100 * part / n, 1) for part, n in zip(row, runs, strict=True)] for row in rows]
        out[policy] = {"actions": kept, "loops": loops, "runs": runs, "shares": shares}
    return out


def run_data(reading: Reading, first: Mapping[str, float], *, room: int = ROOM) -> dict[str, Any]:
    """Single runs, loop by loop, as many as there is room for.

    Parameters
    ----------
    reading : Reading
    first : mapping of str to float
        Task → difference of the judged policy to its strongest rival: runs of the largest losses come first.
    room : int
        Bytes.

    Returns
    -------
    dict
        ``runs`` (policy, task, seed, cell, and by series the values) · ``texts`` (actions and reasons, which the runs
        refer to by place) · ``about`` (series → unit and meaning) · ``groups`` · ``all`` (runs that there are)
    """
    texts: dict[str, int] = {}
    runs: list[dict[str, Any]] = []
    used = 0
    order = sorted(reading.tasks, key=lambda task: first.get(task, 0.0))
    # A policy that decides is worth more room than one that always does the same, and one seed of each task comes
    # before the second of any.
    steady = {
        name: len({a for *_, actions in reading.taken(name) for a in actions if a}) < 2 for name in reading.policies
    }
    kinds = sorted(reading.policies, key=lambda policy: (policy != reading.main, steady[policy]))
    total = sum(len(reading.facts[task]["streams"]) for task in order) * len(kinds)
    depth = max((len(reading.facts[task]["streams"]) for task in order), default=0)
    for policy, seed, task in ((p, s, t) for p in kinds for s in range(depth) for t in order):
        streams = reading.facts[task]["streams"]
        if seed >= len(streams):
            continue
        known = len(texts)
        run = _run(reading, policy, task, streams[seed], texts)
        used += len(json.dumps(run, separators=(",", ":"))) + sum(len(text) + 3 for text in list(texts)[known:])
        if used > room and runs:
            break
        runs.append(run)
    about = _about({name for run in runs for name in run["series"]})
    return {"runs": runs, "texts": list(texts), "about": about, "groups": _groups(about), "all": total}


def _run(reading: Reading, policy: str, task: str, stream: str, texts: dict[str, int]) -> dict[str, Any]:
    fact, trace = reading.facts[task], reading.trace(policy, stream)
    curve = trace.curve
    series = {
        name: values
        for name in map(str, curve.columns)
        if name not in ("loop", "labels", "guide", *SCORES)
        and (values := _numbers(curve[name])) is not None
        and len({v for v in values if v is not None}) > 1
    }
    return {
        "policy": policy,
        "task": task,
        **{key: fact[key] for key in ("data", "learner", "regime", "batch")},
        "cell": stream.removeprefix(f"{task}~"),
        "loops": [int(loop) for loop in curve["loop"]],
        "labels": _numbers(curve["labels"]),
        "main": trace.main,
        "score": _numbers(curve[trace.main]),
        "guide": _numbers(curve["guide"]) if "guide" in curve else None,
        "action": [texts.setdefault(word, len(texts)) if word else None for word in words(curve, "action.name")],
        "reason": [texts.setdefault(word, len(texts)) if word else None for word in words(curve, "decision.reason")],
        "series": series,
    }


def _numbers(values: Any) -> list[float | None] | None:
    """Four digits are what an eye can tell apart in a chart."""
    if values.dtype.kind not in "fiu":
        return None
    return [_short(float(value)) for value in values]


def _short(value: float) -> float | None:
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _about(names: set[str]) -> dict[str, dict[str, str]]:
    from metaal.errors import InputError
    from metaal.statistics import describe

    out = {}
    for name in sorted(names):
        try:
            entry = describe(name)
            out[name] = {"unit": "" if entry.unit in ("1", "?") else entry.unit, "meaning": entry.meaning}
        except InputError:  # a score of a report, named by the user
            out[name] = {"unit": "", "meaning": ""}
    return out


def _groups(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    out = []
    for group, meaning in GROUPS.items():
        names = [name for name in OVERVIEW if name in about] if group == "overview" else []
        names = names or [name for name in about if name.startswith(f"{group}.")]
        if names:
            out.append({"name": group, "words": meaning, "series": names})
    known = {name for group in out for name in group["series"]}
    if rest := [name for name in about if name not in known]:
        out.append({"name": "other", "words": "the rest", "series": rest})
    return out
