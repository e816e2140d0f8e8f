"""A regime: changes in a row, with one spelling, read without evaluating anything."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from metaal.errors import TaskError
from metaal.randomness import generator
from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, find_change

MAX_LENGTH = 500
MAX_CHANGES = 12


@dataclass(frozen=True)
class Regime:
    """Changes of a task, applied from left to right.

    The order matters where one change touches what another has made: ``redundancy(...)+noise(...)`` lets the annotator
    err on each duplicate anew, ``noise(...)+redundancy(...)`` makes the same error on all of them.

    Parameters
    ----------
    changes : tuple of Change
        None = clean.

    Examples
    --------
    >>> regime = read_regime("imbalance(ratio=0.01) + noise(rate=0.3, kind='uniform')")
    >>> str(regime), len(regime.changes)
    ('imbalance(ratio=0.01)+noise(rate=0.3)', 2)
    >>> str(Regime())
    'clean'
    """

    changes: tuple[Change, ...] = ()

    @property
    def spelling(self) -> str:
        """Canonical text; equal regimes have equal texts."""
        return "+".join(change.spelling for change in self.changes) or "clean"

    def __str__(self) -> str:
        return self.spelling

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def facts(self) -> dict[str, float | str]:
        """Every parameter of every change, for the tags of a run: ``{"noise.rate": 0.3, "noise.kind": "uniform"}``.

        A change that comes a second time is ``noise2``.
        """
        out: dict[str, float | str] = {}
        for change, before in self._counted():
            head = f"{change.name}{before + 1}" if before else change.name
            for key, value in change.parameters.items():
                out[f"{head}.{key}"] = value if isinstance(value, str) else float(value)
        return out

    def apply(self, layout: Layout, *, seeds: Mapping[str, int], name: str) -> Layout:
        """The layout with all changes made.

        Parameters
        ----------
        layout : Layout
        seeds : mapping
            The task's, by name; a change of the start draws from ``initial``, all others from ``split``.
        name : str
            Of the data.

        The random numbers of a change depend on its name and on how often it came before, and on nothing else of the
        regime: with the same seed, ``noise(rate=0.1)`` errs on rows that ``noise(rate=0.3)`` errs on too.
        """
        for change, before in self._counted():
            layout = change.apply(layout, generator(seeds[change.seed], name, before, f"regime:{change.name}"))
        return layout

    def _counted(self) -> list[tuple[Change, int]]:
        count: Counter[str] = Counter()
        out = []
        for change in self.changes:
            out.append((change, count[change.name]))
            count[change.name] += 1
        return out


CLEAN = Regime()


def read_regime(regime: Regime | Change | str | Iterable[Change]) -> Regime:
    """The regime that a text spells; a regime, a change or several changes are taken as they are.

    Raises
    ------
    TaskError
        The text can't be read, there is no such change, or a parameter is out of range.

    Examples
    --------
    >>> read_regime("clean") == Regime()
    True
    >>> read_regime("nois(rate=0.3)")
    Traceback (most recent call last):
    ...
    metaal.errors.TaskError: no regime is called 'nois'; did you mean 'noise'? Expected clean, or some of batch, \
cold_start, imbalance, noise, noise_columns, redundancy, shift, unseen, joined by +
    """
    if isinstance(regime, Regime):
        return regime
    if isinstance(regime, Change):
        return Regime((regime,))
    if not isinstance(regime, str):
        changes = tuple(regime) if isinstance(regime, Iterable) else (regime,)
        strange = [item for item in changes if not isinstance(item, Change)]
        if strange:
            raise TaskError(f"regime: got {strange[0]!r}, expected a text such as 'noise(rate=0.3)', or changes")
        return Regime(changes)
    text = regime.strip()
    if not text or len(text) > MAX_LENGTH:
        raise TaskError(
            f"regime: the text has {len(text)} characters, expected 1 to {MAX_LENGTH}; write clean for none"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python's parser finds doubtful is no regime
            node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise _unreadable(text, str(error).split("(<", 1)[0].strip()) from None
    nodes: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        nodes.insert(0, node.right)
        node = node.left
    nodes.insert(0, node)
    if len(nodes) > MAX_CHANGES:
        raise _unreadable(text, f"{len(nodes)} changes, at most {MAX_CHANGES} can be joined")
    # clean + noise is noise: clean is the neutral element.
    return Regime(tuple(_change(n, text) for n in nodes if not (isinstance(n, ast.Name) and n.id == "clean")))


def _change(node: ast.expr, text: str) -> Change:
    if isinstance(node, ast.Name):
        name, keywords, positional = node.id, [], []
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name, keywords, positional = node.func.id, node.keywords, node.args
    else:
        raise _unreadable(text, f"{ast.unparse(node)[:40]!r} is not a change such as noise(rate=0.3)")
    cls = find_change(name)
    known = [parameter.name for parameter in fields(cls)]
    if positional:
        raise _unreadable(text, f"{name} takes its parameters by name: {', '.join(known)}")
    given: dict[str, Any] = {}
    for word in keywords:
        if word.arg is None or word.arg in given:
            raise _unreadable(text, "a parameter is repeated" if word.arg else "** is not allowed")
        if word.arg not in known:
            raise _unreadable(text, f"{name} has no parameter {word.arg!r}; it has {', '.join(known)}")
        try:
            given[word.arg] = ast.literal_eval(word.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise _unreadable(text, f"{word.arg}: only numbers and quoted texts are read ({error})") from None
    try:
        return cls(**given)
    except TypeError as error:  # a parameter without a default is missing
        raise _unreadable(
            text, f"{name}: {str(error).split('() ', 1)[-1]}; write for example {name}({known[0]}=...)"
        ) from None


def _unreadable(text: str, why: str) -> TaskError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return TaskError(
        f"regime: can't read {shown!r}: {why}; expected clean, or changes such as imbalance(ratio=0.1)+noise(rate=0.3)"
    )
