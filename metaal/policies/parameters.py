"""What policies with parameters share: checks of numbers, the text form, and which arm each past loop took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.actions import ActionSet, Decision, read_action
from metaal.errors import InputError, PolicyError

if TYPE_CHECKING:
    from metaal.history import History


def whole(policy: str, name: str, value: Any, least: int, most: int) -> int:
    """``value`` as a whole number from ``least`` to ``most``.

    Raises
    ------
    PolicyError
        It is none; the message names the policy and the parameter.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise PolicyError(f"{policy}: {name} is {value!r:.60}, expected a whole number from {least:,} to {most:,}")
    return int(value)


def real(policy: str, name: str, value: Any, least: float, most: float) -> float:
    """``value`` as a number from ``least`` to ``most``.

    Raises
    ------
    PolicyError
        It is none; the message names the policy and the parameter.
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise PolicyError(f"{policy}: {name} is {value!r:.60}, expected a number from {least:g} to {most:g}")
    return float(value)


def spelled(name: str, arguments: Sequence[Any], options: Mapping[str, tuple[Any, Any]]) -> str:
    """The text ``name(arguments, option=value)``, without the options that have their default.

    Parameters
    ----------
    name : str
    arguments : sequence
        Literals, always written.
    options : mapping
        Name → (value, default).

    Examples
    --------
    >>> spelled("thompson", ["margin", "random"], {"discount": (0.5, 0.9), "window": (2, 2)})
    "thompson('margin', 'random', discount=0.5)"
    """
    parts = [repr(argument) for argument in arguments]
    parts += [f"{key}={value!r}" for key, (value, default) in options.items() if value != default]
    return f"{name}({', '.join(parts)})"


def arms_taken(history: History, arms: Sequence[str]) -> np.ndarray:
    """Place i8[T] in ``arms`` of the strategy that each decided loop took; −1 where it is none of them."""
    place = {arm: k for k, arm in enumerate(arms)}
    return np.array([place.get(_strategy(text), -1) for text in history.actions], dtype=np.int64)


def _strategy(text: str) -> str:
    try:
        return read_action(text).strategy
    except InputError:  # a log of another make: what was done is unknown, and teaches nothing
        return ""


def with_chances(actions: ActionSet, chances: Mapping[str, float], reason: str) -> Decision:
    """Decision that draws among the possible actions by the chances of their strategies, scaled to sum 1.

    Parameters
    ----------
    actions : ActionSet
    chances : mapping of str to float
        Strategy → weight ≥ 0. Where all possible ones have none, every action gets the same.
    reason : str
    """
    weight = np.array([chances.get(action.strategy, 0.0) for action in actions])
    total = float(weight.sum())
    return Decision(weight / total if total > 0 else np.full(len(actions), 1 / len(actions)), reason)
