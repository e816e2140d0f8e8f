"""The text form of strategies: ``margin``, ``k_center(metric='cosine')``, ``mix(margin=0.7, random=0.3)``.

The text is parsed as a Python expression, of which only names, calls, keyword arguments and literals are read. Nothing
is ever evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import Any

from strategy_zoo.errors import SpellingError, ZooError
from strategy_zoo.plain import Plain, Rule
from strategy_zoo.registry import lookup
from strategy_zoo.strategy import Strategy

MAX_LENGTH = 2_000
MAX_DEPTH = 12
# The two things about which Python's parser warns; ordinary spellings hold neither.
_DOUBTFUL = re.compile(r"\\|[0-9a-fA-F.](?:and|else|for|if|in|is|not|or)\b")


def get(strategy: str | Strategy | Rule) -> Strategy:
    """The strategy that a text spells; a strategy is returned as it is, a function f(view, n, rng) as a `Plain` one.

    Raises
    ------
    SpellingError : the text can't be read (the column is shown), or a parameter is out of range.
    UnknownStrategyError : no strategy has this name; the nearest names are shown.

    Examples
    --------
    >>> get("k_center( metric = 'euclidean' )")
    k_center
    >>> get("mix(margin=7, random=3)")
    mix(margin=0.7, random=0.3)
    >>> get("margin + 1")
    Traceback (most recent call last):
    ...
    strategy_zoo.errors.SpellingError: can't read 'margin + 1' at column 1: expected a strategy such as margin or \
k_center(metric='cosine')
    """
    if isinstance(strategy, Strategy):
        return strategy
    if isinstance(strategy, type):
        raise SpellingError(f"got the class {strategy.__name__}, expected a strategy; write {strategy.__name__}(...)")
    if callable(strategy):
        return Plain(strategy)
    if not isinstance(strategy, str):
        raise SpellingError(
            f"a strategy is given as a {type(strategy).__name__}, expected a text such as 'margin', a Strategy, or a "
            "function f(view, n, rng) -> rows"
        )
    text = strategy.strip()
    if len(text) > MAX_LENGTH:
        raise SpellingError(f"the text of the strategy has {len(text)} characters, expected at most {MAX_LENGTH}")
    return _strategy(_parse(text), text, 1)


@lru_cache(maxsize=256)  # loops ask for the same few strategies again and again
def _parse(text: str) -> ast.expr:
    if not text:
        raise SpellingError("the text of the strategy is empty; write a name such as margin")
    try:
        if not _DOUBTFUL.search(text):
            return ast.parse(text, mode="eval").body
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise _unreadable(text, (error.offset or 1), error.msg) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        # NUL bytes, huge numbers and deep nesting end here, depending on the version of Python.
        raise _unreadable(text, 1, f"{type(error).__name__}: {error}") from None


def _strategy(node: ast.expr, text: str, depth: int) -> Strategy:
    if depth > MAX_DEPTH:
        raise _unreadable(text, node.col_offset + 1, f"strategies are nested deeper than {MAX_DEPTH}")
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        args = tuple(_value(arg, text, depth + 1) for arg in node.args)
        for item in node.keywords:
            if item.arg is None:
                raise _unreadable(text, item.value.col_offset + 1, "** isn't allowed, write the parameters out")
            if item.arg in kwargs:  # Python's compiler would refuse it, its parser doesn't
                raise _unreadable(text, item.col_offset + 1, f"{item.arg} is repeated; write it once")
            kwargs[item.arg] = _value(item.value, text, depth + 1)
    elif isinstance(node, ast.Name):
        name = node.id
    else:
        raise _unreadable(text, node.col_offset + 1, "expected a strategy such as margin or k_center(metric='cosine')")
    cls = lookup(name)
    try:
        return cls.build(args, kwargs)
    except ZooError:
        raise
    except (TypeError, ValueError) as error:  # a third party's class that checks in its own way
        raise _unreadable(text, node.col_offset + 1, str(error)) from error


def _value(node: ast.expr, text: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _unreadable(text, node.col_offset + 1, f"values are nested deeper than {MAX_DEPTH}")
    if isinstance(node, ast.Name | ast.Call):
        return _strategy(node, text, depth)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(item, text, depth + 1) for item in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number
    raise _unreadable(text, node.col_offset + 1, "expected a number, a quoted text, a tuple or a strategy")


def _unreadable(text: str, column: int, why: str) -> SpellingError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return SpellingError(f"can't read {shown!r} at column {column}: {why[:200]}")
