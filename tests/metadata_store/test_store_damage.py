"""Cut and flipped bytes, and files made to hurt: noticed, reported, never more lost than the damaged frame."""

import json
import os
import random
import shutil
import struct
import zlib

import pytest

from metadata_store import DirectoryStore, FormatError, MissingStoreError, StoreWarning, framing, layout


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """These tests are about bytes; syncing thousands of small files would only take time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def filled(path, make, segments):
    """Return the segment of a store of four records, and its bytes; the last frame is a record."""
    store = DirectoryStore(path, durability="none")
    for number in range(4):
        store.append(make(number))
    segment = segments(path)[0]
    data = segment.read_bytes()
    store.close()
    return segment, data


def frames(segment, data):
    number = layout.segment_number(segment.name)
    at, found = 0, []
    while at < len(data):
        head = framing.read_head(data, at, number)
        found.append((head.kind, at, at + framing.HEADER + head.length))
        at = found[-1][2]
    return found


def check_records(store, make, numbers):
    found = store.records("r") if numbers else []
    assert [record.loop for record in found] == list(numbers)
    for record in found:
        assert record.same_content(make(record.loop))


def test_cut_at_every_byte(path, filled, make, open_quietly, segments):
    segment, data = filled
    places = frames(segment, data)
    ends = [end for kind, _, end in places if kind == b"R"]
    for cut in range(len(data)):
        shutil.rmtree(path / "hot")
        shutil.rmtree(path / "damaged", ignore_errors=True)
        (path / "hot").mkdir()
        segment.write_bytes(data[:cut])
        whole = range(sum(end <= cut for end in ends))
        store, warned = open_quietly(path)
        assert not warned  # normal after a crash
        check_records(store, make, whole)
        report = store.verify()
        clean = cut in {0, *(end for _, _, end in places)}
        assert report.ok == clean
        if not clean:
            start = max([0, *(end for _, _, end in places if end <= cut)])
            assert [(d.offset, d.bytes) for d in report.damage] == [(start, cut - start)]
        if cut % 23 and not clean:
            store.close()
            continue
        repaired = store.repair()
        assert repaired.ok, str(repaired)
        if not clean:
            kept = list((path / "damaged").iterdir())
            assert [file.read_bytes() for file in kept] == [data[start:cut]]
        store.append(make(9))
        check_records(store, make, [*whole, 9])
        store.close()


def flip(path, filled, make, open_quietly, bits):
    segment, data = filled
    records = [(start, end) for kind, start, end in frames(segment, data) if kind == b"R"]
    for bit in bits:
        shutil.rmtree(path / "hot")
        (path / "hot").mkdir()
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        segment.write_bytes(bad)
        hit = [number for number, (start, end) in enumerate(records) if start <= bit // 8 < end]
        store, warned = open_quietly(path)
        assert warned
        report = store.verify()
        assert not report.ok
        assert "DAMAGED" in str(report)
        rest = [number for number in range(4) if number not in hit]
        check_records(store, make, rest)
        repaired = store.repair()
        assert repaired.ok, str(repaired)
        check_records(store, make, rest)
        assert any(file.read_bytes() == bad for file in (path / "damaged").iterdir())
        shutil.rmtree(path / "damaged")
        store.append(make(9))
        check_records(store, make, [*rest, 9])
        store.close()


def test_flipped_bits_sampled(path, filled, make, open_quietly):
    size = 8 * len(filled[1])
    headers = [8 * start + bit for _, start, _ in frames(*filled)[2:4] for bit in range(0, 320, 7)]
    flip(path, filled, make, open_quietly, [*headers, *random.Random(0).sample(range(size), 60)])


@pytest.mark.slow
def test_every_flipped_bit(path, filled, make, open_quietly):
    flip(path, filled, make, open_quietly, range(8 * len(filled[1])))


def test_damage_in_the_middle_costs_its_frames_only(path, filled, make, open_quietly):
    segment, data = filled
    records = [(start, end) for kind, start, end in frames(segment, data) if kind == b"R"]
    for start, end in [(records[1][0], records[1][0] + 200), (records[1][0] + 5, records[2][0] + 5)]:
        bad = data[:start] + bytes(end - start) + data[end:]
        segment.write_bytes(bad)
        store, warned = open_quietly(path)
        assert warned
        hit = [n for n, place in enumerate(records) if place[0] < end and place[1] > start]
        check_records(store, make, [n for n in range(4) if n not in hit])
        store.close()


def test_damage_larger_than_the_window(path, filled, make, open_quietly, monkeypatch):
    monkeypatch.setattr(framing, "WINDOW", 64)
    segment, data = filled
    records = [(start, end) for kind, start, end in frames(segment, data) if kind == b"R"]
    start, end = records[1]
    segment.write_bytes(data[:start] + framing.MAGIC + bytes(end - start - 4) + data[end:])
    store, warned = open_quietly(path)
    assert warned
    check_records(store, make, [0, 2, 3])
    assert [(d.offset, d.bytes) for d in store.verify().damage] == [(start, end - start)]
    store.close()


@pytest.mark.parametrize("claim", [2**32, 2**30 + 1, 2**63, 10**6])
def test_a_header_that_claims_too_much_is_damage(path, filled, make, open_quietly, claim):
    segment, data = filled
    start = [start for kind, start, _ in frames(segment, data) if kind == b"R"][1]
    number = layout.segment_number(segment.name)
    fields = struct.pack("<4sBBHQQQI", framing.MAGIC, 1, ord("R"), 0, number, 3, claim, 0)
    segment.write_bytes(data[:start] + fields + struct.pack("<I", zlib.crc32(fields)) + data[start:])
    store, warned = open_quietly(path)
    assert warned
    check_records(store, make, range(4))
    assert not store.verify().ok
    assert store.repair().ok
    check_records(store, make, range(4))
    store.close()


@pytest.mark.parametrize("which", ["repeat", "gap"])
def test_sequence_numbers_are_checked(path, filled, open_quietly, which):
    segment, data = filled
    records = [(start, end) for kind, start, end in frames(segment, data) if kind == b"R"]
    start, end = records[1]
    segment.write_bytes(data[:end] + data[start:] if which == "repeat" else data[:start] + data[end:])
    store, warned = open_quietly(path)
    assert warned
    assert [record.loop for record in store.records("r")] == ([0, 1, 2, 3] if which == "repeat" else [0, 2, 3])
    assert which in store.verify().damage[0].what
    assert store.repair().ok
    store.close()


@pytest.mark.parametrize("kind", [b"R", b"S", b"Z"])
@pytest.mark.parametrize("payload", [b"", b"garbage", b"\xff\xff\xff\xff\x00\x00\x00\x00", b"[[[[", b'{"id": 0}'])
def test_frames_with_a_right_checksum_and_no_meaning(path, filled, make, open_quietly, kind, payload):
    segment, data = filled
    sequence = len(frames(segment, data))
    number = layout.segment_number(segment.name)
    segment.write_bytes(data + framing.pack(kind, number, sequence, payload) + payload)
    store, warned = open_quietly(path)
    assert warned
    check_records(store, make, range(4))
    assert len(store.verify().damage) == 1
    assert store.repair().ok
    check_records(store, make, range(4))
    store.close()


def test_strangers_among_the_segments(path, filled, make, open_quietly):
    segment, data = filled
    (path / "hot" / "notes.txt").write_text("mine")
    (path / "hot" / f"copy of {segment.name}").write_bytes(data)
    (path / "hot" / "folder").mkdir()
    store, warned = open_quietly(path)
    assert warned
    check_records(store, make, range(4))
    assert {d.segment for d in store.verify().damage} == {"notes.txt", f"copy of {segment.name}", "folder"}
    assert store.repair().ok
    assert "mine" in [file.read_text() for file in (path / "damaged").glob("notes.txt*")]
    store.close()


def test_a_segment_inside_of_an_array_is_only_an_array(path, filled, make):
    """Torn in the middle of bytes that look like frames, the record is torn and nothing else."""
    import numpy as np

    from metadata_store import Record

    _, data = filled
    store = DirectoryStore(path)
    store.append(Record("q", 0, "tell", {}, {"file": np.frombuffer(data * 2, np.uint8)}))
    segment = max((path / "hot").glob("*.seg"), key=lambda file: file.stat().st_size)
    store.close()
    segment.write_bytes(segment.read_bytes()[: -len(data)])
    store = DirectoryStore(path)
    check_records(store, make, range(4))
    assert store.runs() == ["r"]
    assert [d.what for d in store.verify().damage] == [framing.TORN]
    store.close()


def test_a_lost_segment_is_noticed_by_an_open_store(path, filled, make):
    store = DirectoryStore(path)
    check_records(store, make, range(4))
    filled[0].unlink()
    assert store.runs() == []
    store.close()


def test_a_warning_comes_once(path, filled):
    segment, data = filled
    segment.write_bytes(data[:100] + b"?" + data[101:])
    with pytest.warns(StoreWarning, match="1 damaged"):
        store = DirectoryStore(path)
    store.runs()
    store.runs()
    store.close()


def test_foreign_directories_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(FormatError, match=r"thesis\.tex"):
        DirectoryStore(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(FormatError, match="is a file"):
        DirectoryStore(tmp_path / "thesis.tex")
    with pytest.raises(MissingStoreError):
        DirectoryStore(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "text", ['{"format": "metaal-store", "version": 2}', "", "[]", '{"format": "other"}', "\0" * 50]
)
def test_other_formats_are_refused(path, text):
    path.mkdir()
    (path / "FORMAT").write_text(text)
    with pytest.raises(FormatError, match="expected"):
        DirectoryStore(path)
    assert (path / "FORMAT").read_text() == text


def test_readers_create_nothing_but_the_format(path):
    with DirectoryStore(path) as store:
        store.runs()
        assert store.verify().ok
    assert [file.name for file in path.iterdir()] == ["FORMAT"]
    written = json.loads((path / "FORMAT").read_text())
    assert (written["format"], written["version"]) == ("metaal-store", layout.NEWEST)
