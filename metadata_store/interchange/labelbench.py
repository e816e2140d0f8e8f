"""The runs that LabelBench's authors logged, as time series: one row of their table is one round of one run.

Reference: J. Zhang, Y. Chen, G. Canal, S. Mussmann, et al., LabelBench: A Comprehensive Framework for Benchmarking
Adaptive Label-Efficient Learning, 2023.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..checks import Scalar
from ..record import Record
from ..store import Store
from .exporting import format_of
from .foreign import run_name, statistic
from .loading import Loaded, SourceError, append_all, opened
from .parquet import parquet_headers, parquet_rows
from .rules import Rules, Translate, check_words

Runs = dict[tuple[Any, ...], dict[int, tuple[int, dict[str, Any]]]]  # settings → round → (row, cells)
MAX_ROWS = 10**6
KEYS = ("dataset", "batch", "embed", "model", "trainer", "strategy", "seed", "round")
TAGS = {
    "batch": "tag.batch",
    "embed": "tag.embedding",
    "model": "tag.model",
    "trainer": "tag.trainer",
    "strategy": "tag.strategy",
    "seed": "tag.seed",
}
COLUMNS: dict[str, str] = {
    "Validation Accuracy": "score.value",  # what a run may look at; the test split is for judging it
    "Balanced Validation Accuracy": "score.validation.balanced",
    "Validation Macro F1": "score.validation.f1",
    "Validation Loss": "score.validation.loss",
    "Min Class Val Accuracy": "score.validation.class.min",
    "Max Class Val Accuracy": "score.validation.class.max",
    "STD Val Accuracy": "score.validation.class.std",
    "Test Accuracy": "score.test.accuracy",
    "Balanced Test Accuracy": "score.test.balanced",
    "Test Macro F1": "score.test.f1",
    "Test Loss": "score.test.loss",
    "Min Class Test Accuracy": "score.test.class.min",
    "Max Class Test Accuracy": "score.test.class.max",
    "STD Test Accuracy": "score.test.class.std",
    "Pool Accuracy": "score.pool.accuracy",
    "Pool Macro F1": "score.pool.f1",
    "Pool Loss": "score.pool.loss",
    "Min Class Pool Accuracy": "score.pool.class.min",
    "Max Class Pool Accuracy": "score.pool.class.max",
    "STD Pool Accuracy": "score.pool.class.std",
    "Balanced Training Accuracy": "score.train.balanced",
    "Num Labeled": "labels.count",
    "Total Number of Positive": "user.positive.total",
    "Min Class Number of Positive": "user.positive.class.min",
    "Max Class Number of Positive": "user.positive.class.max",
    "Epoch": "user.epoch",
    "_runtime": "user.seconds",
}
TIME, STEP = "_timestamp", "_step"  # become the record's time and nothing: it is the round again


STRATEGY = "action.name"


def load_labelbench(source: str | os.PathLike[str], store: Store, *, rules: Rules | None = None) -> Loaded:
    """Append the logged runs of LabelBench, a table with a row for each round of each run, to a store.

    A run is named by its seven settings; a record "about" at loop 0 has them: the data set as `run.task`, by which
    runs are grouped, and the others as `tag.*`. Each row is a record "report" at loop = round with its time, its
    metrics as `score.*`, `labels.count` and `user.*` (see `COLUMNS`), unknown columns as `user.<column>`. A metric
    that is missing or NaN is left out: it was not computed for that data set. The same call again adds nothing.
    A policy can be fitted to them if `rules` translates the strategies' names to "action.name".

    Parameters
    ----------
    source : .parquet or .csv with the columns dataset, batch, embed, model, trainer, strategy, seed, round and metrics.
    store : any store.
    rules : translation of "action.name"; without one the strategies stay tags.

    Returns
    -------
    Loaded : records read (a row each, and one for each run) and new ones.

    Raises
    ------
    SourceError : a column is missing, a cell is not of its kind, or a round stands twice; nothing was stored.
    OptionError : the file's suffix does not say what it is, or strategies have no translation.
    ConflictError, RecordError, WriteError, UnknownStateError : as `Store.append_many`.

    Examples
    --------
    >>> import tempfile
    >>> from metadata_store import MemoryStore
    >>> head = "dataset,batch,embed,model,trainer,strategy,seed,round,Validation Accuracy,Num Labeled"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, store = Path(folder) / "runs.csv", MemoryStore()
    ...     _ = file.write_text(f"{head}\\ncifar10,bs_100,none,linear,passive,margin,7,0,0.5,100\\n")
    ...     load_labelbench(file, store)
    Loaded(read=2, new=2)
    >>> store.runs(), store.frame(["run.task", "score.value"]).values.tolist()
    (['cifar10-bs_100-none-linear-passive-margin-7'], [['cifar10', 0.5]])
    """
    path = Path(source)
    with opened(path) as file:
        runs = _runs(_table(file, path), path)
    translate = (rules or Rules()).translate.get(STRATEGY)
    place = KEYS.index("strategy")
    if translate is not None:
        check_words(translate, {str(key[place]) for key in runs}, f"column 'strategy' of {path}")
    # made once for the sake of its errors: nothing is stored of a table that is wrong somewhere
    for _ in _records(runs, str(path), translate):
        pass
    return append_all(store, _records(runs, str(path), translate), str(path), "row")


def _runs(table: Iterator[dict[str, Any]], path: Path) -> Runs:
    """Return the rounds of each run with the number of their row."""
    runs: Runs = {}
    for number, row in enumerate(table, 1):
        where = f"{path}, row {number}"
        missing = [key for key in KEYS if row.get(key) is None]
        if missing:
            raise SourceError(f"{where}: no {missing[0]}; a run is named by {', '.join(KEYS[:-1])}, its loop by round")
        loop = row["round"]
        if type(loop) is not int or loop < 0:
            raise SourceError(f"{where}: round is {loop!r}; expected a whole number, 0 or more")
        rounds = runs.setdefault(tuple(row[key] for key in KEYS[:-1]), {})
        if loop in rounds:
            raise SourceError(f"{where}: the same run and round as row {rounds[loop][0]}; remove one of them")
        rounds[loop] = number, row
    return runs


def _table(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows; a file that claims more than a million is none of LabelBench's."""
    kind = format_of(path, None)
    if kind == "jsonl":
        raise SourceError(f"{path} is JSONL; LabelBench's runs are a table, .parquet or .csv")
    if kind == "parquet":
        names, kinds = parquet_headers(file, path)
        # pandas keeps an index that is no plain count as one more column
        places = [i for i, name in enumerate(names) if kinds[name] and not name.startswith("__index_level_")]
        rows = (cells for _, cells in parquet_rows(file, path, names, places, kinds))
    else:
        import pyarrow as pa
        import pyarrow.csv

        try:
            table = pyarrow.csv.read_csv(file)
            names, places = table.column_names, list(range(table.num_columns))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error
        rows = (list(row.values()) for batch in table.to_batches(1024) for row in batch.to_pylist())
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    missing = [key for key in KEYS if key not in names]
    if twice or missing:
        wrong = f"column {twice[0]!r} twice" if twice else f"no column {missing[0]!r}"
        raise SourceError(f"{path} has {wrong}; expected {', '.join(KEYS)} and metrics, each once")
    for number, cells in enumerate(rows):
        if number == MAX_ROWS:
            raise SourceError(f"{path} has more than {MAX_ROWS} rows; split it by data set")
        yield {names[place]: cells[place] for place in places}


def _records(runs: Runs, path: str, translate: Translate | None) -> Iterator[tuple[int, int, Record]]:
    """Yield (row, bytes, record)."""
    for key, rounds in runs.items():
        name = run_name("-".join(str(part) for part in key))
        settings = dict(zip(KEYS, key, strict=False))
        about: dict[str, Scalar] = {"run.task": str(settings["dataset"])}
        for column, target in TAGS.items():
            value = settings[column]
            # numbers are floats, as the tags of a metaal run are
            about[target] = float(value) if type(value) is int else str(value)
        named = translate(str(settings["strategy"])) if translate is not None else None
        about |= {} if named is None else {STRATEGY: named}
        first = min(rounds)
        yield rounds[first][0], 1000, Record(name, 0, "about", about, at=_at(rounds[first][1].get(TIME)))
        for loop in sorted(rounds):
            number, row = rounds[loop]
            values = {}
            for column, cell in row.items():
                if column in KEYS or column in (TIME, STEP) or cell is None or cell != cell:
                    continue
                if type(cell) not in (int, float):
                    raise SourceError(f"{path}, row {number}: column {column!r} has {str(cell)[:60]!r}, not a number")
                values[COLUMNS.get(column) or statistic("user.", column)] = float(cell)
            yield number, 1000, Record(name, loop, "report", values, at=_at(row.get(TIME)))


def _at(seconds: Any) -> int:
    """Return a time in ns since 1970 from seconds; 0 where there is none."""
    if type(seconds) not in (int, float) or not math.isfinite(seconds) or not 0 < seconds < 2**33:
        return 0
    return round(seconds * 1e6) * 1000  # a float of today's seconds is exact to a quarter of a microsecond
