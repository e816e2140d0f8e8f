"""Ours against the published means: is the difference larger than chance allows?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.literature.campaign import FILE, LEFT_OUT, read_runs
from benchmarks.literature.protocol import RULES

TOLERANCE = 2.5
"""Standard errors of the difference (ours and theirs combined) within which a mean counts as reproduced."""
LEAST = 5
"""Repeats below which nothing is compared: a standard error of so few says little."""
SAME = "same file"
"""How the note on a set begins whose features are the published ones."""
COLUMNS = (
    *("set", "rows", "same", "strategy", "theirs", "ours", "ours_se", "repeats"),
    *("published", "published_se", "published_repeats", "difference", "errors", "within"),
)


def compared(file: Path = FILE, column: str = "aubc") -> pd.DataFrame:
    """One row a set and strategy that both have, the small sets first.

    Parameters
    ----------
    file : Path
        The runs; the published numbers lie beside them.
    column : str
        ``"aubc"`` as published, or ``"mean"``: with the initial accuracy, by the number of trapezoids.

    Returns
    -------
    DataFrame
        set, rows, same (whether features and strategy are the published ones), strategy, theirs (their name), ours,
        ours_se, repeats, published, published_se, published_repeats, difference (ours − theirs), errors (difference by
        the combined standard error), within (of the tolerance).
    """
    facts = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    runs = read_runs(file)
    runs = runs[runs["aubc"] != LEFT_OUT]
    rows = []
    for name, about in sorted(facts["sets"].items(), key=lambda item: (item[1]["rows"], item[0])):
        for strategy in (rule for rule in RULES if rule in facts["published"][name]):
            cell = facts["published"][name][strategy]
            values = runs.loc[(runs["set"] == name) & (runs["strategy"] == strategy), column].to_numpy()
            if len(values) < LEAST:
                continue
            error = float(values.std(ddof=1) / np.sqrt(len(values)))
            other = cell["std"] / np.sqrt(cell["repeats"])
            difference = float(values.mean()) - cell["aubc"]
            errors = difference / float(np.hypot(error, other))
            same = facts["match"][name].startswith(SAME) and RULES[strategy].same
            ours = (float(values.mean()), error, len(values))
            line = (about["published as"], about["rows"], same, strategy, RULES[strategy].published, *ours)
            rows.append(
                (*line, cell["aubc"], other, cell["repeats"], difference, errors, bool(abs(errors) <= TOLERANCE))
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_chance(table: pd.DataFrame) -> float:
    """How many of the rows would lie outside if nothing but chance were at work."""
    from scipy.stats import norm

    return float(len(table) * 2 * norm.sf(TOLERANCE))


def lift(table: pd.DataFrame, strategy: str) -> tuple[float, float]:
    """Mean gain of a strategy over random over the sets that have both, in pp: ours and theirs."""
    wide = table.pivot(index="set", columns="strategy", values=["ours", "published"])
    ours, theirs = (100 * (wide[kind][strategy] - wide[kind]["random"]).dropna() for kind in ("ours", "published"))
    return float(ours.mean()), float(theirs.mean())


def summary(file: Path = FILE) -> str:
    """What follows from the table, in words."""
    whole = compared(file)
    table = whole[whole["same"]]
    if not len(table):
        return f"No set has {LEAST} repeats yet."
    worst = table.iloc[int(table["errors"].abs().to_numpy().argmax())]
    gains = [
        f"`{name}` {ours:+.2f} (published: {theirs:+.2f})"
        for name in RULES
        if name != "random" and {name, "random"} <= set(table["strategy"])
        for ours, theirs in [lift(table, name)]
    ]
    lines = [
        f"{int(table['within'].sum())} of {len(table)} means on {table['set'].nunique()} sets are within {TOLERANCE:g} "
        f"standard errors of the published ones (by chance {by_chance(table):.1f} would be outside); the farthest is "
        f"`{worst['strategy']}` on {worst['set']} ({worst['errors']:+.1f}).",
        f"Mean gain over random over these sets, in pp: {', '.join(gains)}.",
        f"By the plain mean of the curve instead of their area {_plain(file)} would be within.",
    ]
    reasons = {
        f"{row['strategy'] if _other(row) == 'other experts' else row['set']} ({_other(row)})" for row in _rest(whole)
    }
    if reasons:
        lines.append(f"Not counted: {', '.join(sorted(reasons))}.")
    return "\n".join(lines)


def _rest(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table[~table["same"]].to_dict("records")  # type: ignore[assignment]
    return rows


def _other(row: dict[str, Any]) -> str:
    """In what a row that is not the same differs."""
    return "other features" if RULES[row["strategy"]].same else "other experts"


def _plain(file: Path) -> str:
    table = compared(file, "mean")
    table = table[table["same"]]
    return f"{int(table['within'].sum())} of {len(table)}"


def markdown(file: Path = FILE) -> str:
    """The table, and what follows from it, in Markdown."""
    lines = [
        "| set | strategy | published as | ours, % | theirs, % | difference, pp | standard errors | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows: list[dict[str, Any]] = compared(file).to_dict("records")  # type: ignore[assignment]
    for row in rows:
        verdict = _other(row) if not row["same"] else "within" if row["within"] else "outside"
        ours = f"{100 * row['ours']:.2f} ± {100 * row['ours_se']:.2f} ({row['repeats']})"
        theirs = f"{100 * row['published']:.2f} ± {100 * row['published_se']:.2f} ({row['published_repeats']})"
        lines.append(
            f"| {row['set']} | `{row['strategy']}` | {row['theirs']} | {ours} | {theirs} | "
            f"{100 * row['difference']:+.2f} | {row['errors']:+.1f} | {verdict} |"
        )
    return "\n".join([*lines, "", summary(file)])
