"""Quantities of a committee's class probabilities that several strategies share.

A committee is float64[M, U, C]: M members, U rows, C classes. Members are added up one after the other, so that a row's
value doesn't depend on the rows around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import F8, entropies, margins

Rows = NDArray[np.int64]

_STEPS = float(1 << 20)  # a power of two: multiplying and dividing by it is exact
_ROUNDING = 1e-12  # nats: less than this is what rounding leaves where all members agree


def consensus(committee: F8) -> F8:
    """Mean of the members' probabilities, float64[U, C]."""
    total = committee[0].copy()
    for member in committee[1:]:
        total += member
    total /= len(committee)
    return total


def votes(committee: F8) -> Rows:
    """The most probable class of each row by each member, int64[M, U]; the first class among equals."""
    return np.stack([member.argmax(axis=1) for member in committee]).astype(np.int64)


def counts(chosen: Rows, classes: int) -> Rows:
    """How many members chose each class, int64[U, C]."""
    out = np.zeros((chosen.shape[1], classes), np.int64)
    every = np.arange(chosen.shape[1])
    for choice in chosen:
        out[every, choice] += 1
    return out


def information(committee: F8) -> F8:
    """Mutual information of a row's label and the member that is right, in nats, in [0, log M] (BALD).

    It is the entropy of the consensus minus the mean entropy of the members.
    """
    expected = entropies(committee[0])
    for member in committee[1:]:
        expected += entropies(member)
    expected /= len(committee)
    return cleaned(entropies(consensus(committee)) - expected)


def cleaned(nats: F8) -> F8:
    """A divergence without what rounding leaves where it is zero, so that rows on which all members agree tie."""
    return np.where(nats > _ROUNDING, nats, 0.0)


def refined(primary: F8, committee: F8) -> F8:
    """A score that takes few values, with ties broken by how close the consensus is between its two best classes.

    The primary score is rounded to steps of 2^-20, and what is added is at most half a step: it never overturns.
    """
    tie = np.clip(1 - margins(consensus(committee)), 0, 1)
    return np.rint(primary * _STEPS) / _STEPS + tie / (2 * _STEPS)
