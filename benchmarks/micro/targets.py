"""What is asked of strategies: CPU seconds on one core, and MiB beside the inputs."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    seconds: float | None = None
    mib: float | None = None


RATIO = 2.0  # of rowwise strategies to one np.partition of the same array
BLOCK = 8.0  # MiB: 2^20 entries of float64

CASES: dict[str, dict[str, int]] = {
    "1e5 x 32": {"U": 100_000, "D": 32, "C": 10, "n": 100, "L": 100, "M": 5},
    "1e5 x 32, L = 10,000": {"U": 100_000, "D": 32, "C": 10, "n": 100, "L": 10_000, "M": 5},
    "1e5 x 64": {"U": 100_000, "D": 64, "C": 10, "n": 100, "L": 100, "M": 5},
}
SLOW = {"1e6 x 64": {"U": 1_000_000, "D": 64, "C": 10, "n": 100, "L": 100, "M": 5}}
MANY_LABELLED = ("typiclust", "k_center")  # what is measured with L = 10,000

_COMMITTEE = ("vote_entropy", "consensus_entropy", "max_disagreement", "variation_ratio", "bald", "power_bald")
_K_MEANS = ("k_means", "weighted_k_means", "clue")
_WIDE = ("k_center", "typiclust", "prob_cover", "badge", "cluster_margin", "max_herding", "uncertainty_herding")

TARGETS: dict[str, dict[str, Target]] = {
    "1e5 x 32": {
        "margin": Target(0.06),
        "entropy": Target(0.06),
        **dict.fromkeys(_COMMITTEE, Target(0.4)),
        **dict.fromkeys(_K_MEANS, Target(1.2)),
        "k_center": Target(0.5, 64),
        "badge": Target(0.5, 32),
        "typiclust": Target(2.5),
        "prob_cover": Target(None, 2048),
    },
    "1e5 x 32, L = 10,000": {"typiclust": Target(2.5)},
    "1e5 x 64": dict.fromkeys(_WIDE, Target(10, 1024)),
    "1e6 x 64": {},
}
FINISHES = Target(600, 24 * 1024)  # of every strategy at 1e6 x 64


def target(case: str, strategy: str) -> Target:
    """The target of a strategy in a case; empty where none is set."""
    if case in SLOW:
        return FINISHES
    return TARGETS.get(case, {}).get(strategy, Target())


def verdict(goal: Target, status: str, seconds: float | None, mib: float | None) -> str:
    """'met', 'missed', or nothing where there is no target.

    >>> verdict(Target(0.5, 64), "ok", 0.4, 70.0), verdict(Target(), "ok", 9.0, 0.0)
    ('missed', '')
    """
    if goal == Target() or status == "not here yet":
        return ""
    if status != "ok":
        return "missed"
    slow = goal.seconds is not None and (seconds is None or seconds > goal.seconds)
    large = goal.mib is not None and (mib is None or mib > goal.mib)
    return "missed" if slow or large else "met"
