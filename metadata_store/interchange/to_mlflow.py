"""From a store to an MLflow tracking server, database or folder: one MLflow run for each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import OptionError, WriteError
from ..record import Record
from ..store import Store
from ..tables import choose_runs
from .foreign import need
from .ledger import MAX_KEY, Ledger, measured, metric_key

RUN_TAG = "metaal.run"
BATCH = 1000  # metrics that MLflow takes in one call
GROUP = 5000  # metrics behind one batch of the ledger
FEW = 100  # tags or params that MLflow takes in one call
SHOWN = 500  # letters of a text that is only shown; older servers take no longer params
Progress = Callable[[int, int], None]


class Exported(NamedTuple):
    """How many runs and records were looked at, and how many of the records are new at the other end."""

    runs: int
    records: int
    new: int


def export_mlflow(
    store: Store,
    uri: str,
    *,
    experiment: str = "metaal",
    runs: Iterable[str] | str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the runs of a store as runs of MLflow, through its client.

    Numbers and bools become metrics called `event/name` (or `event.index/name`) with step = loop and the time of the
    record; the values of "begin" and "about" are also shown as params, and texts as tags. Tags called
    `metaal.ledger.*` hold what metrics cannot (kinds, order, exact times, text, infinite numbers, -0.0, whole numbers
    beyond 2⁵³), so that `load_mlflow` gives back every scalar. Arrays are not exported: JSONL has them. The same call
    again adds only what is new, also after it was stopped halfway; two calls at the same time for the same experiment
    are not safe.

    Parameters
    ----------
    store : any store.
    uri : a tracking URI, such as "sqlite:///mlflow.db" or "http://localhost:5000".
    experiment : name of the MLflow experiment; made if it is not there.
    runs : runs in the order wanted; None for all.
    progress : called as progress(runs done, runs).

    Returns
    -------
    Exported

    Raises
    ------
    MissingPackageError : MLflow is not installed.
    UnknownRunError : a run that is not there.
    OptionError : the experiment was deleted, or has two MLflow runs for one run.
    WriteError : MLflow refused; call again for the rest.

    Examples
    --------
    >>> import metadata_store
    >>> store = metadata_store.open_store("memory:")
    >>> export_mlflow(store, "sqlite:///mlflow.db", runs=[])  # doctest: +SKIP
    Exported(runs=0, records=0, new=0)
    """
    mlflow = need("mlflow", "mlflow")
    failure = need("mlflow.exceptions", "mlflow").MlflowException
    picked = choose_runs(runs, store.runs())
    records = new = 0
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        place = _experiment(client, experiment)
        there = _runs_there(client, place, experiment)
        for number, run in enumerate(picked):
            own = store.records(run)
            known = client.get_run(there[run]) if run in there else None
            new += _export_run(client, place, run, own, known)
            records += len(own)
            if progress is not None:
                progress(number + 1, len(picked))
    except failure as error:
        raise WriteError(f"MLflow at {uri} refused: {error}; what it took is kept, call again for the rest") from error
    return Exported(len(picked), records, new)


def pages(call: Callable[..., Any], **options: Any) -> Iterator[Any]:
    """Yield everything that one of MLflow's paged calls gives.

    Examples
    --------
    >>> class Page(list):
    ...     token = None
    >>> list(pages(lambda page_token: Page([1, 2])))
    [1, 2]
    """
    token = None
    while True:
        page = call(page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise OptionError(f"MLflow's experiment {name!r} was deleted; restore it, or give another name")
    return str(found.experiment_id)


def _runs_there(client: Any, place: str, experiment: str) -> dict[str, str]:
    """Return MLflow's id of each run that was exported before."""
    there: dict[str, str] = {}
    # names may hold quotes, which MLflow's filters cannot spell; so all runs are looked at
    for run in pages(client.search_runs, experiment_ids=[place], max_results=1000):
        name = run.data.tags.get(RUN_TAG)
        if name is None:
            continue
        if name in there:
            ids = f"{there[name]} and {run.info.run_id}"
            raise OptionError(
                f"experiment {experiment!r} has two MLflow runs for {name!r} ({ids}); delete one of them there"
            )
        there[name] = str(run.info.run_id)
    return there


def _export_run(client: Any, place: str, run: str, records: list[Record], there: Any) -> int:
    """Export what is new of one run; return how many records that is."""
    from mlflow.entities import Param, RunTag

    tags = dict(there.data.tags) if there is not None else {}
    try:
        ledger = Ledger(tags)
    except ValueError as error:
        raise OptionError(
            f"the tags of MLflow's run {there.info.run_id} are not a ledger of this version: {error}"
        ) from error
    known = ledger.keys
    fresh = [record for record in records if record.key[1:] not in known]
    if there is None:
        start = {RUN_TAG: run, "mlflow.source.name": "metaal"}
        made = client.create_run(place, start_time=records[0].at // 10**6, tags=start, run_name=run)
        identity, params = made.info.run_id, {}
    else:
        identity, params = there.info.run_id, dict(there.data.params)
    for name in tags:
        # pieces of a batch that was being written when an earlier call was stopped
        if name.startswith("metaal.ledger.") and int(name.split(".")[2]) >= ledger.batches:
            client.delete_tag(identity, name)
    for group in _groups(fresh):
        _log_metrics(client, identity, group)
        news = _shown_params(group, params)
        params.update(news)
        shown = _shown_tags(group)
        _log_few(client, identity, "params", [Param(name, text) for name, text in news.items()])
        # the ledger comes last: what it lists is there
        _log_few(client, identity, "tags", [RunTag(name, text) for name, text in (shown | ledger.add(group)).items()])
    if fresh or there is None or there.info.status != "FINISHED":
        client.set_terminated(identity, status="FINISHED", end_time=max(r.at for r in records) // 10**6)
    return len(fresh)


def _groups(records: list[Record]) -> Iterator[list[Record]]:
    group: list[Record] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(record.values)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _log_metrics(client: Any, identity: str, records: list[Record]) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(metric_key(record.event, record.index, name), float(value), record.at // 10**6, record.loop)
        for record in records
        for name, value in record.values.items()
        if measured(record.event, record.index, name, value)
    ]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[start : start + BATCH])


def _log_few(client: Any, identity: str, kind: str, entities: list[Any]) -> None:
    for start in range(0, len(entities), FEW):
        client.log_batch(identity, **{kind: entities[start : start + FEW]})


def _shown_params(records: list[Record], there: dict[str, str]) -> dict[str, str]:
    """Return params that show what a run began with; a param never changes, so the first value counts."""
    found: dict[str, str] = {}
    for record in records:
        for name, value in record.values.items() if record.event in ("begin", "about") else ():
            text = value if isinstance(value, str) else repr(value)
            if name not in there and text.strip():
                found.setdefault(name, _short(text))
    return found


def _shown_tags(records: list[Record]) -> dict[str, str]:
    """Return tags that show the latest text of each name."""
    found: dict[str, str] = {}
    for record in records:
        for name, value in record.values.items():
            key = metric_key(record.event, record.index, name)
            if isinstance(value, str) and value.strip() and len(key) <= MAX_KEY:
                found[key] = _short(value)
    return found


def _short(text: str) -> str:
    plain = text.replace("\0", "\ufffd")
    return plain if len(plain) <= SHOWN else plain[: SHOWN - 1] + "…"
