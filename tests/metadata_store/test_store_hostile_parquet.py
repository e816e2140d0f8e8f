"""Parquet files made to hurt: a clear error at once, little memory, and a store that is as it was."""

import re
import struct
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metadata_store import MemoryStore, OptionError
from metadata_store.interchange import SourceError, load_table, pages
from metadata_store.interchange import footer as footer_module
from tests.metadata_store.surviving import MIB, survived, table_call


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def footer(elements):
    """A Parquet file that is nothing but a schema."""
    body = b"\x15\x02\x19\xfc" + varint(len(elements)) + b"".join(elements) + b"\0"
    return b"PAR1" + body + struct.pack("<I", len(body)) + b"PAR1"


def group_node(children):
    return b"\x48\x01g\x15" + varint(2 * children) + b"\0"


def test_a_billion_rows_in_a_small_file_are_refused_by_their_number(tmp_path):
    part = pa.table({"run": pa.array(["r"] * 2**20).dictionary_encode(), "loop": np.zeros(2**20, np.int64)})
    with pq.ParquetWriter(tmp_path / "l.parquet", part.schema, compression="zstd") as writer:
        for _ in range(16):
            writer.write_table(part, row_group_size=2**20)
    assert (tmp_path / "l.parquet").stat().st_size < 200_000
    kind, words = survived(table_call(tmp_path / "l.parquet"))
    assert (kind, "claims 16777216 rows; at most 10000000" in words) == ("SourceError", True), words


def test_the_same_row_a_million_times_is_refused_at_the_second(tmp_path):
    rows = 10**6
    pq.write_table(pa.table({"run": ["r"] * rows, "loop": np.zeros(rows, np.int64)}), tmp_path / "l.parquet")
    kind, words = survived(table_call(tmp_path / "l.parquet"))
    assert (kind, "row 2: loop 0 of run 'r' for the second time" in words) == ("SourceError", True), words


def test_one_long_text_in_many_rows_is_in_memory_once_and_refused(tmp_path):
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5000, np.int32)), pa.array(["x" * 32 * MIB]))
    data = {"run": ["r"] * 5000, "loop": np.arange(5000), "note": long}
    pq.write_table(pa.table(data), tmp_path / "l.parquet", compression="zstd")
    assert (tmp_path / "l.parquet").stat().st_size < 100_000
    kind, words = survived(table_call(tmp_path / "l.parquet"), limit=300)
    assert (kind, f"text of {32 * MIB} bytes; at most {MIB}" in words) == ("SourceError", True), words


def test_texts_of_a_mebibyte_are_read_a_few_rows_at_a_time(tmp_path):
    """Plain pages of honest size: 200 MiB of text, of which a batch holds 64."""
    texts = [chr(97 + k % 26) * MIB for k in range(200)]
    data = {"run": ["r"] * 200, "loop": np.arange(200), "note": texts}
    pq.write_table(pa.table(data), tmp_path / "l.parquet", compression="zstd", use_dictionary=False, data_page_size=1)
    left_out = table_call(tmp_path / "l.parquet", columns={"note": None})
    kind, _ = survived(left_out.replace("store,", "MemoryStore(),"), limit=100)
    assert kind == "done"
    store = MemoryStore()
    assert load_table(tmp_path / "l.parquet", store, run="run", loop="loop").new == 200
    assert store.records("r")[27].values["user.note"] == "b" * MIB


def blown_up(path, texts, columns=1):
    """A small file whose columns have one page each."""
    data = {"run": ["r"] * len(texts), "loop": np.arange(len(texts))} | {f"c{k}": texts for k in range(columns)}
    options = {"compression": "zstd", "use_dictionary": False, "data_page_size": 2**30, "write_statistics": False}
    pq.write_table(pa.table(data), path, **options)
    assert path.stat().st_size < MIB


def test_pages_that_unpack_to_more_than_may_be_held_are_refused_unread(tmp_path):
    blown_up(tmp_path / "l.parquet", ["\0" * MIB] * 20, columns=4)
    less = "setattr(sys.modules['metadata_store.interchange.pages'], 'MAX_HELD', 2**26) or "
    kind, words = survived(less + table_call(tmp_path / "l.parquet"), limit=64)
    assert (kind, "all columns to over 67108864" in words) == ("SourceError", True), words


def test_a_page_that_claims_more_than_its_footer_says_is_believed_by_nobody(tmp_path):
    path = tmp_path / "l.parquet"
    blown_up(path, ["\0" * MIB] * 130)
    data = path.read_bytes()
    # type = data page, then the unpacked size, whose 5 bytes hold up to 2**31 - 1 too
    (at,) = (found.start(1) for found in re.finditer(rb"\x15\0\x15([\x80-\xff]{4}[\x01-\x0f])\x15", data))
    path.write_bytes(data[:at] + varint(2 * (2**31 - 1)) + data[at + 5 :])
    kind, words = survived(table_call(path))
    assert (kind, "unpack to 2147483647 bytes" in words) == ("SourceError", True), words


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            b"\x15\x04\x15\xe8\x07\x15\x14\x4c\x15" + varint(2 * (2**31 - 1)) + b"\x15\0\0\0",
            "claims 2147483647 entries",
        ),
        (b"\x15\0\x15" + varint(2 * 2**30) + b"\x15\x14\x2c\x15\x02\x15\0\0\0", "unpack to 1073741824 bytes"),
        (b"\x15\x06\x15" + varint(2 * 2**30) + b"\x15\x14\x5c\x15\x02\x25\0\x15\0\0\0", "unpack to 1073741824 bytes"),
        (b"\x15\0\x15\x14\x15\x14\x2c\x15\x02\x15\x0e\0\0", "DELTA_BYTE_ARRAY"),
        (b"\x15\0\x15\x13\x15\x14\x2c\x15\x02\x15\0\0\0", "no sizes"),
        (b"\x15\0\x15\x14\x15\x14", "ends too early"),
        (b"\x15" + b"\xff" * 20, "over 64 bits"),
        (b"\x1c" * 50, "nested over 32 levels"),
    ],
)
def test_what_a_page_claims_is_checked_before_it_is_read(tmp_path, header, words):
    path = tmp_path / "page"
    path.write_bytes(header)
    chunk = footer_module.Chunk(pages.BYTE_ARRAY, 10, 0, len(header))
    with open(path, "rb") as file, pytest.raises((ValueError, EOFError), match=words):
        pages.batch_rows(file, {"x": chunk})


@pytest.mark.parametrize("size", ["plain", "bytes"])
def test_a_million_columns_are_refused(tmp_path, size):
    path = tmp_path / "l.parquet"
    count = 10**6 if size == "plain" else 3 * 10**6
    leaf = b"\x15\x04\x25\x02\x18\x07c"
    path.write_bytes(footer([group_node(count), *(leaf + b"%06d\0" % (k % 10**6) for k in range(count))]))
    kind, words = survived(table_call(path))
    assert kind == "SourceError"
    assert ("over 16386 columns" if size == "plain" else "its footer has 4200") in words


def test_a_million_columns_of_csv_are_refused(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("run,loop," + ",".join(map(str, range(10**6))) + "\n" + "r,0," + "1," * (10**6 - 1) + "1\n")
    kind, words = survived(table_call(path), limit=200)
    assert (kind, "has 1000002 columns; at most 16386" in words) == ("SourceError", True), words


def test_columns_within_columns_without_end_are_refused(tmp_path):
    path = tmp_path / "l.parquet"
    path.write_bytes(footer([group_node(1)] * 10**5))
    kind, words = survived(table_call(path))
    assert (kind, "nested over 64 levels deep" in words) == ("SourceError", True), words


@pytest.mark.parametrize("kind", ["list", "struct", "map", "binary", "date", "decimal"])
def test_nested_and_foreign_types_are_refused_and_can_be_left_out(tmp_path, kind):
    types = {
        "list": pa.list_(pa.list_(pa.int64())),
        "struct": pa.struct([("a", pa.int64())]),
        "map": pa.map_(pa.string(), pa.int64()),
        "binary": pa.binary(),
        "date": pa.timestamp("ns"),
        "decimal": pa.decimal128(38, 2),
    }
    data = {"run": ["r"], "loop": [0], "user.x": pa.nulls(1, types[kind]), "user": [1.5]}
    pq.write_table(pa.table(data), tmp_path / "l.parquet")
    store = MemoryStore()
    with pytest.raises(OptionError, match=r"'user\.x'.*has no scalars"):
        load_table(tmp_path / "l.parquet", store, run="run", loop="loop")
    with pytest.raises(OptionError, match=r"'user\.x'.*expected the run's name and its loop"):
        load_table(tmp_path / "l.parquet", store, run="user.x", loop="loop")
    assert store.runs() == []
    load_table(tmp_path / "l.parquet", store, run="run", loop="loop", columns={"user.x": None})
    assert dict(store.records("r")[0].values) == {"user.user": 1.5}


def test_a_footer_that_lies_ends_in_an_error_whatever_it_says(tmp_path):
    """Bytes of footer and headers at random, 400 times: never more than a StoreError."""
    data = {"run": ["r"] * 50, "loop": np.arange(50), "note": ["n"] * 50, "x": np.arange(50) / 7}
    pq.write_table(pa.table(data), tmp_path / "l.parquet", compression="zstd")
    code = f"""
    import random
    data, rng = open({str(tmp_path / "l.parquet")!r}, "rb").read(), random.Random(0)
    told = set()
    for turn in range(400):
        bad = bytearray(data)
        for _ in range(rng.choice([1, 2, 5])):
            at = rng.randrange(4 if turn % 2 else len(bad) - 900, len(bad))
            bad[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        open({str(tmp_path / "bad.parquet")!r}, "wb").write(bad)
        other = MemoryStore()
        try:
            {table_call(tmp_path / "bad.parquet").replace("store,", "other,")}
        except StoreError as error:
            told.add(type(error).__name__)
            assert other.runs() == [], error
    """
    kind, words = survived("exec(" + repr(textwrap.dedent(code)) + ") or sorted(told)", limit=250)
    assert (kind, "SourceError" in words) == ("done", True), words


def test_a_footer_longer_than_its_file_and_a_file_without_one_are_refused(tmp_path):
    for data in (b"", b"PAR1", b"PAR1" + struct.pack("<I", 2**32 - 1) + b"PAR1", b"\0" * 99, footer([])[:-4] + b"PARE"):
        (tmp_path / "l.parquet").write_bytes(data)
        with pytest.raises(SourceError, match="not a whole Parquet file"):
            load_table(tmp_path / "l.parquet", MemoryStore(), run="run", loop="loop")


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_texts_with_nulls_over_several_row_groups_are_read_right(tmp_path, kind):
    texts = [None if k % 7 == 0 else f"é{k % 5 if k < 3000 else k}" for k in range(5000)]
    array = pa.array(texts)
    array = array.dictionary_encode() if kind == "dictionary" else array.cast(kind)
    data = {"run": ["r"] * 5000, "loop": np.arange(5000), "user.note": array}
    pq.write_table(pa.table(data), tmp_path / "l.parquet", row_group_size=1500, dictionary_pagesize_limit=2000)
    store = MemoryStore()
    load_table(tmp_path / "l.parquet", store, run="run", loop="loop")
    assert [record.values.get("user.note") for record in store.records("r")] == texts
