"""Writers and compactors of one store of objects at once: nothing is stored twice, lost, or forgotten."""

import itertools
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from metadata_store import (
    ConflictError,
    DirectoryStore,
    Record,
    RecordError,
    StoreWarning,
    WriteError,
    object_files,
    object_writes,
)
from metadata_store.object_client import Client
from metadata_store.object_files import ObjectFiles, name_of, position_of
from metadata_store.object_writes import pack


def test_of_two_writers_of_one_key_the_first_wins_whenever_the_second_looked(opened):
    one, two = opened(), opened()
    one.append(Record("r", 0, "tell", {"who": "one"}))
    with pytest.raises(ConflictError):
        two.append(Record("r", 0, "tell", {"who": "two"}))
    two.append(Record("r", 1, "tell", {"who": "two"}))
    assert two.append(Record("r", 0, "tell", {"who": "one"})).values["who"] == "one"
    with pytest.raises(RecordError):
        one.append(Record("r", 2, "tell", {"who": 3}))  # a kind that the other one decided
    assert [record.values["who"] for record in opened().records("r")] == ["one", "two"]


def test_many_threads_append_the_same_keys_and_each_key_is_stored_once(opened):
    won = {who: [] for who in range(4)}
    stores = {who: opened() for who in won}
    ready = threading.Barrier(len(won))

    def write(who):
        ready.wait()
        for loop in range(15):
            try:
                stores[who].append(Record("r", loop, "tell", {"who": who}))
                won[who].append(loop)
            except ConflictError:
                pass

    threads = [threading.Thread(target=write, args=(who,)) for who in won]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(loop for loops in won.values() for loop in loops) == list(range(15))
    records = opened().records("r")
    assert len(records) == 15
    assert all(record.loop in won[record.values["who"]] for record in records)
    assert opened().verify().ok


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("compactions", [1, 2])
def test_a_writer_that_slept_through_a_compaction_appends_nothing_twice(fs, opened, same, compactions):
    """Its put succeeds, since the name is free again; but it is void, and the writer finds the first one."""
    slow, quick = opened(fs), opened()
    quick.append(Record("other", 0, "tell"))
    slow.append(Record("other", 1, "tell"))

    def sleep(put):
        for number in range(compactions):
            quick.append(Record("r", number, "tell", {"who": "quick"}))
            quick.compact()
        return put()

    fs.hooks.append(("/hot/", sleep))
    record = Record("r", 0, "tell", {"who": "quick" if same else "slow"})
    if same:
        slow.append(record)
    else:
        with pytest.raises(ConflictError):
            slow.append(record)
    for store in (slow, quick, opened()):
        assert [r.values["who"] for r in store.records("r")] == ["quick"] * compactions
    assert opened().verify().ok


def test_a_writer_that_slept_through_a_compaction_appends_its_own_record_again(fs, opened, make):
    slow, quick = opened(fs), opened()

    def sleep(put):
        quick.append(make(0))
        quick.compact()
        return put()

    fs.hooks.append(("/hot/", sleep))
    slow.append(make(1))
    assert [record.loop for record in opened().records("r")] == [0, 1]
    assert opened().verify().ok


def test_a_record_that_is_compacted_before_its_writer_looks_is_not_appended_again(fs, opened, make):
    slow, quick = opened(fs), opened()

    def compacted(put):
        put()
        quick.compact()

    fs.hooks.append(("/hot/", compacted))
    slow.append(make(0))
    assert [record.loop for record in slow.records("r")] == [0]
    assert opened().verify().records == 1


def test_what_a_dead_writer_left_at_a_closed_position_is_void_and_goes_with_the_next_compaction(fs, root, opened):
    store = opened(fs)
    store.append(Record("r", 0, "tell", {"who": "first"}))
    store.compact()
    late = pack(1, [(Record("r", 0, "tell", {"who": "late"}, at=1), *schema_and_stamp(store))])[0]
    fs.pipe_file(f"{root}/hot/{name_of(1)}", late)
    for one in (store, opened()):
        assert [record.values["who"] for record in one.records("r")] == ["first"]
    assert opened().verify().ok
    store.append(Record("r", 1, "tell", {"who": "next"}))
    store.compact()
    assert fs.ls(f"{root}/hot") == []
    assert [record.values["who"] for record in opened().records("r")] == ["first", "next"]


def schema_and_stamp(store):
    from metadata_store.codec import Schema

    return Schema.of(store.records("r")[0]), 1


def test_positions_do_not_begin_anew_after_the_newest_manifest_was_damaged_and_repaired(fs, root, opened, make):
    store = opened(fs)
    for number in range(2):
        store.append(make(number))
        store.compact()
    for end in ("json", "copy"):
        fs.pipe_file(f"{root}/manifest/0000000002.{end}", b"damaged")
    with pytest.warns(StoreWarning):
        other = opened()
    assert other.repair().ok
    other.append(make(2))
    segments = [Path(name).name for name in fs.ls(f"{root}/hot", detail=False)]
    # 1 is closed by the manifest before, whatever the new one says; 2 is the fence of the repair
    assert sorted(map(position_of, segments)) == [2, 3]
    assert [record.loop for record in opened().records("r")] == [0, 1, 2]


def test_of_two_compactors_one_wins_and_the_other_one_takes_its_files_away(fs, root, opened, make):
    one, two = opened(fs), opened()
    one.append_many([make(number) for number in range(5)])

    def second(put):
        assert two.compact().records == 5
        return put()

    fs.hooks.append(("/manifest/", second))
    assert "another process" in str(one.compact())
    assert len(fs.ls(f"{root}/cold/records")) == 1
    assert [record.loop for record in one.records("r")] == list(range(5))
    assert opened().verify().ok


def test_a_manifest_whose_put_is_repeated_by_the_client_counts(fs, opened, make):
    """The second try is told that there is something already, which is not another compactor's."""
    store = opened(fs)
    store.append_many([make(number) for number in range(5)])

    def twice(put):
        put()
        put()

    fs.hooks.append(("/manifest/", twice))
    assert store.compact().records == 5
    assert [record.loop for record in opened().records("r")] == list(range(5))


def test_puts_into_memory_are_made_one_after_the_other(fs, root):
    """fsspec's memory looks, then puts; two threads must not look at once."""
    entered = threading.Event()
    other = threading.Thread(target=lambda: Client(fs).create(f"{root}/second", b"2"))

    def second(put):
        entered.set()
        return put()

    def first(put):
        fs.hooks.append(("/second", second))
        other.start()
        assert not entered.wait(0.1)
        return put()

    fs.hooks.append(("/first", first))
    assert Client(fs).create(f"{root}/first", b"1")
    other.join()
    assert entered.is_set()


def test_a_manifest_that_may_still_arrive_keeps_its_files(fs, root, opened, make):
    store = opened(fs)
    store.append_many([make(number) for number in range(5)])
    arrived = []

    def delayed(put):
        arrived.append(put)
        raise TimeoutError("no answer")

    fs.hooks.append(("/manifest/", delayed))
    with pytest.raises(WriteError, match="nothing is lost"):
        store.compact()
    arrived[0]()
    assert [record.loop for record in opened().records("r")] == list(range(5))


def test_the_files_of_a_living_compactor_are_left_alone_and_those_of_a_dead_one_go_after_a_day(fs, root, opened, make):
    store = opened(fs)
    store.append(make(0))
    ages = {"young": time.time_ns() - 3600 * 10**9, "old": time.time_ns() - 25 * 3600 * 10**9}
    for at in ages.values():
        part = f"{at:016x}-{'0' * 16}.parquet"
        fs.pipe_file(f"{root}/cold/records/{part}", b"unfinished")
        fs.pipe_file(f"{root}/cold/guard/records-{part}.guard", b"unfinished")
    store.compact()
    left = [
        Path(name).name
        for name in fs.ls(f"{root}/cold/records", detail=False) + fs.ls(f"{root}/cold/guard", detail=False)
    ]
    assert sum(f"{ages['young']:016x}" in name for name in left) == 2
    assert not any(f"{ages['old']:016x}" in name for name in left)


def test_damage_is_found_although_the_store_holds_the_object_in_memory_and_repaired(fs, root, opened, make):
    store = opened(fs)
    for number in range(3):
        store.append(make(number))
    name = f"{root}/hot/{name_of(3)}"
    data = bytearray(fs.cat_file(name))
    data[-60] ^= 1
    fs.pipe_file(name, bytes(data))
    assert store.count("r") == 3
    report = store.verify()
    assert [damage.segment for damage in report.damage] == [name_of(3)]
    assert store.repair().ok
    assert [record.loop for record in store.records("r")] == [0, 1]
    # the position of the damaged one is not given away again
    store.append(make(7))
    assert max(position_of(Path(name).name) for name in fs.ls(f"{root}/hot", detail=False)) == 5
    assert [record.loop for record in opened().records("r")] == [0, 1, 7]


@pytest.mark.parametrize("way", ["to objects", "to files"])
def test_a_store_copied_with_plain_tools_reads_the_same(tmp_path, root, opened, make, way):
    memory, local = MemoryFileSystem(), tmp_path / "local"
    first = DirectoryStore(local) if way == "to objects" else opened()
    first.append_many([make(number) for number in range(5)])
    first.append_block("r", 7, {"id": np.arange(4)})
    first.compact()
    first.append(make(5))
    first.append(make(6))
    before = first.frame()
    first.close()
    if way == "to objects":
        memory.put(str(local), root, recursive=True)
        second = opened()
    else:
        memory.get(root, str(local), recursive=True)
        second = DirectoryStore(local)
    assert second.frame().equals(before)
    assert second.block("r", 7).column("id").to_pylist() == [0, 1, 2, 3]
    assert second.verify().ok
    with pytest.raises(ConflictError):
        second.append(Record("r", 5, "tell"))
    second.append(make(8))
    second.compact()
    second.append(make(9))
    after = second.frame()
    assert len(after) == len(before) + 2
    second.close()
    # and back again
    if way == "to objects":
        shutil.rmtree(local)
        memory.get(root, str(local), recursive=True)
        third = DirectoryStore(local)
    else:
        memory.rm(root, recursive=True)
        memory.put(str(local), root, recursive=True)
        third = opened()
    assert third.frame().equals(after)
    third.append(make(10))
    assert third.count("r") == len(after) + 1
    third.close()


def test_objects_that_do_not_fit_into_memory_are_read_in_batches(fs, opened, make, monkeypatch):
    writer = opened()
    for number in range(40):
        writer.append(make(number))
    size = len(fs.cat_file(f"{writer.files.root}/hot/{name_of(5)}"))
    monkeypatch.setattr(object_files, "HELD", 4 * size)
    monkeypatch.setattr(object_files, "AHEAD", 3 * size)
    reader = opened()
    assert [record.loop for record in reader.records("r")] == list(range(40))
    assert reader.files._bytes <= 4 * size


def test_a_listing_of_several_pages_that_misses_a_segment_is_asked_for_again(fs, root, opened, make, monkeypatch):
    monkeypatch.setattr(object_files, "PAGE", 3)
    writer = opened()
    for number in range(5):
        writer.append(make(number))
    real, calls = fs.ls, []

    def torn(path, detail=True, **kwargs):
        found = real(path, detail, **kwargs)
        if path.endswith("/hot") and not calls:
            calls.append(path)
            return [item for item in found if not item["name"].endswith(name_of(3))]
        return found

    fs.ls = torn
    assert sorted(map(position_of, ObjectFiles(fs, root).sizes("hot"))) == [1, 2, 3, 4, 5]
    assert calls


def test_an_append_that_others_are_always_ahead_of_gives_up(fs, opened, make, monkeypatch):
    store, other = opened(fs), opened()
    loops = itertools.count()
    monkeypatch.setattr(object_writes, "PATIENCE", 0.0)

    def ahead(put):
        other.append(make(next(loops), "s"))
        return put()

    fs.hooks += [("/hot/", ahead)] * 3
    with pytest.raises(WriteError, match="append_many"):
        store.append(make(0))
    fs.hooks.clear()
    store.append(make(0))
