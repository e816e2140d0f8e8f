"""The main job on real data in two minutes: log static strategies, fit a policy on the logs, try it on unseen sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metaal.actions import Policy
from metaal.evaluation import evaluate
from metaal.policies import Fixed, Learned, Schedule
from metaal.policies.schedule import Stage
from metaal.prices import Prices
from metaal.progress import bar
from metaal.rehearsal import Task
from metaal.result import Result
from metaal.training import fit
from metadata_store import open_store

TRAIN_SETS = ("wine", "iris", "gapminder", "tips", "diabetes_high")
"""Real sets that come with scikit-learn and plotly; the policy is trained on runs on these."""
TEST_SETS = (("digits", 10, 120), ("breast_cancer", 5, 60))
"""(set, batch, budget): never touched before the comparison."""
ARMS = ("cluster_margin", "margin", "balanced_margin", "typiclust", "badge", "random")
SWITCHES = (1, 3)
RIVALS = ("random", "margin", "cluster_margin", "schedule")


def training_policies() -> dict[str, Policy | str]:
    """The runs to learn from: each static strategy, and each one once in a later loop of a cluster_margin run.

    Static runs of one task share their first state, the others the loops before they switch: there the logs hold fair
    comparisons.
    """
    out: dict[str, Policy | str] = {}
    for arm in ARMS:
        out[arm] = Fixed(arm)
        for loop in SWITCHES:
            if arm != "cluster_margin":
                stages: tuple[Stage, ...] = (("cluster_margin", loop), (arm, 1), ("cluster_margin", 0))
                out[f"{arm} in loop {loop}"] = Schedule(stages)
    return out


def run_demo(
    folder: str | Path, *, seeds: int = 5, jobs: int = -1, say: Callable[[str], None] = print
) -> tuple[Learned, Result, Path]:
    """Run the whole job in ``folder``; a rerun continues where it stopped.

    Parameters
    ----------
    folder : str, Path
        Gets the two stores, the policy and the report.
    seeds : int
        Seeds of the comparison, ≥ 1.
    jobs : int
        Processes; −1 = one a core.
    say : callable
        Called with a line of text at each step.

    Returns
    -------
    policy : Learned
    result : Result
    report : Path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    policies = training_policies()
    tasks = [Task(name, "logistic", batch=4, budget=24) for name in TRAIN_SETS]
    say(f"1. log runs: {len(policies)} strategies and switches × {len(tasks)} data sets × 3 seeds")
    evaluate(policies, tasks, range(3), store=folder / "runs", jobs=jobs)
    say("2. fit a policy on the logged runs alone")
    update, stop = bar("fitting", 4)
    steps = iter(range(1, 100))
    with open_store(folder / "runs") as store:
        policy = fit(store, prices=Prices(label=1), seed=0, progress=lambda text: update(next(steps) - 1, text))
    stop()
    policy.save(folder / "policy.metaal")
    say(policy.card())
    names = " and ".join(name for name, _, _ in TEST_SETS)
    say(f"3. plug it into loops on data it has not seen ({names}) and compare")
    unseen = [
        Task(name, learner, batch=batch, budget=budget)
        for name, batch, budget in TEST_SETS
        for learner in ("logistic", "extra_trees")
    ]
    rivals: dict[str, Policy | str] = {"fitted here": policy, "learned": "learned", **{name: name for name in RIVALS}}
    result = evaluate(rivals, unseen, range(seeds), store=folder / "eval_runs", jobs=jobs)
    return policy, result, result.report(folder / "report.html")
