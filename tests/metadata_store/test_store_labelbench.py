"""LabelBench's table of logged runs becomes series; a small table of the same shape stands in for it."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metadata_store import DirectoryStore, MemoryStore, OptionError
from metadata_store.interchange import Rules, SourceError, labelbench, load_labelbench
from metadata_store.interchange.labelbench import COLUMNS, KEYS, TIME


@pytest.fixture
def table():
    """Three runs of two data sets, 3 or 2 rounds each, with LabelBench's own column names."""
    rng = np.random.default_rng(0)
    rows = []
    for dataset, strategy, seed, rounds in (
        ("cifar10", "badge", 1234, 3),
        ("cifar10", "margin", 1234, 3),
        ("fmow", "badge", 7, 2),
    ):
        for number in range(rounds):
            row = {"dataset": dataset, "batch": "bs_1000", "embed": "embed_none", "model": "model_linear"}
            row |= {"trainer": "trainer_passive", "strategy": strategy, "seed": seed, "round": number}
            row |= {column: float(rng.random()) for column in COLUMNS}
            if dataset == "cifar10":
                row |= {column: math.nan for column in COLUMNS if "F1" in column}
            row |= {"_step": float(number), "_timestamp": 1684360769.286897 + number}
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("kind", ["pandas.parquet", "arrow.parquet", "csv"])
def test_every_run_round_and_metric_is_there(tmp_path, path, table, kind):
    file = tmp_path / f"runs.{kind}"
    shuffled = table.sample(frac=1, random_state=1)
    if kind == "csv":
        shuffled.to_csv(file, index=False)
    elif kind == "pandas.parquet":
        shuffled.to_parquet(file)
    else:  # NaN stays NaN; pandas would make it null
        pq.write_table(pa.table({name: shuffled[name].tolist() for name in shuffled}), file)
    with DirectoryStore(path, durability="none") as store:
        assert load_labelbench(file, store) == (11, 11)
        assert load_labelbench(file, store) == (11, 0)
        assert len(store.runs()) == 3
        for _, row in table.iterrows():
            run = "-".join(str(row[key]) for key in KEYS[:-1])
            (record,) = [r for r in store.records(run) if (r.loop, r.event) == (row["round"], "report")]
            there = {column for column in COLUMNS if not math.isnan(row[column])}
            assert dict(record.values) == {COLUMNS[column]: row[column] for column in there}
            assert record.at == round(row[TIME] * 1e6) * 1000
        frame = store.frame(["run.task", "tag.strategy", "tag.seed", "score.value"])
        about = frame.dropna().reset_index()
        assert about.groupby("run.task").size().to_dict() == {"cifar10": 2, "fmow": 1}
        assert sorted(about["tag.strategy"]) == ["badge", "badge", "margin"]
        assert sorted(about["tag.seed"]) == [7.0, 1234.0, 1234.0]


def test_the_names_are_those_that_a_metaal_run_may_log():
    assert len(COLUMNS) == 27
    assert len(set(COLUMNS.values())) == 27
    assert COLUMNS["Validation Accuracy"] == "score.value"
    assert {name.split(".")[0] for name in COLUMNS.values()} == {"score", "labels", "user"}


def test_an_unknown_metric_becomes_the_users(tmp_path, table):
    store = MemoryStore()
    table.assign(**{"Pool ECE": 0.5}).to_parquet(tmp_path / "runs.parquet")
    load_labelbench(tmp_path / "runs.parquet", store)
    assert store.frame("user.pool_ece").dropna().shape == (8, 1)


def test_a_table_of_too_many_rows_is_refused(tmp_path, table, monkeypatch):
    monkeypatch.setattr(labelbench, "MAX_ROWS", 7)
    store = MemoryStore()
    table.to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(SourceError, match="has more than 7 rows; split it"):
        load_labelbench(tmp_path / "runs.parquet", store)
    assert store.runs() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="trainer"), "no column 'trainer'"),
        (lambda t: pd.concat([t, t.iloc[[2]]]), "row 9: the same run and round as row 3"),
        (lambda t: t.assign(round=-1), "row 1: round is -1"),
        (lambda t: t.assign(round=0.5), "row 1: round is 0.5"),
        (lambda t: t.assign(model=None), "row 1: no model"),
        (lambda t: t.assign(**{"Test Loss": "high"}), "row 1: column 'Test Loss' has 'high', not a number"),
    ],
)
def test_a_wrong_table_is_refused_as_a_whole(tmp_path, table, change, words):
    store = MemoryStore()
    change(table).to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(SourceError, match=words):
        load_labelbench(tmp_path / "runs.parquet", store)
    assert store.runs() == []


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "runs.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"runs\.parquet"):
        load_labelbench(tmp_path / "runs.parquet", MemoryStore())
    for text in ("a,b\n1\n", "dataset,dataset\n1,2\n", "\xff\n"):
        (tmp_path / "runs.csv").write_text(text, encoding="latin-1")
        with pytest.raises(SourceError, match=r"cannot be read|column 'dataset' twice|no column"):
            load_labelbench(tmp_path / "runs.csv", MemoryStore())
    (tmp_path / "runs.jsonl").write_text("")
    with pytest.raises(SourceError, match="is JSONL"):
        load_labelbench(tmp_path / "runs.jsonl", MemoryStore())
    with pytest.raises(SourceError, match="cannot open"):
        load_labelbench(tmp_path / "none.csv", MemoryStore())
    (tmp_path / "runs.txt").write_text("")
    with pytest.raises(OptionError, match="no suffix that tells its format"):
        load_labelbench(tmp_path / "runs.txt", MemoryStore())


def test_strategies_become_actions_where_somebody_says_which(tmp_path, table):
    table.to_parquet(tmp_path / "runs.parquet")
    known = {"badge": "ours", "margin": None}

    def translate(word):
        try:
            return known[word]
        except KeyError:
            raise ValueError("say what it is") from None

    rules, store = Rules(translate={labelbench.STRATEGY: translate}), MemoryStore()
    assert load_labelbench(tmp_path / "runs.parquet", store, rules=rules) == (11, 11)
    about = [store.records(run)[0].values for run in store.runs()]
    assert [(values["tag.strategy"], values.get("action.name")) for values in about] == [
        ("badge", "ours"),
        ("margin", None),
        ("badge", "ours"),
    ]
    del known["margin"]
    empty = MemoryStore()
    with pytest.raises(OptionError, match=r"(?s)'strategy' of .* 1 unknown of 2 .*'margin': say what it is"):
        load_labelbench(tmp_path / "runs.parquet", empty, rules=rules)
    assert empty.runs() == []
