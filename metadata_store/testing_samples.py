"""What the checks of a store share: records that are hard to keep, and ways to say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .record import Record
from .store import Store

Factory = Callable[..., Store]


def samples() -> list[Record]:
    """Return records that are hard to keep: limits, NaN, Unicode, empty and foreign arrays.

    Examples
    --------
    >>> len({record.key for record in samples()}) == len(samples())
    True
    """
    inf, nan = float("inf"), float("nan")
    arrays: dict[str, Any] = {
        "none": np.zeros((0, 3), np.float32),
        "zero_d": np.array(2.5),
        "big_endian": np.arange(5, dtype=">i4"),
        "strided": np.arange(24.0).reshape(4, 6)[::2, ::-3],
        "fortran": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        "deep": np.zeros((1, 2, 1, 2, 1, 2, 1, 2), bool),
        "text": np.array(["", "é", "日本語", "\U0001f600"]),
        "no_text": np.array([], dtype=str),
        "nan": np.array([nan, -nan, inf, -0.0]),
        "half": np.array([1.5, -2], np.float16),
        "limits": np.array([2**64 - 1, 0], np.uint64),
    }
    foreign: dict[str, Any] = {"score": np.float32(0.1), "labels": np.int8(-3), "stop": np.bool_(True)}
    return [
        Record("plain", 0, "begin"),
        Record("plain", 0, "ask", {"score": 0.25, "labels": 20, "stop": False, "note": "text"}),
        Record("plain", 0, "tell", {"score": nan, "labels": 2**63 - 1, "stop": True, "note": ""}),
        Record("plain", 0, "tell", {"score": -inf, "labels": -(2**63)}, index=1),
        Record("plain", 1, "tell", {"score": inf, "small.most": 5e-324, "note": "é\n\0日本語\U0001f600"}),
        Record("plain", 2, "tell", foreign, at=5),
        Record("rün 日本 \U0001f600", 0, "tell", {"score": -0.0}, arrays),
        Record("plain", 2**63 - 1, "tell", {f"many.s{i:03d}": float(i) for i in range(300)}, index=2**63 - 1),
        Record("plain", 3, "end", {}, {"ids": np.arange(1000)}),
    ]


def same(one: Record, other: Record, *, at: bool = True) -> bool:
    """Say whether two records agree in all_of, the time too unless `at` is False."""
    return one.same_content(other) and (not at or one.at == other.at)


def raises(error: type[Exception], call: Callable[[], object]) -> Exception:
    """Return the error that a call raises; fail if it raises none or another one."""
    try:
        call()
    except error as found:
        if not str(found).strip():
            raise AssertionError(f"{error.__name__} was raised without a message") from found
        return found
    raise AssertionError(f"{error.__name__} was expected, and nothing was raised")


def need(condition: object, what: str) -> None:
    """Fail with a sentence if a condition does not hold."""
    if not condition:
        raise AssertionError(what)


def filled(factory: Factory) -> tuple[Store, list[Record]]:
    store = factory()
    return store, [store.append(record) for record in samples()]


def all_of(store: Store) -> list[Record]:
    return [record for run in store.runs() for record in store.records(run)]
