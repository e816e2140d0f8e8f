"""What a buyer asks: labels, hours, trainings, compute and money, each with its definition beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaal.comparing.frames import with_keys
from metaal.comparing.pareto import middle
from metaal.comparing.payback import Curve, curve, first_paid, mean_curve
from metaal.errors import InputError
from metaal.prices import Prices

if TYPE_CHECKING:
    import pandas

    from metaal.rehearsal import Trace

LABEL_SECONDS = 30.0
"""Seconds that a person takes for one label, if nobody says otherwise."""
REFERENCES = ("random", "margin")


def business(
    runs: pandas.DataFrame,
    prices: Prices | None = None,
    baseline: str | Sequence[str] | None = None,
    *,
    target: int = 95,
    label_seconds: float = LABEL_SECONDS,
    traces: Mapping[tuple[str, str], Trace] | None = None,
) -> pandas.DataFrame:
    """Key figures by policy, each with its definition.

    Savings compare paired runs (same task, seed and initial labels). A pair in which only the policy reached the target
    counts as a larger saving than any that can be measured, one in which only the baseline did as a larger loss, and
    the median over the pairs is given; NaN ("not reached") if it falls on such a pair, or if neither ever got there.
    Nothing is extrapolated.

    Parameters
    ----------
    runs : DataFrame
        As `metaal.comparing.family_means`, with the numbers of `metaal.measures.measure`.
    prices : Prices, optional
        Of labels, seconds and rounds. Default: ``Prices()``, in which compute is free.
    baseline : str or sequence of str, optional
        What savings are measured against. Default: random and margin, where they are there.
    target : int
        Percent of the full-data score: a column ``labels.to.<target>`` must be there.
    label_seconds : float
        Seconds that a person takes for one label, > 0. Default 30.
    traces : mapping, optional
        (policy, stream) → curves, as ``Result.traces``. Without them the payback is NaN.

    Returns
    -------
    DataFrame
        Rows key figures; columns the policies, then ``unit`` and ``definition``. Shares lie in [0, 1].

    Raises
    ------
    InputError
        No such baseline or target, or a number out of range.
    """
    import pandas as pd

    prices = prices or Prices()
    rows = with_keys(runs)
    names = list(dict.fromkeys(rows["policy"]))
    column = f"labels.to.{target}"
    if column not in rows:
        known = ", ".join(str(c).rsplit(".", 1)[1] for c in rows if str(c).startswith("labels.to."))
        raise InputError(f"business: no target of {target} %; expected one of {known}")
    if not label_seconds > 0:
        raise InputError(f"business: label_seconds={label_seconds}; expected seconds, more than 0")
    chosen = [name for name in REFERENCES if name in names] if baseline is None else baseline
    chosen = [chosen] if isinstance(chosen, str) else list(chosen)
    for name in chosen:
        if name not in names:
            raise InputError(f"business: no baseline {name!r} here; expected one of {', '.join(names)}")
    table: dict[str, dict[str, Any]] = {}
    _quality(table, rows, column, target, names)
    for name in chosen:
        _savings(table, rows, column, target, names, name, label_seconds)
    _spending(table, rows, prices, names)
    curves = _curves(rows, traces) if chosen else {}
    for name in chosen:
        _payback(table, curves, prices, names, name)
    return pd.DataFrame(table).T[[*names, "unit", "definition"]].rename_axis("figure")


def _quality(table: dict[str, Any], rows: pandas.DataFrame, column: str, target: int, names: Sequence[str]) -> None:
    share = rows[column].notna().groupby(rows["policy"]).mean()
    table[f"runs that reached {target} %"] = {
        **share.reindex(list(names)).to_dict(),
        "unit": "share",
        "definition": f"runs whose test score reached {target} % of what the same learner reaches with the whole pool "
        "labelled",
    }
    table[f"labels to {target} %"] = {
        **middle(rows, column).to_dict(),
        "unit": "labels",
        "definition": f"median over runs of the labels at which {target} % is first reached, initial ones included; a "
        "run that does not reach it counts as worse than all that do",
    }


def _savings(
    table: dict[str, Any],
    rows: pandas.DataFrame,
    column: str,
    target: int,
    names: Sequence[str],
    baseline: str,
    label_seconds: float,
) -> None:
    wide = rows.set_index(["stream", "policy"])[column].unstack("policy")
    saved, hours, both = {}, {}, {}
    for name in names:
        if name == baseline:
            saved[name] = hours[name] = both[name] = np.nan
            continue
        own, other = (wide[c].to_numpy(dtype=np.float64) for c in (name, baseline))
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(other == own, 0.0, 1 - own / other)
        saved[name] = _median(part, own, other)
        hours[name] = _median((other - own) * label_seconds / 3600, own, other)
        both[name] = float((np.isfinite(own) & np.isfinite(other)).mean())
    table[f"annotation cost reduction at {target} % against {baseline}"] = {
        **saved,
        "unit": "share",
        "definition": f"1 − labels to {target} % / labels to {target} % with {baseline}, median over paired runs; "
        "labels cost the same each, so it is the share of the annotation bill",
    }
    table[f"hours of labelling saved at {target} % against {baseline}"] = {
        **hours,
        "unit": "h",
        "definition": f"labels to {target} % with {baseline} less those of the policy, median over paired runs, at "
        f"{label_seconds:g} seconds a label",
    }
    table[f"pairs that both reached {target} % against {baseline}"] = {
        **both,
        "unit": "share",
        "definition": f"paired runs in which the policy and {baseline} both reached {target} %: those whose saving was "
        "measured; the others are only known to be larger or smaller",
    }


def _median(values: np.ndarray, own: np.ndarray, other: np.ndarray) -> float:
    """Median of the savings, of pairs of which at least one reached; those of one alone lie beyond all others."""
    values = np.where(np.isnan(own), -np.inf, np.where(np.isnan(other), np.inf, values))
    values = np.sort(values[np.isfinite(own) | np.isfinite(other)])
    if not len(values):
        return float("nan")
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    return float((low + high) / 2) if np.isfinite(low) and np.isfinite(high) else float("nan")


def _spending(table: dict[str, Any], rows: pandas.DataFrame, prices: Prices, names: Sequence[str]) -> None:
    nan = dict.fromkeys(names, float("nan"))
    mean = {c: middle(rows, c) for c in ("fits", "labels.spent", "seconds", "rounds", "final", "first") if c in rows}
    have = set(mean)

    def line(figure: str, needed: set[str], unit: str, definition: str, value: Any) -> None:
        values = value().to_dict() if needed <= have else nan
        table[figure] = {**values, "unit": unit, "definition": definition}

    def cost() -> pandas.Series:
        spent = prices.label * mean["labels.spent"] + prices.second * mean["seconds"] + prices.round * mean["rounds"]
        gained = 100 * (mean["final"] - mean["first"])
        return (spent / gained).where(gained > 0)

    line(
        "retraining frequency",
        {"fits", "labels.spent"},
        "fits per 100 labels",
        "models trained from nothing for every 100 labels bought; means over seeds, tasks and families",
        lambda: 100 * mean["fits"] / mean["labels.spent"].where(mean["labels.spent"] > 0),
    )
    line(
        "compute",
        {"seconds"},
        "s",
        "seconds of a run on the machine that ran it: fit, score, observe, decide, select; mean over families",
        lambda: mean["seconds"],
    )
    line(
        "compute cost",
        {"seconds"},
        "currency",
        f"those seconds at {prices.second:g} a second",
        lambda: prices.second * mean["seconds"],
    )
    line(
        "cost per point",
        {"labels.spent", "seconds", "rounds", "final", "first"},
        "currency per point",
        f"cost of a run (labels at {prices.label:g}, seconds at {prices.second:g}, rounds at {prices.round:g}) by the "
        "percentage points that its last model lies above its first one; not given where there is no gain",
        cost,
    )


def _payback(
    table: dict[str, Any],
    curves: Mapping[str, Mapping[str, Curve]],
    prices: Prices,
    names: Sequence[str],
    baseline: str,
) -> None:
    middle_of, share = dict.fromkeys(names, np.nan), dict.fromkeys(names, np.nan)
    for name in names:
        if name == baseline or not curves:
            continue
        paid = [first_paid(of[name], of[baseline], prices) for of in curves.values()]
        found = np.sort(np.nan_to_num(paid, nan=np.inf))
        low, high = found[(len(found) - 1) // 2], found[len(found) // 2]
        middle_of[name] = float((low + high) / 2) if np.isfinite(high) else np.nan
        share[name] = float(np.isfinite(found).mean())
    table[f"payback against {baseline}"] = {
        **middle_of,
        "unit": "labels",
        "definition": f"labels at which those saved against {baseline} at the same test score have paid for the "
        "additional compute and rounds, and do so on average to the end; median over tasks, not given where most tasks "
        "do not get there",
    }
    table[f"tasks paid back against {baseline}"] = {
        **share,
        "unit": "share",
        "definition": "tasks on which that happens within the budget",
    }


def _curves(rows: pandas.DataFrame, traces: Mapping[tuple[str, str], Trace] | None) -> dict[str, dict[str, Curve]]:
    """Task → policy → mean curve over seeds; empty if a run has no trace."""
    keys = list(zip(rows["policy"], rows["stream"], strict=True))
    if not traces or not all(key in traces for key in keys):
        return {}
    parts: dict[str, dict[str, list[Curve]]] = {}
    for task, (policy, stream) in zip(rows["task"], keys, strict=True):
        parts.setdefault(task, {}).setdefault(policy, []).append(curve(traces[policy, stream]))
    whole = {task: of for task, of in parts.items() if len(of) == rows["policy"].nunique()}
    return {task: {name: mean_curve(found) for name, found in of.items()} for task, of in whole.items()}
