"""The Bayesian signed-rank test: better, worse, or practically the same?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaal.errors import InputError

ROPE = 0.1
"""Region of practical equivalence, in percentage points: a difference that nobody would act on."""
SAMPLES = 50_000
PRIOR = 0.5


class Posterior(NamedTuple):
    """Probabilities that the first is higher, that both are practically equal, that the second is higher."""

    p_left: float
    p_rope: float
    p_right: float


def bayesian_signed_rank(
    a: np.ndarray, b: np.ndarray, rope: float = ROPE, seed: int = 0, *, samples: int = SAMPLES, prior: float = PRIOR
) -> Posterior:
    """Bayesian signed-rank test with a region of practical equivalence.

    A Dirichlet process over the differences, with one pseudo-observation of nought, gives the posterior of the share
    of pairwise (Walsh) averages on each side of ±``rope``; each draw votes for the largest share.

    Parameters
    ----------
    a, b : f8[n]
        Paired means of two policies, one a family, in the unit of ``rope``: for shares multiply by 100.
    rope : float
        Half width of the region, ≥ 0. Default 0.1 percentage points.
    seed : int
    samples : int
        Draws from the posterior.
    prior : float
        Weight of the pseudo-observation, > 0.

    Returns
    -------
    Posterior
        ``p_left`` (a higher than b by more than the rope), ``p_rope`` (practically equal), ``p_right`` (b higher); they
        add up to 1.

    Raises
    ------
    InputError
        Shapes differ, nothing to compare, values that are not finite, or numbers out of range.

    References
    ----------
    Benavoli, Corani, Demšar and Zaffalon, 2017, Time for a change: a tutorial for comparing multiple classifiers
    through Bayesian analysis. Agrees with the authors' package baycomp.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a) or not np.isfinite(a - b).all():
        raise InputError(f"bayesian_signed_rank: got shapes {a.shape} and {b.shape}; expected two finite f8[n], n ≥ 1")
    if not rope >= 0 or samples < 1 or not prior > 0:
        raise InputError(f"bayesian_signed_rank: rope {rope}, samples {samples}, prior {prior}; expected ≥ 0, ≥ 1, > 0")
    return posterior(posterior_weights(len(a), seed=seed, samples=samples, prior=prior), b - a, rope)


def posterior_weights(n: int, *, seed: int = 0, samples: int = SAMPLES, prior: float = PRIOR) -> np.ndarray:
    """Draws of the weights of the pseudo-observation and of n differences, f8[samples, n + 1]."""
    alpha = np.ones(n + 1)
    alpha[0] = prior
    return np.random.default_rng(seed).dirichlet(alpha, samples)


def posterior(weights: np.ndarray, delta: np.ndarray, rope: float) -> Posterior:
    """Votes of the draws on the differences b − a, f8[n]."""
    whole = np.concatenate([[0.0], delta])
    sums = whole[:, None] + whole[None, :]
    left, right = _share(weights, -sums, 2 * rope), _share(weights, sums, 2 * rope)
    votes = np.argmax(np.stack([left, 1 - left - right, right]), axis=0)
    if rope == 0:
        # Without a region there is no third outcome: what is equal counts half for each side.
        votes = np.where(left >= right, 0, 2)
    shares = np.bincount(votes, minlength=3) / len(weights)
    return Posterior(*map(float, shares))


def _share(weights: np.ndarray, sums: np.ndarray, edge: float) -> np.ndarray:
    """Weight of the pairs whose sum lies above the edge, and half of those on it; f8[draws]."""
    beyond = (sums > edge) + 0.5 * (sums == edge)
    return np.asarray(np.einsum("ij,ij->i", weights @ beyond, weights))
