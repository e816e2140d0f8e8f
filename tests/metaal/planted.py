"""Runs with branches written by hand, in which it is known what is to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from metaal.features import PROPOSAL
from metadata_store import MemoryStore, Record, open_store

DEFAULT, RIVAL, OTHER = "cluster_margin", "random", "margin"
STATES, STEP = 6, 10
RISE = 2.5 / 3
"""Mean over three batches of a lead that is there from the first one on: the curve between is a straight line."""
LOSS = -0.01
"""Lead of the third strategy, whose feature "margin" is nought."""
Lead = Callable[[float, np.random.Generator], float]


def planted(
    lead: Lead, families: int = 10, *, order: Sequence[int] | None = None, further: bool = False
) -> MemoryStore:
    """Two runs a family; ``lead`` says how far the rival is ahead after its batch, where its feature "density" is z.

    ``further`` adds a doubled and a skipped action of the default.
    """
    store = open_store("memory:")
    for number in order if order is not None else range(2 * families):
        store.append_many(list(run(number, f"family {number // 2}", lead, further)))
    return store


def run(number: int, family: str, lead: Lead, further: bool) -> Iterator[Record]:
    """The records of one run."""
    name, rng = f"run {number:03}", np.random.default_rng(number)
    tags = {"run.policy": "exploring", "run.task": family, "run.default": DEFAULT, "tag.learner": "logistic"}
    yield Record(name, 0, "begin", {**tags, "tag.regime": "clean", "tag.kind": "classification"})
    for loop in range(STATES):
        labels, ids = float(STEP * (loop + 1)), np.arange(STEP) + STEP * loop
        state = {"labels.count": labels, "pool.size": 500 - labels, "loop.batch": float(STEP)}
        state |= {"pool.margin.mean": float(rng.random()), "loop.since.first": float(loop)}
        done = {"action.name": DEFAULT, "action.strategy": DEFAULT, "action.multiplier": 1.0, "action.propensity": 1.0}
        yield Record(name, loop, "ask", {**state, **done, "state.digest": f"{number} {loop}"}, {"query.ids": ids})
        yield Record(name, loop, "tell", {"cost.fit.seconds": 2.0}, {"ids": ids, "labels": np.zeros(STEP, np.int64)})
    for loop in range(STATES):
        z = float(rng.random())
        leads = {DEFAULT: 0.0, RIVAL: lead(z, rng), OTHER: LOSS}
        for index, (strategy, ahead) in enumerate(leads.items()):
            yield branch(name, loop, index, strategy, strategy, ahead, z if strategy == RIVAL else 0.5)
        if further:
            yield branch(name, loop, 3, f"{DEFAULT} ×2", DEFAULT, 0.0, 0.5, multiplier=2)
            yield branch(name, loop, 4, f"{DEFAULT}, skip", DEFAULT, -0.01, 0.5, seconds=1e-6)


def branch(
    name: str,
    loop: int,
    index: int,
    action: str,
    strategy: str,
    ahead: float,
    z: float,
    *,
    multiplier: int = 1,
    seconds: float = 3.0,
) -> Record:
    """One branch: accuracy rises by a point a batch, and is ``ahead`` from the action's own batch on."""
    values: dict[str, float | str | int] = {
        "branch.action": action,
        "branch.strategy": strategy,
        "branch.multiplier": float(multiplier),
        "branch.default": DEFAULT,
        "branch.horizon": 3,
        "branch.count": 3,
        "branch.fit.seconds": seconds,
        "branch.score.seconds": 0.5,
        "branch.select.seconds": 0.1 if strategy == DEFAULT else 0.2,
    }
    for h in range(5 if action == DEFAULT else 4):
        batches = h + (multiplier - 1) * (h > 0)
        score = 0.5 + 0.01 * batches + ahead * (h > 0)
        values |= {
            f"branch.h{h}.labels": STEP * (loop + 1 + batches),
            f"branch.h{h}.accuracy": score,
            f"branch.h{h}.log_loss": 1 - 2 * score,
        }
    features = np.full(len(PROPOSAL), 0.5)
    features[PROPOSAL.index("density")] = z
    features[PROPOSAL.index("margin")] = 0.0 if strategy == OTHER else 0.5
    features[PROPOSAL.index("overlap.default")] = float(strategy == DEFAULT)
    return Record(
        name, loop, "branch", values, {"branch.features": features, "branch.ids": np.arange(STEP)}, index=index
    )
