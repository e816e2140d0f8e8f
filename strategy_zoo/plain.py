"""A plain function ``f(view, n, rng) -> rows`` as a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import FunctionType, MethodType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from strategy_zoo.errors import SpellingError, ZooError
from strategy_zoo.proposal import Proposal
from strategy_zoo.strategy import Kind, Strategy
from strategy_zoo.view import View

Rule = Callable[[View, int, np.random.Generator], ArrayLike | Proposal]

_kept: dict[str, Plain] = {}


@dataclass(frozen=True, repr=False)
class Plain(Strategy):
    """A user's function, accepted wherever a strategy is.

    The rows come in the order in which the function returns them; a `Proposal` may be returned instead. It has the text
    ``plain('name')``, which only the process that knows the function can read back: to resume a run that began with
    one, pass the function again. Without a name of its own it is called after its class.

    Parameters
    ----------
    function : callable(view, n, rng) -> n rows, or a Proposal.
    label : its name; that of the function when left out.

    Examples
    --------
    >>> import strategy_zoo
    >>> def last(view, n, rng):
    ...     return range(view.n - n, view.n)
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]])
    >>> strategy_zoo.propose(last, view, 1, np.random.default_rng(0)).rows.tolist()
    [2]
    >>> strategy_zoo.get(last)
    plain('last')
    """

    name: ClassVar[str] = "plain"
    family: ClassVar[str] = "user"
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression", "multilabel")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "unknown"
    reference: ClassVar[str] = "the user's own"

    function: Rule
    label: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, type):
            raise ZooError(
                f"a strategy is a {type(self.function).__name__}, expected a Strategy, its spelling such as 'margin', "
                "or a function f(view, n, rng) -> rows"
            )
        object.__setattr__(self, "label", self.label or _named(self.function))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        answer = self.function(view, n, rng)
        if isinstance(answer, Proposal):
            return answer
        try:
            rows = np.asarray(list(answer) if isinstance(answer, range | set | map | filter) else answer)
        except (TypeError, ValueError) as error:
            kind = type(answer).__name__
            raise ZooError(f"{self.label} answered with a {kind}, expected {n} rows ({error})") from None
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise ZooError(
                f"{self.label} answered with shape {rows.shape} and type {rows.dtype}, expected {n} whole numbers; "
                "return the rows themselves, not a mask or scores"
            )
        # A function gives an order and nothing more: the score repeats the order.
        return Proposal(rows, 1 - np.arange(len(rows)) / max(1, len(rows)))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (C + D))  # unknown; as much as looking at every number once

    @property
    def spelling(self) -> str:
        return f"plain({self.label!r})"

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        label = args[0] if len(args) == 1 and not kwargs else None
        if label not in _kept:
            raise SpellingError(
                f"plain({label!r}) stands for a function, and this process knows no such one; pass the function itself"
            )
        return _kept[label]  # type: ignore[return-value]


def _named(function: Rule) -> str:
    """A name that is the same in the next process, which a repr with an address isn't."""
    inner = getattr(function, "func", function)  # of a functools.partial
    return str(getattr(inner, "__name__", type(inner).__name__))


def keep(strategy: Strategy) -> Strategy:
    """The same strategy; the functions in it can from now on be read back from its text in this process.

    Another function of the same name gets a number, in the order in which they are kept.
    """
    if not isinstance(strategy, Plain):
        given = {field.name: getattr(strategy, field.name) for field in fields(strategy)}
        numbered = {name: new for name, old in given.items() if (new := _kept_inside(old)) != old}
        return replace(strategy, **numbered) if numbered else strategy
    label, number = strategy.label, 1
    while label in _kept and not _same(_kept[label].function, strategy.function):
        number += 1
        label = f"{strategy.label} {number}"
    return _kept.setdefault(label, Plain(strategy.function, label))


def _kept_inside(value: Any) -> Any:
    if isinstance(value, Strategy):
        return keep(value)
    return tuple(map(_kept_inside, value)) if isinstance(value, tuple) else value


def _same(one: Rule, two: Rule) -> bool:
    """Whether two functions do the same: the cell of a notebook that is run again makes its functions anew."""
    if not (isinstance(one, FunctionType) and isinstance(two, FunctionType)):
        return one is two or (isinstance(one, MethodType) and isinstance(two, MethodType) and one == two)
    held = any(f.__closure__ or f.__defaults__ or f.__kwdefaults__ for f in (one, two))
    return one is two or (not held and one.__code__ == two.__code__ and one.__globals__ is two.__globals__)


def kept(texts: Iterable[str]) -> dict[str, Rule]:
    """The kept functions that some spellings name, by label; to be handed to another process."""
    joined = " ".join(texts)
    return {label: known.function for label, known in _kept.items() if f"plain({label!r})" in joined}


def adopt(functions: Mapping[str, Rule]) -> None:
    """Know the functions that another process kept, under the labels that they have there."""
    for label, function in functions.items():
        _kept[label] = Plain(function, label)
