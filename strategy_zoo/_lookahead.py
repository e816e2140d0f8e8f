"""What strategies share that ask the view's `lookahead` how the model would be after one more label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._uncertainty import margins
from strategy_zoo.errors import UnmetNeedError, ViewError
from strategy_zoo.proposal import Proposal
from strategy_zoo.strategy import field_of, top
from strategy_zoo.view import View

F8 = NDArray[np.float64]
Rows = NDArray[np.int64]
Loss = Callable[[F8], F8]  # probabilities [k, C, E, C] -> losses [k, C, E]

_ENTRIES = 1 << 20  # of one answer of the look-ahead: 8 MB
_SUM_TOLERANCE = 1e-3  # as for the probabilities of a view
EVALUATION = 200  # rows of the evaluation sample that `cost` reckons with; the true number is the caller's


def least_expected_loss(view: View, n: int, candidates: int, loss: Loss) -> Proposal:
    """The n rows after whose label the model is expected to lose least on the evaluation sample.

    Only the `candidates` rows of least margin are looked at. When more are wanted, the others follow in the order of
    their margin, with scores below those of all candidates.
    """
    proba = field_of(view, "proba")
    margin = margins(proba)
    order = top(-margin, max(n, candidates))
    near = np.sort(order[:candidates])
    score = 0.0 - expected_loss(view, near, loss)
    first = top(score, n)
    rest = order[candidates:][: max(0, n - len(near))]
    # A margin lies in [0, 1], so these scores keep the order of the margins and stay below the candidates' scores.
    return Proposal(np.concatenate([near[first], rest]), np.concatenate([score[first], score.min() - margin[rest]]))


def expected_loss(view: View, rows: Rows, loss: Loss) -> F8:
    """For each row the mean loss on the evaluation sample, expected over the labels that the row may have."""
    proba = field_of(view, "proba")
    out = np.empty(len(rows))
    for start, ahead in _answers(view, rows, proba.shape[1]):
        by_label = loss(ahead).mean(axis=2)
        part = slice(start, start + len(ahead))
        out[part] = (proba[rows[part]] * by_label).sum(axis=1)
    return out


def _answers(view: View, rows: Rows, classes: int) -> Iterator[tuple[int, F8]]:
    """The look-ahead's answers in blocks of bounded size, checked; the first block is one row, which shows the size."""
    lookahead = view.lookahead
    if lookahead is None:
        raise UnmetNeedError("the view does not hold lookahead; pass lookahead= to View")
    start, step, sample = 0, 1, None
    while start < len(rows):
        block = rows[start : start + step]
        answer = _checked(lookahead(block.copy()), len(block), classes, sample)
        yield start, answer
        start += len(block)
        sample = answer.shape[2]
        step = max(1, _ENTRIES // answer[0].size)


def _checked(answer: Any, rows: int, classes: int, sample: int | None) -> F8:
    wanted = (
        f"float64[{rows}, {classes}, {sample or 'E'}, {classes}]: for each row asked and each class that its label "
        "could have, the class probabilities of the E rows of the evaluation sample"
    )
    try:
        ahead = np.asarray(answer)
        if ahead.dtype.kind not in "fiub":
            raise TypeError(f"type {ahead.dtype}")
    except (TypeError, ValueError) as error:
        raise ViewError(f"lookahead answered with no array of numbers ({error}); return {wanted}") from None
    shape = (rows, classes, ahead.shape[2] if ahead.ndim == 4 else 0, classes)
    if ahead.shape != shape or not shape[2]:
        raise ViewError(f"lookahead answered with shape {ahead.shape}; return {wanted}")
    if sample not in (None, shape[2]):
        raise ViewError(
            f"lookahead answered with an evaluation sample of {shape[2]} rows, and of {sample} in the call before; "
            "use the same sample in every call"
        )
    ahead = ahead.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and huge numbers are reported below
        off = np.abs(ahead @ np.ones(classes) - 1)
        # Written so that NaN counts as bad.
        if ahead.min() >= 0 and off.max() <= _SUM_TOLERANCE:
            return ahead
        bad = np.argwhere(~((ahead.min(axis=3) >= 0) & (off <= _SUM_TOLERANCE)))
    row, label, at = bad[0]
    raise ViewError(
        f"lookahead answered with {ahead[row, label, at].tolist()[:8]} for the evaluation row {at} (row {row} of "
        f"those asked, label {label}); return probabilities of 0 or more whose sum is 1"
    )
