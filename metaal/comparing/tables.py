"""Every table of a result, by name, and written out: Markdown to read, CSV or Parquet to go on with."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaal.comparing.numbers import number
from metaal.comparing.overview import PER_RUN, curves
from metaal.comparing.versus import headline, unit_of
from metaal.errors import InputError, MetaalError

if TYPE_CHECKING:
    import pandas

    from metaal.result import Result

TITLES = {
    "table": "Means by policy",
    "versus": "Against each rival",
    "cells": "Against each rival, paired cells",
    "wins": "Tasks won, tied and lost (paired t-tests over the seeds, p < .05)",
    "ranks": "Mean ranks over families (1 = best)",
    "families": "Mean AULC by family",
    "regret": "Regret",
    "gap": "Gap closed between the single best and the virtual best static strategy",
    "pareto": "Compression against compute",
    "utility": "Utility at five prices of compute",
    "business": "Business figures",
    "curves": "Learning curves",
    "runs": "Runs",
    "errors": "Failed runs",
    "leaks": "Runs on families that the policy was trained on",
}
"""Name → title, in the order in which they are shown."""
LONG = ("curves", "runs", "families")
"""Tables that are written as data, and not in Markdown."""


def tables(result: Result, policy: str | None = None) -> tuple[dict[str, pandas.DataFrame], dict[str, str]]:
    """All tables of a result, and why the others are not there.

    Parameters
    ----------
    result : Result
    policy : str, optional
        The one that is judged. Default: the first.

    Returns
    -------
    tables : dict
        Name (see `TITLES`) → table.
    lacking : dict
        Name → why it cannot be made of these runs, in words.
    """
    main = result.main if policy is None else policy
    if main not in result.policies:
        raise InputError(f"no policy {main!r} here; expected one of {', '.join(result.policies)}")
    makers: dict[str, Callable[[], pandas.DataFrame]] = {
        "table": result.table,
        "versus": lambda: headline(result.good, main).table,
        "cells": lambda: _cells(result, main),
        "wins": lambda: result.wins(main),
        "ranks": lambda: _ranks(result),
        "families": lambda: result.families(),
        "regret": result.regret,
        "gap": lambda: _gap(result, main),
        "pareto": lambda: result.pareto().rename(columns={"x": "seconds", "y": "compression.95"}),
        "utility": result.utility,
        "business": result.business,
        "curves": lambda: _curves(result),
        "runs": lambda: result.runs.drop(columns="traceback", errors="ignore"),
        "errors": lambda: result.errors.drop(columns="traceback", errors="ignore"),
        "leaks": lambda: result.leaks.drop(columns="traceback", errors="ignore"),
    }
    found: dict[str, pandas.DataFrame] = {}
    lacking: dict[str, str] = {}
    for name, make in makers.items():
        if not len(result.good) and name not in ("runs", "errors", "leaks"):
            lacking[name] = "no cell (task and seed) was finished by every policy"
            continue
        try:
            table = make()
        except MetaalError as error:
            lacking[name] = str(error)
            continue
        if len(table):
            found[name] = table
        elif name not in ("errors", "leaks", "cells"):
            lacking[name] = "there is nothing to compare with"
    return found, lacking


def _cells(result: Result, policy: str) -> pandas.DataFrame:
    """Beside a comparison over families; where cells are the headline already, nothing."""
    import pandas as pd

    return result.against(policy, by="cells") if unit_of(result.good) == "families" else pd.DataFrame()


def _ranks(result: Result) -> pandas.DataFrame:
    found = result.ranks()
    table = found.mean.to_frame("mean rank").rename_axis("policy")
    table["group"] = [
        " ".join(chr(ord("a") + k) for k, clique in enumerate(found.cliques) if name in clique) for name in table.index
    ]
    return table.assign(critical_difference=found.critical, p=found.p, families=found.families)


def _gap(result: Result, policy: str) -> pandas.DataFrame:
    import pandas as pd

    found = result.gap(policy)
    lines = [
        {"figure": f"single best static strategy ({found.best_single})", "value": found.sbs},
        {"figure": "virtual best static strategy, split halves", "value": found.vbs},
        {"figure": policy, "value": found.value},
        {"figure": "gap (virtual − single best), pp", **_interval(found.gap)},
        {"figure": f"gain of {policy} over the single best, pp", **_interval(found.gain)},
        {"figure": "gap closed (gain / gap)", **_interval(found.closed)},
    ]
    table = pd.DataFrame(lines, columns=["figure", "value", "low", "high"]).set_index("figure")
    return table.assign(note=[*[""] * (len(lines) - 1), found.note])


def _interval(found: Any) -> dict[str, float]:
    return {"value": found.estimate, "low": found.low, "high": found.high}


def _curves(result: Result) -> pandas.DataFrame:
    import pandas as pd

    names = list(result.policies)
    parts = [
        curves(rows, result.traces, str(task), names).assign(task=task)
        for task, rows in result.good.groupby("task", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)[["task", "policy", "labels", "mean", "low", "high"]]


def write_markdown(result: Result, path: str | Path, policy: str | None = None) -> Path:
    """Write the tables that are to be read to one Markdown file, and return its path."""
    found, lacking = tables(result, policy)
    main = result.main if policy is None else policy
    lines = [f"# {cell(main)} against {', '.join(cell(n) for n in result.policies if n != main) or 'nobody'}", ""]
    if "versus" in found:
        lines += [headline(result.good, main).text, ""]
    for name, title in TITLES.items():
        if name in LONG:
            continue
        if name == "table" and name in found:
            work = [column for column in found[name] if column in PER_RUN or str(column).startswith("seconds.")]
            lines += [f"## {title}", "", *_rows(found[name].drop(columns=work)), ""]
            lines += ["## Work of a run", "", *_rows(found[name][work]), ""]
        elif name in found:
            lines += [f"## {title}", "", *_rows(found[name]), ""]
        elif name in lacking:
            lines += [f"## {title}", "", f"Not given: {lacking[name]}.", ""]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_folder(result: Result, folder: str | Path, form: str, policy: str | None = None) -> list[Path]:
    """Write every table to a file of its own below ``folder``, and return their paths.

    Parameters
    ----------
    result : Result
    folder : str or Path
    form : {"csv", "parquet"}
    policy : str, optional
        The one that is judged. Default: the first.
    """
    found, _ = tables(result, policy)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in found.items():
        path = place / f"{name}.{form}"
        whole = table.reset_index() if table.index.name else table
        if form == "parquet":
            whole.to_parquet(path, index=False)
        else:
            whole.to_csv(path, index=False)
        paths.append(path)
    return paths


def _rows(table: pandas.DataFrame) -> list[str]:
    """A Markdown table. Shares are percentages where the column is one of a run's numbers."""
    whole = table.reset_index() if table.index.name else table
    columns = [str(name) for name in whole]
    kinds = [number(name) for name in columns]
    head = [f"{kind.title} (%)" if kind.unit == "%" else kind.title for kind in kinds]
    factors = [kind.factor for kind in kinds]
    lines = ["| " + " | ".join(map(cell, head)) + " |", "|" + "---|" * len(columns)]
    for values in whole.itertuples(index=False, name=None):
        shown = (cell(_shown(value, factor)) for value, factor in zip(values, factors, strict=True))
        lines.append("| " + " | ".join(shown) + " |")
    return lines


def _shown(value: Any, factor: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if math.isnan(value):
        return "–"
    return f"{factor * value:.4g}" if isinstance(value, float) else str(value)


def cell(text: str) -> str:
    """Text that breaks no Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
