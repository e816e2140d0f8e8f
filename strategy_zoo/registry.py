"""Which strategies exist: every module in `strategies`, and what other packages register.

A new strategy is one new file in ``strategy_zoo/strategies`` with a ``@register`` decorator. Another package offers one
through the entry point group ``metaal.strategies``; the entry point loads the class, or a module that registers it.
"""

from __future__ import annotations

import dataclasses
import importlib
import keyword
import pkgutil
import re
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from strategy_zoo.errors import UnknownStrategyError, ZooError
from strategy_zoo.plain import Plain
from strategy_zoo.strategy import Kind, Strategy, default_of
from strategy_zoo.view import FIELDS

GROUP = "metaal.strategies"
# Words of the compositions: mix(weights=0.5, ...) couldn't be told from the weights.
_RESERVED = {"weights", "factor", "parts", "filter", "pick", "rule", "plain"}

_S = TypeVar("_S", bound=type[Strategy])
_classes: dict[str, type[Strategy]] = {}
_loaded: set[str] = set()


def register(cls: _S) -> _S:
    """Make a strategy known by its name; use it as a decorator above ``@dataclass(frozen=True)``.

    Raises
    ------
    ZooError : the class breaks the contract in a way that can be seen without running it, or the name is taken.
    """
    where = f"{getattr(cls, '__module__', '?')}.{getattr(cls, '__qualname__', cls)}"
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise ZooError(f"{where} isn't a Strategy; register a subclass of strategy_zoo.Strategy")
    params = cls.__dict__.get("__dataclass_params__")
    if params is None or not params.frozen:
        raise ZooError(f"{where} isn't a frozen dataclass; put @dataclass(frozen=True) under @register")
    name = cls.name
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name) or name in _RESERVED:
        raise ZooError(f"{where} has the name {name!r}, expected an ASCII identifier that isn't a reserved word")
    if cls.kind not in get_args(Kind):
        raise ZooError(f"{where} has the kind {cls.kind!r}, expected one of {', '.join(get_args(Kind))}")
    for key in ("needs", "uses", "task"):
        if isinstance(text := getattr(cls, key), str):
            raise ZooError(f"{where}: {key} is the text {text!r}, expected a tuple; write {key} = ({text!r},)")
    strange = [field for field in (*cls.needs, *cls.uses) if field not in FIELDS]
    if strange:
        raise ZooError(
            f"{where} needs {', '.join(strange)}, which a view doesn't have; its fields: {', '.join(FIELDS)}"
        )
    for kind, method in (("rowwise", "score"), ("batch", "propose")):
        if cls.kind == kind and getattr(cls, method) is getattr(Strategy, method):
            other = "batch" if cls.propose is not Strategy.propose else "rowwise"
            hint = f"define it, or set kind = {other!r}" if other != kind else "define it"
            raise ZooError(f"{where} is of the kind {kind!r} and doesn't define {method}; {hint}")
    asked = [field.name for field in dataclasses.fields(cls) if default_of(field) is dataclasses.MISSING]
    if asked and not cls.example:
        raise ZooError(
            f"{where} has no default for {', '.join(asked)}; give one, or set example on the class: a spelling that "
            f"works, such as {name}({asked[0]}=...)"
        )
    holder = _classes.get(name)
    if holder is not None and (holder.__module__, holder.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ZooError(
            f"the name {name!r} of {where} is taken by {holder.__module__}.{holder.__qualname__}; choose another"
        )
    # @dataclass writes a repr of its own; the canonical text is what must be shown and stored.
    cls.__repr__ = Strategy.__repr__  # type: ignore[method-assign]
    _classes[name] = cls
    return cls


def lookup(name: str) -> type[Strategy]:
    """The class registered under a name."""
    if name == Plain.name:
        return Plain
    if name not in _classes:
        _load()
    if name not in _classes:
        import difflib

        near = difflib.get_close_matches(name[:60], list(_classes), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(_classes))}"
        raise UnknownStrategyError(f"no strategy is called {name[:60]!r}; {hint}")
    return _classes[name]


def foreign(texts: Iterable[str]) -> list[type[Strategy]]:
    """The classes outside of this package that some spellings name; another process has to `register` them."""
    words = set(re.findall(r"\w+", " ".join(texts)))
    return [cls for name, cls in _classes.items() if name in words and not cls.__module__.startswith("strategy_zoo.")]


def names() -> list[str]:
    """The names of all strategies, sorted.

    >>> names()[:3]
    ['ascend_uncertainty', 'badge', 'bait']
    """
    _load()
    return sorted(_classes)


def catalogue() -> list[dict[str, Any]]:
    """One dictionary per strategy, sorted by name: what it needs, what it costs, where it comes from."""
    return [_entry(lookup(name)) for name in names()]


def _entry(cls: type[Strategy]) -> dict[str, Any]:
    defaults = {field.name: default_of(field) for field in dataclasses.fields(cls)}
    return {
        "name": cls.name,
        "family": cls.family,
        "kind": cls.kind,
        "needs": cls.needs,
        "uses": cls.uses,
        "task": cls.task,
        "growth": cls.growth,
        "limit": cls.limit,
        "stochastic": cls.stochastic,
        "reference": cls.reference,
        "summary": (cls.__doc__ or "").strip().split("\n")[0],
        "example": cls.example or cls.name,
        "parameters": {key: "(required)" if v is dataclasses.MISSING else v for key, v in defaults.items()},
    }


def _load() -> None:
    if "own" not in _loaded:
        package = importlib.import_module("strategy_zoo.strategies")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _loaded.add("own")
    if GROUP not in _loaded:
        _loaded.add(GROUP)
        _load_entry_points()


def _load_entry_points() -> None:
    import importlib.metadata

    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            found = entry.load()
            if isinstance(found, type):
                register(found)
        except Exception as error:  # somebody else's package: name it, and go on without it
            warnings.warn(
                f"the entry point {entry.name!r} ({entry.value}) of the group {GROUP!r} can't be used: "
                f"{type(error).__name__}: {error}; repair or uninstall the package that offers it",
                stacklevel=4,
            )
