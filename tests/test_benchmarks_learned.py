"""How the shipped policy is made: what its settings are chosen by, and that nothing of dev or test takes part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from benchmarks import datasets, suite
from benchmarks import learned_policy as made
from metaal import load
from metaal.errors import TaskError
from tests.metaal.planted import DEFAULT, planted, run

TRAIN = pd.read_csv(Path(datasets.__file__).parent / "train_manifest.csv")


def test_trials_see_no_family_of_dev_and_none_that_they_learnt_from() -> None:
    train = set(TRAIN["family"].fillna(TRAIN["name"]))
    held = made.held_out(sorted(train))
    assert held <= train
    assert not held & set(suite.fixed_sets()["family"])
    assert len(held) == round(len(train) / 3)
    assert held == made.held_out(sorted(train, reverse=True)), "the order in which stores are read does not matter"


def test_the_tasks_of_a_trial_are_of_left_out_families_in_turn(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    TRAIN.to_csv(tmp_path / "train_manifest.csv", index=False)
    suite.fixed_sets().to_csv(tmp_path / "dev_manifest.csv", index=False)
    for name in TRAIN["name"]:
        (folder / f"{name}.parquet").touch()
    held = made.held_out(TRAIN["family"].fillna(TRAIN["name"]).tolist())
    tasks = made.trial_tasks(str(tmp_path), held)
    family = dict(zip(TRAIN["name"], TRAIN["family"].fillna(TRAIN["name"]), strict=True))
    seen = [family[task.data_name] for task in tasks]
    assert set(seen) <= held
    assert len(set(seen[: len(set(seen))])) == len(set(seen)), "each family once, before any comes again"
    mixed = suite.fixed_sets().assign(split="dev")
    mixed.loc[0, "family"] = sorted(held)[0]
    mixed.to_csv(tmp_path / "dev_manifest.csv", index=False)
    with pytest.raises(TaskError, match=sorted(held)[0]):
        made.trial_tasks(str(tmp_path), held)


def test_the_settings_of_a_trial_are_those_that_train_takes() -> None:
    assert made.proposed(optuna.trial.FixedTrial(made.START)) == made.START
    policy = made.fit(_branches(), made.START, measured=False, progress=lambda text: None)
    assert (policy.gate, policy.previews, len(policy.heads["advantage"])) == (1.0, 3, 4)
    assert policy.facts["score"] == pytest.approx({"accuracy": 0.8, "log_loss": 0.2})
    alone = made.fit(_branches(), {**made.START, "accuracy": 1.0}, measured=False, progress=lambda text: None)
    assert alone.facts["score"] == {"accuracy": 1.0}


def _branches() -> made.Branched:
    from metaal.branched import read_branched

    return read_branched(planted(lambda z, rng: 0.03 if z > 0.5 else -0.03, 4))


def test_only_a_trial_that_was_played_whole_can_be_the_best(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    space = {name: optuna.distributions.CategoricalDistribution([value]) for name, value in made.START.items()}
    for value, tasks in ((0.4, None), (0.9, 12), (0.7, None), (0.2, None)):
        families = {f"family {k}": value + 0.001 * k for k in range(9)}
        study.add_trial(
            optuna.trial.create_trial(
                params=made.START,
                distributions=space,
                value=value,
                user_attrs={"families": families} | ({} if tasks is None else {"tasks": tasks}),
            )
        )
    assert made.tuned(tmp_path) == made.START
    made.write_study(study, 50, ["a", "b"], tmp_path)
    facts = json.loads((tmp_path / "learned_policy_tuning.json").read_text(encoding="utf-8"))
    assert facts["best"]["number"] == 2
    assert [trial["tasks"] for trial in facts["trials"]] == [50, 12, 50, 50]
    assert facts["taken"]["number"] == 2, "nine families of nine are ahead of the first trial"
    assert made.tuned(tmp_path) == made.START


def test_the_best_trial_must_be_surely_ahead_of_the_first(tmp_path: Path) -> None:
    study, rng = optuna.create_study(direction="maximize"), np.random.default_rng(0)
    for number in range(4):
        families = {f"family {k}": float(rng.normal(0.0, 1.0)) for k in range(30)}
        rounds = {"rounds": optuna.distributions.IntDistribution(0, 9)}
        value = float(np.mean(list(families.values())))
        trial = optuna.trial.create_trial(
            params={"rounds": number}, distributions=rounds, value=value, user_attrs={"families": families}
        )
        study.add_trial(trial)
    made.write_study(study, 50, ["a"], tmp_path)
    facts = json.loads((tmp_path / "learned_policy_tuning.json").read_text(encoding="utf-8"))
    assert facts["best"]["number"] != 0
    assert facts["taken"]["number"] == 0
    assert made.tuned(tmp_path) == {"rounds": 0}
    assert made.ahead({"a": 1.0}, {"a": 1.0}) == 1.0


def test_a_task_of_larger_batches_than_the_policy_knows_is_not_played(tmp_path: Path) -> None:
    from metaal.rehearsal import Task

    task = Task("iris", batch=40)
    policy = made.fit(_branches(), made.START, measured=False, progress=lambda text: None)
    assert list(made.gains(policy, [task], tmp_path)) == [("iris", 0.0)]
    assert not list(tmp_path.iterdir())


def test_training_leaves_out_the_families_of_built_in_data(tmp_path: Path) -> None:
    from metadata_store import open_store

    paths = [str(tmp_path / name) for name in ("one", "two")]
    for number, path in enumerate(paths):
        with open_store(path) as store:
            for k in range(4):
                family = "optdigits" if (number, k) == (1, 0) else f"family {k}"
                store.append_many(list(run(10 * number + k, family, lambda z, rng: 0.0, False)))
    data = made.read_corpus(paths)
    assert len(np.unique(data.state)) == 7 * 6
    assert "optdigits" not in set(data.group)
    out = tmp_path / "made.metaal"
    made.train(paths, {**made.START, "members": 2, "rounds": 5}, out)
    policy = load(out)
    assert policy.default == DEFAULT
    assert policy.facts["settings"]["rounds"] == 5
    assert "optdigits" not in policy.facts["families"]
    assert policy.gate == float("inf"), "all actions do alike, so there is nothing to gain"


def test_what_a_policys_own_states_change_is_measured_with_as_many_states(tmp_path: Path) -> None:
    from metadata_store import open_store

    def lead(z: float, rng: np.random.Generator) -> float:
        return 0.05 if z > 0.5 else -0.05

    paths = {"exploring": range(16), "own": range(16, 24)}
    for name, numbers in paths.items():
        with open_store(str(tmp_path / name)) as store:
            for k in numbers:
                # The policy's own states tell nothing: what leads in one, lags in the next.
                told = lead if name == "exploring" else lambda z, rng: float(rng.choice([-0.05, 0.05]))
                store.append_many(list(run(k, f"family {k % 8}", told, False)))
    settings = {**made.START, "members": 3, "rounds": 40, "min_leaf": 5, "columns": 1.0, "l2": 0.1}
    made.dagger([str(tmp_path / "exploring")], [str(tmp_path / "own")], settings, tmp_path)
    facts = json.loads((tmp_path / "learned_policy_dagger.json").read_text(encoding="utf-8"))
    more, own, fewer = (facts[name] for name in ("more of the exploring", "the policy's own", "fewer"))
    assert (fewer["states"], more["states"], own["states"]) == (8 * 6, 16 * 6, 16 * 6)
    assert float(more["gain at exploring states, pp"].split()[0]) > 1.0, "half of the states offer a lead of 4 pp"
    assert float(facts["difference, pp"]["exploring"].split()[0]) < 0.0, "noise in place of knowledge cannot help"


def test_a_family_without_states_of_a_kind_says_nothing_of_it() -> None:
    task = made.prepared(_branches(), DEFAULT, {"accuracy": 1.0})
    rows = np.flatnonzero(task.default)
    there = task.group != task.group[0]
    gain = made.lead_by_family(rows, np.ones(len(rows)), task, there)
    assert np.isnan(gain).sum() == 1
    assert made.said(gain) == "+100.000 ± 0.000"


def test_the_shipped_card_says_what_was_measured() -> None:
    facts = load(made.POLICY).facts
    assert facts["measured"] == made.measured()
    assert facts["known failures, against cluster_margin"] == made.failures()
    assert {"against margin", "against cluster_margin", "against schedule", "against random"} < set(facts["measured"])
