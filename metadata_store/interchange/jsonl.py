"""One record as one line of JSON, and back, without loss.

A line is an object of plain JSON that any program reads::

    {"run": "tickets", "loop": 3, "event": "tell", "index": 0, "at": 1735689600000000000,
     "values": {"score": 0.81, "labels": 20, "loss": {"float": "nan"}},
     "arrays": {"ids": {"dtype": "<i8", "shape": [2], "data": "AQAAAAAAAAACAAAAAAAAAA=="}}}

Numbers with a point or an exponent are floats, the others ints of 64 bits; the floats that JSON lacks are written as
``{"float": "nan"}``, ``"inf"`` or ``"-inf"``; arrays are the base64 of their bytes, little-endian, in C order.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

import numpy as np

from ..checks import Scalar
from ..record import Record

FIELDS = ("run", "loop", "event", "index", "at", "values", "arrays")
_DTYPE = re.compile(r"[<>|]?[biufU][1-9][0-9]{0,8}")
SPECIAL = ("nan", "inf", "-inf")


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
    try:
        parts = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply; expected one record") from None
    if not isinstance(parts, dict):
        raise ValueError(f"it is a JSON {type(parts).__name__}; expected an object with run, loop and event")
    missing = [name for name in FIELDS[:3] if name not in parts]
    strange = [name for name in parts if name not in FIELDS]
    if missing or strange:
        wrong = f"no field {missing[0]!r}" if missing else f"an unknown field {strange[0]!r}"
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
        raise ValueError(f"a name stands twice in {', '.join(name for name, _ in pairs)[:80]}; give each once")
    return found


def _constant(text: str) -> float:
    raise ValueError(f'{text} is not JSON; write {{"float": "nan"}}, "inf" or "-inf"')


def _scalar(name: str, value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f'value {name!r} is too large for a float of 64 bits; write {{"float": "inf"}} if meant')
    if not isinstance(value, dict):
        return value
    if list(value) != ["float"] or value["float"] not in SPECIAL:
        raise ValueError(f'value {name!r} is {str(value)[:60]}; expected a number, text, true, false or {{"float": …}}')
    return float(value["float"])


def _array(name: str, value: Any) -> np.ndarray:
    """Return an array; nothing larger than the bytes that are there is made."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data"}:
        raise ValueError(f"array {name!r} is not an object of dtype, shape and data")
    shape = value["shape"]
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**62 for size in shape):
        raise ValueError(f"array {name!r} has shape {str(shape)[:60]}; expected a list of whole numbers")
    try:
        if not isinstance(value["dtype"], str) or not _DTYPE.fullmatch(value["dtype"]):
            raise ValueError(f"its dtype is {str(value['dtype'])[:60]!r}; expected one such as '<f8', '|b1' or '<U5'")
        dtype = np.dtype(value["dtype"])
        data = base64.b64decode(value["data"], validate=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"array {name!r} cannot be read: {error}") from None
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise ValueError(f"array {name!r} has {len(data)} bytes; its dtype and shape need {wanted}")
    if dtype.kind == "b" and data.strip(b"\0\1"):
        raise ValueError(f"array {name!r} is bool and has bytes other than 0 and 1")
    if dtype.kind == "U" and (np.frombuffer(data, dtype.byteorder.replace("=", "<") + "u4") > 0x10FFFF).any():
        raise ValueError(f"array {name!r} has letters beyond Unicode")
    return np.frombuffer(data, dtype).reshape(shape)
