"""Commands that compare and judge: evaluate, estimate, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metaal.cli.learning import Json, StorePath
from metaal.cli.printing import print_json
from metaal.cli.results import as_json, print_result
from metaal.errors import EvaluationError, InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    from metaal.evaluating.own_data import OwnData
    from metaal.result import Result

USUAL = ("default", "margin", "cluster_margin", "random")
"""Policies that are compared on a suite where none are named."""


def evaluate(
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", help="NAME=SPELLING or SPELLING; repeatable, the first is judged."),
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="tiny, small, dev, or a TOML file.")] = None,
    data: Annotated[str | None, typer.Option(metavar="FOLDER", help="Folder of the suite's manifests.")] = None,
    on: Annotated[str | None, typer.Option(metavar="FILE", help="Your labelled data: CSV, Parquet or ARFF.")] = None,
    target: Annotated[str | None, typer.Option(help="Its column with the labels.")] = None,
    kind: Annotated[str | None, typer.Option(help="classification or regression; default: as the target is.")] = None,
    drop_rare: Annotated[bool, typer.Option("--drop-rare", help="Leave out classes of fewer than 4 rows.")] = False,
    estimate: Annotated[
        str | None, typer.Option(metavar="STORE", help="Nothing is played: estimate from these logged runs.")
    ] = None,
    learner: Annotated[list[str] | None, typer.Option(help="With --on: logistic, extra_trees, …; repeatable.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="With --on: rows a loop; default: by the data.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="With --on: labels; default: by the data.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds; default: 10, or those of the suite.")
    ] = None,
    store: Annotated[str, typer.Option(help="Directory to log to; a rerun goes on.")] = "eval_runs",
    shard: Annotated[str, typer.Option(metavar="i/n", help="Only the i-th of n equal parts.")] = "1/1",
    only: Annotated[str, typer.Option(metavar="GLOB", help="Only cells of such a name, as 'wine~*~s0'.")] = "*",
    leaky: Annotated[str, typer.Option(help="Policy trained on such data: refuse, or mark the runs.")] = "refuse",
    label: Annotated[float, typer.Option(help="Price of a label.")] = 1.0,
    second: Annotated[float, typer.Option(help="Price of a second of compute.")] = 0.0,
    round_: Annotated[float, typer.Option("--round", help="Price of a round.")] = 0.0,
    point: Annotated[float, typer.Option(help="Value of a percentage point over one batch.")] = 10.0,
    report: Annotated[str | None, typer.Option(metavar="FILE", help="HTML report to write.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE", help="The same numbers as Markdown.")] = None,
    tables: Annotated[str | None, typer.Option(metavar="DIR", help="… and as CSV and Parquet files.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes; -1 = one a core.")] = -1,
    backend: Annotated[str, typer.Option(help="local, dask or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of the cluster; default: one is started here.")] = None,
    json: Json = False,
) -> None:
    """Compare policies and static strategies on a suite or on your own labelled data."""
    from metaal.evaluating.own_data import POLICIES, SEEDS, described, own_tasks
    from metaal.evaluation import evaluate as compare

    if sum(way is not None for way in (suite, on, estimate)) != 1:
        raise typer.BadParameter("pass one of --suite NAME, --on FILE and --estimate STORE")
    if estimate is not None:
        _print_estimates(rivals_of(policy), estimate, json)
        return
    if on is None and (target or kind or drop_rare or learner or batch or budget):
        raise typer.BadParameter("--target, --kind, --drop-rare, --learner, --batch and --budget go with --on FILE")
    _check_outputs(report, markdown, tables)
    rivals, tasks = rivals_of(policy), None
    if on is not None:
        # Read here, once: what is wrong or left out is said once, and not by every process.
        own = _own(on, target, kind, drop_rare)
        rivals = rivals_of(policy, POLICIES[own.data.kind])
        tasks = own_tasks(own, learner or (), batch=batch, budget=budget)
        seeds = seeds or SEEDS
        typer.echo(described(own, tasks, seeds, len(rivals)), err=True)
    numbers = range(seeds) if seeds is not None else None
    prices = Prices(label=label, second=second, round=round_, point=point)
    failed: EvaluationError | None = None
    try:
        result = compare(
            rivals,
            tasks,
            numbers,
            suite=suite,
            data=data,
            store=store,
            prices=prices,
            leaky=leaky,  # type: ignore[arg-type]  # checked there
            shard=shard,
            only=only,
            jobs=jobs,
            backend=backend,
            address=address,
        )
    except EvaluationError as error:
        if error.result is None:
            raise
        failed, result = error, error.result
    whole = bool(len(result.good))
    if json and (whole or not failed):
        print_json(as_json(result))
    elif not json:
        print_result(result)
    _write(result, report, markdown if whole else None, tables if whole else None)
    if failed is not None:
        raise failed


def estimate(
    policy: Annotated[str, typer.Argument(help="A .metaal file, a strategy, uniform, schedule or default.")],
    store: StorePath,
    json: Json = False,
) -> None:
    """Estimate from logged runs what a policy would have gained (off-policy, by propensities)."""
    from metaal.estimation import estimate as guess
    from metadata_store import open_store

    with open_store(store, create=False) as opened:
        found = guess(policy, opened)
    if json:
        print_json(found.facts())
    else:
        print(found)


def report(
    store: StorePath,
    out: Annotated[str, typer.Option("--out", "-o", help="File to write.")] = "report.html",
    main: Annotated[str | None, typer.Option(help="Policy to judge; default: the first one logged.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE", help="The same numbers as Markdown.")] = None,
    tables: Annotated[str | None, typer.Option(metavar="DIR", help="… and as CSV and Parquet files.")] = None,
) -> None:
    """Write the HTML report of an evaluation that was logged to a store."""
    from metaal.evaluation import read_result
    from metadata_store import open_store

    _check_outputs(out, markdown, tables)
    with open_store(store, create=False) as opened:
        result = read_result(opened)
    if main is not None:
        if main not in result.policies:
            raise InputError(f"--main {main}: not in this store; expected one of {', '.join(result.policies)}")
        result.policies = {main: result.policies[main], **result.policies}
    _write(result, None, markdown, tables)
    print(result.report(Path(out)).resolve())


def rivals_of(given: Sequence[str] | None, usual: Sequence[str] = USUAL) -> dict[str, str]:
    """Name → spelling of the policies that were named, or the usual ones."""
    named = [_named(text) for text in given or usual]
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise typer.BadParameter(f"-p names {twice} twice; pass another NAME=SPELLING for one of them")
    return dict(named)


def _named(text: str) -> tuple[str, str]:
    name, sign, spelling = text.partition("=")
    # A parameter of a strategy also holds "=": power_margin(beta=2.0).
    if sign and "(" not in name:
        return name.strip(), spelling.strip()
    return text.strip(), text.strip()


def _own(on: str, target: str | None, kind: str | None, drop_rare: bool) -> OwnData:
    """The user's data; what was left out is said."""
    from metaal.evaluating.own_data import read_own

    own = read_own(on, target, kind=kind, drop_rare=drop_rare)
    for note in own.notes:
        typer.echo(f"warning: {note}", err=True)
    return own


def _check_outputs(report: str | None, markdown: str | None, tables: str | None) -> None:
    """Say now, and not after hours of playing, that a file cannot be written."""
    for option, path in (("report", report), ("markdown", markdown)):
        if path is not None and Path(path).is_dir():
            raise InputError(f"--{option} {path}: is a directory; pass the name of a file")
    if tables is not None and Path(tables).exists() and not Path(tables).is_dir():
        raise InputError(f"--tables {tables}: is a file; pass a directory")


def _write(result: Result, report: str | None, markdown: str | None, tables: str | None) -> None:
    if report is not None:
        typer.echo(f"report: {result.report(report).resolve()}", err=True)
    if markdown is not None:
        result.to_markdown(markdown)
        typer.echo(f"markdown: {Path(markdown).resolve()}", err=True)
    if tables is not None:
        result.to_csv(tables)
        result.to_parquet(tables)
        typer.echo(f"tables: {Path(tables).resolve()}", err=True)


def _print_estimates(rivals: dict[str, str], store: str, json: bool) -> None:
    """What the logged runs say of each policy, by every estimator."""
    from metaal.estimation import estimate as guess
    from metadata_store import open_store

    with open_store(store, create=False) as opened:
        found = {name: guess(spelling, opened) for name, spelling in rivals.items()}
    if json:
        print_json({name: one.facts() for name, one in found.items()})
        return
    for name, one in found.items():
        print(f"{name}: {one}")
