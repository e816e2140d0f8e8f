"""Commands around one run: runs, show, ask, tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from metaal.cli.arrays import as_array, as_list, read_array, read_json, read_labels, read_npz
from metaal.cli.printing import print_json, print_table
from metaal.errors import InputError
from metaal.journal import Journal, split
from metaal.policies import read_policy
from metaal.run import Run
from strategy_zoo.view import AXES

if TYPE_CHECKING:
    from metadata_store import Store

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="store/name, such as runs/tickets")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = typer.Option(metavar="FILE", help=".npy, .csv, .parquet or .json")
MATRICES = tuple(name for name, axes in AXES.items() if len(axes) > 1)
OUTPUTS = tuple(AXES)
SHOWN = 6  # series of a run that metaal did not begin


def runs(store: Annotated[str, typer.Argument(help="Directory of a store.")] = "runs", json: Json = False) -> None:
    """List the runs of a store."""
    from metadata_store import open_store

    with open_store(store, create=False) as opened:
        # one table for all runs: of those that metaal did not begin, nothing more is read
        keys = opened.frame(["run.seed*"]).reset_index()
        loops = keys.groupby("run", sort=False)["loop"].size()
        own = set(keys.loc[keys["run.seed"].notna(), "run"]) if "run.seed" in keys else set()
        lines = [_line(opened, name) if name in own else _foreign(name, int(loops[name])) for name in opened.runs()]
    if json:
        print_json(lines)
    elif lines:
        print_table(list(lines[0]), [list(line.values()) for line in lines], fold="run")
    else:
        print(f"no runs in {store}")


def _foreign(name: str, loops: int) -> dict[str, Any]:
    """The line of a run that was imported, or that somebody wrote: there are loops, but no queries."""
    nothing = {"task": "", "policy": "", "loops": loops, "labels": 0, "pending": 0}
    return {"run": name, **nothing, "state": "not begun by metaal"}


def _line(store: Store, name: str) -> dict[str, Any]:
    journal = Journal(name, store)
    journal.replay()
    state = journal.state
    begin = state.begin.values if state.begin is not None else {}
    return {
        "run": name,
        "task": begin.get("run.task", ""),
        "policy": begin.get("run.policy", ""),
        "loops": len(state.asks),
        "labels": len(state.labels),
        "pending": len(state.waiting),
        "state": "ended" if state.ended else "waiting for labels" if state.waiting else "open",
    }


def show(run: RunPath, json: Json = False) -> None:
    """Show one run loop by loop: what was asked, why, and what came of it."""
    if _show_foreign(run, json):
        return
    opened = _existing(run)
    with opened:
        history = opened.history
        state = opened._journal.state
        if json:
            series = {name: history.series(name) for name in history.names}
            asks = [{k: v for k, v in ask.values.items() if isinstance(v, str)} for ask in state.asks]
            print_json({"run": opened.name, "policy": opened.policy.spelling, "loops": asks, "series": series})
            return
        print(f"{opened!r}\n")
        rows = []
        for loop, ask in enumerate(state.asks):
            row = state.rows[loop]
            columns = ("labels.count", "query.count", "pool.margin.mean", "surprise.accuracy.batch", "score.value")
            numbers = [row.get(name) for name in columns]
            rows.append([loop, str(ask.values["action.name"]), *numbers, str(ask.values["decision.reason"])])
        print_table(["loop", "action", "labels", "asked", "margin", "batch accuracy", "score", "why"], rows, fold="why")
        if opened.pending is not None:
            print(f"\nwaiting for labels: {', '.join(map(str, opened.pending.ids.tolist()))}")


def _show_foreign(run: str, json: bool) -> bool:
    """Print the series of a run that metaal did not begin; return whether it was one."""
    from metadata_store import open_store

    folder, name = split(run, None)
    if not Path(folder).is_dir():
        return False
    with open_store(folder, create=False) as store:
        if name not in store.runs():
            return False
        frame = store.frame(runs=name).droplevel("run")
        if "run.seed" in frame and frame["run.seed"].notna().any():
            return False
        frame = frame.dropna(axis=1, how="all")
    if json:
        print_json({"run": name, "loops": frame.index.tolist(), "series": {str(c): frame[c].tolist() for c in frame}})
        return True
    print(f"{name}: {len(frame)} loops, not begun by metaal\n")
    shown = list(frame)[:SHOWN]
    lines = [[loop, *row] for loop, row in zip(frame.index.tolist(), frame[shown].to_numpy().tolist(), strict=True)]
    print_table(["loop", *map(str, shown)], lines)
    if len(shown) < frame.shape[1]:
        print(f"\nand {frame.shape[1] - len(shown)} other series; --json shows all of them")
    return True


def ask(
    run: RunPath,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Rows to ask for.")] = 10,
    ids: Annotated[str | None, File] = None,
    proba: Annotated[str | None, File] = None,
    prediction: Annotated[str | None, File] = None,
    embedding: Annotated[str | None, File] = None,
    committee: Annotated[str | None, File] = None,
    seen_embedding: Annotated[str | None, File] = None,
    seen_y: Annotated[str | None, File] = None,
    classes: Annotated[str | None, File] = None,
    view: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="One .npz file with ids, proba, … and any other output, named as in View."),
    ] = None,
    all_in: Annotated[
        str | None,
        typer.Option("--input", metavar="FILE", help="One JSON object with ids, proba, … (- = standard input)"),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="default, learned, a strategy, uniform, schedule or a .metaal file.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of a new run; default 0.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Labels in all, of a new run.")] = None,
    json: Json = False,
) -> None:
    """Ask which rows to label next; begins the run if there is none.

    The model stays where it is, in any language: only the files named here are read. A table may carry a column id.
    """
    files = {
        "ids": ids,
        "proba": proba,
        "prediction": prediction,
        "embedding": embedding,
        "committee": committee,
        "seen_embedding": seen_embedding,
        "seen_y": seen_y,
        "classes": classes,
    }
    given = _outputs(files, all_in, view)
    with _open(run, policy=policy, seed=seed, budget=budget) as opened:
        given["ids"] = _like(opened, given["ids"])
        query = opened.ask(n, **given)
        if json:
            print_json(
                {
                    "loop": query.loop,
                    "ids": query.ids,
                    "stop": query.stop,
                    "action": query.action,
                    "propensity": query.propensity,
                    "reason": query.reason,
                }
            )
        else:
            print("\n".join(str(key) for key in query.ids.tolist()))
            typer.echo(f"{opened.why()}{'; stop' if query.stop else ''}", err=True)


def tell(
    run: RunPath,
    labels: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Table with columns id and label, or JSON (- = standard input)."),
    ] = None,
    score: Annotated[float | None, typer.Option(help="Of the model whose outputs were shown.")] = None,
    seconds: Annotated[list[str] | None, typer.Option(help="fit=1.5, score=0.2 or label=60; repeatable.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="An id that cannot be labelled; repeatable.")] = None,
    withdraw: Annotated[list[str] | None, typer.Option(help="An id whose label is taken back; repeatable.")] = None,
    change: Annotated[bool, typer.Option("--change", help="The labels replace earlier ones.")] = False,
    json: Json = False,
) -> None:
    """Tell labels, in any order and in parts; or skip rows, change or withdraw labels."""
    if sum((labels is not None, bool(skip), bool(withdraw))) != 1:
        nothing = labels is None and not skip and not withdraw
        raise typer.BadParameter(
            f"{'nothing to tell' if nothing else 'one at a time'}: pass a file of labels, --skip ID or --withdraw ID"
        )
    spent: dict[str, float] = {}
    for text in seconds or []:
        phase, _, number = text.partition("=")
        try:
            spent[phase] = float(number)
        except ValueError:
            raise InputError(f"--seconds {text}: expected phase=number, such as fit=1.5") from None
    with _existing(run) as opened:
        if labels is not None:
            keys, values = read_labels(labels, text=_text_labels(opened))
            keys = opened.keys(keys)
            if change:
                opened.change(keys, values)
            else:
                opened.tell(values, ids=keys, score=score, seconds=spent or None)
        if skip:
            opened.skip(opened.keys(skip))
        if withdraw:
            opened.withdraw(opened.keys(withdraw))
        pending = opened.pending
        waiting: list[Any] = [] if pending is None else pending.ids.tolist()
        if json:
            print_json({"labels": len(opened.labels), "pending": waiting})
        else:
            print(f"{len(opened.labels)} labels, {len(waiting)} pending")


def _outputs(files: dict[str, str | None], all_in: str | None, view: str | None) -> dict[str, Any]:
    """The arguments of `Run.ask` from files."""
    given: dict[str, Any] = {}
    if view is not None:
        given |= read_npz(view, ("ids", *OUTPUTS))
    if all_in is not None:
        source, value = "standard input" if all_in == "-" else all_in, read_json(all_in)
        if not isinstance(value, dict) or set(value) - {"ids", *OUTPUTS}:
            raise InputError(f"{source}: expected a JSON object with keys among ids, {', '.join(OUTPUTS)}")
        given |= {
            name: (as_array if name in MATRICES else as_list)(f"{source}: {name}", array)
            for name, array in value.items()
        }
    found = None
    for name, path in files.items():
        if path is None:
            continue
        given[name], own = read_array(path, matrix=name in MATRICES, keys=name == "ids")
        if own is not None and name not in ("seen_embedding", "seen_y", "ids"):
            if found is not None and not np.array_equal(found, own):
                raise InputError(f"{path}: its column id differs from the one of another file; the rows must match")
            found = own
    if "ids" not in given:
        if found is None:
            raise InputError("--ids: no keys for the rows; pass --ids FILE, or a table with a column id")
        given["ids"] = found
    return given


def _text_labels(run: Run) -> bool:
    """Whether the labels of a run are text: its classes say so, or the labels that it has."""
    state = run._journal.state
    classes = state.asks[-1].arrays.get("classes") if state.asks else None
    if classes is not None:
        return bool(classes.dtype.kind == "U")
    return any(isinstance(label, str) for label in run.labels.values())


def _like(run: Run, ids: Any) -> Any:
    """The ids as text where the run has begun with text: a pool of which 007 has gone may spell whole numbers only."""
    example = run._journal.state.id_example
    array = np.asarray(ids)
    text = example is not None and example.dtype.kind == "U" and array.dtype.kind in "iu"
    return array.astype(str) if text else ids


def _open(run: str, *, policy: str | None, seed: int | None, budget: int | None) -> Run:
    """The run, begun if there is none; one that exists keeps its settings, and what is given must agree with them."""
    journal = Journal(run, None)
    exists = journal.exists
    journal.close()
    if not exists:
        return Run(run, policy=policy or "default", seed=seed or 0, budget=budget)
    opened = Run.resume(run)
    try:
        asked = {"policy": policy and read_policy(policy).spelling, "seed": seed, "budget": budget}
        began = {"policy": opened.policy.spelling, "seed": opened.seed, "budget": opened.budget}
        for name, value in asked.items():
            if value is not None and value != began[name]:
                was = "no budget" if began[name] is None else f"{name} {began[name]}"
                raise InputError(f"run {opened.name!r} was begun with {was}, not {value}; leave --{name} out")
    except BaseException:
        opened.close()
        raise
    return opened


def _existing(run: str) -> Run:
    return Run.resume(run)
