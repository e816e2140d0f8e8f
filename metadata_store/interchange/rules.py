"""What the caller of an import knows of the statistics that foreign columns become: their kinds and their words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ..checks import shown
from ..errors import OptionError

AFTER = "after"
"""Event of the records of what became known after a row's batch was labelled; they stand at the next loop."""
MOST_WORDS = 1000

Translate = Callable[[str], str | None]


@dataclass(frozen=True)
class Rules:
    """Kinds and words of statistics, by the statistic's name.

    Parameters
    ----------
    kinds : statistic → "float", "int", "bool" or "str", where the store does not know it yet; numbers become text where
        text is wanted.
    translate : statistic → function of a text that returns the text to be stored, or None for none; it raises
        `ValueError` where it knows no such text.

    Examples
    --------
    >>> Rules(translate={"action.name": str.lower}).translate["action.name"]("Margin")
    'margin'
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    translate: Mapping[str, Translate] = field(default_factory=dict)


def check_words(translate: Translate, words: Collection[str], where: str) -> None:
    """Try every word of a column, and name all those that have no translation in one error.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> check_words(lambda text: {"a": "b"}[text], ["a"], "column 'x'")
    """
    if len(words) > MOST_WORDS:
        raise OptionError(f"{where} has over {MOST_WORDS} different values; is it the right one?")
    wrong = []
    for word in sorted(words):
        try:
            translate(word)
        except ValueError as error:
            wrong.append(f"  {shown(word)}: {error}")
    if wrong:
        raise OptionError("\n".join([f"{where} has {len(wrong)} unknown of {len(words)} different values:", *wrong]))
