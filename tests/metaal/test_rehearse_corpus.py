"""The summary of a corpus: counts that add up, and a hash of what the branches say and of nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import corpus as command
from metaal.errors import FitError, InputError
from metaal.rehearsal import read_branches, read_suite, rehearse
from metaal.rehearsal.corpus import content_hash, summarise
from metadata_store import MissingStoreError, Record, Store, open_store
from tests.metaal.calling import call


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny suite, rehearsed in one go."""
    folder = tmp_path_factory.mktemp("tiny") / "s"
    rehearse("tiny", folder, jobs=1, progress=False)
    return folder


def records_of(store: Path) -> list[Record]:
    with open_store(store) as opened:
        return [record for run in opened.runs() for record in opened.records(run)]


def hash_of(records: list[Record]) -> str:
    """The hash of a store in memory with these records."""
    return str(summarise(filled(records)).facts["hash"])


def filled(records: list[Record]) -> Store:
    store = open_store("memory:")
    store.append_many(records)
    return store


def test_the_counts_are_those_of_the_store(tiny: Path) -> None:
    with open_store(tiny) as store:
        found, branches = summarise(store), read_branches(store)
    facts, suite = found.facts, read_suite("tiny")
    assert facts["suites"] == {"tiny": suite.hash}
    assert facts["tasks"] == len(suite.tasks()) == sum(line["tasks"] for line in facts["learners"].values())
    assert facts["branches"] == len(branches) == sum(facts["actions"].values())
    assert facts["states"] == len(branches.groupby(["run", "loop"]))
    assert facts["played"] == int((branches["played"] == branches["index"]).sum())
    assert facts["unfinished"] == 0
    assert facts["actions"] == branches["action"].value_counts().to_dict()
    for name in ("learners", "regimes", "kinds", "batches"):
        assert sum(line["branches"] for line in facts[name].values()) == len(branches)
    learners = sorted({task.learner_name for task in suite.tasks()})
    assert list(facts["learners"]) == learners
    assert found.table[learners].sum(axis=1).tolist() == found.table["branches"].tolist()
    assert found.table["branches"].sum() == len(branches)
    assert sorted(found.table["family"].unique()) == sorted({task.dataset.family for task in suite.tasks()})
    assert facts["hash"] in str(found)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same suite as two shards in two stores, the second one first."""
    folder = tmp_path_factory.mktemp("parts")
    for k in (2, 1):
        rehearse("tiny", folder / f"s{k}", shard=f"{k}/2", jobs=1, progress=False)
    return folder / "s1", folder / "s2"


def test_shards_in_two_stores_are_summed_up_as_one(tiny: Path, parts: tuple[Path, Path]) -> None:
    with open_store(tiny) as whole, open_store(parts[0]) as one, open_store(parts[1]) as two:
        expected = summarise(whole)
        for found in (summarise(one, two), summarise(two, one)):
            assert found.facts == expected.facts
            pd.testing.assert_frame_equal(found.table, expected.table)
        assert summarise(one).facts["hash"] != summarise(two).facts["hash"]
        with pytest.raises(InputError, match="2 runs are in two of them"):
            summarise(whole, one)


def test_a_store_written_in_another_order_has_the_same_hash_also_compacted(
    tiny: Path, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    expected = hash_of(records_of(tiny))
    with open_store(tmp_path / "s", durability="none") as store:
        store.append_many(records_of(parts[1]))
        store.append_many(records_of(parts[0]))
        assert summarise(store).facts["hash"] == expected
        store.compact()
        assert summarise(store).facts["hash"] == expected


def changed(records: list[Record], name: str, change: Any) -> list[Record]:
    """The records with one value of the last branch changed."""
    place = max(k for k, record in enumerate(records) if record.event == "branch")
    record = records[place]
    values = {**record.values, name: change(record.values[name])}
    return [*records[:place], replace(record, values=values), *records[place + 1 :]]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("branch.h3.accuracy", lambda value: np.nextafter(value, 2)),
        ("branch.h0.log_loss", lambda value: float("nan")),
        ("branch.h2.labels", lambda value: value + 1),
        ("branch.propensity", lambda value: value / 2),
        ("branch.taken", lambda value: not value),
        ("branch.strategy", lambda value: value + " "),
    ],
)
def test_another_outcome_is_another_hash(tiny: Path, name: str, change: Any) -> None:
    records = records_of(tiny)
    assert hash_of(changed(records, name, change)) != hash_of(records)


def test_seconds_and_the_order_of_writing_do_not_count(tiny: Path) -> None:
    records = records_of(tiny)
    slower = changed(records, "branch.fit.seconds", lambda value: value + 1)
    mixed = [record for record in slower if record.event != "begin"]
    random.Random(0).shuffle(mixed)
    again = [replace(record, at=record.at + 10**9) for record in mixed]
    assert hash_of([record for record in slower if record.event == "begin"] + again) == hash_of(records)


def test_a_branch_more_or_less_is_another_hash(tiny: Path) -> None:
    records = records_of(tiny)
    last = max(k for k, record in enumerate(records) if record.event == "branch")
    assert hash_of(records[:last] + records[last + 1 :]) != hash_of(records)


def test_the_hash_is_of_values_and_not_of_how_they_are_kept() -> None:
    import pyarrow as pa

    plain = pa.table({"run": ["a", "b"], "x": [1, 2], "y": [0.0, None], "fit.seconds": [1.0, 2.0]})
    other = pa.table(
        {
            "none": pa.nulls(2, pa.float64()),
            "y": [-0.0, None],
            "x": [1.0, 2.0],
            "run": pa.chunked_array([pa.array(["a"]), pa.array(["b"])]).cast(pa.large_string()),
        }
    )
    assert content_hash(plain) == content_hash(other)
    assert content_hash(plain) != content_hash(plain.set_column(2, "y", pa.array([None, 0.0])))
    assert content_hash(plain) != content_hash(plain.set_column(2, "y", pa.array([0.0, float("nan")])))
    assert content_hash(plain) != content_hash(plain.rename_columns(["run", "z", "y", "fit.seconds"]))
    assert content_hash(pa.table({"t": ["ab", "c"]})) != content_hash(pa.table({"t": ["a", "bc"]}))


def test_a_run_whose_branches_are_not_complete_is_counted_as_that(tiny: Path) -> None:
    records = records_of(tiny)
    marker = max(k for k, record in enumerate(records) if record.event == "rehearsed")
    found = summarise(filled(records[:marker] + records[marker + 1 :]))
    assert found.facts["unfinished"] == 1
    assert "(1 not complete)" in str(found)


def test_stores_without_branches_are_refused(tmp_path: Path) -> None:
    store = open_store("memory:")
    with pytest.raises(FitError, match=r"no branches|is empty"):
        summarise(store)
    store.append(Record("r", 0, "begin", {"run.task": "t", "tag.learner": "logistic"}))
    with pytest.raises(FitError, match="no branches"):
        summarise(store)
    with pytest.raises(FitError, match="no branches"):
        summarise()
    with pytest.raises(MissingStoreError):
        command.main([str(tmp_path / "nothing")])


def test_the_benchmark_writes_a_table_and_the_facts_without_places(tiny: Path, tmp_path: Path) -> None:
    command.main([str(tiny), "--folder", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"corpus_tiny.csv", "corpus_tiny.json"}
    facts = json.loads((tmp_path / "corpus_tiny.json").read_text(encoding="utf-8"))
    table = pd.read_csv(tmp_path / "corpus_tiny.csv")
    assert table["branches"].sum() == facts["branches"]
    assert facts["versions"]["numpy"] == np.__version__
    assert str(tiny) not in (tmp_path / "corpus_tiny.json").read_text(encoding="utf-8")
    assert "python -m benchmarks.corpus" in facts["command"]


def test_the_command_says_the_same(tiny: Path, tmp_path: Path) -> None:
    with open_store(tiny) as store:
        facts = summarise(store).facts
    said = call("rehearse", "--summary", str(tiny), cwd=tmp_path).stdout
    assert facts["hash"] in said
    assert all(name in said for name in (*facts["learners"], *facts["regimes"]))
