"""The gallery of the strategies: what each of them picks on the same two moons.

    python -m benchmarks.gallery           # write docs/zoo.md and docs/zoo/*.svg
    python -m benchmarks.gallery --check   # exit 1 if they aren't what the code gives now

Everything comes from the registered classes, so a strategy that isn't in the gallery isn't in the zoo. The pictures are
small SVG files of their own; a pick's number is its place in the batch.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

import metaal
import strategy_zoo
from strategy_zoo import Space, View, propose, synthesise
from strategy_zoo.registry import lookup

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"
PICTURES = PAGE.with_suffix("")
PICKS = 10
WIDTH, HEIGHT = 280, 200
LOW, HIGH = np.array([-1.7, -1.15]), np.array([2.7, 1.65])

FAMILIES = {
    "random": "The yardstick.",
    "uncertainty": "Rows about which the model's probabilities say least.",
    "committee": "Rows about which several models disagree.",
    "bayesian": "Rows whose label would say most about which member of a committee is right.",
    "change": "Rows whose label would change the model, or whose prediction has just changed.",
    "look-ahead": "Rows whose label would improve the model most, by information or by trying each answer.",
    "density": "Rows that stand for many others.",
    "coverage": "Rows near which the rest of the pool lies.",
    "diversity": "Rows that differ from what is labelled, and from each other.",
    "hybrid": "Uncertainty and diversity at once.",
    "balance": "Rows of the classes that have few labels, or none.",
    "fusion": "Strategies made of other strategies.",
    "regression": "For targets that are numbers.",
    "noisy oracle": "Which labelled rows to ask again.",
    "multi-label": "For rows that may have several labels.",
    "stream": "One row at a time, in constant memory; here the pool passes by once, in random order.",
    "synthesis": "Rows that are not in the pool; the diamonds are the points that were made.",
}


def moons() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """300 points, their classes, and which eight of them are labelled: a small corner of the plane."""
    points, y = make_moons(300, noise=0.16, random_state=4)
    rng = np.random.default_rng(3)
    seen = np.concatenate([rng.choice(np.flatnonzero((y == k) & (points[:, 0] < 1.2)), 4, False) for k in (0, 1)])
    return points, y, np.sort(seen)


@cache
def scene(task: str) -> dict[str, Any]:
    """Everything that a view of the moons can hold, for one task."""
    points, y, seen = moons()
    pool = np.setdiff1d(np.arange(len(points)), seen)
    features = RBFSampler(gamma=1.0, n_components=60, random_state=0)
    if task == "regression":
        y = np.sin(2 * points[:, 0]) + points[:, 1]
        model = make_pipeline(features, Ridge(0.05))
        want = ("prediction", "committee_prediction")
    elif task == "multilabel":
        y = np.column_stack([y, points[:, 0] > 0.5, points[:, 1] > 0.25]).astype(int)
        model = make_pipeline(features, OneVsRestClassifier(LogisticRegression(C=3.0)))
        want = ("label_proba", "seen_labels")
    else:
        model = make_pipeline(features, LogisticRegression(C=3.0))
        want = ("proba", "committee", "stochastic", "seen_proba", "seen_y", "lookahead")
    model.fit(points[seen], y[seen])
    given = metaal.outputs(
        model, points[pool], X_seen=points[seen], y_seen=y[seen], want=want, members=5, evaluation=100, seed=0
    )
    given |= {"embedding": points[pool], "seen_embedding": points[seen]}
    if task == "classification":
        # One loop ago there were half as many labels; some rows have votes of two annotators, of whom one errs often.
        half = seen[::2] if len(set(y[seen[::2]])) == 2 else seen[:-1]
        given["previous"] = clone(model).fit(points[half], y[half]).predict_proba(points[pool])
        rng = np.random.default_rng(0)
        votes = np.zeros((len(pool), 2))
        voted = rng.random(len(pool)) < 0.5
        for error in (0.05, 0.3):
            vote = np.where(rng.random(len(pool)) < error, 1 - y[pool], y[pool])
            votes[voted, vote[voted]] += 1
        given |= {"votes": votes, "predict": model.predict_proba}
    if task == "regression":
        given["quantiles"] = np.quantile(given["committee_prediction"], (0.1, 0.5, 0.9), axis=0).T
        given["seen_y"] = y[seen]
    return {"view": View(**given), "points": points[pool], "seen": points[seen], "label": y[seen], "model": model}


def picture(name: str) -> str:
    """What a strategy picks, as SVG."""
    cls = lookup(name)
    task = next(task for task in ("classification", "regression", "multilabel") if task in cls.task)
    here = scene(task)
    rng = np.random.default_rng(1)
    strategy = cls.example or name
    made = None
    if cls.kind == "synthesis":
        made = synthesise(strategy, here["view"], Space(LOW, HIGH), PICKS, rng).points
        picked = made
    else:
        picked = here["points"][propose(strategy, here["view"], PICKS, rng).rows]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="what {name} picks">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_ground(here["model"], task),
        _dots(here["points"], "#7b8494", 3.2),
    ]
    for k, (point, label) in enumerate(zip(here["seen"], here["label"], strict=True)):
        x, y = _place(point)
        fill = ("#2166ac", "#b35806")[int(label)] if task == "classification" else "#222"
        parts.append(f'<rect x="{x - 4}" y="{y - 4}" width="8" height="8" fill="{fill}" stroke="#fff" id="l{k}"/>')
    for k, point in enumerate(picked):
        x, y = _place(point)
        if made is None:
            parts.append(f'<circle cx="{x}" cy="{y}" r="6.5" fill="#111" stroke="#fff"/>')
        else:
            parts.append(f'<path d="M{x} {y - 9}l9 9l-9 9l-9-9z" fill="#111" stroke="#fff"/>')
        parts.append(f'<text x="{x}" y="{y + 3}" fill="#fff">{k + 1}</text>')
    style = "<style>text{font:bold 8px sans-serif;text-anchor:middle}</style>"
    return "\n".join([parts[0], style, *parts[1:], "</svg>"]) + "\n"


def _place(point: np.ndarray) -> tuple[int, int]:
    x, y = (np.clip(point, LOW, HIGH) - LOW) / (HIGH - LOW) * (WIDTH, HEIGHT)
    return round(float(x)), round(HEIGHT - float(y))


def _dots(points: np.ndarray, colour: str, size: float) -> str:
    """Points as one path of round dots, which takes a tenth of the bytes of as many circles."""
    path = "".join("M{} {}h0".format(*_place(point)) for point in points)
    return f'<path d="{path}" stroke="{colour}" stroke-width="{size}" stroke-linecap="round" fill="none"/>'


def _ground(model: Any, task: str) -> list[str]:
    """The model's answers as a pale ground, in horizontal runs of one colour."""
    if task == "multilabel":
        return []
    cell = 4
    x, y = np.meshgrid(np.arange(0, WIDTH, cell) + cell / 2, np.arange(0, HEIGHT, cell) + cell / 2)
    grid = np.column_stack([x.ravel(), HEIGHT - y.ravel()]) / (WIDTH, HEIGHT) * (HIGH - LOW) + LOW
    value = model.predict_proba(grid)[:, 1] if task == "classification" else model.predict(grid)
    if task == "regression":
        value = (value - value.min()) / (value.max() - value.min())
    level = np.clip((value * 6).astype(int), 0, 5).reshape(x.shape)
    colours = ("#c6dbef", "#dbe9f6", "#eef4fa", "#fdf1e6", "#fbe1c8", "#f8cfa6")
    out = []
    for step, colour in enumerate(colours):
        path = []
        for i, row in enumerate(level == step):
            edge = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
            for a, b in zip(edge[::2] * cell, edge[1::2] * cell, strict=True):
                path.append(f"M{a} {i * cell + cell // 2}h{b - a}")
        if path:
            out.append(f'<path d="{"".join(path)}" stroke="{colour}" stroke-width="{cell}" fill="none"/>')
    return out


def page() -> str:
    """The gallery's text."""
    rows = {row["name"]: row for row in strategy_zoo.catalogue()}
    lines = [
        "# The strategy zoo",
        "",
        "<!-- written by python -m benchmarks.gallery; do not edit -->",
        "",
        f"{len(rows)} strategies. Each picture shows the {PICKS} rows that one of them asks for on the same two moons. "
        "The ground is what the model says (blue one class, orange the other); squares are labelled rows, grey dots "
        "the pool, black circles the picks in the order of the batch. Regression strategies see a number instead.",
        "`metaal zoo NAME` prints a strategy's documentation; [strategies.md](strategies.md) says how to use them and "
        "how to write one.",
        "",
    ]
    for family, words in FAMILIES.items():
        members = [row for row in rows.values() if row["family"] == family]
        if not members:
            continue
        lines += [f"## {family[0].upper()}{family[1:]}", "", words, "", "| picks | strategy |", "|---|---|"]
        for row in members:
            needs = ", ".join(f"`{need}`" for need in row["needs"])
            if row["example"] != row["name"]:
                needs = " and ".join(part for part in (needs, "what its parts need") if part)
            limit = f" Above {row['limit']:,} rows: a random subset of that size." if row["limit"] else ""
            lines.append(
                f"| ![{row['name']}](zoo/{row['name']}.svg) | **`{row['example']}`** ({row['kind']})<br>"
                f"{row['summary']}<br>Needs {needs or 'nothing'}. Work: {row['growth']}.{limit}<br>"
                f"*{row['reference']}* |"
            )
        lines.append("")
    strange = sorted({row["family"] for row in rows.values()} - set(FAMILIES))
    if strange:
        raise SystemExit(f"families without a heading: {', '.join(strange)}")
    return "\n".join(lines)


def files() -> dict[Path, str]:
    """Every file of the gallery and its text."""
    out = {PAGE: page()}
    for name in strategy_zoo.names():
        out[PICTURES / f"{name}.svg"] = picture(name)
    return out


def main() -> None:
    """Write the gallery, or check it."""
    wanted = files()
    if "--check" in sys.argv[1:]:
        old = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        extra = sorted(set(PICTURES.glob("*.svg")) - set(wanted))
        for path in (*old, *extra):
            print(f"not what the code gives now: {path.relative_to(PAGE.parent.parent)}", file=sys.stderr)
        sys.exit(1 if old or extra else 0)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    print(f"{len(wanted) - 1} pictures, {sum(len(text) for text in wanted.values()) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
