"""What other programs call their runs and values, as names and kinds that a store accepts."""

from __future__ import annotations

import importlib
import json
import math
import re
import unicodedata
import zlib
from collections.abc import Collection, Mapping
from typing import Any

from ..checks import INT64_MAX, INT64_MIN, MAX_NAME, MAX_TEXT, Scalar, check_name, check_new_run
from ..errors import OptionError, RecordError, StoreError, nearest
from ..kinds import BOOL, FLOAT, INT, TEXT
from ..store import Store

EXACT = 2**53  # whole numbers up to here are floats without loss


class MissingPackageError(StoreError, ImportError):
    """The program at the other end needs a package that is not installed here; the message says which."""


def need(module: str, extra: str) -> Any:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    module : what to import.
    extra : the extra of this distribution that brings it.

    Raises
    ------
    MissingPackageError

    Examples
    --------
    >>> need("json", "none").dumps([])
    '[]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != module.split(".")[0]:
            raise MissingPackageError(f"{module} needs {error.name}, which is not installed: {error}") from error
        raise MissingPackageError(f'{module} is not installed; say: pip install "metaal[{extra}]"') from error


def mark(text: str) -> str:
    """Return eight hex digits that tell two names apart which look the same after cleaning.

    Examples
    --------
    >>> mark("train/loss")
    '4e18173e'
    """
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def cleaned(text: str) -> str:
    """Return a text without what no run's name may have; it may be empty, and different texts may become one.

    Examples
    --------
    >>> cleaned("nets/resnet\\n")
    'nets_resnet_'
    """
    strange = ("Cc", "Cs", "Cf", "Zl", "Zp")
    composed = unicodedata.normalize("NFC", text)
    kept = "".join("_" if unicodedata.category(letter) in strange else letter for letter in composed)
    return re.sub(r"[/\\]|\.\.+", "_", kept)[: MAX_NAME - 20].strip(" .")


def run_name(text: str) -> str:
    """Return a name as it is if a run may have it, else a cleaned one that ends in its mark.

    Parameters
    ----------
    text : any text.

    Returns
    -------
    str : the same for the same text, different for different texts (but for a chance of 2⁻³²).

    Examples
    --------
    >>> run_name("tickets (2)"), run_name("nets/resnet")
    ('tickets (2)', 'nets_resnet-8b971951')
    """
    try:
        return check_new_run(text)
    except RecordError:
        return check_new_run(f"{cleaned(text) or 'run'}-{mark(text)}")


def statistic(prefix: str, text: str) -> str:
    """Return the statistic that a foreign name becomes.

    Parameters
    ----------
    prefix : "user.", "user.param." …
    text : any text.

    Examples
    --------
    >>> statistic("user.", "Test Accuracy"), statistic("user.", "train/loss"), statistic("user.", "正確度")
    ('user.test_accuracy', 'user.train_loss', 'user.name_15f1ccf7')
    """
    clean = re.sub(r"\.\.+", ".", re.sub(r"[^a-z0-9.]+", "_", text.lower()))
    clean = ".".join(word.strip("_") or "_" for word in clean.strip("_.").split(".")) if clean.strip("_.") else ""
    if not clean:
        return f"{prefix}name_{mark(text)}"
    if len(prefix) + len(clean) > MAX_NAME - 5:  # room for ".text"
        clean = f"{clean[: MAX_NAME - 14 - len(prefix)].rstrip('_.')}_{mark(text)}"
    return prefix + clean


def targets(
    sources: Mapping[str, str], columns: Mapping[str, str | None], where: str, *, shorts: str = ""
) -> dict[str, str]:
    """Decide which statistic each foreign name becomes.

    Parameters
    ----------
    sources : foreign name, such as "metrics.acc" → the statistic it becomes by itself.
    columns : foreign name → statistic wanted, or None to leave it out.
    where : the source, for messages.
    shorts : group whose names may be given without it ("metrics." lets "acc" stand for "metrics.acc").

    Returns
    -------
    dict : foreign name → statistic; without those left out.

    Raises
    ------
    OptionError : a name in `columns` is not there, a statistic has an impossible name, or two names become one.

    Examples
    --------
    >>> targets({"metrics.acc": "user.acc"}, {"acc": "score.value"}, "it", shorts="metrics.")
    {'metrics.acc': 'score.value'}
    """
    wanted: dict[str, str | None] = {}
    for name, target in columns.items():
        full = name if name in sources else shorts + name
        if full not in sources:
            raise OptionError(f"{where} has no {name!r}; {nearest(name, sources)}")
        if target is not None:
            try:
                check_name(target)
            except RecordError as error:
                raise OptionError(f"{name!r} of {where}: {error}; map it to such a name") from error
        wanted[full] = target
    found: dict[str, str] = {}
    owner: dict[str, str] = {}
    for name, default in sources.items():
        chosen = wanted.get(name, default)
        if chosen is None:
            continue
        if chosen in owner:
            raise OptionError(f"{owner[chosen]!r} and {name!r} of {where} both become {chosen!r}; map one elsewhere")
        owner[chosen] = name
        found[name] = chosen
    return found


def stored_kinds(store: Store) -> dict[str, str]:
    """Return the kind of every statistic that a store knows.

    Examples
    --------
    >>> from metadata_store import MemoryStore, Record
    >>> store = MemoryStore()
    >>> _ = store.append(Record("r", 0, "tell", {"score": 0.5, "stop": False}))
    >>> stored_kinds(store)
    {'score': 'float', 'stop': 'bool'}
    """
    # the types of an empty table are the kinds of the store's names
    kinds = {"float64": FLOAT, "Int64": INT, "boolean": BOOL}
    return {str(name): kinds.get(str(dtype), TEXT) for name, dtype in store.frame(None, []).dtypes.items()}


def kind_of(value: Any) -> str:
    """Return the kind that holds a value; numbers are floats if that loses nothing.

    Examples
    --------
    >>> kind_of(1), kind_of(True), kind_of("auto"), kind_of(2**60 + 1), kind_of([1])
    ('float', 'bool', 'str', 'str', 'str')
    """
    return BOOL if type(value) is bool else FLOAT if _number(value) else TEXT


def settled(kinds: Mapping[str, Collection[str]], store: Store) -> dict[str, str]:
    """Return one kind for each statistic: that of the store, else the one that all its values have, else text.

    Parameters
    ----------
    kinds : statistic → the kinds of the values that will come.
    store : where they will go.

    Examples
    --------
    >>> from metadata_store import MemoryStore
    >>> settled({"user.lr": {"float"}, "user.depth": {"float", "str"}}, MemoryStore())
    {'user.lr': 'float', 'user.depth': 'str'}
    """
    known = stored_kinds(store)
    return {name: known.get(name) or (next(iter(found)) if len(found) == 1 else TEXT) for name, found in kinds.items()}


def fitted(name: str, kind: str, value: Any) -> tuple[str, Scalar]:
    """Return a value as its statistic's kind, or under `<name>.text` where it is not of that kind.

    Parameters
    ----------
    name, kind : of the statistic.
    value : a number, bool, text, None or anything that JSON can hold.

    Examples
    --------
    >>> fitted("user.lr", "float", 1), fitted("user.lr", "float", "auto"), fitted("user.units", "str", [8, 8])
    (('user.lr', 1.0), ('user.lr.text', 'auto'), ('user.units', '[8, 8]'))
    """
    if kind == BOOL and type(value) is bool:
        return name, value
    if kind == FLOAT and _number(value):
        return name, float(value)
    if kind == INT and _number(value) and math.isfinite(value) and float(value).is_integer():
        return name, int(value)
    if kind == INT and type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return name, value
    text = value if type(value) is str else json.dumps(value, ensure_ascii=True, default=repr)
    if len(text) > MAX_TEXT // 4:
        text = text[: MAX_TEXT // 4] + f"… ({len(text)} letters, {mark(text)})"
    text = text.encode("utf-8", "replace").decode("utf-8")
    return (name if kind == TEXT else f"{name}.text"), text


def scalar_of(text: str) -> float | bool | str:
    """Return what a text spells: a number, a bool, or itself.

    Examples
    --------
    >>> scalar_of("64"), scalar_of("False"), scalar_of("adam"), scalar_of("9007199254740993")
    (64.0, False, 'adam', '9007199254740993')
    """
    plain = text.strip()
    if plain in ("True", "true"):
        return True
    if plain in ("False", "false"):
        return False
    if not plain.isascii() or "_" in plain:
        return text
    try:
        number = float(plain)
        return text if re.fullmatch(r"[+-]?[0-9]+", plain) and int(number) != int(plain) else number
    except (ValueError, OverflowError):
        return text


def _number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= EXACT)
