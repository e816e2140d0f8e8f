"""Checks of the arms and multipliers that a policy offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from metaal.actions import Action, read_action
from metaal.errors import InputError, PolicyError
from strategy_zoo import get
from strategy_zoo.plain import Rule, keep
from strategy_zoo.strategy import Strategy

LEAST, MOST = 1e-6, 1e6
"""Bounds of a batch multiplier: beyond them a count of rows overflows."""


def check_arm(arm: str | Strategy | Rule) -> str:
    """The canonical spelling of a strategy; a function's can be read back for as long as this process lives."""
    return keep(get(arm)).spelling


def check_arms(arms: Iterable[str | Strategy | Rule]) -> tuple[str, ...]:
    """Canonical spellings, at least one, without repeats."""
    if isinstance(arms, str | Strategy):
        arms = (arms,)
    out = tuple(check_arm(arm) for arm in arms)
    if not out or len(set(out)) != len(out):
        raise PolicyError(f"arms: got {list(out)}, expected at least one strategy and none twice")
    return out


def check_multipliers(multipliers: Iterable[float]) -> tuple[float, ...]:
    """Numbers from `LEAST` to `MOST`, at least one, without repeats."""
    out = []
    for value in multipliers:
        if isinstance(value, bool) or not isinstance(value, int | float) or not LEAST <= value <= MOST:
            raise PolicyError(
                f"multiplier: got {str(value)[:40]!r}, expected a number > 0, such as 0.5 or 2 ({LEAST:g} to {MOST:g})"
            )
        out.append(float(value))
    if not out or len(set(out)) != len(out):
        raise PolicyError(f"multipliers: got {out}, expected at least one and none twice")
    return tuple(out)


def check_actions(texts: Iterable[str | Action]) -> tuple[Action, ...]:
    """Actions from their texts, with canonical spellings, none twice; there may be none."""
    out = []
    for text in texts:
        try:
            action = read_action(text) if isinstance(text, str) else text
        except InputError as error:
            raise PolicyError(str(error)) from error
        check_multipliers((action.multiplier,))
        out.append(action if action.stop else replace(action, strategy=check_arm(action.strategy)))
    if len(set(out)) != len(out):
        raise PolicyError(f"actions: got {', '.join(map(str, out))}, expected none twice")
    return tuple(out)
