"""The command that makes training data: rehearse."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from metaal.cli.learning import Json
from metaal.cli.printing import print_json, print_table
from metaal.errors import EvaluationError


def rehearse(
    suite: Annotated[str, typer.Option(metavar="NAME|FILE", help="tiny, small, train, dev, or a TOML file.")],
    store: Annotated[str | None, typer.Option(metavar="DIR", help="Directory to log to; a rerun goes on.")] = None,
    data: Annotated[str | None, typer.Option(metavar="FOLDER", help="Folder of the suite's manifests.")] = None,
    shard: Annotated[str, typer.Option(metavar="i/n", help="Only the i-th of n equal parts.")] = "1/1",
    only: Annotated[str, typer.Option(metavar="GLOB", help="Only tasks of such a name, as 'wine~*'.")] = "*",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and how long.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes; -1 = one a core.")] = -1,
    backend: Annotated[str, typer.Option(help="loky, dask or ray.")] = "loky",
    address: Annotated[str | None, typer.Option(help="Of the cluster; default: one is started here.")] = None,
    json: Json = False,
) -> None:
    """Play a suite of labelled data with an exploring policy, and branch from its states: data to train a policy."""
    from metaal.rehearsal.rehearsing import rehearse as play_all
    from metaal.rehearsal.suitefile import read_suite

    chosen = read_suite(suite)
    if dry_run:
        _announce(chosen, json, data=data, shard=shard, only=only)
        return
    if store is None:
        raise typer.BadParameter("pass --store DIR, or --dry-run")
    failed: EvaluationError | None = None
    try:
        table = play_all(chosen, store, data=data, shard=shard, only=only, jobs=jobs, backend=backend, address=address)
    except EvaluationError as error:
        if error.result is None:
            raise
        failed, table = error, error.result
    facts = {
        "suite": chosen.name,
        "hash": chosen.hash,
        "tasks": len(table),
        "played": int((table["state"] == "played").sum()),
        "found": int((table["state"] == "found").sum()),
        "failed": int((table["state"] == "failed").sum()),
        "branches": int(table["branches"].sum()),
        "seconds": round(float(table["seconds"].sum()), 1),
    }
    wrong = table[table["state"] == "failed"]
    if json:
        print_json({**facts, "errors": wrong[["task", "error"]].to_dict("records")})
    else:
        print(_sentence(facts))
        if len(wrong):
            print_table(["task", "error"], wrong[["task", "error"]].to_numpy().tolist(), fold="error")
        elif facts["played"]:
            print(f"metaal compact {store} makes it small and quick to read.")
    if failed is not None:
        raise failed


def _sentence(facts: dict[str, Any]) -> str:
    from metaal.rehearsal.pacing import spoken

    parts = [f"{facts['played']} played in {spoken(facts['seconds'])} of work", f"{facts['found']} found in the store"]
    if facts["failed"]:
        parts.append(f"{facts['failed']} failed")
    return (
        f"{facts['suite']} ({facts['hash']}): {facts['tasks']} tasks, {', '.join(parts)}; {facts['branches']} branches"
    )


def _announce(suite: Any, json: bool, *, data: str | None, shard: str, only: str) -> None:
    """What a call would do, without writing anything."""
    from metaal.rehearsal.costing import expected
    from metaal.rehearsal.pacing import spoken
    from metaal.rehearsal.rehearsing import select

    tasks = select(suite, data=data, shard=shard, only=only)
    cost = expected(suite, tasks)
    if json:
        print_json({"suite": suite.name, "hash": suite.hash, **vars(cost)})
        return
    print(f"{suite.name} ({suite.hash}): {cost.tasks} tasks, {cost.loops} loops, {cost.branches} branches at most")
    guessed = f"; no time for {', '.join(cost.guessed)}, counted as the mean" if cost.guessed else ""
    print(f"about {spoken(3600 * cost.hours)} of one process, by timing {cost.timed} of the tasks here{guessed}")
