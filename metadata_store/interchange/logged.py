"""From the tables of runs that somebody logged, CSV, Parquet or JSONL, to records: a row is one loop of one run."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..checks import INT64_MAX, INT64_MIN, check_name, shown
from ..errors import OptionError, RecordError, nearest
from ..kinds import BOOL, FLOAT, INT, TEXT
from ..record import Record
from ..store import Store
from .exporting import format_of
from .footer import MAX_COLUMNS
from .loading import Loaded, Progress, SourceError, append_all, lines, opened, told
from .loops import Loops
from .objects import holds_objects, object_headers, object_rows
from .parquet import MAX_ROWS, parquet_headers, parquet_rows
from .rules import AFTER, MOST_WORDS, Rules, Translate, check_words

Row = tuple[int, list[Any]]
MAX_ROW = 2**24  # bytes of a row of CSV
MISSING = ("", "NA", "null", "None")  # cells of CSV numbers; of text only the empty cell, which is None here
TRUTH = {"true": True, "false": False}


@dataclass
class Column:
    """One column of a table: its place and header, the statistic it becomes, and the kind of its cells."""

    place: int
    header: str
    target: str
    kind: str | None = None  # of the cells so far
    fixed: bool = False  # the store, the caller or the file's own types say the kind
    spelled: bool = False  # the caller wants text: numbers are spelled out
    after: bool = False  # known only after the row's batch was labelled, so of the next loop
    translate: Translate | None = None

    def value(self, cell: Any) -> Any:
        """Return a cell as a value of this column's kind; None where it is missing.

        Raises
        ------
        ValueError : the cell is of another kind, or a word that nobody translates.
        """
        if self.spelled and type(cell) in (int, float):
            cell = str(int(cell)) if float(cell).is_integer() else str(cell)
        value = self._value(cell)
        return self.translate(value) if self.translate is not None and value is not None else value

    def _value(self, cell: Any) -> Any:
        if not isinstance(cell, str):
            if self.kind == FLOAT and type(cell) is int:
                return float(cell)
            if self.kind == INT and type(cell) is float and cell.is_integer():
                return int(cell)
            if cell is None or _kind(cell) == self.kind:
                return cell
        elif self.kind == TEXT:
            return cell
        elif cell.strip() in MISSING:
            return None
        elif self.kind == BOOL and cell.strip().lower() in TRUTH:
            return TRUTH[cell.strip().lower()]
        elif self.kind == INT and (number := _number(cell)) is not None and float(number).is_integer():
            return int(number)
        elif self.kind == FLOAT and (number := _number(cell)) is not None:
            return float(number)
        raise ValueError(
            f"column {self.header!r} has {shown(cell)}, which is not {WORDS[self.kind or TEXT]}; "
            "mend the cell, leave the column out, or declare a column of a CSV file as text"
        )

    def learn(self, cell: Any) -> None:
        """Take the kind from the first cell that is not missing; ints become floats when a float comes."""
        if self.fixed or not isinstance(cell, str) or cell.strip() in MISSING:
            return
        number = _number(cell)
        if self.kind is None:
            self.kind = BOOL if cell.strip().lower() in TRUTH else TEXT if number is None else _kind(number)
        elif self.kind == INT and isinstance(number, float):
            self.kind = FLOAT


WORDS = {FLOAT: "a number", INT: "a whole number of 64 bits", BOOL: "true or false", TEXT: "text"}


def load_table(
    source: str | os.PathLike[str],
    store: Store,
    *,
    run: str,
    loop: str,
    columns: Mapping[str, str | None] | None = None,
    text: Collection[str] = (),
    known: Collection[str] = (),
    after: Collection[str] = (),
    rules: Rules | None = None,
    event: str = "report",
    format: str | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Append a record for each row of a CSV, Parquet or JSONL file: the log that somebody kept of earlier runs.

    Nothing is stored before every row was checked. The same call again is safe, after a crash
    too. Memory holds a batch of rows, and the numbers of loops that are not in order. The file may come from anywhere:
    what would unpack to more than 512 MiB is refused before it is read.

    Parameters
    ----------
    source : the file; CSV in UTF-8 with a header, or JSONL of plain objects.
    store : any store.
    run, loop : the columns of the run's name and of the number of its loop.
    columns : statistic of a column, such as {"acc": "score.value"}; None leaves the column out. A column that is not
        named here keeps its name if that is in `known` or begins with "user.", and becomes "user.<column>" otherwise.
    text : columns of a CSV file whose cells are text even where they look like numbers, such as codes.
    known : names of statistics that columns may have without being named in `columns`.
    after : columns that tell what was known only after the row's batch was labelled and learnt, such as the score at
        the end of a round. They belong to the state in which the next loop is decided, as a record "after" there.
    rules : kinds and translations of statistics.
    event : event of the records.
    format : "csv", "parquet" or "jsonl"; None: by the file's suffix.
    progress : called with (bytes read, bytes in all).

    Returns
    -------
    Loaded

    Raises
    ------
    OptionError : a column that is named is not there, two columns become one statistic, or words have no translation.
    SourceError : a cell that is not of its column's kind (that of the store if it knows the statistic, else that of
        the first cell), a row without run or loop, a repeated (run, loop), a torn file, more than 16,386 columns or
        10,000,000 rows, a row of CSV of over 16 MiB; nothing was stored.
    ConflictError, RecordError : as `Store.append`, with the number of the line or row; all before it are stored.
    WriteError, UnknownStateError : as `Store.append_many`; load the file again.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import MemoryStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, store = Path(folder) / "log.csv", MemoryStore()
    ...     _ = file.write_text("exp,round,acc,Batch Size\\na,0,0.5,20\\na,1,0.6,20\\n")
    ...     load_table(file, store, run="exp", loop="round", columns={"acc": "score.value"})
    Loaded(read=2, new=2)
    >>> dict(store.records("a")[1].values)
    {'score.value': 0.6, 'user.batch_size': 20}
    """
    path = Path(source)
    chosen = format_of(path, format)
    rules = rules or Rules()
    if chosen == "jsonl" and not holds_objects(path):
        raise OptionError(f"{path} is JSONL of records with runs and loops of their own; use load(source, store)")
    with opened(path) as file:
        if chosen == "csv":
            headers, fixed, unit = _csv_headers(file, path), dict[str, str](), "line"
        elif chosen == "jsonl":
            headers, fixed = object_headers(file, path)
            unit = "line"
        else:
            headers, fixed = parquet_headers(file, path)
            unit = "row"
        if len(headers) > MAX_COLUMNS:
            raise SourceError(f"{path} has {len(headers)} columns; at most {MAX_COLUMNS} are read: take those wanted")
        twice = sorted(name for name, count in Counter(headers).items() if count > 1)
        if twice:
            raise OptionError(f"{path} has column {twice[0]!r} more than once; rename one of them")
        keys, wanted = _columns(path, headers, run, loop, columns or {}, (*text, *after), known)
        for header in (run, loop):
            if fixed.get(header) == "":
                raise OptionError(f"column {header!r} of {path} has no scalars; expected the run's name and its loop")
        _fix(wanted, fixed, text, path, store, rules)
        for column in wanted:
            column.after = column.header in after
            column.translate = rules.translate.get(column.target)
        places = [*keys, *(column.place for column in wanted)]

        def rows() -> Iterator[Row]:
            file.seek(0)
            if chosen == "csv":
                return _csv_rows(file, path, len(headers))
            if chosen == "jsonl":
                return object_rows(file, path, headers)
            return parquet_rows(file, path, headers, places, fixed)

        words: dict[str, set[str]] = {column.header: set() for column in wanted if column.translate is not None}
        if words or any(not column.fixed for column in wanted):
            for _, cells in rows():
                for column in wanted:
                    column.learn(cells[column.place])
                    cell = cells[column.place]
                    if column.header in words and cell is not None and len(words[column.header]) <= MOST_WORDS:
                        words[column.header].add(str(cell))
        for column in wanted:
            if column.translate is not None:
                check_words(column.translate, words[column.header], f"column {column.header!r} of {path}")
        for _ in _records(rows(), keys, wanted, event, f"{path}, {unit}"):
            pass  # nothing is stored of a table that is wrong somewhere
        records = _records(rows(), keys, wanted, event, f"{path}, {unit}")
        return append_all(store, told(records, file, progress), str(path), unit)


def _columns(
    path: Path,
    headers: list[str],
    run: str,
    loop: str,
    columns: Mapping[str, str | None],
    text: Collection[str],
    known: Collection[str],
) -> tuple[tuple[int, int], list[Column]]:
    """Return the places of run and loop, and what becomes of every other column."""
    for header in (run, loop, *columns, *text):
        if header not in headers:
            raise OptionError(f"{path} has no column {header!r}; {nearest(header, headers)}")
    if run == loop or run in columns or loop in columns:
        raise OptionError(f"columns {run!r} and {loop!r} name the run and its loop; each needs a column of its own")
    wanted: list[Column] = []
    owner: dict[str, str] = {}
    for place, header in enumerate(headers):
        if header in (run, loop):
            continue
        if header in columns:
            target = columns[header]
        elif header in known or header.startswith("user."):
            target = header
        else:
            target = "user." + (re.sub(r"[^a-z0-9.]+", "_", header.lower()).strip("_.") or f"column_{place}")
            target = re.sub(r"\.\.+", ".", target)
        if target is None:
            continue
        try:
            check_name(target)
        except RecordError as error:
            raise OptionError(f"column {header!r} of {path}: {error}; map it to such a name") from error
        if target in owner:
            raise OptionError(
                f"columns {owner[target]!r} and {header!r} of {path} both become {target!r}; map one to another name"
            )
        owner[target] = header
        wanted.append(Column(place, header, target))
    return (headers.index(run), headers.index(loop)), wanted


def _fix(
    wanted: list[Column], fixed: Mapping[str, str], text: Collection[str], path: Path, store: Store, rules: Rules
) -> None:
    """Set the kinds that are known before a cell is read; what the store knows comes first."""
    # the types of an empty table are the kinds of the store's names
    kinds = {"float64": FLOAT, "Int64": INT, "boolean": BOOL}
    stored = {str(name): kinds.get(str(dtype), TEXT) for name, dtype in store.frame(None, []).dtypes.items()}
    for column in wanted:
        before = stored.get(column.target)
        own = TEXT if column.header in text else fixed.get(column.header)
        if own == "":
            raise OptionError(f"column {column.header!r} of {path} has no scalars; leave it out: map it to nothing")
        column.spelled = rules.kinds.get(column.target) == TEXT and before in (TEXT, None)
        own = rules.kinds.get(column.target, own)
        numbers = before in (FLOAT, INT) and own in (FLOAT, INT)
        if before and own and before != own and not numbers:
            raise OptionError(
                f"column {column.header!r} of {path} is {own}, but this store knows {column.target!r} as {before}; "
                "types never change: map the column to another name"
            )
        column.kind = before or own
        column.fixed = column.kind is not None


def _records(
    rows: Iterator[Row], keys: tuple[int, int], wanted: list[Column], event: str, where: str
) -> Iterator[tuple[int, int, Record]]:
    """Yield (line, bytes, record) of each row; check everything that can be wrong with it."""
    seen: dict[str, Loops] = {}
    for count, (number, cells) in enumerate(rows):
        if count >= MAX_ROWS:
            raise SourceError(f"{where} {number}: over {MAX_ROWS} rows; load the table in parts")
        try:
            run, loop = _run(cells[keys[0]]), _loop(cells[keys[1]])
            now, later = (_values(cells, [c for c in wanted if c.after is after]) for after in (False, True))
            record = Record(run, loop, event, now)
            follows = Record(run, loop + 1, AFTER, later) if later else None
        except ValueError as error:
            raise SourceError(f"{where} {number}: {error}") from error
        if not seen.setdefault(run, Loops()).add(loop):
            raise SourceError(
                f"{where} {number}: loop {loop} of run {run!r} for the second time; expected one row for each "
                "(run, loop): is there another column that belongs to the run's name?"
            )
        yield number, 64 + 16 * len(now) + sum(len(v) for v in now.values() if isinstance(v, str)), record
        if follows is not None:
            yield number, 64 + 16 * len(later) + sum(len(v) for v in later.values() if isinstance(v, str)), follows
    for name, loops in seen.items() if any(column.after for column in wanted) else ():
        if loops.gap is not None:
            raise SourceError(
                f"{where.rpartition(',')[0]}: run {name!r} has no loop {loops.gap} between others, so the columns that "
                "are of the next loop have no place; number the loops one by one"
            )


def _values(cells: list[Any], columns: list[Column]) -> dict[str, Any]:
    values = {column.target: column.value(cells[column.place]) for column in columns}
    return {name: value for name, value in values.items() if value is not None}


def _run(cell: Any) -> str:
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise ValueError(
            f"the run's name is {'empty' if cell is None else shown(cell)}; expected text, or a whole number"
        )
    return str(cell)


def _loop(cell: Any) -> int:
    number = _number(cell) if isinstance(cell, str) else cell
    if isinstance(number, bool) or not isinstance(number, int | float) or not float(number).is_integer():
        raise ValueError(f"the loop is {'empty' if cell is None else shown(cell)}; expected a whole number, 0 or more")
    return int(number)


def _number(cell: str) -> int | float | None:
    """Return the number that a cell spells: an int if it is written as one and fits 64 bits."""
    cell = cell.strip()
    if "_" in cell or not cell.isascii():
        return None
    try:
        number = float(cell)
        if re.fullmatch(r"[+-]?[0-9]{1,19}", cell) and INT64_MIN <= int(cell) <= INT64_MAX:
            return int(cell)
    except ValueError:
        return None
    return number


def _kind(value: Any) -> str:
    return {float: FLOAT, int: INT, bool: BOOL}.get(type(value), TEXT)


def _csv_reader(file: IO[bytes], path: Path) -> Iterator[Row]:
    fed = 0

    def texts() -> Iterator[str]:
        nonlocal fed
        for number, text in lines(file, str(path), limit=MAX_ROW):
            fed += len(text)
            if fed > MAX_ROW:  # cells in quotes may have line feeds: one row may be the whole file
                raise SourceError(f"{path}, line {number}: one row has over {MAX_ROW} bytes; is a quote left open?")
            yield text.decode("utf-8").removeprefix("\ufeff")

    reader = csv.reader(texts(), strict=True)
    try:
        for cells in reader:
            fed = 0
            yield reader.line_num, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path}, after line {reader.line_num - 1}: not CSV in UTF-8: {error}") from error


def _csv_headers(file: IO[bytes], path: Path) -> list[str]:
    for _, cells in _csv_reader(file, path):
        return [header.strip() for header in cells]
    raise SourceError(f"{path} is empty; expected a header and a row for each loop of each run")


def _csv_rows(file: IO[bytes], path: Path, width: int) -> Iterator[Row]:
    rows = _csv_reader(file, path)
    next(rows, None)
    for number, cells in rows:
        if not cells:
            continue
        if len(cells) != width:
            raise SourceError(f"{path}, line {number}: {len(cells)} cells; the header has {width} columns")
        yield number, [cell or None for cell in cells]
