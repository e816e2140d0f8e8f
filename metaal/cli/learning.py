"""Commands that learn from many runs: demo, fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metaal.cli.printing import print_json
from metaal.cli.results import print_result
from metaal.errors import InputError
from metaal.prices import Prices

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
    print_result(result)
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


def _note(text: str) -> None:
    typer.echo(text, err=True)
