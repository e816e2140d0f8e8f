"""SQLite as a careful user would set it up: write-ahead log, full sync at each commit."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np

_TABLES = """
create table if not exists record (id integer primary key, run text, loop integer, unique (run, loop));
create table if not exists name (id integer primary key, name text unique);
create table if not exists value (record integer, name integer, value real, primary key (record, name)) without rowid;
create table if not exists array (record integer, name integer, dtype text, data blob, primary key (record, name))
  without rowid;
create table if not exists document (run text, loop integer, text text, primary key (run, loop)) without rowid;
"""


def _connect(folder: Path) -> sqlite3.Connection:
    base = sqlite3.connect(folder / "store.db", timeout=60)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=full")
    return base


class Rows:
    """A table of values, one row each, arrays as blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = _connect(folder)
        self.base.executescript(_TABLES)
        self._names: dict[str, int] = dict(self.base.execute("select name, id from name").fetchall())

    def _name(self, name: str) -> int:
        if name not in self._names:
            self.base.execute("insert or ignore into name (name) values (?)", (name,))
            self._names[name] = self.base.execute("select id from name where name = ?", (name,)).fetchone()[0]
        return self._names[name]

    def _record(self, run: str, loop: int, values: dict[str, float]) -> int | None:
        record = self.base.execute("insert into record (run, loop) values (?, ?)", (run, loop)).lastrowid
        rows = [(record, self._name(name), value) for name, value in values.items()]
        self.base.executemany("insert into value values (?, ?, ?)", rows)
        return record

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """One transaction."""
        with self.base:
            self.base.execute("begin immediate")
            record = self._record(run, loop, values)
            rows = [(record, self._name(name), array.dtype.str, array.tobytes()) for name, array in arrays.items()]
            self.base.executemany("insert into array values (?, ?, ?, ?)", rows)

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """One transaction for the run."""
        with self.base:
            for loop, values in enumerate(loops):
                self._record(run, loop, values)

    def read(self) -> int:
        """Every value, joined with its keys, as columns."""
        base = _connect(self.folder)
        joined = "value join record on record.id = record join name on name.id = value.name"
        rows = base.execute(f"select run, loop, name.name, value from {joined}").fetchall()
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        base.close()
        return len(columns[3])

    def close(self) -> None:
        """Close the connection."""
        self.base.close()


class Documents:
    """A record as one JSON text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = _connect(folder)
        self.base.executescript(_TABLES)

    def _insert(self, run: str, loop: int, document: dict[str, object]) -> None:
        self.base.execute("insert into document values (?, ?, ?)", (run, loop, json.dumps(document)))

    def append(self, run: str, loop: int, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """One transaction."""
        with self.base:
            self._insert(run, loop, {**values, **{name: array.tolist() for name, array in arrays.items()}})

    def append_run(self, run: str, loops: list[dict[str, float]]) -> None:
        """One transaction for the run."""
        with self.base:
            for loop, values in enumerate(loops):
                self._insert(run, loop, dict(values))

    def read(self) -> int:
        """Every document parsed, as a matrix."""
        base = _connect(self.folder)
        rows = [list(json.loads(text).values()) for (text,) in base.execute("select text from document")]
        base.close()
        return int(np.array(rows).size)

    def close(self) -> None:
        """Close the connection."""
        self.base.close()
