"""A store of rehearsals in a few numbers: what it is made of, and a hash of every branch's outcome."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import FitError, InputError
from metaal.rehearsal.branching import EVENT as BRANCH
from metaal.rehearsal.rehearsing import EVENT as WHOLE
from metadata_store import Store

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa
    import pyarrow.dataset as ds

OF_RUN = {
    "run.task": "family",
    "tag.data": "data",
    "tag.learner": "learner",
    "tag.regime": "regime",
    "tag.kind": "kind",
    "tag.batch": "batch",
    "tag.seed.split": "seed",
    "tag.suite": "suite",
    "tag.suite.hash": "suite.hash",
}
"""What the begin of a run says of it, and what it is called here."""
KEY = ("run", "loop", "index")


@dataclass(frozen=True, eq=False)
class Corpus:
    """What stores of rehearsals hold.

    Parameters
    ----------
    table : DataFrame
        A row for each family and regime: ``family``, ``regime``, ``tasks``, ``states``, ``branches``, and under the
        name of each learner the branches with it.
    facts : dict
        Totals: ``suites`` (name → hashes), ``tasks``, ``unfinished`` (runs whose branches are not complete),
        ``families``, ``data``, ``states``, ``branches``, ``played`` (branches that are not another one's with the same
        rows), ``learners``, ``regimes``, ``kinds`` and ``batches`` (name → tasks and branches), ``actions``
        (→ branches), ``hash``.

    Examples
    --------
    >>> from metadata_store import open_store
    >>> from metaal.rehearsal import rehearse
    >>> store = open_store("memory:")
    >>> _ = rehearse("tiny", store, only="wine~*~s0", progress=False)
    >>> found = summarise(store)
    >>> found.facts["tasks"], found.facts["branches"] == int(found.table["branches"].sum())
    (1, True)
    """

    table: pandas.DataFrame
    facts: dict[str, Any]

    def __str__(self) -> str:
        facts = self.facts
        suites = ", ".join(f"{name} ({digest})" for name, digest in facts["suites"].items()) or "no suite"
        rest = f" ({facts['unfinished']} not complete)" if facts["unfinished"] else ""
        return (
            f"{suites}: {facts['tasks']} tasks{rest} of {facts['families']} families, {len(facts['learners'])} "
            f"learners, {len(facts['regimes'])} regimes; {facts['branches']} branches of {facts['states']} states, "
            f"{facts['played']} of them played; hash {facts['hash']}"
        )


def summarise(*stores: Store) -> Corpus:
    """Sum up stores that `rehearse` wrote to, such as those of several machines.

    Only columns of scalars are read, so that 150,000 branches take seconds and some hundred megabytes once the store is
    compacted.

    Parameters
    ----------
    *stores : Store
        At least one.

    Raises
    ------
    FitError
        They hold no branches.
    InputError
        Two of them hold the same run.
    """
    import pandas as pd
    import pyarrow as pa

    data = [store.dataset() for store in stores]
    runs = pd.concat([_runs(part) for part in data]) if data else pd.DataFrame()
    doubled = runs.index[runs.index.duplicated()]
    if len(doubled):
        raise InputError(
            f"stores: {len(doubled)} runs are in two of them (first: {doubled[0]!r}); leave one of these stores out"
        )
    parts = [part for part in map(_branches, data) if part is not None and part.num_rows]
    if not parts:
        raise FitError("the store holds no branches; make some with metaal rehearse, or metaal.rehearsal.rehearse")
    branches = pa.concat_tables(parts, promote_options="permissive")
    branches = branches.sort_by([(name, "ascending") for name in KEY])
    names = ["run", "loop", "index", "branch.action", "branch.played"]
    rows = branches.select(names).to_pandas().join(runs, on="run")
    return Corpus(_table(rows), _facts(runs, rows) | {"hash": content_hash(branches)})


def content_hash(branches: pa.Table) -> str:
    """Hash of all branch outcomes: the same whatever the order in which they were written, and their seconds.

    Parameters
    ----------
    branches : Table
        In order of run, loop and index. All columns count but those whose name ends in ``.seconds``; one that is empty
        is as good as none. Numbers count as float64, so that 3 and 3.0 are the same.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.blake2b(f"{branches.num_rows} branches".encode(), digest_size=16)
    for name in sorted(branches.column_names):
        column = branches[name].combine_chunks()
        if name.endswith(".seconds") or column.null_count == len(column):
            continue
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        digest.update(f"\n{name} {'text' if text else 'number'}\n".encode())
        digest.update(np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes())
        if text:
            # With its length in front, so that no text can pass for two.
            said = pc.fill_null(column, "").to_pylist()
            digest.update("".join(f"{len(word)} {word}" for word in said).encode())
            continue
        numbers = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False) + 0.0  # no minus zero
        digest.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes())
    return digest.hexdigest()


def _runs(data: ds.Dataset) -> pandas.DataFrame:
    """What is known of each run, by name; ``whole`` says whether its branches are complete."""
    import pyarrow.compute as pc

    there = set(data.schema.names)
    if not {"run", "event"} <= there:
        raise FitError("the store is empty; make rehearsals with metaal rehearse, or metaal.rehearsal.rehearse")
    begins = data.to_table(
        columns=["run", *(name for name in OF_RUN if name in there)], filter=pc.field("event") == "begin"
    ).to_pandas()
    ends = data.to_table(columns=["run"], filter=pc.field("event") == WHOLE)
    runs = begins.set_index("run").rename(columns=OF_RUN)
    for name, usual in (("regime", "clean"), ("kind", "classification"), ("suite", ""), ("suite.hash", "")):
        runs[name] = runs[name].fillna(usual) if name in runs else usual
    return runs.assign(whole=runs.index.isin(ends["run"].to_pylist()))


def _branches(data: ds.Dataset) -> pa.Table | None:
    """All scalars of all branches but their seconds."""
    import pyarrow.compute as pc

    names = [name for name in data.schema.names if name.startswith("branch.") and not name.endswith(".seconds")]
    if not names:
        return None
    return data.to_table(columns=[*KEY, *names], filter=pc.field("event") == BRANCH)


def _table(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Family × regime, with counts and a column for each learner."""
    rows = rows.assign(state=rows["run"] + " " + rows["loop"].astype(str))
    cells = rows.groupby(["family", "regime"], sort=True)
    table = cells.agg(tasks=("run", "nunique"), states=("state", "nunique"), branches=("run", "size"))
    wide = rows.groupby(["family", "regime", "learner"]).size().unstack(fill_value=0)
    return table.join(wide).reset_index()


def _facts(runs: pandas.DataFrame, rows: pandas.DataFrame) -> dict[str, Any]:
    begun = runs[runs.index.isin(rows["run"])]
    suites = runs[runs["suite"] != ""].groupby("suite")["suite.hash"].unique()
    facts: dict[str, Any] = {
        "suites": {str(name): ", ".join(sorted(hashes)) for name, hashes in suites.items()},
        "tasks": len(runs),
        "unfinished": int((~runs["whole"]).sum()),
        "families": int(begun["family"].nunique()),
        "data": int(begun["data"].nunique()),
        "states": len(rows[["run", "loop"]].drop_duplicates()),
        "branches": len(rows),
        "played": int((rows["branch.played"] == rows["index"]).sum()),
    }
    for name, column in (("learners", "learner"), ("regimes", "regime"), ("kinds", "kind"), ("batches", "batch")):
        counts = rows.groupby(column).agg(tasks=("run", "nunique"), branches=("run", "size"))
        facts[name] = {_plain(key): {k: int(v) for k, v in line.items()} for key, line in counts.iterrows()}
    facts["actions"] = {
        str(key): int(count) for key, count in rows["branch.action"].value_counts().sort_index().items()
    }
    return facts


def _plain(key: Any) -> str:
    return f"{key:g}" if isinstance(key, float) else str(key)
