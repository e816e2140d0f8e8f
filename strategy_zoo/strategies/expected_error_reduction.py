"""Expected error reduction: ask for the label after which the model is expected to err least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._lookahead import EVALUATION, F8, least_expected_loss
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, whole
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ExpectedErrorReduction(Strategy):
    """Least expected loss of the model, retrained with the row's label, by its own judgement on an evaluation sample.

    For each class that the label could have, the view's `lookahead` gives the probabilities q that the model would
    then predict on the evaluation sample. The loss of each is -Σ q log q ('log', in nats) or 1 - max q ('zero_one');
    its mean over the sample, weighted by the row's class probabilities, is the expected loss, and minus that the score.

    Only the rows of least margin are looked at, because each costs C retrainings (the authors also sample the pool). A
    batch is the top n of this one-step look-ahead: labels inside a batch don't see each other. When n is larger than
    `candidates`, the other rows follow in the order of their margin, with lower scores.

    Parameters
    ----------
    loss : 'log' or 'zero_one'.
    candidates : 1 to 1,000,000. Rows of least margin that are looked at.

    Examples
    --------
    >>> import strategy_zoo
    >>> def lookahead(rows):  # row 1 tells nothing new, row 0 settles everything
    ...     sure, torn = [[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.5, 0.5]], [[0.5, 0.5]]]
    ...     return [torn if row == 1 else sure for row in rows]
    >>> view = strategy_zoo.View(proba=[[0.6, 0.4], [0.5, 0.5]], lookahead=lookahead)
    >>> strategy_zoo.propose("expected_error_reduction", view, 1, np.random.default_rng(0)).rows.tolist()
    [0]

    References
    ----------
    Roy and McCallum 2001, Toward Optimal Active Learning through Sampling Estimation of Error Reduction.
    """

    name: ClassVar[str] = "expected_error_reduction"
    family: ClassVar[str] = "look-ahead"
    needs: ClassVar[tuple[str, ...]] = ("proba", "lookahead")
    kind: ClassVar[Kind] = "batch"
    growth: ClassVar[str] = "U C + candidates C C E (E: rows of the evaluation sample), and candidates look-aheads"
    reference: ClassVar[str] = (
        "Roy and McCallum 2001, Toward Optimal Active Learning through Sampling Estimation of Error Reduction"
    )

    loss: str = "log"
    candidates: int = 64

    def __post_init__(self) -> None:
        choice(self.name, "loss", self.loss, ("log", "zero_one"))
        object.__setattr__(self, "candidates", whole(self.name, "candidates", self.candidates, 1, 1_000_000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        return least_expected_loss(view, n, self.candidates, _log if self.loss == "log" else _zero_one)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        # What the caller's look-ahead takes is the caller's; here only its answers are added up.
        each = 5 + 50 / C if self.loss == "log" else 2.5 + 35 / C
        return float(U * (14 * C - 12) + min(U, self.candidates) * C * C * EVALUATION * each)


def _log(ahead: F8) -> F8:
    # The logarithm of 1 stands in where q = 0, because q log q goes to 0 there.
    logs = np.log(np.where(ahead > 0, ahead, 1.0))
    logs *= ahead
    return np.asarray(-logs.sum(axis=3))


def _zero_one(ahead: F8) -> F8:
    return np.asarray(1 - ahead.max(axis=3))
