"""Commands around a whole store: verify, repair, export, import."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from metaal.cli.printing import print_json
from metaal.errors import InputError

StorePath = Annotated[str, typer.Argument(metavar="STORE", help="Directory of a store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def verify(store: StorePath, json: Json = False) -> None:
    """Read every byte of a store and list what is damaged; changes nothing. Exit code 1 = there is damage."""
    from metadata_store import StoreWarning, open_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)  # the report says it better
        with open_store(store, create=False) as opened:
            report = opened.verify()
    if not report.ok:
        typer.echo(f"everything whole can be read; metaal repair {store} takes the damaged bytes aside", err=True)
    _tell(report, json)


def repair(store: StorePath, json: Json = False) -> None:
    """Take damaged bytes out of a store, keeping them in its folder damaged. Exit code 1 = damage is left."""
    from metadata_store import StoreWarning, open_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        with open_store(store, create=False) as opened:
            report = opened.repair()
    _tell(report, json)


def export(
    store: StorePath,
    file: Annotated[str, typer.Argument(metavar="FILE", help=".jsonl, .csv or .parquet; replaced if it is there.")],
    format: Annotated[
        str | None, typer.Option(help="jsonl (all, without loss), csv or parquet; default: by the suffix.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="A row for each value, not for each loop.")] = False,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; repeatable.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Only this statistic, or pool.*; repeatable.")] = None,
    json: Json = False,
) -> None:
    """Write a store into one file: JSONL holds everything, CSV and Parquet the scalars by run and loop."""
    from metadata_store import interchange, open_store

    with open_store(store, create=False) as opened:
        count = interchange.export(opened, file, format, runs=run, names=name, long=long)
    if json:
        print_json({"file": file, "rows": count})
    else:
        print(f"{count} rows in {file}")


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help=".jsonl of metaal export; or a .csv or .parquet log.")],
    store: StorePath,
    run_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a table: names the run.")] = None,
    loop_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a table: numbers its loop.")] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=NAME", help="Such as acc=score.value; acc= leaves it out; the rest is user.*; repeatable."
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Text even where it looks like a number; repeatable.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="jsonl, csv or parquet; default: by the suffix.")] = None,
    json: Json = False,
) -> None:
    """Load records into a store, made if there is none; the same call again only adds what is missing."""
    from metaal.statistics import STATISTICS, describe
    from metadata_store import interchange, open_store
    from metadata_store.interchange.exporting import format_of

    if not Path(file).is_file():
        raise InputError(f"{file}: no such file")
    table = format_of(Path(file), format) != "jsonl"
    if not table and (run_column or loop_column or map or text):
        raise typer.BadParameter("JSONL has runs, loops and names of its own; leave the columns out")
    if table and not (run_column and loop_column):
        raise typer.BadParameter("a table needs --run-column COLUMN and --loop-column COLUMN")
    columns: dict[str, str | None] = {}
    for pair in map or []:
        column, sign, name = pair.rpartition("=")
        if not sign or not column:
            raise typer.BadParameter(f"--map {pair}: expected column=name, such as acc=score.value, or column=")
        if column in columns:
            raise typer.BadParameter(f"--map {pair}: column {column!r} is mapped twice")
        columns[column] = describe(name).name if name else None
    with open_store(store) as opened:
        if table and run_column and loop_column:
            names = {"run": run_column, "loop": loop_column}
            loaded = interchange.load_table(
                file, opened, **names, columns=columns, text=text or (), known=STATISTICS.keys(), format=format
            )
        else:
            loaded = interchange.load(file, opened)
    if json:
        print_json(loaded._asdict())
    else:
        print(f"{loaded.read} records in {file}, {loaded.new} of them new in {store}")


def _tell(report: Any, json: bool) -> None:
    """Print a report; exit code 1 if something is damaged."""
    if json:
        damage = [place._asdict() for place in report.damage]
        counts = {"segments": report.segments, "frames": report.frames, "records": report.records}
        print_json({"ok": report.ok, **counts, "damage": damage, "repaired": report.repaired})
    else:
        print(report)
    if not report.ok:
        raise typer.Exit(1)
