"""What an evaluation found: one row a run, and the comparisons that can be drawn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.errors import InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

RESAMPLES = 10_000
SHARES = {"aulc", "aulc.balanced_accuracy", "first30", "final", "full", "compression.90", "compression.95"}
"""Columns in [0, 1], whose differences are given in percentage points."""
LOWER = ("labels", "rounds", "seconds")
"""Beginnings of columns in which less is better."""
LOSSES = ("log_loss", "rmse")
"""Endings of such columns."""
MEANS = ("aulc", "aulc.balanced_accuracy", "aulc.log_loss", "first30", "final", "full", "utility")
"""Columns of `Result.table` that are means over tasks of the means over seeds; NaN where no run has them."""


class Result:
    """Rows, curves and comparisons of an evaluation.

    Parameters
    ----------
    rows : sequence of dict
        One a run; see `metaal.measures.measure` for the numbers.
    traces : dict
        (policy, cell) → what was measured loop by loop.
    prices : Prices
    policies : mapping
        Name → spelling.
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
    def errors(self) -> pandas.DataFrame:
        """The rows of runs that failed."""
        return self.runs[self.runs["error"] != ""]

    @property
    def good(self) -> pandas.DataFrame:
        """The rows of cells in which every policy finished, so that all comparisons stay paired."""
        bad = set(self.errors["stream"])
        return self.runs[~self.runs["stream"].isin(bad)]

    def table(self) -> pandas.DataFrame:
        """Means by policy, best AULC first; labels to a target are medians over all runs.

        The AULC is of the main score: accuracy, and R² where the task is a regression.

        A run that does not reach a target counts as worse than any that does, and where most runs do not, the median is
        NaN: nothing is extrapolated. Columns ``reached.90`` and ``reached.95`` give the share of runs that did.
        """
        import pandas as pd

        lines = []
        for name in self.policies:
            rows = self.good[self.good["policy"] == name]
            line: dict[str, Any] = {"policy": name, "runs": len(rows)}
            for column in (*MEANS, *(c for c in ("aulc.rmse",) if c in rows)):
                line[column] = rows.groupby("task")[column].mean().mean() if column in rows else np.nan
            for level in ("90", "95"):
                line[f"reached.{level}"] = float(rows[f"labels.to.{level}"].notna().mean())
                for column, never in ((f"labels.to.{level}", np.inf), (f"compression.{level}", -np.inf)):
                    middle = rows[column].fillna(never).median()
                    line[column] = middle if np.isfinite(middle) else np.nan
            for column in (c for c in map(str, rows) if c.startswith("seconds.")):
                line[column] = rows[column].mean()
            line["rounds"] = rows["rounds"].mean()
            lines.append(line)
        return pd.DataFrame(lines).set_index("policy").sort_values("aulc", ascending=False)

    def versus(self, rival: str, *, score: str = "aulc", confidence: float = 0.95) -> pandas.DataFrame:
        """Paired differences of every policy to ``rival``.

        Parameters
        ----------
        rival : str
            Name of a policy.
        score : str
            A column of ``runs``.
        confidence : float
            Of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            By policy: ``difference`` (mean over tasks of the mean over seeds; in pp for shares such as accuracy),
            ``low`` and ``high`` (bootstrap over the paired cells, stratified by task: it speaks of these tasks, not of
            other ones), ``p`` (Wilcoxon signed-rank over the paired cells, two-sided), ``better``, ``equal``,
            ``worse`` (cells).

        Raises
        ------
        InputError
            No such policy or score, or some runs have none (a target that was not reached).
        """
        import pandas as pd
        from scipy.stats import wilcoxon

        if rival not in self.policies:
            raise InputError(f"versus: no policy {rival!r} here; expected one of {', '.join(self.policies)}")
        numbers = [str(c) for c in self.runs.select_dtypes("number") if c not in ("seed", "batch")]
        if score not in numbers or not 0 < confidence < 1:
            raise InputError(
                f"versus: score {score!r} and confidence {confidence}; expected one of {', '.join(numbers)}, "
                "and a number "
                "in (0, 1)"
            )
        if self.good[score].isna().any():
            raise InputError(
                f"versus: {int(self.good[score].isna().sum())} runs have no {score} (a target was not "
                "reached), so differences "
                "would compare the others only; table() counts them as worse than all that reached it"
            )
        wide = self.good.pivot(index=["task", "stream"], columns="policy", values=score)
        factor = 100.0 if score in SHARES else 1.0
        lines = []
        for name in self.policies:
            if name == rival or name not in wide:
                continue
            rng = np.random.default_rng(0)  # the same draws for every policy: equal runs get equal intervals
            delta = (wide[name] - wide[rival]).dropna() * factor
            parts = [part.to_numpy() for _, part in delta.groupby(level="task")]
            if not parts:
                continue
            means = np.stack(
                [part[rng.integers(len(part), size=(RESAMPLES, len(part)))].mean(1) for part in parts]
            ).mean(0)
            low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
            values = np.concatenate(parts)
            good = -values if score.startswith(LOWER) or score.endswith(LOSSES) else values
            lines.append(
                {
                    "policy": name,
                    "difference": float(np.mean([part.mean() for part in parts])),
                    "low": float(low),
                    "high": float(high),
                    "p": float(wilcoxon(values).pvalue) if (values != 0).any() else 1.0,
                    "better": int((good > 1e-12).sum()),
                    "equal": int((np.abs(values) <= 1e-12).sum()),
                    "worse": int((good < -1e-12).sum()),
                }
            )
        return pd.DataFrame(lines).set_index("policy") if lines else pd.DataFrame(lines)

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
        import pandas as pd
        from scipy.stats import t

        from metaal.rehearsal.scoring import MAIN

        lines = []
        rows = self.good[self.good["task"] == task]
        for name in self.policies:
            found = [self.traces[name, stream].curve for stream in rows.loc[rows["policy"] == name, "stream"]]
            if not found:
                continue
            start, end = max(c["labels"].min() for c in found), min(c["labels"].max() for c in found)
            grid = np.linspace(start, end, points)
            column = MAIN["regression"] if score == "accuracy" and "accuracy" not in found[0] else score
            values = np.stack([np.interp(grid, c["labels"], c[column]) for c in found])
            count = len(values)
            error = t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(points)
            mean = values.mean(0)
            lines.append(
                pd.DataFrame({"policy": name, "labels": grid, "mean": mean, "low": mean - error, "high": mean + error})
            )
        if not lines:
            raise InputError(f"curves: no finished runs of task {task!r}; expected one of {', '.join(self.tasks)}")
        return pd.concat(lines, ignore_index=True)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in order."""
        return list(dict.fromkeys(self.good["task"]))

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML file, and return its path."""
        from metaal.report import write_report

        return write_report(self, path)

    def __repr__(self) -> str:
        size = f"{len(self.policies)} policies × {len(self.tasks)} tasks"
        return f"Result({len(self.runs)} runs: {size}, {len(self.errors)} errors)"
