"""Suites: written in TOML, checked when read, balanced, and never on both sides of the split."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import datasets
from metaal.errors import TaskError
from metaal.rehearsal import LEARNERS, sources
from metaal.rehearsal.grids import pair
from metaal.rehearsal.suitefile import SUITES, read_suite, suite
from metaal.rehearsal.suitetext import parse_suite

GOOD = """
name = "mine"
seeds = [0, 1]
[[grid]]
data = ["iris", "wine"]
learners = ["logistic", "naive_bayes"]
regimes = ["clean", "noise(rate=0.3)"]
batches = [4]
budget = 8
[branches]
strategies = ["margin"]
multipliers = [1.0, 2.0]
states = 2
"""


def write_folder(folder: Path, families: dict[str, dict[str, str]]) -> Path:
    """Manifests with small sets: file of the manifest → set → family."""
    rng = np.random.default_rng(0)
    columns = ["name", "task", "domain", "split", "family", "rows", "features", "classes", "use", "target"]
    for manifest, sets in families.items():
        split = manifest.split("_")[0]
        (folder / split).mkdir(exist_ok=True)
        with (folder / manifest).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for k, (name, family) in enumerate(sets.items()):
                rows = 60 + 100 * k
                facts = ["clf", "tabular", split, family, rows, 2, 2, "yes", "target"]
                writer.writerow(dict(zip(columns, [name, *facts], strict=True)))
                table = pd.DataFrame(rng.normal(size=(rows, 2)).astype(np.float32), columns=["a", "b"])
                table["target"] = (table["a"] > 0).astype(np.int16)
                table.to_parquet(folder / split / f"{name}.parquet")
    return folder


def test_a_full_grid_is_every_combination_with_every_seed() -> None:
    tasks = parse_suite(GOOD).tasks()
    assert len(tasks) == 2 * 2 * 2 * 2
    assert len({task.stream for task in tasks}) == 16
    assert {task.seeds.split for task in tasks} == {0, 1}
    assert {str(task.regime) for task in tasks} == {"clean", "noise(rate=0.3)"}


def test_what_evaluation_gets_has_each_task_once() -> None:
    assert [task.name for task in suite("tiny")] == ["iris~logistic~b4", "wine~naive_bayes~b4"]
    assert [(task.data, task.batch, task.budget) for task in suite("small")][::2] == [
        ("digits", 10, 120),
        ("breast_cancer", 5, 60),
        ("wine", 4, 40),
        ("gapminder", 10, 120),
    ]


def test_the_default_is_always_among_the_actions() -> None:
    plan = parse_suite(GOOD).plan("classification")
    assert [str(a) for a in plan.actions] == ["cluster_margin", "cluster_margin ×2", "margin", "margin ×2"]
    assert parse_suite(GOOD).policy("classification").arms == plan.strategies


def test_a_regression_has_branches_of_its_own_and_the_rest_in_common() -> None:
    text = GOOD + '[branches.regression]\nstrategies = ["random"]\ndefault = "greedy_x"\n'
    plan = parse_suite(text).plan("regression")
    assert (plan.strategies, plan.default, plan.states, plan.multipliers) == (
        ("greedy_x", "random"),
        "greedy_x",
        2,
        (1.0, 2.0),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds =", "sedes =", "'sedes' is not known; did you mean 'seeds'?"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "expected different whole numbers"),
        ("seeds = [0, 1]", "seeds = 3", "seeds: got 3, expected a list, each a whole number"),
        ("seeds = [0, 1]", 'seeds = ["a"]', "each a whole number"),
        ('name = "mine"', "", "has no name"),
        ('"logistic"', '"logistics"', "did you mean 'logistic'?"),
        ('"logistic"', '"ridge"', "for classification"),
        ('"logistic"', '"naive_bayes"', "none twice"),
        ("noise(rate=0.3)", "nois(rate=0.3)", "did you mean 'noise'"),
        ("noise(rate=0.3)", "noise(rate=3)", "rate"),
        ("budget = 8", "", "got budget 0 and loops 0"),
        ("budget = 8", "budget = 8\nloops = 3", "write one of them"),
        ("budget = 8", 'budget = "8"', "expected a whole number"),
        ("budget = 8", "budget = 8\nlearner = 3", "did you mean 'learners'?"),
        ("budget = 8", "budget = true", "expected a whole number"),
        ("batches = [4]", "batches = [0]", "batches must be ≥ 1"),
        ("batches = [4]", "batches = []", "at least one"),
        ('data = ["iris", "wine"]', "", "names no data"),
        ("budget = 8", 'budget = 8\ndesign = "half"', "'full', or 'fractional'"),
        ("budget = 8", 'budget = 8\ndesign = "fractional"', "with cells 0"),
        ("budget = 8", "budget = 8\ncells = 3", "expected 'full'"),
        ("budget = 8", 'budget = 8\ntask = "ranking"', "classification or regression"),
        ("budget = 8", "budget = 8\nwhere = {rows = [5]}", "expected [least, most]"),
        ("budget = 8", "budget = 8\nwhere = {row = [1, 5]}", "did you mean 'rows'?"),
        ('"margin"', '"margni"', "margin"),
        ("states = 2", "states = -1", "states"),
        ("states = 2", "horizon = 0", "horizon"),
        ("states = 2", "explore = 1", "'explore' is not known"),
        ("seeds = [0, 1]", "explore = 0", "share: got 0"),
        ("[[grid]]", "[grid]", "no [[grid]]"),
        ("name =", "name =\n", "not TOML"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(TaskError) as caught:
        parse_suite(GOOD.replace(old, new, 1), where="mine.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.toml")


def test_an_unknown_suite_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="did you mean 'small'"):
        read_suite("smal")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TaskError, match=r"bad\.toml: cannot be read as a suite"):
        read_suite(tmp_path / "bad.toml")


def test_the_hash_is_of_what_a_suite_says_and_not_of_where_or_why() -> None:
    whole = parse_suite(GOOD)
    assert parse_suite(GOOD.replace("[[grid]]", 'about = "x"\n# a remark\n[[grid]]', 1)).hash == whole.hash
    for old, new in [("[0, 1]", "[0, 2]"), ("0.3", "0.2"), ("states = 2", "states = 3"), ("budget = 8", "budget = 9")]:
        assert parse_suite(GOOD.replace(old, new)).hash != whole.hash


@pytest.mark.parametrize(("a", "b"), [(7, 12), (4, 5), (2, 4), (6, 8), (1, 3)])
def test_pairs_come_once_and_every_stretch_is_in_balance(a: int, b: int) -> None:
    whole = [pair(t, a, b) for t in range(a * b)]
    assert len(set(whole)) == a * b
    width = 2 * max(a, b)
    for start in range(0, 3 * a * b, width):
        stretch = [pair(t, a, b) for t in range(start, start + width)]
        for place, count in ((0, a), (1, b)):
            often = Counter(item[place] for item in stretch)
            assert len(often) == count
            assert max(often.values()) - min(often.values()) <= 2


FRACTION = """
name = "part"
seeds = [0, 1, 2]
apart = "dev_manifest.csv"
[[grid]]
manifest = "train_manifest.csv"
where = {rows = [100, 900], exclude = ["s3"]}
design = "fractional"
cells = 6
learners = ["logistic", "naive_bayes"]
regimes = ["clean", "noise(rate=0.3)", "cold_start"]
batches = [2, 5]
rows_per_batch = 50
loops = 3
"""


def test_in_a_fraction_every_set_meets_every_learner_and_regime_alike(tmp_path: Path) -> None:
    names = {f"s{k}": "" for k in range(9)}
    folder = write_folder(tmp_path, {"train_manifest.csv": names, "dev_manifest.csv": {"d0": ""}})
    tasks = parse_suite(FRACTION).tasks(folder)
    assert {task.data_name for task in tasks} == {"s1", "s2", "s4", "s5", "s6", "s7", "s8"}  # s0 has 60 rows
    for name in ("s1", "s8"):
        own = [task for task in tasks if task.data_name == name]
        assert Counter(task.learner_name for task in own) == {"logistic": 3, "naive_bayes": 3}
        assert Counter(str(task.regime) for task in own) == {"clean": 2, "noise(rate=0.3)": 2, "cold_start": 2}
        assert all(task.budget == 3 * task.batch for task in own)
    # s1 has 160 rows, too few for a batch of 5 at 50 rows for each of its rows; s8 has 860.
    assert {task.batch for task in tasks if task.data_name == "s1"} == {2}
    assert {task.batch for task in tasks if task.data_name == "s8"} == {2, 5}
    assert [task.stream for task in parse_suite(FRACTION).tasks(folder)] == [task.stream for task in tasks]


def test_a_family_on_both_sides_is_refused(tmp_path: Path) -> None:
    sets = {"train_manifest.csv": {"s1": "", "s2": "twins"}, "dev_manifest.csv": {"d0": "twins"}}
    folder = write_folder(tmp_path, sets)
    with pytest.raises(TaskError, match="'twins', set 's2'"):
        parse_suite(FRACTION).tasks(folder)
    # A set without a family is its own, so the same name on both sides is refused as well.
    folder = write_folder(tmp_path, {"train_manifest.csv": {"s1": "", "s2": ""}, "dev_manifest.csv": {"s2": ""}})
    with pytest.raises(TaskError, match="'s2', set 's2'"):
        parse_suite(FRACTION).tasks(folder)


def test_a_suite_of_data_that_are_not_there_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"train_manifest\.csv: there is no such manifest; pass --data FOLDER"):
        read_suite("train").tasks(tmp_path)


def test_every_shipped_suite_can_be_read_and_train_and_dev_keep_apart() -> None:
    shipped = {name: read_suite(name) for name in SUITES}
    folder = Path(read_suite.__code__.co_filename).parent / "suites"
    assert {path.stem for path in folder.glob("*.toml")} == set(SUITES)
    assert len({one.hash for one in shipped.values()}) == len(SUITES)
    assert all(one.name == name and one.about for name, one in shipped.items())
    for name, other in (("train", "dev"), ("dev", "train")):
        assert shipped[name].apart == f"{other}_manifest.csv"
        assert {grid.manifest for grid in shipped[name].grids} == {f"{name}_manifest.csv"}
    assert not set(shipped["train"].seeds) & set(shipped["dev"].seeds)


def test_train_is_as_large_and_as_varied_as_it_is_meant_to_be() -> None:
    """On the manifest of the sets that anybody can rebuild; the data themselves are not read."""
    shipped = read_suite("train")
    folder = Path(datasets.__file__).parent
    tasks = shipped.tasks(folder)
    families = {s.spec: s.family for s in sources(folder / "train_manifest.csv", use="yes")}
    of_classes = [task for task in tasks if LEARNERS[task.learner_name].kind == "classification"]
    assert len({families[str(task.data)] for task in of_classes}) >= 60
    assert len({task.learner_name for task in of_classes}) >= 6
    assert len({str(task.regime) for task in of_classes}) >= 8
    plan = shipped.plan("classification")
    assert len(of_classes) * plan.states * len(plan.actions) >= 100_000
    for name in ("learner_name", "regime"):
        often = Counter(str(getattr(task, name)) for task in of_classes)
        # The learners that take ten times as long have half as many tasks.
        slow = ("extra_trees", "lightgbm")
        for some in ([v for k, v in often.items() if k in slow], [v for k, v in often.items() if k not in slow]):
            assert not some or max(some) <= 1.15 * min(some)
