"""What the caller answers to a query: checked against what was asked, and turned into the statistics of one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metaal import observe
from metaal.errors import InputError, OutOfTurnError, UnknownIdError
from metaal.inputs import check_ids, check_labels, check_score, check_seconds, check_stats
from metaal.state import Id, RunState, label_columns


def check_turn(state: RunState, verb: str) -> None:
    """Refuse an answer before anything was asked, or after the end.

    Raises
    ------
    OutOfTurnError
    """
    if state.ended is not None:
        raise OutOfTurnError(f"{verb}() after end(): this run takes no more labels")
    if not state.asks:
        raise OutOfTurnError(f"{verb}() before ask(): nothing was asked in this run")


def asked_ids(state: RunState, ids: Any) -> np.ndarray:
    """Ids (n,) of rows that this run has asked for, each once.

    Raises
    ------
    InputError, UnknownIdError
    """
    if isinstance(ids, str | int | np.integer):
        ids = [ids]
    keys = check_ids(ids, like=state.id_example)
    if not len(keys):
        raise InputError("ids: none were passed")
    unknown = [key for key in keys.tolist() if key not in state.asked_in]
    if unknown:
        raise UnknownIdError(
            f"ids: {len(unknown)} of {len(keys)} were never asked in this run (such as {unknown[0]!r}); "
            "run.pending lists the rows that wait for a label"
        )
    return keys


def refuse(keys: np.ndarray, wrong: Callable[[Id], bool], why: str) -> None:
    """Refuse ids for which ``wrong`` holds.

    Raises
    ------
    InputError
    """
    bad = next((key for key in keys.tolist() if wrong(key)), None)
    if bad is not None:
        raise InputError(f"ids: {bad!r} {why}")


def told(state: RunState, labels: Any, ids: Any) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Ids, labels and statistics of a ``tell``; without ids, those of the last query that still wait, in its order.

    Raises
    ------
    InputError, UnknownIdError
    """
    query = state.asks[-1].arrays["query.ids"]
    if ids is None:
        keys = query[[key in state.waiting for key in query.tolist()]]
        of = f"the rows of loop {state.loop} that wait for a label"
    else:
        keys, of = asked_ids(state, ids), "one for each of the ids"
    if isinstance(labels, str) or (np.ndim(labels) == 0 and np.isscalar(labels)):
        labels = [labels]
    values = check_labels(labels, len(keys), of=of, width=label_width(state))
    if not len(values) and len(query):
        raise InputError("labels: none were passed; skip() rows that cannot be labelled")
    for key in keys.tolist():
        if key in state.labels and key not in state.waiting:
            raise InputError(f"ids: {key!r} already has a label ({state.labels[key]!r}); change() or withdraw() it")
    same_kind(state, values)
    late = sum(state.asked_in[key] < state.loop for key in keys.tolist())
    counts = {**count(state, "oracle.told", len(keys)), **count(state, "oracle.late", late)}
    return keys, values, counts | _surprise(state, dict(zip(keys.tolist(), values.tolist(), strict=True)))


def label_width(state: RunState) -> int | None:
    """Labels of a row in a multi-label task, as the last query showed; None where a row has one label."""
    shown = state.asks[-1].arrays.get("query.label_proba") if state.asks else None
    return None if shown is None else int(shown.shape[1])


def same_kind(state: RunState, labels: np.ndarray) -> None:
    """Refuse text labels in a run whose labels are numbers, and the other way round.

    Raises
    ------
    InputError
    """
    known = next(iter(state.labels.values()), None)
    if known is not None and len(labels) and isinstance(known, str) != (labels.dtype.kind == "U"):
        raise InputError(
            f"labels: got {labels[0].item()!r}, but this run has labels such as {known!r}; pass labels of one kind"
        )


def count(state: RunState, name: str, more: int) -> dict[str, float]:
    """A count of the current loop, raised by ``more``: several answers of one loop add up."""
    return {name: state.rows[state.loop].get(name, 0.0) + more}


def outcomes(seconds: Any, score: Any, stats: Mapping[str, Any]) -> dict[str, float]:
    """Statistics that the caller measured.

    Raises
    ------
    InputError
    """
    return {**check_seconds(seconds), **check_score(score), **check_stats(stats)}


def _surprise(state: RunState, new: dict[Id, Any]) -> dict[str, float]:
    """How the labels of the last query, old and new, compare with what the model had said of them."""
    ask = state.asks[-1]
    proba = ask.arrays.get("query.proba")
    if proba is None:
        return {}
    places, labels = [], []
    for place, key in enumerate(ask.arrays["query.ids"].tolist()):
        label = new.get(key, None if key in state.waiting else state.labels.get(key))  # waiting: for a second label
        if label is not None and state.asked_in.get(key) == state.loop:
            places.append(place)
            labels.append(label)
    if not places:
        return {}
    columns = label_columns(np.asarray(labels), ask.arrays.get("classes"), proba.shape[1])
    return {} if columns is None else observe.observe_labels(proba[places], columns)
