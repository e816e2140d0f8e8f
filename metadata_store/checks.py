"""What a record may contain: one small function for each kind of field."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from .errors import RecordError

Scalar = float | int | bool | str

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
MAX_NAME = 200
MAX_TEXT = 2**20
MAX_RECORD = 2**30 - 2**21  # a frame may have 1 GiB; the rest is room for keys and lengths
MAX_VALUES = 16_384  # of a new record; what is stored can be read whatever it has
MAX_ARRAYS = 4_096

# Names that Windows keeps for devices, with any suffix: a file named after such a run would not be a file.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?", re.IGNORECASE | re.DOTALL)
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"  # letters and a symbol by category, and nothing to see

MOST_SEEN = 256  # sets of names that need not be checked again
_SEEN: set[tuple[str, ...]] = set()

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_EVENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def shown(value: object, limit: int = 60) -> str:
    """Return a value as an error message shows it: short, whatever it is.

    Parameters
    ----------
    value : anything; numbers of a million digits, texts of a gigabyte and lists within lists too.
    limit : letters, about.

    Examples
    --------
    >>> shown("x" * 10**6, 5), shown(10**5000), shown(float("nan")), shown([[[]]] * 9, 20)
    ("'xxxxx'…", 'an int of 16610 bits', 'nan', '[[[]], [[]], [[]], […')
    """
    if isinstance(value, int | np.integer) and int(value).bit_length() > 256:
        return f"an int of {int(value).bit_length()} bits"
    if isinstance(value, str | bytes):
        return repr(value[:limit]) + "…" * (len(value) > limit)
    try:
        text = reprlib.repr(value)
    except Exception:  # somebody else's __repr__, while an error is being told
        text = f"<{type(value).__name__}>"
    return text[:limit] + "…" * (len(text) > limit)


@lru_cache(maxsize=4096)
def check_new_run(run: str) -> str:
    """Return the name of a run that is to be written, or say why it cannot be one.

    Beside what `check_run` asks, two names that look alike must be the same, and a file may be named after a run.

    Parameters
    ----------
    run : as `check_run` takes it; in Unicode's composed form (NFC); nothing invisible (signs that turn the direction of
        writing, letters of no width, spaces at an end); no final dot, no name of a Windows device.

    Returns
    -------
    str : the same name as a plain `str`.

    Raises
    ------
    RecordError : the name is not acceptable.

    Examples
    --------
    >>> check_new_run("tickets-2024 (été)")
    'tickets-2024 (été)'
    """
    run = check_run(run)
    for letter in run:
        if unicodedata.category(letter) in ("Cf", "Zl", "Zp") or letter in _BLANK:
            name = unicodedata.name(letter, "a sign without a name")
            raise RecordError(f"run {run!r} has U+{ord(letter):04X} ({name}), which is invisible; remove it")
    if not unicodedata.is_normalized("NFC", run):
        raise RecordError(
            f"run {run!a} is not in Unicode's composed form and looks like another name; give "
            "unicodedata.normalize('NFC', run)"
        )
    if run != run.strip() or run.endswith("."):
        raise RecordError(f"run {run!r} begins or ends with a space, or ends with a dot; remove it")
    if _DEVICE.fullmatch(run):
        raise RecordError(f"run {run!r} is the name of a device on Windows; add a letter, such as {'run-' + run!r}")
    return run


@lru_cache(maxsize=4096)
def check_run(run: str) -> str:
    """Return the name of a run that is stored, or say why it cannot be one.

    Parameters
    ----------
    run : 1 to 200 characters; no control characters, no "/", "\\\\" or "..", not ".".

    Returns
    -------
    str : the same name as a plain `str`.

    Raises
    ------
    RecordError : the name is not acceptable.

    Examples
    --------
    >>> check_run("tickets-2024 (été)")
    'tickets-2024 (été)'
    """
    if not isinstance(run, str):
        raise RecordError(
            f"run is {shown(run)}, of type {type(run).__name__}; give a str of 1 to {MAX_NAME} characters"
        )
    if not 1 <= len(run) <= MAX_NAME:
        raise RecordError(f"run has {len(run)} characters ({run[:20]!r}…); give 1 to {MAX_NAME}")
    if "/" in run or "\\" in run or ".." in run or run == ".":
        raise RecordError(f"run {run!r} looks like a path; leave out '/', '\\' and '..'")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in run):
        raise RecordError(f"run {run!r} has a control character or half a surrogate pair; remove it")
    return str(run)


@lru_cache(maxsize=1024)
def check_event(event: str) -> str:
    """Return an event's name: an ASCII identifier of at most 200 characters, or raise `RecordError`.

    Examples
    --------
    >>> check_event("tell")
    'tell'
    """
    if not isinstance(event, str) or len(event) > MAX_NAME or not _EVENT.fullmatch(event):
        raise RecordError(
            f"event is {shown(event)}; give an identifier such as 'ask' or 'tell', at most {MAX_NAME} letters"
        )
    return str(event)


@lru_cache(maxsize=65536)
def check_name(name: str) -> str:
    """Return the name of a value or array: dotted lower-case words, or raise `RecordError`.

    Examples
    --------
    >>> check_name("pool.margin.q05")
    'pool.margin.q05'
    """
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise RecordError(
            f"name {shown(name)} is not dotted lower-case words such as 'pool.margin.q05' (a-z, 0-9, _; at most "
            f"{MAX_NAME})"
        )
    return str(name)


def check_count(field: str, number: object) -> int:
    """Return a whole number from 0 to 2**63 - 1 as `int`, or raise `RecordError` naming the field.

    Examples
    --------
    >>> check_count("loop", np.int32(3))
    3
    """
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
        raise RecordError(f"{field} is {shown(number)}, of type {type(number).__name__}; give an int")
    if not 0 <= int(number) <= INT64_MAX:
        raise RecordError(f"{field} is {shown(number)}; give 0 to 2**63 - 1")
    return int(number)


def check_scalar(name: str, value: object) -> Scalar:
    """Return one value as a plain float, int, bool or str.

    Parameters
    ----------
    name : the value's name, for the message.
    value : a Python or numpy scalar; floats may be NaN or infinite, ints must fit 64 bits, text 1 MiB of UTF-8.

    Returns
    -------
    float, int, bool or str

    Raises
    ------
    RecordError : any other type, an int beyond 64 bits, or text that is too long or not valid Unicode.

    Examples
    --------
    >>> check_scalar("score", np.float32(0.5))
    0.5
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        if not INT64_MIN <= int(value) <= INT64_MAX:
            raise RecordError(f"value {name!r} is {shown(value)}, beyond 64 bits; store it as float or as text")
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, str):
        try:
            # no letter has less than a byte: a huge text is not encoded to learn its size
            size = len(value) if len(value) > MAX_TEXT else len(value.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise RecordError(f"value {name!r} has half a surrogate pair at letter {error.start}; remove it") from None
        if size > MAX_TEXT:
            raise RecordError(f"value {name!r} has {size} bytes of text; at most {MAX_TEXT} are allowed")
        return str(value)
    if value is None:
        raise RecordError(f"value {name!r} is None; leave a missing value out, or store float('nan')")
    hint = "; put arrays into `arrays`" if isinstance(value, (np.ndarray, list, tuple)) else ""
    raise RecordError(f"value {name!r} is of type {type(value).__name__}; give a float, int, bool or str{hint}")


def check_array(name: str, value: object, *, room: int = MAX_RECORD) -> np.ndarray:
    """Return a read-only, C-ordered, little-endian copy of one array.

    Parameters
    ----------
    name : the array's name, for the message.
    value : bool, integer, float (16 to 64 bits) or fixed-width text, at most 8 dimensions, any shape.
    room : bytes that it may have.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    RecordError : another dtype (objects, dates, complex), a masked array, more than 8 dimensions, or more bytes than a
        record may have (an array that repeats one number by stride 0 has few until it is copied).

    Examples
    --------
    >>> check_array("ids", [3, 1]).flags.writeable
    False
    """
    if isinstance(value, np.ma.MaskedArray):
        raise RecordError(
            f"array {name!r} is masked; fill it first: array.filled(...), or store the mask as another array"
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RecordError(
            f"array {name!r} cannot become a numpy array ({str(error)[:200]}); give rows of equal length"
        ) from None
    except MemoryError:  # one long text among many short ones: fixed width pays for the longest everywhere
        raise RecordError(f"array {name!r} does not fit into memory as a numpy array; shorten its texts") from None
    kind, size = array.dtype.kind, array.dtype.itemsize
    allowed = kind in "biuU" or (kind == "f" and size <= 8)
    if not allowed:
        hints = {"O": "use .astype(str) or .astype(float)", "T": "use .astype(str)", "M": "use .astype('int64')"}
        hint = hints.get(kind, "convert it to bool, integer, float64 or fixed-width text")
        raise RecordError(f"array {name!r} has dtype {array.dtype}, which has no fixed width or meaning here; {hint}")
    if array.ndim > 8:
        raise RecordError(f"array {name!r} has {array.ndim} dimensions; at most 8 are allowed")
    if array.nbytes > room:
        raise RecordError(
            f"array {name!r} has {array.nbytes} bytes, and {room} of the {MAX_RECORD} of a record are left; store "
            "large arrays in parts"
        )
    dtype = np.dtype("<U1") if kind == "U" and size == 0 else array.dtype.newbyteorder("<")
    copy = np.array(array, dtype=dtype, order="C", copy=True, subok=False)
    copy.setflags(write=False)
    return copy


def check_values(values: Mapping[str, Any]) -> Mapping[str, Scalar]:
    """Return the values of a new record, checked, as a read-only mapping in the order given.

    Raises
    ------
    RecordError : more than 16,384 values, or one that is not acceptable.

    Examples
    --------
    >>> dict(check_values({"score": np.float64(1)}))
    {'score': 1.0}
    """
    if not isinstance(values, Mapping):
        raise RecordError(f"values is of type {type(values).__name__}; give a mapping from name to scalar")
    if len(values) > MAX_VALUES:
        raise RecordError(
            f"values has {len(values)} entries; a record has at most {MAX_VALUES}: put numbers of one kind into an "
            "array, record.arrays"
        )
    names = tuple(values)
    if names not in _SEEN:
        names = tuple([check_name(name) for name in names])
        # a run gives the same names at every loop
        if len(_SEEN) >= MOST_SEEN:
            _SEEN.clear()
        if all(type(name) is str for name in values):
            _SEEN.add(names)
    given = values.values()
    return MappingProxyType(
        {n: value if type(value) is float else check_scalar(n, value) for n, value in zip(names, given, strict=True)}
    )


def check_arrays(arrays: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return the arrays of a new record, checked and copied, as a read-only mapping in the order given.

    Raises
    ------
    RecordError : more than 4,096 arrays, more bytes than a record may have, or an array that is not acceptable.

    Examples
    --------
    >>> check_arrays({"ids": np.array([1, 2], ">i8")})["ids"].dtype.str
    '<i8'
    """
    if not isinstance(arrays, Mapping):
        raise RecordError(f"arrays is of type {type(arrays).__name__}; give a mapping from name to numpy array")
    if len(arrays) > MAX_ARRAYS:
        raise RecordError(
            f"arrays has {len(arrays)} entries; a record has at most {MAX_ARRAYS}: join arrays of one dtype into one"
        )
    checked: dict[str, np.ndarray] = {}
    room = MAX_RECORD
    for name, value in arrays.items():
        array = checked[check_name(name)] = check_array(name, value, room=room)
        room -= array.nbytes
    return MappingProxyType(checked)
