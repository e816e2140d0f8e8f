"""The base of all strategies: a frozen dataclass with a canonical text form."""

from __future__ import annotations

import math
import numbers
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.errors import SpellingError, UnmetNeedError, ZooError
from strategy_zoo.proposal import Proposal
from strategy_zoo.view import View

Kind = Literal["rowwise", "batch", "stream", "synthesis"]
_BLOCK = 1 << 18  # entries of proba in a block: 2 MB


@dataclass(frozen=True, repr=False)
class Strategy:
    """One way to choose rows; subclasses are frozen dataclasses whose fields are the parameters.

    A rowwise strategy defines ``score(view, rng)``, in which a row's score depends on that row alone (and on what is
    labelled): pools are scored in blocks whose best rows are merged. A batch strategy defines
    ``propose(view, n, rng)``. All read only the view's fields in `needs` (required) and `uses` (optional).

    Class attributes: `name`, `family`, `needs`, `uses`, `kind`, `task` (what it can be asked in), `stochastic` (whether
    it draws from the generator), `growth` (of time, in U, L, C, D, n), `reference` (author year, title), `limit` (rows
    above which a batch strategy looks at a random subset of that size; None: it looks at every row), `example` (a
    spelling that works, for classes with parameters that have no default).

    Examples
    --------
    >>> from strategy_zoo import get
    >>> get("k_center").needs
    ('embedding',)
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[Kind] = "rowwise"
    task: ClassVar[tuple[str, ...]] = ("classification",)
    stochastic: ClassVar[bool] = False
    growth: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    limit: ClassVar[int | None] = None
    example: ClassVar[str] = ""

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """How much each row of the pool is wanted, float64[U]; rowwise strategies only."""
        raise ZooError(f"{self.name} chooses a batch as a whole and has no score by row; call propose instead")

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        """The n rows that are wanted most (n at most U); for validated input use `strategy_zoo.propose`."""
        step = block_rows(view)
        if view.n <= step:
            score = self._checked(self.score(view, rng), 0, view.n)
            rows = top(score, n)
            return Proposal(rows, score[rows])
        best = TopRows(n)
        for start in range(0, view.n, step):
            block = view.block(start, start + step)
            best.add(self._checked(self.score(block, rng), start, block.n), start)
        return Proposal(*best.result())

    def _checked(self, score: NDArray[np.float64], start: int, size: int) -> NDArray[np.float64]:
        score = np.asarray(score, dtype=np.float64)
        if score.shape != (size,):
            raise ZooError(f"{self.name} scored an array of shape {score.shape}, expected ({size},), one per row")
        if not np.isfinite(score).all():
            bad = int(np.flatnonzero(~np.isfinite(score))[0])
            raise ZooError(f"{self.name} gave row {start + bad} the score {score[bad]}, expected finite scores")
        return score

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        """Predicted number of elementary operations for U pool rows, L labelled, C classes, D columns, n picks."""
        raise ZooError(f"{self.name or type(self).__name__} doesn't say what it costs; define cost(U, L, C, D, n)")

    @property
    def spelling(self) -> str:
        """The canonical text: the name, and the parameters that differ from their defaults."""
        given = [
            f"{field.name}={literal(getattr(self, field.name))}"
            for field in fields(self)
            if not _is_default(field, getattr(self, field.name))
        ]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @classmethod
    def build(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """Make the strategy from a parsed call; compositions override it to take ingredients by position."""
        known = [field.name for field in fields(cls)]
        if args:
            raise SpellingError(
                f"{cls.name} got {len(args)} positional argument(s), expected parameters by name: "
                f"{', '.join(known) or 'it has none'}"
            )
        for key in kwargs:
            if key not in known:
                raise SpellingError(f"{cls.name} has no parameter {key!r}; it has: {', '.join(known) or 'none'}")
        missing = [f.name for f in fields(cls) if f.name not in kwargs and default_of(f) is MISSING]
        if missing:
            raise SpellingError(f"{cls.name} needs {', '.join(missing)}; give a value for each")
        return cls(**kwargs)

    def __str__(self) -> str:
        return self.spelling

    def __repr__(self) -> str:
        return self.spelling


def default_of(field: Field[Any]) -> Any:
    """The default of a parameter, or MISSING."""
    # Not by identity: a class that came from another process by value has a MISSING of its own.
    if not isinstance(field.default_factory, type(MISSING)):
        return field.default_factory()  # type: ignore[operator]
    return MISSING if isinstance(field.default, type(MISSING)) else field.default


def _is_default(field: Field[Any], value: Any) -> bool:
    default = default_of(field)
    # True == 1 and 1 == 1.0, but they read back as different things.
    return default is not MISSING and type(default) is type(value) and bool(default == value)


def literal(value: Any) -> str:
    """A parameter's value as text that `get` reads back."""
    if isinstance(value, Strategy):
        return value.spelling
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple):
        return f"({', '.join(literal(item) for item in value)}{',' if len(value) == 1 else ''})"
    return repr(value)


def field_of(view: View, name: str) -> NDArray[Any]:
    """An array that the strategy declares in `needs`; a clear error when the view came in by a side door without it."""
    array = getattr(view, name)
    if array is None:
        raise UnmetNeedError(f"the view does not hold {name}; pass {name}= to View")
    return array


def top(score: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Rows of the n highest scores, best first; equal scores go to the lower row, so that partitions can be merged.

    >>> top(np.array([1.0, 3.0, 3.0, 2.0, 2.0]), 3).tolist()
    [1, 2, 3]
    """
    n = min(n, len(score))
    if n < 1:
        return np.empty(0, np.int64)
    if n < len(score):
        # argpartition alone would choose freely among the rows that tie with the last one.
        limit = np.partition(score, len(score) - n)[len(score) - n]
        above = np.flatnonzero(score > limit)
        rows = np.concatenate([above, np.flatnonzero(score == limit)[: n - len(above)]])
    else:
        rows = np.arange(n)
    return rows[np.lexsort((rows, -score[rows]))].astype(np.int64)


class TopRows:
    """The n best rows of a pool that is scored block by block; the same rows as `top` on all scores at once."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._rows: list[NDArray[np.int64]] = []
        self._score: list[NDArray[np.float64]] = []
        self._limit = -np.inf  # the n-th best score so far: rows that don't beat it can't be among the n best
        self._waiting = 0

    def add(self, score: NDArray[np.float64], start: int) -> None:
        """Take in the scores of the rows from `start` on; blocks come in the order of their rows."""
        if self._limit == -np.inf:
            rows = top(score, self._n)
        else:
            rows = np.flatnonzero(score > self._limit)  # equal ones lose to the lower row, which came before
        self._rows.append(rows + start)
        self._score.append(score[rows])
        self._waiting += len(rows)
        if self._waiting >= 2 * self._n or self._limit == -np.inf:
            self._cut()

    def _cut(self) -> None:
        rows, score = self.result()
        self._rows, self._score, self._waiting = [rows], [score], 0
        if len(rows) == self._n:
            self._limit = float(score[-1])

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows of the n highest scores, best first, and these scores."""
        rows, score = np.concatenate(self._rows), np.concatenate(self._score)
        order = np.lexsort((rows, -score))[: self._n]
        return rows[order], score[order]


def block_rows(view: View) -> int:
    """Rows of a block: so few that a score's scratch arrays stay in the processor's cache."""
    return max(1024, _BLOCK // view.width)


def whole(owner: str, name: str, value: Any, low: int, high: int) -> int:
    """A whole-number parameter, checked; booleans and floats are refused."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise SpellingError(f"{owner}: {name} is {_short(value)}, expected a whole number from {low} to {high}")
    return int(value)


def real(owner: str, name: str, value: Any, low: float, high: float) -> float:
    """A real parameter, checked: finite and between low and high, both included."""
    bad = isinstance(value, bool) or not isinstance(value, numbers.Real)
    if bad or not low <= value <= high or not math.isfinite(value):
        raise SpellingError(f"{owner}: {name} is {_short(value)}, expected a number from {low:g} to {high:g}")
    return float(value)


def choice(owner: str, name: str, value: Any, options: tuple[str, ...]) -> str:
    """A parameter that takes one of a few words, checked."""
    if not isinstance(value, str) or value not in options:
        raise SpellingError(f"{owner}: {name} is {_short(value)}, expected one of {', '.join(map(repr, options))}")
    return value


def _short(value: Any) -> str:
    text = literal(value)
    return text if len(text) <= 60 else text[:57] + "..."
