"""Every class of error is raised by something a user can do or meet, and none of them is a bare system error."""

import ast
import fcntl
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from metadata_store import DamagedError, LeaseError, ReadError, Record, StoreError, WriteError, errors, open_store
from metadata_store.segment import SegmentWriter, TakenError

HERE = Path(__file__).parent


def test_every_class_of_error_is_raised_in_some_test():
    leaves = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, StoreError | UserWarning) and value is not StoreError
    }
    raised = set()
    shipped = Path(errors.__file__).parent / "testing.py"
    for path in [*HERE.rglob("*.py"), *(HERE.parent / "metaal").glob("*.py"), shipped]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if getattr(called, "attr", getattr(called, "id", "")) in ("raises", "warns"):
                raised |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                raised |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        if path == shipped:  # check_closed goes through a list of calls
            raised |= {"ClosedError"} if "raises(ClosedError, call)" in path.read_text(encoding="utf-8") else set()
    assert leaves <= raised, leaves - raised


def test_a_block_that_is_damaged_beyond_its_parity_says_so(tmp_path):
    with open_store(tmp_path / "s") as store:
        store.append_block("r", 0, {"id": np.arange(50_000), "x": np.random.default_rng(0).random(50_000)})
        file = next((tmp_path / "s" / "blocks").glob("*.parquet"))
        data = bytearray(file.read_bytes())
        data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
        file.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(DamagedError, match="damaged beyond its parity"):
                store.block("r", 0)
        file.unlink()
        with pytest.raises(DamagedError, match="missing"):
            store.block("r", 0)


@pytest.mark.parametrize("name", ["../../etc/passwd", "blocks/../FORMAT", "/etc/passwd", "blocks/x.parquet"])
def test_a_record_cannot_lead_a_block_out_of_the_store(name):
    with open_store("memory:") as store:
        store.append(Record("r", 0, "block", {"block.name": "samples", "block.file": name}))
        with pytest.raises(DamagedError, match="cannot be one"):
            store.block("r", 0)


def test_a_record_that_changes_on_disk_after_it_was_seen_is_damage_and_not_a_value(tmp_path):
    with open_store(tmp_path / "s") as store:
        store.append(Record("r", 0, "tell", {"score": 0.5}))
        segment = next((tmp_path / "s" / "hot").glob("*.seg"))
        data = bytearray(segment.read_bytes())
        data[-20] ^= 1
        segment.write_bytes(data)
        with pytest.raises(DamagedError, match="was whole when it was indexed"):
            store.records("r")


def test_a_place_that_is_not_yours_to_read_or_write_says_so(tmp_path, monkeypatch):
    with open_store(tmp_path / "s") as store:
        store.append(Record("r", 0, "tell", {"score": 0.5}))
    real = os.open

    def denied(path, flags, *rest, **named):
        if "hot" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ReadError, match="yours to read"):
        open_store(tmp_path / "s")
    with open_store(tmp_path / "new") as other, pytest.raises(WriteError, match="not stored"):
        other.append(Record("r", 0, "tell"))


def test_a_lease_of_another_opening_stops_every_way_of_writing(tmp_path):
    with open_store(tmp_path / "s") as one, open_store(tmp_path / "s") as other:
        with one.lease("r"):
            for write in (
                lambda: other.append(Record("r", 0, "tell")),
                lambda: other.append_many([Record("free", 0, "tell"), Record("r", 0, "tell")]),
                lambda: other.append_block("r", 0, {"id": [1]}),
                lambda: other.lease("r"),
            ):
                with pytest.raises(LeaseError, match=r"leased by process \d+ \(epoch 1\)"):
                    write()
        assert other.runs() == []
        other.append(Record("r", 0, "tell"))


def test_a_segment_that_a_compaction_marked_first_is_left_to_it(tmp_path, monkeypatch):
    taken = []
    real = fcntl.flock

    def first_two(descriptor, how):
        if len(taken) < 2:
            taken.append(descriptor)
            raise BlockingIOError(11, "taken")
        return real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", first_two)
    (tmp_path / "hot").mkdir()
    with pytest.raises(TakenError, match="taken by a compaction"):
        SegmentWriter(tmp_path / "hot", durable=False)
    writer = SegmentWriter.open(tmp_path / "hot", durable=False)
    assert len(taken) == 2
    assert writer.path.exists()
    writer.finish(sync=False)
