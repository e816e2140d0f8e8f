"""Which name means what: a table from names to kinds, and what each kind may show at each level.

====================  =============================  =======================  ==========
kind                  L1                             L2                       L3
====================  =============================  =======================  ==========
plain                 as it is                       as it is                 as it is
scalar, vector        3 digits, of k rows or more    as L1                    as it is
count, histogram      multiples of k                 as L1                    as it is
share                 of a group: numerator in k     as L1                    as it is
ratio                 of two rounded counts          as L1                    as it is
text, texts           if on the allow list           as L1                    as it is
id                    –                              keyed hash, 64 bits      as it is
digest                –                              keyed hash               as it is
score, rank           –                              rank, named NAME.rank    as it is
sample, label, free   –                              –                        as it is
====================  =============================  =======================  ==========
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Literal

import numpy as np

# fmt: off
Kind = Literal[
    "plain", "scalar", "count", "share", "ratio", "text", "id", "digest",
    "vector", "histogram", "texts", "score", "rank", "sample", "label", "free",
]
# fmt: on
LEVEL_OF: dict[str, str] = {
    **dict.fromkeys(("plain", "scalar", "count", "share", "ratio", "text", "vector", "histogram", "texts"), "L1"),
    **dict.fromkeys(("id", "digest", "score", "rank"), "L2"),
    **dict.fromkeys(("sample", "label", "free"), "L3"),
}
"""The lowest level at which something of a kind is kept in any form."""


@dataclass(frozen=True)
class Rule:
    """What a name means.

    Parameters
    ----------
    kind : see the table of the module.
    of : values of the same record that say how many rows are behind the number: the first less all others (ratio: the
        first over the sum of all). Without one of them, or with fewer than k rows, the number is left out.
    known : of texts: says whether a text is one of a closed vocabulary, such as the spelling of a strategy.
    """

    kind: Kind
    of: tuple[str, ...] = ()
    known: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Rules:
    """The kinds of names; a name that no line fits is judged by its type, and what is unknown is not kept.

    Parameters
    ----------
    values, arrays : (name or glob, rule), the first line that fits counts.
    pool : value that holds the size of the pool, which must not be small at L1.
    labelled, withdrawn : (event, array of ids) that say which rows got a label, and which lost it again.

    Examples
    --------
    >>> rules = Rules(values=(("pool.size", Rule("count")), ("note.*", Rule("free"))))
    >>> rules.of_value("note.x", "text").kind, rules.of_value("other", 0.5).kind, rules.of_value("n", 3).kind
    ('free', 'scalar', 'count')
    """

    values: tuple[tuple[str, Rule], ...] = ()
    arrays: tuple[tuple[str, Rule], ...] = ()
    pool: str = "pool.size"
    labelled: tuple[tuple[str, str], ...] = (("tell", "ids"), ("change", "ids"))
    withdrawn: tuple[tuple[str, str], ...] = (("withdraw", "ids"),)

    def of_value(self, name: str, value: Any) -> Rule:
        """Return the rule of a value: the one that its name has if that fits its type, else the one of its type."""
        rule = self._find(0, name)
        own = _OF_TYPE[type(value)]
        if rule is None:
            return own
        if isinstance(value, str):
            return rule if rule.kind in ("text", "id", "digest", "free") else own
        # a truth value under the name of a count tells no count; text rules say nothing of numbers
        return own if rule.kind in ("text", "digest") or (isinstance(value, bool) and rule.kind != "free") else rule

    def of_array(self, name: str, array: np.ndarray) -> Rule:
        """Return the rule of an array, or of a column of a block; one that no line fits is of samples."""
        return self._find(1, name) or _SAMPLE

    def _find(self, which: int, name: str) -> Rule | None:
        """Return the first rule that fits a name; each name is looked for once, since records repeat theirs."""
        known = self._known[which]
        if name not in known:
            if len(known) >= MOST_KNOWN:
                known.clear()
            table = (self.values, self.arrays)[which]
            known[name] = next((rule for pattern, rule in table if fnmatchcase(name, pattern)), None)
        return known[name]

    @cached_property
    def _known(self) -> tuple[dict[str, Rule | None], dict[str, Rule | None]]:
        return {}, {}


MOST_KNOWN = 65_536
_SAMPLE = Rule("sample")
_OF_TYPE = {float: Rule("scalar"), int: Rule("count"), bool: Rule("plain"), str: Rule("text")}


def _lines(rule: Rule, *patterns: str) -> tuple[tuple[str, Rule], ...]:
    return tuple((pattern, rule) for pattern in patterns)


_IDS = _lines(Rule("id"), "id", "ids", "*.id", "*.ids", "*_id", "*_ids")

BY_NAME = Rules(
    values=(
        *_lines(Rule("plain"), "privacy.dropped"),
        *_lines(Rule("text"), "block.name"),
        *_lines(Rule("count"), "block.rows", "block.bytes"),
        *_lines(Rule("digest"), "*.digest", "*.hash", "*.checksum", "block.file"),
        *_IDS,
        *_lines(Rule("count"), "count", "size", "*.count", "*.size", "*.rows", "*.told", "*.late", "*.batch"),
        *_lines(Rule("count"), "*.skipped", "*.changed", "*.withdrawn", "*.waiting", "*.scored"),
    ),
    arrays=(
        *_IDS,
        *_lines(Rule("label"), "label", "labels", "*.label", "*.labels"),
        *_lines(Rule("histogram"), "hist", "histogram", "counts", "*.hist", "*.histogram", "*.counts"),
        *_lines(Rule("score"), "score", "scores", "*.score", "*.scores"),
        *_lines(Rule("rank"), "rank", "*.rank"),
    ),
)
"""Kinds by habit of naming, for stores of which nothing is known."""
