"""Which rows go where, and the encoding that the pool's rows decide: the part of a task that others share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from metaal.randomness import generator
from metaal.rehearsal.dataset import Dataset
from metaal.rehearsal.encoding import encoder
from metaal.rehearsal.layout import Layout
from metaal.rehearsal.sealed import Sealed

POOL_LIMIT, GUIDE_LIMIT, TEST_LIMIT = 3000, 1000, 2000
DECILES = 10
"""Parts of a regression's target that every split has in proportion."""


# The tasks of one data set differ in learner, batch, regime and other seeds: they share the split and the encoding.
@lru_cache(maxsize=4)
def split_and_encoded(data: Dataset, name: str, seed: int) -> Layout:
    """The clean layout of a data set, without initial labels.

    Parameters
    ----------
    data : Dataset
    name : str
        What the random numbers of the split derive from, with the seed.
    seed : int

    Returns
    -------
    Layout
        Arrays are read-only; tasks share them.
    """
    classes = len(data.classes)
    order = _stratified(data.y if classes else _parts(data.y), generator(seed, name, 0, "split"))
    total = len(order)
    cut = [total // 2, total // 2 + total // 5]
    pool, guide, test = order[: cut[0]][:POOL_LIMIT], order[cut[0] : cut[1]][:GUIDE_LIMIT], order[cut[1] :][:TEST_LIMIT]
    encode = encoder(data.X.iloc[pool])
    x = {key: encode(data.X.iloc[rows]) for key, rows in (("pool", pool), ("guide", guide), ("test", test))}
    y = {"pool": data.y[pool], "guide": data.y[guide]}
    for array in (*x.values(), *y.values()):
        array.flags.writeable = False
    return Layout(
        pool_x=x["pool"],
        pool_y=y["pool"],
        guide_x=x["guide"],
        guide_y=y["guide"],
        test_x=x["test"],
        test_y=Sealed(data.y[test]),
        classes=classes,
        kind="classification" if classes else "regression",
    )


def _parts(y: np.ndarray) -> np.ndarray:
    """Number i8[N] of the tenth of the target's range, by rank, that each row lies in."""
    rank = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return rank * DECILES // max(len(y), 1)


def _stratified(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of all rows in which every stretch has the classes in proportion, chance deciding within them."""
    order = rng.permutation(len(y))
    place = np.empty(len(y))
    for c in np.unique(y):
        rows = order[y[order] == c]
        place[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(place, kind="stable")
