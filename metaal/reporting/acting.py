"""Sections about what policies did: actions by loop, single runs, and whether predicted gains came about."""

from __future__ import annotations

import numpy as np

from metaal.reporting import losses, tables
from metaal.reporting.calibration import Calibration, calibrations
from metaal.reporting.reading import Reading
from metaal.reporting.section import CHART, Section, soft
from metaal.reporting.timeline import run_data, share_data
from metaal.reporting.words import counted, esc, number, plain

SEEN = {"pool", "churn", "space", "labels", "surprise", "committee"}
"""Groups of series that say something of the model and the data."""
UNSEEN = "These runs were read back without the series that the policy was shown; metaal show RUN prints them."


def actions(reading: Reading) -> Section | None:
    """What was done, over all runs of a policy."""
    data = share_data(reading)
    if not data:
        return None
    body = soft("Share of the runs that took an action, by loop.") + CHART
    return Section("timeline", "Actions", "What was done, loop by loop", body, {"shares": data})


def single_runs(reading: Reading) -> Section:
    """What single runs saw, did, and gave as reason."""
    rival = tables.strongest(reading)
    data = run_data(reading, dict(losses.task_differences(reading, rival)) if rival else {})
    count, note = len(data["runs"]), ""
    if count < data["all"]:
        note = (
            f"{count:,} of {data['all']:,} runs are here, to keep this file small: those of {esc(reading.main)} first, "
            "the tasks with the largest losses first, one seed of each task before the next. "
        )
    titles = ["loop", "labels", "test score", "action", f"predicted gain, {esc(reading.score.point)}", "why"]
    left = ("loop", "action", "why")
    head = "".join(f"<th{' class=words' if title in left else ''}>{title}</th>" for title in titles)
    body = (
        soft(note + "Choose a run to see what it did, what the policy was shown and the reason that it gave.")
        + CHART
        + '<p class="soft said"></p><h3>What the policy saw</h3>'
        + ("" if SEEN & {group["name"] for group in data["groups"]} else soft(UNSEEN))
        + '<div class="controls more"></div><div class="multiples"></div>'
        '<h3>Why it acted</h3><div class="wide" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody></tbody></table></div>"
    )
    return Section("runs", "Single runs", "One run: what it saw, what it did, and why", body, {"runs": data})


def predictions(reading: Reading) -> Section | None:
    """Predicted gains beside those that came; nothing where no policy predicts."""
    found = calibrations(reading)
    if not found:
        return None
    body = "".join(_came(own, esc(reading.score.point)) for own in found) + soft(
        "Each point is a group of decisions of similar prediction, with the 95 % interval of its mean; the dashed line "
        "is where they should lie. Gains are read over the next three batches. This is no experiment: the compared run "
        "is not in the same state, so a group's mean says more than any single decision, and one loop's gain is nearly "
        "all noise."
    )
    drawn = [
        {"policy": own.policy, "bins": bins, "absolute": bool(own.against)}
        for own in found
        if (bins := [[plain(float(value)) for value in row] for row in own.bins.to_numpy(dtype=np.float64)])
    ]
    body += CHART if drawn else soft("Too few decisions to draw.")
    title = "Did the predicted gains come about?"
    return Section("calibration", "Calibration", title, body, {"calibration": drawn} if drawn else {})


def _came(own: Calibration, point: str) -> str:
    """One policy's predictions in words."""
    took = len(own.decisions)
    parts = [
        f"<b>{esc(own.policy)}</b> left its default in {counted(took, 'decision')} and stayed with it in "
        f"{own.stayed:,}."
    ]
    if took:
        means = [number(float(own.decisions[key].mean()), 2, signed=True) for key in ("predicted", "realised")]
        came = f"; {means[1]} came" if own.against else ""
        parts.append(f"It predicted {means[0]} {point} on average{came}.")
        parts.append(
            f"Rank correlation of predicted with realised gains: {number(own.rank, 2, signed=True)} (0 = the "
            "predictions order nothing, 1 = all)."
        )
    if own.against:
        how = (
            f"A gain that came is the policy's own less that of {esc(own.against)} over the same labels of the same "
            "task and seed."
        )
    else:
        how = (
            "Its default action was not evaluated by itself, so gains are set beside the policy's own mean gain in the "
            "same loop: that shows whether predictions are in the right order, not whether they are of the right size."
        )
    return f"<p>{' '.join(parts)}</p>{soft(how)}"
