"""What rehearsals can be made of, as tables: suites, learners, regimes; those of other packages among them."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

from metaal.rehearsal.learners import LEARNERS
from metaal.rehearsal.regimes import REGIMES
from metaal.rehearsal.suitefile import SUITES, read_suite


def list_suites() -> list[dict[str, Any]]:
    """The suites that ship with the package: name, seeds, what it is for.

    Examples
    --------
    >>> [row["name"] for row in list_suites()]
    ['tiny', 'small', 'train', 'dev']
    """
    found = [read_suite(name) for name in SUITES]
    return [{"name": suite.name, "seeds": len(suite.seeds), "summary": suite.about} for suite in found]


def list_learners() -> list[dict[str, Any]]:
    """Every learner: name, kind of task, one sentence.

    Examples
    --------
    >>> list_learners()[0]["name"], list_learners()[0]["kind"]
    ('extra_trees', 'classification')
    """
    return [{"name": name, "kind": entry.kind, "summary": entry.summary} for name, entry in LEARNERS.items()]


def list_regimes() -> list[dict[str, Any]]:
    """Every regime: name, parameters as text (those without a default by name alone), one sentence.

    Examples
    --------
    >>> [row["parameters"] for row in list_regimes() if row["name"] == "noise"]
    ["rate, kind='uniform', after=100"]
    """
    return [
        {"name": name, "parameters": parameters(change), "summary": sentence(change)}
        for name, change in REGIMES.items()
    ]


def parameters(change: type[Any]) -> str:
    """The parameters of a regime with their defaults, as they are written in its spelling."""
    parts = [field.name if field.default is MISSING else f"{field.name}={field.default!r}" for field in fields(change)]
    return ", ".join(parts)


def sentence(thing: Any) -> str:
    """The first sentence of a docstring, in one line; empty without one."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.split("\n\n")[0].split())
