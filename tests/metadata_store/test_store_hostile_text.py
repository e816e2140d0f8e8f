"""CSV and JSONL made to hurt: a clear error at once, little memory, and a store that is as it was."""

import numpy as np
import pytest

from metadata_store import MemoryStore, Record
from metadata_store.interchange import export, jsonl, load, loading
from tests.metadata_store.surviving import MIB, survived, table_call


def test_a_row_of_csv_without_an_end_is_refused(tmp_path):
    (tmp_path / "quotes.csv").write_text("run,loop,x\n" + '"a\n",' * 4 * MIB)
    kind, words = survived(table_call(tmp_path / "quotes.csv"), limit=400)
    assert (kind, "one row has over 16777216 bytes" in words) == ("SourceError", True), words
    (tmp_path / "long.csv").write_text("run,loop,x\n" + "1" * 20 * MIB)
    kind, words = survived(table_call(tmp_path / "long.csv"), limit=100)
    assert (kind, "line 2: longer than 16777216 bytes" in words) == ("SourceError", True), words


HEAD = '{"run": "r", "loop": 0, "event": "tell", '
LINES = {
    "empty lists": (HEAD + '"values": {"x": [' + "[]," * 8 * MIB + "[]]}}", "bytes outside of strings"),
    "empty texts": (HEAD + '"values": {"x": [' + '"",' * 8 * MIB + '""]}}', "bytes outside of strings"),
    "names": (HEAD + '"values": {' + ",".join(f'"{k}":1' for k in range(2 * MIB)) + "}}", "bytes outside of strings"),
    "deep": (HEAD + '"values": {"x": ' + "[" * MIB + "]" * MIB + "}}", "nested too deeply"),
    "deeper": ("[" * 30 * MIB, "expected '{'"),
    "deep enough": (HEAD + '"values": {"x": {"float": ' + "[" * 900 + "]" * 900 + "}}}", "expected a number"),
    "digits": (HEAD + '"values": {"x": ' + "7" * 2 * MIB + "}}", "a whole number of 2097152 digits"),
    "digits after a point": (HEAD + '"values": {"x": 1' + "7" * 2 * MIB + ".5}}", "too large for a float"),
    "digits of a loop": ('{"run": "r", "event": "tell", "loop": ' + "7" * 5000 + "}", "5000 digits"),
    "base64": (
        HEAD + '"arrays": {"a": {"dtype": "<f8", "shape": [1], "data": "' + "A" * 32 * MIB + '"}}}',
        "33554432 letters of base64; its dtype and shape need 12",
    ),
    "shape": (
        HEAD + '"arrays": {"a": {"dtype": "<f8", "shape": [' + "4611686018427387903," * 7 + '4], "data": ""}}}',
        "its dtype and shape need",
    ),
    "dimensions": (
        HEAD + '"arrays": {"a": {"dtype": "<f8", "shape": [' + "9223372036854775," * 9999 + '0], "data": ""}}}',
        "8 at most",
    ),
    "width": (HEAD + '"arrays": {"a": {"dtype": "<U999999999", "shape": [2], "data": ""}}}', "cannot be read"),
    "data": (HEAD + '"arrays": {"a": {"dtype": "<f8", "shape": [1], "data": 7}}}', "as text in base64"),
    "run": ('{"run": "' + "r" * 32 * MIB + '", "loop": 0, "event": "tell"}', "run has 33554432 characters"),
    "field": (HEAD + '"' + "f" * 32 * MIB + '": 0}', "unknown field 'fff"),
    "name": (HEAD + '"values": {"' + "n" * 32 * MIB + '": 0}}', "name 'nnn"),
    "text": (HEAD + '"values": {"x": "' + "\\n" * 16 * MIB + '"}}', "16777216 bytes of text"),
    "open": (HEAD + '"values": {"x": "' + '\\"' * 16 * MIB, "Unterminated"),
    "values": (HEAD + '"values": {' + ",".join(f'"x{k}":1' for k in range(20_000)) + "}}", "at most 16384"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_would_blow_up_is_refused(tmp_path, name):
    text, words = LINES[name]
    (tmp_path / "r.jsonl").write_text(text)
    kind, told = survived(f"load({str(tmp_path / 'r.jsonl')!r}, store)", limit=128 + 6 * len(text) // MIB)
    assert kind in ("SourceError", "RecordError")
    assert words in told, told
    assert "line 1" in told


def test_no_more_than_the_beginning_is_read_of_what_is_no_jsonl(tmp_path):
    with open(tmp_path / "r.jsonl", "wb") as file:
        file.truncate(2**40)  # sparse
    kind, words = survived(f"load({str(tmp_path / 'r.jsonl')!r}, store)", limit=32)
    assert (kind, "begins with b'\\x00" in words) == ("SourceError", True), words


def test_long_lines_that_are_records_are_read_in_pieces_as_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "FIRST", 64)
    monkeypatch.setattr(jsonl, "SMALL", 64)
    store, copy = MemoryStore(), MemoryStore()
    for loop in range(4):
        values = {"note": '"\\é,[]{}\n' * 20 * loop, "x": float("inf")}
        store.append(Record("r", loop, "tell", values, {"a": np.arange(100.0 * loop).reshape(-1, 4)}))
    export(store, tmp_path / "r.jsonl")
    assert load(tmp_path / "r.jsonl", copy).new == 4
    assert all(a.same_content(b) for a, b in zip(store.records("r"), copy.records("r"), strict=True))
