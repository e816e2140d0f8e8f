"""What breaks the bookkeeping of a store: errors and Ctrl-C halfway, forks, processes that died before a sync."""

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from metadata_store import ConflictError, DirectoryStore, Record, UnknownStateError, WriteError, checking
from metadata_store.cold import manifest as manifests
from metadata_store.errors import ReadError
from metadata_store.files import LocalFiles
from metadata_store.locks import Locks
from metadata_store.log import Log
from metadata_store.reading import Segment


def note(loop, run="r", score=None):
    return Record(run, loop, "tell", {"score": float(loop if score is None else score)})


def loops(store, run="r"):
    return [record.loop for record in store.records(run)]


def fails(error):
    def call(*_, **__):
        raise error

    return call


# what a writer knows of others


def asked_in_part(locks, names, alone=Locks.alone):
    """Ask about the first run, and fail at the second one."""
    alone(locks, list(names)[:1])
    raise OSError(errno.ENOSPC, "no space left")


def test_after_an_error_while_asking_who_wrote_a_writer_looks_again(path, monkeypatch):
    one, other = DirectoryStore(path), DirectoryStore(path)
    one.append(note(0))
    one.append(note(1))
    other.append(note(2))
    other.close()
    with monkeypatch.context() as patch:
        patch.setattr(Locks, "alone", asked_in_part)
        with pytest.raises(WriteError, match="no space left"):
            one.append_many([note(5), note(0, "s")])
    with pytest.raises(ConflictError):
        one.append(note(2, score=99))
    one.close()


@pytest.mark.parametrize("number", range(20))
def test_whoever_need_not_look_at_others_knows_what_they_wrote(path, monkeypatch, number):
    """Openings that write, die, fail and are closed in any order."""
    draw = random.Random(number)
    monkeypatch.setattr("metadata_store.locks._MOST_MARKS", draw.choice([1, 2, 256]))
    stores = {}
    for step in range(25):
        who = draw.choice("ABC")
        if who not in stores:
            stores[who] = DirectoryStore(path, durability="none")
        names, what = draw.choice([["r"], ["s"], ["r", "s"]]), draw.choice(["write"] * 4 + ["fail", "close"])
        if what == "close":
            stores.pop(who).close()
            continue
        with monkeypatch.context() as patch:
            if what == "fail":
                patch.setattr(Locks, "alone", asked_in_part)
            try:
                stores[who].append_many([note(step, run) for run in names])
            except WriteError:
                continue
        known = {run: sorted(key[1] for key in stores[who]._log.index.by_key if key[0] == run) for run in names}
        with DirectoryStore(path, durability="none") as fresh:
            assert known == {run: loops(fresh, run) for run in names}
    for store in stores.values():
        store.close()


# errors and Ctrl-C in the middle of reading


def test_a_reading_that_fails_halfway_does_not_make_the_writer_forget(path, monkeypatch):
    one, other = DirectoryStore(path), DirectoryStore(path)
    for loop in range(3):
        one.append(note(loop))
    one.append(note(0, "s"))
    other.append(note(0, "t"))
    other.close()
    with DirectoryStore(path) as third:
        third.compact()  # what is compacted makes `one` read its own segment again
    fetch = LocalFiles.fetch

    def broken(files, name, start, length):
        if name.startswith("hot/"):
            raise ReadError("bad sector")
        return fetch(files, name, start, length)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "fetch", broken)
        with pytest.raises(ReadError):
            one.runs()
    with pytest.raises(ConflictError):
        one.append(note(1, score=99))
    assert loops(one) == [0, 1, 2]
    one.close()


def test_ctrl_c_while_reading_loses_nothing(path, monkeypatch):
    reader, writer = DirectoryStore(path), DirectoryStore(path)
    writer.append(note(0))
    writer.append(note(1))
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "take", fails(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            reader.runs()
    assert loops(reader) == [0, 1]
    writer.append(note(2))
    assert reader.count("r") == 3
    for store in (reader, writer):
        store.close()


def test_ctrl_c_after_writing_loses_nothing(path, monkeypatch):
    store = DirectoryStore(path)
    store.append(note(0))
    with monkeypatch.context() as patch:
        patch.setattr(Log, "add", fails(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.append(note(1))
    with pytest.raises(ConflictError):
        store.append(note(1, score=99))
    assert loops(store) == [0, 1]
    store.close()


def test_a_manifest_so_old_that_it_was_removed_is_not_damage(path, monkeypatch):
    reader, writer = DirectoryStore(path), DirectoryStore(path)
    writer.append(note(0))
    writer.compact()
    read, late = manifests.read, []

    def slow(files, number):
        while files is reader.files and len(late) < 6:
            late.append(number)
            writer.append(note(len(late)))
            writer.compact()
        return read(files, number)

    monkeypatch.setattr(manifests, "read", slow)
    assert loops(reader) == list(range(7))
    for store in (reader, writer):
        store.close()


def test_verifying_beside_a_compaction_reports_no_damage(path, monkeypatch):
    verifier, writer = DirectoryStore(path), DirectoryStore(path)
    writer.append(note(0))
    writer.compact()
    writer.append(note(1))
    hot, cold, calls = checking.verify_hot, checking.verify_cold, []

    def compacting_first(check):
        def call(log, tick):
            if len(calls) < 4:
                calls.append(check)
                writer.append(note(10 + len(calls)))
                writer.compact()
            return check(log, tick)

        return call

    monkeypatch.setattr(checking, "verify_hot", compacting_first(hot))
    monkeypatch.setattr(checking, "verify_cold", compacting_first(cold))
    report = verifier.verify()
    assert report.ok, report
    assert report.records == 6
    for store in (verifier, writer):
        store.close()


# forks

PARENT = """
import os, sys, time
from metadata_store import DirectoryStore, Record
from metadata_store.appending import Appender
store = DirectoryStore(sys.argv[1])
lease = store.lease("leased")
store.append(Record("leased", 0, "tell"))
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)

def die(*_):
    print(child, flush=True)
    os.kill(os.getpid(), 9)

Appender._commit = die
store.append(Record("r", 1, "tell"))
"""
RIVAL = """
import sys
from metadata_store import DirectoryStore, Record
with DirectoryStore(sys.argv[1]) as store:
    store.append(Record("r", 2, "tell"))
    store.append(Record("leased", 2, "tell"))
    print(store.compact())
"""


def test_children_of_a_dead_process_do_not_keep_its_locks(path):
    """A worker that outlives its killed parent holds no run, no lease and no segment."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert int(parent.stdout.readline()) > 0
        assert parent.wait() == -9
        rival = subprocess.run([sys.executable, "-c", RIVAL, path], capture_output=True, text=True, timeout=60)
        assert rival.returncode == 0, rival.stderr
        assert "left" not in rival.stdout
    finally:
        parent.stdin.close()  # ends the child
        parent.stdout.close()


# durability


def seen_syncs(monkeypatch):
    seen = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def call(descriptor, real=real):
            seen.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
            real(descriptor)

        monkeypatch.setattr(os, name, call)
    return seen


def test_a_record_of_a_process_that_died_before_its_sync_is_durable_when_appended_again(path, monkeypatch):
    with DirectoryStore(path, durability="none") as dead:
        dead.append(note(0))
        dead.append(note(1))
    (segment,) = (path / "hot").iterdir()
    seen = seen_syncs(monkeypatch)
    with DirectoryStore(path) as store:
        store.append(note(0))
        assert segment.name in seen
        seen.clear()
        store.append(note(1))
        assert not seen  # it is durable by now


def test_when_a_dead_process_left_what_cannot_be_synced_it_is_written_again(path, monkeypatch):
    with DirectoryStore(path, durability="none") as dead:
        dead.append(note(0))
    store = DirectoryStore(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails(OSError(errno.EIO, "input/output error")))
        with pytest.raises(UnknownStateError, match="append the same record again"):
            store.append(note(0))
    store.append(note(0))
    assert len(list((path / "hot").iterdir())) == 2
    assert loops(store) == [0]
    assert store.verify().ok
    store.close()
