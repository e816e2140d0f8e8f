"""From MLflow to a store: runs that `export_mlflow` wrote come back exactly, those of others as series."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..checks import Scalar
from ..errors import OptionError, nearest
from ..kinds import FLOAT, TEXT
from ..record import Record
from ..store import Store
from .additions import Additions
from .foreign import cleaned, fitted, kind_of, need, scalar_of, settled, statistic, targets
from .ledger import Ledger
from .loading import SourceError
from .rules import Rules, check_words
from .to_mlflow import RUN_TAG, Progress, pages

IDENTITY = "user.mlflow.run"
PREFIX = {"metrics": "user.", "params": "user.param.", "tags": "user.tag."}
ENDED = ("FINISHED", "FAILED", "KILLED")


class Imported(NamedTuple):
    """How many runs and records a source had, how many records are new, and what could not become one."""

    runs: int
    read: int
    new: int
    problems: tuple[str, ...] = ()


def load_mlflow(
    uri: str,
    store: Store,
    *,
    experiments: Iterable[str] | str | None = None,
    columns: Mapping[str, str | None] | None = None,
    text: Collection[str] = (),
    after: Collection[str] = (),
    rules: Rules | None = None,
    deleted: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Append the runs of an MLflow server, database or folder to a store, through its client.

    A run that `export_mlflow` wrote becomes the same records again. Any other becomes the run `<name> <id>` (the first
    12 digits of MLflow's id) with a record "about" at loop 0 (params, tags, who and where), a record "report" at
    loop = step for the values logged there (a metric that was logged k times at one step, as happens when no step is
    given, makes records of index 0 to k - 1) and one more "about", at the last loop, with its status. Failed and killed
    runs come too, deleted ones only if wanted, running ones as far as they are. The same call again adds only what is
    new; a run that was renamed meanwhile keeps its first name here.

    Parameters
    ----------
    uri : a tracking URI.
    store : any store.
    experiments : their names; None for all that are not deleted.
    columns : statistic of a metric, param or tag, such as {"val_acc": "score.value", "params.lr": "user.rate"}; a name
        without "metrics.", "params." or "tags." is a metric. None leaves it out. Others become `user.<metric>`,
        `user.param.<param>`, `user.tag.<tag>`.
    text : params or tags ("params.version") that are text even where all look like numbers.
    after : metrics that were logged after the step's batch was labelled and learnt, such as the score at the end of a
        round; they belong to the state in which the next step is decided, and are stored there.
    rules : kinds and translations of statistics.
    deleted : also runs that were deleted and not yet purged.
    progress : called as progress(runs done, runs).

    Returns
    -------
    Imported : `problems` names each value that has no place, such as one at a negative step.

    Raises
    ------
    MissingPackageError : MLflow is not installed.
    OptionError : an experiment or a name in `columns` is not there, two names become one statistic, or words have no
        translation.
    SourceError : MLflow cannot be read; runs before that are stored.
    ConflictError, RecordError, WriteError, UnknownStateError : as `Store.append_many`.

    Examples
    --------
    >>> import metadata_store
    >>> store = metadata_store.open_store("memory:")
    >>> load_mlflow("sqlite:///mlflow.db", store, columns={"val_acc": "score.value"})  # doctest: +SKIP
    Imported(runs=12, read=640, new=640, problems=())
    """
    mlflow = need("mlflow", "mlflow")
    file = uri.removeprefix("sqlite:///").partition("?")[0]
    if file and file != uri and not os.path.isfile(file):
        raise SourceError(f"{uri}: there is no file {file}; MLflow would make an empty one")
    failure = need("mlflow.exceptions", "mlflow").MlflowException
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        places = _experiments(client, experiments, uri)
        reader = _Reader(client, store, places, columns or {}, text, after, rules or Rules(), uri)
        return reader.load(deleted, progress)
    except failure as error:
        raise SourceError(f"MLflow at {uri} cannot be read: {error}; runs before that are stored") from error


def _experiments(client: Any, names: Iterable[str] | str | None, uri: str) -> dict[str, str]:
    """Return the name of each experiment by its id."""
    known = {e.name: str(e.experiment_id) for e in pages(client.search_experiments, max_results=1000)}
    wanted = list(known) if names is None else [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise OptionError(f"MLflow at {uri} has no experiment {name!r}; {nearest(name, known)}")
    return {known[name]: name for name in wanted}


class _Reader:
    """One import: what all runs have in common is decided first, then each run is read and stored."""

    def __init__(
        self,
        client: Any,
        store: Store,
        places: dict[str, str],
        columns: Mapping[str, str | None],
        text: Collection[str],
        after: Collection[str],
        rules: Rules,
        uri: str,
    ) -> None:
        self.client, self.store, self.places, self.uri = client, store, places, uri
        self.columns, self.text, self.rules = columns, text, rules
        self.after = {name if name.startswith("metrics.") else f"metrics.{name}" for name in after}
        self.problems: list[str] = []

    def load(self, deleted: bool, progress: Callable[[int, int], None] | None) -> Imported:
        # ids and not whole runs are kept: a big server has many
        found: dict[str, tuple[str, bool]] = {}
        kinds: dict[str, set[str]] = {}
        words: dict[str, set[str]] = {name: set() for name, to in self.columns.items() if to in self.rules.translate}
        for run in self._runs(deleted):
            ours = RUN_TAG in run.data.tags
            found[run.info.run_id] = (run.info.run_name or "", ours)
            if not ours:
                for name in run.data.metrics:
                    kinds.setdefault(f"metrics.{name}", {FLOAT})
                for name, value in _texts(run):
                    kinds.setdefault(name, set()).add(kind_of(scalar_of(value)))
                    if name in words:
                        words[name].add(value)
        sources = {name: statistic(PREFIX[name.partition(".")[0]], name.partition(".")[2]) for name in kinds}
        where = f"MLflow at {self.uri}"
        for name in (*self.text, *self.after):
            if name not in sources:
                raise OptionError(f"{where} has no {name!r}; {nearest(name, sources)}")
        self.targets = targets(sources, self.columns, where, shorts="metrics.")
        wanted = {target: {TEXT} if name in self.text else kinds[name] for name, target in self.targets.items()}
        wanted |= {name: {kind} for name, kind in self.rules.kinds.items() if name in wanted}
        self.kinds = settled(wanted, self.store)
        for name, found_words in words.items():
            full, target = name if name in sources else f"metrics.{name}", str(self.columns[name])
            if full.startswith("metrics."):
                raise OptionError(f"{full} of {where} is numbers, and {target} is text; map a param or a tag to it")
            check_words(self.rules.translate[target], found_words, f"{full} of {where}")
        names = self._names()
        read = new = 0
        for number, (identity, (label, ours)) in enumerate(found.items()):
            run = self.client.get_run(identity)
            if ours:
                records, before = self._restored(run), self.store.count(run.data.tags[RUN_TAG])
                read += len(records)
            else:
                name = names.get(identity) or f"{cleaned(label)} {identity[:12]}".strip()
                before = self.store.count(name)
                records = self._foreign(run, name)
                read += before + len(records)
            if records:
                self.store.append_many(records)
                new += self.store.count(records[0].run) - before
            if progress is not None:
                progress(number + 1, len(found))
        return Imported(len(found), read, new, tuple(self.problems))

    def _runs(self, deleted: bool) -> Iterator[Any]:
        from mlflow.entities import ViewType

        view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
        for place in self.places:  # one experiment at a time: servers limit how many ids a search may have
            options = {"experiment_ids": [place], "run_view_type": view, "max_results": 1000}
            yield from pages(self.client.search_runs, order_by=["attributes.start_time ASC"], **options)

    def _names(self) -> dict[str, str]:
        """Return the run of each MLflow id that was imported before."""
        before = self.store.frame([IDENTITY + "*"], long=True)
        return dict(zip(before["text"], before["run"], strict=True))

    def _history(self, identity: str, key: str) -> list[Any]:
        return sorted(self.client.get_metric_history(identity, key), key=lambda point: point.timestamp)

    def _restored(self, run: Any) -> list[Record]:
        """Return the records of a run that `export_mlflow` wrote."""
        try:
            ledger = Ledger(run.data.tags)
            metrics = {
                key: {point.step: point.value for point in self._history(run.info.run_id, key)}
                for key in sorted(ledger.series)
            }
            return ledger.restore(run.data.tags[RUN_TAG], metrics)
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"MLflow's run {run.info.run_id} at {self.uri} is no longer what was exported: {error}; delete it "
                "there and export again, or remove its tag metaal.run to read its metrics as those of any other run"
            ) from error

    def _foreign(self, run: Any, name: str) -> list[Record]:
        """Return what is new of a run that another program logged."""
        additions = Additions(self.store, name)
        place = self.places.get(str(run.info.experiment_id), "")
        facts: dict[str, Scalar] = {
            IDENTITY: run.info.run_id,
            "user.mlflow.name": run.info.run_name or "",
            "user.mlflow.experiment": place,
        }
        for key, text in _texts(run):
            target = self.targets.get(key)
            if target is not None:
                if target in self.rules.translate:
                    said = self.rules.translate[target](text)
                    facts |= {} if said is None else {target: said}
                    continue
                stat, value = fitted(target, self.kinds[target], scalar_of(text))
                facts[stat] = text if type(value) is str else value
        records = additions.facts(0, "about", facts, (run.info.start_time or 0) * 10**6)
        loops: dict[int, dict[str, list[tuple[Scalar, int]]]] = {}
        for key in run.data.metrics:
            target = self.targets.get(f"metrics.{key}")
            if target is None:
                continue
            for point in self._history(run.info.run_id, key):
                if point.step < 0:
                    self.problems.append(f"run {name!r}: metric {key!r} at step {point.step}, which is no loop")
                    continue
                stat, value = fitted(target, self.kinds[target], float(point.value))
                loop = point.step + (f"metrics.{key}" in self.after)
                loops.setdefault(loop, {}).setdefault(stat, []).append((value, point.timestamp * 10**6))
        for loop in sorted(loops):
            records += additions.points(loop, loops[loop])
        if run.info.status in ENDED:
            status: dict[str, Scalar] = {"user.mlflow.status": run.info.status}
            records += additions.facts(max(loops, default=0), "about", status, (run.info.end_time or 0) * 10**6)
        return records


def _texts(run: Any) -> Iterator[tuple[str, str]]:
    """Yield params, and the tags that people set; MLflow keeps its own among them."""
    for name, value in run.data.params.items():
        yield f"params.{name}", value
    for name, value in run.data.tags.items():
        if not name.startswith("mlflow."):
            yield f"tags.{name}", value
