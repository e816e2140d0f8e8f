"""Which fields of a view are wanted: named themselves, or needed by strategies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from metaal.errors import InputError
from strategy_zoo import FIELDS, Strategy, ZooError, get

Want = str | Strategy


@dataclass
class Wants:
    """Fields in the order of a view: those that must be had, each with who needs it, and those that may be had."""

    required: dict[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    strategies: tuple[Strategy, ...] = ()


def read_wants(want: Want | Iterable[Want]) -> Wants:
    """Names of fields, spellings of strategies, strategies, or a mixture of them; a field's name is never a strategy's.

    Raises
    ------
    InputError
        Something is neither a field nor a strategy, or nothing is wanted.

    Examples
    --------
    >>> read_wants(["proba", "k_center"]).required
    {'proba': 'you', 'embedding': 'k_center'}
    """
    items = [want] if isinstance(want, str | Strategy) or not isinstance(want, Iterable) else list(want)
    if not items:
        raise InputError("want: nothing is wanted; name fields such as proba, or strategies such as margin")
    fields, strategies = set(), []
    for item in items:
        if isinstance(item, str) and item.strip() in FIELDS:
            fields.add(item.strip())
        else:
            strategies.append(_strategy(item))
    needed = dict.fromkeys(fields, "you")
    for strategy in strategies:
        for name in strategy.needs:
            needed.setdefault(name, strategy.spelling)
    useful = {name for strategy in strategies for name in strategy.uses} - needed.keys()
    return Wants(
        required={name: needed[name] for name in FIELDS if name in needed},
        optional=tuple(name for name in FIELDS if name in useful),
        strategies=tuple(strategies),
    )


def _strategy(item: Want) -> Strategy:
    try:
        return get(item)
    except ZooError as error:
        raise InputError(
            f"want: {item!r} is neither a field of a view ({', '.join(FIELDS)}) nor a strategy ({error})"
        ) from None
