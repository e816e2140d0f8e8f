"""Compare policies on tasks: paired, in parallel, resumable, every number kept in a store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from metaal.actions import Policy
from metaal.errors import EvaluationError, InputError, LeakError
from metaal.evaluating.cells import cells_of, chosen
from metaal.evaluating.leaks import Leaky, refuse_leaks
from metaal.evaluating.playing import Contest, play_all
from metaal.evaluating.reading import read_result
from metaal.policies import read_policy
from metaal.prices import Prices
from metaal.rehearsal import Suite, Task
from metaal.rehearsal.working import Progress
from metaal.result import Result
from metadata_store import MemoryStore, Store
from metadata_store.privacy import PrivateStore

__all__ = ["LeakError", "Progress", "evaluate", "read_result"]


def evaluate(
    policies: Mapping[str, Policy | str],
    tasks: Sequence[Task] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    suite: str | Path | Suite | None = None,
    data: str | Path | None = None,
    store: Store | str | Path | None = None,
    prices: Prices | None = None,
    leaky: Leaky = "refuse",
    shard: str = "1/1",
    only: str = "*",
    jobs: int = -1,
    backend: str = "loky",
    address: str | None = None,
    progress: Progress | bool = True,
) -> Result:
    """Play every policy on every task with every seed, and measure.

    All policies of a cell (task × seed) start from the same labels and share every random number that does not depend
    on their choices. A process may be killed at any moment: the same call goes on where it was, and what it returns is
    the same whatever the number of processes, their order and the kills, measured seconds aside.

    Parameters
    ----------
    policies : mapping of str to Policy or str
        Name → policy.
    tasks : sequence of Task, optional
        Or a ``suite`` instead.
    seeds : iterable of int, optional
        Default: those of the suite, as its design deals them; for ``tasks`` 0 to 4. A suite's tasks are played with
        every seed that is given here.
    suite : str, Path or Suite, optional
        Name of a suite that ships with the package, or the path of a TOML file, as for `metaal.rehearse`.
    data : str, Path, optional
        Folder with the suite's manifests and files.
    store : str, Path or Store, optional
        Directory to log to; finished runs in it are not played again. Default: a temporary one. An in-memory store
        is used by one process.
    prices : Prices, optional
        For the utility.
    leaky : {"refuse", "mark"}
        What is done where a policy was trained on the family of a task: nothing is played, or its runs are marked in
        the column ``leak``.
    shard : str
        ``"i/n"``: only the i-th of n equal parts of the cells, for several machines. Once all of them have logged to
        one store, the call without it reads the whole.
    only : str
        Pattern of the cells' names, such as ``"wine~*~s0"``.
    jobs : int
        Processes; −1 = one for each core.
    backend, address : str
        Where they run: ``"loky"`` (or ``"local"``), ``"dask"`` or ``"ray"``; see `metaal.rehearsal.backends.workers`.
    progress : callable or bool
        Called with (runs done, runs in all, task); True shows the time left on standard error, False nothing.

    Returns
    -------
    Result

    Raises
    ------
    EvaluationError
        Some runs failed. The rest was finished first; the error carries the result, with each message in its row.
    LeakError
        A policy was trained on a family of the tasks.
    InputError
        Nothing to play, or arguments that don't fit together.
    """
    if not policies:
        raise InputError("evaluate: got 0 policies; pass at least one")
    ready = {name: read_policy(policy) for name, policy in policies.items()}
    cells = cells_of(tasks, seeds, suite=suite, data=data)
    order = {cell.stream: k for k, cell in enumerate(cells)}
    cells = chosen(cells, shard=shard, only=only)
    refuse_leaks(ready, cells, leaky)
    prices = prices or Prices()
    backend = "loky" if backend == "local" else backend
    with _place(store) as place:
        here = not isinstance(place, str)  # a store in memory is this process's alone
        rows, traces = play_all(
            Contest.of(ready, prices, place, leaky),
            cells,
            jobs=1 if here else jobs,
            backend="loky" if here else backend,
            address=None if here else address,
            progress=progress,
        )
    place_of = {name: k for k, name in enumerate(ready)}
    rows.sort(key=lambda row: (order[row["stream"]], place_of[row["policy"]]))
    result = Result(rows, traces, prices, policies={name: policy.spelling for name, policy in ready.items()})
    failed = result.errors
    if len(failed):
        first = failed.iloc[0]
        raise EvaluationError(
            f"{len(failed)} of {len(rows)} runs failed; first: {first['policy']} on {first['task']}, seed "
            f"{first['seed']}: {first['error']}. The other runs are in the result that this error carries "
            "(error.result)",
            result,
        )
    return result


def _place(store: Store | str | Path | None) -> AbstractContextManager[Any]:
    """The path or URL of a store, absolute since workers may have another current directory; or one in memory."""
    # a private store of level L0 is in memory, too
    if isinstance(store, MemoryStore) or (isinstance(store, PrivateStore) and store.in_memory):
        return nullcontext(store)
    if store is None:
        return tempfile.TemporaryDirectory(prefix="metaal-")
    text = str(getattr(store, "path", store))
    if text.startswith("memory:"):
        raise InputError(
            f"store: {text!r} would be one for each process; pass a directory, or the store that open_store('memory:') "
            "returns"
        )
    return nullcontext(text if "://" in text else str(Path(text).resolve()))
