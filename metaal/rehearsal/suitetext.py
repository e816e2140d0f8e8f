"""A suite's TOML read: every key known, every value of its type, every name looked up, before anything is played."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from metaal.errors import MetaalError, TaskError
from metaal.rehearsal.branching import Branches
from metaal.rehearsal.grids import Grid, Where
from metaal.rehearsal.suitefile import Suite
from strategy_zoo import ZooError

KINDS = ("classification", "regression")
REGRESSION = (
    *("improved_greedy", "greedy_x", "greedy_y", "committee_variance", "quantile_width", "k_center", "typiclust"),
    "random",
)
"""Strategies of a regression's branches unless the suite says others; the first is the default."""


def parse_suite(text: str, *, where: str = "suite") -> Suite:
    """Read a suite from TOML text; ``where`` begins the messages.

    Raises
    ------
    TaskError
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TaskError(f"{where}: not TOML ({error})") from error
    top = _checked(
        table, {"name": str, "about": str, "seeds": int, "explore": float, "apart": str}, where, "grid branches"
    )
    if not top.get("name"):
        raise TaskError(f'{where}: has no name; write name = "…" in its first line')
    blocks = table.get("grid")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise TaskError(f"{where}: has no [[grid]]; write at least one block with data, learners, batches and a budget")
    try:
        branches = _branches(table.get("branches", {}), f"{where}: [branches]")
        grids = tuple(_grid(block, f"{where}: grid {k}") for k, block in enumerate(blocks, start=1))
        suite = Suite(**{**_tuples(top), "grids": grids, "branches": branches})
        for kind in KINDS:
            suite.policy(kind)
    except (MetaalError, ZooError) as error:
        raise error if str(error).startswith(where) else TaskError(f"{where}: {error}") from error
    if not suite.seeds or min(suite.seeds) < 0 or len(set(suite.seeds)) < len(suite.seeds):
        raise TaskError(f"{where}: seeds: got {list(suite.seeds)}, expected different whole numbers ≥ 0")
    return suite


def _branches(table: Any, where: str) -> dict[str, Branches]:
    """The branches by kind of task: what regression does not say is as for classification, but for the strategies."""
    keys: dict[str, type] = {
        **dict.fromkeys(("strategies", "further", "default"), str),
        **dict.fromkeys(("states", "horizon", "commit"), int),
        "multipliers": float,
    }
    said = _checked(table, keys, where, "regression")
    more = _checked(table.get("regression", {}), keys, where.replace("]", ".regression]"))
    usual = {"strategies": REGRESSION, "default": REGRESSION[0], "further": []}
    rest = {name: value for name, value in said.items() if name not in usual}
    plans = {"classification": said, "regression": {**usual, **rest, **more}}
    return {kind: Branches(**_tuples(plan)) for kind, plan in plans.items()}


def _grid(table: dict[str, Any], where: str) -> Grid:
    """One block, checked as far as that is possible without its data."""
    from metaal.rehearsal.learners import LEARNERS
    from metaal.rehearsal.regimes import read_regime

    texts, numbers = ("data", "learners", "regimes"), ("budget", "loops", "initial", "cells", "rows_per_batch")
    keys: dict[str, type] = {
        **dict.fromkeys(("task", "manifest", "design", *texts), str),
        **dict.fromkeys(numbers, int),
    }
    said = _checked(table, {**keys, "batches": int}, where, "where")
    kinds = {"domain": str, "exclude": str, "rows": float, "features": float, "classes": float}
    chosen = _tuples(_checked(table.get("where", {}), kinds, f"{where}: where"))
    for name in ("rows", "features", "classes"):
        if name in chosen and (len(chosen[name]) != 2 or not chosen[name][0] <= chosen[name][1]):
            raise TaskError(f"{where}: where.{name}: got {list(chosen[name])}, expected [least, most]")
    grid = Grid(**{**_tuples(said), "where": Where(**chosen)})
    if grid.task not in KINDS:
        raise TaskError(f"{where}: task: got {grid.task!r}, expected {' or '.join(KINDS)}")
    if not grid.data and not grid.manifest:
        raise TaskError(f'{where}: names no data; write data = ["iris"], or manifest = "train_manifest.csv"')
    for name in grid.learners:
        of_kind = [key for key, learner in LEARNERS.items() if learner.kind == grid.task]
        if name not in of_kind:
            raise TaskError(f"{where}: learners: {_unknown(name, of_kind)} for {grid.task}")
    for text in grid.regimes:
        read_regime(text)
    for name in ("learners", "regimes", "batches"):
        values = getattr(grid, name)
        if not values or len(set(values)) < len(values):
            raise TaskError(f"{where}: {name}: got {list(values)}, expected at least one and none twice")
    if min(grid.batches) < 1 or min(grid.initial, grid.cells, grid.rows_per_batch) < 0:
        raise TaskError(f"{where}: batches must be ≥ 1, and initial, cells and rows_per_batch ≥ 0")
    if (grid.budget < 1) == (grid.loops < 1):
        raise TaskError(f"{where}: got budget {grid.budget} and loops {grid.loops}; write one of them, ≥ 1")
    if grid.design not in ("full", "fractional") or (grid.design == "fractional") != (grid.cells > 0):
        raise TaskError(
            f"{where}: design {grid.design!r} with cells {grid.cells}; expected 'full', or 'fractional' with "
            "cells = combinations for each data set"
        )
    return grid


def _checked(table: Any, keys: dict[str, type], where: str, more: str = "") -> dict[str, Any]:
    """The keys of a table, each of its type (or a list of it); sub-tables are named in ``more`` and left to others."""
    if not isinstance(table, dict):
        raise TaskError(f"{where}: got {table!r}, expected a table of {', '.join(keys)}")
    out: dict[str, Any] = {}
    for key, value in table.items():
        if key in more.split():
            continue
        if key not in keys:
            raise TaskError(f"{where}: {_unknown(key, [*keys, *more.split()])}")
        several = key in LISTS
        items = value if several and isinstance(value, list) else [value]
        wanted = keys[key]
        right = all(
            isinstance(item, int | float if wanted is float else wanted) and not isinstance(item, bool)
            for item in items
        )
        if several != isinstance(value, list) or not right:
            word = {str: "text", int: "a whole number", float: "a number"}[wanted]
            raise TaskError(f"{where}: {key}: got {value!r}, expected {f'a list, each {word}' if several else word}")
        out[key] = value
    return out


LISTS = {"seeds", "data", "learners", "regimes", "batches", "strategies", "multipliers", "further"} | {
    field.name for field in fields(Where)
}
"""Keys whose value is a list."""


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Expected" if near else "expected"
    return f"{name!r} is not known; {hint} one of {', '.join(known)}"


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
