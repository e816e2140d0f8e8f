"""The ledger of a run that lives in a tracker: everything about its records that metrics cannot hold, as text.

A metric is a float with a name, a step and a time in milliseconds. The ledger adds what is missing to a record: event,
index, order, time in nanoseconds, kinds, and those values that are not exactly a float: text, infinite numbers, -0.0
and whole numbers beyond 2⁵³. It is a list of JSON documents, each cut into pieces that fit one tag.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..checks import INT64_MAX, INT64_MIN, Scalar
from ..kinds import BOOL, FLOAT, INT, KIND_OF, TEXT
from ..record import Record
from .foreign import EXACT

PIECE = 4900  # letters; older trackers allow tags of 5,000
MAX_KEY = 250
LETTER = {FLOAT: "f", INT: "i", BOOL: "b", TEXT: "t"}
_TAG = re.compile(r"metaal\.ledger\.([0-9]{6,})\.([0-9]{4,})")


def metric_key(event: str, index: int, name: str) -> str:
    """Return the metric that holds a value: the event is a section of the tracker's page.

    Examples
    --------
    >>> metric_key("tell", 0, "score.value"), metric_key("ask", 2, "query.count")
    ('tell/score.value', 'ask.2/query.count')
    """
    return f"{event}.{index}/{name}" if index else f"{event}/{name}"


def measured(event: str, index: int, name: str, value: Scalar) -> bool:
    """Say whether a metric holds a value without loss.

    Examples
    --------
    >>> [measured("tell", 0, "x", value) for value in (0.5, float("nan"), 7, True, float("inf"), -0.0, 2**53 + 1, "a")]
    [True, True, True, True, False, False, False, False]
    """
    if len(metric_key(event, index, name)) > MAX_KEY or isinstance(value, str):
        return False
    if type(value) is float:
        return not math.isinf(value) and (value != 0 or math.copysign(1, value) > 0)
    return abs(value) <= EXACT


class Ledger:
    """The records of one run as they stand in a tracker.

    Parameters
    ----------
    tags : the tags of the tracker's run.

    Raises
    ------
    ValueError : the tags are not a ledger of this version.

    Examples
    --------
    >>> ledger = Ledger({})
    >>> tags = ledger.add([Record("r", 0, "tell", {"score": 0.5, "note": "é"}, at=7)])
    >>> print(tags["metaal.ledger.000000.0000"])
    {"schemas":[["tell",["score","note"],"ft"]],"records":[[0,0,0,7,{"note":"\\u00e9"}]]}
    >>> Ledger(tags).restore("r", {"tell/score": {0: 0.5}})[0].values["note"]
    'é'
    """

    def __init__(self, tags: Mapping[str, str]) -> None:
        self.schemas: list[tuple[str, tuple[str, ...], str]] = []
        self.rows: list[list[Any]] = []
        self.batches = 0
        pieces: dict[int, dict[int, str]] = {}
        for name, text in tags.items():
            if place := _TAG.fullmatch(name):
                pieces.setdefault(int(place[1]), {})[int(place[2])] = text
        # a batch that is not whole was being written when its export was stopped: it is written again
        while found := pieces.get(self.batches):
            text = "".join(found[number] for number in sorted(found))
            try:
                batch = json.loads(text)
            except ValueError:
                break
            try:
                self.schemas += [(event, tuple(names), kinds) for event, names, kinds in batch["schemas"]]
                self.rows += [self._row(row) for row in batch["records"]]
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise ValueError(f"batch {self.batches} is not of this version: {error!r}") from error
            self.batches += 1

    @property
    def keys(self) -> set[tuple[int, str, int]]:
        """The (loop, event, index) of all records."""
        return {(row[1], self.schemas[row[0]][0], row[2]) for row in self.rows}

    @property
    def series(self) -> set[str]:
        """The metrics that hold the values of these records."""
        found: set[str] = set()
        for schema, _, index, _, exact in self.rows:
            event, names, kinds = self.schemas[schema]
            found.update(
                metric_key(event, index, name)
                for name, kind in zip(names, kinds, strict=True)
                if kind != "t" and name not in exact
            )
        return found

    def add(self, records: Iterable[Record]) -> dict[str, str]:
        """Return the tags that add records; the ledger has them from now on."""
        known = {schema: number for number, schema in enumerate(self.schemas)}
        schemas, rows = [], []
        for record in records:
            letters = "".join(LETTER[KIND_OF[type(value)]] for value in record.values.values())
            schema = (record.event, tuple(record.values), letters)
            if schema not in known:
                known[schema] = len(self.schemas)
                self.schemas.append(schema)
                schemas.append([schema[0], list(schema[1]), schema[2]])
            exact = {
                name: value if type(value) is not float or math.isfinite(value) else {"float": repr(value)}
                for name, value in record.values.items()
                if not measured(record.event, record.index, name, value)
            }
            rows.append([known[schema], record.loop, record.index, record.at, exact])
        self.rows += rows
        text = json.dumps({"schemas": schemas, "records": rows}, separators=(",", ":"), allow_nan=False)
        tags = {}
        for number, start in enumerate(range(0, len(text), PIECE)):
            tags[f"metaal.ledger.{self.batches:06d}.{number:04d}"] = text[start : start + PIECE]
        self.batches += 1
        return tags

    def restore(self, run: str, metrics: Mapping[str, Mapping[int, float]]) -> list[Record]:
        """Return the records.

        Parameters
        ----------
        run : name of the run.
        metrics : metric → step → value.

        Raises
        ------
        ValueError : a metric that the ledger counts on is not there, or not of its kind.
        """
        records = []
        for schema, loop, index, at, exact in self.rows:
            event, names, kinds = self.schemas[schema]
            values: dict[str, Scalar] = {}
            for name, kind in zip(names, kinds, strict=True):
                if name in exact:
                    value = exact[name]
                    values[name] = float(value["float"]) if isinstance(value, dict) else value
                    continue
                key = metric_key(event, index, name)
                number = metrics.get(key, {}).get(loop)
                if number is None:
                    raise ValueError(f"metric {key!r} has no value at step {loop}")
                if kind != "f" and not float(number).is_integer():
                    raise ValueError(f"metric {key!r} is {number} at step {loop}; it was a whole number")
                values[name] = float(number) if kind == "f" else bool(number) if kind == "b" else int(number)
            records.append(Record(run, loop, event, values, at=at, index=index))
        return records

    def _row(self, row: Any) -> list[Any]:
        schema, loop, index, at, exact = row
        if not isinstance(exact, dict) or not all(type(n) is int and 0 <= n <= INT64_MAX for n in row[:4]):
            raise ValueError(f"{str(row)[:80]} is not a record")
        wrong = [v for v in exact.values() if type(v) is int and not INT64_MIN <= v <= INT64_MAX]
        if wrong or schema >= len(self.schemas):
            raise ValueError(f"{str(row)[:80]} is not a record")
        return [schema, loop, index, at, exact]
