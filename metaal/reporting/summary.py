"""The answer, in words first: the verdict, four numbers, one line a rival, and what all of it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metaal.comparing import ENOUGH
from metaal.reporting.diagram import interval, interval_scale
from metaal.reporting.reading import Reading
from metaal.reporting.verdicts import WORDS, Verdicts
from metaal.reporting.words import Cell, Table, chance, counted, esc, listed, number, percent, seconds, task_words

TARGETS = ("90", "95", "98")
PREFERRED = ("95", "90")
"""Targets in the order in which the summary prefers them."""


@dataclass(frozen=True)
class Tile:
    """One number to be seen at once, what it is, and what it is beside."""

    value: str
    title: str
    beside: str = ""


def reference(reading: Reading) -> str:
    """The rival that labels and seconds are set beside: random, else margin, else the first one."""
    return next((name for name in (*reading.called("random", "margin"), *reading.rivals) if name in reading.rivals), "")


def headline(reading: Reading, verdicts: Verdicts) -> str:
    """The answer in one sentence."""
    if not reading.tasks:
        return "No cell was finished by every policy, so nothing can be compared."
    if not reading.rivals:
        return f"{reading.main} was measured by itself: there is no rival to compare it with."
    return verdicts.headline()


def sentences(reading: Reading, verdicts: Verdicts) -> list[str]:
    """What else a reader should know at once, a sentence each."""
    if not reading.tasks:
        return ["See the errors below."]
    out = [_labels(reading), _compute(reading), _worst(reading), _ground(reading, verdicts)]
    return [sentence for sentence in out if sentence]


def targets(reading: Reading) -> list[str]:
    """The targets that were measured, in percent; none where no run knows its full-data score."""
    if "full" not in reading.good or not (reading.good["full"] > 0).any():
        return []
    return [t for t in TARGETS if f"labels.to.{t}" in reading.good]


def best_target(reading: Reading) -> str:
    """95 % of the full-data score, or 90 where most runs of the judged policy did not get that far; nothing unknown."""
    known = [t for t in PREFERRED if t in targets(reading)]
    if not known:
        return ""
    return next((t for t in known if np.isfinite(reading.middle(f"labels.to.{t}")[reading.main])), known[-1])


def _labels(reading: Reading) -> str:
    main, score = reading.main, reading.score.words
    target = best_target(reading)
    if not target:
        return ""
    labels = reading.middle(f"labels.to.{target}")
    others = [f"{name} {number(labels[name])}" for name in reading.rivals if np.isfinite(labels[name])]
    share = reading.good.loc[reading.good["policy"] == main, f"labels.to.{target}"].notna().mean()
    goal = f"{target} % of the {score} that the same model reaches on the whole labelled pool"
    if not np.isfinite(labels[main]):
        tail = f"; {listed(others, 3)} labels" if others else ", and no other policy did" if reading.rivals else ""
        return f"{main} did not reach {goal} in most runs ({percent(float(share))} did){tail}."
    beside = f" ({listed(others, 3)})" if others else ""
    lost = [name for name in reading.rivals if not np.isfinite(labels[name])]
    never = f"; not reached in most runs of {listed(lost, 3)}" if lost else ""
    return f"{main} needed {number(labels[main])} labels{beside} for {goal}; medians over runs{never}."


def _compute(reading: Reading) -> str:
    rival = reference(reading)
    spent = reading.middle("seconds") if "seconds" in reading.good else {}
    if not rival or not spent.get(rival, 0.0) > 0:
        return ""
    own, other = spent[reading.main], spent[rival]
    ratio = own / other
    word = (
        "about as long as"
        if 0.9 <= ratio <= 1.1
        else f"{number(ratio, 1)} times as long as"
        if ratio >= 1
        else f"{percent(ratio)} of the time of"
    )
    return f"A run of {reading.main} took {seconds(own)} of compute, {word} {rival} ({seconds(other)})."


def _worst(reading: Reading) -> str:
    from metaal.comparing import regret

    rival = next((name for name in (*reading.called("margin"), *reading.rivals) if name in reading.rivals), "")
    if not rival or len(reading.tasks) < 2:
        return ""
    table = regret(reading.good, "aulc", [rival], fixed=[rival])
    row = table[table["policy"] == reading.main].iloc[0]
    point = reading.score.point
    tenth = "Its worst tenth of the tasks" if len(reading.tasks) >= 10 else "Its worst task"
    value = float(row["worst_decile"])
    if value <= 0:
        return f"{tenth} still gained {number(-value, 2)} {point} on {rival}."
    return (
        f"{tenth} lost {number(value, 2)} {point} to {rival} (worse on {percent(float(row['share_worse']))} of the "
        f"tasks; worst: {task_words(str(row['worst_task']))})."
    )


def _ground(reading: Reading, verdicts: Verdicts) -> str:
    cells = counted(int(reading.good["stream"].nunique()), "paired run")
    size = f"{cells} on {counted(len(reading.tasks), 'task')} of {counted(len(reading.families), 'family', 'families')}"
    if not reading.rivals:
        return f"This rests on {size.replace('paired run', 'run')}."
    if verdicts.by_family:
        return (
            f"This rests on {size}. Tests and intervals are over families, so they speak of further data sets like "
            "these; “better” and “worse” mean p < .05 after Holm's correction for the number of rivals."
        )
    return (
        f"This rests on {size}: fewer than {ENOUGH} families, so tests and intervals are over paired runs and speak "
        "of these data sets alone, not of others."
    )


def tiles(reading: Reading) -> list[Tile]:
    """Up to four numbers to be seen at once."""
    if not reading.tasks:
        return []
    main, rival, score = reading.main, reference(reading), reading.score
    means = reading.middle("aulc")
    place = 1 + sum(value > means[main] for value in means.values())
    of = f"rank {place} of {len(means)}" if reading.rivals else ""
    out = [Tile(score.shown(means[main]), f"mean {score.words} while labelling (AULC)", of)]
    if target := best_target(reading):
        labels = reading.middle(f"labels.to.{target}")
        value = number(labels[main], none="not reached")
        out.append(Tile(value, f"labels to {target} % of the full-data score", _beside(rival, labels, 0)))
    if "seconds" in reading.good:
        spent = reading.middle("seconds")
        out.append(Tile(seconds(spent[main]), "compute a run", f"{rival}: {seconds(spent[rival])}" if rival else ""))
    if "rounds" in reading.good:
        rounds = reading.middle("rounds")
        out.append(Tile(number(rounds[main], 1), "labelling rounds a run", _beside(rival, rounds, 1)))
    return out


def _beside(rival: str, values: dict[str, float], digits: int) -> str:
    return f"{rival}: {number(values[rival], digits, none='not reached')}" if rival else ""


def forest(reading: Reading, verdicts: Verdicts) -> str:
    """One line a rival: difference, interval as a picture, verdict."""
    each = verdicts.each
    if not each:
        return ""
    scale = interval_scale([v.low for v in each] + [v.difference for v in each], [v.high for v in each])
    point = reading.score.point
    rows = "".join(
        f'<div class="row"><div class="name">{esc(v.rival)}</div>'
        f'<div class="bar">{interval(v.difference, v.low, v.high, scale, v.tone)}</div>'
        f'<div class="numbers">{number(v.difference, 2, signed=True)} <small>({number(v.low, 2, signed=True)} to '
        f'{number(v.high, 2, signed=True)})</small></div><div class="word {v.tone}">{WORDS[v.word]}</div></div>'
        for v in each
    )
    main = esc(reading.main)
    note = f"Mean difference of AULC in {esc(point)}, with 95 % interval; right of the dashed line {main} is better."
    return f'<h3>{main} against each rival</h3><p class="soft">{note}</p><div class="forest">{rows}</div>'


def rival_table(reading: Reading, verdicts: Verdicts) -> Table:
    """The same in numbers, with p values and wins."""
    point = reading.score.point
    head = ["against", f"difference, {point}", "95 % interval", "p (Holm)", f"{verdicts.unit} better", "equal", "worse"]
    head += ["practically equal with probability"] if verdicts.by_family else []
    rows = []
    for v in verdicts.each:
        row: list[str | Cell] = [v.rival, number(v.difference, 2, signed=True)]
        row += [
            f"{number(v.low, 2, signed=True)} to {number(v.high, 2, signed=True)}",
            chance(v.p).removeprefix("p ").removeprefix("= "),
        ]
        row += [f"{v.wins}", f"{v.ties}", f"{v.losses}"]
        row += [percent(v.same)] if verdicts.by_family else []
        rows.append([*row, Cell(WORDS[v.word], v.tone)])
    return Table([*head, "verdict"], rows, text=[len(head)])
