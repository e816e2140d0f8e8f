"""The command that makes training data: rehearse."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from metaal.cli.learning import Json
from metaal.cli.printing import print_json, print_table
from metaal.errors import EvaluationError


def rehearse(
    suite: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="tiny, small, train, dev, or a TOML file.")
    ] = None,
    store: Annotated[str | None, typer.Option(metavar="DIR", help="Directory to log to; a rerun goes on.")] = None,
    data: Annotated[str | None, typer.Option(metavar="FOLDER", help="Folder of the suite's manifests.")] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Who plays; default: an exploring policy over all actions.")
    ] = None,
    shard: Annotated[str, typer.Option(metavar="i/n", help="Only the i-th of n equal parts.")] = "1/1",
    only: Annotated[str, typer.Option(metavar="GLOB", help="Only tasks of such a name, as 'wine~*'.")] = "*",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and how long.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes; -1 = one a core.")] = -1,
    backend: Annotated[str, typer.Option(help="loky, dask or ray.")] = "loky",
    address: Annotated[str | None, typer.Option(help="Of the cluster; default: one is started here.")] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the suites, learners and regimes, and do nothing.")
    ] = False,
    summary: Annotated[
        str | None, typer.Option(metavar="STORE", help="Say what a store of rehearsals holds, and do nothing.")
    ] = None,
    json: Json = False,
) -> None:
    """Play a suite of labelled data with an exploring policy, and branch from its states: data to train a policy.

    Learners: logistic, extra_trees, lightgbm, svm_rbf, nearest_neighbours, naive_bayes, mlp; of numbers ridge, forest,
    lightgbm_regression, gaussian_process.

    Regimes, joined by +: batch, cold_start, imbalance, noise, noise_columns, redundancy, shift, unseen.

    A line about each of them, and of those that other packages offer: metaal rehearse --list.
    """
    if list_:
        _list(json)
        return
    if summary is not None:
        _summarise(summary, json)
        return
    if suite is None:
        raise typer.BadParameter("pass --suite NAME or FILE; metaal rehearse --list names the suites that are shipped")
    from metaal.rehearsal.suitefile import read_suite

    chosen = read_suite(suite)
    if dry_run:
        _announce(chosen, json, data=data, shard=shard, only=only)
        return
    if store is None:
        raise typer.BadParameter("pass --store DIR, or --dry-run")
    where = {"jobs": jobs, "backend": backend, "address": address}
    _play(chosen, store, json, data=data, policy=policy, shard=shard, only=only, **where)


def _play(suite: Any, store: str, json: bool, **words: Any) -> None:
    """Rehearse, and say what was done; what failed is raised at the end."""
    from metaal.rehearsal.keeping import check_keeps_branches
    from metaal.rehearsal.rehearsing import rehearse as play_all

    check_keeps_branches(store)
    failed: EvaluationError | None = None
    try:
        table = play_all(suite, store, **words)
    except EvaluationError as error:
        if error.result is None:
            raise
        failed, table = error, error.result
    facts = {
        "suite": suite.name,
        "hash": suite.hash,
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
    low, high = (spoken(3600 * hours) if hours == hours else "?" for hours in (cost.low, cost.high))
    guessed = f"; no time for {', '.join(cost.guessed)}, counted as the mean" if cost.guessed else ""
    print(
        f"about {spoken(3600 * cost.hours)} of one process with a core to itself ({low} to {high}), by timing parts of "
        f"{cost.timed} of the tasks here{guessed}"
    )


def _list(json: bool) -> None:
    """The suites, the learners and the regimes, a line each."""
    from metaal.rehearsal.listing import list_learners, list_regimes, list_suites

    found = {"suites": list_suites(), "learners": list_learners(), "regimes": list_regimes()}
    if json:
        print_json(found)
        return
    titles = {"suites": "suite", "learners": "learner", "regimes": "regime"}
    for what, rows in found.items():
        columns = [titles[what], *list(rows[0])[1:]]
        print_table(columns, [list(row.values()) for row in rows], fold=("summary", "parameters"))
        print()
    print("docs/regimes.md has every parameter, an example of each, and how to add your own")


def _summarise(path: str, json: bool) -> None:
    """What a store of rehearsals holds."""
    from metaal.rehearsal.corpus import summarise
    from metadata_store import open_store

    with open_store(path, create=False) as store:
        found = summarise(store)
    if json:
        print_json(found.facts)
        return
    print(found)
    for name in ("learners", "regimes"):
        rows = [[key, *counts.values()] for key, counts in found.facts[name].items()]
        print()
        print_table([name[:-1], "tasks", "branches"], rows)
