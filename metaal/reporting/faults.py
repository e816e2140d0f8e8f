"""Sections about what went wrong: losses, failed runs, leaks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metaal.reporting import losses, tables
from metaal.reporting.reading import Reading
from metaal.reporting.section import Section, soft
from metaal.reporting.verdicts import LEVEL
from metaal.reporting.words import counted, esc, listed, number, percent

if TYPE_CHECKING:
    import pandas

MOST_ERRORS = 50
"""Failed runs that are listed."""


def where_worse(reading: Reading) -> Section:
    """Losses: how many, where, how large, and what was done there."""
    title, rival = "Losses first: where and why it did worse", tables.strongest(reading)
    if not rival:
        return Section("losses", "Losses", title, soft("There is no rival to lose to."))
    groups = losses.by_group(reading)
    body = f"<p>{_how_many(reading, rival)} {_where(reading, groups[groups['rival'] == rival])}</p>"
    if found := losses.losses(reading, rival):
        body += f"<h3>The largest losses, task by task</h3>{tables.loss_table(reading, found, rival).html()}" + soft(
            "“Behind” is the part of the budget in which most was lost. The worst of many tasks look worse than they "
            "are: some of each loss is bad luck, and more of it the fewer the seeds."
        )
    if len(reading.tasks) == 1:
        return Section("losses", "Losses", title, body)
    body += "<h3>Where it gains and where it loses</h3>" + soft(
        f"Mean difference of AULC, {esc(reading.score.point)}, {esc(reading.main)} less the rival; lowest first. "
        "Coloured: the cell's own 95 % interval does not hold nought. One cell in twenty is coloured by chance where "
        "nothing differs."
    )
    for k, (kind, table) in enumerate(tables.group_tables(reading, groups)):
        body += f"<details{'' if k else ' open'}><summary>By {esc(kind)}</summary>{table.html()}</details>"
    return Section("losses", "Losses", title, body + _regret(reading) + _gap(reading))


def _how_many(reading: Reading, rival: str) -> str:
    differences = losses.task_differences(reading, rival)
    lost = differences[differences < -losses.EQUAL]
    mean = f", by {number(-float(lost.mean()), 2)} {reading.score.point} on average there" if len(lost) else ""
    return (
        f"Against the strongest rival, <b>{esc(rival)}</b> (highest mean AULC), {esc(reading.main)} was behind on "
        f"{len(lost):,} of {counted(len(differences), 'task')}{esc(mean)}."
    )


def _where(reading: Reading, groups: pandas.DataFrame) -> str:
    """Regimes, learners and batches in which it is behind for sure: many are looked at, so their p are corrected."""
    from metaal.comparing import holm

    looked = groups[groups["kind"] != "family"].dropna(subset=["p"])
    if not len(looked):
        return ""
    worse = looked[(holm(looked["p"].to_numpy(dtype=np.float64)) < LEVEL) & (looked["difference"] < 0)]
    if not len(worse):
        return "In no regime, learner or batch is that certain (t-tests over families, Holm's correction, p < .05)."
    named = [
        f"{row['kind']} {row['group']} ({number(float(row['difference']), 2, signed=True)})"
        for _, row in worse.sort_values("difference").iterrows()
    ]
    return f"That is certain (t-tests over families, Holm's correction, p < .05) for {esc(listed(named, 6))}."


def _regret(reading: Reading) -> str:
    found = tables.regrets(reading)
    own = tables.regret_table(reading, found[found["policy"] == reading.main]).html()
    every = tables.regret_table(reading, found).html()
    return (
        "<h3>How bad it gets: regret</h3>"
        + soft("What it loses to a rival on a task: more is worse, negative is a gain.")
        + f"{own}<details><summary>Regret of every policy</summary>{every}</details>"
    )


def _gap(reading: Reading) -> str:
    """How much of what choosing per task could win was won, where there are rivals and seeds enough."""
    from metaal.comparing import gap_closed

    least = min((len(fact["streams"]) for fact in reading.facts.values()), default=0)
    if len(reading.static) < 2 or least < 2 or len(reading.families) < 2:
        return ""
    found = gap_closed(reading.good, "aulc", reading.main, reading.static)
    share = ""
    if math.isfinite(found.closed.estimate):
        span = _span(100 * found.closed.low, 100 * found.closed.high, 0)
        share = f", {percent(found.closed.estimate)}{span} of it"
    note = f" {found.note[0].upper()}{found.note[1:]}." if found.note else ""
    words = (
        f"Over the best single static strategy ({found.best_single}) the best one of each task would win "
        f"{number(found.gap.estimate, 2, signed=True)} {reading.score.point}"
        f"{_span(found.gap.low, found.gap.high, 2)}, and {reading.main} has "
        f"{number(found.gain.estimate, 2, signed=True)}{_span(found.gain.low, found.gain.high, 2)}{share}.{note}"
    )
    return f"<h3>Gap closed</h3><p>{esc(words)}</p>" + soft(
        "The best static strategy of a task is chosen on one half of its seeds and scored on the other half: chosen on "
        "the same runs it would be selection on noise."
    )


def _span(low: float, high: float, digits: int) -> str:
    if not math.isfinite(low):
        return ""
    return f" ({number(low, digits, signed=True)} to {number(high, digits, signed=True)})"


def errors(reading: Reading) -> Section | None:
    """Runs that failed."""
    failed = reading.result.errors
    if not len(failed):
        return None
    count = counted(len(failed), "run")
    body = soft(f"{count} failed. The cells (task and seed) that they belong to are left out of every number.")
    body += tables.error_table(reading, MOST_ERRORS).html()
    if len(failed) > MOST_ERRORS:
        body += soft(f"The first {MOST_ERRORS} of {len(failed):,}.")
    if "traceback" in failed:
        words = esc(failed.iloc[0]["traceback"])
        body += f"<details><summary>Traceback of the first one</summary><pre>{words}</pre></details>"
    return Section("errors", "Errors", "What failed", body)


def leaks(reading: Reading) -> Section | None:
    """Runs on families that their policy was trained on."""
    if not len(reading.result.leaks):
        return None
    body = soft(
        "These runs are of families that the policy was trained on: it has seen their like, so they prove nothing. "
        "Their cells are left out of every number above."
    )
    return Section("leaks", "Leaks", "Leaks", body + tables.leak_table(reading).html())
