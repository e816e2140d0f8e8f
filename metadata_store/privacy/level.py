"""A privacy level as a function from records to what may be kept of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..checks import Scalar, check_array
from ..errors import PrivacyError
from ..record import Record, restored
from .hashing import MIN_KEY, hash_id, hash_ids, hash_text
from .rounding import coarse_count, coarse_counts, coarse_float, coarse_floats, ranks
from .rules import BY_NAME, Rule, Rules

if TYPE_CHECKING:
    import pyarrow as pa

Level = Literal["L0", "L1", "L2", "L3"]
LEVELS = ("L0", "L1", "L2", "L3")
DROPPED = "privacy.dropped"
MOST_DROPPED = 9999  # of a record that was filtered before; a larger number under this name is something else


@dataclass(frozen=True)
class Privacy:
    """How much of a record is kept.

    Parameters
    ----------
    level : "L0": nothing leaves the process. "L1": scalars and histograms of a loop, made coarse. "L2": also ids as
        keyed hashes, and ranks of rows. "L3": everything.
    key : at least 16 secret bytes (or text of as many), such as ``secrets.token_bytes(32)``; needed to write at L2,
        never stored.
    k : counts are rounded to multiples of it, and numbers about fewer rows are left out; 2 or more.
    pool : at L1, a record that tells a pool of fewer rows is refused.
    digits : significant digits that are kept of a float, 1 to 6.
    texts : texts that may be kept at L1 and L2, beside those that the rules know and the run's own name.
    rules : what the names mean.

    Raises
    ------
    PrivacyError : an impossible level, key, k, pool or digits.

    Examples
    --------
    >>> record = Record("r", 0, "ask", {"pool.size": 1234, "pool.margin.mean": 0.123456, "note": "Mrs. X"})
    >>> dict(Privacy("L1").apply(record).values)
    {'pool.size': 1230, 'pool.margin.mean': 0.123, 'privacy.dropped': 1}
    """

    level: Level
    key: bytes | str | None = field(default=None, repr=False)
    k: int = 10
    pool: int = 100
    digits: int = 3
    texts: Collection[str] = ()
    rules: Rules = field(default=BY_NAME, repr=False)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise PrivacyError(f"privacy level is {self.level!r}; give 'L0', 'L1', 'L2' or 'L3'")
        key = self.key.encode() if isinstance(self.key, str) else self.key
        if key is not None and (not isinstance(key, bytes | bytearray) or len(key) < MIN_KEY):
            # the key itself must never stand in a message
            raise PrivacyError(
                f"the key is no bytes or too short; give at least {MIN_KEY} secret bytes: token_bytes(32)"
            )
        for name, least in (("k", 2), ("pool", 0), ("digits", 1)):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise PrivacyError(f"{name} is {number!r}; give a whole number of {least} or more")
        if self.digits > 6:
            raise PrivacyError(f"digits is {self.digits}; give 1 to 6: with more of them a number identifies its data")
        if isinstance(self.texts, str):
            raise PrivacyError(f"texts is the text {self.texts!r}; give a list of texts")
        object.__setattr__(self, "key", None if key is None else bytes(key))
        object.__setattr__(self, "texts", frozenset(self.texts))

    @property
    def filters(self) -> bool:
        """Whether records are changed: at L1 and L2."""
        return self.level in ("L1", "L2")

    def apply(self, record: Record) -> Record:
        """Return what is kept of a record; the record itself at L0 and L3.

        Parameters
        ----------
        record : any record. Names of runs, events and statistics are kept as they are.

        Returns
        -------
        Record : with the value ``privacy.dropped``, the number of values and arrays that are not in it in any form. The
            same record gives the same again.

        Raises
        ------
        PrivacyError : at L1, the pool is too small; at L2, there is no key.

        Examples
        --------
        >>> kept = Privacy("L2", key=bytes(32)).apply(Record("r", 0, "tell", {}, {"ids": [3, 7], "labels": [0, 1]}))
        >>> {name: array.dtype.str for name, array in kept.arrays.items()}, dict(kept.values)
        ({'ids': '<i8'}, {'privacy.dropped': 1})
        """
        if not self.filters:
            return record
        self._check(record)
        values: dict[str, Scalar] = {}
        for name, value in record.values.items():
            kept = self._value(self.rules.of_value(name, value), value, record)
            if kept is not None:
                values[name] = kept
        arrays: dict[str, np.ndarray] = {}
        for name, array in record.arrays.items():
            rule = self.rules.of_array(name, array)
            changed = self.array(rule, array, record)
            if changed is not None:
                arrays[_name(name, rule)] = check_array(name, changed)
        before = record.values.get(DROPPED, 0)
        before = before if type(before) is int and 0 <= before <= MOST_DROPPED else 0
        dropped = len(record.values) + len(record.arrays) - len(values) - len(arrays)
        values[DROPPED] = dropped + before
        return restored(
            *(record.run, record.loop, record.event, MappingProxyType(values), MappingProxyType(arrays)),
            *(record.at, record.index),
        )

    def apply_columns(self, columns: Mapping[str, Any] | pa.Table) -> dict[str, np.ndarray]:
        """Return what is kept of the columns of a per-sample table: at L2 the ids, hashed, and scores as ranks.

        Raises
        ------
        PrivacyError : at L1, or if nothing would be left.

        Examples
        --------
        >>> kept = Privacy("L2", key=bytes(32)).apply_columns({"ids": ["a", "b"], "score": [0.2, 0.9], "age": [17, 18]})
        >>> sorted(kept), kept["score.rank"].tolist()
        (['ids', 'score.rank'], [1, 0])
        """
        if self.level == "L1":
            raise PrivacyError(
                "a per-sample table holds a row for each sample, and level L1 keeps none; log histograms instead, or "
                "use a store of level L2 (keyed hashes, ranks) or L3"
            )
        self._check(None)
        named = columns if isinstance(columns, Mapping) else {n: columns.column(n) for n in columns.column_names}
        kept: dict[str, np.ndarray] = {}
        for name, column in named.items():
            array = _plain(column)
            rule = self.rules.of_array(name, array)
            changed = None if rule.kind not in ("id", "score", "rank") else self.array(rule, array, None)
            if changed is not None:
                kept[_name(name, rule)] = changed
        if not kept:
            raise PrivacyError(
                f"of the columns {', '.join(map(repr, list(named)[:5]))} level {self.level} keeps none; name ids 'ids' "
                "or 'x.ids' and scores 'score', or use a store of level L3"
            )
        return kept

    def hashes(self, ids: Any) -> np.ndarray:
        """Return the hashes i8 that ids have in a store of level L2 with this key, to find rows of one's own again.

        Raises
        ------
        PrivacyError : there is no key, or these are no ids.

        Examples
        --------
        >>> Privacy("L2", key=bytes(32)).hashes(["a", "b"]).dtype.str
        '<i8'
        """
        hashed = hash_ids(np.asarray(ids), self._key())
        if hashed is None:
            raise PrivacyError(f"ids are of dtype {np.asarray(ids).dtype}; give whole numbers or text")
        return hashed

    def digest(self, text: str) -> str:
        """Return what a digest of data becomes at L2: 16 hexadecimal digits.

        Examples
        --------
        >>> Privacy("L2", key=bytes(32)).digest("abc") == Privacy("L2", key=bytes(32)).digest("abd")
        False
        """
        return hash_text(text, self._key())

    def allows(self, rule: Rule, text: str, run: str = "") -> bool:
        """Say whether a text may be kept at L1 and L2: on the list, of the rule's vocabulary, empty, or the run's name.

        Examples
        --------
        >>> Privacy("L1", texts=["logistic"]).allows(Rule("text"), "logistic")
        True
        """
        return not text or text == run or text in self.texts or (rule.known is not None and rule.known(text))

    def array(self, rule: Rule, array: np.ndarray, record: Record | None) -> np.ndarray | None:
        """Return what is kept of an array of a kind; None if nothing is."""
        kind = rule.kind
        if kind == "plain":
            return array
        if kind in ("histogram", "count"):
            return coarse_counts(array, self.k, self.digits)
        if kind == "vector" and array.dtype.kind == "f" and self._enough(rule, record):
            return coarse_floats(array, self.digits)
        if kind == "texts" and array.dtype.kind == "U":
            run = "" if record is None else record.run
            return array if all(self.allows(rule, text, run) for text in array.ravel().tolist()) else None
        if self.level == "L2" and kind == "id":
            return hash_ids(array, self._key())
        if self.level == "L2" and kind == "score":
            return ranks(array)
        if self.level == "L2" and kind == "rank":
            return ranks(-array.astype(np.float64)) if array.dtype.kind in "iuf" else None
        return None

    def _value(self, rule: Rule, value: Scalar, record: Record) -> Scalar | None:
        """Return what is kept of a value, of the same type; None if nothing is."""
        kind = rule.kind
        if kind == "plain":
            return value
        if isinstance(value, str):
            if kind == "text":
                return value if self.allows(rule, value, record.run) else None
            if self.level != "L2" or kind not in ("id", "digest"):
                return None
            return hash_id(value, self._key()) if kind == "id" else hash_text(value, self._key())
        if kind == "id":
            return hash_id(value, self._key()) if self.level == "L2" and type(value) is int else None
        if kind in ("count", "histogram"):
            if type(value) is int:
                return coarse_count(value, self.k, self.digits)
            return self._count(value)
        if kind not in ("scalar", "vector", "share", "ratio") or not self._enough(rule, record):
            return None
        if type(value) is int:
            return coarse_count(value, self.k, self.digits)
        if kind == "share":
            rows = _rows(rule, record)
            # the numerator is the size of a group: it is rounded as all counts are
            return (
                min(self._count(value * rows) / self._count(rows), 1.0) if math.isfinite(value) else coarse_float(value)
            )
        if kind == "ratio":
            parts = [self._count(float(record.values[name])) for name in rule.of]
            return parts[0] / sum(parts) if sum(parts) else None
        return coarse_float(value, self.digits)

    def _count(self, number: float) -> float:
        finite = math.isfinite(number)
        return float(coarse_count(round(number), self.k, self.digits)) if finite else coarse_float(number)

    def _enough(self, rule: Rule, record: Record | None) -> bool:
        """Say whether at least k rows are behind a number; a number about fewer is about these very rows."""
        if not rule.of:
            return True
        if rule.kind == "ratio":
            return record is not None and all(type(record.values.get(name)) in (int, float) for name in rule.of)
        return record is not None and _rows(rule, record) >= self.k

    def _key(self) -> bytes:
        if not isinstance(self.key, bytes):
            raise PrivacyError(
                "level L2 hashes ids with a key, and none was given; pass Privacy('L2', key=...) with the key that the "
                "store began with (for a new one: secrets.token_bytes(32), kept outside of the store)"
            )
        return self.key

    def _check(self, record: Record | None) -> None:
        if self.level == "L2":
            self._key()  # also where there is no id yet, so that it is noticed at the first record
        size = record.values.get(self.rules.pool) if record is not None and self.level == "L1" else None
        if record is not None and type(size) in (int, float) and not float(size or 0) >= self.pool:
            raise PrivacyError(
                f"run {record.run!r}, loop {record.loop}: a pool of {size:g} rows is too small for level L1, whose "
                f"statistics would be about few people; it takes {self.pool} rows or more: end the run here, or keep "
                "it in a store of level L0 (memory only) or L3"
            )


def _rows(rule: Rule, record: Record) -> float:
    """Return how many rows are behind a number, NaN if that is not known."""
    counts = [record.values.get(name) for name in rule.of]
    numbers = [float(count) if type(count) in (int, float) else math.nan for count in counts]  # type: ignore[arg-type]
    return numbers[0] - sum(numbers[1:])


def _name(name: str, rule: Rule) -> str:
    """Return the name that an array is kept under: ranks must not be taken for the scores that they came from."""
    return f"{name}.rank" if rule.kind == "score" else name


def _plain(column: Any) -> np.ndarray:
    """Return a column of a table as an array of numbers or fixed-width text; with anything else, of objects."""
    array = column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)
    if array.dtype.kind == "O" and all(isinstance(one, str) for one in array.tolist()):
        return array.astype(str)
    return array
