"""Files out of stores and stores out of files: nothing lost, nothing doubled, every fault told with its place."""

import doctest
import importlib
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metadata_store import (
    ConflictError,
    DirectoryStore,
    MemoryStore,
    OptionError,
    Record,
    RecordError,
    UnknownNameError,
    UnknownRunError,
    WriteError,
    interchange,
)
from metadata_store.interchange import SourceError, export, jsonl, load, load_table, loading

GUIDE = Path(__file__).parents[2] / "docs" / "store.md"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = {"f": st.floats(), "i": st.integers(-(2**63), 2**63 - 1), "b": st.booleans(), "t": texts}
dtypes = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64))
)
arrays = st.one_of(
    hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    st.lists(texts.map(lambda text: text.replace("\0", "")), max_size=3).map(lambda words: np.array(words, np.str_)),
)
records = st.builds(
    Record,
    st.sampled_from(["a", "été ✓", "b c"]),
    st.integers(0, 2**63 - 1),
    st.sampled_from(["ask", "tell"]),
    st.fixed_dictionaries({}, optional={f"x.{name}": values for name, values in scalars.items()}),
    st.dictionaries(st.sampled_from(["ids", "p"]), arrays, max_size=2),
    st.integers(1, 2**63 - 1),
    st.integers(0, 2),
)


def same(one, other):
    assert one.runs() == other.runs()
    for run in one.runs():
        for a, b in zip(one.records(run), other.records(run), strict=True):
            assert a.same_content(b)
            assert a.at == b.at
            assert list(a.values) == list(b.values)
            for name, value in a.values.items():
                assert np.signbit(value) == np.signbit(b.values[name]) if value == 0 else True


def filled(count=5, runs=("r", "s")):
    store = MemoryStore()
    for loop in range(count):
        for run in runs:
            store.append(Record(run, loop, "tell", {"score": loop / 7, "labels": loop}, {"ids": np.arange(loop)}))
    return store


def table(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=6, unique_by=lambda record: record.key))
def test_jsonl_gives_every_record_back(tmp_path, some):
    store, copy = MemoryStore(), MemoryStore()
    store.append_many(some)
    assert export(store, tmp_path / "r.jsonl") == len(some)
    text = (tmp_path / "r.jsonl").read_bytes()
    assert text.count(b"\n") == len(some)
    assert load(tmp_path / "r.jsonl", copy) == (len(some), len(some))
    same(store, copy)
    assert load(tmp_path / "r.jsonl", copy) == (len(some), 0)
    export(copy, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == text


def test_jsonl_is_plain_json_with_exact_numbers(tmp_path):
    store = MemoryStore()
    values = {"n": 2**63 - 1, "x": 0.1, "nan": float("nan"), "low": -np.inf, "one": 1.0, "yes": True, "t": "é\n\u2028"}
    store.append(
        Record("r", 0, "tell", values, {"a": np.array([[1.5], [np.nan]], ">f4")}, at=1_735_689_600_123_456_789)
    )
    export(store, tmp_path / "r.jsonl")
    (line,) = (tmp_path / "r.jsonl").read_text(encoding="utf-8").split("\n")[:-1]

    def refuse(text):
        raise AssertionError(text)

    parts = json.loads(line, parse_constant=refuse)
    assert parts["at"] == 1_735_689_600_123_456_789
    assert parts["values"]["n"] == 2**63 - 1
    assert parts["values"]["nan"] == {"float": "nan"}
    assert parts["arrays"]["a"]["dtype"] == "<f4"
    assert parts["arrays"]["a"]["shape"] == [2, 1]
    copy = MemoryStore()
    load(tmp_path / "r.jsonl", copy)
    same(store, copy)


def test_a_directory_gets_what_another_one_had(path, tmp_path):
    with DirectoryStore(path, durability="none") as store, DirectoryStore(tmp_path / "copy") as copy:
        store.append_many(record for run in filled().runs() for record in filled().records(run))
        export(store, tmp_path / "r.jsonl")
        assert load(tmp_path / "r.jsonl", copy) == (10, 10)
    with DirectoryStore(path) as store, DirectoryStore(tmp_path / "copy") as copy:
        same(store, copy)
        assert load(tmp_path / "r.jsonl", copy) == (10, 0)


GOOD = '{"run": "r", "loop": 1, "event": "tell"}'
ARRAY = '{"run": "r", "loop": 1, "event": "tell", "arrays": {"a": %s}}'
BROKEN = {
    "": "not a record",
    '{"run": "r", "loop": 1': "not a record",
    "[1]": "a JSON list",
    '{"run": "r", "loop": 1}': "no field 'event'",
    GOOD.replace("}", ', "extra": 1}'): "unknown field 'extra'",
    GOOD.replace("}", ', "run": "q"}'): "a name stands twice",
    GOOD.replace("1", "-1"): "loop is -1",
    GOOD.replace("1", "1.5"): "loop is 1.5",
    GOOD.replace('"r"', '"../r"'): "looks like a path",
    GOOD.replace("}", ', "values": {"X": 1}}'): "lower-case words",
    GOOD.replace("}", ', "values": {"x": NaN}}'): "NaN is not JSON",
    GOOD.replace("}", ', "values": {"x": 1e999}}'): "too large",
    GOOD.replace("}", ', "values": {"x": 9223372036854775808}}'): "beyond 64 bits",
    GOOD.replace("}", ', "values": {"x": null}}'): "None",
    GOOD.replace("}", ', "values": {"x": {"float": "1"}}}'): "expected a number",
    GOOD.replace("}", ', "values": {"x": "\\ud800"}}'): "surrogate",
    GOOD.replace("}", ', "values": []}'): "must be JSON objects",
    "[" * 100_000: "nested too deeply",
    ARRAY % "[1]": "not an object of dtype",
    ARRAY % '{"dtype": "<f8", "shape": [1099511627776], "data": ""}': "its dtype and shape need",
    ARRAY % '{"dtype": "O", "shape": [0], "data": ""}': "its dtype is 'O'",
    ARRAY % '{"dtype": "<f8", "shape": [-1], "data": ""}': "expected a list of whole numbers",
    ARRAY % '{"dtype": "<f8", "shape": [0], "data": "!"}': "cannot be read",
    ARRAY % '{"dtype": "|b1", "shape": [1], "data": "Ag=="}': "other than 0 and 1",
    ARRAY % '{"dtype": "<U1", "shape": [1], "data": "/////w=="}': "beyond Unicode",
}


@pytest.mark.parametrize(("bad", "words"), list(BROKEN.items())[1:], ids=range(1, len(BROKEN)))
def test_a_broken_line_is_named_and_what_stands_before_it_is_stored(tmp_path, bad, words):
    lines = [GOOD.replace("1", str(loop)) for loop in range(600)]  # more than a batch
    lines[550] = bad
    store = MemoryStore()
    source = table(tmp_path, "\n".join(lines), "r.jsonl")
    with pytest.raises(SourceError, match=re.escape(words)) as caught:
        load(source, store)
    assert "line 551: not a record" in str(caught.value)
    assert [record.loop for record in store.records("r")] == list(range(550))
    lines[550] = GOOD.replace("1", "550")
    assert load(table(tmp_path, "\n".join(lines), "r.jsonl"), store) == (600, 50)


def test_a_line_cut_at_any_byte_is_noticed(tmp_path):
    line = jsonl.line(Record("été", 3, "tell", {"x": float("nan"), "n": 12}, {"a": np.arange(2)}, at=5))
    for cut in range(1, len(line) - 1):
        with pytest.raises(ValueError):
            jsonl.parse(line[:cut])
    assert jsonl.parse(line[:-1]).loop == 3


def test_bytes_that_are_not_text_are_named_by_their_line(tmp_path):
    (tmp_path / "r.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\n\xff\xfe\n")
    store = MemoryStore()
    with pytest.raises(SourceError, match="line 3: not a record"):
        load(tmp_path / "r.jsonl", store)
    assert store.count("r") == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (GOOD.replace("}", ', "values": {"x": 2.5}}'), ConflictError),
        (GOOD.replace("1", "7").replace("}", ', "values": {"x": "text"}}'), RecordError),
    ],
)
def test_a_conflict_is_the_stores_own_and_what_stands_before_it_is_stored(tmp_path, line, kind):
    store = MemoryStore()
    store.append(Record("r", 1, "tell", {"x": 1.5}))
    source = table(tmp_path, f"{GOOD.replace('1', '5')}\n{line}\n{GOOD.replace('1', '6')}\n", "r.jsonl")
    with pytest.raises(kind, match=r"r\.jsonl, line 2: ") as caught:
        load(source, store)
    assert type(caught.value) is kind
    assert [record.loop for record in store.records("r")] == [1, 5]


KILLED = """
import os, signal, sys
from metadata_store import DirectoryStore, interchange
append_many, calls = DirectoryStore.append_many, []
def killing(self, records):
    calls.append(0)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return append_many(self, records)
DirectoryStore.append_many = killing
store = DirectoryStore(sys.argv[1])
{call}
"""
CALLS = {
    "r.jsonl": "interchange.load('r.jsonl', store)",
    "log.csv": "interchange.load_table('log.csv', store, run='run', loop='loop', known=['score', 'labels'])",
}


@pytest.mark.parametrize("file", CALLS)
def test_a_load_that_was_killed_is_completed_by_the_same_call(path, tmp_path, file):
    model = filled(loading.BATCH_RECORDS * 2)
    export(model, tmp_path / file)
    program = KILLED.format(call=CALLS[file])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with DirectoryStore(path, durability="none") as store:
        assert sum(store.count(run) for run in store.runs()) == 2 * loading.BATCH_RECORDS
        loaded = eval(CALLS[file].replace(repr(file), "tmp_path / file"))  # noqa: S307
        assert loaded == (4 * loading.BATCH_RECORDS, 2 * loading.BATCH_RECORDS)
        pd.testing.assert_frame_equal(store.frame(), model.frame())


def test_memory_stays_bounded(tmp_path):
    """A batch is never larger than its limits, however long the file."""
    sizes = []

    class Watching(MemoryStore):
        def append_many(self, records):
            batch = list(records)
            sizes.append((len(batch), sum(array.nbytes for record in batch for array in record.arrays.values())))
            return super().append_many(batch)

    store = MemoryStore()
    for loop in range(40):
        store.append(Record("r", loop, "tell", {}, {"a": np.zeros(2**16 + loop)}))
    export(store, tmp_path / "r.jsonl")
    load(tmp_path / "r.jsonl", Watching())
    assert len(sizes) > 2
    assert max(size for _, size in sizes) < loading.BATCH_BYTES + 2**20
    sizes.clear()
    table(tmp_path, "\n".join(GOOD.replace("1", str(loop)) for loop in range(2000)), "s.jsonl")
    load(tmp_path / "s.jsonl", Watching())
    assert max(count for count, _ in sizes) == loading.BATCH_RECORDS


def mixed():
    store = MemoryStore()
    store.append(Record('été, "x"', 0, "begin", {"note": "a,\nb", "n": 2**63 - 1}))
    store.append(Record('été, "x"', 0, "tell", {"score": 0.1 + 0.2, "ok": True}))
    store.append(Record("b", 4, "tell", {"score": -np.inf, "n": -5, "ok": False}))
    store.append(Record("b", 2, "tell", {"note": "NA"}))
    return store


@pytest.mark.parametrize("long", [False, True])
def test_tables_hold_what_frame_shows(tmp_path, long, monkeypatch):
    monkeypatch.setattr(interchange.exporting, "GROUP", 2)  # a part for each run
    store = mixed()
    frame = store.frame(long=long) if long else store.frame().reset_index()
    assert export(store, tmp_path / "t.parquet", long=long) == len(frame)
    found = pd.read_parquet(tmp_path / "t.parquet", dtype_backend="numpy_nullable").astype(frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(found, frame)
    assert export(store, tmp_path / "t.csv", long=long) == len(frame)
    parquet = pq.read_table(tmp_path / "t.parquet")
    options = arrow_csv.ConvertOptions(column_types=parquet.schema, null_values=[""], strings_can_be_null=True)
    lines = arrow_csv.ParseOptions(newlines_in_values=True)
    assert arrow_csv.read_csv(tmp_path / "t.csv", parse_options=lines, convert_options=options).equals(parquet)


def test_a_table_of_some_names_and_runs(tmp_path):
    assert export(mixed(), tmp_path / "t.csv", names=["sc*", "n"], runs="b") == 2
    assert (tmp_path / "t.csv").read_text() == "run,loop,score,n\nb,2,,\nb,4,-inf,-5\n"
    assert export(mixed(), tmp_path / "one.jsonl", runs=["b"]) == 2
    with pytest.raises(UnknownNameError, match="did you mean 'score'"):
        export(mixed(), tmp_path / "t.csv", names="scores")
    with pytest.raises(UnknownRunError):
        export(mixed(), tmp_path / "t.csv", runs="nowhere")
    assert export(MemoryStore(), tmp_path / "none.parquet") == 0
    assert pq.read_schema(tmp_path / "none.parquet").names == ["run", "loop"]
    with pytest.raises(OptionError, match="whole records"):
        export(mixed(), tmp_path / "t.jsonl", names="n")
    with pytest.raises(OptionError, match=r"no suffix that tells.*'jsonl', 'csv' or 'parquet'"):
        export(mixed(), tmp_path / "t.xls")
    with pytest.raises(OptionError, match="format is 'xls'"):
        export(mixed(), tmp_path / "t.csv", "xls")


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.parquet"])
def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, name):
    export(mixed(), tmp_path / name)
    before = (tmp_path / name).read_bytes()

    class Failing(MemoryStore):
        def records(self, run):
            raise WriteError("no more") if self.count(run) else AssertionError

        frame = property(lambda self: self._frame)

        def _frame(self, names=None, runs=None, *, long=False):
            if runs:
                raise WriteError("no more")
            return super().frame(names, runs, long=long)

    store = Failing()
    store.append(Record("r", 0, "tell", {"x": 1.0}))
    with pytest.raises(WriteError, match="no more"):
        export(store, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before
    with pytest.raises(WriteError, match="cannot write"):
        export(mixed(), tmp_path / "no" / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(WriteError, match="it is a directory"):
        export(mixed(), tmp_path / "folder.csv")


def test_a_store_goes_through_a_table_and_back(tmp_path):
    """What a table holds, the exporting side's types and missing values, arrives as it was."""
    for name in ("t.csv", "t.parquet"):
        copy = MemoryStore()
        export(mixed(), tmp_path / name)
        load_table(tmp_path / name, copy, run="run", loop="loop", known=["score", "n", "ok", "note"])
        pd.testing.assert_frame_equal(copy.frame(), mixed().frame()[list(copy.frame())], check_like=True)
        assert set(copy.frame()) == {"score", "n", "ok", "note"}


LOG = """exp,round,acc,N Labels,final,who,code,user.k,late
a,0,1,20,false,Ann,007,1,
a,1,0.5,40,True,NA,8,2,5
b,0,NA,,,,,3,
"""


def test_a_csv_log_becomes_records_by_its_mapping(tmp_path):
    store = MemoryStore()
    call = {"run": "exp", "loop": "round", "columns": {"acc": "score.value", "who": "tag.who"}, "text": ["code"]}
    assert load_table(table(tmp_path, LOG), store, **call) == (3, 3)
    first, second = store.records("a")
    assert dict(first.values) == {
        "score.value": 1.0,
        "user.n_labels": 20,
        "user.final": False,
        "tag.who": "Ann",
        "user.code": "007",
        "user.k": 1,
    }
    assert type(first.values["score.value"]) is float
    assert second.values["tag.who"] == "NA"
    assert second.values["user.late"] == 5
    assert dict(store.records("b")[0].values) == {"user.k": 3}
    assert first.event == "report"
    assert load_table(tmp_path / "log.csv", store, **call) == (3, 0)
    left = MemoryStore()
    load_table(tmp_path / "log.csv", left, run="exp", loop="round", columns={"who": None}, known=["acc"])
    assert "user.who" not in left.frame()
    assert "acc" in left.frame()


def test_a_parquet_log_keeps_the_types_of_its_file(tmp_path):
    columns = {
        "run": pa.array([1, 1, 2]),
        "loop": pa.array([0.0, 1.0, 0.0]),
        "acc": pa.array([0.5, None, np.nan]),
        "n": pa.array([2**62 + 1, None, 3]),
        "kind": pa.array(["x", "", None]).dictionary_encode(),
        "when": pa.array([1, 2, 3], pa.timestamp("ns")),
    }
    pq.write_table(pa.table(columns), tmp_path / "l.parquet")
    store = MemoryStore()
    with pytest.raises(OptionError, match=r"'when' of .* has no scalars"):
        load_table(tmp_path / "l.parquet", store, run="run", loop="loop")
    assert load_table(tmp_path / "l.parquet", store, run="run", loop="loop", columns={"when": None}) == (3, 3)
    assert store.runs() == ["1", "2"]
    assert dict(store.records("1")[0].values) == {"user.acc": 0.5, "user.n": 2**62 + 1, "user.kind": "x"}
    assert dict(store.records("1")[1].values) == {"user.kind": ""}
    assert np.isnan(store.records("2")[0].values["user.acc"])


WRONG = {
    "a,0,x,1\n": (SourceError, "line 3: column 'acc' has 'x', which is not a number"),
    "a,,0.5,1\n": (SourceError, "line 3: the loop is empty"),
    "a,1.5,0.5,1\n": (SourceError, "line 3: the loop is '1.5'"),
    "a,-1,0.5,1\n": (SourceError, "line 3: loop is -1"),
    ",1,0.5,1\n": (SourceError, "line 3: the run's name is empty"),
    "../a,1,0.5,1\n": (SourceError, "line 3: run '../a' looks like a path"),
    "r,0,0.7,1\n": (SourceError, "line 3: loop 0 of run 'r' for the second time"),
    "a,1,0.5\n": (SourceError, "line 3: 3 cells; the header has 4 columns"),
    'a,1,0.5,"1\n': (SourceError, "not CSV in UTF-8"),
    "a,1,0.5,yes\n": (SourceError, "line 3: column 'n' has 'yes', which is not a whole number"),
}


@pytest.mark.parametrize(("row", "expected"), WRONG.items(), ids=range(len(WRONG)))
def test_a_wrong_row_is_named_and_nothing_is_stored(tmp_path, row, expected):
    store = MemoryStore()
    rows = "".join(f"q,{loop},0.5,1\n" for loop in range(700))
    source = table(tmp_path, f"run,loop,acc,n\nr,0,0.5,1\n{row}{rows}")
    with pytest.raises(expected[0], match=re.escape(expected[1])):
        load_table(source, store, run="run", loop="loop")
    assert store.runs() == []
    table(tmp_path, f"run,loop,acc,n\nr,0,0.5,1\n{rows}")
    assert load_table(source, store, run="run", loop="loop") == (701, 701)


def test_a_wrong_mapping_is_refused_before_anything_is_read(tmp_path):
    source, store = table(tmp_path, "run,loop,acc,Acc\nr,0,0.5,1\n"), MemoryStore()
    for call, words in (
        ({"run": "runs", "loop": "loop"}, "no column 'runs'; did you mean 'run'"),
        ({"run": "run", "loop": "loop", "columns": {"accu": "x"}}, "no column 'accu'; did you mean 'acc'"),
        ({"run": "run", "loop": "run"}, "each needs a column of its own"),
        ({"run": "run", "loop": "loop"}, "columns 'acc' and 'Acc' of .* both become 'user.acc'"),
        ({"run": "run", "loop": "loop", "columns": {"acc": "Not A Name"}}, "is not dotted lower-case words"),
    ):
        with pytest.raises(OptionError, match=words):
            load_table(source, store, **call)
    with pytest.raises(OptionError, match=r"use load\(source, store\)"):
        load_table(table(tmp_path, GOOD, "r.jsonl"), store, run="run", loop="loop")
    with pytest.raises(OptionError, match="'a' more than once"):
        load_table(table(tmp_path, "run,loop,a,a\n"), store, run="run", loop="loop")
    with pytest.raises(SourceError, match="is empty"):
        load_table(table(tmp_path, ""), store, run="run", loop="loop")
    with pytest.raises(SourceError, match="cannot open"):
        load(tmp_path / "nowhere.jsonl", store)
    assert store.runs() == []


def test_a_type_never_changes_between_tables(tmp_path):
    store = MemoryStore()
    store.append(Record("r", 0, "tell", {"user.acc": 0.5, "user.n": 3, "user.word": "x"}))
    call = {"run": "run", "loop": "loop"}
    load_table(table(tmp_path, "run,loop,acc,n,word\na,0,1,7.0,12\n"), store, **call)
    values = store.records("a")[0].values
    assert (type(values["user.acc"]), values["user.n"], values["user.word"]) == (float, 7, "12")
    with pytest.raises(SourceError, match=r"column 'n' has '7\.5', which is not a whole number"):
        load_table(table(tmp_path, "run,loop,n\nb,0,7.5\n"), store, **call)
    pq.write_table(pa.table({"run": ["c"], "loop": [0], "word": [1.5]}), tmp_path / "l.parquet")
    with pytest.raises(OptionError, match=r"knows 'user.word' as str; types never change"):
        load_table(tmp_path / "l.parquet", store, **call)
    with pytest.raises(ConflictError, match=r"log\.csv, line 2: "):
        load_table(table(tmp_path, "run,loop,acc\na,0,0.9\n"), store, **call)
    assert store.runs() == ["r", "a"]


def test_a_damaged_parquet_file_is_refused_whole(tmp_path):
    rows = {"run": ["r"] * 3000, "loop": np.arange(3000), "x": np.random.default_rng(0).normal(size=3000)}
    pq.write_table(pa.table(rows), tmp_path / "l.parquet", write_page_checksum=True, compression="none")
    data = bytearray((tmp_path / "l.parquet").read_bytes())
    store = MemoryStore()
    (tmp_path / "l.parquet").write_bytes(data[:-20])
    with pytest.raises(SourceError, match="not a whole Parquet file"):
        load_table(tmp_path / "l.parquet", store, run="run", loop="loop")
    at = data.find(rows["x"][2000].tobytes())
    data[at if at > 0 else len(data) // 2] ^= 1
    (tmp_path / "l.parquet").write_bytes(data)
    with pytest.raises(SourceError, match="cannot be read"):
        load_table(tmp_path / "l.parquet", store, run="run", loop="loop")
    assert store.runs() == []


@given(st.lists(st.integers(0, 12)))
def test_loops_are_counted_like_a_set(numbers):
    loops, model = interchange.logged.Loops(), set()
    for number in numbers:
        assert loops.add(number) == (number not in model)
        model.add(number)


def test_the_guide_runs_as_printed(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    program = tmp_path / "guide.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Loaded(read=2, new=2)" in done.stdout


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(interchange.__path__)])
def test_examples_of_interchange_work(name):
    module = importlib.import_module(f"metadata_store.interchange.{name}")
    assert doctest.testmod(module).attempted
    assert doctest.testmod(module).failed == 0
