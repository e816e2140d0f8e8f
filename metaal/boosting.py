"""The LightGBM models behind a learned policy, and the measurement that decides how far they are trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.trees import MAX_DEPTH, Trees, constant, from_lightgbm

if TYPE_CHECKING:
    from metaal.training import Decisions

GATES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
CONFIDENCE = 0.975
"""One-sided confidence with which the gain on left-out groups must lie above nought: no harm comes first."""
MIN_GROUPS = 3
"""Groups that must carry a gain for it to count."""
MIN_BASE = 40
"""Decisions of the default below which what it brings is not predicted."""


@dataclass(frozen=True)
class Params:
    """Parameters of the boosting.

    Parameters
    ----------
    members : int
        Ensembles, each trained without a quarter of the groups.
    rounds, leaves, min_leaf : int
    rate, columns, l2 : float
    folds : int
        Parts into which the groups are split to measure the gain on left-out data.
    """

    members: int = 6
    rounds: int = 300
    leaves: int = 15
    min_leaf: int = 40
    rate: float = 0.04
    columns: float = 0.5
    l2: float = 5.0
    folds: int = 5


class Boosting:
    """Trains ensembles deterministically, one thread, from one seed."""

    def __init__(self, params: Params, seed: int) -> None:
        self.params = params
        self.seed = seed

    def train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        number: int = 0,
        quantile: float | None = None,
    ) -> Trees:
        """Fit one ensemble by least squares, or to a quantile in (0, 1)."""
        if len(y) < 2:  # which LightGBM refuses
            return constant(float(y.mean()) if len(y) else 0.0)
        import lightgbm

        p = self.params
        settings = {
            "objective": "regression" if quantile is None else "quantile",
            **({} if quantile is None else {"alpha": quantile}),
            "num_leaves": p.leaves,
            "max_depth": MAX_DEPTH,
            "learning_rate": p.rate,
            "min_data_in_leaf": int(min(p.min_leaf, max(5, len(y) // 20))),
            "feature_fraction": p.columns,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": p.l2,
            "seed": self.seed * 1000 + number,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(x, y, weight=weight, free_raw_data=True)
        return from_lightgbm(lightgbm.train(settings, data, num_boost_round=p.rounds))

    def members(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, group: np.ndarray) -> tuple[Trees, ...]:
        """Ensembles on different three quarters of the groups (of the rows, where there are fewer than four groups)."""
        rng = np.random.default_rng([self.seed, 1])
        names = np.unique(group)
        out = []
        for number in range(self.params.members):
            if len(names) >= 4:
                kept = rng.choice(names, max(3, round(0.75 * len(names))), replace=False)
                rows = np.flatnonzero(np.isin(group, kept))
            else:
                rows = np.sort(rng.choice(len(y), max(1, round(0.75 * len(y))), replace=False))
            out.append(self.train(x[rows], y[rows], weight[rows], number=number))
        return tuple(out)

    def seconds(self, decisions: Decisions) -> Trees | None:
        """Log seconds of a loop from its state; None if no run told any."""
        known = decisions.seconds > 0
        if known.sum() < 30:
            return None
        return self.train(decisions.state[known], np.log(decisions.seconds[known]), number=900)

    def expected_default(self, decisions: Decisions, is_default: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What the default would have brought at ``rows``, by a model that never saw their group; NaN if unknown."""
        out = np.full(len(rows), np.nan)
        source = np.flatnonzero(is_default)
        if len(rows) == 0 or len(source) < MIN_BASE:
            return out
        for fold in self.folds(decisions.group):
            train = source[~np.isin(decisions.group[source], fold)]
            mine = np.isin(decisions.group[rows], fold)
            if len(train) >= MIN_BASE and mine.any():
                model = self.train(decisions.state[train], decisions.outcome[train], number=800)
                out[mine] = model.predict(decisions.state[rows[mine]])
        return out

    def folds(self, group: np.ndarray) -> list[np.ndarray]:
        """The groups in ``folds`` parts, at random."""
        names = np.random.default_rng([self.seed, 2]).permutation(np.unique(group))
        return [part for part in np.array_split(names, min(self.params.folds, len(names))) if len(part)]


def ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value f8[F] of each feature of rows f[n,F]; NaN where none is known."""
    known = np.isfinite(x).any(0)
    low, high = np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    low[known], high[known] = np.nanmin(x[:, known], axis=0), np.nanmax(x[:, known], axis=0)
    return low, high


def means_by(group: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """Mean f8[groups] of the values f8[n] of each group i8[n]; NaN for one that has none."""
    count = np.bincount(group, minlength=groups)
    total = np.bincount(group, weights=values, minlength=groups)
    return np.divide(total, count, out=np.full(groups, np.nan), where=count > 0)


UNSURE = f"not above nought with {CONFIDENCE:.1%} confidence at any gate, so the policy never deviates"
"""What a card says of a policy without a gain."""


@dataclass(frozen=True)
class Gain:
    """What a policy gains on groups that it did not learn from.

    Parameters
    ----------
    mean, error : float
        Over the groups, in score; the standard error.
    bound : float
        Of `CONFIDENCE`, by Student's t, where one of several was looked for.
    carried : int
        Groups whose gain is not nought.
    """

    mean: float
    error: float
    bound: float
    carried: int

    @classmethod
    def of(cls, each: np.ndarray, looked: int) -> Gain:
        """That of groups which gain ``each`` f8[groups]; the best of as many as were ``looked`` at is searched."""
        from scipy.stats import t

        mean, error = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
        risk = (1 - CONFIDENCE) / looked  # each one's share of the risk (Bonferroni)
        return cls(mean, error, float(mean - t.ppf(1 - risk, len(each) - 1) * error), int((each != 0).sum()))

    def __str__(self) -> str:
        return f"{100 * self.mean:+.3f} ± {100 * self.error:.3f} pp"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the ensembles learn from, one row a decision.

    Parameters
    ----------
    x : f8[n,F] · target : f8[n], advantage in units of its group's spread · advantage : f8[n], in score
    weight : f8[n] · group, digest : U[n]
    paired : bool[n], whether the default's outcome in the very same state was logged, and not merely predicted
    """

    x: np.ndarray
    target: np.ndarray
    advantage: np.ndarray
    weight: np.ndarray
    group: np.ndarray
    digest: np.ndarray
    paired: np.ndarray


def cross_gate(boosting: Boosting, evidence: Evidence, default: str) -> tuple[float, dict[str, Any]]:
    """Choose the gate by the gain over the default that the gated choice has on left-out groups.

    In every left-out state the policy would choose the best predicted action among those that were logged there, if its
    cautious bound is above nought, else the default (gain nought). The gate with the highest lower bound (of
    Student's t over the groups) is taken; if none is above nought, the policy never deviates.

    Returns
    -------
    gate : float
    report : dict
        For the model card.
    """
    x, target, weight, group = evidence.x, evidence.target, evidence.weight, evidence.group
    folds = boosting.folds(group)
    if len(folds) < 2:
        return float("inf"), {"left-out gain": "not measurable with one group, so the policy never deviates"}
    # A model of the default's outcome may be wrong about a whole state, and such an error looks like a gain: where
    # enough groups have true pairs, only these judge.
    judges = evidence.paired if len(np.unique(group[evidence.paired])) >= MIN_GROUPS else np.ones(len(x), dtype=bool)
    mean, deviation = np.zeros(len(x)), np.zeros(len(x))
    for fold in folds:
        out = np.isin(group, fold)
        members = boosting.members(x[~out], target[~out], weight[~out], group[~out])
        votes = np.stack([member.predict(x[out]) for member in members])
        mean[out], deviation[out] = votes.mean(0), votes.std(0)
    mean, deviation, gains = mean[judges], deviation[judges], evidence.advantage[judges]
    states = np.char.add(np.char.add(group, "\x1f"), evidence.digest)[judges]
    _, state = np.unique(states, return_inverse=True)
    names, of_group = np.unique(group[judges], return_inverse=True)
    best: tuple[float, Gain] | None = None
    tried = {}
    for gate in GATES:
        each, taken = _gated_gain(mean, mean - gate * deviation, gains, state, of_group, len(names))
        gain = Gain.of(each, len(GATES))
        tried[f"{gate:g}"] = f"{gain}, deviates in {taken:.0%} of states"
        # A gain that fewer than three groups carry is an anecdote, whatever its standard error says.
        if gain.carried >= min(MIN_GROUPS, len(names)) and (best is None or gain.bound > best[1].bound + 1e-12):
            best = gate, gain
    report: dict[str, Any] = {
        "left-out gain by gate": tried,
        "boosting": asdict(boosting.params),
    }
    if best is None or best[1].bound <= 0:
        report["left-out gain"] = UNSURE
        return float("inf"), report
    report["left-out gain"] = f"{best[1]} over {default} a decision ({len(names)} groups)"
    return best[0], report


def _gated_gain(
    mean: np.ndarray, lower: np.ndarray, gain: np.ndarray, state: np.ndarray, group: np.ndarray, groups: int
) -> tuple[np.ndarray, float]:
    """Mean realised gain of each group when every state takes its best allowed action, and the share of deviations."""
    states = int(state.max()) + 1
    order = np.lexsort((-np.where(lower > 0, mean, -np.inf), state))
    first = order[np.unique(state[order], return_index=True)[1]]
    realised = np.where(lower[first] > 0, gain[first], 0.0)
    return means_by(group[first], realised, groups), float((lower[first] > 0).sum() / states)
