"""Shorthands that the tests of the strategies share."""

import numpy as np

from strategy_zoo import View, get, propose


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def score(spelling: str, view: View) -> np.ndarray:
    return np.asarray(get(spelling).score(view, rng()))


def rows(spelling: str, view: View, n: int, seed: int = 0) -> list[int]:
    return propose(spelling, view, n, rng(seed)).rows.tolist()


def margin_of(proba: np.ndarray) -> np.ndarray:
    ordered = np.sort(proba, axis=1)
    return ordered[:, -1] - ordered[:, -2]
