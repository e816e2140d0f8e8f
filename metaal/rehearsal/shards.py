"""A part of a long list for each of several machines, the same whoever works it out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from metaal.errors import InputError

T = TypeVar("T")


def read_shard(text: str) -> tuple[int, int]:
    """The number i and the count n of a shard that is written ``i/n``.

    Raises
    ------
    InputError
        It is not of that form, or i is not from 1 to n.

    Examples
    --------
    >>> read_shard("2/8")
    (2, 8)
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"shard: got {text!r}, expected i/n with i from 1 to n, such as 1/4 for the first of four")
    return int(found[1]), int(found[2])


def sharded(items: Sequence[T], shard: tuple[int, int]) -> list[T]:
    """Every n-th item from the i-th: neighbours, which cost about the same, go to different shards.

    Examples
    --------
    >>> sharded("abcde", (2, 2))
    ['b', 'd']
    """
    number, count = shard
    return list(items[number - 1 :: count])


def matching(items: Sequence[T], names: Sequence[str], pattern: str) -> list[T]:
    """The items whose name a pattern of ``*``, ``?`` and ``[]`` matches.

    Raises
    ------
    InputError
        There is none.
    """
    found = [item for item, name in zip(items, names, strict=True) if fnmatchcase(name, pattern)]
    if not found:
        near = ", ".join(list(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise InputError(f"only: {pattern!r} matches none of the tasks ({near}); use * for any text")
    return found
