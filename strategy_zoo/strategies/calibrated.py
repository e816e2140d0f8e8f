"""Calibrated: another strategy, shown probabilities that were calibrated on the labelled rows first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._composing import by_position, combined
from strategy_zoo._uncertainty import F8
from strategy_zoo.errors import SpellingError, ViewError
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Kind, Strategy, TopRows, block_rows, default_of, field_of, literal, real
from strategy_zoo.view import View

_HOTTEST = 20.0  # of the temperature, and 1 / 20 is the coldest
_FLOOR = 1e-6  # of a probability in the fit: forests give zeros, whose logarithm no temperature could mend
_BLOCK = 1 << 18  # entries


@register
@dataclass(frozen=True, repr=False)
class Calibrated(Strategy):
    """Fit a temperature T on the labelled rows, then let another strategy see proba ** (1 / T), scaled to sum 1.

    T minimises the logarithmic loss of the labelled rows' out-of-fold probabilities (`seen_proba`, floored at 1e-6),
    within [1/20, 20]. As few labels often ask for an extreme T, the loss has a term prior * (b - 1 - log b) with
    b = 1 / T, which is smallest at T = 1 and which `prior` labels outweigh; the paper, with thousands of labels, has
    none. The loss is convex in b, so the fit is exact. With nothing labelled T = 1. If the other strategy reads
    `seen_proba` too, it sees it at the same temperature. Zeros and ones stay what they are. Labels that are none
    of the view's `classes`, where it holds them, are left out of the fit.

    The spelling is ``calibrated(entropy)`` or ``calibrated(entropy, prior=0.0)``.

    Parameters
    ----------
    inner : a strategy that reads proba, or its spelling. For two classes margin, entropy and least confidence choose
        the same rows at any temperature; it matters for three classes or more, and where scores are combined.
    prior : 0 to 1e6 labels. Weight of the wish that T = 1; 0 is plain maximum likelihood.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.6, 0.39, 0.01], [0.64, 0.18, 0.18]], seen_proba=[[0.9, 0.1, 0.0]] * 9, seen_y=[0, 1, 2] * 3
    ... )
    >>> [strategy_zoo.propose(s, view, 1, np.random.default_rng(0)).rows[0].item()
    ...  for s in ("least_confidence", "calibrated(least_confidence)")]
    [0, 1]

    References
    ----------
    Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks.
    """

    name: ClassVar[str] = "calibrated"
    family: ClassVar[str] = "uncertainty"
    growth: ClassVar[str] = "U C + L C, plus that of the inner strategy"
    example: ClassVar[str] = "calibrated(entropy)"
    reference: ClassVar[str] = "Guo et al. 2017, On Calibration of Modern Neural Networks"

    inner: Strategy = field()
    prior: float = 5.0

    def __post_init__(self) -> None:
        inner = get(self.inner)
        traits = combined((inner,))
        if "proba" not in (*traits["needs"], *traits["uses"]):
            raise SpellingError(
                f"calibrated: {literal(inner)} doesn't read proba, so that calibration changes nothing; "
                f"write {literal(inner)} alone, or calibrated(entropy)"
            )
        needs = tuple(dict.fromkeys(("proba", "seen_proba", "seen_y", *traits["needs"])))
        kind: Kind = "rowwise" if inner.kind == "rowwise" else "batch"
        given = {
            **traits,
            "inner": inner,
            "prior": real(self.name, "prior", self.prior, 0, 1e6),
            "needs": needs,
            "uses": tuple(name for name in traits["uses"] if name not in needs),
            "kind": kind,
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        if self.kind != "rowwise":
            return super().score(view, rng)
        return self.inner.score(self._shown(view, self.temperature(view)), rng)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        temperature = self.temperature(view)
        if self.kind != "rowwise":
            return self.inner.propose(self._shown(view, temperature), n, rng)
        # As in Strategy.propose, but with one fit for all blocks.
        best = TopRows(n)
        for start in range(0, view.n, step := block_rows(view)):
            block = view.block(start, start + step)
            best.add(self._checked(self.inner.score(self._shown(block, temperature), rng), start, block.n), start)
        return Proposal(*best.result())

    def temperature(self, view: View) -> float:
        """The temperature T that is fitted on what is labelled; 1 with nothing labelled."""
        proba, label = field_of(view, "seen_proba"), field_of(view, "seen_y")
        if view.has("classes"):  # then the view has turned labels into columns, and -1 is a label of no class
            proba, label = proba[label >= 0], label[label >= 0]
        label = _columns(label, proba.shape[1])
        return _fit(np.log(np.maximum(proba, _FLOOR)), label, self.prior) if len(label) else 1.0

    def _shown(self, view: View, temperature: float) -> View:
        if temperature == 1:
            return view
        fields = [name for name in ("proba", "seen_proba") if name in (*self.inner.needs, *self.inner.uses)]
        return view.replaced(**{name: _tempered(field_of(view, name), temperature) for name in fields})

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return U * (6.5 * C + 55.0) + 55.0 * L * C + 200.0 * n + 1e5 + self.inner.cost(U, L, C, D, n)

    @property
    def spelling(self) -> str:
        prior = "" if self.prior == default_of(self.__dataclass_fields__["prior"]) else f", prior={self.prior!r}"
        return f"calibrated({self.inner.spelling}{prior})"

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        return super().build((), by_position(cls.name, ("inner",), args, kwargs, "calibrated(inner, prior=5.0)"))


def _columns(seen_y: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """The labels as columns of proba."""
    if len(seen_y) == 0:
        return np.empty(0, np.int64)
    numeric = seen_y.dtype.kind in "iubf"
    bad = np.flatnonzero((seen_y < 0) | (seen_y >= classes) | (seen_y != np.floor(seen_y))) if numeric else [0]
    if len(bad):
        raise ViewError(
            f"seen_y is {seen_y[bad[0]]!r} in row {bad[0]} (type {seen_y.dtype}), expected columns of proba, whole "
            f"numbers from 0 to {classes - 1}; pass classes=model.classes_ to View, which turns labels into columns"
        )
    return seen_y.astype(np.int64)


def _fit(log_proba: F8, label: NDArray[np.int64], prior: float) -> float:
    """The temperature with the least loss: the zero of a derivative that never falls, by Newton in a bracket."""
    right = float(log_proba[np.arange(len(label)), label].sum())
    low, high = 1 / _HOTTEST, _HOTTEST
    at = 1.0
    for _ in range(100):
        slope, bend = _derivatives(log_proba, at)
        slope, bend = slope - right + prior * (1 - 1 / at), bend + prior / at**2
        if slope == 0:
            break
        low, high = (low, at) if slope > 0 else (at, high)
        if high <= low * (1 + 1e-12):
            break
        step = slope / bend if bend > 0 else math.inf
        if abs(step) <= 1e-12 * at:
            break
        # Outside of the bracket the slope is cut off at its ends or Newton has overshot: then the middle, in ratio.
        at = at - step if low < at - step < high else math.sqrt(low * high)
    return 1 / min(max(at, 1 / _HOTTEST), _HOTTEST)


def _derivatives(log_proba: F8, power: float) -> tuple[float, float]:
    """First and second derivative of sum log sum_c p_c ** power: mean and variance of log p, summed over the rows."""
    mean_sum = variance_sum = 0.0
    step = max(1, _BLOCK // log_proba.shape[1])
    for start in range(0, len(log_proba), step):
        block = log_proba[start : start + step]
        weight = np.exp(power * (block - block.max(axis=1, keepdims=True)))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = (weight * block).sum(axis=1)
        mean_sum += float(mean.sum())
        variance_sum += float((weight * np.square(block - mean[:, None])).sum())
    return mean_sum, variance_sum


def _tempered(proba: F8, temperature: float) -> F8:
    """proba ** (1 / temperature), each row scaled to sum 1."""
    out = np.empty(proba.shape)
    step = max(1, _BLOCK // proba.shape[1])
    for start in range(0, len(proba), step):
        block = proba[start : start + step]
        # Divided by the largest first, which stays 1: small numbers may underflow, a whole row can't.
        power = (block / block.max(axis=1, keepdims=True)) ** (1 / temperature)
        out[start : start + step] = power / power.sum(axis=1, keepdims=True)
    return out
