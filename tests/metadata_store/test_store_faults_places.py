"""Full disks, read-only folders, clocks that go back, processes that stop, fork and race."""

import errno
import os
import signal

import numpy as np
import pytest
from faults import killing, places, scenes, stores
from faults.expected import Expected, check_content, check_store, opened, record
from faults.nursery import nursery, ways
from faults.plans import Fault

from metadata_store import DirectoryStore, WriteError


@pytest.fixture(scope="module")
def children():
    with nursery(ways()[-1]) as one:
        yield one


def check_filled(path, lines):
    done = {int(line.split()[2]): int(line.split()[3]) for line in lines if line.startswith("done")}
    with opened(path) as (store, _):
        records = store.records("r")
        assert [one.loop for one in records] == sorted(done)
        assert all(one.same_content(scenes.large(one.loop, done[one.loop])) for one in records)
        assert store.repair().ok
        assert [one.loop for one in store.records("r")] == sorted(done)
    assert len(done) > 2


@pytest.mark.parametrize("seed", [1, 2])
def test_a_disk_that_is_full_and_then_is_not(tmp_path, children, seed):
    """A file system of 1 MB where this process may mount one, else a limit on the length of files."""
    with places.small_disk(tmp_path / "disk", 1_000_000) as mounted:
        ballast = tmp_path / "disk" / "ballast"
        ballast.write_bytes(bytes(700_000))
        child = children.child(
            "fill", tmp_path / "disk" / "store", size=6000, limit=0 if mounted else 90_000, seed=seed
        )
        lines = child.until("full")
        assert lines[-1].split()[1] in ("WriteError", "UnknownStateError"), lines[-1]
        ballast.unlink()
        child.tell("go on")
        lines += child.rest()
        assert child.wait() == 0
        assert lines[-1] == "closed"
        check_filled(tmp_path / "disk" / "store", lines)


@pytest.mark.parametrize("seed", [1, 2])
def test_files_that_may_not_grow_and_then_may(tmp_path, children, seed):
    child = children.child("fill", tmp_path / "store", size=1500, limit=25_000, seed=seed)
    child.tell("go on")
    lines = child.rest()
    assert child.wait() == 0
    assert any(line.startswith("full") for line in lines)
    check_filled(tmp_path / "store", lines)


def test_a_full_disk_that_stays_full_loses_nothing(tmp_path, children):
    with places.small_disk(tmp_path / "disk", 100_000) as mounted:
        child = children.child("fill", tmp_path / "disk" / "store", size=3000, limit=0 if mounted else 20_000)
        lines = child.until("full")
        child.kill()
        child.rest()
        assert child.wait() == killing.KILLED
        done = [int(line.split()[2]) for line in lines if line.startswith("done")]
        with opened(tmp_path / "disk" / "store") as (store, said):
            assert [one.loop for one in store.records("r")][: len(done)] == done
        assert not said


def check_read_only(path, expected):
    with opened(path) as (store, said):
        check_content(store, expected)
        assert store.verify().ok
        for change in (
            lambda: store.append(record(99, "new")),
            lambda: store.append_block("new", 1, {"x": np.arange(3)}),
            store.compact,
        ):
            with pytest.raises(WriteError):
                change()
        check_content(store, expected)
    assert not said


def test_a_read_only_file_system_can_be_read(tmp_path, monkeypatch):
    path = tmp_path / "store"
    expected = stores.mixed(path)
    with places.read_only(path) as changed:
        if not changed:  # imitated: everything that would write is refused
            refuse(monkeypatch)
        check_read_only(path, expected)


def test_a_read_only_file_system_imitated_can_be_read(tmp_path, monkeypatch):
    path = tmp_path / "store"
    expected = stores.mixed(path)
    refuse(monkeypatch)
    check_read_only(path, expected)


def refuse(monkeypatch):
    real = os.open

    def opening(path, flags, *rest, **more):
        if flags & (os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest, **more)

    def changing(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", opening)
    for name in ("mkdir", "link", "rename", "replace", "unlink"):
        monkeypatch.setattr(os, name, changing)


DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    "step", [-1, 0, -DAY, 10**6, -(10**7)], ids=["back", "still", "days back", "on", "back by milliseconds"]
)
def test_a_clock_that_goes_back_keeps_the_order(tmp_path, children, step):
    times = [1_750_000_000 * 10**9 + step * number for number in range(60)]
    child = children.child("clock", tmp_path / "store", times=times)
    lines = child.rest()
    assert child.wait() == 0, lines[-1:]
    with DirectoryStore(tmp_path / "store") as store:
        assert [one.loop for one in store.records("r")] == list(range(20))
    check_store(tmp_path / "store", Expected().hear_all(lines))


def test_compactors_that_race_lose_nothing(tmp_path, children):
    path = tmp_path / "store"
    expected = stores.mixed(path)
    rivals = [children.child("compact_often", path, count=4) for _ in range(2)]
    writer = children.child("patient", path, run="new")
    assert writer.line() == "ready"
    for rival in rivals:
        assert rival.line() == "ready"
        rival.tell()
    for number in range(10):
        writer.tell(str(number))
        expected.hear(writer.line())
        expected.hear(writer.line())
    writer.tell()
    expected.hear_all(line for line in writer.rest() if line != "closed")
    for child in (*rivals, writer):
        rest = child.rest() if child is not writer else []
        assert not [line for line in rest if line.startswith("!")], rest
        assert child.wait() == 0
    report = check_store(path, expected)
    assert report.ok


def test_a_writer_that_stands_still_while_another_process_compacts(tmp_path, children):
    path = tmp_path / "store"
    expected = stores.hot(path)
    writer = children.child("patient", path, run="new")
    assert writer.line() == "ready"
    for number in range(3):
        writer.tell(str(number))
        expected.hear_all([writer.line(), writer.line()])
    writer.kill(signal.SIGSTOP)
    other = children.child("compact", path)
    assert other.rest() == ["ready", "compacted"]
    assert other.wait() == 0
    with opened(path) as (store, said):
        check_content(store, expected)
    assert not said
    writer.kill(signal.SIGCONT)
    for number in range(3, 6):
        writer.tell(str(number))
        expected.hear_all([writer.line(), writer.line()])
    writer.tell("compact")
    assert writer.line() == "compacted"
    writer.tell("6 7")
    expected.hear_all([writer.line(), writer.line()])
    writer.tell()
    assert writer.rest() == ["closed"]
    assert writer.wait() == 0
    check_store(path, expected)


def test_a_fork_in_the_middle_of_an_append(tmp_path, children):
    child = children.child("fork_in_the_middle", tmp_path / "store")
    expected = Expected().hear_all(child.rest())
    assert child.wait() == 0
    assert expected.sure == {"r": {0, 1, 2}, "child": {0, 1}}
    check_store(tmp_path / "store", expected)


def test_a_reader_during_everything(tmp_path, children):
    """Appends, compactions, kills and repairs go on, and what a reader has seen once it sees again, whole."""
    path = tmp_path / "store"
    expected = stores.filled(path, {"r": [0, 1, 2], "s": [0]})
    reader = children.child("look", path, runs=["r", "s"])
    assert reader.line() == "ready"
    start = 3
    for round_number in range(6):
        writer = children.child("write", path, Fault(nth=9 + round_number, action="kill-half"), start=start, count=20)
        compactor = children.child("compact", path, Fault(nth=20 + 5 * round_number, action="kill-before"))
        for child in (writer, compactor):
            lines = [line for line in child.rest() if line.startswith(("try", "done"))]
            expected.hear_all(lines)
            child.wait()
        start = 1 + max(expected.maybe.get("r", {start}))
        other = children.child("repair" if round_number % 2 else "compact", path)
        assert not [line for line in other.rest() if line.startswith("!")]
        assert other.wait() == 0
    reader.tell()
    lines = reader.rest()
    assert reader.wait() == 0, lines
    assert lines[-1].startswith("looked")
    check_store(path, expected)
