"""Speed of rehearsals: loops per CPU second beside a plain scikit-activeml loop, and who gets the CPU.

``python -m benchmarks.rehearsal`` plays the same work twice in one process, taking turns: metaal with everything it
logs (to a store on disk), and the loop of scikit-activeml's tutorials, which logs nothing. Same splits, same initial
labels, same learner with the same parameters, same batches; both score every model on the guide split, in a run on the
test split too. Where the strategy is margin, both must choose the same rows (logistic regression; trees draw by their
seeds). CPU seconds are of the process and of one thread; the median of the rounds' ratios counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.record import RESULTS
from metaal import turn
from metaal.rehearsal import Branches, Exploring, Task, branch, following, make_learner, read_suite, rebuilding
from metaal.rehearsal.playing import layout_of, one_thread, played
from metadata_store import open_store

LEARNERS = ("logistic", "extra_trees")
DATA = (("digits", 10, 100), ("breast_cancer", 5, 50), ("wine", 4, 40))
ARMS = ("margin", "entropy", "k_center", "typiclust", "badge", "random")
PLAN = Branches(ARMS, states=2, default="margin")


Done = Callable[[], tuple[int, list[int]]]
"""Tells the loops that were played and the rows that were asked for; not timed, since it may read the log."""
Work = Callable[[Task, Any], Done]
"""Plays a task, logging to a store."""


def tasks(learner: str, seed: int) -> list[Task]:
    """What is played in one round."""
    return [Task(name, learner, batch=batch, budget=budget, seeds=seed) for name, batch, budget in DATA]


def asked_for(store: Any, run: str) -> tuple[int, list[int]]:
    """Loops and rows of a run, as its log tells them."""
    told = [record.arrays["ids"].tolist() for record in store.records(run) if record.event == "tell"]
    return len(told), [row for rows in told for row in rows]


def plain_metaal(task: Task, store: Any) -> Done:
    """Play with margin."""
    run = played("margin", task, store, full=False)
    return lambda: asked_for(store, run)


def branched_metaal(task: Task, store: Any) -> Done:
    """Play with the exploring policy and branch; loops of the run and of the branches."""
    run = played(Exploring(ARMS, default="margin"), task, store, full=False)
    made = branch(task, store, run, PLAN)
    return lambda: (asked_for(store, run)[0] + made * PLAN.horizon, [])


def shipped_metaal(task: Task, store: Any) -> Done:
    """The same with the actions, states and horizon of the train suite, whose default is cluster_margin."""
    suite = read_suite("train")
    policy, plan = suite.policy("classification"), suite.plan("classification")
    run = played(policy, task, store, full=False)
    made = branch(task, store, run, plan)
    return lambda: (asked_for(store, run)[0] + made * plan.horizon, [])


class Peer:
    """A loop as scikit-activeml's tutorials write it."""

    def __init__(self, task: Task) -> None:
        from skactiveml import pool
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.utils import MISSING_LABEL

        self.task, self.parts = task, layout_of(task)
        self.y = np.full(len(self.parts.pool_y), MISSING_LABEL)
        self.y[self.parts.initial] = self.parts.pool_y[self.parts.initial]
        with self.parts.test_y.allowed():
            self.test_y = self.parts.test_y.open()
        classes = list(range(self.parts.classes))
        self.clf = SklearnClassifier(make_learner(task.learner_name, 0), classes=classes, random_state=0)
        self.queries: dict[str, tuple[Any, bool]] = {
            "margin": (pool.UncertaintySampling(method="margin_sampling", random_state=0), True),
            "entropy": (pool.UncertaintySampling(method="entropy", random_state=0), True),
            "k_center": (pool.CoreSet(random_state=0), False),
            "typiclust": (pool.TypiClust(random_state=0), False),
            "badge": (pool.Badge(random_state=0), True),
            "random": (pool.RandomSampling(random_state=0), False),
        }

    def ask(self, name: str, y: np.ndarray) -> np.ndarray:
        """Rows that a strategy asks for."""
        query, model = self.queries[name]
        more = {"clf": self.clf} if model else {}
        return np.asarray(query.query(X=self.parts.pool_x, y=y, batch_size=self.task.batch, **more))

    def learn(self, y: np.ndarray) -> None:
        """Fit, and score on the guide split."""
        self.clf.fit(self.parts.pool_x, y)
        self.score(self.parts.guide_x, self.parts.guide_y)

    def score(self, x: np.ndarray, y: np.ndarray) -> None:
        """The three scores that a run is told."""
        from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

        proba = self.clf.predict_proba(x)
        found = proba.argmax(axis=1)
        accuracy_score(y, found), balanced_accuracy_score(y, found)
        log_loss(y, proba, labels=np.arange(self.parts.classes))


def plain_peer(task: Task, store: Any) -> Done:
    """The same run by scikit-activeml."""
    peer, asked = Peer(task), list[int]()
    loops = task.budget // task.batch
    for _ in range(loops):
        peer.learn(peer.y)
        peer.score(peer.parts.test_x, peer.test_y)
        rows = peer.ask("margin", peer.y)
        peer.y[rows] = peer.parts.pool_y[rows]
        asked += rows.tolist()
    peer.learn(peer.y)
    peer.score(peer.parts.test_x, peer.test_y)
    return lambda: (loops, asked)


def branched_peer(task: Task, store: Any) -> Done:
    """A run of random arms, and at as many states every arm in a copy of the labels, continued with margin."""
    peer, rng, count = Peer(task), np.random.default_rng(0), 0
    loops = task.budget // task.batch
    at = set(rng.choice(loops, PLAN.states, replace=False).tolist())
    for loop in range(loops):
        peer.learn(peer.y)
        peer.score(peer.parts.test_x, peer.test_y)
        if loop in at:
            for arm in ARMS:
                y = peer.y.copy()
                for h in range(PLAN.horizon):
                    rows = peer.ask(arm if h == 0 else "margin", y)
                    y[rows] = peer.parts.pool_y[rows]
                    peer.learn(y)
                    count += 1
            peer.clf.fit(peer.parts.pool_x, peer.y)
        rows = peer.ask("margin" if rng.random() < 0.5 else ARMS[rng.integers(len(ARMS))], peer.y)
        peer.y[rows] = peer.parts.pool_y[rows]
        count += 1
    return lambda: (count, [])


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """CPU seconds of the learners' own fit and predict, and of metaal's strategies, inside of the block."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression

    spent = {"learner": 0.0, "strategies": 0.0}
    places = [(cls, name, "learner") for cls in (LogisticRegression, ExtraTreesClassifier) for name in METHODS]
    places += [(module, "propose", "strategies") for module in (turn, rebuilding, following)]
    originals = [(holder, name, getattr(holder, name)) for holder, name, _ in places]
    for holder, name, kind in places:
        setattr(holder, name, _timed(getattr(holder, name), spent, kind))
    try:
        yield spent
    finally:
        for holder, name, original in originals:
            setattr(holder, name, original)


METHODS = ("fit", "predict_proba")


def _timed(method: Callable[..., Any], spent: dict[str, float], kind: str) -> Callable[..., Any]:
    def call(*args: Any, **words: Any) -> Any:
        started = time.process_time()
        try:
            return method(*args, **words)
        finally:
            spent[kind] += time.process_time() - started

    return call


def measure(ours: Work, theirs: Work | None, learner: str, rounds: int) -> dict[str, Any]:
    """Loops per CPU second of both, turn by turn, and the shares of ours that learner and strategies get."""
    turns = {"metaal": ours} | ({} if theirs is None else {"peer": theirs})
    rates: dict[str, list[float]] = {name: [] for name in turns}
    shares: dict[str, list[float]] = {"learner": [], "strategies": []}
    same = True
    for seed in range(rounds + 1):
        asked = {}
        for name in sorted(turns, reverse=bool(seed % 2)):
            seconds, spent, loops, asked[name] = once(turns[name], tasks(learner, seed))
            if seed:  # the first round warms up
                rates[name].append(loops / seconds)
                if name == "metaal":
                    for kind, of in shares.items():
                        of.append(spent[kind] / seconds)
        same &= theirs is None or asked["metaal"] == asked["peer"]
    found: dict[str, Any] = {name: round(statistics.median(of), 1) for name, of in rates.items()}
    if theirs is not None:
        found["ratio"] = round(statistics.median(a / b for a, b in zip(*rates.values(), strict=True)), 2)
    if ours is plain_metaal:
        found["same_rows"] = same
    return found | {f"{kind}_share": round(statistics.median(of), 3) for kind, of in shares.items()}


def once(work: Work, chosen: list[Task]) -> tuple[float, dict[str, float], int, list[list[int]]]:
    """CPU seconds of playing some tasks, where they went, the loops, and the rows asked for."""
    seconds, loops, rows = 0.0, 0, list[list[int]]()
    with tempfile.TemporaryDirectory() as folder, open_store(folder, durability="group") as store, watched() as spent:
        for task in chosen:
            layout_of(task)  # reading and encoding the data is nobody's loop
            started = time.process_time()
            done = work(task, store)
            seconds += time.process_time() - started
            count, asked = done()
            loops, rows = loops + count, [*rows, sorted(asked)]
        return seconds, dict(spent), loops, rows


WORKS: tuple[tuple[str, Work, Work | None], ...] = (
    ("loops", plain_metaal, plain_peer),
    ("loops and branches", branched_metaal, branched_peer),
    ("as in train", shipped_metaal, None),
)


def markdown() -> str:
    """The measured rates as a table, for docs/rehearsal.md."""
    found = json.loads((RESULTS / "rehearsal.json").read_text(encoding="utf-8"))["loops per CPU second"]
    lines = [
        "| learner | work | metaal | scikit-activeml | ratio | at most | learner's share of CPU | strategies' share |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        learner, work = name.split(", ", 1)
        # With nothing left but the learner's own fit and predict, the ratio would be so much.
        most = row["ratio"] / row["learner_share"] if "ratio" in row else 0.0
        peer = f"{row['peer']:.0f} | {row['ratio']:.1f} | {most:.1f}" if "peer" in row else "– | – | –"
        shares = f"{row['learner_share']:.0%} | {row['strategies_share']:.0%}"
        lines.append(f"| {learner} | {work} | {row['metaal']:.0f} | {peer} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write ``results/rehearsal.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/rehearsal.json")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for learner in LEARNERS:
            for work, ours, theirs in WORKS:
                row = measure(ours, theirs, learner, given.rounds)
                found[f"{learner}, {work}"] = row
                print(
                    f"{learner:12} {work:20}", *(f"{key} {value}" for key, value in row.items()), sep="  ", flush=True
                )
    if given.write:
        text = json.dumps(
            {"command": "python -m benchmarks.rehearsal --write", "loops per CPU second": found}, indent=1
        )
        (RESULTS / "rehearsal.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
