"""Gap closed: how far from the single best static strategy to the best one of each task a policy gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaal.comparing.frames import scored
from metaal.comparing.numbers import number
from metaal.comparing.resampling import RESAMPLES, Interval, bootstrap
from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

SPLITS = 20


@dataclass(frozen=True)
class GapClosed:
    """What is to be won by choosing a static strategy for each task, and how much of it a policy wins.

    All values are means over families of halves of the seeds that took no part in the choice; shares in percent,
    differences in percentage points.

    Parameters
    ----------
    policy : str
    best_single : str
        Single best static strategy (SBS) over all seeds and families.
    sbs, vbs, value : float
        Of the SBS, of the split-half virtual best static strategy (VBS), of the policy.
    gap : Interval
        VBS − SBS.
    gain : Interval
        Policy − SBS.
    closed : Interval
        gain / gap. NaN where the gap is not positive; bounds are NaN where the interval of the gap reaches nought: a
        share of what may be nothing has no finite interval.
    families, tasks, splits : int
    note : str
        What the numbers cannot say, in words; empty if nothing.
    """

    policy: str
    best_single: str
    sbs: float
    vbs: float
    value: float
    gap: Interval
    gain: Interval
    closed: Interval
    families: int
    tasks: int
    splits: int
    note: str


def gap_closed(
    runs: pandas.DataFrame,
    score: str,
    policy: str,
    fixed: Sequence[str],
    *,
    seed: int = 0,
    splits: int = SPLITS,
    resamples: int = RESAMPLES,
) -> GapClosed:
    """Share of the distance between the single and the virtual best static strategy that a policy closes.

    The VBS takes on each task the strategy that is best on one half of the seeds, and is scored on the other half; the
    SBS takes for all tasks the one that is best on that half over families. Both directions, and several splits, are
    averaged. A best strategy of each single run is selection on noise, and is not offered. Choosing on half of the
    seeds makes the VBS weaker than with all of them, the more so the fewer seeds there are.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`; tasks on which some of these policies lack a seed use the seeds of all.
    score : str
    policy : str
    fixed : sequence of str
        Static strategies, two or more.
    seed : int
        Of the splits and the bootstrap.
    splits : int
        Halvings of the seeds, ≥ 1.
    resamples : int
        Of the bootstrap over families.

    Returns
    -------
    GapClosed

    Raises
    ------
    InputError
        Fewer than two static strategies, tasks with fewer than two seeds, no such policy or score.

    References
    ----------
    Xu, Hutter, Hoos and Leyton-Brown, 2012, Evaluating component solver contributions to portfolio-based algorithm
    selectors (SBS and VBS). Lindauer, van Rijn and Kotthoff, 2019, The algorithm selection competitions 2015 and 2017
    (gap closed).
    """
    static = list(dict.fromkeys(fixed))
    if len(static) < 2 or splits < 1:
        named = f" ({', '.join(static)})" if static else ""
        raise InputError(
            f"gap closed: got {len(static)} static strategies{named} and {splits} splits; a best one can be chosen "
            "among two or more, with one split at least"
        )
    kind = number(score)
    sign = -1.0 if kind.less else 1.0
    names = list(dict.fromkeys([*static, policy]))
    blocks, families = _blocks(runs, score, names)
    blocks = [kind.factor * sign * block for block in blocks]
    means = _FamilyMeans(families)
    rng = np.random.default_rng(seed)
    total = np.zeros((means.count, 3))
    for _ in range(splits):
        halves = np.stack([_halves(block, rng) for block in blocks])  # tasks × halves × policies
        for chosen, judged in ((0, 1), (1, 0)):
            parts = _judged(halves[:, chosen], halves[:, judged], len(static), names.index(policy), means)
            total += means.of(parts) / (2 * splits)
    everything = means.of(np.stack([block.mean(0) for block in blocks]))[:, : len(static)].mean(0)
    return _summary(policy, static[int(np.argmax(everything))], total, len(blocks), splits, seed, resamples, sign)


class _FamilyMeans:
    """Means of tasks by family."""

    def __init__(self, families: Sequence[str]) -> None:
        codes = {name: k for k, name in enumerate(dict.fromkeys(families))}
        self.code = np.array([codes[name] for name in families])
        self.count = len(codes)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Tasks × k → families × k."""
        sums = np.stack([np.bincount(self.code, weights=column) for column in values.T], axis=1)
        return np.asarray(sums / np.bincount(self.code)[:, None])


def _judged(pick: np.ndarray, held: np.ndarray, static: int, own: int, means: _FamilyMeans) -> np.ndarray:
    """SBS, VBS and policy on the half that was held back, f8[tasks, 3]; the static strategies come first."""
    single = int(np.argmax(means.of(pick[:, :static]).mean(0)))
    virtual = held[np.arange(len(held)), np.argmax(pick[:, :static], axis=1)]
    return np.stack([held[:, single], virtual, held[:, own]], axis=1)


def _blocks(runs: pandas.DataFrame, score: str, names: Sequence[str]) -> tuple[list[np.ndarray], list[str]]:
    """One array seeds × policies a task, and the family of each."""
    rows = scored(runs, score)
    for name in names:
        if name not in set(rows["policy"]):
            raise InputError(f"gap closed: no runs of policy {name!r} with {score}")
    rows = rows[rows["policy"].isin(names)]
    wide = rows.set_index(["family", "task", "stream", "policy"])[score].unstack("policy")[list(names)].dropna()
    blocks, families = [], []
    for (family, task), part in wide.groupby(level=["family", "task"], sort=False):
        if len(part) < 2:
            raise InputError(
                f"gap closed: task {task} has {len(part)} seed of all policies; a choice on one half of the seeds "
                "and a score on the other needs two or more"
            )
        blocks.append(part.to_numpy(dtype=np.float64))
        families.append(str(family))
    if not blocks:
        raise InputError(f"gap closed: no cell was finished by all of {', '.join(names)}")
    return blocks, families


def _halves(block: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of two random halves of the seeds, f8[2, policies]."""
    order = rng.permutation(len(block))
    cut = len(block) // 2
    return np.stack([block[order[:cut]].mean(0), block[order[cut:]].mean(0)])


def _summary(
    policy: str, best: str, total: np.ndarray, tasks: int, splits: int, seed: int, resamples: int, sign: float
) -> GapClosed:
    single, virtual, own = total.T
    gap = bootstrap(virtual - single, seed=seed, resamples=resamples)
    gain = bootstrap(own - single, seed=seed, resamples=resamples)
    nan, note = float("nan"), ""
    closed = Interval(nan, nan, nan)
    if gap.estimate <= 1e-9:
        note = (
            "choosing a static strategy for each task wins nothing over the single best one: there is no gap to close"
        )
    elif not gap.low > 0:
        closed = Interval(gain.estimate / gap.estimate, nan, nan)
        note = "the gap is not distinguishable from nought, so the share of it has no finite interval"
    else:

        def ratio(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
            return np.asarray(a.mean(axis) / b.mean(axis))

        closed = bootstrap(np.stack([own - single, virtual - single]), statistic=ratio, seed=seed, resamples=resamples)
    sbs, vbs, value = (sign * float(part.mean()) for part in (single, virtual, own))
    return GapClosed(policy, best, sbs, vbs, value, gap, gain, closed, len(total), tasks, splits, note)
