"""What an evaluation found: one row a run, and the comparisons that can be drawn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaal import comparing
from metaal.comparing import By, GapClosed, Headline, Ranks
from metaal.comparing.numbers import number
from metaal.errors import InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace


class Result:
    """Rows, curves and comparisons of an evaluation.

    The statistics are plain functions of `metaal.comparing`; the methods here call them with the cells that every
    policy finished. A policy that was trained on the family of a cell leaks there: such cells take part in nothing, and
    are kept apart in `leaking`.

    Parameters
    ----------
    rows : sequence of dict
        One a run; see `metaal.measures.measure` for the numbers.
    traces : dict
        (policy, cell) → what was measured loop by loop.
    prices : Prices
    policies : mapping
        Name → spelling; the first one is judged.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        traces: dict[tuple[str, str], Trace],
        prices: Prices,
        policies: Mapping[str, str],
    ) -> None:
        import pandas as pd

        self.runs: pandas.DataFrame = pd.DataFrame(list(rows))
        self.traces = traces
        self.prices = prices
        self.policies = dict(policies)

    @property
    def main(self) -> str:
        """The policy that is judged: the first one."""
        return next(iter(self.policies))

    @property
    def errors(self) -> pandas.DataFrame:
        """The rows of runs that failed."""
        return self.runs[self.runs["error"] != ""]

    @property
    def leaks(self) -> pandas.DataFrame:
        """The rows of runs whose policy was trained on the family of their data."""
        if "leak" not in self.runs:
            return self.runs.iloc[:0]
        return self.runs[self.runs["leak"].eq(True)]

    @property
    def good(self) -> pandas.DataFrame:
        """The rows of cells that every policy finished and in which none leaks, so that all comparisons stay paired."""
        bad = set(self.errors["stream"]) | set(self.leaks["stream"])
        return self.runs[~self.runs["stream"].isin(bad)]

    @property
    def leaking(self) -> Result:
        """The cells in which some policy leaks, as a result of their own: good for a look, and for no claim."""
        rows = self.runs[self.runs["stream"].isin(set(self.leaks["stream"]))].drop(columns="leak", errors="ignore")
        records: list[Any] = rows.to_dict("records")
        return Result(records, self.traces, self.prices, self.policies)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in order."""
        return list(dict.fromkeys(self.good["task"]))

    @property
    def fixed(self) -> list[str]:
        """Names of the policies that are one static strategy."""
        return [name for name, spelling in self.policies.items() if _is_fixed(spelling)]

    def table(self) -> pandas.DataFrame:
        """Means by policy, best AULC first; labels to a target are medians over all runs.

        The AULC is of the main score: accuracy, and R² where the task is a regression.

        A run that does not reach a target counts as worse than any that does, and where most runs do not, the median is
        NaN: nothing is extrapolated. Columns ``reached.90`` and so on give the share of runs that did.
        """
        from metaal.comparing.overview import overview

        return overview(self.good, list(self.policies))

    def versus(
        self, rival: str, *, score: str = "aulc", by: By | None = None, confidence: float = 0.95
    ) -> pandas.DataFrame:
        """Paired differences of every policy to ``rival``.

        Parameters
        ----------
        rival : str
            Name of a policy.
        score : str
            A column of ``runs``.
        by : {"families", "cells"}, optional
            What is counted. Default: families if there are six or more, otherwise paired cells (task and seed), which
            speak of these tasks alone.
        confidence : float
            Of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            By policy: columns as `metaal.comparing.against`; ``difference`` is policy − rival.

        Raises
        ------
        InputError
            No such policy or score, or some runs have none (a target that was not reached).
        """
        return comparing.mirrored(self.against(rival, score=score, by=by, confidence=confidence))

    def against(
        self, policy: str | None = None, *, score: str = "aulc", by: By | None = None, confidence: float = 0.95
    ) -> pandas.DataFrame:
        """Paired differences of ``policy`` (default: the first) to every other one; as `metaal.comparing.against`."""
        main = self._known(policy)
        return comparing.against(self.good, main, score, by=by, confidence=confidence)

    def headline(self, policy: str | None = None, *, score: str = "aulc") -> Headline:
        """The comparison that a summary may state, with what it rests on in words."""
        return comparing.headline(self.good, self._known(policy), score)

    def wins(self, policy: str | None = None, *, score: str = "aulc", by: str = "task") -> pandas.DataFrame:
        """Tasks won, tied and lost against every other policy, by paired t-tests; as `metaal.comparing.paired_wins`."""
        import pandas as pd

        main = self._known(policy)
        lines = {
            rival: comparing.paired_wins(self.good, score, main, rival, by=by)
            for rival in self.policies
            if rival != main
        }
        return pd.DataFrame.from_dict(lines, orient="index").rename_axis("rival")

    def families(self, score: str = "aulc") -> pandas.DataFrame:
        """Means by family and policy; as `metaal.comparing.family_means`."""
        return comparing.family_means(self.good, score)

    def ranks(self, score: str = "aulc", *, level: float = 0.05) -> Ranks:
        """Mean ranks over families, with the critical difference; as `metaal.comparing.ranks`."""
        return comparing.ranks(self.families(score), less=number(score).less, level=level)

    def regret(self, score: str = "aulc", rivals: Sequence[str] | None = None) -> pandas.DataFrame:
        """Regret against margin, random and the best static strategy; as `metaal.comparing.regret`."""
        names = self._called("margin", "random") if rivals is None else list(rivals)
        return comparing.regret(self.good, score, names, fixed=self.fixed)

    def gap(
        self, policy: str | None = None, fixed: Sequence[str] | None = None, *, score: str = "aulc", seed: int = 0
    ) -> GapClosed:
        """How much of the gap between single and virtual best it closes; as `metaal.comparing.gap_closed`."""
        static = [name for name in self.fixed if name != self._known(policy)] if fixed is None else fixed
        return comparing.gap_closed(self.good, score, self._known(policy), static, seed=seed)

    def pareto(self, x: str = "seconds", y: str = "compression.95") -> pandas.DataFrame:
        """Which policies no other one beats on two numbers; as `metaal.comparing.pareto`."""
        return comparing.pareto(self.good, x, y)

    def utility(self, prices: Mapping[str, Prices] | Prices | None = None) -> pandas.DataFrame:
        """Mean utility at several prices (default: five of compute); as `metaal.comparing.utility_at`."""
        return comparing.utility_at(self.good, prices or comparing.price_grid(self.prices))

    def business(
        self,
        baseline: str | Sequence[str] | None = None,
        *,
        prices: Prices | None = None,
        target: int = 95,
        label_seconds: float = comparing.LABEL_SECONDS,
    ) -> pandas.DataFrame:
        """Key figures with their definitions, against random and margin; as `metaal.comparing.business`."""
        against = self._called("random", "margin") if baseline is None else baseline
        return comparing.business(
            self.good,
            prices or self.prices,
            against,
            target=target,
            label_seconds=label_seconds,
            traces=self.traces,
        )

    def curves(self, task: str, *, score: str = "accuracy", points: int = 60) -> pandas.DataFrame:
        """Mean learning curves of one task on a common grid of label counts.

        Parameters
        ----------
        task : str
        score : str
            A column of the traces' curves. ``"accuracy"`` of a regression is its main score, R².
        points : int
            Of the grid.

        Returns
        -------
        DataFrame
            Columns policy, labels, mean, low, high (the band is the 95 % interval of the mean over seeds).
        """
        from metaal.comparing.overview import curves

        return curves(self.good, self.traces, task, list(self.policies), score=score, points=points)

    def tables(self, policy: str | None = None) -> tuple[dict[str, pandas.DataFrame], dict[str, str]]:
        """Every table by name, and why the others are not there; as `metaal.comparing.tables.tables`."""
        from metaal.comparing.tables import tables

        return tables(self, policy)

    def to_markdown(self, path: str | Path) -> Path:
        """Write the tables that are to be read to one Markdown file, and return its path."""
        from metaal.comparing.tables import write_markdown

        return write_markdown(self, path)

    def to_csv(self, folder: str | Path) -> list[Path]:
        """Write every table to ``folder``, one CSV file each, and return their paths."""
        from metaal.comparing.tables import write_folder

        return write_folder(self, folder, "csv")

    def to_parquet(self, folder: str | Path) -> list[Path]:
        """Write every table to ``folder``, one Parquet file each, and return their paths."""
        from metaal.comparing.tables import write_folder

        return write_folder(self, folder, "parquet")

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML file, and return its path."""
        from metaal.report import write_report

        return write_report(self, path)

    def _known(self, policy: str | None) -> str:
        main = self.main if policy is None else policy
        if main not in self.policies:
            raise InputError(f"no policy {main!r} here; expected one of {', '.join(self.policies)}")
        return main

    def _called(self, *strategies: str) -> list[str]:
        """Names of the policies that are one of these strategies, whatever they are called."""
        return [name for want in strategies for name, spelling in self.policies.items() if spelling == want]

    def __repr__(self) -> str:
        size = f"{len(self.policies)} policies × {len(self.tasks)} tasks"
        return f"Result({len(self.runs)} runs: {size}, {len(self.errors)} errors)"


def _is_fixed(spelling: str) -> bool:
    from strategy_zoo import ZooError, get

    if spelling.startswith("fixed("):
        return True
    try:
        get(spelling)
    except ZooError:
        return False
    return True
