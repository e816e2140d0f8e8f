"""The results section of README and docs/speed.md, from the committed results; ``--check`` fails if they differ.

python -m benchmarks.readme [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.bars import judge
from benchmarks.micro import tables
from benchmarks.record import RESULTS, read_result
from benchmarks.store import tables as store_tables
from benchmarks.store.summary import summary
from metaal.comparing import holm
from metaal.result import Result

README = Path(__file__).parent.parent / "README.md"
SPEED = README.parent / "docs" / "speed.md"
STORE = ("append", "read", "writers", "recover")
START, END = "<!-- results -->", "<!-- /results -->"


def digits() -> str:
    """Table of the digits benchmark."""
    result = read_result("digits")
    table: Any = result.table()
    seeds = len(json.loads((RESULTS / "digits.json").read_text())["seeds"])
    versus: Any = result.versus("random")
    lines = [
        "scikit-learn's digits, logistic regression, batches of 10, 100 labels after 20 initial ones, "
        f"{seeds} paired seeds",
        "(`python -m benchmarks.digits`). AULC is the area under the test-accuracy curve, as a mean "
        "accuracy; the interval is",
        "a 95 % bootstrap over the seeds.",
        "",
        "| policy | AULC, % | against random, pp | first 30 labels, % | final, % | labels to 90 % | labels to 95 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in table.iterrows():
        delta = "–"
        if name != "random":
            d = versus.loc[name]
            delta = f"{d['difference']:+.2f} ({d['low']:+.2f} to {d['high']:+.2f})"
        lines.append(
            f"| `{name}` | {100 * row['aulc']:.2f} | {delta} | {100 * row['first30']:.2f} | {100 * row['final']:.2f} | "
            f"{_reached(row, '90')} | {_reached(row, '95')} |"
        )
    return "\n".join(lines)


DEV = "suite"
"""The whole suite, played by the policies that the learned one is compared with."""
PART = "dev_part"
"""A third of the suite, played by more rivals and at more prices."""
OF_PART = {4, 6, 7, 8}
"""Numbers of the bars that are about these."""


def _reached(row: Any, level: str) -> str:
    value = row[f"labels.to.{level}"]
    return f"{value:.0f}" if np.isfinite(value) else f"not reached ({row[f'reached.{level}']:.0%} did)"


def by_family(result: Result, rival: str, main: str, score: str = "aulc") -> np.ndarray:
    """Paired differences in pp, one a family: the mean over its tasks of the mean over seeds."""
    wide = result.good.pivot(index=["family", "task", "stream"], columns="policy", values=score)
    delta = 100 * (wide[main] - wide[rival])
    return np.asarray(delta.groupby(level=["family", "task"]).mean().groupby(level="family").mean())


def dev() -> str:
    """Table of the closed loop on the dev sets."""
    result = read_result(DEV)
    facts = json.loads((RESULTS / f"{DEV}.json").read_text())
    shard = facts["suite"]["shard"]
    part = "" if shard == "1/1" else f", shard {shard} of the suite"
    main = "learned"
    table: Any = result.table()
    sure = corrected(result, main)
    lines = [
        f"Closed loop on {facts['families']} data-set families that nothing was trained or tuned on, "
        f"{facts['tasks']} tasks (four",
        f"learners, six regimes, batches of 3, 10 or 40, 15 loops), {facts['runs']} runs{part}",
        f"(`{facts['command']}`).",
        "All numbers are means over families; differences with a 95 % bootstrap interval over families, and p of the",
        "Wilcoxon signed-rank test by Holm's correction for all rivals.",
        "",
        *_verdicts(result, main),
        "",
        f"| policy | AULC, % | first 30 labels, % | log-loss | `{main}` against it, pp | p | families better / worse |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in table.iterrows():
        cells = "– | – | –"
        if name != main:
            delta = by_family(result, str(name), main)
            draws = np.random.default_rng(0).integers(len(delta), size=(10_000, len(delta)))
            low, high = np.quantile(delta[draws].mean(1), [0.025, 0.975])
            interval = f"{delta.mean():+.2f} ({low:+.2f} to {high:+.2f})"
            cells = f"{interval} | {sure[str(name)]:.2g} | {(delta > 0).sum()} / {(delta < 0).sum()}"
        scores = f"{100 * row['aulc']:.2f} | {100 * row['first30']:.2f} | {row['aulc.log_loss']:.3f}"
        lines.append(f"| `{name}` | {scores} | {cells} |")
    return "\n".join(lines)


def bars() -> str:
    """Every bar and what was measured."""
    whole, part = (judge(read_result(name), "learned") for name in (DEV, PART))
    tasks = {name: json.loads((RESULTS / f"{name}.json").read_text())["tasks"] for name in (DEV, PART)}
    lines = [
        "The bars that were set before training (benchmarks/bars.toml), and what the learned policy reaches:",
        "",
        "| # | measure | bar | measured | | tasks |",
        "|---|---|---|---|---|---|",
    ]
    for wide, narrow in zip(whole, part, strict=True):
        verdict, name = (narrow, PART) if wide.number in OF_PART else (wide, DEV)
        measured = f"{verdict.measured} | {verdict.verdict} | {tasks[name]:,}"
        lines.append(f"| {verdict.number} | {verdict.measure} | {verdict.bar} | {measured} |")
    return "\n".join(lines)


def corrected(result: Result, main: str) -> dict[str, float]:
    """Rival → p of the signed-rank test over families, by Holm's correction for all of them."""
    deltas = {name: by_family(result, name, main) for name in result.policies if name != main}
    p = [float(wilcoxon(delta).pvalue) if (delta != 0).any() else 1.0 for delta in deltas.values()]
    return dict(zip(deltas, map(float, holm(np.array(p))), strict=True))


def _verdicts(result: Result, main: str) -> list[str]:
    """What the table says of the learned policy, in words that follow from its numbers."""
    words: dict[str, list[str]] = {"better than": [], "worse than": [], "not distinguishable from": []}
    sure = corrected(result, main)
    for rival in ("schedule", "cluster_margin", "margin", "random"):
        delta = by_family(result, rival, main)
        word = (
            "not distinguishable from" if sure[rival] >= 0.05 else "better than" if delta.mean() > 0 else "worse than"
        )
        words[word].append(f"`{rival}` ({delta.mean():+.2f} pp)")
    found = [f"{word} {' and '.join(names)}" for word, names in words.items() if names]
    return [f"At p < .05 `{main}` is {'; '.join(found)}."]


_SHOWN = ("margin", "entropy", "bald", "k_center", "badge", "typiclust", "prob_cover", "max_herding", "clue", "falcun")


def speed() -> str:
    """How long strategies take beside their peers, in one table; the whole of it is docs/speed.md."""
    ours, pairs = tables.paired(RESULTS)
    packages = list(dict.fromkeys(package for _, package, _ in pairs))
    lines = [
        "CPU seconds of one choice of 100 rows among 100,000 of 32 columns and 10 classes, on one core, within 8 GiB",
        "and 40 s (`python -m benchmarks.micro`; [docs/speed.md](docs/speed.md) has every strategy, size and peer).",
        "",
        "| strategy | metaal | " + " | ".join(tables.SHORT.get(package, package) for package in packages) + " |",
        "|---|---|" + "---|" * len(packages),
    ]
    for name in _SHOWN:
        cells = []
        for package in packages:
            calls = [rows for (strategy, peer, _), rows in pairs.items() if (strategy, peer) == (name, package)]
            cells.append("; ".join(tables.spent(row) for rows in calls for row in rows if row["U"] == 100_000) or "–")
        lines.append(f"| `{name}` | {tables.spent(ours[name, 100_000])} | {' | '.join(cells)} |")
    compared, slower = tables.slower(RESULTS)
    worst = "; ".join(f"`{s}` at {u:,} rows ({p}, {r:.2g}×)" for s, p, u, r in slower)
    lines += [
        "",
        f"Of {compared} comparisons at 1,000, 10,000 and 100,000 rows in which both finished, ours is slower in "
        f"{len(slower)}{': ' + worst if worst else ''}.",
    ]
    return "\n".join(lines)


def speed_page() -> str:
    """docs/speed.md: every table of the micro-benchmarks."""
    facts = json.loads((RESULTS / "micro_peers.json").read_text(encoding="utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in facts["machine"].items())
    versions = ", ".join(f"{key} {value}" for key, value in facts["versions"].items())
    return (
        "# How fast the strategies are\n\n<!-- written by python -m benchmarks.readme; do not edit -->\n\n"
        f"Measured by `python -m benchmarks.micro all`, each call in a process of its own. Machine: {machine}. "
        f"Versions: {versions}.\n\n" + tables.markdown("all") + "\n\n## The store\n\n" + store_tables.markdown() + "\n"
    )


def store() -> str:
    """What the store reaches of its bars."""
    loads = [load for name in STORE for load in json.loads((RESULTS / f"store_{name}.json").read_text())["load"]]
    return (
        "The store beside what people use today, in one run on two cores (`python -m benchmarks.store all --peers`; "
        "all tables in [docs/speed.md](docs/speed.md#the-store)), and under faults (`make crash`). Medians, least to "
        f"most in brackets; load of the machine {min(loads):g} to {max(loads):g}, its two cores' own work included.\n\n"
        + summary()
    )


def section() -> str:
    """Everything between the marks."""
    parts = [digits()]
    if (RESULTS / f"{DEV}.json").exists():
        parts += [dev(), bars()]
    if (RESULTS / "micro_peers.csv").exists():
        parts.append(speed())
    if (RESULTS / "store_read.csv").exists():
        parts.append(store())
    return "\n\n".join(parts)


def main() -> None:
    text = README.read_text(encoding="utf-8")
    start, end = text.index(START) + len(START), text.index(END)
    wanted = f"{text[:start]}\n{section()}\n{text[end:]}"
    if "--check" in sys.argv[1:]:
        if SPEED.read_text(encoding="utf-8") != speed_page():
            sys.exit("docs/speed.md differs from benchmarks/results; run python -m benchmarks.readme")
        if wanted != text:
            sys.exit("README's results differ from benchmarks/results; run python -m benchmarks.readme")
        print("README's results are those of benchmarks/results")
        return
    README.write_text(wanted, encoding="utf-8")
    SPEED.write_text(speed_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
