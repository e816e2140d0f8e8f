"""Sections about scores and labels: learning curves, labels to a target, who is better and how sure that is."""

from __future__ import annotations

from metaal.reporting import tables
from metaal.reporting.curves import curve_data
from metaal.reporting.diagram import critical_difference
from metaal.reporting.reading import Reading
from metaal.reporting.section import CHART, Section, soft
from metaal.reporting.summary import rival_table, targets
from metaal.reporting.verdicts import Verdicts
from metaal.reporting.words import chance, counted, esc, listed, number

WIDTHS = ((760, "broad"), (360, "narrow"))
"""Widths of the page for which the diagram is drawn, and the class that shows it there."""


def learning_curves(reading: Reading) -> Section:
    """Test scores against labels."""
    data = curve_data(reading)
    body = (
        CHART
        + f'<p class="soft said"></p>{soft(esc(data["note"])) if data["note"] else ""}'
        + "<details><summary>All scores in numbers</summary>"
        + soft("Means over seeds, then tasks, then families, best first; definitions at the end of the page.")
        + tables.score_table(reading).html()
        + "</details>"
    )
    return Section("curves", "Learning curves", "Learning curves", body, {"curves": data})


def labels_to_target(reading: Reading) -> Section:
    """Labels to shares of the full-data score."""
    known = targets(reading)
    if not known:
        body = soft("These runs were played without the full-data score, so there is no target to reach.")
        return Section("targets", "Labels", "Labels to a target", body)
    body = soft(
        f"A target is a share of the {esc(reading.score.words)} that the same learner reaches with the whole pool "
        "labelled. Labels are medians over runs, the initial ones included; a run that never got there counts as worse "
        "than all that did, and where most did not it says “not reached”: nothing is extrapolated. “Reached by” is the "
        "share of the runs that got there, “pool saved” the share of the pool that nobody had to label by then."
    )
    none = [f"{t} %" for t in known if not reading.good[f"labels.to.{t}"].notna().any()]
    if none:
        body += f"<p>No run of any policy reached {listed(none)}.</p>"
    return Section("targets", "Labels", "Labels to a target", body + tables.target_table(reading).html())


def who_is_better(reading: Reading, verdicts: Verdicts) -> Section | None:
    """Every rival with its test, and the critical-difference diagram."""
    if not reading.rivals:
        return None
    rope = f", and a Bayesian signed-rank test of whether the two differ by less than ±0.1 {reading.score.point}"
    words = (
        f"Every rival against {reading.main}, over {verdicts.count:,} {verdicts.unit}: Wilcoxon's signed-rank test "
        f"with Holm's correction{rope if verdicts.by_family else ''}."
    )
    body = soft(esc(words)) + rival_table(reading, verdicts).html() + _diagram(reading)
    return Section("ranks", "Ranks", "Who is better, and how sure that is", body)


def _diagram(reading: Reading) -> str:
    from metaal.comparing import family_means, ranks

    found = ranks(family_means(reading.good, "aulc"))
    if found.families < 2:
        return soft("A critical-difference diagram needs two families or more.")
    if found.differ:
        together = f"The policies are not all the same (Iman and Davenport's test, {chance(found.p)})."
    else:
        together = (
            f"The test of all together cannot tell the policies apart (Iman and Davenport, {chance(found.p)}), so no "
            "pair should be read off this diagram."
        )
    words = (
        f"Mean ranks over {counted(found.families, 'family', 'families')}, best on the left. Policies joined by a bar "
        f"lie closer than Nemenyi's critical difference ({number(found.critical, 2)}) and cannot be told apart by "
        f"their ranks. {together}"
    )
    drawn = "".join(
        f'<div class="{css}">{critical_difference(found, reading.main, width=width)}</div>' for width, css in WIDTHS
    )
    return f"<h3>Critical-difference diagram</h3>{soft(esc(words))}{drawn}"
