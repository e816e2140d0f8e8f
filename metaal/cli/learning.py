"""Commands that learn from many runs, and say what was learnt: demo, fit, card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from metaal.actions import DEFAULT_ARM
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
    groups: Annotated[str, typer.Option(help="task, or a tag, whose runs are kept together; or run.")] = "task",
    score: Annotated[str, typer.Option(help="Logged series to learn from.")] = "score.value",
    default: Annotated[
        str | None, typer.Option(metavar="STRATEGY", help="What is done where nothing is surely better.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="Refine this one: learned, or a .metaal file; keeps its default."),
    ] = None,
    label: Annotated[float | None, typer.Option(help="Price of a label; 1 if not given.")] = None,
    second: Annotated[float | None, typer.Option(help="Price of a second of compute; 0 if not given.")] = None,
    round_: Annotated[float | None, typer.Option("--round", help="Price of a round; 0 if not given.")] = None,
    point: Annotated[
        float | None, typer.Option(help="Value of a percentage point over one batch; 10 if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: Json = False,
) -> None:
    """Train a policy offline on the runs of a store, logged by metaal or imported."""
    from metaal.training import fit as train
    from metadata_store import open_store

    if not Path(out).parent.is_dir() or Path(out).is_dir():
        # Said now, not after minutes of training.
        wrong = "is a directory" if Path(out).is_dir() else f"there is no directory {Path(out).parent}; make it first"
        raise InputError(f"--out {out}: {wrong}")
    if base is not None and default is not None:
        raise typer.BadParameter("--default: a policy that is refined keeps its own; leave out --default or --base")
    named = {"label": label, "second": second, "round": round_, "point": point}
    given = {name: price for name, price in named.items() if price is not None}
    # A policy that is refined keeps its prices unless there are others.
    options: dict[str, Any] = {"base": base} if base is not None else {"default": default or DEFAULT_ARM}
    options |= {"prices": Prices(**given)} if given else {}
    with open_store(store, create=False) as opened:
        policy = train(opened, groups=groups, score=score, seed=seed, progress=_note, **options)
    policy.save(out)
    if json:
        print_json({"policy": out, **policy.facts})
    else:
        print(policy.card())
        print(f"\nwritten to {out}")


def card(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="learned, or a .metaal file.")] = "learned",
    json: Json = False,
) -> None:
    """Print the model card of a learned policy: data, versions, measured results, when it falls back."""
    from metaal.policies import read_policy
    from metaal.policies.learned import Learned

    read = read_policy(policy)
    if not isinstance(read, Learned):
        raise InputError(f"card: {policy} is a rule, which nothing was learnt for; pass learned or a .metaal file")
    if json:
        print_json({"policy": policy, "default": read.default, "actions": list(read.actions), **read.facts})
    else:
        print(read.card())


def _note(text: str) -> None:
    typer.echo(text, err=True)
