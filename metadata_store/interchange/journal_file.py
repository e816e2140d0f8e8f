"""Optuna's journal files, read without Optuna: whole operations are kept, torn bytes are told and kept aside.

A journal is a file of JSON lines, one operation each. A process that dies while it writes leaves a torn line, and the
next process appends its operation to that line; from then on Optuna itself cannot read the file. Here every whole
operation counts, also one that stands behind torn bytes.

Studies and trials have no ids in the file: they are counted in the order in which they were made. So whether a torn
"create" counts decides what all later operations mean. That is told by the workers: a trial's values are written by the
worker that made it. Both readings are tried, and the one with fewer contradictions is taken.

Reference: Optuna's documentation, class JournalFileBackend, and its "operation-based" log format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .foreign import mark

CREATE_STUDY, DELETE_STUDY, STUDY_ATTR, STUDY_SYSTEM, CREATE_TRIAL = range(5)
PARAM, STATE, INTERMEDIATE, TRIAL_ATTR, TRIAL_SYSTEM, DISCARD = range(5, 11)
RUNNING, COMPLETE, PRUNED, FAIL, WAITING = range(5)
STATES = ("running", "complete", "pruned", "fail", "waiting")
MAX_GAPS = 64  # torn lines that may be a "create"; a file with more of them is no journal any more
_DECODER = json.JSONDecoder()
_START = re.compile(r'\{"op_code":')
_FIELDS: dict[int, dict[str, Any]] = {
    CREATE_STUDY: {"study_name": str, "directions": list},
    DELETE_STUDY: {"study_id": int},
    STUDY_ATTR: {"study_id": int, "user_attr": dict},
    STUDY_SYSTEM: {"study_id": int, "system_attr": dict},
    CREATE_TRIAL: {"study_id": int},
    PARAM: {"trial_id": int, "param_name": str, "param_value_internal": (int, float), "distribution": str},
    STATE: {"trial_id": int, "state": int, "values": (list, type(None))},
    INTERMEDIATE: {"trial_id": int, "step": int, "intermediate_value": (int, float)},
    TRIAL_ATTR: {"trial_id": int, "user_attr": dict},
    TRIAL_SYSTEM: {"trial_id": int, "system_attr": dict},
    DISCARD: {},
}


class Torn(NamedTuple):
    """Bytes of a journal that are not a whole operation: line, offset, the bytes, and what was made of them."""

    line: int
    offset: int
    data: bytes
    note: str


@dataclass
class Trial:
    """One trial as the journal tells it."""

    number: int
    worker: str | None
    state: int
    started: str | None = None
    finished: str | None = None
    values: list[float] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)


@dataclass
class Study:
    """One study as the journal tells it."""

    name: str
    directions: list[int]
    attrs: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    deleted: bool = False


@dataclass
class Gap:
    """Torn bytes that may have been a "create": its kinds, the bytes, their place in the list of torn bytes."""

    kinds: tuple[int, ...]
    data: bytes
    torn: int


def operations(data: bytes) -> tuple[list[dict[str, Any] | Gap], list[Torn]]:
    """Return the whole operations of a journal, a gap where a "create" may be missing, and the torn bytes.

    Parameters
    ----------
    data : the file.

    Examples
    --------
    >>> ops, torn = operations(b'{"op_code":1,"study_id":0}\\n{"op_code":1,"st{"op_code":1,"study_id":1}\\n')
    >>> [op["study_id"] for op in ops], torn[0].offset, torn[0].data
    ([0, 1], 27, b'{"op_code":1,"st')
    """
    found: list[dict[str, Any] | Gap] = []
    torn: list[Torn] = []
    offset = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        for start, stop, operation in _split(line):
            if operation is not None:
                found.append(operation)
                continue
            kinds = _may_create(line[start:stop])
            if kinds:
                found.append(Gap(kinds, line[start:stop], len(torn)))
            torn.append(Torn(number, offset + start, line[start:stop], "left out"))
        offset += len(line) + 1
    return found, torn


def studies(data: bytes) -> tuple[list[Study], list[Torn]]:
    """Return the studies of a journal that were not deleted, and the torn bytes.

    Parameters
    ----------
    data : the file.

    Raises
    ------
    ValueError : the file is not a journal of Optuna, or so torn that its trials cannot be told apart.

    Examples
    --------
    >>> found, _ = studies(b'{"op_code":0,"worker_id":"w","study_name":"s","directions":[1]}\\n')
    >>> found[0].name
    's'
    """
    found, torn = operations(data)
    if data.strip() and not any(isinstance(operation, dict) for operation in found):
        raise ValueError('it has no whole operation; expected lines such as {"op_code":0,…}')
    gaps = [place for place, operation in enumerate(found) if isinstance(operation, Gap)]
    if len(gaps) > MAX_GAPS:
        raise ValueError(
            f"{len(gaps)} of its lines are torn where a trial may have been made; its trials cannot be told"
        )
    found_studies, clashes = _replay(found)
    for place in gaps:
        gap = found[place]
        if not isinstance(gap, Gap):
            continue
        for stand_in in _stand_ins(gap, len(found_studies)):
            guess = [*found[:place], stand_in, *found[place + 1 :]]
            other, count = _replay(guess)
            if count < clashes:
                found, found_studies, clashes = guess, other, count
                torn[gap.torn] = torn[gap.torn]._replace(note="counted: later lines belong to what it made")
    return [study for study in found_studies if not study.deleted], torn


def _split(line: bytes) -> Iterator[tuple[int, int, dict[str, Any] | None]]:
    """Yield (start, stop, operation) of a line; None for torn bytes."""
    # letters are bytes here; UTF-8 has no quotes, braces or commas among its other bytes
    text = line.decode("latin-1")
    place = 0
    while True:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r"))
        if place == len(text):
            return
        try:
            _, stop = _DECODER.raw_decode(text, place)
            rest = text[stop:].strip(" \t\r")
            operation = json.loads(line[place:stop]) if not rest or rest[0] == "{" else None
        except (ValueError, RecursionError):
            operation = None
        if operation is not None and _whole(operation):
            yield place, stop, operation
            place = stop
            continue
        start = _START.search(text, place + 1)
        stop = start.start() if start else len(text)
        yield place, stop, None
        place = stop


def _whole(operation: Any) -> bool:
    """Say whether an object is an operation with all that it needs."""
    if not isinstance(operation, dict) or type(operation.get("op_code")) is not int:
        return False
    needed = _FIELDS.get(operation["op_code"])
    # an operation that this version does not know is torn bytes to it: told, and not guessed
    if needed is None or not all(
        name in operation and isinstance(operation[name], kind) for name, kind in needed.items()
    ):
        return False
    numbers = [operation.get("param_value_internal"), operation.get("intermediate_value"), operation.get("step")]
    if operation["op_code"] == CREATE_TRIAL:
        try:
            trial = _made(operation, 0)
        except (TypeError, AttributeError, ValueError):
            return False
        if type(trial.state) is not int or not 0 <= trial.state < len(STATES):
            return False
        numbers += [*(trial.values or []), *trial.steps, *trial.steps.values()]
    if operation["op_code"] == STATE:
        numbers += operation["values"] or []
        if not 0 <= operation["state"] < len(STATES):
            return False
    return all(map(_real, numbers))


def _real(number: Any) -> bool:
    """Say whether something is a number that a store can hold; JSON may have any digits."""
    return number is None or type(number) is float or (type(number) is int and abs(number) < 2**63)


def _may_create(data: bytes) -> tuple[int, ...]:
    """Return which kinds of "create" torn bytes may have been."""
    head = b'{"op_code":'
    if not data.startswith(head):
        return (CREATE_TRIAL, CREATE_STUDY)
    code = data[len(head) : len(head) + 2]
    return tuple(kind for kind in (CREATE_TRIAL, CREATE_STUDY) if not code or code.rstrip(b",") == b"%d" % kind)


def _stand_ins(gap: Gap, count: int) -> Iterator[dict[str, Any]]:
    """Yield the operations that torn bytes may have been, with what can still be read of them."""
    worker = _read(gap.data, "worker_id", r'("[^"\\]*")')
    for kind in gap.kinds:
        if kind == CREATE_STUDY:
            name = _read(gap.data, "study_name", r'("(?:[^"\\]|\\.)*")') or f"unnamed-{mark(str(gap.torn))}"
            yield {"op_code": kind, "worker_id": worker, "study_name": name, "directions": []}
            continue
        known = _read(gap.data, "study_id", r"([0-9]+),")
        for study in range(count) if known is None else [known]:
            yield {"op_code": kind, "worker_id": worker, "study_id": study}


def _read(data: bytes, name: str, pattern: str) -> Any:
    found = re.search(f'"{name}":{pattern}', data.decode("utf-8", "replace"))
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None


def _replay(found: Sequence[dict[str, Any] | Gap]) -> tuple[list[Study], int]:
    """Return the studies that operations make, and how many operations contradict the others."""
    made: list[Study] = []
    trials: list[Trial] = []
    clashes = 0
    for operation in found:
        if isinstance(operation, Gap):
            continue
        code, worker = operation["op_code"], operation.get("worker_id")
        if code == CREATE_STUDY:
            name = operation["study_name"]
            if all(study.name != name or study.deleted for study in made):
                made.append(Study(name, operation["directions"]))
        elif code in (DELETE_STUDY, STUDY_ATTR, STUDY_SYSTEM, CREATE_TRIAL):
            if not 0 <= operation["study_id"] < len(made):
                clashes += 1
                continue
            study = made[operation["study_id"]]
            if code == DELETE_STUDY:
                study.deleted = True
            elif code == STUDY_ATTR:
                study.attrs.update(operation["user_attr"])
            elif code == CREATE_TRIAL and not study.deleted:
                trial = _made(operation, len(study.trials))
                study.trials.append(trial)
                trials.append(trial)
        elif code != DISCARD:
            if not 0 <= operation["trial_id"] < len(trials):
                clashes += 1
                continue
            clashes += _change(trials[operation["trial_id"]], code, operation, worker)
    return made, clashes


def _made(operation: dict[str, Any], number: int) -> Trial:
    get = operation.get
    kinds = get("distributions") or {}
    single = get("value")
    values: list[float] | None = get("values") if get("values") is not None else None if single is None else [single]
    return Trial(
        number,
        get("worker_id"),
        get("state", RUNNING),
        get("datetime_start"),
        get("datetime_complete"),
        values,
        {name: external(value, kinds[name]) for name, value in (get("params") or {}).items() if name in kinds},
        dict(get("user_attrs") or {}),
        {int(step): value for step, value in (get("intermediate_values") or {}).items()},
    )


def _change(trial: Trial, code: int, operation: dict[str, Any], worker: str | None) -> int:
    """Carry out one operation on a trial; return 1 if another trial would fit it better."""
    if trial.state in (COMPLETE, PRUNED, FAIL):
        return 1
    if code == STATE and operation["state"] == RUNNING:
        clash = int(trial.state != WAITING)
        if not clash:
            trial.state, trial.worker, trial.started = RUNNING, worker, operation.get("datetime_start")
        return clash
    if trial.worker is None:
        trial.worker = worker
    clash = int(worker is not None and worker != trial.worker)
    if code == STATE:
        trial.state = operation["state"]
        trial.finished = operation.get("datetime_complete")
        trial.values = operation["values"] if operation["values"] is not None else trial.values
    elif code == PARAM:
        clash |= operation["param_name"] in trial.params
        trial.params[operation["param_name"]] = external(operation["param_value_internal"], operation["distribution"])
    elif code == INTERMEDIATE:
        trial.steps[operation["step"]] = operation["intermediate_value"]
    elif code == TRIAL_ATTR:
        trial.attrs.update(operation["user_attr"])
    return clash


def external(value: float, distribution: str) -> Any:
    """Return a parameter as people wrote it: the file has floats, and places in a list of choices.

    Examples
    --------
    >>> external(1, '{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", null]}}') is None
    True
    >>> external(8.0, '{"name": "IntDistribution", "attributes": {"low": 1, "high": 9}}')
    8
    """
    try:
        kind = json.loads(distribution)
        if kind["name"] == "CategoricalDistribution":
            return kind["attributes"]["choices"][int(value)]
        return int(value) if kind["name"].startswith("Int") else float(value)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        return value
