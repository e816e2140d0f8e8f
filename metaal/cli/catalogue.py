"""The command `zoo`: what strategies there are."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from metaal.cli.printing import print_json, print_table


def zoo(
    name: Annotated[str | None, typer.Argument(help="Strategy to explain; without it, all are listed.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the querying strategies, or explain one."""
    import inspect

    import strategy_zoo
    from strategy_zoo.registry import lookup

    rows = strategy_zoo.catalogue()
    if name is not None:
        wanted = name.split("(", 1)[0].strip()
        row = next((row for row in rows if row["name"] == wanted), None)
        if row is None or "(" in name:
            strategy = strategy_zoo.get(name)  # raises with the nearest names
            row = next(row for row in rows if row["name"] == strategy.name)
        if json:
            print_json(row)
            return
        print(f"{row['name']}: {row['family']}, {row['kind']}, needs {', '.join(row['needs']) or 'nothing'}")
        print(f"work grows as {row['growth']}; {'stochastic' if row['stochastic'] else 'deterministic'}\n")
        print(inspect.getdoc(lookup(row["name"])))
        return
    if json:
        print_json(rows)
        return
    columns = {"strategy": "name", "family": "family", "kind": "kind", "needs": "needs", "growth": "growth"}
    if shutil.get_terminal_size().columns < 120:
        columns = {"strategy": "name", "needs": "needs"}  # the words matter most; zoo NAME tells the rest
    columns["what it does"] = "summary"
    table = [[", ".join(row[key]) or "–" if key == "needs" else row[key] for key in columns.values()] for row in rows]
    print_table(list(columns), table, fold="what it does")
