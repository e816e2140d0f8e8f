"""Commands around a whole store: verify, repair, export, import."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from metaal.cli.printing import print_json
from metaal.errors import InputError
from metaal.progress import watched

StorePath = Annotated[str, typer.Argument(metavar="STORE", help="Directory of a store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def verify(store: StorePath, json: Json = False) -> None:
    """Read every byte of a store and list what is damaged; changes nothing. Exit code 1 = there is damage."""
    from metadata_store import StoreWarning, open_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)  # the report says it better
        with open_store(store, create=False) as opened, watched("verify", "pieces") as progress:
            report = opened.verify(progress=progress)
    if not report.ok:
        typer.echo(f"everything whole can be read; metaal repair {store} takes the damaged bytes aside", err=True)
    _tell(report, json)


def repair(store: StorePath, json: Json = False) -> None:
    """Take damaged bytes out of a store, keeping them in its folder damaged. Exit code 1 = damage is left."""
    from metadata_store import StoreWarning, open_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        with open_store(store, create=False) as opened, watched("repair", "pieces") as progress:
            report = opened.repair(progress=progress)
    _tell(report, json)


def export(
    store: StorePath,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A file (.jsonl, .csv, .parquet), MLflow's tracking URI, or the folder of a table."
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            help="jsonl (all, without loss), csv, parquet; default: by the suffix. mlflow, delta or iceberg: see the "
            "guide to interchange."
        ),
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="Of a table: a row for each value, not for each loop.")] = False,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; repeatable.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Only this statistic, or pool.*; repeatable.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Of MLflow; default: metaal.")] = None,
    table: Annotated[str | None, typer.Option(help="Of Iceberg; default: metaal.records.")] = None,
    privacy: Annotated[str | None, typer.Option(metavar="LEVEL", help="Share as L1, L2 or L3; see the guide.")] = None,
    key_file: Annotated[str | None, typer.Option(metavar="FILE", help="The key of L2.")] = None,
    json: Json = False,
) -> None:
    """Write a store into a file, into MLflow, or as a table of Delta Lake or Iceberg without copying."""
    from metadata_store import interchange, open_store

    kind = format if format in PROGRAMS else "file"
    given = {"--long": long, "--name": name, "--run": run, "--experiment": experiment, "--table": table}
    _only(kind, EXPORTS, {**given, "--privacy": privacy, "--key-file": key_file})
    done: Any
    with open_store(store, create=False) as opened, watched("export", "") as progress:
        source = _shared(opened, privacy, key_file, run) if privacy else opened
        if kind == "mlflow":
            _quiet_mlflow()
            options = {"experiment": experiment} if experiment else {}
            done = interchange.export_mlflow(source, target, runs=run, progress=progress, **options)
            said = f"{done.records} records of {done.runs} runs in {target}, {done.new} of them new"
        elif kind == "delta":
            done = interchange.export_delta(opened, target, progress=progress)
            said = f"{target} is version {done.version}: {done.rows} rows, +{done.added} -{done.removed} files"
        elif kind == "iceberg":
            options = {"table": table} if table else {}
            done = interchange.export_iceberg(opened, target, progress=progress, **options)
            said = f"{target} has {done.version} snapshots: {done.rows} rows, +{done.added} -{done.removed} files"
        else:
            count = interchange.export(source, target, format, runs=run, names=name, long=long, progress=progress)
            said = f"{count} rows in {target}"
            done = None
    if waiting := getattr(done, "waiting", None):
        typer.echo(f"{waiting} records wait: another process is still writing them; export again", err=True)
    if json:
        print_json({"file": target, "rows": count} if done is None else {"target": target, **done._asdict()})
    else:
        print(said)


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help=".jsonl of metaal export; a .csv, .parquet or .jsonl log; or what --format says."
        ),
    ],
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
    after: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Known only after the row's batch was labelled and learnt, such as the score at the end of a round: "
            "it is of the next loop; repeatable.",
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THEIRS=OURS", help="Name of a strategy in the log, and ours; THEIRS= for none; repeatable."
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="jsonl, csv, parquet; default: by the suffix. mlflow (SOURCE is its tracking URI), optuna (a "
            "journal), labelbench."
        ),
    ] = None,
    experiment: Annotated[list[str] | None, typer.Option(help="Of MLflow; default: all; repeatable.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Of MLflow: deleted runs too.")] = False,
    json: Json = False,
) -> None:
    """Load records into a store, made if there is none; the same call again only adds what is missing."""
    from metaal.importing import read_strategies, rules
    from metaal.statistics import STATISTICS
    from metadata_store import interchange, open_store

    if format != "mlflow" and not Path(source).is_file():
        raise InputError(f"{source}: no such file")
    kind = _kind(source, format)
    places = {"--run-column": run_column, "--loop-column": loop_column, "--map": map, "--text": text}
    places |= {"--after": after, "--strategy": strategy}
    if kind == "jsonl" and any(places.values()):
        raise typer.BadParameter("JSONL of metaal export has runs, loops and names of its own; leave the columns out")
    _only(kind, IMPORTS, {**places, "--experiment": experiment, "--deleted": deleted})
    if kind == "table" and not (run_column and loop_column):
        raise typer.BadParameter("a table needs --run-column COLUMN and --loop-column COLUMN")
    columns, known = _columns(map or []), rules(read_strategies(strategy or []))
    if strategy and kind != "labelbench" and not any(name in known.translate for name in columns.values()):
        raise typer.BadParameter("--strategy needs the column that names strategies: --map COLUMN=action.name")
    loaded: Any
    with open_store(store) as opened, watched("import", "") as progress:
        if kind == "mlflow":
            _quiet_mlflow()
            loaded = interchange.load_mlflow(
                source,
                opened,
                experiments=experiment,
                columns=columns,
                text=text or (),
                after=after or (),
                rules=known,
                deleted=deleted,
                progress=progress,
            )
        elif kind == "optuna":
            loaded = interchange.load_optuna(source, opened, columns=columns)
        elif kind == "labelbench":
            loaded = interchange.load_labelbench(source, opened, rules=known if strategy else None)
        elif kind == "table" and run_column and loop_column:
            names = {"run": run_column, "loop": loop_column}
            loaded = interchange.load_table(
                source,
                opened,
                **names,
                columns=columns,
                text=text or (),
                known=STATISTICS.keys(),
                after=after or (),
                rules=known,
                format=format,
                progress=progress,
            )
        else:
            loaded = interchange.load(source, opened, progress=progress)
    found = loaded._asdict()
    for place in found.get("torn", ()):
        typer.echo(f"line {place.line}, byte {place.offset}: {len(place.data)} torn bytes, {place.note}", err=True)
    for problem in found.get("problems", ()):
        typer.echo(problem, err=True)
    if json:
        if "torn" in found:
            found["torn"] = [{**t._asdict(), "data": t.data.decode("ascii", "backslashreplace")} for t in loaded.torn]
        print_json(found)
    else:
        print(f"{loaded.read} records in {source}, {loaded.new} of them new in {store}")


PROGRAMS = ("mlflow", "delta", "iceberg", "optuna", "labelbench")
EXPORTS = {
    "file": {"--long", "--name", "--run", "--privacy", "--key-file"},
    "mlflow": {"--run", "--experiment", "--privacy", "--key-file"},
    "delta": set[str](),
    "iceberg": {"--table"},
}
IMPORTS = {
    "jsonl": set[str](),
    "table": {"--run-column", "--loop-column", "--map", "--text", "--after", "--strategy"},
    "mlflow": {"--map", "--text", "--after", "--strategy", "--experiment", "--deleted"},
    "optuna": {"--map"},
    "labelbench": {"--strategy"},
}


def _kind(source: str, format: str | None) -> str:
    """What SOURCE is: another program's, a table, or JSONL that metaal exported; the two by their first line."""
    from metadata_store.interchange import holds_objects
    from metadata_store.interchange.exporting import format_of

    if format in PROGRAMS:
        return str(format)
    return "jsonl" if format_of(Path(source), format) == "jsonl" and not holds_objects(Path(source)) else "table"


def _only(kind: str, allowed: dict[str, set[str]], given: dict[str, Any]) -> None:
    """Refuse options that a format does not have: they would silently do nothing."""
    if kind not in allowed:
        raise typer.BadParameter(f"--format {kind} goes the other way; here it is one of {', '.join(allowed)}")
    strange = [option for option, value in given.items() if value and option not in allowed[kind]]
    if strange:
        has = ", ".join(sorted(allowed[kind])) or "none of these options"
        raise typer.BadParameter(f"{strange[0]} means nothing for {kind}, which takes {has}")


def _columns(pairs: list[str]) -> dict[str, str | None]:
    """Return what --map says."""
    from metaal.statistics import describe

    columns: dict[str, str | None] = {}
    for pair in pairs:
        column, sign, name = pair.rpartition("=")
        if not sign or not column:
            raise typer.BadParameter(f"--map {pair}: expected column=name, such as acc=score.value, or column=")
        if column in columns:
            raise typer.BadParameter(f"--map {pair}: column {column!r} is mapped twice")
        columns[column] = describe(name).name if name else None
    return columns


def _shared(opened: Any, level: str, key_file: str | None, runs: list[str] | None) -> Any:
    """Return a store as a privacy level shows it."""
    from metaal.privacy import RULES
    from metadata_store.privacy import Privacy, private
    from metadata_store.privacy.sharing import Shared

    try:
        key = Path(key_file).read_bytes().strip() if key_file else None
    except OSError as error:
        raise InputError(f"{key_file}: the key cannot be read: {error}") from error
    return Shared(private(opened), Privacy(level, key=key, rules=RULES), runs)  # type: ignore[arg-type]


def _quiet_mlflow() -> None:
    """Keep MLflow to the tracking URI: it would report its use to its makers, and its set-up to the terminal."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


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
