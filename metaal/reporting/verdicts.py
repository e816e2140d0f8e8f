"""The judged policy against each rival, in numbers and in one word each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from metaal.comparing import ENOUGH
from metaal.reporting.reading import Reading
from metaal.reporting.words import listed, number

LEVEL = 0.05
SURE = 0.95
"""Posterior probability of practical equality from which on two policies are called equal."""


@dataclass(frozen=True)
class Verdict:
    """The judged policy less one rival, in points (hundredths of the main score).

    ``word`` is one of better, worse, same (practically equal), open (not distinguishable), untold (so few pairs that no
    difference could be significant), mixed (a significant test whose direction is not that of the mean).
    """

    rival: str
    difference: float
    low: float
    high: float
    p: float
    wins: int
    ties: int
    losses: int
    same: float
    word: str

    @property
    def tone(self) -> str:
        """Colour class."""
        return {"better": "good", "worse": "bad"}.get(self.word, "")


WORDS = {
    "better": "better",
    "worse": "worse",
    "same": "practically the same",
    "open": "not distinguishable",
    "untold": "too few to tell",
    "mixed": "mixed: mean and majority disagree",
}


class Verdicts:
    """All verdicts, and what they rest on; the statistics are `metaal.comparing.headline`."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    @property
    def by_family(self) -> bool:
        """Whether families are the unit; otherwise the paired cells (task and seed)."""
        return len(self.reading.families) >= ENOUGH

    @property
    def unit(self) -> str:
        """What is counted, in words."""
        return "families" if self.by_family else "paired runs"

    @cached_property
    def count(self) -> int:
        """Units."""
        return len(self.reading.families) if self.by_family else int(self.reading.good["stream"].nunique())

    @cached_property
    def each(self) -> list[Verdict]:
        """One a rival, in the order of the evaluation."""
        from metaal.comparing import headline

        if not self.reading.rivals or not self.reading.tasks:
            return []
        table: Any = headline(self.reading.good, self.reading.main).table
        return [_verdict(rival, table.loc[rival], len(table)) for rival in self.reading.rivals]

    def headline(self) -> str:
        """The answer in one sentence."""
        main, point = self.reading.main, self.reading.score.point
        if whole := self._all_alike():
            return whole
        groups: dict[str, list[str]] = {}
        for verdict in self.each:
            text = verdict.rival
            if verdict.word in ("better", "worse") and len(self.each) <= 6:
                text += f" ({number(verdict.difference, 2, signed=True)} {point})"
            groups.setdefault(verdict.word, []).append(text)
        parts = []
        for word, phrase in (
            ("better", "better than"),
            ("worse", "worse than"),
            ("same", "practically the same as"),
            ("open", "not distinguishable from"),
            ("mixed", "neither better nor worse than"),
        ):
            if word in groups:
                parts.append(f"{phrase} {listed(groups[word], 4)}")
        if not parts:
            rivals = listed(groups.get("untold", []), 4)
            unit = self.unit if self.count != 1 else {"families": "family", "paired runs": "paired run"}[self.unit]
            few = f"{self.count} {unit} {'are' if self.count != 1 else 'is'} too few"
            return f"{few} to tell {main} from {rivals}; it takes at least {needed(len(self.each))}."
        in_what = f" in mean {self.reading.score.words} while labelling" if self.reading.score.name else ""
        sentence = f"{main} is {_joined(parts)}"
        if "untold" in groups:
            sentence += f"; too few {self.unit} to tell it from {listed(groups['untold'], 4)}"
        return f"{sentence}{in_what}."

    def _all_alike(self) -> str:
        """The sentence where many rivals get one and the same word."""
        words = {verdict.word for verdict in self.each}
        if len(self.each) <= 4 or len(words) != 1 or words & {"untold", "mixed"}:
            return ""
        ends = sorted((verdict.difference for verdict in self.each), key=abs)
        span = " to ".join(number(value, 2, signed=True) for value in (ends[0], ends[-1]))
        phrase = {
            "better": "better than",
            "worse": "worse than",
            "same": "practically the same as",
            "open": "not distinguishable from any of",
        }[words.pop()]
        score, count = self.reading.score, len(self.each)
        return f"{self.reading.main} is {phrase} all {count} rivals".replace("any of all", "any of the") + (
            f" ({span} {score.point}){f' in mean {score.words} while labelling' if score.name else ''}."
        )


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + ", and " + parts[-1]


def needed(rivals: int) -> int:
    """Pairs below which nothing can be significant: the least p of Wilcoxon's test is 2 / 2ⁿ, times Holm's factor.

    Examples
    --------
    >>> needed(1), needed(2), needed(3), needed(11)
    (6, 7, 7, 9)
    """
    pairs = 1
    while rivals * 2.0 ** (1 - pairs) >= LEVEL:
        pairs += 1
    return pairs


def _verdict(rival: str, row: Any, rivals: int) -> Verdict:
    difference, median, p = (float(row[key]) for key in ("difference", "median", "p_holm"))
    same = float(row["p_same"]) if "p_same" in row else float("nan")
    if int(row["n"]) < needed(rivals):
        word = "untold"
    elif same >= SURE:
        word = "same"
    elif not p < LEVEL:
        word = "open"
    elif difference * median < 0:
        word = "mixed"
    else:
        word = "better" if difference > 0 else "worse"
    counts = [int(row[key]) for key in ("better", "equal", "worse")]
    low, high = (float(row[key]) for key in ("low", "high"))
    if int(row["n"]) < 2:  # a single pair has no spread
        low = high = float("nan")
    return Verdict(rival, difference, low, high, p, counts[0], counts[1], counts[2], same, word)
