"""The tables of the report."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from metaal.measures import PHASES
from metaal.reporting.losses import Loss
from metaal.reporting.reading import SCORES, Reading
from metaal.reporting.summary import TARGETS, best_target, targets
from metaal.reporting.words import NEVER, Cell, Table, number, percent, seconds, task_words


def order(reading: Reading) -> list[str]:
    """Policies, best mean AULC first."""
    means = reading.middle("aulc")
    return sorted(reading.policies, key=lambda name: -means[name])


def strongest(reading: Reading) -> str:
    """The rival with the highest mean AULC; nothing without any."""
    return next((name for name in order(reading) if name in reading.rivals), "")


def score_table(reading: Reading) -> Table:
    """Means of every score by policy."""
    score = reading.score
    columns: list[tuple[str, str, float, int]] = [
        ("aulc", f"AULC, {score.words}", score.factor, score.digits),
        *(
            (f"aulc.{s.name}", f"AULC, {s.words}", s.factor, s.digits)
            for s in SCORES.values()
            if s.name not in ("accuracy", "r2")
        ),
        ("first30", "first 30 labels", score.factor, score.digits),
        ("final", "final", score.factor, score.digits),
        ("full", "all labelled", score.factor, score.digits),
        ("rounds", "rounds", 1.0, 1),
        ("fits", "full fits", 1.0, 1),
        ("utility", "utility", 1.0, 0),
    ]
    there = [c for c in columns if c[0] in reading.good and np.isfinite(reading.good[c[0]]).any()]
    means = {c[0]: reading.middle(c[0]) for c in there}
    names = order(reading)
    rows: list[list[str]] = [
        [name, *(number(f * means[c][name], digits) for c, _, f, digits in there)] for name in names
    ]
    head = ["policy", *(title + (", %" if factor == 100 else "") for _, title, factor, _ in there)]
    return Table(head, rows, marked=[names.index(reading.main)])


def target_table(reading: Reading) -> Table:
    """Labels to each target and compression, and the share of the runs that got there."""
    known = targets(reading)
    names = order(reading)
    middle = {c: reading.middle(c) for t in known for c in (f"labels.to.{t}", f"compression.{t}")}
    head = ["policy"]
    for t in known:
        head += [f"labels to {t} %", "reached by", "pool saved"]
    rows: list[list[str | Cell]] = []
    for name in names:
        own = reading.good[reading.good["policy"] == name]
        row: list[str | Cell] = [name]
        for t in known:
            labels = middle[f"labels.to.{t}"][name]
            never = not np.isfinite(labels)
            row.append(Cell(NEVER, "faint", "in most runs") if never else number(labels))
            row.append(percent(float(own[f"labels.to.{t}"].notna().mean())))
            row.append(Cell("–", "faint") if never else percent(middle[f"compression.{t}"][name], 1))
        rows.append(row)
    return Table(head, rows, marked=[names.index(reading.main)])


def phase_table(reading: Reading) -> Table:
    """Mean seconds of a run by phase."""
    phases = [p for p in PHASES if f"seconds.{p}" in reading.good]
    middle = {p: reading.middle(f"seconds.{p}") for p in phases}
    names = order(reading)
    rows: list[list[str]] = []
    for name in names:
        values = [middle[p][name] for p in phases]
        rows.append([name, *(seconds(v) for v in values), seconds(float(np.nansum(values)))])
    return Table(["policy", *phases, "all"], rows, marked=[names.index(reading.main)])


def regret_table(reading: Reading, found: Any) -> Table:
    """How much policies lose to rivals at worst."""
    point = reading.score.point
    head = ["policy", "against", f"mean, {point}", "worst tenth of the tasks", "worst task", "tasks worse"]
    head += ["where it loses most"]
    rows: list[list[str]] = []
    marked: list[int] = []
    for _, line in found.iterrows():
        row: Any = line
        if row["policy"] == reading.main:
            marked.append(len(rows))
        numbers = [number(float(row[key]), 2, signed=True) for key in ("mean", "worst_decile", "worst")]
        where = f"{row['worst_group']} ({number(float(row['worst_group_mean']), 2, signed=True)})"
        rows.append([str(row["policy"]), str(row["against"]), *numbers, percent(float(row["share_worse"])), where])
    return Table(head, rows, text=[1, 6], marked=marked)


def regrets(reading: Reading) -> Any:
    """Regret of every policy against margin, random and the best rival of each regime and learner."""
    from metaal.comparing import regret

    names = reading.called("margin", "random") or reading.rivals[:1]
    found = regret(reading.good, "aulc", names, fixed=reading.static)
    return found.sort_values(["against", "mean"], kind="stable")


def business_table(reading: Reading) -> Table:
    """Key figures of a buyer, each with its definition beside it."""
    found = business(reading)
    names = [name for name in reading.policies if name in found]
    rows: list[list[str | Cell]] = []
    for figure, line in found.iterrows():
        row: Any = line
        cells = [_figure(str(figure), name, float(row[name]), str(row["unit"])) for name in names]
        unit = f" ({row['unit']})" if row["unit"] not in ("share", "s") else ""
        rows.append([Cell(f"{figure}{unit}", "defined", below=str(row["definition"])), *cells])
    return Table(["", *names], rows)


def business(reading: Reading) -> Any:
    """The key figures at the target of the summary; without those that need a target where none is known."""
    from metaal.comparing import business as figures

    target = best_target(reading) or next(t for t in TARGETS if f"labels.to.{t}" in reading.good)
    baselines = [name for name in reading.called("random", "margin") if name != reading.main] or reading.rivals[:1]
    prices, traces = reading.result.prices, reading.result.traces
    found = figures(reading.good, prices, baselines, target=int(target), traces=traces)
    return found if targets(reading) else found[~found.index.str.contains(f"{target} %", regex=False)]


def _figure(figure: str, policy: str, value: float, unit: str) -> str | Cell:
    if not np.isfinite(value):
        before, _, baseline = figure.rpartition(" against ")
        if not figure.startswith("labels to") and (not before or baseline == policy):
            return Cell("–", "faint")
        if before == "payback":
            return Cell("not paid back", "faint", "on most tasks")
        return Cell(
            f"{NEVER} by both" if before else NEVER, "faint", "in the middle one of the paired runs, or most runs"
        )
    if unit == "share":
        return percent(value)
    if unit == "s":
        return seconds(value)
    return number(value, 0 if unit == "labels" else 2)


def price_table(reading: Reading) -> Table | None:
    """Mean utility of a run at five prices of compute, or nothing where the runs lack its parts."""
    from metaal.comparing import price_grid, utility_at
    from metaal.comparing.pareto import PARTS

    if not all(part in reading.good for part in PARTS):
        return None
    found = utility_at(reading.good, price_grid(reading.result.prices))
    names = order(reading)
    values = found.loc[names].to_numpy(dtype=np.float64)
    rows: list[list[str | Cell]] = [
        [name, *(_best(float(v), float(best)) for v, best in zip(row, values.max(0), strict=True))]
        for name, row in zip(names, values, strict=True)
    ]
    return Table(["policy", *map(str, found.columns)], rows, marked=[names.index(reading.main)])


def _best(value: float, best: float) -> Cell:
    return (
        Cell(number(value), "better", "the best at this price", strong=True)
        if value >= best - 1e-5
        else Cell(number(value))
    )


def loss_table(reading: Reading, found: list[Loss], rival: str) -> Table:
    """The tasks with the largest losses to one rival."""
    head = ["task", f"difference to {rival}, {reading.score.point}", "95 % interval", "seeds worse", "behind"]
    head += [f"{reading.main} took", f"{rival} took"]
    rows: list[list[str | Cell]] = []
    for loss in found:
        span = f"{number(loss.low, 2, signed=True)} to {number(loss.high, 2, signed=True)}"
        interval = span if np.isfinite(loss.low) else "–"
        row: list[str | Cell] = [task_words(loss.task), Cell(number(loss.difference, 2, signed=True), "bad")]
        rows.append([*row, interval, f"{loss.worse} of {loss.seeds}", loss.when, loss.did, loss.other])
    return Table(head, rows, text=[5, 6])


def group_tables(reading: Reading, found: Any) -> list[tuple[str, Table]]:
    """Mean differences to every rival by regime, learner, batch and data: (what groups, table); losses first."""
    out = []
    for kind, part in found.groupby("kind", sort=False):
        wide = part.pivot(index="group", columns="rival", values="difference")[reading.rivals]
        names = [str(name) for name in wide.mean(axis=1).sort_values(kind="stable").index]
        tasks = part.drop_duplicates("group").set_index("group")["tasks"]
        cells = {(row["group"], row["rival"]): row for _, row in part.iterrows()}
        rows: list[list[str | Cell]] = [
            [name, f"{int(tasks[name])}", *(_standing(cells[name, rival]) for rival in reading.rivals)]
            for name in names
        ]
        out.append((str(kind), Table([str(kind), "tasks", *(f"against {rival}" for rival in reading.rivals)], rows)))
    return out


def _standing(row: Any) -> Cell:
    low, high, value = float(row["low"]), float(row["high"]), number(float(row["difference"]), 2, signed=True)
    known = np.isfinite(low)
    tone = "better" if known and low > 0 else "worse" if known and high < 0 else ""
    span = (
        f"95 % interval {number(low, 2, signed=True)} to {number(high, 2, signed=True)}" if known else "a single value"
    )
    return Cell(value, tone, f"{span}; worse on {int(row['worse'])} of {int(row['tasks'])} tasks", strong=bool(tone))


def error_table(reading: Reading, most: int = 50) -> Table:
    """Runs that failed."""
    rows = [
        [str(row["policy"]), task_words(str(row["task"])), str(row["seed"]), str(row["error"])]
        for _, row in reading.result.errors.head(most).iterrows()
    ]
    return Table(["policy", "task", "seed", "error"], rows, text=[1, 3])


def leak_table(reading: Reading) -> Table:
    """Families that a policy was trained on."""
    leaks = reading.result.leaks
    found = Counter(zip(map(str, leaks["policy"]), map(str, leaks["family"]), strict=True))
    rows = [[policy, family, f"{count}"] for (policy, family), count in found.items()]
    return Table(["policy", "family that it was trained on", "runs"], rows, text=[1])
