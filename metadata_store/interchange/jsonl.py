"""One record as one line of JSON, and back, without loss.

A line is an object of plain JSON that any program reads::

    {"run": "tickets", "loop": 3, "event": "tell", "index": 0, "at": 1735689600000000000,
     "values": {"score": 0.81, "labels": 20, "loss": {"float": "nan"}},
     "arrays": {"ids": {"dtype": "<i8", "shape": [2], "data": "AQAAAAAAAAACAAAAAAAAAA=="}}}

Numbers with a point or an exponent are floats, the others ints of 64 bits; the floats that JSON lacks are written as
``{"float": "nan"}``, ``"inf"`` or ``"-inf"``; arrays are the base64 of their bytes, little-endian, in C order.

A line may come from anywhere. Reading one takes memory of about four times its length, and no more: what JSON would
blow up (millions of empty lists, of short names, of digits) is refused before it is parsed, and base64 before it is
decoded.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

import numpy as np

from ..checks import MAX_ARRAYS, MAX_VALUES, Scalar, shown
from ..record import Record

FIELDS = ("run", "loop", "event", "index", "at", "values", "arrays")
_DTYPE = re.compile(r"[<>|]?[biufU][1-9][0-9]{0,8}")
SPECIAL = ("nan", "inf", "-inf")

SMALL = 2**20  # shorter lines are parsed as they are
# What a record can have outside of strings: 48 bytes a value, 240 an array of 8 dimensions; twice that for spaces.
MAX_STRUCTURE = 2 * (48 * MAX_VALUES + 240 * MAX_ARRAYS)
# Possessive: a string of a gigabyte of escapes costs no memory; \\Z: an open one is not searched again from each quote.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)


def line(record: Record) -> bytes:
    """Return a record as a line of JSON in UTF-8, with its line feed.

    Examples
    --------
    >>> line(Record("r", 0, "tell", {"x": float("inf")}, at=5))
    b'{"run":"r","loop":0,"event":"tell","index":0,"at":5,"values":{"x":{"float":"inf"}},"arrays":{}}\\n'
    """
    parts = {
        "run": record.run,
        "loop": record.loop,
        "event": record.event,
        "index": record.index,
        "at": record.at,
        "values": {name: _plain(value) for name, value in record.values.items()},
        "arrays": {
            name: {
                "dtype": array.dtype.str,
                "shape": array.shape,
                "data": base64.b64encode(array.tobytes()).decode("ascii"),
            }
            for name, array in record.arrays.items()
        },
    }
    return json.dumps(parts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def parse(text: bytes) -> Record:
    """Return the record of a line.

    Parameters
    ----------
    text : one JSON object in UTF-8; run, loop and event must be there, other fields than those of a record must not.

    Raises
    ------
    ValueError : the line is not a record; the message says why. `RecordError` is one.

    Examples
    --------
    >>> parse(b'{"run": "r", "loop": 0, "event": "tell", "values": {"score": 0.5}}').values["score"]
    0.5
    """
    if len(text) > SMALL:
        _check_structure(text)
    try:
        parts = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant, parse_int=_int)
    except RecursionError:
        raise ValueError("it is nested too deeply; expected one record") from None
    if not isinstance(parts, dict):
        raise ValueError(f"it is a JSON {type(parts).__name__}; expected an object with run, loop and event")
    missing = [name for name in FIELDS[:3] if name not in parts]
    strange = [name for name in parts if name not in FIELDS]
    if missing or strange:
        wrong = f"no field {missing[0]!r}" if missing else f"an unknown field {shown(strange[0])}"
        raise ValueError(f"it has {wrong}; a record has {', '.join(FIELDS)}")
    values, arrays = parts.pop("values", {}), parts.pop("arrays", {})
    if not isinstance(values, dict) or not isinstance(arrays, dict):
        raise ValueError("values and arrays must be JSON objects, name to value")
    scalars = {name: _scalar(name, value) for name, value in values.items()}
    return Record(**parts, values=scalars, arrays={name: _array(name, value) for name, value in arrays.items()})


def _plain(value: Scalar) -> Any:
    if type(value) is not float or math.isfinite(value):
        return value
    return {"float": "nan" if value != value else "inf" if value > 0 else "-inf"}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; by itself the last of two equal names would silently win."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"a name stands twice in one object, {shown(twice)}; give each once")
    return found


def _check_structure(text: bytes) -> None:
    """Refuse a long line whose length is not that of its strings: [] takes two bytes here and fifty once parsed."""
    inside = 0
    for found in _STRING.finditer(text):
        inside += found.end() - found.start() - 2
        if found.end() - inside > MAX_STRUCTURE:
            break
    if len(text) - inside > MAX_STRUCTURE:
        raise ValueError(
            f"it has over {MAX_STRUCTURE} bytes outside of strings; a record has at most {MAX_VALUES} values and "
            f"{MAX_ARRAYS} arrays: give many numbers as one array"
        )


def _int(text: str) -> int:
    """Return a whole number; one of a million digits is refused before Python takes minutes to convert it."""
    if len(text) > 20:
        raise ValueError(f"a whole number of {len(text)} digits is beyond 64 bits; write it with a point, or as text")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f'{text} is not JSON; write {{"float": "nan"}}, "inf" or "-inf"')


def _scalar(name: str, value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f'value {name!r} is too large for a float of 64 bits; write {{"float": "inf"}} if meant')
    if not isinstance(value, dict):
        return value
    if list(value) != ["float"] or not isinstance(value["float"], str) or value["float"] not in SPECIAL:
        raise ValueError(f'value {name!r} is {shown(value)}; expected a number, text, true, false or {{"float": …}}')
    return float(value["float"])


def _array(name: str, value: Any) -> np.ndarray:
    """Return an array; nothing larger than the bytes that are there is made."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data"}:
        raise ValueError(f"array {name!r} is not an object of dtype, shape and data")
    shape, text = value["shape"], value["data"]
    if (
        not isinstance(shape, list)
        or len(shape) > 8
        or not all(type(size) is int and 0 <= size < 2**62 for size in shape)
    ):
        raise ValueError(f"array {name!r} has shape {shown(shape)}; expected a list of whole numbers, 8 at most")
    if not isinstance(text, str):
        raise ValueError(f"array {name!r} has data {shown(text)}; expected its bytes as text in base64")
    try:
        if not isinstance(value["dtype"], str) or not _DTYPE.fullmatch(value["dtype"]):
            raise ValueError(f"its dtype is {shown(value['dtype'])}; expected one such as '<f8', '|b1' or '<U5'")
        dtype = np.dtype(value["dtype"])
        wanted = math.prod(shape) * dtype.itemsize
        if len(text) != -(-wanted // 3) * 4:
            raise ValueError(f"{len(text)} letters of base64; its dtype and shape need {-(-wanted // 3) * 4}")
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"array {name!r} cannot be read: {error}") from None
    if len(data) != wanted:
        raise ValueError(f"array {name!r} has {len(data)} bytes; its dtype and shape need {wanted}")
    if dtype.kind == "b" and data.strip(b"\0\1"):
        raise ValueError(f"array {name!r} is bool and has bytes other than 0 and 1")
    if dtype.kind == "U" and (np.frombuffer(data, dtype.byteorder.replace("=", "<") + "u4") > 0x10FFFF).any():
        raise ValueError(f"array {name!r} has letters beyond Unicode")
    return np.frombuffer(data, dtype).reshape(shape)
