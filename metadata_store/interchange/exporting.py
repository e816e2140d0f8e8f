"""From a store to a file that other programs read; the file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ..errors import OptionError, WriteError
from ..store import Store
from ..tables import choose_runs
from . import jsonl

if TYPE_CHECKING:
    import pandas as pd

    from ..privacy import Level, Privacy

FORMATS = ("jsonl", "csv", "parquet")
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
GROUP = 20_000  # records that are made into one table at a time


def export(
    store: Store,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    runs: Iterable[str] | str | None = None,
    names: Iterable[str] | str | None = None,
    long: bool = False,
    privacy: Privacy | Level | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a store into one file, replacing the file if there is one.

    Memory holds one run at a time (tables: a few runs). A call that is killed leaves the file as it was before.

    Parameters
    ----------
    store : any store.
    path : the file.
    format : "jsonl": every record with its arrays, without loss, read back by `load`. "csv" and "parquet": the scalars
        as `Store.frame` gives them; there a missing number and NaN look the same, in CSV also missing and empty text.
        None: by the file's suffix.
    runs : runs in the order wanted; None for all.
    names : names or globs of the scalars of a table; None for all. JSONL always has all.
    long : of a table: a row for each value instead of one for each (run, loop).
    privacy : "L1" (what is meant for sharing), `Privacy` (L2 needs a key) or "L3"; None: what the store holds.

    progress : called with (runs written, runs in all).

    Returns
    -------
    int : lines of JSONL, or rows of the table.

    Raises
    ------
    PrivacyError : a record is refused at this level, such as one of a pool below 100 rows at L1.
    OptionError : an unknown format, or `names` or `long` with JSONL.
    UnknownRunError, UnknownNameError : an exact run or name that is not there.
    WriteError : the file could not be written.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import MemoryStore, Record
    >>> store = MemoryStore()
    >>> _ = store.append(Record("r", 0, "tell", {"score": 0.5}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(store, f"{folder}/r.csv"), Path(folder, "r.csv").read_text()
    (1, 'run,loop,score\\nr,0,0.5\\n')
    """
    target = Path(path)
    chosen = format_of(target, format)
    if privacy is not None:
        from ..privacy import Shared

        # it can do what is asked of a store here, which is to be read
        shared = cast(Store, Shared(store, privacy, runs))
        return export(shared, path, chosen, runs=runs, names=names, long=long, progress=progress)
    if chosen == "jsonl" and (names is not None or long):
        raise OptionError("JSONL holds whole records; leave names and long out, or choose csv or parquet")
    # the names and runs of this moment: others may append while the file is written
    picked = list(choose_runs(runs, store.runs()))
    told = _told(picked, progress)
    columns = list(store.frame(names, []).columns)
    if chosen == "jsonl":
        return _whole(target, lambda file: _write_lines(store, told, file))
    frames = _frames(store, told, columns, long)
    return _whole(target, lambda file: (_write_csv if chosen == "csv" else _write_parquet)(frames, file))


def format_of(path: Path, format: str | None) -> str:
    """Return the format asked for, or the one that the suffix says.

    Raises
    ------
    OptionError : neither is known.

    Examples
    --------
    >>> format_of(Path("runs.PARQUET"), None)
    'parquet'
    """
    found = SUFFIXES.get(path.suffix.lower()) if format is None else format
    if found not in FORMATS:
        wrong = f"format is {format!r}" if format is not None else f"{path} has no suffix that tells its format"
        raise OptionError(f"{wrong}; give the format 'jsonl', 'csv' or 'parquet'")
    return found


def _whole(path: Path, write: Callable[[IO[bytes]], int]) -> int:
    """Write a file beside its place, sync it, then put it there."""
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a directory")
        try:
            with open(beside, "xb") as file:
                count = write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"cannot write {path}: {error}; give the path of a file in a folder with room") from error
    return count


def _told(runs: list[str], progress: Callable[[int, int], None] | None) -> Iterator[str]:
    """Yield the runs, and say how many of them are done."""
    for done, run in enumerate(runs):
        if progress is not None:
            progress(done, len(runs))
        yield run
    if progress is not None:
        progress(len(runs), len(runs))


def _write_lines(store: Store, runs: Iterator[str], file: IO[bytes]) -> int:
    count = 0
    for run in runs:
        for record in store.records(run):
            file.write(jsonl.line(record))
            count += 1
    return count


def _frames(store: Store, runs: Iterator[str], names: list[str], long: bool) -> Iterator[pd.DataFrame]:
    """Yield the table in parts of whole runs; the first one, without rows, has the columns and their types."""

    def part(group: list[str]) -> pd.DataFrame:
        frame = store.frame(names, group, long=long)
        return frame if long else frame.reset_index()

    yield part([])
    group: list[str] = []
    size = 0
    for run in runs:
        group.append(run)
        size += store.count(run)
        if size >= GROUP:
            yield part(group)
            group, size = [], 0
    if group:
        yield part(group)


def _write_csv(frames: Iterator[pd.DataFrame], file: IO[bytes]) -> int:
    count = 0
    for number, frame in enumerate(frames):
        frame.to_csv(file, index=False, header=number == 0, lineterminator="\n", encoding="utf-8", mode="wb")
        count += len(frame)
    return count


def _write_parquet(frames: Iterator[pd.DataFrame], file: IO[bytes]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = next(frames)
    kinds = {"object": pa.string(), "string": pa.string(), "int64": pa.int64(), "Int64": pa.int64()}
    kinds |= {"float64": pa.float64(), "boolean": pa.bool_(), "str": pa.string()}
    schema = pa.schema([(name, kinds[str(dtype)]) for name, dtype in first.dtypes.items()])
    count = 0
    with pq.ParquetWriter(file, schema, write_page_checksum=True) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            count += len(frame)
    return count
