"""Commands around many runs: demo, fit, evaluate, estimate, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metaal.cli.printing import print_json, print_table
from metaal.errors import EvaluationError, InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    from metaal.result import Result

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StorePath = Annotated[str, typer.Argument(metavar="STORE", help="Directory of a store.")]


def demo(
    folder: Annotated[str, typer.Option("--dir", help="Where the runs, the policy and the report go.")] = "metaal_demo",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the comparison.")] = 5,
    jobs: Annotated[int, typer.Option(help="Processes; -1 = one a core.")] = -1,
) -> None:
    """The main job on real data, in about two minutes: log, fit, plug in, compare, report. A rerun goes on."""
    from metaal.demo import run_demo

    _, result, path = run_demo(folder, seeds=seeds, jobs=jobs, say=lambda text: typer.echo(text))
    _print_result(result)
    main = next(iter(result.policies))
    typer.echo(f"\n{main} against the others, paired, in percentage points of AULC:")
    _print_versus(result, main)
    typer.echo(f"\nreport: {path.resolve()}")


def fit(
    store: StorePath,
    out: Annotated[str, typer.Option("--out", "-o", help="File to write.")] = "policy.metaal",
    groups: Annotated[str, typer.Option(help="task, or a tag, whose runs are kept together.")] = "task",
    score: Annotated[str, typer.Option(help="Logged series to learn from.")] = "score.value",
    label: Annotated[float, typer.Option(help="Price of a label.")] = 1.0,
    second: Annotated[float, typer.Option(help="Price of a second of compute.")] = 0.0,
    round_: Annotated[float, typer.Option("--round", help="Price of a round.")] = 0.0,
    point: Annotated[float, typer.Option(help="Value of a percentage point over one batch.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: Json = False,
) -> None:
    """Train a policy offline on the runs of a store."""
    from metaal.training import fit as train
    from metadata_store import open_store

    if not Path(out).parent.is_dir() or Path(out).is_dir():
        # Said now, not after minutes of training.
        wrong = "is a directory" if Path(out).is_dir() else f"there is no directory {Path(out).parent}; make it first"
        raise InputError(f"--out {out}: {wrong}")
    prices = Prices(label=label, second=second, round=round_, point=point)
    with open_store(store, create=False) as opened:
        policy = train(opened, prices=prices, groups=groups, score=score, seed=seed, progress=_note)
    policy.save(out)
    if json:
        print_json({"policy": out, **policy.facts})
    else:
        print(policy.card())
        print(f"\nwritten to {out}")


def evaluate(
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", help="NAME=SPELLING or SPELLING; repeatable, the first is judged."),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="tiny or small.")] = None,
    on: Annotated[str | None, typer.Option(metavar="FILE", help="Your labelled data: CSV, Parquet or ARFF.")] = None,
    target: Annotated[str | None, typer.Option(help="Its column with the labels.")] = None,
    learner: Annotated[list[str] | None, typer.Option(help="logistic, extra_trees, …; repeatable.")] = None,
    batch: Annotated[int, typer.Option(min=1)] = 10,
    budget: Annotated[int, typer.Option(min=1)] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 5,
    store: Annotated[str, typer.Option(help="Directory to log to; a rerun goes on.")] = "eval_runs",
    report: Annotated[str | None, typer.Option(metavar="FILE", help="HTML report to write.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes; -1 = one a core.")] = -1,
    json: Json = False,
) -> None:
    """Compare policies and static strategies on a suite, or on your own labelled data."""
    from metaal.evaluation import evaluate as compare
    from metaal.rehearsal import Task, load_data

    if (suite is None) == (on is None):
        raise typer.BadParameter("pass either --suite NAME or --on FILE")
    named = [_named(text) for text in policy or ["default", "margin", "cluster_margin", "random"]]
    rivals = dict(named)
    if len(rivals) < len(named):
        names = [name for name, _ in named]
        twice = next(name for name in names if names.count(name) > 1)
        raise typer.BadParameter(f"-p names {twice} twice; pass another NAME=SPELLING for one of them")
    tasks = None
    if on is not None:
        # Read here, once: what is wrong or left out is said once, and not by every process.
        data = load_data(on, target)
        tasks = [Task(data, name, batch=batch, budget=budget) for name in learner or ["logistic"]]
    failed: EvaluationError | None = None
    try:
        result = compare(rivals, tasks, range(seeds), suite=suite, store=store, jobs=jobs)
    except EvaluationError as error:
        if error.result is None:
            raise
        if not len(error.result.good):
            if report is not None:
                typer.echo(f"report: {error.result.report(report).resolve()}", err=True)
            raise
        failed, result = error, error.result
    main = next(iter(rivals))
    if json:
        print_json(_as_json(result, main))
    else:
        _print_result(result)
        if len(rivals) > 1:
            print(f"\n{main} against the others, paired, in percentage points of AULC:")
            _print_versus(result, main)
    if report is not None:
        typer.echo(f"report: {result.report(report).resolve()}", err=True)
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
        print_json(vars(found))
    else:
        print(found)


def report(
    store: StorePath,
    out: Annotated[str, typer.Option("--out", "-o", help="File to write.")] = "report.html",
    main: Annotated[str | None, typer.Option(help="Policy to judge; default: the first one logged.")] = None,
) -> None:
    """Write the HTML report of an evaluation that was logged to a store."""
    from metaal.evaluation import read_result
    from metadata_store import open_store

    with open_store(store, create=False) as opened:
        result = read_result(opened)
    if main is not None:
        if main not in result.policies:
            raise InputError(f"--main {main}: not in this store; expected one of {', '.join(result.policies)}")
        result.policies = {main: result.policies[main], **result.policies}
    print(result.report(Path(out)).resolve())


def _named(text: str) -> tuple[str, str]:
    name, sign, spelling = text.partition("=")
    # A parameter of a strategy also holds "=": power_margin(beta=2.0).
    if sign and "(" not in name:
        return name.strip(), spelling.strip()
    return text.strip(), text.strip()


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _as_json(result: Result, main: str) -> dict[str, Any]:
    table = result.table()
    return {
        "table": {str(name): row.to_dict() for name, row in table.iterrows()},
        "versus": {rival: result.versus(rival).loc[main].to_dict() for rival in result.policies if rival != main},
        "errors": result.errors[["policy", "task", "seed", "error"]].to_dict("records"),
    }


def _print_result(result: Result) -> None:
    table = result.table()
    rows = []
    for name, row in table.iterrows():
        rows.append(
            [
                str(name),
                f"{100 * row['aulc']:.2f}",
                f"{100 * row['aulc.balanced_accuracy']:.2f}",
                f"{100 * row['first30']:.2f}",
                f"{100 * row['final']:.2f}",
                _reached(row, "90"),
                _reached(row, "95"),
                f"{sum(row[c] for c in row.index if c.startswith('seconds.')):.2f}",
                f"{row['rounds']:.1f}",
            ]
        )
    print_table(
        ["policy", "AULC %", "balanced %", "first 30 %", "final %", "labels to 90 %", "to 95 %", "seconds", "rounds"],
        rows,
    )


def _reached(row: Any, level: str) -> str:
    value = row[f"labels.to.{level}"]
    return f"{value:.0f}" if value == value else f"not reached ({row[f'reached.{level}']:.0%} did)"


def _print_versus(result: Result, main: str) -> None:
    rows = []
    for rival in result.policies:
        if rival != main:
            row = result.versus(rival).loc[main]
            interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
            rows.append(
                [
                    rival,
                    f"{row['difference']:+.2f}",
                    interval,
                    f"{row['p']:.3g}",
                    row["better"],
                    row["equal"],
                    row["worse"],
                ]
            )
    print_table(["against", "difference", "95 % interval", "p", "better", "equal", "worse"], rows)
