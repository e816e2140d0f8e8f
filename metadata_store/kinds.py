"""Types that never change: the kind (float, int, bool, str) that every name has in a store."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from .checks import Scalar
from .errors import RecordError
from .record import Record, restored

FLOAT, INT, BOOL, TEXT = "float", "int", "bool", "str"
KIND_OF: dict[type, str] = {float: FLOAT, int: INT, bool: BOOL, str: TEXT}


class Kinds:
    """The kind of each value name, set by its first record.

    Examples
    --------
    >>> kinds = Kinds()
    >>> kinds.learn(["score"], ["float"])
    []
    >>> kinds.fit(Record("r", 0, "tell", {"score": 1})).values["score"]
    1.0
    """

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def learn(self, names: Iterable[str], kinds: Iterable[str]) -> list[str]:
        """Remember the kinds of names that are new.

        Parameters
        ----------
        names, kinds : equally many; kinds are "float", "int", "bool" or "str".

        Returns
        -------
        list of str : the names that have another kind already (they keep it).
        """
        known = self.of
        return [name for name, kind in zip(names, kinds, strict=True) if known.setdefault(name, kind) != kind]

    def fit(self, record: Record) -> Record:
        """Return the record with ints turned into floats where the name is known as float.

        Parameters
        ----------
        record : any record.

        Returns
        -------
        Record : the same one if nothing was to be changed.

        Raises
        ------
        RecordError : a value's kind differs from the one its name has.
        """
        known = self.of
        changed: dict[str, Scalar] = {}
        for name, value in record.values.items():
            kind = KIND_OF[type(value)]
            before = known.get(name, kind)
            if before == kind:
                continue
            if before != FLOAT or kind != INT:
                raise RecordError(
                    f"value {name!r} is {value!r}, a {kind}, but this store knows {name!r} as {before}; "
                    f"types never change: give a {before}, or use another name"
                )
            changed[name] = float(value)
        if not changed:
            return record
        values = MappingProxyType({**record.values, **changed})
        return restored(record.run, record.loop, record.event, values, record.arrays, record.at, record.index)
