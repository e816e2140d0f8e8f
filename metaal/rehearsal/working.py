"""Work on many tasks at once, as rehearsal and evaluation do it: leases, workers, progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from metaal.errors import EvaluationError
from metaal.rehearsal.backends import workers
from metadata_store import Lease, LeaseError, Store

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds to wait for a run that another process is playing."""

Progress = Callable[[int, int, str], None]
"""Called with (pieces done, pieces in all, what was finished)."""

ONE_AT_A_TIME = threading.Lock()
"""Held while a task is played: limits of threads are the process's, and two tasks in it would lift each other's."""


def leased(store: Store, run: str, patience: float = PATIENCE) -> Lease:
    """The right to write to a run; a process that has it is waited for a while.

    When a command is killed, its workers finish what they are at: the next command must not fail on these runs.

    Parameters
    ----------
    store : Store
    run : str
    patience : float
        Seconds.

    Raises
    ------
    LeaseError
        The other process still has it.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return store.lease(run)
        except LeaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(min(0.2, patience))


def in_parallel(
    function: Callable[..., T],
    calls: Sequence[tuple[Any, ...]],
    *,
    jobs: int = -1,
    backend: str = "loky",
    address: str | None = None,
) -> Iterator[T]:
    """Results of ``function(*call)`` for every call, as they are finished, in whatever order.

    Parameters
    ----------
    function : callable
    calls : sequence of tuple
    jobs, backend, address
        Where they run; see `workers`.

    Raises
    ------
    EvaluationError
        A process was killed from outside.
    """
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if not calls:
        return
    with workers(backend, address=address, jobs=jobs) as count:
        parallel = joblib.Parallel(
            n_jobs=min(count, len(calls)), return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs"
        )
        try:
            yield from parallel(joblib.delayed(function)(*call) for call in calls)
        except BrokenProcessPool as error:
            raise EvaluationError(
                "a worker process was killed, perhaps for want of memory; what was logged is kept, and the same "
                "command goes on from there (fewer --jobs need less memory)"
            ) from error


def telling(progress: Progress | bool, title: str, total: int) -> tuple[Progress, Callable[[], None]]:
    """Who is told of each piece that is done, and what ends the telling.

    Parameters
    ----------
    progress : callable or bool
        True shows the time left on standard error, False nothing.
    title : str
    total : int
        Pieces.
    """
    if callable(progress):
        return progress, lambda: None
    if not progress:
        return (lambda done, total, what: None), lambda: None
    from metaal.rehearsal.pacing import pace

    return pace(title, total)
