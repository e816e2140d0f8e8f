"""How the numbers were got, and what the words of the page mean."""

from __future__ import annotations

from metaal.comparing import ENOUGH
from metaal.measures import PHASES
from metaal.reporting.reading import Reading
from metaal.reporting.section import Section
from metaal.reporting.verdicts import Verdicts
from metaal.reporting.words import counted, esc, listed

PHASE_WORDS = {
    "fit": "training the model",
    "score": "computing its outputs on the pool",
    "observe": "computing the statistics that a policy reads",
    "decide": "the policy's decision with its previews",
    "select": "selecting the rows",
}


def method(reading: Reading, verdicts: Verdicts) -> Section:
    """The last section."""
    policies = "".join(
        f"<li><b>{esc(name)}</b>: {esc(spelling)}</li>" for name, spelling in reading.result.policies.items()
    )
    body = f"<h3>Policies</h3><ul>{policies}</ul><h3>Measured on</h3><p>{esc(_size(reading))}</p>"
    body += "".join(f"<p>{esc(text)}</p>" for text in procedure(reading, verdicts))
    listing = "".join(f"<dt>{esc(word)}</dt><dd>{esc(text)}</dd>" for word, text in definitions(reading).items())
    return Section(
        "method", "Method", "How this was measured, and what the words mean", f"{body}<h3>Words</h3><dl>{listing}</dl>"
    )


def _size(reading: Reading) -> str:
    rows = reading.result.runs
    parts = [f"{len(rows):,} runs: {counted(len(reading.policies), 'policy', 'policies')}"]
    for column, one, many in (
        ("task", "task", "tasks"),
        ("data", "data set", "data sets"),
        ("learner", "learner", "learners"),
        ("regime", "regime", "regimes"),
        ("seed", "seed", "seeds"),
    ):
        found = list(dict.fromkeys(map(str, rows[column])))
        named = f" ({listed(found, 8)})" if column in ("learner", "regime") else ""
        parts.append(counted(len(found), one, many) + named)
    return ", ".join(parts) + "."


def procedure(reading: Reading, verdicts: Verdicts) -> list[str]:
    """How it was done, a paragraph each."""
    prices = ", ".join(f"{key} {value:g}" for key, value in vars(reading.result.prices).items())
    families = (
        f"With {ENOUGH} families or more, families are the unit: seeds are averaged first, then tasks, then families. "
        "Tests are Wilcoxon's signed-rank test with Holm's correction over the rivals; intervals are 95 % bootstrap "
        "intervals (BCa) over families; mean ranks are compared by Friedman's test as corrected by Iman and Davenport, "
        "and by Nemenyi's critical difference; “practically the same” means that a Bayesian signed-rank test gives "
        "more than 95 % to a difference below ±0.1 points."
    )
    cells = (
        f"With fewer than {ENOUGH} families the unit is the paired cell: Wilcoxon's signed-rank test over cells with "
        "Holm's correction over the rivals, and 95 % bootstrap intervals over the seeds of each task. They say nothing "
        "about other data sets: runs on one data set are alike."
    )
    return [
        "All policies of a cell (task and seed) start from the same labels and share every random number that does not "
        "depend on their choices; differences are paired. A cell that some policy did not finish is left out for all.",
        "Test labels are read for this report alone, once for each trained model; no policy sees them. The guide "
        "split, on which a run's own scores are measured, is another one.",
        families if verdicts.by_family else cells,
        f"Prices, in the currency of the user: {prices}. A point is worth its price over the time of one batch of "
        "labels.",
    ]


def definitions(reading: Reading) -> dict[str, str]:
    """Word → what it means here."""
    score = reading.score
    hundredth = "one hundredth of the main score: R² 0.90 is two above 0.88"
    words = {
        "AULC": "area under the learning curve: mean test score over the labels between the first and the last model. "
        f"The main score is {score.words}.",
        score.point: "percentage points: 90 % is two above 88 %" if score.point == "pp" else hundredth,
        "task, cell, run": "a task is a data set with a learner, a batch size and a regime; a cell is a task with a "
        "seed; a run is a cell played by one policy",
        "family": "data sets of one origin; tasks of one family are no independent evidence",
        "regime": "what was done to the data or the labels (noise, imbalance, few labels at the start, …); clean is "
        "nothing of that",
        "labels to 95 %": "labels at which the test curve first reaches 95 % of what the same learner reaches on the "
        "whole labelled pool",
        "compression": "1 − labels needed for a target / rows of the pool",
        "round, fit": "a round is one loop in which labels were asked for; a fit is one training of the model from "
        "nothing",
        "seconds by phase": "; ".join(f"{name}: {PHASE_WORDS[name]}" for name in PHASES),
        "regret": "a rival's score on a task less the policy's; the worst tenth is the mean over the tenth of the "
        "tasks with the largest",
        "gap closed": "(policy − best single static strategy) / (best one of each task − best single one), by halves "
        "of the seeds",
        "utility": "value of the points gained less the price of labels, seconds and rounds",
    }
    if "r2" in reading.mains:
        words["R²"] = "share of the target's variance that the model explains, not counted below −1"
    return words
