"""An oracle that errs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout, Oracle
from metaal.rehearsal.regimes.changes import Change, change

KINDS = ("uniform", "confusion", "fatigue")
PARTNER = 0.8
"""Share of a class's confusions that go to one other class."""


@dataclass(frozen=True, eq=False)
class Erring:
    """Tells a wrong class where a number of the row lies below the rate of error.

    Parameters
    ----------
    base : Oracle
        Who answers otherwise; its classes are the ones that are confused.
    chance : f8[N] in [0, 1)
        One number a pool row, drawn once: a row is wrong for every method that asks it at that time.
    shift : f8[N] in [0, 1)
        Decides which wrong class it is.
    rate : f8[C]
        Rate of error of each class, when ``fatigue`` is over.
    confusion : f8[C,C]
        Cumulative shares of the wrong classes, a row for each class.
    fatigue : int
        Labels told until the rate is reached, which grows from 0; 0 = at once.
    """

    base: Oracle
    chance: np.ndarray
    shift: np.ndarray
    rate: np.ndarray
    confusion: np.ndarray
    fatigue: int = 0

    def tell(self, rows: np.ndarray, asked: int) -> np.ndarray:
        """Labels i8[n]."""
        labels = self.base.tell(rows, asked)
        wrong = self.chance[rows] < self.rate[labels] * _tired(asked, len(rows), self.fatigue)
        other = (self.confusion[labels] <= self.shift[rows, None]).sum(1)
        return np.where(wrong, other, labels)

    def take(self, rows: np.ndarray) -> Erring:
        """The same errors on these rows."""
        return replace(self, base=self.base.take(rows), chance=self.chance[rows], shift=self.shift[rows])


@dataclass(frozen=True, eq=False)
class Measuring:
    """Tells a number with an error of measurement.

    Parameters
    ----------
    base : Oracle
    error : f8[N]
        Of each pool row, in the target's unit.
    fatigue : int
        Labels told until the error is that large, growing from 0; 0 = at once.
    """

    base: Oracle
    error: np.ndarray
    fatigue: int = 0

    def tell(self, rows: np.ndarray, asked: int) -> np.ndarray:
        """Labels f8[n]."""
        told: np.ndarray = self.base.tell(rows, asked) + self.error[rows] * _tired(asked, len(rows), self.fatigue)
        return told

    def take(self, rows: np.ndarray) -> Measuring:
        """The same errors on these rows."""
        return replace(self, base=self.base.take(rows), error=self.error[rows])


def _tired(asked: int, count: int, fatigue: int) -> np.ndarray:
    """Share f8[n] of the full error for each label of a batch, of which the first is number ``asked``."""
    if not fatigue:
        return np.ones(count)
    return np.clip((asked + np.arange(count)) / fatigue, 0.0, 1.0)


@change
@dataclass(frozen=True)
class Noise(Change):
    """The labels told are wrong with a certain rate: in the run and among the initial labels, not in guide and test.

    Parameters
    ----------
    rate : float
        Share of wrong labels, above 0 up to 1 (in a regression: deviation of the error over the target's).
    kind : str
        ``"uniform"``: any label may be wrong, and any other class is as likely to be told. ``"confusion"``: rates
        differ between the classes (from 0 to 2 x rate, drawn by the seed, ``rate`` over the pool), and each class is
        mostly taken for one other; classes only. ``"fatigue"``: as uniform, with a rate that grows in proportion to
        the labels told so far; the initial labels are right.
    after : int
        For fatigue: labels told when ``rate`` is reached, ≥ 1.

    Examples
    --------
    >>> Noise(rate=0.25, kind="fatigue").spelling
    "noise(rate=0.25,kind='fatigue')"
    """

    name: ClassVar[str] = "noise"
    rate: float
    kind: str = field(default="uniform")
    after: int = 100

    def __post_init__(self) -> None:
        self.number("rate", 0.0, 1.0, above=True)
        self.one_of("kind", KINDS)
        self.whole("after", 1)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Put an erring oracle in front of the one there is."""
        size = len(layout.pool_y)
        fatigue = self.after if self.kind == "fatigue" else 0
        if layout.kind == "regression":
            if self.kind == "confusion":
                self.needs_classes(layout)
            error = rng.standard_normal(size) * self.rate * float(layout.pool_y.std())
            return replace(layout, oracle=Measuring(layout.oracle, error, fatigue))
        chance, shift = rng.random(size), rng.random(size)
        count = layout.classes
        share = (1 - np.eye(count)) / max(count - 1, 1)
        rate = np.full(count, self.rate)
        if self.kind == "confusion":
            rate = _uneven(rng, self.rate, np.bincount(layout.pool_y, minlength=count))
            if count > 2:
                order = rng.permutation(count)
                partner = np.empty(count, dtype=np.int64)
                partner[order] = np.roll(order, 1)
                share *= 1 - PARTNER
                share[np.arange(count), partner] += PARTNER
        # The last entry may fall short of 1 by rounding, and no number drawn may fall behind it.
        cumulative = np.cumsum(share, axis=1)
        cumulative[cumulative > 1 - 1e-9] = 1.0
        return replace(layout, oracle=Erring(layout.oracle, chance, shift, rate, cumulative, fatigue))


def _uneven(rng: np.random.Generator, rate: float, counts: np.ndarray) -> np.ndarray:
    """Rates f8[C] in [0, 1] that differ by class, with ``rate`` as their mean over the pool's rows."""
    rates = rate * 2 * rng.random(len(counts))
    weight = counts / max(counts.sum(), 1)
    for _ in range(50):  # what is cut at 1 goes to the others
        mean = float((weight * rates).sum())
        if abs(mean - rate) < 1e-12:
            break
        rates = np.minimum(rates * rate / max(mean, 1e-12), 1.0)
    return rates
