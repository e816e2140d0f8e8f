"""Where the work runs: in this process, in local processes, on a Dask cluster or on Ray, all through joblib."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from metaal.errors import EvaluationError, InputError

BACKENDS = ("loky", "dask", "ray")
PATIENCE = 10.0
"""Seconds that a cluster has to answer."""
TRIES = 3
"""Times that a task is tried again on Ray after its worker died; Dask's own number is the same."""


@contextmanager
def workers(backend: str = "loky", *, address: str | None = None, jobs: int = -1) -> Iterator[int]:
    """Let joblib use a backend inside of the ``with`` block.

    Parameters
    ----------
    backend : str
        ``"loky"``: local processes. ``"dask"``: the workers of a Dask cluster. ``"ray"``: those of a Ray cluster.
    address : str, optional
        Of the cluster, such as ``tcp://host:8786`` or ``host:6379``. Default: one is started here.
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
    EvaluationError
        A task's worker died again and again on a cluster.
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
    cluster: _Cluster = _Dask(address, jobs) if backend == "dask" else _Ray(address, jobs)
    try:
        with joblib.parallel_config(backend=backend, **cluster.options):
            yield cluster.jobs
    except cluster.lost as error:
        raise EvaluationError(
            f"{backend}: a task was given up, since its workers died one after the other ({error}); what was logged is "
            "kept, and the same command goes on from there. Look for want of memory on the workers"
        ) from error
    finally:
        cluster.close()


class _Cluster:
    """A connection to a cluster, or one that was started here.

    ``jobs`` tasks at a time; ``lost`` are the errors of a task whose workers died again and again; ``options`` are the
    backend's, for joblib.
    """

    jobs: int
    lost: tuple[type[BaseException], ...]
    options: Mapping[str, Any] = MappingProxyType({})

    def close(self) -> None:
        """End the connection, and what was started here."""
        raise NotImplementedError


class _Dask(_Cluster):
    """The workers of a Dask cluster."""

    def __init__(self, address: str | None, jobs: int) -> None:
        try:
            from distributed import Client
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise InputError(f"backend: dask is not installed ({error}); pip install 'metaal[dask]'") from error
        self.jobs, self.lost = jobs, (KilledWorker,)
        try:
            if address is None:
                # One thread a worker: a task of Python code does not get quicker by a second one beside it.
                count = jobs if jobs > 0 else None
                self.client = Client(n_workers=count, threads_per_worker=1, dashboard_address=None)
            else:
                self.client = Client(address, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"address: no Dask scheduler answers at {address!r} ({error}); start one with dask scheduler, and pass "
                "the address that it prints"
            ) from error

    def close(self) -> None:
        self.client.close()


class _Ray(_Cluster):
    """The workers of a Ray cluster, as a pool of actors that are restarted when they die."""

    options = MappingProxyType({"ray_remote_args": {"max_restarts": -1, "max_task_retries": TRIES}})

    def __init__(self, address: str | None, jobs: int) -> None:
        try:
            import ray
            from ray.util.joblib.ray_backend import RayBackend
        except ImportError as error:
            raise InputError(f"backend: ray is not installed ({error}); pip install 'metaal[ray]'") from error
        from joblib import register_parallel_backend

        # Ray's own, but results come as they are ready. It inherits a refusal of this from joblib's multiprocessing,
        # whose pool cannot be ended early; Ray's can.
        streaming = type("StreamingRayBackend", (RayBackend,), {"supports_return_generator": True})
        self.ray, self.lost = ray, (ray.exceptions.RayError,)
        self.found = ray.is_initialized()  # then it is the caller's, and stays
        if not self.found:
            self._begin(address, jobs)
        register_parallel_backend("ray", streaming)
        # Ray refuses a pool of more actors than it has cores.
        there = int(ray.cluster_resources().get("CPU", 1))
        self.jobs = min(jobs, there) if jobs > 0 else there

    def _begin(self, address: str | None, jobs: int) -> None:
        wrong: tuple[type[BaseException], ...] = (OSError, ValueError, RuntimeError, *self.lost)
        try:
            if address is not None:
                self.ray.init(address=address)
                return
            # What is started here tells nobody that it was used, unless the user says so.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            self.ray.init(address="local", num_cpus=jobs if jobs > 0 else None, include_dashboard=False)
        except wrong as error:
            what = "a Ray cluster cannot be started here" if address is None else f"no Ray cluster at {address!r}"
            raise InputError(
                f"address: {what} ({error}); start one with ray start --head, and pass the address that it prints"
            ) from error

    def close(self) -> None:
        if not self.found:
            self.ray.shutdown()
