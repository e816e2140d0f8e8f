"""What the choices of a policy bring on families that it never saw, and how far it is trusted for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaal.boosting import GATES, MIN_GROUPS, UNSURE, Gain, means_by
from metaal.branch_targets import Task

MOST_LIMITS = 8
"""Batches that are tried as the largest."""


def limits_of(batch: np.ndarray) -> tuple[float, ...]:
    """Batches up to which another strategy might be worth it: between those that occurred, and without end."""
    occurred = np.unique(np.round(batch[np.isfinite(batch)]))
    if len(occurred) > MOST_LIMITS:
        occurred = np.unique(np.quantile(occurred, np.linspace(0, 1, MOST_LIMITS), method="nearest"))
    return (*np.sqrt(occurred[:-1] * occurred[1:]).tolist(), float("inf"))


def within(mean: np.ndarray, task: Task, largest: float) -> np.ndarray:
    """Advantages f8[n] with nothing to be gained in batches above ``largest`` rows."""
    return np.where(task.batch > largest, 0.0, mean)


def chosen_limit(
    mean: np.ndarray, deviation: np.ndarray, task: Task, limits: Sequence[float], gate: float
) -> tuple[float, dict[str, Any]]:
    """The smallest limit whose gain on left-out families is within a standard error of the best one's.

    That is the rule by which trees are pruned (Breiman, Friedman, Olshen and Stone 1984, Classification and Regression
    Trees): a larger batch must have shown that it gains.
    """
    gains = np.stack([family_gains(within(mean, task, limit), deviation, task, gate)[0] for limit in limits])
    less = gains - gains[gains.mean(1).argmax()]
    error = less.std(1, ddof=1) / np.sqrt(less.shape[1])
    told = {f"{k:.3g}": f"{100 * g.mean():+.3f} pp" for k, g in zip(limits, gains, strict=True)}
    return limits[int(np.flatnonzero(less.mean(1) >= -error)[0])], {"left-out gain by largest batch": told}


def family_gains(mean: np.ndarray, deviation: np.ndarray, task: Task, gate: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean lead f8[families] of the choices among plain actions, and their rows i8[states]."""
    names, group = np.unique(task.group, return_inverse=True)
    rows, lead = choices(mean, deviation, task, gate)
    return means_by(group[rows], lead, len(names)), rows


def chosen_gate(
    mean: np.ndarray, deviation: np.ndarray, task: Task, gates: Sequence[float] = GATES, limits: int = 1
) -> tuple[float, dict[str, Any]]:
    """The gate whose choices among plain actions gain most on left-out families, if that is surely above nought.

    ``limits`` is of how many limits one was chosen before.
    """
    best: tuple[float, Gain] | None = None
    tried = {}
    for gate in gates:
        each, first = family_gains(mean, deviation, task, gate)
        gain = Gain.of(each, len(gates) * limits)
        taken = float((~task.default[first]).mean())
        tried[f"{gate:g}"] = f"{gain}, deviates in {taken:.0%} of states"
        if gain.carried >= MIN_GROUPS and gain.bound > 0 and (best is None or gain.mean > best[1].mean):
            best = gate, gain
    report: dict[str, Any] = {"left-out gain by gate": tried}
    if best is None:
        report["left-out gain"] = UNSURE
        return float("inf"), report
    report["left-out gain"] = f"{best[1]} a decision ({len(np.unique(task.group))} families)"
    return best[0], report


def choices(mean: np.ndarray, deviation: np.ndarray, task: Task, gate: float) -> tuple[np.ndarray, np.ndarray]:
    """Row i8[states] of the plain action that each state takes, and its lead f8[states] on the default."""
    lower = np.where(task.plain, mean - gate * deviation, -np.inf)
    value = np.where(task.default, 0.0, np.where(lower > 0, mean, -np.inf))
    order = np.lexsort((-value, task.state))
    first = order[np.unique(task.state[order], return_index=True)[1]]
    return first, np.where(np.isfinite(value[first]), np.nan_to_num(task.lead[first]), 0.0)


def calibrated(mean: np.ndarray, task: Task) -> tuple[float, str]:
    """Score that one unit of prediction stands for: slope, through the origin, of plain actions' left-out leads."""
    ok = task.plain & ~task.default & np.isfinite(task.lead)
    square = float((mean[ok] ** 2).sum())
    slope = float((mean[ok] * task.lead[ok]).sum() / square) if square > 0 else 0.0
    slope = max(slope, 1e-4)
    fit = 1 - float(((task.lead[ok] - slope * mean[ok]) ** 2).sum() / (task.lead[ok] ** 2).sum())
    return slope, f"one unit is {100 * slope:.2f} pp; R² of left-out leads {fit:.3f}"
