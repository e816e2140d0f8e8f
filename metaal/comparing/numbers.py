"""The dictionary of what an evaluation measures: title, unit, direction and meaning of every column of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Number:
    """One column of ``Result.runs``.

    Parameters
    ----------
    name : str
        The column.
    title : str
        What a table calls it.
    unit : str
        ``"%"`` for shares in [0, 1], which are shown as percentages and whose differences are percentage points;
        otherwise the unit in words, ``""`` for a plain number.
    less : bool
        Whether less is better.
    meaning : str
        Its definition, one sentence.
    """

    name: str
    title: str
    unit: str
    less: bool
    meaning: str

    @property
    def factor(self) -> float:
        """What a value is multiplied by to be shown: 100 for shares, otherwise 1."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def difference(self) -> str:
        """Unit of a difference as shown: ``"pp"`` for shares."""
        return "pp" if self.unit == "%" else self.unit

    @property
    def censored(self) -> bool:
        """Whether NaN means "not reached", which no mean may leave out."""
        return self.name.startswith(("labels.to.", "compression."))


_AREA = "area under the test curve over labels, divided by the labels it spans: the mean"

NUMBERS: tuple[Number, ...] = (
    Number("aulc", "AULC", "%", False, f"{_AREA} accuracy (R² in a regression)"),
    Number("aulc.balanced_accuracy", "AULC, balanced accuracy", "%", False, f"{_AREA} recall over the classes"),
    Number("aulc.log_loss", "AULC, log-loss", "nats", True, f"{_AREA} log-loss, probabilities clipped at 0.02"),
    Number("aulc.brier", "AULC, Brier score", "", True, f"{_AREA} Brier score, from 0 to 2"),
    Number("aulc.rmse", "AULC, RMSE", "", True, f"{_AREA} root mean squared error, in the target's unit"),
    Number("first30", "first 30 labels", "%", False, "mean test score over the first 30 labels after the initial ones"),
    Number("first", "first model", "%", False, "test score of the model trained on the initial labels"),
    Number("final", "final", "%", False, "test score of the last model"),
    Number("full", "all labelled", "%", False, "test score of the learner trained on the whole labelled pool"),
    Number("labels", "labels", "labels", True, "labels at the end, the initial ones included"),
    Number("labels.spent", "labels spent", "labels", True, "labels bought: those at the end less the initial ones"),
    Number("rounds", "rounds", "rounds", True, "loops in which labels were asked for"),
    Number("fits", "full fits", "fits", True, "models trained from nothing, the first one included"),
    Number(
        "rows.scored", "rows scored", "rows", True, "pool rows for which model outputs were computed, over all loops"
    ),
    Number("points", "points", "", False, "points of AULC over the first model, times the batches they were held for"),
    Number("utility", "utility", "", False, "value of the points less labels, seconds and rounds, at the prices"),
    Number("seconds", "seconds", "s", True, "seconds of compute of a run, all phases"),
    Number("stop.cost", "cost of the stop", "", True, "total cost at the policy's stop over that of the best stop"),
)

_PATTERNS: tuple[tuple[str, Number], ...] = (
    (
        r"labels\.to\.(\d+)",
        Number(
            "", "labels to {} %", "labels", True, "labels at which the curve first reaches {} % of the full-data score"
        ),
    ),
    (
        r"compression\.(\d+)",
        Number(
            "",
            "compression at {} %",
            "%",
            False,
            "1 − labels needed for {} % of the full-data score / rows of the pool",
        ),
    ),
    (r"seconds\.(\w+)", Number("", "seconds of {}", "s", True, "seconds of compute of a run in the phase {}")),
    (
        r"reached\.(\d+)",
        Number("", "reached {} %", "%", False, "share of the runs that reached {} % of the full-data score"),
    ),
)

_BY_NAME = {number.name: number for number in NUMBERS}


def number(name: str) -> Number:
    """What a column means; a column of the caller's own is a plain number of which more is better.

    Examples
    --------
    >>> number("labels.to.95").title, number("labels.to.95").less
    ('labels to 95 %', True)
    >>> number("aulc").factor, number("aulc").difference
    (100.0, 'pp')
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    for pattern, found in _PATTERNS:
        match = re.fullmatch(pattern, name)
        if match:
            word = match[1]
            return replace(found, name=name, title=found.title.format(word), meaning=found.meaning.format(word))
    return Number(name, name, "", name.startswith(("seconds", "labels", "rounds")) or "loss" in name, "")
