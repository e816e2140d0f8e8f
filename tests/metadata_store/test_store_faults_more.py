"""Faults that nobody asked for: interrupts, copies of a store in use, no more files, repairs beside compactions."""

import os
import shutil

import pytest
from faults import stores
from faults.expected import Expected, check_content, check_store, opened, record
from faults.nursery import nursery, ways

from metadata_store import DirectoryStore


@pytest.fixture(scope="module")
def children():
    with nursery(ways()[-1]) as one:
        yield one


@pytest.mark.parametrize("call", ["write", "fdatasync"])
@pytest.mark.parametrize("made", [True, False])
def test_an_interrupt_in_the_middle_of_an_append(tmp_path, monkeypatch, call, made):
    """Control-C comes before or after a call: the store goes on in the same process, and the record is there once."""
    store = DirectoryStore(tmp_path / "store")
    store.append(record(0))
    real = getattr(os, call)

    def interrupted(*given):
        if made:
            real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.append(record(1))
    store.append(record(1))
    store.append(record(2))
    store.close()
    check_store(tmp_path / "store", Expected({"r": {0, 1, 2}}))


def test_a_copy_made_while_others_write_holds_what_was_there(tmp_path, children):
    path = tmp_path / "store"
    expected = stores.mixed(path)
    writer = children.child("patient", path, run="new")
    assert writer.line() == "ready"
    for number in range(12):
        before = expected.copy()
        writer.tell(str(number))
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(path, copy)  # while the record is being written
        expected.hear_all([writer.line(), writer.line()])
        before.maybe = {"new": {number}}
        check_store(copy, before)
        shutil.rmtree(copy)
    writer.tell()
    assert writer.rest() == ["closed"]
    assert writer.wait() == 0
    check_store(path, expected)


def test_a_process_that_may_open_no_more_files(tmp_path, children):
    path = tmp_path / "store"
    expected = stores.mixed(path)
    child = children.child("few_files", path)
    lines = child.rest()
    assert child.wait() == 0, lines[-1:]
    assert lines[-1] == "closed"
    assert [line for line in lines if line.startswith("trouble")]
    check_store(path, expected.hear_all(lines))


def test_repairs_and_compactions_at_once(tmp_path, children):
    path = tmp_path / "store"
    expected = stores.damaged(path)
    for _ in range(3):
        rivals = [children.child(program, path) for program in ("repair", "compact", "repair")]
        for child in rivals:
            rest = child.rest()
            complaints = [line for line in rest if line.startswith("!")]
            assert not [line for line in complaints if "metadata_store.errors" not in line], complaints
            child.wait()
        with opened(path) as (store, _):
            check_content(store, expected)
    stores.check_damaged(path, expected)
