"""Scalars as pandas tables: blocks of equal records in, wide or long frames out, without a loop over values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .codec import Schema
from .errors import UnknownNameError, nearest
from .kinds import BOOL, FLOAT, INT, TEXT
from .record import Record

if TYPE_CHECKING:
    import pandas as pd


Piece = tuple[str, np.ndarray, np.ndarray]
"""Name, i8[K] ascending positions of records in the selection, and K values."""


class Source(Protocol):
    """Values of some records of a selection."""

    def pieces(self, kinds: dict[str, str]) -> Iterator[Piece]:
        """Yield the values of each name wanted, as the kind that the store has for it."""
        ...

    def slots(self, name: str) -> np.ndarray:
        """Return the place of a name in each record of the piece that was yielded for it last, i8[K]."""
        ...


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

    def __post_init__(self) -> None:
        if len(self.order) > 1 and (self.order[1:] < self.order[:-1]).any():
            sort = np.argsort(self.order)
            self.order, self.floats, self.ints = self.order[sort], self.floats[sort], self.ints[sort]
            self.texts = self.texts[sort]

    def pieces(self, kinds: dict[str, str]) -> Iterator[Piece]:
        """Yield the values of each name wanted; see `Source.pieces`."""
        schema = self.schema
        tables = {FLOAT: (schema.floats, self.floats), INT: (schema.ints, self.ints), TEXT: (schema.texts, self.texts)}
        where = {name: table[:, i] for names, table in tables.values() for i, name in enumerate(names)}
        for name, own in zip(schema.names, schema.kinds, strict=True):
            kind = kinds.get(name)
            # any other mixture cannot be appended; verify reports it and the name's own kind counts
            if kind == own or (kind == FLOAT and own == INT):
                values = where[name] if kind == own else where[name].astype(np.float64)
                yield name, self.order, values

    def slots(self, name: str) -> np.ndarray:
        """Return the place of a name in each record; see `Source.slots`."""
        return np.full(len(self.order), self.schema.names.index(name), np.int64)


@dataclass
class Selection:
    """The keys of N records in order: runs as codes into `names`; events need not be right for a wide table."""

    names: list[str]
    run: np.ndarray
    loop: np.ndarray
    index: np.ndarray
    at: np.ndarray
    event: np.ndarray


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


def wide(selection: Selection, sources: Sequence[Source], kinds: dict[str, str]) -> pd.DataFrame:
    """Return a row for each (run, loop) and a column for each name.

    Parameters
    ----------
    selection : the keys of all records.
    sources : their values.
    kinds : kind of each name wanted, in the order wanted.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    rows, row_of = _rows(selection)
    columns = {name: _Column(kind, len(rows)) for name, kind in kinds.items()}
    if len(rows) == len(row_of):
        # every record has a row of its own: nothing can overwrite anything
        for source in sources:
            for name, order, values in source.pieces(kinds):
                columns[name].put(row_of[order], values)
    else:
        found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for source in sources:
            for name, order, values in source.pieces(kinds):
                found.setdefault(name, []).append((order, values))
        for name, parts in found.items():
            # where several events of a loop carry a name, the later one is written later
            order, values = _joined(parts, len(row_of), kinds[name])
            columns[name].put(row_of[order], values)
    data = {name: column.array() for name, column in columns.items()}
    runs = np.array(selection.names, object)[selection.run[rows]]
    index = pd.MultiIndex.from_arrays([runs, selection.loop[rows]], names=["run", "loop"])
    # names are text, also where there are none
    return pd.DataFrame(data, index=index, columns=pd.Index(list(data), dtype="str"), copy=False)


class _Column:
    """A column of a wide table in the making.

    Parameters
    ----------
    kind : of its name.
    count : rows.
    """

    def __init__(self, kind: str, count: int) -> None:
        self.kind = kind
        dtype: Any = {FLOAT: np.float64, TEXT: object}.get(kind, np.int64)
        self.values = np.full(count, np.nan) if kind == FLOAT else np.zeros(count, dtype)
        self.missing = None if kind == FLOAT else np.ones(count, bool)

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Write values into rows; of a row that is there twice the last one counts."""
        if not len(rows):
            return
        # a stretch of rows is copied as one
        stretch = rows[-1] - rows[0] + 1 == len(rows) and bool((rows[1:] > rows[:-1]).all())
        where: Any = slice(int(rows[0]), int(rows[-1]) + 1) if stretch else rows
        self.values[where] = values
        if self.missing is not None:
            self.missing[where] = False

    def array(self) -> Any:
        """Return the column as pandas keeps it."""
        import pandas as pd

        if self.missing is None:
            return self.values
        if self.kind == INT:
            return pd.arrays.IntegerArray(self.values, self.missing)
        if self.kind == BOOL:
            return pd.arrays.BooleanArray(self.values.astype(bool), self.missing)
        self.values[self.missing] = None
        return pd.array(self.values.tolist(), dtype="string")


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], count: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of one name from all sources, by ascending positions."""
    if len(parts) == 1:
        return parts[0]
    dtype: Any = {FLOAT: np.float64, TEXT: object}.get(kind, np.int64)
    values, there = np.zeros(count, dtype), np.zeros(count, bool)
    for order, own in parts:
        values[order] = own
        there[order] = True
    rows = np.flatnonzero(there)
    return rows, values[rows]


def _rows(selection: Selection) -> tuple[np.ndarray, np.ndarray]:
    """Return one record for each (run, loop), in the order of the rows; and the row of each record."""
    count = len(selection.run)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    run, loop = selection.run, selection.loop
    later = (run[1:] > run[:-1]) | ((run[1:] == run[:-1]) & (loop[1:] >= loop[:-1]))
    order = np.arange(count) if later.all() else np.lexsort((np.arange(count), loop, run))
    run, loop = run[order], loop[order]
    first = np.r_[True, (run[1:] != run[:-1]) | (loop[1:] != loop[:-1])]
    row_of = np.empty(count, np.int64)
    row_of[order] = np.cumsum(first) - 1
    return order[np.flatnonzero(first)], row_of


def long(selection: Selection, sources: Sequence[Source], kinds: dict[str, str]) -> pd.DataFrame:
    """Return a row for each value.

    Parameters
    ----------
    selection, sources, kinds : as in `wide`; the selection has events.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    known = {name: code for code, name in enumerate(kinds)}
    order, slot, codes, value, text = [], [], [], [], []
    for source in sources:
        for name, places, values in source.pieces(kinds):
            count = len(values)
            kind = kinds[name]
            order.append(places)
            slot.append(source.slots(name))
            codes.append(np.full(count, known[name]))
            value.append(np.full(count, np.nan) if kind == TEXT else values.astype(np.float64))
            text.append(values if kind == TEXT else np.full(count, None, object))

    def joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    record = joined(order, np.int64)
    sort = np.lexsort((joined(slot, np.int64), record))
    record = record[sort]
    data = {
        "run": np.array(selection.names, object)[selection.run[record]],
        "loop": selection.loop[record],
        "event": selection.event[record],
        "index": selection.index[record],
        "name": np.array(list(kinds), object)[joined(codes, np.int64)[sort]],
        "value": joined(value, np.float64)[sort],
        "text": pd.array(joined(text, object)[sort].tolist(), dtype="string"),
        "at": selection.at[record],
    }
    return pd.DataFrame(data)
