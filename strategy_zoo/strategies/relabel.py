"""Relabel: labelled rows whose label is in doubt, by their votes and by the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F8
from strategy_zoo._labels import with_ties
from strategy_zoo._uncertainty import margins
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Relabel(Strategy):
    """The root of label doubt times model doubt, in [0, 1], for rows that have votes; the others come last.

    Label doubt (LU): the probability that the leading class isn't the one that most annotators would name. The share of
    annotators who prefer it to the runner-up has the posterior Beta(votes + 1, votes of the runner-up + 1), of which
    the part below one half is the doubt: 0.5 without a leader, 0.25 after one vote, 0.125 after two equal ones. For two
    classes this is the paper's definition; with more, it looks at the two classes with the most votes.

    Model doubt (MU): 1 - probability that the model gives to the leading class (to the likeliest one of several). The
    paper's model doubt, 1 - largest probability, is the same where the model and the votes agree; but where a sure
    model contradicts the votes, it is small, although such labels are the most doubtful ones. ``by="lmu"`` takes it as
    the paper does. Rows of equal score (to within a billionth) come in the order of their margin. Rows without votes
    score -1 - margin: they come last, least margin first.

    Parameters
    ----------
    by : 'conflict' (as above), 'lmu' (label and model doubt as in the paper), 'lu' (label doubt alone), 'mu' (the
        paper's model doubt alone).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.9, 0.1]], votes=[[3, 0], [0, 1], [0, 0], [1, 0]]
    ... )
    >>> strategy_zoo.propose("relabel", view, 4, np.random.default_rng(0)).rows.tolist()
    [1, 3, 0, 2]

    References
    ----------
    Sheng, Provost and Ipeirotis 2008, Get Another Label? Improving Data Quality and Data Mining Using Multiple, Noisy
    Labelers.
    """

    name: ClassVar[str] = "relabel"
    family: ClassVar[str] = "noisy oracle"
    needs: ClassVar[tuple[str, ...]] = ("proba", "votes")
    kind: ClassVar[Kind] = "rowwise"
    growth: ClassVar[str] = "U C"
    reference: ClassVar[str] = (
        "Sheng, Provost and Ipeirotis 2008, Get Another Label? Improving Data Quality and Data Mining Using Multiple, "
        "Noisy Labelers"
    )

    by: str = "conflict"

    def __post_init__(self) -> None:
        choice(self.name, "by", self.by, ("conflict", "lmu", "lu", "mu"))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        proba, votes = field_of(view, "proba"), field_of(view, "votes")
        lead = votes.max(axis=1)
        if self.by == "conflict":
            model = 1 - np.where(votes == lead[:, None], proba, 0).max(axis=1)
        else:
            model = 1 - proba.max(axis=1)
        model = np.clip(model, 0, 1)  # rows sum to 1 only nearly
        if self.by == "mu":
            doubt = model
        else:
            label = _label_doubt(votes, lead)
            doubt = label if self.by == "lu" else np.sqrt(label * model)
        margin = np.clip(margins(proba), 0, 1)
        return np.where(lead > 0, with_ties(doubt, 1 - margin), -1 - margin)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (14.5 * C + 170))


def _label_doubt(votes: F8, lead: F8) -> F8:
    from scipy.special import betainc

    if votes.shape[1] == 1:
        return np.zeros(len(votes))
    return np.asarray(betainc(lead + 1, lead - margins(votes) + 1, 0.5))
