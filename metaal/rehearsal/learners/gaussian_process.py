"""Gaussian process regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaal.rehearsal.learners.registry import learner

NOISE = 0.1  # variance of the noise in units of the target's
MOST = 500  # rows that the length scale is measured on


def as_long_as_the_rows_are_apart(model: Any, x: Any, y: Any) -> Any:
    """The length scale is the median distance of the labelled rows (the median heuristic); 1 where that is 0."""
    from scipy.spatial.distance import pdist

    some = np.asarray(x, dtype=np.float64)[:MOST]
    apart = pdist(some) if len(some) > 1 else np.zeros(0)
    middle = float(np.median(apart)) if len(apart) else 0.0
    return model.set_params(kernel__length_scale=middle if middle > 0 else 1.0)


@learner("gaussian_process", kind="regression", adapt=as_long_as_the_rows_are_apart)
def gaussian_process(seed: int) -> Any:
    """A Gaussian process with a squared-exponential kernel of the rows' median distance, and noise of a tenth.

    Nothing is optimised: a search of the kernel's parameters would factorise the L x L matrix some fifty times a fit.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    return GaussianProcessRegressor(RBF(1.0), alpha=NOISE, optimizer=None, normalize_y=True, random_state=seed)
