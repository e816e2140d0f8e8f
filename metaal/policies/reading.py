"""From text to policy: the same words on the command line, in the log and in code."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module, metadata
from typing import Any

from metaal.actions import Policy
from metaal.errors import PolicyError
from metaal.policies.arms import check_arm
from metaal.policies.fixed import Fixed
from metaal.policies.learnedfile import load, load_shipped
from metaal.policies.schedule import Schedule, Stage
from metaal.policies.uniform import Uniform
from strategy_zoo import Strategy, UnknownStrategyError, ZooError, get
from strategy_zoo.plain import Rule

SUFFIX = ".metaal"


def _uniform(*arms: str, multipliers: tuple[float, ...] = (1.0,)) -> Uniform:
    return Uniform(arms or Uniform().arms, tuple(multipliers))


def _schedule(*stages: Stage) -> Schedule:
    return Schedule(stages) if stages else Schedule()


def _exploring(*arms: str, **options: Any) -> Policy:
    from metaal.rehearsal.exploring import ARMS, Exploring

    return Exploring(arms or ARMS, **options)


def _tcm(*arguments: Any, **options: Any) -> Policy:
    """The policy that counts loops where one of its own parameters is named; else the strategy, which counts labels."""
    if {"coverage", "loops", "then"} & options.keys() or any(isinstance(argument, str) for argument in arguments):
        return _rival("tcm", "Tcm")(*arguments, **options)
    return Fixed(check_arm(type(get("tcm"))(*arguments, **options)))


def _rival(module: str, name: str) -> Callable[..., Policy]:
    """The class of a policy, imported when it is first read."""

    def make(*arguments: Any, **options: Any) -> Policy:
        return getattr(import_module(f"metaal.policies.{module}"), name)(*arguments, **options)

    return make


def _over(module: str, name: str) -> Callable[..., Policy]:
    """The same for a policy over any number of arms, which its text names one by one."""

    def make(*arms: str, **options: Any) -> Policy:
        return _rival(module, name)(arms, **options)

    return make


_FACTORIES: dict[str, Callable[..., Policy]] = {
    "default": _rival("shipped", "default"),
    "exploring": _exploring,
    "fixed": Fixed,
    "learned": load_shipped,
    "uniform": _uniform,
    "schedule": _schedule,
    "tcm": _tcm,
    "borda": _over("borda", "Borda"),
    "exp4p": _over("exp4p", "Exp4p"),
    "thompson": _over("thompson", "Thompson"),
    "select_al": _rival("select_al", "SelectAl"),
    "growing": _rival("growing", "Growing"),
    "stopping": _rival("stopping", "Stopping"),
}


def read_policy(policy: Policy | Strategy | Rule | str) -> Policy:
    """Return the policy that ``policy`` is or spells.

    Parameters
    ----------
    policy : Policy or str
        ``"default"`` (the best that was measured so far: the shipped learned policy, and in regressions the hand
        schedule), ``"learned"`` (the former alone), the spelling of a strategy (then it is fixed), the name of a
        policy such as ``"uniform"`` or ``"schedule"``, plain or with literal arguments (docs/policies.md has all of
        them), or the path of a ``.metaal`` file; also a strategy or a function ``f(view, n, rng) -> rows``.

    Raises
    ------
    PolicyError
        The text is none of these; the message offers what is near.

    Examples
    --------
    >>> read_policy("margin")
    Fixed(strategy='margin', multiplier=1.0, share=1.0, refit='full')
    >>> read_policy("schedule(('random', 1), ('margin', 0))").arms
    ('random', 'margin')
    """
    if not isinstance(policy, str):
        if isinstance(policy, Policy):
            return policy
        if isinstance(policy, Strategy) or (callable(policy) and not isinstance(policy, type)):
            return Fixed(check_arm(policy))
        raise PolicyError(
            f"policy: got {type(policy).__name__}, expected a text, a strategy, a function f(view, n, rng) -> rows, "
            "or an object with arms and decide()"
        )
    text = policy.strip()
    if text.endswith(SUFFIX):
        return load(text)
    name = text.split("(", 1)[0].strip()
    factory = _FACTORIES.get(name) or _third_party(name)
    shown = text if len(text) <= 80 else text[:77] + "..."
    if factory is not None:
        arguments, keywords = ((), {}) if name == text else _arguments(text, name)
        try:
            return factory(*arguments, **keywords)
        except (TypeError, ZooError) as error:
            raise PolicyError(f"policy {shown!r}: {error}") from error
    try:
        return Fixed(get(text).spelling)
    except UnknownStrategyError as error:
        known = ", ".join(_FACTORIES)
        raise PolicyError(f"policy {shown!r}: {error}; or a policy: {known}, or the path of a {SUFFIX} file") from error
    except ZooError as error:
        raise PolicyError(f"policy {shown!r}: {error}") from error


def _arguments(text: str, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Literal arguments of ``name(...)``; nothing is evaluated."""
    if len(text) > 10_000:
        raise PolicyError(f"policy: the text has {len(text)} characters; at most 10,000 are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python's parser finds doubtful is not a policy
            node = ast.parse(text, mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != name:
            raise ValueError(f"expected {name}(...)")
        keywords: dict[str, Any] = {}
        for word in node.keywords:
            if word.arg is None or word.arg in keywords:
                raise ValueError("a keyword is repeated" if word.arg else "** is not allowed")
            keywords[word.arg] = ast.literal_eval(word.value)
        return tuple(ast.literal_eval(argument) for argument in node.args), keywords
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise PolicyError(f"policy {text[:80]!r}: only literal arguments can be read ({error})") from error


def _third_party(name: str) -> Callable[..., Policy] | None:
    entry = _third_parties().get(name)
    return None if entry is None else entry.load()


@cache
def _third_parties() -> Mapping[str, metadata.EntryPoint]:
    """Policies of other packages by name, the first one of a name.

    Looked for once in a process: it reads a file of every installed package, which takes longer than a loop.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for entry in metadata.entry_points(group="metaal.policies"):
        found.setdefault(entry.name, entry)
    return found
