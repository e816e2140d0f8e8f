"""Records, names and frames made to hurt: a clear error at once, little memory, and a store that is as it was."""

import os
import re
import struct
import textwrap
import unicodedata
import zlib

import numpy as np
import pytest

from metadata_store import DirectoryStore, MemoryStore, Record, RecordError, framing
from metadata_store.checks import MAX_ARRAYS, MAX_RECORD, MAX_VALUES, check_run
from metadata_store.interchange import export, load
from tests.metadata_store.surviving import survived


def test_a_record_of_a_million_values_is_refused_with_the_way_out():
    with pytest.raises(RecordError, match="1000000 entries; a record has at most 16384: put numbers of one kind into"):
        Record("r", 0, "tell", {f"x{k}": 1.0 for k in range(10**6)})
    with pytest.raises(RecordError, match="4097 entries; a record has at most 4096"):
        Record("r", 0, "tell", {}, {f"x{k}": np.zeros(0) for k in range(MAX_ARRAYS + 1)})
    widest = Record(
        "r", 0, "tell", {f"x{k}": k for k in range(MAX_VALUES)}, {f"a{k}": np.zeros(1) for k in range(MAX_ARRAYS)}
    )
    assert MemoryStore().append(widest).same_content(widest)


def test_the_widest_record_is_stored_and_exported(path, tmp_path):
    values = {f"wide.{'x' * 150}.v{k:05d}": -2.2250738585072014e-308 for k in range(MAX_VALUES)}
    arrays = {f"wide.{'x' * 150}.a{k:04d}": np.zeros((1,) * 8) for k in range(MAX_ARRAYS)}
    record = Record("r", 2**63 - 1, "tell", values, arrays)
    with DirectoryStore(path, durability="none") as store:
        store.append(record)
    copy = MemoryStore()
    with DirectoryStore(path, durability="none") as store:
        assert store.records("r")[0].same_content(record)
        export(store, tmp_path / "r.jsonl")
    assert load(tmp_path / "r.jsonl", copy).new == 1
    assert copy.records("r")[0].same_content(record)


@pytest.mark.parametrize(
    "array",
    [
        np.broadcast_to(0.0, (2**40,)),
        np.broadcast_to(np.array("é"), (2**20, 2**20)),
        np.lib.stride_tricks.as_strided(np.zeros(1), (MAX_RECORD // 8 + 1,), (0,)),
    ],
)
def test_an_array_that_is_large_only_when_copied_is_refused_before(array):
    with pytest.raises(RecordError, match=f"'a' has {array.nbytes} bytes, and {MAX_RECORD} of the"):
        Record("r", 0, "tell", {}, {"a": array})


def test_arrays_that_are_too_large_together_are_refused_before_they_are_copied():
    part = np.broadcast_to(np.int8(0), (MAX_RECORD - 10,))
    with pytest.raises(RecordError, match=f"'b' has {part.nbytes} bytes, and {MAX_RECORD - 20} of the"):
        Record("r", 0, "tell", {}, {"a": np.zeros(20, np.int8), "b": part, "c": part})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Record("r", 10**6000, "tell"),
        lambda: Record("r", -(10**6000), "tell"),
        lambda: Record("r", [[0] * 10**5] * 10**3, "tell"),
        lambda: Record("r", 0, "tell", {"x": 10**6000}),
        lambda: Record("r", 0, "tell", {"x" * 10**7: 1}),
        lambda: Record("r", 0, "t" * 10**7),
        lambda: Record("r" * 10**7, 0, "tell"),
        lambda: Record(["r"] * 10**6, 0, "tell"),
        lambda: Record("r", 0, "tell", {"x": "é" * 10**7}),
        lambda: Record("r", 0, "tell", {"x": "\ud800" * 10}),
        lambda: Record("r", 0, "tell", {}, {"x": [[[0], 1]] * 1000}),
    ],
)
def test_an_error_about_something_huge_is_short(make):
    with pytest.raises(RecordError) as caught:
        make()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("..", "like a path"),
        ("a/../b", "like a path"),
        ("a\\b", "like a path"),
        ("/etc", "like a path"),
        ("a\0b", "control character"),
        ("\u202egpj.run", "U\\+202E \\(RIGHT-TO-LEFT OVERRIDE\\)"),
        ("a\u2066b", "U\\+2066"),
        ("a\u200bb", "U\\+200B \\(ZERO WIDTH SPACE\\)"),
        ("\ufeffa", "U\\+FEFF"),
        ("a\u00adb", "SOFT HYPHEN"),
        ("a\u2028b", "LINE SEPARATOR"),
        ("\u3164", "HANGUL FILLER"),
        ("e\u0301te\u0301", "composed form"),
        ("\u212b", "composed form"),
        (" a", "space"),
        ("a\u00a0", "space"),
        ("a.", "dot"),
        ("CON", "Windows"),
        ("nul.txt", "Windows"),
        ("Aux .x.y", "Windows"),
        ("com1", "Windows"),
        ("LPT³.log", "Windows"),
        ("conout$", "Windows"),
    ],
)
def test_a_run_whose_name_is_a_trick_is_refused(run, words):
    with pytest.raises(RecordError, match=words):
        Record(run, 0, "tell")


@pytest.mark.parametrize(
    "run",
    [
        "é" * 200,
        "\U0001f600" * 200,
        "שלום",
        "بيانات 2",
        "console",
        "com10",
        "a.b",
        "~",
        "C:",
        "%00",
        "-rf *",
        "$(x)",
        "'",
    ],
)
def test_a_strange_name_that_is_no_trick_is_kept_as_it_is(path, tmp_path, run):
    record = Record(run, 0, "tell", {"note": run})
    with DirectoryStore(path, durability="none") as store:
        store.append(record)
    with DirectoryStore(path, durability="none") as store:
        assert store.runs() == [run]
        assert store.records(run)[0].same_content(record)
        assert store.frame(["note"], run).index.tolist() == [(run, 0)]
        export(store, tmp_path / "r.jsonl")
        export(store, tmp_path / "r.csv")
    copy = MemoryStore()
    load(tmp_path / "r.jsonl", copy)
    assert copy.records(run)[0].same_content(record)
    assert sorted(os.listdir(tmp_path)) == ["r.csv", "r.jsonl", "store"]


def test_a_run_that_an_older_version_stored_can_still_be_read():
    for run in ("CON", "e\u0301", "a\u200bb", "a."):
        assert check_run(run) == run


def test_text_is_stored_as_it_is_also_where_two_texts_look_alike(path):
    composed, apart = "é", unicodedata.normalize("NFD", "é")
    notes = [composed, apart, "\u202eabc", "a\0b", "\ufeff", "\r\n\u2028", "\U0010ffff\ufffe", "", " "]
    odd = [float("nan"), np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308]
    with DirectoryStore(path, durability="none") as store:
        for loop, note in enumerate(notes):
            store.append(
                Record("r", loop, "tell", {"note": note}, {"a": np.array([note.strip("\0")]), "x": np.array(odd)})
            )
        for loop, number in enumerate(odd):
            store.append(Record("n", loop, "tell", {"x": number}))
    with DirectoryStore(path, durability="none") as store:
        assert [record.values["note"] for record in store.records("r")] == notes
        assert [record.arrays["a"][0] for record in store.records("r")] == [note.strip("\0") for note in notes]
        read = np.array([record.values["x"] for record in store.records("n")])
        assert read.tobytes() == np.array(odd).tobytes()
        assert store.frame(["x"], "n")["x"].to_numpy().tobytes() == np.array(odd).tobytes()
        assert store.arrays("r", 0, "x").tobytes() == np.array(odd).tobytes()


def claim(owner, sequence, length):
    """A header whose own checksum is right."""
    fields = struct.pack("<4sBBHQQQI", framing.MAGIC, framing.VERSION, ord("R"), 0, owner, sequence, length, 0)
    return fields + struct.pack("<I", zlib.crc32(fields))


@pytest.mark.parametrize("length", [2**32, 2**63, 2**64 - 1, framing.MAX_PAYLOAD + 1, framing.MAX_PAYLOAD, 2**20])
def test_a_frame_that_claims_gigabytes_costs_neither_memory_nor_the_frames_around_it(
    path, segments, open_quietly, length
):
    with DirectoryStore(path, durability="none") as store:
        for loop in range(3):
            store.append(Record("r", loop, "tell", {"x": loop / 7}))
    (segment,) = segments(path)
    data = segment.read_bytes()
    owner = int(re.search(r"([0-9a-f]{16})\.seg", segment.name).group(1), 16)
    head = claim(owner, 3, length)
    assert framing.read_head(head, 0, owner).length == length
    places = [found.start() for found in re.finditer(re.escape(framing.MAGIC), data)]
    for at in (places[-2], places[-1], len(data)):  # before the last record, before the end mark, after everything
        segment.write_bytes(data[:at] + head + data[at:])
        store, warned = open_quietly(path)
        with store:
            loops = [record.loop for record in store.records("r")]
            report = store.verify()
        assert warned or not report.ok
        assert not report.ok
        assert loops == [0, 1, 2]


def test_a_frame_that_claims_gigabytes_is_read_without_allocating_them(path, segments):
    with DirectoryStore(path, durability="none") as store:
        store.append(Record("r", 0, "tell", {"x": 0.5}))
    (segment,) = segments(path)
    data = segment.read_bytes()
    owner = int(re.search(r"([0-9a-f]{16})\.seg", segment.name).group(1), 16)
    at = data.rindex(framing.MAGIC)
    for length in (2**32, framing.MAX_PAYLOAD):
        segment.write_bytes(data[:at] + claim(owner, 2, length) + data[at:])
        code = f"""
        import warnings
        from metadata_store import open_store
        warnings.simplefilter("ignore")
        with open_store({str(path)!r}) as other:
            told = len(other.records("r")), other.verify().ok
        """
        kind, words = survived("exec(" + repr(textwrap.dedent(code)) + ") or told", limit=64)
        assert (kind, words) == ("done", "(1, False)")
