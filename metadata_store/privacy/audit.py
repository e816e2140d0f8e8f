"""What every column of a store would reveal to whoever gets it, in numbers and in words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..record import Record
from ..store import Store
from .level import Privacy
from .membership import Attack, attack
from .note import read_note
from .private import PrivateStore
from .rounding import coarse_float
from .rules import LEVEL_OF, Rule, Rules

WARNING = (
    "Metadata is never harmless. Confidences of single rows tell which rows a model was trained on (forests: area "
    "under the curve 0.85 to 1.00 measured, and deciles instead of numbers do not help); statistics of two loops tell "
    "about the rows between them; the names of runs and statistics and the times of records are kept at every level. "
    "L1 lowers the risk, it is no proof: nothing here is differentially private."
)
MOST = 1_000_000  # different values that are counted of a column; beyond, what is said of them is a lower bound
_LIKE_ID = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+"  # mail address
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # UUID
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"  # hexadecimal digest
    r"|\d{6,}",  # number of a person, a case, a telephone
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """What one column reveals.

    Parameters
    ----------
    name : of the value or array; "run" and "at" are the keys.
    what : "value", "array" or "key".
    kind : see `metadata_store.privacy.rules`.
    level : the lowest level at which it is kept in some form, "L1" to "L3".
    cells, distinct : numbers or texts in it, and different ones (counted up to a million).
    smallest : of counts and histograms: the smallest bin that is not 0.
    rounded : of counts and histograms: whether all are multiples of k.
    entropy : bits of the distribution of whole numbers and texts; log2(cells) if every cell is different.
    identifies : whether cells look like identifiers: almost all different, or a text with a number of a person, a mail
        address, a UUID or a digest in it.
    exact : of floats: whether one has more digits than `Privacy` keeps.
    membership : `Attack` by a column with a number for each row; None where that cannot be computed.
    verdict : all this in words.
    """

    name: str
    what: str
    kind: str
    level: str
    cells: int
    distinct: int
    smallest: int | None
    rounded: bool | None
    entropy: float | None
    identifies: bool
    exact: bool | None
    membership: Attack | None
    verdict: str


@dataclass(frozen=True)
class Audit:
    """What a store reveals.

    Parameters
    ----------
    level : of the store; empty if it has none and keeps everything.
    shareable : the level at which all that it holds would be kept.
    columns : one for each name.
    membership : what the confidences tell in all, in words.
    warning : what holds of every store.
    """

    level: str
    shareable: str
    columns: tuple[Column, ...]
    membership: str
    warning: str = WARNING

    def as_data(self) -> dict[str, Any]:
        """Return the audit in plain types, for JSON."""
        return asdict(self)


@dataclass
class _Tally:
    """What is counted of one column while the records pass by."""

    what: str
    rule: Rule
    cells: int = 0
    seen: Counter[Any] = field(default_factory=Counter)
    whole: bool = True
    smallest: int | None = None
    rounded: bool = True
    like_id: int = 0
    exact: bool = False
    unknown: bool = False
    counts: bool = False

    def add(self, cells: list[Any], k: int, digits: int) -> None:
        self.cells += len(cells)
        if len(self.seen) < MOST:
            self.seen.update("nan" if cell != cell else cell for cell in cells)
        kinds = {type(cell) for cell in cells}
        self.whole &= kinds <= {int, str, bool}
        if str in kinds:
            self.like_id += sum(type(cell) is str and _LIKE_ID.search(cell) is not None for cell in cells)
        if float in kinds and not self.exact:
            self.exact = any(
                type(cell) is float and cell == cell and coarse_float(cell, digits) != cell for cell in cells
            )
        if self.rule.kind in ("count", "histogram") and str not in kinds:
            numbers = [cell for cell in cells if math.isfinite(cell)]
            self.counts |= bool(numbers)
            self.rounded &= all(number % k == 0 for number in numbers)
            positive = [math.ceil(number) for number in numbers if number > 0]
            if positive:
                self.smallest = min([*positive, *([] if self.smallest is None else [self.smallest])])


def audit(store: Store, privacy: Privacy | None = None) -> Audit:
    """Look at everything that a store holds.

    Parameters
    ----------
    store : any store; nothing is changed. Memory holds up to a million different values of a column.
    privacy : k, digits, texts and rules to judge by. None: those of the store, else the defaults.

    Returns
    -------
    Audit

    Examples
    --------
    >>> from metadata_store import MemoryStore
    >>> store = MemoryStore()
    >>> _ = store.append(Record("r", 0, "tell", {"score": 0.71234, "query.count": 13}, {"ids": np.arange(40)}))
    >>> for column in audit(store).columns[2:]:
    ...     print(column.name, column.level, column.distinct, column.smallest, column.entropy, column.identifies)
    score L1 1 None None False
    query.count L1 1 13 0.0 False
    ids L2 40 None 5.32 True
    """
    if privacy is None:
        privacy = store.privacy if isinstance(store, PrivateStore) else Privacy("L1")
    note = read_note(store)
    level = store.privacy.level if isinstance(store, PrivateStore) else "" if note is None else note.level
    tallies: dict[str, _Tally] = {"run": _Tally("key", Rule("text")), "at": _Tally("key", Rule("plain"))}
    for record in _records(store):
        tallies["run"].add([record.run], privacy.k, privacy.digits)
        tallies["at"].add([record.at], privacy.k, privacy.digits)
        for name, value in record.values.items():
            _count(tallies, name, "value", privacy.rules.of_value(name, value), [value], record.run, privacy)
        for name, array in record.arrays.items():
            rule = privacy.rules.of_array(name, array)
            _count(tallies, name, "array", rule, array.ravel().tolist(), record.run, privacy)
    for name, rule, cells in _blocks(store, privacy.rules):
        _count(tallies, name, "array", rule, cells, "", privacy)
    found = attack((store.records(run) for run in store.runs()), privacy.rules)
    columns = tuple(_column(name, tally, found.get(name), level, privacy) for name, tally in tallies.items())
    worst = max((column.level for column in columns if column.what != "key"), default="L1")
    return Audit(level, worst, columns, _membership(columns, found))


def _records(store: Store) -> Iterator[Record]:
    for run in store.runs():
        yield from store.records(run)


def _blocks(store: Any, rules: Rules) -> Iterator[tuple[str, Rule, list[Any]]]:
    """Yield the columns of per-sample tables, where the store has such."""
    for record in _records(store):
        name = record.values.get("block.name")
        if isinstance(name, str) and hasattr(store, "block"):
            table = store.block(record.run, record.loop, name)
            for column in table.column_names:
                cells = [cell for cell in table.column(column).to_pylist() if type(cell) in (int, float, bool, str)]
                yield f"block.{name}.{column}", rules.of_array(column, np.zeros(0)), cells


def _count(
    tallies: dict[str, _Tally], name: str, what: str, rule: Rule, cells: list[Any], run: str, privacy: Privacy
) -> None:
    tally = tallies.setdefault(name, _Tally(what, rule))
    tally.add(cells, privacy.k, privacy.digits)
    if tally.rule.kind in ("text", "texts") and not tally.unknown:
        tally.unknown = not all(isinstance(cell, str) and privacy.allows(rule, cell, run) for cell in cells)


def _column(name: str, tally: _Tally, found: Attack | None, level: str, privacy: Privacy) -> Column:
    kind = tally.rule.kind
    distinct = len(tally.seen)
    total = sum(tally.seen.values())
    entropy = None
    if tally.whole and total:
        entropy = round(sum(n / total * math.log2(total / n) for n in tally.seen.values()), 2)
    # seeds, times and counts of a few loops are all different too: an identifier needs some cells to be recognised
    # (ids that are shown in every loop repeat, and are ids all the same)
    many = distinct >= 20 and (kind == "id" or distinct >= 0.5 * min(tally.cells, MOST))
    alike = tally.whole and many and tally.what != "key"
    identifies = bool(tally.like_id) or (alike and kind not in ("plain", "count", "histogram", "score", "rank"))
    lowest = "L3" if tally.unknown else LEVEL_OF[kind]
    counted = tally.counts
    column = Column(
        name,
        tally.what,
        "free" if tally.unknown else kind,
        lowest,
        tally.cells,
        distinct,
        tally.smallest if counted else None,
        tally.rounded if counted else None,
        entropy,
        identifies,
        None if tally.whole or (kind in ("share", "ratio") and level in ("L1", "L2")) else tally.exact,
        found,
        "",
    )
    return Column(**{**column.__dict__, "verdict": _verdict(column, level, privacy)})


def _verdict(column: Column, level: str, privacy: Privacy) -> str:
    """Return what a column reveals, in words."""
    told = [_MEANING[column.kind] if column.what != "key" else _KEYS[column.name]]
    if level == "L2" and column.kind in ("id", "digest"):
        told = ["keyed hashes: they tell which rows are the same, and whose they are to whoever has the key"]
    elif column.identifies:
        told.append("looks like identifiers of people or rows")
    if column.smallest is not None and not column.rounded:
        told.append(f"not rounded to {privacy.k}, the smallest group has {column.smallest}")
    if column.exact and column.kind not in ("sample", "score") and not column.name.endswith("seconds"):
        told.append("exact: its data can be recognised by it")
    if column.membership is not None:
        chance = max(column.membership.auc, 1 - column.membership.auc)
        much = "hardly more than chance" if chance < 0.6 else "some of them" if chance < 0.8 else "most of them"
        told.append(f"tells which rows were {column.membership.status} ({much}: AUC {column.membership.auc:.2f})")
    return "; ".join(told)


_KEYS = {
    "run": "names of runs, kept as they are at every level: put no person's name or number into them",
    "at": "when each step happened, to the nanosecond, kept at every level: it tells when somebody worked",
}
_MEANING = {
    "plain": "a setting; harmless by itself",
    "scalar": "a number about a loop; little by itself, more in a series",
    "count": "sizes of groups",
    "share": "sizes of groups",
    "ratio": "sizes of groups",
    "histogram": "sizes of groups",
    "vector": "numbers about batches; little by themselves",
    "text": "words of a closed vocabulary",
    "texts": "words of a closed vocabulary",
    "id": "ids: says whose data it is to whoever knows them",
    "digest": "digests of data: whoever has the data can compute and compare them",
    "score": "an order of single rows",
    "rank": "an order of single rows",
    "sample": "numbers of single rows: can give away who was in the training data",
    "label": "labels: says what was found about single rows",
    "free": "free text or unknown: can hold anything",
}


def _membership(columns: tuple[Column, ...], found: dict[str, Attack]) -> str:
    if found:
        name, worst = max(found.items(), key=lambda item: abs(item[1].auc - 0.5))
        return (
            f"computable: {name} tells rows that were {worst.status} from others with AUC {worst.auc:.2f} "
            f"({worst.labelled} and {worst.others} rows; 0.5 is chance)"
        )
    if any(column.kind in ("sample", "score", "rank") for column in columns):
        return (
            "not computable: there are numbers of single rows, but not of at least 10 rows with a label and 10 without "
            "one; whoever knows more of the rows may do better"
        )
    return "not computable: the store holds no numbers of single rows, only statistics of loops"
