"""Errors of the system under the store: what was acknowledged stays, and a failed descriptor is never used again."""

import errno
import gc
import os
import resource
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from metadata_store import DirectoryStore, Record, UnknownStateError, WriteError, open_store


@pytest.fixture
def used(monkeypatch):
    """Record every descriptor that is written to or synced."""
    calls = []
    write, sync = os.write, os.fdatasync
    monkeypatch.setattr(os, "write", lambda fd, data: (calls.append(("write", fd)), write(fd, data))[1])
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append(("sync", fd)), sync(fd))[1])
    return calls


def test_a_failed_sync_is_an_unknown_state(path, make, segments, monkeypatch):
    store = DirectoryStore(path)
    store.append(make(0))
    with monkeypatch.context() as patch:

        def fail(descriptor):
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(UnknownStateError, match="append it again"):
            store.append(make(1))
    before = [segment.read_bytes() for segment in segments(path)]
    assert store.append(make(1)).same_content(make(1))
    after = segments(path)
    assert len(after) == 2
    assert after[0].read_bytes() == before[0], "the failed segment was written again"
    # the record is in the new segment too: what the failed one shows may never have reached the disk
    after[0].write_bytes(before[0][: len(before[0]) // 2])
    store.close()
    store = DirectoryStore(path)
    assert 1 in [record.loop for record in store.records("r")]
    store.close()


def test_a_group_is_written_again_after_a_failed_sync(path, make, segments, monkeypatch):
    store = DirectoryStore(path, durability="group")
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    store._synced_at = 0.0
    for number in range(3):
        store.append(make(number))
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(UnknownStateError):
        store.append_many([make(3)])
    monkeypatch.setattr(os, "fdatasync", real)
    store.append_many([make(4)])
    segments(path)[0].unlink()
    store.close()
    with DirectoryStore(path) as store:
        assert [record.loop for record in store.records("r")] == [0, 1, 2, 3, 4]
        assert store.verify().ok


def test_records_written_twice_are_one_after_a_compaction(path, make, monkeypatch):
    """After a failed sync a record may be in two segments; the part has it once, whichever were compacted together."""
    real = os.fdatasync
    for number in range(4):
        store = DirectoryStore(path)
        monkeypatch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        with pytest.raises(UnknownStateError):
            store.append(make(number))
        monkeypatch.setattr(os, "fdatasync", real)
        store.append(make(number))
        store.close()
        if number % 2:
            with DirectoryStore(path) as store:
                store.compact()
    with DirectoryStore(path) as store:
        assert [one.loop for one in store.records("r")] == [0, 1, 2, 3]
        assert store.dataset().count_rows() == 4
        assert store.count("r") == 4
        report = store.verify()
        assert report.ok
        assert report.records == 4


def test_an_unknown_record_is_not_counted_twice(path, make, monkeypatch):
    store = DirectoryStore(path)
    real, broken = os.fdatasync, [True, False, True, True, False]

    def sync(descriptor):
        if broken and broken.pop(0):
            raise OSError(errno.EIO, "broken")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    for number in range(3):
        while True:
            try:
                store.append(make(number))
                break
            except UnknownStateError:
                pass
    assert [record.loop for record in store.records("r")] == [0, 1, 2]
    store.close()
    with DirectoryStore(path) as store:
        assert [record.loop for record in store.records("r")] == [0, 1, 2]
        assert store.verify().ok


def test_a_failed_write_stores_nothing(path, make, monkeypatch):
    store = DirectoryStore(path)
    store.append(make(0))
    real = os.write
    state = {"calls": 0}

    def half(descriptor, data):
        state["calls"] += 1
        if state["calls"] == 1:
            return real(descriptor, data[:30])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(WriteError, match="nothing is stored"):
            store.append(make(1))
    assert [record.loop for record in store.records("r")] == [0]
    store.append(make(1))
    assert [record.loop for record in store.records("r")] == [0, 1]
    assert not store.verify().ok
    assert store.repair().ok
    store.close()


def test_many_that_were_written_in_part_are_completed(path, make, monkeypatch):
    store = DirectoryStore(path)
    real = os.write

    def most(descriptor, data):
        if 1 < len(data) < 300:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:-200] or data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", most)
        with pytest.raises(UnknownStateError, match="append the same ones again"):
            store.append_many([make(number) for number in range(6)])
    assert 0 < len(store.records("r")) < 6
    store.append_many([make(number) for number in range(6)])
    assert [record.loop for record in store.records("r")] == list(range(6))
    store.close()


def test_short_writes_are_continued(path, make, monkeypatch):
    real = os.write
    store = DirectoryStore(path)
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    for number in range(4):
        store.append(make(number))
    store.close()
    with DirectoryStore(path) as store:
        assert [record.loop for record in store.records("r")] == [0, 1, 2, 3]
        assert store.verify().ok


def test_one_write_and_one_sync_an_append(path, make, used):
    store = DirectoryStore(path)
    store.append(make(0))
    used.clear()
    store.append(make(1))
    assert [call for call, _ in used] == ["write", "sync"]
    used.clear()
    store.append_many([make(number) for number in range(2, 9)])
    assert [call for call, _ in used] == ["write", "sync"]
    used.clear()
    store.append(make(3))
    assert used == []
    store.close()


@pytest.mark.parametrize(("durability", "syncs"), [("commit", 3), ("group", 1), ("none", 0)])
def test_durability(path, make, used, durability, syncs, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    store = open_store(path, durability=durability)
    for number in range(3):
        store.append(make(number))
    store.close()
    assert [call for call, _ in used].count("sync") == syncs


FULL = """
import resource, sys
import numpy as np
from metadata_store import DirectoryStore, Record, StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
store = DirectoryStore(sys.argv[1])
errors = 0
for number in range(12):
    size = 10_000 if number == 7 else 500
    record = Record("r", number, "tell", {}, {"ids": np.full(size, number)})
    try:
        store.append(record)
        print(number, flush=True)
    except StoreError as error:
        errors += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.append(record)
        print(number, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
        store.close()
        store = DirectoryStore(sys.argv[1])
print("errors", errors)
"""


def test_a_full_disk(path):
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    *numbers, errors = done.stdout.split("\n")[:-1]
    assert [int(number) for number in numbers] == list(range(12))
    assert int(errors.split()[1]) >= 2
    with DirectoryStore(path) as store:
        assert [record.loop for record in store.records("r")] == list(range(12))
        assert store.arrays("r", 7, "ids").tolist() == [7] * 10_000
        assert store.repair().ok


def read_only_checks(path, make):
    store = DirectoryStore(path, create=False)
    assert store.records("r")[0].same_content(make(0))
    assert store.verify().ok
    with pytest.raises(WriteError, match="Permission"):
        store.append(make(1))
    store.close()


def test_a_read_only_folder_can_be_read(path, make, monkeypatch):
    with DirectoryStore(path) as store:
        store.append(make(0))
    folders = [path, path / "hot"]
    for folder in folders:
        folder.chmod(0o555)
    (path / "LOCK").chmod(0o444)
    try:
        if os.geteuid():
            read_only_checks(path, make)
            return
        # The super-user may write everywhere, so a child that has given up its rights does the checks; it goes in by a
        # relative path, since the folders above are closed to it.
        path.parent.chmod(0o755)
        monkeypatch.chdir(path.parent)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                read_only_checks(Path(path.name), make)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_folder_that_refuses_new_files(path, make, monkeypatch):
    with DirectoryStore(path) as store:
        store.append(make(0))
    store = DirectoryStore(path)
    real = os.open

    def refuse(name, flags, *rest, **more):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, flags, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(WriteError, match="Permission"):
            store.append(make(1))
    assert store.append(make(1)).loop == 1
    store.close()


def test_a_forked_child_writes_its_own_segment(path, make, segments):
    store = DirectoryStore(path)
    store.append(make(0))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.append(make(1, "child"))
            store.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    store.append(make(2))
    assert len(segments(path)) == 2
    assert store.runs() == ["r", "child"]
    assert [record.loop for record in store.records("r")] == [0, 2]
    assert store.verify().ok
    store.close()


def test_nothing_is_left_open(path, make):
    resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for number in range(20):
        store = DirectoryStore(path)
        store.append(make(number))
        store.frame()
        if number % 2:
            store.close()
        del store
    gc.collect()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before


def test_a_large_record(path):
    with DirectoryStore(path, durability="none") as store:
        store.append(Record("r", 0, "tell", {"note": "x" * 2**20}, {"block": np.arange(3_000_000)}))
        store.append(Record("r", 1, "tell", {}, {"block": np.arange(3_000_000)}))
    with DirectoryStore(path) as store:
        assert store.arrays("r", 1, "block")[-1] == 2_999_999
        assert len(store.frame()["note"].iloc[0]) == 2**20
        assert store.verify().ok
