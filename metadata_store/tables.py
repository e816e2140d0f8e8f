"""Scalars as pandas tables: blocks of equal records in, wide or long frames out, without a loop over values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from .codec import Schema
from .errors import UnknownNameError, nearest
from .kinds import BOOL, FLOAT, INT, TEXT
from .record import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Block:
    """The scalars of N records of one schema.

    Parameters
    ----------
    schema : names and kinds.
    order : i8[N], position of each record in the whole selection.
    floats : f8[N, number of float names].
    ints : i8[N, number of int and bool names].
    texts : object[N, number of text names].
    """

    schema: Schema
    order: np.ndarray
    floats: np.ndarray
    ints: np.ndarray
    texts: np.ndarray


@dataclass
class Selection:
    """The keys of N records in order: runs as codes into `names`, the rest as arrays."""

    names: list[str]
    run: np.ndarray
    loop: np.ndarray
    index: np.ndarray
    at: np.ndarray


def blocks_of(records: Sequence[Record]) -> list[Block]:
    """Return the blocks of records that are in memory.

    Examples
    --------
    >>> [block.floats.shape for block in blocks_of([Record("r", i, "tell", {"score": 0.5}) for i in range(3)])]
    [(3, 1)]
    """
    groups: dict[Schema, list[int]] = {}
    for order, record in enumerate(records):
        groups.setdefault(Schema.of(record), []).append(order)
    blocks = []
    for schema, rows in groups.items():
        parts = []
        for names, dtype in ((schema.floats, np.float64), (schema.ints, np.int64), (schema.texts, object)):
            table = np.empty((len(rows), len(names)), dtype)
            for i, row in enumerate(rows):
                table[i] = [records[row].values[name] for name in names]
            parts.append(table)
        blocks.append(Block(schema, np.array(rows, np.int64), *parts))
    return blocks


def choose_runs(runs: Iterable[str] | str | None, known: list[str]) -> list[str]:
    """Return the runs asked for, each once, in the order given; all known ones for None.

    Examples
    --------
    >>> choose_runs(["b", "b"], ["a", "b"])
    ['b']
    """
    if runs is None:
        return known
    return [runs] if isinstance(runs, str) else list(dict.fromkeys(runs))


def choose(names: Iterable[str] | str | None, known: dict[str, str]) -> list[str]:
    """Return the names that are asked for.

    Parameters
    ----------
    names : exact names and globs, or None for all.
    known : the kind of every name, in order of first appearance.

    Raises
    ------
    UnknownNameError : an exact name that is not known.

    Examples
    --------
    >>> choose("pool.*", {"score": "float", "pool.size": "int"})
    ['pool.size']
    """
    if names is None:
        return list(known)
    chosen: dict[str, None] = {}
    for name in [names] if isinstance(names, str) else names:
        if any(sign in name for sign in "*?["):
            chosen.update(dict.fromkeys(n for n in known if fnmatchcase(n, name)))
        elif name in known:
            chosen[name] = None
        else:
            raise UnknownNameError(f"no value {name!r} in this store; {nearest(name, known)}")
    return list(chosen)


def _columns(block: Block, kinds: dict[str, str]) -> list[tuple[str, str, np.ndarray]]:
    """Return (name, kind, values) of a block, in its own order, as the kinds that the store has for the names."""
    schema = block.schema
    tables = {FLOAT: (schema.floats, block.floats), INT: (schema.ints, block.ints), TEXT: (schema.texts, block.texts)}
    where = {name: table[:, i] for names, table in tables.values() for i, name in enumerate(names)}
    columns = []
    for name, own in zip(schema.names, schema.kinds, strict=True):
        kind = kinds.get(name)
        if kind == own:
            columns.append((name, own, where[name]))
        elif kind == FLOAT and own == INT:
            columns.append((name, FLOAT, where[name].astype(np.float64)))
        # any other mixture cannot be appended; verify reports it and the name's own kind counts
    return columns


def wide(selection: Selection, blocks: list[Block], kinds: dict[str, str]) -> pd.DataFrame:
    """Return a row for each (run, loop) and a column for each name.

    Parameters
    ----------
    selection : the keys of all records.
    blocks : their values.
    kinds : kind of each name wanted, in the order wanted.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    rows, row_of, rank = _rows(selection)
    shape = (len(kinds), len(rows))
    # one matrix, a row for each name: columns of the frame are contiguous, and whole blocks are put in at once
    floats = np.full((sum(kind == FLOAT for kind in kinds.values()), shape[1]), np.nan)
    place: dict[str, Any] = {}
    for name, kind in kinds.items():
        if kind == FLOAT:
            place[name] = len(place)
    others: dict[str, tuple[np.ndarray, np.ndarray]] = {
        name: (np.zeros(shape[1], object if kind == TEXT else np.int64), np.ones(shape[1], bool))
        for name, kind in kinds.items()
        if kind != FLOAT
    }
    # a later event of the same loop overwrites: blocks are taken by how many events of their loop came before
    parts: list[tuple[int, int, np.ndarray]] = []
    for number, block in enumerate(blocks):
        ranks = rank[block.order]
        parts += [(int(r), number, np.flatnonzero(ranks == r)) for r in np.unique(ranks)]
    columns = [_columns(block, kinds) for block in blocks]
    for _, number, chosen in sorted(parts, key=lambda part: part[:2]):
        block = blocks[number]
        target = row_of[block.order[chosen]]
        slots = [(i, place[name]) for i, name in enumerate(block.schema.floats) if kinds.get(name) == FLOAT]
        if slots:
            source, into = np.array(slots).T
            floats[into[:, None], target] = block.floats[chosen][:, source].T
        for name, kind, values in columns[number]:
            if kind == FLOAT:
                if name not in block.schema.floats:
                    floats[place[name], target] = values[chosen]
                continue
            others[name][0][target] = values[chosen]
            others[name][1][target] = False
    data: dict[str, Any] = {}
    for name, kind in kinds.items():
        if kind == FLOAT:
            data[name] = floats[place[name]]
            continue
        values, missing = others[name]
        if kind == INT:
            data[name] = pd.arrays.IntegerArray(values, missing)
        elif kind == BOOL:
            data[name] = pd.arrays.BooleanArray(values.astype(bool), missing)
        else:
            values[missing] = None
            data[name] = pd.array(values.tolist(), dtype="string")
    runs = np.array(selection.names, object)[selection.run[rows]]
    index = pd.MultiIndex.from_arrays([runs, selection.loop[rows]], names=["run", "loop"])
    return pd.DataFrame(data, index=index, copy=False)


def _rows(selection: Selection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one record for each (run, loop); the row of each record; how many records of its row came before it."""
    count = len(selection.run)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((np.arange(count), selection.loop, selection.run))
    run, loop = selection.run[order], selection.loop[order]
    first = np.r_[True, (run[1:] != run[:-1]) | (loop[1:] != loop[:-1])]
    starts = np.flatnonzero(first)
    number = np.cumsum(first) - 1
    row_of, rank = np.empty(count, np.int64), np.empty(count, np.int64)
    row_of[order] = number
    rank[order] = np.arange(count) - starts[number]
    return order[starts], row_of, rank


def long(selection: Selection, blocks: list[Block], kinds: dict[str, str]) -> pd.DataFrame:
    """Return a row for each value.

    Parameters
    ----------
    selection, blocks, kinds : as in `wide`.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    known = {name: code for code, name in enumerate(kinds)}
    order, slot, codes, value, text, events = [], [], [], [], [], []
    for block in blocks:
        for position, (name, kind, values) in enumerate(_columns(block, kinds)):
            count = len(values)
            order.append(block.order)
            slot.append(np.full(count, position))
            codes.append(np.full(count, known[name]))
            value.append(np.full(count, np.nan) if kind == TEXT else values.astype(np.float64))
            text.append(values if kind == TEXT else np.full(count, None, object))
            events.append(np.full(count, block.schema.event, object))

    def joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    record = joined(order, np.int64)
    sort = np.lexsort((joined(slot, np.int64), record))
    record = record[sort]
    data = {
        "run": np.array(selection.names, object)[selection.run[record]],
        "loop": selection.loop[record],
        "event": joined(events, object)[sort],
        "index": selection.index[record],
        "name": np.array(list(kinds), object)[joined(codes, np.int64)[sort]],
        "value": joined(value, np.float64)[sort],
        "text": pd.array(joined(text, object)[sort].tolist(), dtype="string"),
        "at": selection.at[record],
    }
    return pd.DataFrame(data)
