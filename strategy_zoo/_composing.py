"""What strategies that are made of other strategies share."""

from __future__ import annotations

from typing import Any

from strategy_zoo.errors import SpellingError
from strategy_zoo.strategy import Strategy


def combined(parts: tuple[Strategy, ...]) -> dict[str, Any]:
    """What a composition needs and does, from its ingredients; set on the instance over the class's own values."""
    needs = tuple(dict.fromkeys(name for part in parts for name in part.needs))
    return {
        "needs": needs,
        "uses": tuple(dict.fromkeys(name for part in parts for name in part.uses if name not in needs)),
        "task": tuple(task for task in parts[0].task if all(task in part.task for part in parts)),
        "stochastic": any(part.stochastic for part in parts),
    }


def by_position(
    name: str, known: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any], usage: str
) -> dict[str, Any]:
    """Positional and keyword arguments of a composition as one dictionary; the first ones must be strategies.

    `known` names the parameters that may be given by position, all of them strategies.
    """
    given = dict(zip(known, args, strict=False))
    double = sorted(given.keys() & kwargs.keys())
    if len(args) > len(known) or double:
        again = f" and again {', '.join(double)}" if double else ""
        raise SpellingError(f"{name} got {len(args)} positional argument(s){again}, expected {usage}")
    given |= kwargs
    for key in known:
        if key in given and not isinstance(given[key], Strategy):
            raise SpellingError(f"{name}: {key} is {given[key]!r}, expected a strategy such as margin")
    return given
