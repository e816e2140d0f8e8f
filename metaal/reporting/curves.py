"""Learning curves for the page: every task and score on a grid of shares of the budget, thinned to fit a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from metaal.reporting.reading import SCORES, Reading, Score

ROOM = 1_300_000
"""Bytes of the page that curves may take."""
MOST, LEAST = 41, 7
"""Points of one curve, at best and at worst."""
BYTES = 5.2
"""Of one number in the page, about."""


def curve_data(reading: Reading, *, room: int = ROOM) -> dict[str, Any]:
    """Curves of all tasks, policies and scores, as whole numbers.

    Each curve has the same number of points, at equal shares of the labels between the start and the end of its task,
    so that the page can average whatever tasks a reader chooses. What does not fit is left out in this order: points
    down to `LEAST`; scores beside the main one; single data sets (then curves are means by learner and regime).

    Returns
    -------
    dict
        ``points`` · ``scores`` (name, words, axis, factor, digits, scale of the whole numbers, whether it can be
        averaged over data sets) · ``lines`` (one a task: data, family, learner, regime, batch, start, end, and by score
        the means and half-widths of the bands by policy, null where nothing was measured) · ``t`` (quantiles of
        Student's t by degrees of freedom) · ``note`` (what was left out, in words, or nothing)
    """
    from scipy.stats import t

    scores, tasks, note = reading.scores, list(reading.tasks), ""
    points = _points(len(tasks) * len(scores) * len(reading.policies), room)
    whole = points
    if points < LEAST:
        scores = [SCORES[name] for name in reading.mains]
        points = _points(len(tasks) * len(reading.policies), room)
        note = "Scores beside the main one were left out to keep this file small; the tables of the result have them. "
    pooled = points < LEAST
    points = max(LEAST, min(points, MOST))
    lines = [_line(reading, task, scores, MOST if pooled else points) for task in tasks]
    if pooled:
        lines = _pooled(lines, len(reading.policies))
        points = MOST
        note += "Curves are means over data sets by learner and regime: there are too many to show each one here. "
    elif whole < MOST:
        note += f"Curves are thinned to {points} points each. "
    scales = {score.name: _scale(score, lines) for score in scores}
    for line in lines:
        line["scores"] = {
            name: [[_whole(values, scales[name]) for values in pair] for pair in pairs]
            for name, pairs in line["scores"].items()
        }
    families = max((line["families"] for line in lines), default=1)
    return {
        "points": points,
        "pooled": pooled,
        "scores": [_about(score, scales[score.name]) for score in scores],
        "lines": lines,
        "t": [round(float(t.ppf(0.975, df)), 3) for df in range(1, max(len(reading.families), families, 2))],
        "note": note.strip(),
    }


def _points(curves: int, room: int) -> int:
    return int(room / (2 * BYTES * max(curves, 1)))


def _about(score: Score, scale: float) -> dict[str, Any]:
    keys = ("name", "words", "axis", "factor", "digits", "unit")
    return {**{key: getattr(score, key) for key in keys}, "scale": scale, "averaged": score.name != "rmse"}


def grid_curve(curves: Sequence[tuple[np.ndarray, np.ndarray]], grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the runs of one task and policy, and half of the width of its 95 % interval, at label counts ``grid``.

    Parameters
    ----------
    curves : sequence of (f8[T], f8[T])
        Labels and scores, one a seed.
    grid : f8[P]

    Returns
    -------
    mean, half : f8[P]
        NaN where some run had not begun or had ended; ``half`` is all NaN for a single run: it has no spread.
    """
    from scipy.stats import t

    values = np.stack([np.interp(grid, labels, score, left=np.nan, right=np.nan) for labels, score in curves])
    count = len(values)
    if count == 1:
        return values[0], np.full(len(grid), np.nan)
    return values.mean(0), t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count)


def _line(reading: Reading, task: str, scores: Sequence[Score], points: int) -> dict[str, Any]:
    fact = reading.facts[task]
    streams = fact["streams"]
    labels = [[reading.column(policy, stream, "labels") for stream in streams] for policy in reading.policies]
    start = max(float(x[0]) for own in labels for x in own)
    # A policy may stop early; the others' curves go on.
    end = max(min(float(x[-1]) for x in own) for own in labels)
    grid = np.linspace(start, end, points)
    there = reading.trace(reading.main, streams[0]).curve

    def drawn(policy: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(reading.column(policy, s, "labels"), reading.column(policy, s, name)) for s in streams]
        return grid_curve(pairs, grid)

    keys = ("data", "family", "learner", "regime", "batch")
    return {
        **{key: fact[key] for key in keys},
        "seeds": len(streams),
        "families": 1,
        "span": [round(start, 2), round(end, 2)],
        "scores": {
            score.name: [drawn(policy, score.name) for policy in reading.policies]
            for score in scores
            if score.name in there
        },
    }


def _pooled(lines: list[dict[str, Any]], policies: int) -> list[dict[str, Any]]:
    """Means over families of the means over their tasks, one line for each learner and regime."""
    from scipy.stats import t

    groups: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        groups[line["learner"], line["regime"]][line["family"]].append(line)
    out = []
    for (learner, regime), families in groups.items():
        names = {name for members in families.values() for line in members for name in line["scores"]}
        merged: dict[str, Any] = {}
        for name in sorted(names):
            pairs = []
            for k in range(policies):
                means = [
                    np.mean([line["scores"][name][k][0] for line in members if name in line["scores"]], axis=0)
                    for members in families.values()
                    if any(name in line["scores"] for line in members)
                ]
                values, count = np.stack(means), len(means)
                spread = values.std(0, ddof=1) if count > 1 else np.full(values.shape[1], np.nan)
                pairs.append((values.mean(0), t.ppf(0.975, max(count - 1, 1)) * spread / np.sqrt(count)))
            merged[name] = pairs
        out.append(
            {"data": "", "family": "", "learner": learner, "regime": regime, "batch": 0, "seeds": 0}
            | {"families": len(families), "span": [0, 100], "scores": merged}
        )
    return out


def _scale(score: Score, lines: Sequence[dict[str, Any]]) -> float:
    """Whole numbers per unit of the score: four digits after the point for shares, else four digits in all."""
    if score.name != "rmse":
        return 10_000.0
    values = [np.nanmax(np.abs(pair[0]), initial=0.0) for line in lines for pair in line["scores"].get(score.name, ())]
    most = float(np.nanmax(values, initial=0.0))
    return 10.0 ** (4 - np.ceil(np.log10(most))) if 0 < most < 1e300 else 1.0


def _whole(values: np.ndarray, scale: float) -> list[int | None]:
    return [round(float(value) * scale) if np.isfinite(value) else None for value in values]
