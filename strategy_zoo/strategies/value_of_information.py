"""Value of information: ask for the label that lowers the expected cost of mistakes most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_zoo._lookahead import EVALUATION, F8, least_expected_loss
from strategy_zoo.errors import SpellingError, ViewError
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real, whole
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ValueOfInformation(Strategy):
    """Least expected cost of mistakes of the model, retrained with the row's label, on an evaluation sample.

    The cost of a row with probabilities q is Σ cost[i][j] q_i q_j: its class is drawn from q, and so is the answer, as
    in the paper. It is averaged over the evaluation sample of the view's `lookahead` and over the labels that the row
    may have; minus that is the score. The cost of today and the price of a label are left out, being the same for every
    row, and so are mistakes on the labelled rows, which a look-ahead doesn't show.

    Only the rows of least margin are looked at, because each costs C retrainings. A batch is the top n of this one-step
    look-ahead. When n is larger than `candidates`, the other rows follow in the order of their margin, with lower
    scores.

    Parameters
    ----------
    costs : C rows of C numbers from 0 to 1e9, costs[i][j] being the cost of answering j where i is true, in any
        unit; None: 1 for each mistake, 0 otherwise.
    candidates : 1 to 1,000,000. Rows of least margin that are looked at.

    Examples
    --------
    >>> import strategy_zoo
    >>> def lookahead(rows):  # row 1 tells nothing new, row 0 settles everything
    ...     sure, torn = [[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.5, 0.5]], [[0.5, 0.5]]]
    ...     return [torn if row == 1 else sure for row in rows]
    >>> view = strategy_zoo.View(proba=[[0.6, 0.4], [0.5, 0.5]], lookahead=lookahead)
    >>> costly = "value_of_information(costs=((0, 1), (20, 0)))"
    >>> answer = strategy_zoo.propose(costly, view, 2, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.score.tolist()
    ([0, 1], [0.0, -5.25])

    References
    ----------
    Kapoor, Horvitz and Basu 2007, Selective Supervision: Guiding Supervised Learning with Decision-Theoretic Active
    Learning.
    """

    name: ClassVar[str] = "value_of_information"
    family: ClassVar[str] = "look-ahead"
    needs: ClassVar[tuple[str, ...]] = ("proba", "lookahead")
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "U C + candidates C C C E (E: rows of the evaluation sample), and candidates look-aheads"
    reference: ClassVar[str] = (
        "Kapoor, Horvitz and Basu 2007, Selective Supervision: Guiding Supervised Learning with Decision-Theoretic "
        "Active Learning"
    )

    costs: tuple[tuple[float, ...], ...] | None = None
    candidates: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", _costs(self.costs))
        object.__setattr__(self, "candidates", whole(self.name, "candidates", self.candidates, 1, 1_000_000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        classes = field_of(view, "proba").shape[1]
        if self.costs is None:
            return least_expected_loss(view, n, self.candidates, _mistakes)
        if len(self.costs) != classes:
            raise ViewError(
                f"proba has {classes} classes, but costs is {len(self.costs)} x {len(self.costs)}; "
                "give it one row and one column for each class"
            )
        costs = np.array(self.costs)

        def loss(ahead: F8) -> F8:
            out = np.zeros(ahead.shape[:3])
            # Class by class, so that no array larger than the answer itself is made.
            for true, row in enumerate(costs):
                out += ahead[..., true] * np.einsum("kyec,c->kye", ahead, row)
            return out

        return least_expected_loss(view, n, self.candidates, loss)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        # What the caller's look-ahead takes is the caller's; here only its answers are added up.
        each = 4.6 + 10 / C if self.costs is None else 30 + 1.5 * C
        return float(U * 3 * C + min(U, self.candidates) * C * C * EVALUATION * each + 2e6)


def _mistakes(ahead: F8) -> F8:
    return np.asarray(1 - np.einsum("kyec,kyec->kye", ahead, ahead))


def _costs(given: Any) -> tuple[tuple[float, ...], ...] | None:
    if given is None:
        return None
    try:
        rows = [tuple(row) for row in given]
    except TypeError:
        rows = []
    if not rows or any(len(row) != len(rows) for row in rows) or any(isinstance(row, str) for row in given):
        raise SpellingError(
            "value_of_information: costs is no square table, expected one row and one column for each class, "
            "such as ((0, 1), (5, 0))"
        )
    return tuple(tuple(real("value_of_information", "a cost", cost, 0, 1e9) for cost in row) for row in rows)
