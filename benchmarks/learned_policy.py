"""How the shipped policy is made and measured; every step can be broken off and goes on where it was.

    python -m benchmarks.learned_policy corpus  --data DIR --store corpus     # hours: sibling runs on the train sets
    python -m benchmarks.learned_policy train   --store corpus                # minutes: metaal/policies/learned.metaal
    python -m benchmarks.learned_policy measure --data DIR --store dev_runs   # hours: closed loop on the dev sets

The corpus holds *siblings*: runs that follow one prefix to a loop, do something different there, and then follow the
default; the first runs of a state are equal bit for bit, so `metaal.fit` compares them in pairs. The suite is fixed by
this file alone: which sets (all of train but those that metaal's built-in data come from), learners, loops and batches.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import joblib
import numpy as np

import metaal
from benchmarks.data import Source, read_manifest
from benchmarks.record import write_result
from metaal.actions import ARMS, DEFAULT_ARM
from metaal.progress import bar
from metaal.randomness import generator
from metaal.rehearsal.playing import shared_store
from metadata_store import open_store

HERE = Path(__file__).parent
POLICY = HERE.parent / "metaal" / "policies" / "learned.metaal"
BUILT_IN_FAMILIES = {"optdigits"}  # scikit-learn's digits: kept unseen, so that the built-in suites stay honest
LEARNERS = ("logistic", "extra_trees", "naive_bayes")
LOOPS = (0, 2, 5, 9)
BATCHES = (3, 5, 10, 20, 40)
BRANCHES = [(arm, 1.0) for arm in ARMS] + [(DEFAULT_ARM, 2.0), (DEFAULT_ARM, 4.0), ("margin", 2.0)]
SCORE = {"score.value": 0.6, "score.log_loss": -0.4}
RIVALS = ("random", "margin", "cluster_margin", "schedule")
DEV_BATCHES = (3, 10, 40)


def states(sources: list[Source], seed: int) -> list[tuple[Source, str, int, int, str, int]]:
    """Every state to branch at: (source, learner, loop, batch, prefix strategy, seed), in a mixed order."""
    out = []
    for source in sources:
        for learner in LEARNERS:
            for loop in LOOPS:
                rng = generator(seed, source.name, loop, learner)
                room = (source.rows // 2 - 2 * source.classes) // (2 * (loop + 4))
                batches = [b for b in BATCHES if b <= room]
                if not batches:
                    continue
                prefix = DEFAULT_ARM if rng.random() < 0.5 else str(rng.choice(ARMS))
                out.append((source, learner, loop, int(rng.choice(batches)), prefix, seed))
    order = np.random.default_rng(seed).permutation(len(out))
    return [out[k] for k in order]


def branch(source: Source, learner: str, loop: int, batch: int, prefix: str, seed: int, store: str) -> int:
    """Play all siblings of one state."""
    opened = shared_store(store)
    done = set(opened.runs())
    from metaal.rehearsal.playing import run_name

    for arm, multiplier in BRANCHES:
        budget = batch * (loop + max(3, int(multiplier)))
        task = metaal.Task(source.path, learner, batch=batch, budget=budget, seeds=seed, family=source.family)
        middle = (arm, 1) if multiplier == 1 else (arm, 1, multiplier)
        stages = ([(prefix, loop)] if loop else []) + [middle, (DEFAULT_ARM, 0)]
        name = f"{prefix}.{loop}.{arm}.{multiplier:g}"
        if run_name(task, name) in done and metaal.Run.resume(run_name(task, name), store=opened).ended:
            continue
        metaal.play(metaal.Schedule(tuple(stages)), task, store=opened, name=name)
    return len(BRANCHES)


def corpus(data: str, store: str, jobs: int, seed: int) -> None:
    """Play the siblings of every state."""
    sources = [s for s in read_manifest(data, "train") if s.family not in BUILT_IN_FAMILIES]
    work = states(sources, seed)
    print(f"{len(work)} states × {len(BRANCHES)} branches on {len({s.family for s in sources})} families", flush=True)
    update, stop = bar("corpus", len(work))
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    for done, _ in enumerate(parallel(joblib.delayed(branch)(*state, store) for state in work), start=1):
        update(done, "")
        if done % 50 == 0:
            print(f"{done} of {len(work)} states", flush=True)
    stop()


def train(store: str, seed: int) -> None:
    """Fit the shipped policy and write it into the package."""
    policy = metaal.fit(
        open_store(store, create=False), score=SCORE, seed=seed, progress=lambda text: print(text, flush=True)
    )
    versions = {name: __import__(name).__version__ for name in ("numpy", "lightgbm", "sklearn")}
    policy.facts["made by"] = "python -m benchmarks.learned_policy corpus, then train"
    policy.facts["versions"] = {"metaal": metaal.__version__, "python": platform.python_version(), **versions}
    policy.save(POLICY)
    print(policy.card(), f"\n{POLICY.stat().st_size / 2**20:.2f} MiB")


def dev_tasks(data: str) -> list[metaal.Task]:
    """The closed-loop suite: every dev set with every learner, the batch drawn by name; about 16 loops each."""
    out = []
    for source in read_manifest(data, "dev"):
        for learner in LEARNERS:
            rng = generator(0, source.name, 0, f"dev:{learner}")
            room = (source.rows // 2 - 2 * source.classes) // 16
            batches = [b for b in DEV_BATCHES if b <= max(room, 3)]
            batch = int(rng.choice(batches))
            out.append(metaal.Task(source.path, learner, batch=batch, budget=15 * batch, family=source.family))
    return out


def measure(data: str, store: str, jobs: int, seeds: int) -> None:
    """Closed loop on the dev sets against the static rivals; results go to benchmarks/results."""
    rivals: dict[str, metaal.Policy | str] = {"learned": "learned", **{name: name for name in RIVALS}}
    result = metaal.evaluate(rivals, dev_tasks(data), range(seeds), store=store, jobs=jobs)
    write_result("learned_policy_dev", result, f"python -m benchmarks.learned_policy measure --seeds {seeds}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["corpus", "train", "measure"])
    parser.add_argument("--data", help="folder with train/, dev/ and their manifests")
    parser.add_argument("--store", required=True, help="directory of the store")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    if given.step == "corpus":
        corpus(given.data, given.store, given.jobs, given.seed)
    elif given.step == "train":
        train(given.store, given.seed)
    else:
        measure(given.data, given.store, given.jobs, given.seeds)


if __name__ == "__main__":
    main(sys.argv[1:])
