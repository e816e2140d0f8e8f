"""Rows of a JSONL file of plain objects, as any program logs them: one object is one row, its names are the columns.

Examples
--------
>>> import io
>>> file, path = io.BytesIO(b'{"run": "a", "round": 0, "acc": 1}\\n{"run": "a", "round": 1, "acc": 0.5}\\n'), Path("x")
>>> headers, kinds = object_headers(file, path)
>>> kinds
{'run': 'str', 'round': 'int', 'acc': 'float'}
>>> list(object_rows(file, path, headers))
[(1, ['a', 0, 1]), (2, ['a', 1, 0.5])]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..kinds import BOOL, FLOAT, INT, TEXT
from .footer import MAX_COLUMNS
from .jsonl import FIELDS
from .loading import SourceError, lines, opened

MAX_LINE = 2**24
KINDS: dict[type, str] = {float: FLOAT, int: INT, bool: BOOL, str: TEXT}


def holds_objects(path: Path) -> bool:
    """Whether the first line of a JSONL file is a plain object and not a record that `export` wrote.

    A record has run, loop and event, and nothing but a record's fields.

    Raises
    ------
    SourceError : the file cannot be opened.
    """
    with opened(path) as file:
        for number, text in lines(file, str(path), limit=MAX_LINE):
            if text.strip():
                try:
                    found = _object(text, number)
                except ValueError:
                    return False  # the reader of records says what is wrong
                return not (set(FIELDS[:3]) <= found.keys() <= set(FIELDS))
    return False


def object_headers(file: IO[bytes], path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of all objects in the order in which they come, and the kind of each.

    Parameters
    ----------
    file, path : the open file, and its name for messages.

    Returns
    -------
    (list of str, dict) : for each name the kind of its first value ("float" if ints and floats come), "" where a value
        is a list or an object; a name whose values are all null has no kind.

    Raises
    ------
    SourceError : a line is no object, or there are too many names.
    """
    names: dict[str, None] = {}
    kinds: dict[str, str] = {}
    for _, found in _objects(file, path):
        for name, value in found.items():
            names[name] = None
            kind = KINDS.get(type(value), "")
            if value is None or kinds.get(name) in ("", kind):
                continue
            if name not in kinds or not kind or {kinds[name], kind} == {INT, FLOAT}:
                kinds[name] = FLOAT if name in kinds and kind else kind
        if len(names) > MAX_COLUMNS:
            raise SourceError(f"{path} has objects of over {MAX_COLUMNS} names in all; leave out those not wanted")
    if not names:
        raise SourceError(f"{path} is empty; expected a line for each loop of each run")
    return list(names), kinds


def object_rows(file: IO[bytes], path: Path, headers: list[str]) -> Iterator[tuple[int, list[Any]]]:
    """Yield (line, cells) of each object, None where it lacks a name.

    Raises
    ------
    SourceError : a line is no object.
    """
    for number, found in _objects(file, path):
        yield number, [found.get(name) for name in headers]


def _objects(file: IO[bytes], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    file.seek(0)
    for number, text in lines(file, str(path), limit=MAX_LINE, start=b"{"):
        if not text.strip():
            continue
        try:
            yield number, _object(text, number)
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: not an object of JSON: {error}") from error


def _object(text: bytes, number: int) -> dict[str, Any]:
    text = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply; expected names and plain values") from None
    if not isinstance(found, dict):
        raise ValueError(f"it is a {type(found).__name__}; expected names and plain values")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice; give each once")
    return found
