"""Sections about what things cost: labels against compute, prices, key figures for a budget."""

from __future__ import annotations

import math
from typing import Any

from metaal.reporting import tables
from metaal.reporting.reading import Reading
from metaal.reporting.section import CHART, Section, soft
from metaal.reporting.summary import TARGETS, targets
from metaal.reporting.words import plain

ACROSS = ("seconds", "fits", "rows.scored", "rounds")
"""What compression is set against."""


def front(reading: Reading) -> Section:
    """Compression against compute, utility at several prices of compute, and seconds by phase."""
    body = (
        soft(
            "Compression is the share of the pool that nobody had to label when the target was reached; compute is "
            "what a run took on the machine that ran it. Towards the upper left is better. Filled points: no other "
            "policy is better on both."
        )
        + CHART
        + '<p class="soft said"></p>'
    )
    prices = tables.price_table(reading)
    if prices is not None:
        words = (
            "Utility: value of the points gained less the price of labels, seconds and rounds. Marked: the best there."
        )
        body += f"<h3>What a run is worth at other prices of compute</h3>{soft(words)}{prices.html()}"
    body += f"<details><summary>Seconds by phase</summary>{tables.phase_table(reading).html()}</details>"
    return Section("front", "Compute", "Labels saved against compute spent", body, {"front": front_data(reading)})


def front_data(reading: Reading) -> dict[str, Any]:
    """Points and Pareto fronts of every pair of a cost and a quality.

    Returns
    -------
    dict
        ``x``, ``y`` (columns of the runs; of the qualities those that somebody reached come first) · ``titles`` ·
        ``pairs``: by ``"x|y"`` the policies with their values (null = most runs did not reach the target) and whether
        no other one is better on both
    """
    from metaal.comparing import number as about

    reached = targets(reading)
    across = [c for c in ACROSS if c in reading.good]
    up = [*(f"compression.{t}" for t in ("95", "90", "98") if t in reached), "aulc"]
    titles = {c: about(c).title + (", %" if about(c).unit == "%" else "") for c in (*across, *up)}
    titles |= {"aulc": f"AULC, {reading.score.words}" + (", %" if reading.score.unit == "%" else "")}
    titles |= {"seconds": "compute a run, s"} if "seconds" in across else {}
    factors = {c: about(c).factor for c in (*across, *up)} | {"aulc": reading.score.factor}
    pairs: dict[str, list[dict[str, Any]]] = {}
    for x in across:
        for y in up:
            least, most = reading.middle(x), reading.middle(y)
            pairs[f"{x}|{y}"] = [
                {
                    "policy": name,
                    "x": plain(factors[x] * least[name]),
                    "y": plain(factors[y] * most[name]),
                    "front": _unbeaten(name, least, most),
                }
                for name in sorted(least, key=lambda name: least[name])
            ]
    lost = [y for y in up if all(point["y"] is None for x in across for point in pairs[f"{x}|{y}"])]
    return {"x": across, "y": [y for y in up if y not in lost] + lost, "titles": titles, "pairs": pairs}


def _unbeaten(name: str, less: dict[str, float], more: dict[str, float]) -> bool:
    """Whether no other policy is as good on both and better on one, as `metaal.comparing.pareto` finds it."""
    own = less[name], more[name]
    beaten = (less[rival] <= own[0] and more[rival] >= own[1] and (less[rival], more[rival]) != own for rival in less)
    return all(math.isfinite(value) for value in own) and not any(beaten)


def budget(reading: Reading) -> Section | None:
    """Key figures for a buyer."""
    if not any(f"labels.to.{t}" in reading.good for t in TARGETS):
        return None
    body = soft("Each figure with its definition beside it. “Not reached” is no nought: the number is not known.")
    return Section("business", "Business", "What it means for the budget", body + tables.business_table(reading).html())
