"""Commands for a store that lives: compact it, follow it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from metaal.cli.printing import plain, print_json
from metaal.progress import watched

StorePath = Annotated[str, typer.Argument(metavar="STORE", help="Directory or URL of a store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def compact(store: StorePath, json: Json = False) -> None:
    """Turn finished segments into Parquet: smaller, quick to read, open to DuckDB, polars and pandas."""
    from metadata_store import open_store

    with open_store(store, create=False) as opened, watched("compact", "records") as progress:
        done = opened.compact(progress=progress)
    if json:
        print_json(asdict(done))
    else:
        print(done)


def tail(
    store: StorePath,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; repeatable.")] = None,
    begin: Annotated[bool, typer.Option("--begin", help="What is there already, too.")] = False,
    timeout: Annotated[float | None, typer.Option(help="End when nothing came for so many seconds.")] = None,
    json: Json = False,
) -> None:
    """Print each record as it is appended by others; ends with Ctrl-C."""
    from metadata_store import open_store

    with open_store(store, create=False) as opened:
        start = "begin" if begin else "now"
        for record in opened.tail(run or None, start=start, timeout=timeout):
            values = dict(record.values)
            if json:
                key = {"run": record.run, "loop": record.loop, "event": record.event, "index": record.index}
                shapes = {name: list(array.shape) for name, array in record.arrays.items()}
                print_json({**key, "at": record.at, "values": plain(values), "arrays": shapes})
            else:
                shown = "  ".join(
                    f"{name}={value:.4g}" if type(value) is float else f"{name}={value}"
                    for name, value in values.items()
                )
                print(f"{record.run}  loop {record.loop}  {record.event}  {shown}", flush=True)
