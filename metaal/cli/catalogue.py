"""The commands `zoo`, `check` and `statistics`: what strategies and statistics there are, and what they mean."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from metaal.cli.arrays import read_npz
from metaal.cli.printing import print_json, print_table
from metaal.errors import InputError

if TYPE_CHECKING:
    from strategy_zoo import Strategy, View

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_WIDE = 150  # columns of a terminal in which the whole catalogue keeps its lines


def zoo(
    name: Annotated[str | None, typer.Argument(help="Strategy to explain; without it, all are listed.")] = None,
    family: Annotated[str | None, typer.Option(help="List this family only.")] = None,
    why: Annotated[
        str | None,
        typer.Option(
            metavar="VIEW", help="What is impossible with these outputs, and why: a .npz file, or names such as proba."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the querying strategies, or explain one."""
    import strategy_zoo

    rows = [_with_parts(row) for row in strategy_zoo.catalogue()]
    if name is not None:
        _explain(name, rows, json)
        return
    if family is not None:
        known = sorted({row["family"] for row in rows})
        if family not in known:
            raise InputError(f"--family {family}: no such family; there are {', '.join(known)}")
        rows = [row for row in rows if row["family"] == family]
    if why is not None:
        _why(why, rows, json)
    elif json:
        print_json(rows)
    else:
        _list(rows)


def _with_parts(row: dict[str, Any]) -> dict[str, Any]:
    """The catalogue's entry; what a composition needs and uses is that of its example."""
    import strategy_zoo

    example = strategy_zoo.get(row["example"])
    return row | {"needs": example.needs, "uses": example.uses}


def _list(rows: list[dict[str, Any]]) -> None:
    rows = sorted(rows, key=lambda row: (row["family"], row["name"]))
    columns = ["family", "strategy", "kind", "needs", "growth", "reference"]
    if shutil.get_terminal_size().columns < _WIDE:
        columns = ["family", "strategy", "needs", "reference"]  # zoo NAME tells the rest
    table, last = [], ""
    for row in rows:
        shown = {
            "family": row["family"] if row["family"] != last else "",
            "strategy": row["name"],
            "kind": row["kind"],
            "needs": ", ".join(row["needs"]) or "–",
            "growth": row["growth"],
            "reference": _author_year(row["reference"]),
        }
        last = row["family"]
        table.append([shown[column] for column in columns])
    print_table(columns, table, fold=("needs", "growth", "reference"))
    print(f"\n{len(rows)} strategies; metaal zoo NAME explains one, metaal zoo --why proba,embedding says what can run")


def _author_year(reference: str) -> str:
    found = re.match(r".*?\b\d{4}\b", reference)
    return found.group() if found else reference


def _explain(name: str, rows: list[dict[str, Any]], json: bool) -> None:
    import inspect

    import strategy_zoo.timing
    from strategy_zoo.registry import lookup

    wanted = name.split("(", 1)[0].strip()
    row = next((row for row in rows if row["name"] == wanted), None)
    if row is None or "(" in name:
        wanted = strategy_zoo.get(name).name  # raises with the nearest names
        row = next(row for row in rows if row["name"] == wanted)
    if json:
        print_json(row)
        return
    uses = f"; uses {', '.join(row['uses'])} if given" if row["uses"] else ""
    print(f"{row['name']}: {row['family']}, {row['kind']}, for {' and '.join(row['task'])}")
    print(f"needs {', '.join(row['needs']) or 'nothing'}{uses}")
    print(f"work grows as {row['growth']}; {'stochastic' if row['stochastic'] else 'deterministic'}")
    spent = strategy_zoo.timing.seconds(row["example"], U=100_000, L=100, C=10, D=32, n=100)
    print(f"about {spent:.2g} s for 100 of 100,000 rows (32 columns, 10 classes, 100 labels, one core)")
    if row["limit"] is not None:
        print(f"above {row['limit']:,} rows it works on a random subset of that size")
    if row["parameters"]:
        print("parameters: " + ", ".join(f"{key}={value!r}" for key, value in row["parameters"].items()))
    print(f"example: {row['example']}\n")
    print(inspect.getdoc(lookup(wanted)))


def _why(source: str, rows: list[dict[str, Any]], json: bool) -> None:
    """What can't run on a view, and why; what can."""
    import strategy_zoo

    view = _view(source)
    reasons = {row["name"]: strategy_zoo.unmet(row["example"], view) for row in rows}
    possible = [name for name, reason in reasons.items() if reason is None]
    if json:
        print_json({"possible": possible, "impossible": {k: v for k, v in reasons.items() if v is not None}})
        return
    held = ", ".join(name for name in strategy_zoo.FIELDS if view.has(name))
    print(f"the view holds {held} ({view.n} rows)\npossible: {', '.join(possible) or 'nothing'}\n")
    table = [
        [row["name"], ", ".join(need for need in row["needs"] if not view.has(need)), ", ".join(row["needs"])]
        for row in rows
        if reasons[row["name"]] is not None
    ]
    if table:
        print_table(["impossible", "because the view lacks", "it needs"], table, fold="it needs")


def _view(source: str) -> View:
    """A view from a .npz file, or one that holds the named fields and nothing worth knowing in them."""
    import strategy_zoo
    from strategy_zoo.testing import arrays
    from strategy_zoo.view import AXES

    if source.endswith(".npz") or Path(source).is_file():
        given = read_npz(source, ("ids", *strategy_zoo.FIELDS))
        given.pop("ids", None)
        return strategy_zoo.View(**given)
    names = [name.strip() for name in source.split(",")]
    strange = [name for name in names if name not in strategy_zoo.FIELDS]
    if strange:
        raise InputError(
            f"--why {source}: neither a .npz file nor names of outputs ({strange[0]!r}); "
            f"there are {', '.join(strategy_zoo.FIELDS)}"
        )
    sample = arrays(2) | {"classes": np.arange(4)}
    # A view needs some rows; where only callables and labelled rows are named, an output that nobody needs gives them.
    rows = {} if any("U" in AXES.get(name, ()) for name in names) else {"gradient": np.zeros((2, 1))}
    return strategy_zoo.View(**rows | {name: sample[name] for name in names})


def statistics(
    names: Annotated[
        str | None, typer.Argument(metavar="GLOB", help="A name, or several such as 'pool.*'; default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the dictionary of what runs log: unit, range, meaning, and how the work for it grows."""
    from dataclasses import asdict

    from metaal.statistics import OPEN, dictionary

    entries = dictionary(names)
    if json:
        print_json([asdict(entry) for entry in entries])
        return
    rows = [[entry.name, entry.unit, entry.range, entry.meaning, entry.cost] for entry in entries]
    print_table(["name", "unit", "range", "meaning", "growth"], rows, fold="meaning")
    if names is None:
        told = "; ".join(f"{group}* is {meaning}" for group, meaning in OPEN.items())
        print(f"\n{len(rows)} names. {told}")


def check(
    what: Annotated[
        str, typer.Argument(metavar="MODULE", help="package.module, package.module:Class, or a strategy's spelling.")
    ],
    json: Json = False,
) -> None:
    """Run the contract on the strategies of a module, and print what fails."""
    from strategy_zoo.testing import checks_for

    report: dict[str, dict[str, str]] = {}
    for strategy in _strategies(what):
        failures = report.setdefault(strategy.spelling, {})
        checks = checks_for(strategy)
        for label, one in checks.items():
            try:
                one(strategy)
            except Exception as error:  # somebody else's code: whatever it raises is the finding
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                failures[label] = f"{kind}{error}"
        if not json:
            print(f"{strategy.spelling}: {len(checks) - len(failures)} of {len(checks)} checks passed")
            for label, reason in failures.items():
                print(f"  {label}: {reason}")
    if json:
        print_json(report)
    if any(report.values()):
        raise typer.Exit(1)


def _strategies(what: str) -> list[Strategy]:
    """The strategies of a module; of one class in it; or the one that a text spells."""
    import importlib
    import sys

    import strategy_zoo
    from strategy_zoo import Strategy

    module_name, _, class_name = what.partition(":")
    if what.split("(", 1)[0] in strategy_zoo.names():
        return [strategy_zoo.get(what)]
    sys.path.insert(0, "")  # a module in the current directory, as with python -m
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"check: can't import {module_name!r} ({error}); it is no strategy's name either") from error
    except Exception as error:  # somebody else's code
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        place = next(frame for frame in frames if frame.name == "<module>" or frame is frames[-1])
        where = "" if isinstance(error, SyntaxError) else f" ({Path(place.filename).name}, line {place.lineno})"
        hint = "; put @dataclass(frozen=True) above the class" if "non-frozen dataclass" in str(error) else ""
        raise InputError(
            f"check: importing {module_name!r} ends in {type(error).__name__}: {error}{where}{hint}"
        ) from error
    classes = [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Strategy) and cls.__module__ == module.__name__ and cls.name
    ]
    if class_name:
        classes = [cls for cls in classes if cls.__name__ == class_name]
    if not classes:
        wanted = f"class {class_name}" if class_name else "subclass of strategy_zoo.Strategy with a name"
        raise InputError(f"check: {module_name} has no {wanted}; write one as in docs/strategies.md")
    for cls in classes:
        strategy_zoo.register(cls)
    return [strategy_zoo.get(cls.example or cls.name) for cls in classes]
