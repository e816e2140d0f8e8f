"""A model of what an action brings in a state, for off-policy estimates: linear, and never asked of its own runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FOLDS = 5
AXES = 3
PENALTIES = (1e-3, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4)


@dataclass(frozen=True, eq=False)
class Expectation:
    """Expected outcomes of logged decisions, and of what another policy would have done in their place.

    Parameters
    ----------
    predicted : f8[N]
        Of the logged action, by a model that never saw the decision's run.
    expected : f8[N]
        Mean over the policy's actions, by the same model.
    taken, meant : f8[N,F]
        Its inputs for the logged action, and their mean over the policy's actions.
    inverse : f8[F,F]
        Of the penalised Gram matrix of ``taken``.
    explained : float
        Share of the outcomes' variance that ``predicted`` explains; negative where a plain mean is better.
    """

    predicted: np.ndarray
    expected: np.ndarray
    taken: np.ndarray
    meant: np.ndarray
    inverse: np.ndarray
    explained: float

    def pull(self, outcome: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """How each decision moves the mean of expected + weight × (outcome − predicted) through the model f8[N].

        Their sum over a bootstrap sample stands for fitting the model again (one step of Newton's method).
        """
        gradient = (self.meant - weight[:, None] * self.taken).mean(0)
        pulled: np.ndarray = len(outcome) * (self.taken @ (self.inverse @ gradient)) * (outcome - self.predicted)
        return pulled


def expect(
    state: np.ndarray,
    phase: np.ndarray,
    action: Sequence[str],
    policy: Sequence[Mapping[str, float]],
    outcome: np.ndarray,
    run: np.ndarray,
) -> Expectation:
    """Ridge regression of the outcome on the action and the state, cross-fitted over runs.

    What an action brings is bent by the phase of the run and by the main axes of the state.

    Parameters
    ----------
    state : f8[N,S]
        NaN where a series was not logged.
    phase : f8[N]
        How far the run was.
    action : N texts
        What was done.
    policy : N mappings of text to float
        The probabilities with which the judged policy would have acted in its place.
    outcome : f8[N]
    run : i8[N]
        Number 0..R−1 of each decision's run. Of a single run nothing can be predicted: then everything is NaN.
    """
    known = sorted(set(action))
    x, when = _standard(state), _standard(phase[:, None])
    bends = np.hstack([when, _main_axes(x)])
    done = np.array([[float(a == k) for k in known] for a in action])
    meant = np.array([[mix.get(k, 0.0) for k in known] for mix in policy])
    taken_x, meant_x = (
        np.hstack([np.ones((len(x), 1)), x, when, a, *(a * bend[:, None] for bend in bends.T)]) for a in (done, meant)
    )
    runs = int(run.max()) + 1
    fold = np.random.default_rng(0).permutation(runs)[run] % min(FOLDS, runs)
    tries = _cross_fitted(taken_x, meant_x, outcome, fold)
    errors = [float(((outcome - predicted) ** 2).sum()) for predicted, _ in tries]
    best = int(np.argmin(errors))
    predicted, expected = tries[best]
    spread = float(((outcome - outcome.mean()) ** 2).sum())
    gram = taken_x.T @ taken_x + _ridge(taken_x.shape[1], PENALTIES[best])
    return Expectation(
        predicted,
        expected,
        taken_x,
        meant_x,
        np.linalg.pinv(gram, hermitian=True),
        1 - errors[best] / spread if spread > 0 else 0.0,
    )


def _cross_fitted(
    taken: np.ndarray, meant: np.ndarray, outcome: np.ndarray, fold: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """By penalty: predictions for the logged and the meant actions, each by the model of the other folds."""
    nothing = np.full(len(outcome), np.nan)
    tries = [(nothing.copy(), nothing.copy()) for _ in PENALTIES]
    parts = [fold == k for k in np.unique(fold)]
    gram, moment = taken.T @ taken, taken.T @ outcome
    for rows in parts if len(parts) > 1 else []:
        rest = gram - taken[rows].T @ taken[rows], moment - taken[rows].T @ outcome[rows]
        for penalty, (predicted, expected) in zip(PENALTIES, tries, strict=True):
            # an action that only these runs took has an empty column in the others
            beta = np.linalg.pinv(rest[0] + _ridge(taken.shape[1], penalty), hermitian=True) @ rest[1]
            predicted[rows], expected[rows] = taken[rows] @ beta, meant[rows] @ beta
    return tries


def _ridge(width: int, penalty: float) -> np.ndarray:
    """The constant is not penalised."""
    out = np.full(width, penalty)
    out[0] = 0.0
    return np.diag(out)


def _standard(state: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and spread 1, 0 where unknown; those without a spread are left out. Extremes are cut at 5."""
    columns = []
    for values in state.T:
        known = np.isfinite(values)
        spread = float(values[known].std()) if known.any() else 0.0
        if spread > 1e-12:
            columns.append(np.clip(np.where(known, (values - values[known].mean()) / spread, 0.0), -5, 5))
    return np.column_stack(columns) if columns else np.zeros((len(state), 0))


def _main_axes(x: np.ndarray) -> np.ndarray:
    """The first principal axes of standardised columns, each of spread 1 f8[N,·]."""
    if not x.shape[1]:
        return x
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    order = np.argsort(-values)[:AXES]
    axes: np.ndarray = x @ vectors[:, order[values[order] > 1e-9]]
    return axes / axes.std(0)
