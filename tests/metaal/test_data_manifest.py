"""A folder of tables with a manifest: what it says is obeyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import metaal
from metaal.rehearsal import data_name, load_data, sources

ROWS = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three splits: own-form Parquet beside other formats, in the layout of the shared data."""
    table = pd.DataFrame({"x": np.arange(ROWS), "kind": ["a", "b"] * (ROWS // 2), "y": np.arange(ROWS) % 3})
    (tmp_path / "train").mkdir()
    (tmp_path / "far").mkdir()
    table.to_csv(tmp_path / "train" / "plain.csv", index=False)
    table.to_csv(tmp_path / "train" / "plain.a2.csv.gz", index=False)
    table.to_csv(tmp_path / "far" / "else.tsv", sep="\t", index=False)
    own = pa.table({"x": np.arange(ROWS, dtype=np.float32), "target": np.arange(ROWS, dtype=np.float32) % 5})
    pq.write_table(own.replace_schema_metadata({"metaal": json.dumps({"task": "reg"})}), tmp_path / "train/own.parquet")
    (tmp_path / "train_manifest.csv").write_text(
        "name,task,domain,split,family,rows,features,classes,use,target,file,path,licence\n"
        "plain,clf,tabular,train,,40,2,2.0,yes,kind,,inside/of.zip,free\n"
        "plain.a2,classification,tabular,train,plain,40,2,2,yes,kind,,,\n"
        "own,reg,image,train,,40,1,,yes,Sale Price,,,\n"
        "weak,clf,tabular,train,,40,2,2,no,y,far/else.tsv,,\n"
    )
    (tmp_path / "test_manifest.csv").write_text("name,file,split\nfar,far/else.tsv,test\n")
    return tmp_path


def names(found: list[Any]) -> list[str]:
    return [source.name for source in found]


def test_sets_are_chosen_by_what_the_manifest_says(folder: Path) -> None:
    assert names(sources(folder)) == ["far", "plain", "plain.a2", "own"]
    assert names(sources(folder, split="train")) == ["plain", "plain.a2", "own"]
    assert names(sources(folder, task="regression")) == names(sources(folder, task="reg")) == ["own"]
    assert names(sources(folder / "train_manifest.csv", use="no")) == ["weak"]
    assert names(sources(folder, use=None, task="clf")) == ["plain", "plain.a2", "weak"]


def test_facts_of_a_source(folder: Path) -> None:
    plain, second, own = sources(folder, split="train")
    assert (plain.family, second.family, own.family) == ("plain", "plain", "own")
    assert (plain.rows, plain.features, plain.classes, own.classes) == (40, 2, 2, 0)
    assert (plain.kind, second.task, own.kind, own.domain) == ("classification", "clf", "regression", "image")
    assert plain.spec == f"{folder / 'train_manifest.csv'}#plain"
    assert sources(folder, split="test")[0].kind is None


def test_every_source_loads_by_its_spec(folder: Path) -> None:
    for source in sources(folder, use=None):
        data = load_data(source.spec)
        assert (data.name, data.family) == (source.name, source.family)
        assert data_name(source.spec) == source.name
        assert source.kind in (None, data.kind)
        assert len(data.y) == ROWS
    assert load_data(f"{folder}#far").X["x"].tolist() == list(range(ROWS))


def test_the_target_is_the_manifests_but_for_files_of_own_form(folder: Path) -> None:
    assert load_data(f"{folder}#plain").classes == ("a", "b")
    assert load_data(f"{folder}#plain", "y").classes == (0, 1, 2)
    own = load_data(f"{folder}#own")
    assert own.kind == "regression"  # its five numbers would else name classes
    assert sorted(set(own.y)) == [0, 1, 2, 3, 4]
    assert load_data(str(folder / "train" / "own.parquet")).kind == "regression"
    assert load_data(f"{folder}#own", kind="classification").kind == "classification"


def test_the_task_of_the_manifest_decides_what_few_numbers_are(folder: Path) -> None:
    (folder / "manifest.csv").write_text("name,file,target,task\na,far/else.tsv,y,reg\nb,far/else.tsv,y,\n")
    assert [load_data(f"{folder / 'manifest.csv'}#{name}").kind for name in "ab"] == ["regression", "classification"]


def test_a_family_given_by_hand_wins(folder: Path) -> None:
    assert load_data(f"{folder}#plain", family="other").family == "other"


def test_a_changed_manifest_or_table_is_read_again(folder: Path) -> None:
    spec = f"{folder}#plain"
    first = load_data(spec)
    assert load_data(spec) is first
    table = folder / "train" / "plain.csv"
    pd.read_csv(table)[:35].to_csv(table, index=False)
    assert len(load_data(spec).y) == 35
    manifest = folder / "train_manifest.csv"
    manifest.write_text(manifest.read_text().replace("train,,40,2,2.0", "train,new,40,2,2.0"))
    assert load_data(spec).family == "new"


def test_a_task_is_played_on_a_listed_set(folder: Path) -> None:
    trace = metaal.play("random", metaal.Task(f"{folder}#plain", batch=2, budget=4))
    assert trace.curve["labels"].tolist()[-1] == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title,task\na,clf\n", "no column 'name'"),
        ("name,task\na,clf\na,reg\n", "the name 'a' stands for 2 sets"),
        ("name,task\n,clf\n", "the name '' stands for 1 sets"),
        ("name,task\na,ranking\n", "task 'ranking'; expected clf"),
        ("name,rows\na,many\n", "rows of 'a' is 'many'"),
        ('name,task\n"a,clf\n', "cannot be read as a manifest"),
    ],
)
def test_a_broken_manifest_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(metaal.TaskError, match=words):
        sources(tmp_path)


def test_what_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    cases: list[tuple[Any, str]] = [
        (lambda: load_data(f"{folder}#plane"), "no set 'plane' among 5; did you mean 'plain'"),
        (lambda: load_data(f"{tmp_path / 'none'}#plain"), "no manifest in this folder; write a manifest.csv"),
        (lambda: sources(tmp_path / "nowhere"), "no such file or folder"),
        (lambda: sources(folder, task="clf", use="no", split="test"), "none of 5 sets has use='no', task='clf'"),
        (lambda: sources(folder, task="rank"), "task 'rank'; expected clf"),
    ]
    (folder / "far" / "else.tsv").unlink()
    cases.append((lambda: load_data(f"{folder}#far"), "else.tsv: no such file"))
    for call, words in cases:
        with pytest.raises(metaal.TaskError, match=words):
            call()


def test_names_with_the_marks_of_a_pattern(tmp_path: Path) -> None:
    pd.DataFrame({"x": range(ROWS), "y": ["a", "b"] * 20}).to_csv(tmp_path / "a[1]*.csv", index=False)
    (tmp_path / "manifest.csv").write_text("name\na[1]*\n")
    assert len(load_data(f"{tmp_path}#a[1]*").y) == ROWS
