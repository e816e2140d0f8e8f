"""What a change of a task is, and which ones exist."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from metaal.errors import TaskError
from metaal.rehearsal.layout import Layout
from metaal.rehearsal.plugins import load_all
from metadata_store.errors import nearest

GROUP = "metaal.regimes"
_C = TypeVar("_C", bound="type[Change]")
_found: dict[str, type[Change]] = {}
_loaded: set[str] = set()


@dataclass(frozen=True)
class Change:
    """One difference from a clean task; a frozen dataclass of numbers and texts.

    Subclasses give a ``name`` and which ``seed`` of the task they draw from, check their parameters in
    ``__post_init__``, and define `apply`.
    """

    name: ClassVar[str] = ""
    seed: ClassVar[Literal["split", "initial"]] = "split"

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """The layout with the change made.

        Parameters
        ----------
        layout : Layout
            As the changes to the left have made it; the initial labels are not drawn yet. The test labels are sealed.
        rng : Generator
            Of the task's seed that ``seed`` names, the change's name and how often it came before.
        """
        raise NotImplementedError

    @property
    def spelling(self) -> str:
        """Canonical text: parameters in order, those at their default left out.

        Examples
        --------
        >>> from metaal.rehearsal import read_regime
        >>> str(read_regime("noise( rate = .30, kind = 'uniform' )"))
        'noise(rate=0.3)'
        """
        parts = [f"{key}={value!r}" for key, value in self.parameters.items() if value != self._defaults.get(key)]
        return f"{self.name}({','.join(parts)})" if parts else self.name

    @property
    def parameters(self) -> dict[str, float | int | str]:
        """All parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def _defaults(self) -> dict[str, Any]:
        return {field.name: field.default for field in fields(self) if field.default is not MISSING}

    def __str__(self) -> str:
        return self.spelling

    # ------------------------------------------------------------- checks for subclasses

    def number(self, key: str, low: float, high: float = math.inf, *, above: bool = False) -> None:
        """Check that a parameter is a number in [low, high], or in (low, high] with ``above``; keep it as a float."""
        value = getattr(self, key)
        plain = isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
        if not plain or not low <= value <= high or (above and value == low):
            bound = f"above {low:g}" if above else f"from {low:g}"
            up = "" if math.isinf(high) else f" up to {high:g}"
            raise TaskError(f"{self.name}({key}={value!r}): expected a number {bound}{up}")
        object.__setattr__(self, key, float(value))

    def whole(self, key: str, low: int) -> None:
        """Check that a parameter is a whole number of ``low`` or more."""
        value = getattr(self, key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise TaskError(f"{self.name}({key}={value!r}): expected a whole number ≥ {low}")
        object.__setattr__(self, key, int(value))

    def one_of(self, key: str, choices: tuple[str, ...]) -> None:
        """Check that a parameter is one of some words."""
        value = getattr(self, key)
        if value not in choices:
            raise TaskError(f"{self.name}({key}={value!r}): expected one of {', '.join(map(repr, choices))}")

    def needs_classes(self, layout: Layout) -> None:
        """Refuse a regression."""
        if layout.kind != "classification":
            raise TaskError(f"regime {self.spelling}: it is about classes, and this task is a regression; leave it out")


def change(cls: _C) -> _C:
    """Make a change known by its name; use it as a decorator above ``@dataclass(frozen=True)``.

    Raises
    ------
    TaskError
        The class is no frozen dataclass with an identifier as name, or the name is taken.
    """
    where = f"{cls.__module__}.{cls.__qualname__}"
    params = cls.__dict__.get("__dataclass_params__")
    if not (isinstance(cls, type) and issubclass(cls, Change)) or params is None or not params.frozen:
        raise TaskError(f"{where}: expected a subclass of Change under @dataclass(frozen=True)")
    name = cls.name
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name) or name == "clean":
        raise TaskError(f"{where} has the name {name!r}; expected an ASCII identifier other than clean")
    holder = _found.get(name)
    if holder is not None and (holder.__module__, holder.__qualname__) != (cls.__module__, cls.__qualname__):
        raise TaskError(f"the name {name!r} of {where} is taken by {holder.__module__}.{holder.__qualname__}")
    _found[name] = cls
    return cls


def find_change(name: str) -> type[Change]:
    """The class of that name.

    Raises
    ------
    TaskError
        There is none; the nearest names are shown.
    """
    if name not in _found:
        _load()
    if name not in _found:
        raise TaskError(
            f"no regime is called {name[:60]!r}; {nearest(name[:60], sorted(_found))} Expected clean, or some of "
            f"{', '.join(REGIMES)}, joined by +"
        )
    return _found[name]


class _Regimes(Mapping[str, type[Change]]):
    """All changes by name."""

    def __getitem__(self, name: str) -> type[Change]:
        _load()
        return _found[name]

    def __iter__(self) -> Iterator[str]:
        _load()
        return iter(sorted(_found))

    def __len__(self) -> int:
        _load()
        return len(_found)

    def __repr__(self) -> str:
        return f"REGIMES({', '.join(self)})"


REGIMES: Mapping[str, type[Change]] = _Regimes()
"""Name → class of the change; its docstring says what it does, its fields are the parameters."""


def _load() -> None:
    load_all("metaal.rehearsal.regimes", GROUP, _loaded)
