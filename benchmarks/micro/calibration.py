"""From declared costs to seconds: a start-up time and a time per operation for each strategy, fitted and checked.

The prediction is ``startup + factor * strategy.cost(U, L, C, D, n)``. Both numbers are fitted to the logarithms of the
seconds of every other configuration; the configurations in between say how far off the predictions are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.micro import harness
from strategy_zoo.timing import FILE

CONFIGURATIONS = 24
_LEVELS = {
    "U": (1_000, 3_000, 10_000, 30_000, 100_000),
    "L": (10, 100, 1_000),
    "C": (2, 10, 50),
    "D": (8, 32, 128),
    "n": (1, 10, 100, 1_000),
}
_LEAST_STARTUP = 1e-5  # seconds: less can't be told from nothing, and a fit on large pools alone would shrink to it
_LEAST = 4  # measurements of a strategy, below which nothing is fitted
NEAR = 2.0  # a prediction within this factor is right


def designed_sizes(count: int = CONFIGURATIONS, seed: int = 0) -> list[dict[str, int]]:
    """Sizes of which each level of each axis comes equally often; no more than a third of the pool is wanted."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.permutation(np.resize(levels, count)) for name, levels in _LEVELS.items()}
    design = [{name: int(column[i]) for name, column in columns.items()} for i in range(count)]
    return [sizes | {"n": min(sizes["n"], sizes["U"] // 3)} for sizes in design]


def fitted(cost: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Start-up seconds and seconds per operation, by robust least squares on the logarithms.

    >>> cost = np.array([1e3, 1e5, 1e7, 1e8])
    >>> [round(float(np.log10(v)), 2) for v in fitted(cost, 1e-3 + 1e-8 * cost)]
    [-3.0, -8.0]
    """
    from scipy.optimize import least_squares

    log = np.log(seconds)

    def error(logs: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(np.exp(logs[0]) + np.exp(logs[1]) * cost) - log)

    large = int(cost.argmax())
    slope = np.log(seconds[large] / cost[large])
    starts = [(max(np.log(seconds.min() * share), np.log(2 * _LEAST_STARTUP)), slope) for share in (0.9, 0.3, 0.03)]
    bounds = ((np.log(_LEAST_STARTUP), -np.inf), (np.inf, np.inf))
    found = [least_squares(error, start, bounds=bounds, loss="soft_l1", f_scale=0.3) for start in starts]
    best = min(found, key=lambda result: result.cost)
    return float(np.exp(best.x[0])), float(np.exp(best.x[1]))


def checked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit on every other row, check on the rest: share of predictions within a factor of 2, and the worst factor."""
    good = [row for row in rows if row["status"] == "ok"]
    if len(good) < _LEAST:
        return {"measured": len(good)}
    # In order of U, so that both halves see all sizes.
    good.sort(key=lambda row: (row["U"], row["D"], row["C"], row["n"], row["L"]))
    cost = np.array([row["cost"] for row in good])
    seconds = np.array([row["seconds"] for row in good])
    startup, factor = fitted(cost[::2], seconds[::2])
    ratio = np.abs(np.log((startup + factor * cost[1::2]) / seconds[1::2]))
    worst = good[1::2][int(ratio.argmax())]
    startup, factor = fitted(cost, seconds)  # what is shipped uses everything
    return {
        "measured": len(good),
        "within": float((ratio <= np.log(NEAR)).mean()),
        "worst": float(np.exp(ratio.max())),
        "worst_at": {name: worst[name] for name in _LEVELS},
        "startup": float(f"{startup:.4g}"),
        "factor": float(f"{factor:.4g}"),
    }


def calibrate(table: harness.Table, folder: Path, python: str) -> dict[str, Any]:
    """Write ``calibration.json`` for all strategies that were measured; returns how good the predictions are.

    Into the package, where `strategy_zoo.timing` reads it, unless the results go to a folder of their own.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in table.rows.values():
        by_name.setdefault(row["strategy"], []).append(row)
    found = {name: checked(rows) for name, rows in sorted(by_name.items())}
    known = {name: [fit["startup"], fit["factor"]] for name, fit in found.items() if "factor" in fit}
    # Of strategies that weren't measured, such as those of third parties.
    typical = [float(f"{np.exp(np.mean(np.log(column))):.4g}") for column in zip(*known.values(), strict=True)]
    machine = harness.facts(python)["machine"]["machine_seconds"]
    text = json.dumps({"machine_seconds": machine, "typical": typical, "strategies": known}, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    (FILE if folder == harness.RESULTS else folder / "calibration.json").write_text(text + "\n", encoding="utf-8")
    return {"predictions": found}
