"""Where the work runs: in this process, in local processes, on a Dask cluster or on Ray, all through joblib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metaal.errors import InputError

BACKENDS = ("loky", "dask", "ray")
PATIENCE = 10.0
"""Seconds that a cluster has to answer."""


@contextmanager
def workers(backend: str = "loky", *, address: str | None = None, jobs: int = -1) -> Iterator[int]:
    """Let joblib use a backend inside of the ``with`` block.

    Parameters
    ----------
    backend : str
        ``"loky"``: local processes. ``"dask"``: the workers of a Dask cluster. ``"ray"``: those of a Ray cluster.
    address : str, optional
        Of the cluster, such as ``tcp://host:8786`` or ``ray://host:10001``. Default: one is started here.
    jobs : int
        Processes, or tasks at a time on a cluster; −1 = one for each core or worker.

    Yields
    ------
    int
        ``n_jobs`` for joblib.

    Raises
    ------
    InputError
        The backend is unknown or not installed, or the cluster does not answer.
    """
    import joblib

    if backend not in BACKENDS:
        raise InputError(f"backend: got {backend!r}, expected one of {', '.join(BACKENDS)}")
    if jobs == 0 or jobs < -1:
        raise InputError(f"jobs: got {jobs}, expected a number of processes, or -1 for one a core")
    if backend == "loky":
        if address is not None:
            raise InputError(f"address: {address!r} was given, but loky runs in local processes; add --backend dask")
        yield jobs if jobs > 0 else (os.cpu_count() or 1)
        return
    started = _dask(address, jobs) if backend == "dask" else _ray(address)
    try:
        with joblib.parallel_config(backend=backend):
            yield jobs
    finally:
        started.close()


def _dask(address: str | None, jobs: int) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(f"backend: dask is not installed ({error}); pip install 'metaal[dask]'") from error
    try:
        if address is None:
            # One thread a worker: a task of Python code does not get quicker by a second one beside it.
            return Client(n_workers=jobs if jobs > 0 else None, threads_per_worker=1, dashboard_address=None)
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"address: no Dask scheduler answers at {address!r} ({error}); start one with dask scheduler, and pass the "
            "address that it prints"
        ) from error


def _ray(address: str | None) -> Any:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise InputError(f"backend: ray is not installed ({error}); pip install ray") from error
    ray.init(address=address, ignore_reinit_error=True)
    register_ray()

    class Session:
        def close(self) -> None:
            ray.shutdown()

    return Session()
