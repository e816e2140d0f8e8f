"""JSONL of plain objects, columns that belong to the next loop, and what a caller knows of kinds and words."""

import json

import numpy as np
import pandas as pd
import pytest

from metadata_store import MemoryStore, OptionError, Record
from metadata_store.interchange import Rules, SourceError, export, holds_objects, load, load_table
from metadata_store.interchange.loops import Loops


def lines(folder, rows, name="log.jsonl"):
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def series(store, run="a"):
    return [(record.loop, record.event, dict(record.values)) for record in store.records(run)]


ROWS = [
    {"run": "a", "round": 0, "acc": 1, "note": "é", "ok": True},
    {"run": "a", "round": 1, "acc": 0.5, "late": 7},
    {"round": 0, "run": "b", "acc": None, "note": "42"},
]


def test_plain_objects_are_rows_whatever_names_they_have(tmp_path):
    store = MemoryStore()
    source = lines(tmp_path, ["", *ROWS])
    assert load_table(source, store, run="run", loop="round", columns={"acc": "score"}) == (3, 3)
    assert load_table(source, store, run="run", loop="round", columns={"acc": "score"}) == (3, 0)
    assert series(store) == [
        (0, "report", {"score": 1.0, "user.note": "é", "user.ok": True}),
        (1, "report", {"score": 0.5, "user.late": 7}),
    ]
    assert series(store, "b") == [(0, "report", {"user.note": "42"})]


def test_the_two_kinds_of_jsonl_are_told_apart_by_their_first_line(tmp_path):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"x": 0.5}))
    export(store, tmp_path / "own.jsonl")
    assert not holds_objects(tmp_path / "own.jsonl")
    for number, (first, objects) in enumerate(
        [
            ({"run": "r", "loop": 0, "event": "tell"}, False),
            ({"run": "r", "loop": 0, "event": "tell", "acc": 0.5}, True),
            ({"run": "r", "loop": 0}, True),
            ('{"run": "r"', False),
            ("[1]", False),
        ]
    ):
        assert holds_objects(lines(tmp_path, ["", first], f"{number}.jsonl")) is objects
    (tmp_path / "empty.jsonl").write_text("")
    assert not holds_objects(tmp_path / "empty.jsonl")
    assert load(tmp_path / "own.jsonl", MemoryStore()) == (1, 1)
    with pytest.raises(OptionError, match=r"use load\(source, store\)"):
        load_table(tmp_path / "own.jsonl", store, run="run", loop="loop")


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([*ROWS, '{"run": '], SourceError, "line 4: not an object of JSON"),
        ([*ROWS, "[1]"], SourceError, "line 4: begins|line 4: not an object of JSON: it is a list"),
        ([*ROWS, '{"run": "a", "run": "b"}'], SourceError, "line 4: .* a name stands twice"),
        ([*ROWS, '{"run": "c", "round": 0, "acc": ' + "[" * 100_000], SourceError, "line 4: not an object"),
        ([*ROWS, {"run": "c", "round": 0, "acc": "high"}], SourceError, "line 4: column 'acc' has 'high'"),
        ([*ROWS, {"run": "a", "round": 1}], SourceError, "line 4: loop 1 of run 'a' for the second time"),
        ([*ROWS, {"run": "c", "acc": 0.5}], SourceError, "line 4: the loop is empty"),
        ([*ROWS, {"run": "c", "round": 0, "classes": [1, 2]}], OptionError, "'classes' of .* has no scalars"),
    ],
)
def test_objects_that_are_no_rows_are_refused_with_their_line(tmp_path, rows, error, words):
    store = MemoryStore()
    with pytest.raises(error, match=words):
        load_table(lines(tmp_path, rows), store, run="run", loop="round")
    assert store.runs() == []


def test_nan_as_python_writes_it_is_read(tmp_path):
    store = MemoryStore()
    load_table(lines(tmp_path, ['{"run": "a", "round": 0, "acc": NaN}']), store, run="run", loop="round")
    assert np.isnan(store.records("a")[0].values["user.acc"])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_columns_after_the_batch_belong_to_the_next_loop(tmp_path, suffix):
    """The score of round t is the one before round t + 1; the last one stands in a loop of its own."""
    rows = [{"run": "a", "round": k, "used": f"s{k}", "labels": 10 * k, "acc": k / 4} for k in (2, 0, 1)]
    path = tmp_path / f"log.{suffix}"
    if suffix == "jsonl":
        lines(tmp_path, rows)
    else:
        frame = pd.DataFrame(rows)
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    store = MemoryStore()
    columns = {"used": "used", "labels": "labels", "acc": "score"}
    assert load_table(path, store, run="run", loop="round", columns=columns, after=["acc", "labels"]) == (6, 6)
    assert load_table(path, store, run="run", loop="round", columns=columns, after=["acc", "labels"]) == (6, 0)
    frame = store.frame().reset_index()
    assert frame["loop"].tolist() == [0, 1, 2, 3]
    assert frame["used"].tolist()[:3] == ["s0", "s1", "s2"]
    assert frame["score"].tolist()[1:] == [0, 0.25, 0.5]
    assert frame["labels"].tolist()[1:] == [0, 10, 20]
    assert pd.isna(frame["score"][0])
    assert {event for _, event, _ in series(store)} == {"report", "after"}


def test_loops_with_gaps_have_no_next_one(tmp_path):
    source = lines(tmp_path, [{"run": "a", "round": 10 * k, "acc": 0.5} for k in range(3)])
    store = MemoryStore()
    assert load_table(source, MemoryStore(), run="run", loop="round") == (3, 3)
    with pytest.raises(SourceError, match=r"log\.jsonl: run 'a' has no loop 1 between others"):
        load_table(source, store, run="run", loop="round", after=["acc"])
    assert store.runs() == []


@pytest.mark.parametrize(
    ("seen", "gap"), [([3], None), ([3, 4, 2], None), ([5, 3, 4], None), ([0, 2], 1), ([7, 4, 5], 6), ([2, 0], 1)]
)
def test_the_first_missing_loop_is_found(seen, gap):
    loops = Loops()
    assert all(loops.add(loop) for loop in seen)
    assert loops.gap == gap


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_caller_knows_the_kinds_and_numbers_become_text_where_text_is_wanted(tmp_path, suffix):
    frame = pd.DataFrame({"run": ["a", "b"], "round": [0, 0], "set": [40, 41], "n": [10, 20]})
    path = tmp_path / f"log.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.assign(set=frame["set"].astype(float)).to_parquet(path)
    rules = Rules(kinds={"task": "str", "labels": "float", "never": "int"})
    store = MemoryStore()
    for _ in range(2):
        load_table(path, store, run="run", loop="round", columns={"set": "task", "n": "labels"}, rules=rules)
    assert series(store) == [(0, "report", {"task": "40", "labels": 10.0})]
    assert type(store.records("b")[0].values["labels"]) is float


def test_the_store_knows_kinds_better_than_the_caller(tmp_path):
    store = MemoryStore()
    store.append(Record("old", 0, "report", {"task": 0.5}))
    source = lines(tmp_path, [{"run": "a", "round": 0, "set": 40}])
    with pytest.raises(OptionError, match="is str, but this store knows 'task' as float"):
        load_table(source, store, run="run", loop="round", columns={"set": "task"}, rules=Rules({"task": "str"}))


def test_words_are_translated_or_left_out_and_unknown_ones_are_all_named(tmp_path):
    table = {"A": "a", "0": None}

    def translate(word):
        try:
            return table[word]
        except KeyError:
            raise ValueError("say what it is") from None

    rules = Rules({"who": "str"}, {"who": translate})
    rows = [{"run": "r", "round": k, "w": word} for k, word in enumerate(["A", 0, None, "A"])]
    store = MemoryStore()
    load_table(lines(tmp_path, rows), store, run="run", loop="round", columns={"w": "who"}, rules=rules)
    assert [values for _, _, values in series(store, "r")] == [{"who": "a"}, {}, {}, {"who": "a"}]
    rows += [{"run": "r", "round": 4 + k, "w": word} for k, word in enumerate("CBC")]
    with pytest.raises(OptionError, match=r"(?s)'w' of .* has 2 unknown of 4 .*'B': say what it is\n  'C': say what"):
        load_table(lines(tmp_path, rows), MemoryStore(), run="run", loop="round", columns={"w": "who"}, rules=rules)
    rows = [{"run": "r", "round": k, "w": f"w{k}"} for k in range(1002)]
    with pytest.raises(OptionError, match="over 1000 different values; is it the right one"):
        load_table(lines(tmp_path, rows), MemoryStore(), run="run", loop="round", columns={"w": "who"}, rules=rules)
