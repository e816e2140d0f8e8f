"""What strategies that are made of other strategies share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from strategy_zoo.errors import SpellingError
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Strategy, literal, real

_MOST_PARTS = 32
_LEAST_WEIGHT = 1e-9


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


def ingredients(name: str, parts: Any, least: int, usage: str) -> tuple[Strategy, ...]:
    """The parts of a composition as strategies, from `least` to 32 of them."""
    if isinstance(parts, str | Strategy) or not least <= len(tuple(parts)) <= _MOST_PARTS:
        raise SpellingError(f"{name}: expected {least} to {_MOST_PARTS} ingredients, as in {usage}")
    return tuple(get(part) for part in parts)


def scaled(name: str, weights: Any, count: int) -> tuple[float, ...]:
    """One positive weight for each ingredient, summing to 1; equal ones where none are given."""
    given = tuple(weights) if isinstance(weights, tuple | list | np.ndarray) else weights
    if given is None:
        given = (1.0,) * count
    if not isinstance(given, tuple) or len(given) != count:
        raise SpellingError(f"{name}: weights is {weights!r}, expected {count} numbers, one per ingredient")
    given = tuple(real(name, "a weight", weight, _LEAST_WEIGHT, 1e9) for weight in given)
    total = math.fsum(given)
    # Weights that sum to 1 already stay as they are, so that reading them back changes no digit.
    if abs(total - 1) > 1e-9:
        given = tuple(weight / total for weight in given)
    if min(given) < _LEAST_WEIGHT:
        raise SpellingError(
            f"{name}: the smallest weight is {min(given):.3g} of the sum, expected at least {_LEAST_WEIGHT:g}; "
            "leave that ingredient out"
        )
    return given


def weighted(name: str, parts: tuple[Strategy, ...], weights: tuple[float, ...], rest: str = "") -> str:
    """The spelling ``name(margin=0.7, random=0.3)``, or with weights apart where a part has parameters of its own."""
    texts = [part.spelling for part in parts]
    if all(text.isidentifier() for text in texts) and len(set(texts)) == len(texts):
        return f"{name}({', '.join(f'{t}={w!r}' for t, w in zip(texts, weights, strict=True))}{rest})"
    equal = weights == (1.0 / len(texts),) * len(texts)  # what leaving them out gives, to the last digit
    return f"{name}({', '.join(texts)}{'' if equal else f', weights={literal(weights)}'}{rest})"


def read_weighted(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], usage: str) -> tuple[Any, Any]:
    """Parts and weights of the call that `weighted` spells."""
    if not args:
        return tuple(get(key) for key in kwargs), tuple(kwargs.values())
    strange = [key for key in kwargs if key != "weights"]
    if strange or not all(isinstance(arg, Strategy) for arg in args):
        shown = f"{', '.join(map(literal, args))}{' and ' if strange else ''}{', '.join(strange)}"
        raise SpellingError(f"{name} got {shown}; expected either {usage}")
    return args, kwargs.get("weights")
