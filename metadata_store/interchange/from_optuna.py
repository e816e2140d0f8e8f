"""From an Optuna journal to a store: a study is a run, a trial a loop, a torn file no obstacle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..checks import Scalar
from ..kinds import TEXT
from ..record import Record
from ..store import Store
from .additions import Additions
from .foreign import fitted, kind_of, run_name, settled, statistic, targets
from .journal_file import COMPLETE, FAIL, PRUNED, STATES, Study, Torn, Trial, studies
from .loading import BATCH_RECORDS, SourceError, opened

DIRECTIONS = ("not set", "minimize", "maximize")
PREFIX = {
    "params": "user.param.",
    "user_attrs": "user.attr.",
    "study_attrs": "user.study.attr.",
    "value": "user.value",
    "values": "user.value.",
}


class JournalLoaded(NamedTuple):
    """Studies and finished trials in a journal, new records, trials without an end, and the bytes that were torn."""

    studies: int
    read: int
    new: int
    unfinished: int = 0
    torn: tuple[Torn, ...] = ()


def load_optuna(
    source: str | os.PathLike[str], store: Store, *, columns: Mapping[str, str | None] | None = None
) -> JournalLoaded:
    """Append the studies of a journal file, as Optuna's JournalStorage writes it, to a store.

    A study becomes a run; each finished trial a record "report" at loop = number of the trial: `user.value` (or
    `user.value.0`, …), `user.param.*`, `user.attr.*`, `user.state`, `user.seconds`, and the intermediate values as
    arrays `user.step` and `user.step.value`; its time is that of the trial's end. What is known of the study is a
    record "about" at loop 0. Trials that still run or wait are counted and left out: Optuna never changes a finished
    trial, so that the same call on the grown file adds exactly the rest. Deleted studies and Optuna's own notes
    (system attributes) are left out. Neither Optuna nor a lock is needed; the file is only read.

    A torn file is read too: every whole operation counts, and the torn bytes are in the result.

    Parameters
    ----------
    source : the file.
    store : any store.
    columns : statistic of "value", "values.0", "params.NAME", "user_attrs.NAME" or "study_attrs.NAME", such as
        {"value": "score.value"}; None leaves it out.

    Returns
    -------
    JournalLoaded

    Raises
    ------
    SourceError : the file cannot be opened, or is not such a journal; nothing was stored.
    OptionError : a name in `columns` is not there, or two names become one statistic.
    ConflictError, RecordError, WriteError, UnknownStateError : as `Store.append_many`.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import MemoryStore
    >>> lines = [
    ...     '{"op_code":0,"worker_id":"w","study_name":"tune","directions":[1]}',
    ...     '{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-01-01T00:00:00+00:00","state":1,'
    ...     '"values":[0.5],"datetime_complete":"2026-01-01T00:00:02+00:00"}',
    ...     '{"op_code":4,"worker',
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, store = Path(folder) / "journal.log", MemoryStore()
    ...     _ = file.write_text("\\n".join(lines))
    ...     loaded = load_optuna(file, store)
    >>> loaded.read, loaded.torn[0].data
    (1, b'{"op_code":4,"worker')
    >>> dict(store.records("tune")[1].values)
    {'user.state': 'complete', 'user.seconds': 2.0, 'user.value': 0.5}
    """
    with opened(Path(source)) as file:
        try:
            found, torn = studies(file.read())
        except (ValueError, OSError) as error:
            raise SourceError(f"{source} is not a journal of Optuna: {error}") from error
    kinds: dict[str, set[str]] = {}
    for study in found:
        for trial in study.trials:
            for name, value in _facts(trial):
                kinds.setdefault(name, set()).add(kind_of(value))
        for name, value in study.attrs.items():
            kinds.setdefault(f"study_attrs.{name}", set()).add(kind_of(value))
    sources = {}
    for name in kinds:
        group, _, rest = name.partition(".")
        sources[name] = statistic(PREFIX[group], rest) if rest else PREFIX[group]
    chosen = targets(sources, columns or {}, str(source))
    fixed = settled({target: kinds[name] for name, target in chosen.items()}, store)
    read = new = unfinished = 0
    for study in found:
        run = run_name(study.name)
        before = store.count(run)
        store.append_many(_begin(study, Additions(store, run), chosen, fixed))
        batch: list[Record] = []
        for trial in study.trials:
            if trial.state not in (COMPLETE, PRUNED, FAIL):
                unfinished += 1
                continue
            read += 1
            batch.append(_record(run, trial, chosen, fixed))
            if len(batch) == BATCH_RECORDS:
                store.append_many(batch)
                batch = []
        store.append_many(batch)
        new += store.count(run) - before
    return JournalLoaded(len(found), read, new, unfinished, tuple(torn))


def _facts(trial: Trial) -> list[tuple[str, Any]]:
    """Return the values of a trial under the names that `columns` has."""
    values = trial.values or []
    facts: list[tuple[str, Any]] = [
        ("value" if len(values) == 1 else f"values.{place}", _float(value)) for place, value in enumerate(values)
    ]
    facts += [(f"params.{name}", value) for name, value in trial.params.items()]
    return facts + [(f"user_attrs.{name}", value) for name, value in trial.attrs.items()]


def _begin(study: Study, additions: Additions, chosen: dict[str, str], fixed: dict[str, str]) -> list[Record]:
    facts: dict[str, Scalar] = {
        "user.study": fitted("user.study", TEXT, study.name)[1],
        "user.directions": ",".join(DIRECTIONS[way] for way in study.directions if way in (0, 1, 2)),
    }
    facts.update(_fit([(f"study_attrs.{name}", value) for name, value in study.attrs.items()], chosen, fixed))
    started = [at for trial in study.trials if (at := _time(trial.started))]
    return additions.facts(0, "about", facts, min(started, default=0))


def _record(run: str, trial: Trial, chosen: dict[str, str], fixed: dict[str, str]) -> Record:
    start, stop = _time(trial.started), _time(trial.finished)
    values: dict[str, Scalar] = {"user.state": STATES[trial.state]}
    if start and stop:
        values["user.seconds"] = (stop - start) / 1e9
    values.update(_fit(_facts(trial), chosen, fixed))
    steps = sorted(trial.steps.items())
    arrays = {
        "user.step": np.array([step for step, _ in steps], np.int64),
        "user.step.value": np.array([_float(value) for _, value in steps], np.float64),
    }
    return Record(run, trial.number, "report", values, arrays if steps else {}, at=stop or start or 0)


def _fit(facts: list[tuple[str, Any]], chosen: dict[str, str], fixed: dict[str, str]) -> dict[str, Scalar]:
    return dict(fitted(chosen[name], fixed[chosen[name]], value) for name, value in facts if name in chosen)


def _float(value: Any) -> float:
    """Return an objective as a float; JSON may have it as a whole number or, for NaN, as nothing."""
    return float("nan") if value is None else float(value)


def _time(text: str | None) -> int:
    """Return a time in ns since 1970; one without a zone, as older versions wrote it, is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except (ValueError, TypeError):
        return 0
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds) * 1000)
