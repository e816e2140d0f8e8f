"""What the parts of the report share: which policy is judged, by which score, on which runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import InputError

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace
    from metaal.result import Result


@dataclass(frozen=True)
class Score:
    """A score of a learning curve, and how it is written.

    Parameters
    ----------
    name : str
        Column of the traces' curves.
    words : str
    unit : str
        Of a shown value: ``"%"``, or nothing.
    factor : float
        A shown value is ``factor`` times the logged one.
    point : str
        What a hundredth of the logged score is called.
    digits : int
        Of a shown value.
    """

    name: str
    words: str
    unit: str = ""
    factor: float = 1.0
    point: str = "hundredths"
    digits: int = 3
    lower: bool = False

    @property
    def axis(self) -> str:
        """Title of an axis."""
        return f"test {self.words}{', %' if self.unit == '%' else ''}"

    def shown(self, value: float) -> str:
        """A value with its unit."""
        from metaal.reporting.words import number

        text = number(self.factor * value, self.digits)
        return f"{text} %" if self.unit == "%" and text != "–" else text


SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score("accuracy", "accuracy", "%", 100.0, "pp", 2),
        Score("balanced_accuracy", "balanced accuracy", "%", 100.0, "pp", 2),
        Score("log_loss", "log-loss", lower=True),
        Score("brier", "Brier score", lower=True),
        Score("r2", "R²", point="hundredths of R²"),
        Score("rmse", "root mean squared error", lower=True),
    )
}
"""Every score that a rehearsed run can have."""

MIXED = Score("", "main score (accuracy; R² in regressions)", point="hundredths")
"""What is averaged where an evaluation has tasks of both kinds."""


class Reading:
    """An evaluation as the report reads it.

    Parameters
    ----------
    result : Result
    main : str, optional
        The policy that is judged. Default: the first one.

    Raises
    ------
    InputError
        The result has no such policy.
    """

    def __init__(self, result: Result, main: str | None = None) -> None:
        names = list(result.policies)
        if main is not None and main not in names:
            raise InputError(f"report: no policy {main!r} here; expected one of {', '.join(names)}")
        self.result = result
        self.main = names[0] if main is None else main
        self.rivals = [name for name in names if name != self.main]
        self.policies = [self.main, *self.rivals]
        self.good: pandas.DataFrame = result.good
        self._taken: dict[str, list[tuple[str, str, list[str]]]] = {}
        self._columns: dict[tuple[str, str, str], np.ndarray] = {}
        self._middles: dict[str, dict[str, float]] = {}

    @cached_property
    def tasks(self) -> list[str]:
        """Tasks of which every policy finished a cell, in the order of the evaluation."""
        return list(dict.fromkeys(self.good["task"])) if len(self.good) else []

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is known of each task: data, family, learner, regime, batch, main score, cells (streams)."""
        out: dict[str, dict[str, Any]] = {}
        for task, rows in self.good.groupby("task", sort=False):
            first: Any = rows.iloc[0]
            streams = list(dict.fromkeys(rows["stream"]))
            out[str(task)] = {
                **{key: str(first[key]) for key in ("data", "family", "learner", "regime")},
                "batch": int(first["batch"]),
                "score": self.result.traces[self.main, streams[0]].main,
                "streams": streams,
            }
        return out

    @cached_property
    def mains(self) -> list[str]:
        """The main scores of the tasks: accuracy, R², or both."""
        return list(dict.fromkeys(fact["score"] for fact in self.facts.values()))

    @property
    def score(self) -> Score:
        """How the main score is called and written."""
        return SCORES[self.mains[0]] if len(self.mains) == 1 else MIXED

    @cached_property
    def scores(self) -> list[Score]:
        """The scores that some curve has, main ones first."""
        seen: set[str] = set()
        for fact in self.facts.values():
            seen |= {str(c) for c in self.trace(self.main, fact["streams"][0]).curve} & set(SCORES)
        return sorted(
            (SCORES[name] for name in seen), key=lambda s: (s.name not in self.mains, list(SCORES).index(s.name))
        )

    @property
    def families(self) -> list[str]:
        """Families of data sets."""
        return list(dict.fromkeys(fact["family"] for fact in self.facts.values()))

    def middle(self, column: str) -> dict[str, float]:
        """One value a policy: mean over seeds, tasks and families; of targets the median over runs."""
        from metaal.comparing.pareto import middle

        if column not in self._middles:
            self._middles[column] = {str(name): float(value) for name, value in middle(self.good, column).items()}
        return self._middles[column]

    @cached_property
    def aulc(self) -> pandas.DataFrame:
        """AULC by cell (task, stream, family, regime, learner, batch) and policy."""
        keys = ["task", "stream", "family", "regime", "learner", "batch", "policy"]
        return self.good.set_index(keys)["aulc"].unstack("policy")

    @cached_property
    def static(self) -> list[str]:
        """The rivals that are one static strategy."""
        return [name for name in self.result.fixed if name != self.main]

    def called(self, *strategies: str) -> list[str]:
        """Policies that are one of these strategies, whatever they are called here."""
        spelled = self.result.policies.items()
        return [name for want in strategies for name, spelling in spelled if want in (name, spelling)]

    def trace(self, policy: str, stream: str) -> Trace:
        """The trace of one run."""
        return self.result.traces[policy, stream]

    def cells(self, tasks: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
        """(task, stream) of every cell."""
        for task in self.tasks if tasks is None else tasks:
            for stream in self.facts[task]["streams"]:
                yield task, stream

    def column(self, policy: str, stream: str, name: str) -> np.ndarray:
        """One series f8[T] of a run; all NaN where the run has none. Kept: reading a table takes long."""
        key = (policy, stream, name)
        if key not in self._columns:
            curve = self.trace(policy, stream).curve
            values = curve[name].to_numpy(dtype=np.float64) if name in curve else np.full(len(curve), np.nan)
            self._columns[key] = values
        return self._columns[key]

    def taken(self, policy: str) -> list[tuple[str, str, list[str]]]:
        """(task, stream, action of each loop or nothing) of the policy's runs."""
        if policy not in self._taken:
            self._taken[policy] = [
                (task, stream, words(self.trace(policy, stream).curve, "action.name")) for task, stream in self.cells()
            ]
        return self._taken[policy]


def words(curve: pandas.DataFrame, column: str) -> list[str]:
    """A column of texts, "" where there is none."""
    if column not in curve:
        return [""] * len(curve)
    return ["" if value is None or value != value else str(value) for value in curve[column].tolist()]
