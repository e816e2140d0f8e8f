"""How the shipped policy is made; every step can be broken off and goes on where it was.

    metaal rehearse --suite train --data DIR --store corpus       # hours: branches on the train sets
    python -m benchmarks.learned_policy tune  corpus --data DIR --work tuning   # hours: settings, by closed loops
    python -m benchmarks.learned_policy train corpus              # minutes: metaal/policies/learned.metaal
    metaal rehearse --suite train --policy metaal/policies/learned.metaal --data DIR --store own --shard 1/4
    python -m benchmarks.learned_policy dagger corpus --own own   # minutes: what states of the policy's own change
    python -m benchmarks.learned_policy train corpus own          # and once more, with both
    python -m benchmarks.run --data DIR --store runs --write suite   # hours: closed loops on the dev sets
    python -m benchmarks.learned_policy card                      # what was measured, into the policy's own card

All steps read any number of stores. `tune` may run in as many processes as there are cores, with one ``--work``. A
trial trains on two thirds of the train families with settings that Optuna proposes, and plays the tasks of tuning.toml
on the others; its value is the mean over families of the area under the learning curve, less that of the default. The
best trial's settings are taken if its families are surely ahead of the first trial's, else the first one's. Dev and
test families take part in nothing here.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import metaal
from benchmarks.data import read_manifest
from benchmarks.readme import by_family, corrected
from benchmarks.record import RESULTS, read_result, versions_and_machine, write_manifest
from metaal.actions import DEFAULT_ARM
from metaal.boosting import Boosting, Params, means_by
from metaal.branch_gains import choices
from metaal.branch_targets import Task as Prepared
from metaal.branch_targets import prepared
from metaal.branch_training import fit_branched, left_out
from metaal.branched import Branched, joined, read_branched
from metaal.measures import area
from metaal.policies.learnedfile import load
from metaal.prices import Prices
from metaal.rehearsal import read_suite
from metaal.rehearsal.playing import shared_store
from metadata_store import open_store

if TYPE_CHECKING:
    import optuna

    from metaal.policies.learned import Learned

HERE = Path(__file__).parent
POLICY = HERE.parent / "metaal" / "policies" / "learned.metaal"
TUNING = HERE / "tuning.toml"
BUILT_IN_FAMILIES = {"optdigits"}  # scikit-learn's digits: kept unseen, so that the built-in suites stay honest
SCORE = "area under the curve of the test accuracy"
"""What `measured` compares."""
DAGGER_SEEDS = (0, 1, 2)
"""Of the ensembles whose gains are averaged."""
LARGEST = 20.0
"""Rows per batch up to which a trial deviates: what `train` measures, once for all."""
SURE = 0.05
"""Chance below which the best trial's lead on the first is believed."""
LEFT_OUT = 1 / 3
"""Share of the families that a trial is played on."""
START: dict[str, Any] = {
    "accuracy": 0.8,
    "gate": 1.0,
    "members": 4,
    "rounds": 200,
    "leaves": 8,
    "min_leaf": 150,
    "rate": 0.04,
    "columns": 0.3,
    "l2": 20.0,
    "previews": 3,
}
"""Settings of the first trial, and of `train` where nothing was tuned; see policy_log.md for the offline trials."""


def read_corpus(stores: Sequence[str]) -> Branched:
    """The branches of all stores, without the families that built-in data come from.

    A run that several stores hold is read from the first one: a task that was begun on one machine and done on another
    must not count twice.
    """
    parts, seen = [], set[str]()
    for path in stores:
        part = read_branched(open_store(path, create=False))
        played = np.char.add(np.char.add(part.context["run"], "\n"), part.context["policy"])
        parts.append(part.rows(~np.isin(played, list(seen)) & ~np.isin(part.group, list(BUILT_IN_FAMILIES))))
        seen |= set(played.tolist())
    return joined([part for part in parts if len(part)])


def fit(data: Branched, settings: dict[str, Any], *, measured: bool, progress: Callable[[str], None]) -> Learned:
    """A policy with these settings; see `START`."""
    return fit_branched(
        data,
        default=DEFAULT_ARM,
        prices=Prices(),
        seed=0,
        params=params_of(settings),
        scores=scores_of(settings),
        gate=float(settings["gate"]),
        largest=None if measured else LARGEST,
        previews=int(settings["previews"]),
        measured=measured,
        progress=progress,
    )


def params_of(settings: dict[str, Any]) -> Params:
    """Those that are of the boosting."""
    return Params(**{name: settings[name] for name in set(asdict(Params())) & set(settings)})


def scores_of(settings: dict[str, Any]) -> dict[str, float]:
    """Scores and weights of the target."""
    weight = float(settings["accuracy"])
    return {"accuracy": weight, "log_loss": round(1 - weight, 12)} if weight < 1 else {"accuracy": 1.0}


def train(stores: Sequence[str], settings: dict[str, Any], out: Path) -> None:
    """Fit the shipped policy and write it."""
    policy = fit(read_corpus(stores), settings, measured=True, progress=lambda text: print(text, flush=True))
    versions = {name: __import__(name).__version__ for name in ("numpy", "lightgbm", "sklearn")}
    policy.facts["made by"] = "metaal rehearse --suite train, then python -m benchmarks.learned_policy train"
    policy.facts["settings"] = settings
    policy.facts["versions"] = {"metaal": metaal.__version__, "python": platform.python_version(), **versions}
    policy.save(out)
    print(policy.card(), f"\n{out.stat().st_size / 2**20:.2f} MiB")


def write_facts(facts: dict[str, Any], step: str, folder: Path) -> None:
    """Write what a step measured as learned_policy_STEP.json, and the manifest."""
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (folder / f"learned_policy_{step}.json").write_text(text + "\n", encoding="utf-8")
    write_manifest(folder)


# ---------------------------------------------------------------------- card


def measured(folder: Path = RESULTS, name: str = "suite") -> dict[str, str]:
    """What closed loops on families that it never saw say of the shipped policy, for its card."""
    result = read_result(name, folder)
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    sure = corrected(result, "learned")
    said = {"by": f"{facts['command']}: {facts['tasks']:,} tasks of {facts['families']} families, {SCORE}"}
    for rival, p in sure.items():
        said[f"against {rival}"] = f"{by_family(result, rival, 'learned').mean():+.2f} pp, p {p:.2g} (Wilcoxon, Holm)"
    return said


def failures(folder: Path = RESULTS, name: str = "suite") -> dict[str, str]:
    """Where the shipped policy did worst against its default in these loops: learners × regimes, and families."""
    runs = read_result(name, folder).good
    wide = runs.pivot(index=["family", "learner", "regime", "stream"], columns="policy", values="aulc")
    lead = 100 * (wide["learned"] - wide[DEFAULT_ARM])
    found = {}
    for what, keys in (("learner and regime", ["learner", "regime"]), ("family", ["family"])):
        worst = lead.groupby(level=keys).mean().sort_values()[:3]
        names = [key if isinstance(key, str) else " with ".join(key) for key in worst.index]
        found[f"worst by {what}"] = "; ".join(f"{key} {value:+.1f} pp" for key, value in zip(names, worst, strict=True))
    return found


def write_card(file: Path = POLICY, folder: Path = RESULTS) -> None:
    """Add both to the policy's facts; what it decides stays as it was."""
    policy = load(file)
    policy.facts["measured"] = measured(folder)
    policy.facts[f"known failures, against {DEFAULT_ARM}"] = failures(folder)
    policy.save(file)
    print(load(file).card())


# -------------------------------------------------------------------- DAgger


def dagger(exploring: Sequence[str], own: Sequence[str], settings: dict[str, Any], folder: Path = RESULTS) -> None:
    """What states that the policy reached itself teach, beside as many further states of the exploring policy.

    Three policies are trained in every fold of the families: on the exploring policy's states but for as many as there
    are of the policy's own, on all of them, and on the fewer with the policy's own ones instead. Their choices are
    judged at the states of families that none of them saw (Ross, Gordon and Bagnell 2011, A Reduction of Imitation
    Learning and Structured Prediction to No-Regret Online Learning, for the idea).
    """
    parts = read_corpus(exploring), read_corpus(own)
    data = joined(parts)
    task = prepared(data, DEFAULT_ARM, scores_of(settings))
    met = task.state > parts[0].state.max()
    old = np.unique(task.state[~met])
    count = len(np.unique(task.state[met]))
    fewer = np.isin(task.state, np.random.default_rng(0).permutation(old)[count:])
    taught = {"fewer": fewer, "more of the exploring": ~met, "the policy's own": fewer | met}
    judged, found = {"exploring": ~met, "own": met}, dict[str, Any]()
    gains: dict[tuple[str, str], np.ndarray] = {}
    for name, rows in taught.items():
        seeds = [left_out(Boosting(params_of(settings), seed), task, rows)[:2] for seed in DAGGER_SEEDS]
        for where, there in judged.items():
            each = [lead_by_family(*choices(*votes, task, float(settings["gate"])), task, there) for votes in seeds]
            gains[name, where] = np.mean(each, axis=0)
        found[name] = {"states": len(np.unique(task.state[rows]))}
        found[name] |= {f"gain at {where} states, pp": said(gains[name, where]) for where in judged}
        print(name, found[name], flush=True)
    one, two = "the policy's own", "more of the exploring"
    found["difference, pp"] = {where: said(gains[one, where] - gains[two, where]) for where in judged}
    facts = {
        "command": "python -m benchmarks.learned_policy dagger corpus --own own",
        "families": len(np.unique(task.group)),
        "seeds": list(DAGGER_SEEDS),
        "settings": settings,
        **found,
        **versions_and_machine(),
    }
    write_facts(facts, "dagger", folder)


def lead_by_family(rows: np.ndarray, lead: np.ndarray, task: Prepared, there: np.ndarray) -> np.ndarray:
    """Mean lead f8[families] of the choices made at some of the states; NaN for a family that has none there."""
    names, group = np.unique(task.group, return_inverse=True)
    kept = there[rows]
    return means_by(group[rows[kept]], lead[kept], len(names))


def said(gain: np.ndarray) -> str:
    """Mean and standard error over families."""
    known = gain[np.isfinite(gain)]
    return f"{100 * known.mean():+.3f} ± {100 * known.std(ddof=1) / np.sqrt(len(known)):.3f}"


# -------------------------------------------------------------------- tuning


def held_out(families: Sequence[str]) -> set[str]:
    """The families that trials are played on, drawn once for all."""
    names = np.random.default_rng(0).permutation(sorted(set(families)))
    return set(map(str, names[: round(LEFT_OUT * len(names))]))


def trial_tasks(data: str, families: set[str]) -> list[metaal.Task]:
    """The tasks of these families, one of each before the second of any, so that a trial can be judged early."""
    found: dict[str, list[metaal.Task]] = {}
    family = {source.name: source.family for source in read_manifest(data, "train")}
    for task in read_suite(TUNING).tasks(data):
        if family[task.data_name] in families:
            found.setdefault(family[task.data_name], []).append(task)
    rng = np.random.default_rng(1)
    mixed = {name: [tasks[k] for k in rng.permutation(len(tasks))] for name, tasks in sorted(found.items())}
    deepest = max(map(len, mixed.values()))
    return [tasks[turn] for turn in range(deepest) for tasks in mixed.values() if turn < len(tasks)]


def gains(policy: Learned, tasks: Sequence[metaal.Task], work: Path) -> Iterator[tuple[str, float]]:
    """Family, and points of AULC that a policy is ahead of the default strategy, task by task."""
    for task in tasks:
        if task.batch > policy.largest:  # no other strategy is taken there, so nothing is gained
            yield task.dataset.family, 0.0
            continue
        means = []
        for name, player, store in (
            ("default", DEFAULT_ARM, shared_store(str(work / "default"))),
            ("trial", policy, open_store("memory:")),
        ):
            curve = metaal.play(player, task, store=store, name=name, full=False).curve
            means.append(area(curve["labels"].to_numpy(float), curve["accuracy"].to_numpy(float)))
        yield task.dataset.family, 100 * (means[1] - means[0])


def tune(stores: Sequence[str], data: str, work: Path, trials: int) -> None:
    """Add trials to the study in ``work``, then write what all of them said."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    work.mkdir(parents=True, exist_ok=True)
    whole = read_corpus(stores)
    held = held_out(whole.group.tolist())
    kept, tasks = whole.rows(~np.isin(whole.group, list(held))), trial_tasks(data, held)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(work / "study.log"))),
        study_name="learned",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(n_startup_trials=8, constant_liar=True),
        # Trials are compared task by task, paired, as the result will be.
        pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2 * len(held)),
    )
    if not study.trials:
        study.enqueue_trial(START)
    print(f"{len(kept)} branches, {len(tasks)} tasks of {len(held)} other families", flush=True)

    def objective(trial: optuna.Trial) -> float:
        settings = proposed(trial)
        policy = fit(kept, settings, measured=False, progress=lambda text: None)
        found: dict[str, list[float]] = {}
        for step, (family, gain) in enumerate(gains(policy, tasks, work)):
            found.setdefault(family, []).append(gain)
            trial.report(gain, step)
            if trial.should_prune():
                trial.set_user_attr("tasks", step + 1)
                break
        families = {name: float(np.mean(each)) for name, each in found.items()}
        trial.set_user_attr("families", families)
        value = float(np.mean(list(families.values())))
        print(f"{value:+.3f} pp after {sum(map(len, found.values()))} tasks: {settings}", flush=True)
        return value

    study.optimize(objective, n_trials=trials)
    write_study(study, len(tasks), sorted(held))


def proposed(trial: optuna.Trial) -> dict[str, Any]:
    """Settings of one trial."""
    return {
        "accuracy": trial.suggest_float("accuracy", 0.4, 1.0),
        "gate": trial.suggest_float("gate", 0.0, 2.5),
        "members": trial.suggest_int("members", 4, 4),
        "rounds": trial.suggest_int("rounds", 100, 300, step=50),
        "leaves": trial.suggest_int("leaves", 4, 24, log=True),
        "min_leaf": trial.suggest_int("min_leaf", 50, 400, log=True),
        "rate": trial.suggest_float("rate", 0.02, 0.08, log=True),
        "columns": trial.suggest_float("columns", 0.15, 0.6),
        "l2": trial.suggest_float("l2", 1.0, 50.0, log=True),
        "previews": trial.suggest_int("previews", 2, 9),
    }


def write_study(study: optuna.Study, tasks: int, families: Sequence[str], folder: Path = RESULTS) -> None:
    """The trials as learned_policy_tuning.json, and which of those that were played whole `train` takes.

    The best of many trials is the luckiest one, too: it must be ahead of the first trial, whose settings were chosen
    before, by more than chance.
    """
    done = [trial for trial in study.trials if trial.value is not None]
    whole = [trial for trial in done if "tasks" not in trial.user_attrs]
    best = max(whole, key=lambda trial: trial.value or -np.inf)
    p = ahead(best.user_attrs["families"], whole[0].user_attrs["families"])
    taken = best if p < SURE else whole[0]
    facts = {
        "command": "python -m benchmarks.learned_policy tune corpus --data DIR --work DIR",
        "tasks": tasks,
        "families": list(families),
        "best": {"number": best.number, "gain, pp": round(best.value or 0.0, 4), "settings": best.params},
        "best against the first": f"p {p:.2g} (Wilcoxon, one-sided, over families)",
        "taken": {"number": taken.number, "gain, pp": round(taken.value or 0.0, 4), "settings": taken.params},
        "trials": [
            {
                "number": trial.number,
                "gain, pp": round(trial.value or 0.0, 4),
                "tasks": trial.user_attrs.get("tasks", tasks),
                "settings": trial.params,
            }
            for trial in done
        ],
        **versions_and_machine(),
    }
    write_facts(facts, "tuning", folder)


def ahead(one: dict[str, float], two: dict[str, float]) -> float:
    """Chance that families are as far ahead as this where the settings do alike; 1 if none is ahead."""
    from scipy.stats import wilcoxon

    lead = np.array([one[name] - two[name] for name in sorted(two)])
    return float(wilcoxon(lead, alternative="greater").pvalue) if lead.any() else 1.0


def tuned(folder: Path = RESULTS) -> dict[str, Any]:
    """The settings that tuning took; `START` where nothing was tuned."""
    file = folder / "learned_policy_tuning.json"
    if not file.exists():
        return dict(START)
    return dict(json.loads(file.read_text(encoding="utf-8"))["taken"]["settings"])


def main(arguments: list[str]) -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["tune", "train", "dagger", "card"])
    parser.add_argument("stores", nargs="*", metavar="STORE", help="directory that metaal rehearse wrote to")
    parser.add_argument("--data", help="folder with train/ and its manifest (tune)")
    parser.add_argument("--work", type=Path, help="folder of the study (tune)")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--out", type=Path, default=POLICY, help="the policy (train, card)")
    parser.add_argument("--own", nargs="+", default=[], metavar="STORE", help="of the policy's own states (dagger)")
    given = parser.parse_args(arguments)
    if given.step == "card":
        write_card(given.out)
    elif not given.stores:
        parser.error(f"{given.step} needs the stores that metaal rehearse wrote to")
    elif given.step == "train":
        train(given.stores, tuned(), given.out)
    elif given.step == "dagger":
        dagger(given.stores, given.own, tuned())
    elif given.data is None or given.work is None:
        parser.error("tune needs --data and --work")
    else:
        tune(given.stores, given.data, given.work, given.trials)


if __name__ == "__main__":
    main(sys.argv[1:])
