"""Whether the gains that a policy predicted came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.actions import DEFAULT_ARM
from metaal.logs import HORIZON
from metaal.reporting.reading import Reading

if TYPE_CHECKING:
    import pandas

COLUMN = "decision.advantage"
BINS = 6
FEWEST = 8
"""Decisions in a group below which no mean is shown."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted against realised gains of one policy, in points (hundredths of the main score).

    Parameters
    ----------
    policy : str
    decisions : DataFrame
        One a decision that took another action than the default: ``family``, ``task``, ``stream``, ``loop``,
        ``predicted``, ``realised``.
    bins : DataFrame
        Groups of about equal size by prediction: ``predicted``, ``realised`` (means), ``low``, ``high`` (95 % interval
        of the mean; decisions of one run are not independent, so it is too narrow rather than too wide), ``n``.
    stayed : int
        Decisions in which the default was taken.
    rank : float
        Spearman's rank correlation of predicted with realised gains; NaN where it has no meaning.
    against : str
        What the realised gain is measured against: the name of the policy that always takes this one's default action
        (its gain over the same labels of the same cell), or nothing where none was evaluated (then the policy's own
        mean gain in the same loop, which says whether predictions are in the right order, and nothing about their size)
    """

    policy: str
    decisions: pandas.DataFrame
    bins: pandas.DataFrame
    stayed: int
    rank: float
    against: str


def calibrations(reading: Reading) -> list[Calibration]:
    """One for each policy whose runs hold predictions; of other policies there is nothing to check."""
    out = []
    for policy in reading.policies:
        if any(np.nan_to_num(reading.column(policy, stream, COLUMN)).any() for _, stream in reading.cells()):
            out.append(_calibration(reading, policy))
    return out


def _calibration(reading: Reading, policy: str) -> Calibration:
    import pandas as pd
    from scipy.stats import spearmanr

    rival = _default_of(reading, policy)
    lines, stayed = [], 0
    for task, stream in reading.cells():
        main = reading.facts[task]["score"]
        labels, score, predicted = (reading.column(policy, stream, name) for name in ("labels", main, COLUMN))
        for k in np.flatnonzero(np.isfinite(predicted)):
            if predicted[k] == 0:
                stayed += 1
                continue
            gained = _gained(labels, score, int(k))
            if not np.isfinite(gained):
                continue
            base = float("nan")
            if rival:
                other = [reading.column(rival, stream, name) for name in ("labels", main)]
                base = _gained_between(other[0], other[1], labels[k], _end(labels, int(k)))
            line = {"family": reading.facts[task]["family"], "task": task, "stream": stream, "loop": int(k)}
            lines.append(line | {"predicted": 100 * predicted[k], "gained": 100 * gained, "base": 100 * base})
    table = pd.DataFrame(lines, columns=["family", "task", "stream", "loop", "predicted", "gained", "base"])
    if rival:
        table["realised"] = table["gained"] - table["base"]
    else:
        table["realised"] = table["gained"] - table.groupby("loop")["gained"].transform("mean")
    table = table.drop(columns=["gained", "base"]).dropna().reset_index(drop=True)
    varied = len(table) > 2 and table["predicted"].nunique() > 1 and table["realised"].nunique() > 1
    rank = float(spearmanr(table["predicted"], table["realised"]).statistic) if varied else float("nan")
    return Calibration(policy, table, _bins(table), stayed, rank, rival)


def _default_of(reading: Reading, policy: str) -> str:
    """The other policy that always takes this one's default action, if it was evaluated, else nothing."""
    default = _default_action(reading, policy)
    for name in reading.policies:
        if name != policy and {a for *_, actions in reading.taken(name) for a in actions if a} == {default}:
            return name
    return ""


def _default_action(reading: Reading, policy: str) -> str:
    """What the policy does where it predicts no advantage; the strong static rule where it never stayed with it."""
    stayed = [
        action
        for _, stream, actions in reading.taken(policy)
        for action, gain in zip(actions, reading.column(policy, stream, COLUMN), strict=True)
        if action and gain == 0
    ]
    return max(sorted(set(stayed)), key=stayed.count) if stayed else DEFAULT_ARM


def _end(labels: np.ndarray, k: int) -> float:
    """Labels after `HORIZON` batches of the size of this one, or at the end of the run."""
    return float(min(labels[k] + HORIZON * (labels[k + 1] - labels[k]), labels[-1])) if k + 1 < len(labels) else np.nan


def _gained(labels: np.ndarray, score: np.ndarray, k: int) -> float:
    """Mean score over the next batches less the score at the decision, as a policy is trained on."""
    return _mean_between(labels, score, labels[k], _end(labels, k)) - float(score[k])


def _gained_between(labels: np.ndarray, score: np.ndarray, start: float, end: float) -> float:
    first = float(np.interp(start, labels, score, left=np.nan, right=np.nan))
    return _mean_between(labels, score, start, end) - first


def _mean_between(labels: np.ndarray, score: np.ndarray, start: float, end: float) -> float:
    if not np.isfinite(end) or end <= start or start < labels[0] or end > labels[-1] + 1e-9:
        return float("nan")
    inside = labels[(labels > start) & (labels < end)]
    x = np.concatenate([[start], inside, [end]])
    return float(np.trapezoid(np.interp(x, labels, score), x) / (end - start))


def _bins(table: pandas.DataFrame) -> pandas.DataFrame:
    import pandas as pd
    from scipy.stats import t

    names = ["predicted", "realised", "low", "high", "n"]
    count = min(BINS, len(table) // FEWEST)
    if not count:
        return pd.DataFrame(columns=names, dtype=float)
    lines = []
    ordered = table.sort_values(["predicted", "stream", "loop"])
    for places in np.array_split(np.arange(len(ordered)), count):
        part = ordered.iloc[places]
        values = part["realised"].to_numpy(dtype=np.float64)
        half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        mean = float(values.mean())
        lines.append((float(part["predicted"].mean()), mean, mean - half, mean + half, len(values)))
    return pd.DataFrame(lines, columns=names)
