"""The suite is balanced, apart from train and what it was when the bars were set; the bars judge as they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import datasets, suite
from benchmarks.bars import Bars, Verdict, judge, markdown, read_bars
from metaal import Prices
from metaal.errors import InputError, TaskError
from metaal.rehearsal import Task, read_suite
from metaal.result import Result

TRAIN = Path(datasets.__file__).parent / "train_manifest.csv"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The manifests alone: what tasks there are depends on nothing else."""
    fixed = suite.fixed_sets()
    more = {"task": "clf", "split": "dev", "use": "yes", "target": "target", "features": 5}
    table = pd.concat([fixed.assign(**more), pd.DataFrame([{**more, "name": "unused", "rows": 99, "use": "no"}])])
    table.to_csv(tmp_path / "dev_manifest.csv", index=False)
    (tmp_path / "train_manifest.csv").write_text(TRAIN.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "dev").mkdir()
    for name in table["name"]:
        (tmp_path / "dev" / f"{name}.parquet").touch()
    return tmp_path


@pytest.fixture
def tasks(data: Path) -> list[Task]:
    return read_suite(suite.FILE).tasks(data)


def families() -> dict[str, str]:
    return dict(suite.fixed_sets()[["name", "family"]].to_numpy().tolist())


def test_every_family_meets_every_learner_and_every_regime_equally_often(tasks: list[Task]) -> None:
    table = suite.counted(tasks, families())
    assert len(table) >= 45
    assert (table["learners"] == 4).all()
    assert (table["regimes"] == 6).all()
    assert (table["uneven"] == 0).all()
    assert (table["pairs"] == 24).all()
    assert (table["seeds"] == 10).all()
    assert len(tasks) == 64 * 24 == 1536
    for of in (lambda t: t.learner_name, lambda t: str(t.regime)):
        assert len(set(Counter(map(of, tasks)).values())) == 1
    seeds = Counter(task.seeds.split for task in tasks)
    assert max(seeds.values()) - min(seeds.values()) < 0.1 * len(tasks) / 10
    large = set(suite.fixed_sets().query("rows >= 2000")["name"])
    assert large
    for name in large:
        assert set(Counter(task.batch for task in tasks if task.data_name == name).values()) == {8}


def test_no_family_is_in_train(tasks: list[Task], data: Path) -> None:
    """By the manifest that ships, and by the suite's own guard, which is seen to fire."""
    train = pd.read_csv(TRAIN, keep_default_na=False)
    there = {row["family"] or row["name"] for row in train.to_dict("records")} | set(train["name"])
    assert not there & (set(families().values()) | set(families()))
    manifest = data / "train_manifest.csv"
    changed = pd.read_csv(manifest)
    changed["family"] = changed["family"].astype(object)
    changed.loc[3, "family"] = "nasa"
    changed.to_csv(manifest, index=False)
    with pytest.raises(TaskError, match=r"1 families are in dev_manifest\.csv and in train_manifest\.csv"):
        read_suite(suite.FILE).tasks(data)


def test_seeds_are_those_of_no_other_suite() -> None:
    seeds = [set(read_suite(name).seeds) for name in (suite.FILE, "train", "dev")]
    assert len(seeds[0]) == 10
    assert not seeds[0] & (seeds[1] | seeds[2])


def test_the_bars_belong_to_this_suite() -> None:
    assert read_bars().suite == suite.fingerprint(), "the suite changed: think about the bars, then its hash"


def test_the_fingerprint_is_of_what_the_suite_says(tmp_path: Path) -> None:
    text = suite.FILE.read_text(encoding="utf-8")
    file, sets = tmp_path / "suite.toml", tmp_path / "sets.csv"
    sets.write_text(suite.SETS.read_text(encoding="utf-8"), encoding="utf-8")
    for old, new, same in (
        ("about = ", "about = 'other words' #", True),
        ("# the", "# another remark on the", True),
        ("cells = 24", "cells = 12", False),
        ("seeds = [200,", "seeds = [210,", False),
    ):
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert (suite.fingerprint(file, sets) == suite.fingerprint()) == same
    sets.write_text(sets.read_text(encoding="utf-8").replace("nasa", "nasa2"), encoding="utf-8")
    assert suite.fingerprint(suite.FILE, sets) != suite.fingerprint()


def test_other_sets_than_those_that_were_fixed_are_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite.check_sets(data)
    suite.main(["--data", str(data)])
    assert "1536 tasks of 57 families" in capsys.readouterr().out
    table = pd.read_csv(data / "dev_manifest.csv")
    table.loc[table["name"] == "pc1", "rows"] = 1110
    table.to_csv(data / "dev_manifest.csv", index=False)
    with pytest.raises(TaskError, match=r"1 sets aren't as suite_sets.csv has them \(first: pc1\)"):
        suite.check_sets(data)


def test_the_bars_are_those_that_were_asked_for() -> None:
    bars = read_bars()
    shown = [(b["number"], b["kind"], b.get("score"), b.get("against"), b["bar"], b["stretch"]) for b in bars.bars]
    assert shown == [
        (1, "gain", "aulc", "margin", 1.3, 2.0),
        (1, "gain", "aulc", "cluster_margin", 1.1, 1.6),
        (2, "gain", "aulc", "schedule", 0.6, 1.0),
        (3, "gain", "first30", "margin", 1.8, 3.0),
        (4, "regret", "aulc", None, 0.5, 0.25),
        (4, "regret", "aulc", None, 0.5, 0.25),
        (5, "worse", "aulc", "margin", 0.05, 0.0),
        (5, "worse", "aulc", "random", 0.0, 0.0),
        (6, "saved", "fits", "cluster_margin", 3.0, 5.0),
        (6, "saved", "rows.scored", "cluster_margin", 20.0, 50.0),
        (6, "saved", "seconds", "cluster_margin", 5.0, 10.0),
        (7, "utility", None, None, 0.0, 0.0),
        (8, "stop", None, None, 0.8, 0.8),
        (9, "compression", "compression.95", None, 0.8, 0.9),
    ]
    assert bars.families == 45
    assert all(bar["p"] == 0.01 for bar in bars.bars if bar["kind"] == "gain")


def runs(gain: float = 0.02, seconds: float = 0.1, families: int = 12) -> Result:
    """A made-up result: ``ours`` is better than margin by ``gain`` on average, and costs that share of its seconds."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    fixed = {"margin": 0.0, "cluster_margin": 0.002, "random": -0.02, "schedule": 0.004, "ours": gain}
    for family in range(families):
        for regime, learner in (("clean", "logistic"), ("noise", "trees")):
            for seed in range(4):
                base = 0.8 + 0.1 * rng.random()
                for policy, add in fixed.items():
                    score = base + add + 0.002 * rng.standard_normal()
                    share = seconds if policy == "ours" else 1.0
                    rows.append(
                        {
                            **{"policy": policy, "task": f"d{family}~{learner}", "data": f"d{family}"},
                            **{"family": f"f{family}", "learner": learner, "batch": 10, "regime": regime},
                            **{"seed": seed, "stream": f"d{family}~{learner}~s{seed}", "error": ""},
                            **{"aulc": score, "first30": score - 0.01, "fits": 16 * share, "rows.scored": 5000.0},
                            **{"seconds": 3 * share, "rounds": 15.0, "labels.spent": 150.0},
                            "points": 100 * add + 0.01 * rng.random(),
                            "compression.95": 0.9 if seed or policy != "ours" else np.nan,
                        }
                    )
    return Result(rows, {}, Prices(), {name: name for name in fixed} | {"ours": "uniform('margin', 'random')"})


def small() -> Bars:
    return replace(read_bars(), families=10)


def verdicts(result: Result, *kinds: str) -> dict[tuple[int, str], Verdict]:
    """What the bars of these kinds say."""
    bars = small()
    plain = [{key: value for key, value in bar.items() if key != "prices"} for bar in bars.bars if bar["kind"] in kinds]
    found = judge(result, "ours", replace(bars, bars=tuple(plain)))
    return {(v.number, v.measure): v for v in found}


def test_gains_are_means_over_families_with_holms_p() -> None:
    result = runs()
    found = verdicts(result, "gain", "worse")
    wide = result.runs.pivot_table(index="family", columns="policy", values="aulc")
    delta = 100 * (wide["ours"] - wide["margin"])
    best = found[1, "AULC, against `margin`, p < 0.01"]
    assert best.verdict == "met"
    assert best.measured.startswith(f"{delta.mean():+.2f} pp (")
    p = [stats.wilcoxon(wide["ours"] - wide[name]).pvalue for name in ("margin", "cluster_margin", "schedule")]
    assert best.measured.endswith(f"p {3 * min(p):.2g}")
    assert found[2, "AULC, against `schedule`, p < 0.01"].verdict == "stretch"
    worse = verdicts(runs(gain=0.005), "gain")
    assert worse[1, "AULC, against `margin`, p < 0.01"].verdict == "missed"
    assert (
        verdicts(runs(gain=-0.02), "worse")[5, "families significantly worse than `margin`"].measured
        == "100.0% (12 families)"
    )
    assert found[5, "families significantly worse than `margin`"].verdict == "stretch"


def test_regret_is_set_against_the_best_fixed_strategy() -> None:
    found = verdicts(runs(), "regret")
    mean = found[4, "regret to the best fixed, mean"]
    assert mean.verdict == "stretch"  # better than the best fixed one everywhere: a regret below nought
    assert "(cluster_margin)" in mean.measured
    assert verdicts(runs(gain=-0.01), "regret")[4, "regret to the best fixed, mean"].verdict == "missed"


def test_savings_count_only_without_a_loss() -> None:
    title = "full fits, at no loss of AULC against `cluster_margin`"
    found = verdicts(runs(seconds=0.25), "saved")
    assert found[6, title].verdict == "met"
    assert found[6, title].measured.startswith("4×, AULC +")
    rows = found[6, "rows scored, at no loss of AULC against `cluster_margin`"]
    assert (rows.verdict, rows.measured[:2]) == ("missed", "1×")
    assert verdicts(runs(gain=-0.01, seconds=0.01), "saved")[6, title].verdict == "missed"


def test_a_bar_on_other_prices_is_about_the_policy_that_was_played_with_them() -> None:
    bars = replace(small(), bars=tuple(bar for bar in small().bars if bar["kind"] == "saved"))
    result = runs(seconds=0.25)
    assert {v.measured for v in judge(result, "ours", bars)} == {"ours(round=20) was not played"}
    renamed = result.runs.replace({"policy": {"ours": "ours(round=20)"}})
    twice = pd.concat([result.runs.assign(fits=16.0), renamed])
    named = {**result.policies, "ours(round=20)": "uniform('margin', 'random')"}
    found = judge(Result(twice.to_dict("records"), {}, Prices(), named), "ours", bars)[0]
    assert found.measure == "full fits, at no loss of AULC against `cluster_margin`, at round=20"
    assert (found.verdict, found.measured[:2]) == ("met", "4×")


def test_utility_is_judged_at_every_price() -> None:
    title = "utility at five prices, against every fixed configuration"
    found = verdicts(runs(), "utility")[7, title]
    assert found.verdict == "stretch"
    assert found.measured.count("to cluster_margin (p") == 5
    assert verdicts(runs(gain=-0.02, seconds=1.0), "utility")[7, title].verdict == "missed"


def test_what_was_not_reached_counts_as_worse_than_what_was() -> None:
    result = runs()
    found = verdicts(result, "compression")[9, "compression at 95 %, median over families"]
    assert (found.verdict, found.measured) == ("stretch", "90.0% (reached in 75% of the runs)")
    gone = result.runs.assign(**{"compression.95": np.nan})
    none = Result(gone.to_dict("records"), {}, Prices(), result.policies)
    assert verdicts(none, "compression")[9, "compression at 95 %, median over families"].measured.startswith(
        "most families did not"
    )


def test_what_a_result_cannot_say_is_not_judged() -> None:
    result = runs()
    stop = verdicts(result, "stop")[8, "cost with the policy's stop against the best stop in hindsight"]
    assert (stop.verdict, "stop.cost" in stop.measured) == ("not measured", True)
    few = judge(result, "ours")
    assert {v.verdict for v in few} == {"not measured"}
    assert few[0].measured == "12 families, needs 45"
    kept = result.runs[result.runs["policy"] != "schedule"]
    policies = {name: text for name, text in result.policies.items() if name != "schedule"}
    lacking = verdicts(Result(kept.to_dict("records"), {}, Prices(), policies), "gain")
    assert lacking[2, "AULC, against `schedule`, p < 0.01"].measured == "schedule was not played"
    with pytest.raises(InputError, match="no policy 'theirs' in the result"):
        judge(result, "theirs")
    assert markdown(few).count("| not measured |") == 14
    stops = Result(result.runs.assign(**{"stop.cost": 1.07}).to_dict("records"), {}, Prices(), result.policies)
    assert verdicts(stops, "stop")[8, "cost with the policy's stop against the best stop in hindsight"].verdict == "met"


def test_a_bar_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bars.toml"
    text = Path(suite.FILE).with_name("bars.toml").read_text(encoding="utf-8")
    file.write_text(text.replace('kind = "stop"', 'kind = "stopping"'), encoding="utf-8")
    with pytest.raises(ValueError, match="kind isn't one of gain, regret"):
        read_bars(file)
