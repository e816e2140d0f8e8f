"""Stores of objects without a service: memory, local files as objects, and everything that can go wrong with a put."""

import itertools
import shutil
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from metadata_store import (
    ConflictError,
    DirectoryStore,
    FormatError,
    LeaseError,
    MissingStoreError,
    OptionError,
    Record,
    RecordError,
    Store,
    StoreWarning,
    UnknownStateError,
    WriteError,
    object_files,
    object_leases,
    object_writes,
    open_store,
)
from metadata_store.object_files import name_of, position_of
from metadata_store.object_store import ObjectStore
from metadata_store.object_writes import pack
from metadata_store.testing import CHECKS

numbers = itertools.count()


class Flaky(MemoryFileSystem):
    """A service in memory whose puts can be met by `hooks`: (part of the path, what to do instead of the put)."""

    cachable = False

    def __init__(self):
        super().__init__()
        self.hooks = []

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        for hook in self.hooks:
            if hook[0] in path:
                self.hooks.remove(hook)
                return hook[1](lambda: super(Flaky, self).pipe_file(path, value, mode=mode, **kwargs))
        return super().pipe_file(path, value, mode=mode, **kwargs)


@pytest.fixture
def root():
    path = f"/test-{next(numbers)}"
    yield path
    MemoryFileSystem().rm(path, recursive=True)


@pytest.fixture
def fs():
    return Flaky()


@pytest.fixture
def opened(root):
    """Open a store in memory at the test's root; every call is another opening."""
    stores = []

    def open_one(fs=None, **options):
        stores.append(ObjectStore(Flaky() if fs is None else fs, root, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture(params=["memory commit", "memory group", "memory none", "file", "local objects", "pyarrow objects"])
def factory(request, tmp_path):
    kind, _, durability = request.param.partition(" ")
    made = []

    def make(store: Store | None = None) -> Store:
        number = made.index(store) if store is not None else next(numbers)
        while len(made) <= number:
            made.append(None)
        if kind == "memory":
            made[number] = open_store(f"memory://contract-{number}", durability=durability)
        elif kind == "file":
            made[number] = open_store((tmp_path / str(number)).as_uri())
        else:
            import pyarrow.fs as pafs

            fs = fsspec.filesystem("file") if kind == "local" else pafs.LocalFileSystem()
            made[number] = open_store(str(tmp_path / str(number)), filesystem=fs)
        return made[number]

    yield make
    if kind == "memory" and MemoryFileSystem().exists("/"):
        for path in MemoryFileSystem().ls("/", detail=False):
            if path.startswith("/contract-"):
                MemoryFileSystem().rm(path, recursive=True)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_contract(name, factory):
    CHECKS[name](factory)


def lost_before(put):
    raise TimeoutError("no answer")


def lost_after(put):
    put()
    raise TimeoutError("no answer")


def test_an_answer_that_is_lost_after_the_put_is_no_error(fs, opened, make):
    store = opened(fs)
    store.append(make(0))
    fs.hooks.append(("/hot/", lost_after))
    store.append(make(1))
    assert [record.loop for record in store.records("r")] == [0, 1]


def test_a_put_repeated_by_the_client_finds_itself(fs, opened, make):
    """The first try was done, its answer lost, and the second try is told that there is something already."""
    store = opened(fs)

    def twice(put):
        put()
        put()

    fs.hooks.append(("/hot/", twice))
    store.append(make(0))
    assert [record.loop for record in store.records("r")] == [0]


@pytest.mark.parametrize("late", [False, True])
def test_no_answer_and_nothing_there_is_an_unknown_state_that_appending_again_settles(fs, opened, make, late):
    store = opened(fs)
    arrived = []

    def delayed(put):
        arrived.append(put)
        raise TimeoutError("no answer")

    fs.hooks.append(("/hot/", delayed))
    with pytest.raises(UnknownStateError, match="append the same"):
        store.append(make(0))
    if late:
        arrived[0]()  # it arrives after all
    store.append(make(0))
    if not late:
        with pytest.raises(FileExistsError):
            arrived[0]()  # too late
    assert [record.loop for record in store.records("r")] == [0]
    assert opened().verify().ok


@pytest.mark.parametrize("error", [PermissionError("not yours"), FileNotFoundError("no bucket")])
def test_a_put_that_was_refused_is_a_write_error(fs, opened, make, error):
    store = opened(fs)

    def refuse(put):
        raise error

    fs.hooks.append(("/hot/", refuse))
    with pytest.raises(WriteError, match="nothing is stored"):
        store.append(make(0))
    assert store.runs() == []
    store.append(make(0))
    assert opened().count("r") == 1


def test_a_service_that_overwrites_is_found_out(fs, opened, make):
    store = opened(fs)
    fs.pipe_file = lambda path, value, mode="overwrite": MemoryFileSystem.pipe_file(fs, path, value)
    with pytest.raises(WriteError, match="If-None-Match"):
        store.append(make(0))


def test_unknown_errors_of_a_client_are_store_errors(fs, opened, make):
    store = opened(fs)

    def strange(put):
        raise RuntimeError("a client's own kind of error")

    fs.hooks.append(("/hot/", strange))
    with pytest.raises(UnknownStateError, match="own kind of error"):
        store.append(make(0))


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


def test_waiting_records_are_seen_by_their_store_at_once_and_by_others_when_they_are_put(opened, make):
    store, other = opened(durability="none"), opened()
    for number in range(5):
        store.append(make(number))
    assert other.count("r") < 5  # the first one is put at once, the others wait
    assert store.count("r") == 5
    assert other.count("r") == 5
    store.append(make(5))
    assert other.count("r") == 5
    with pytest.raises(ConflictError):
        store.append(Record("r", 5, "tell"))
    store.append(make(5))
    store.append_many([make(6)])
    assert [record.loop for record in other.records("r")] == list(range(7))
    store.append(make(7))
    store.close()
    assert other.count("r") == 8


def test_a_conflict_of_a_waiting_record_is_raised_when_it_is_put_and_costs_no_other_record(opened, make):
    store, other = opened(durability="none"), opened()
    for number in range(4):
        store.append(make(number))
    other.append(Record("r", 2, "tell", {"note": "other"}))
    with pytest.raises(ConflictError, match="2"):
        store.runs()
    assert sorted(record.loop for record in store.records("r")) == [0, 1, 2, 3]
    assert {record.values["note"] for record in store.records("r")} == {"note 0", "note 1", "other", "note 3"}


def test_waiting_records_stay_when_the_service_is_away(fs, opened, make):
    store = opened(fs, durability="none")
    for number in range(3):
        store.append(make(number))
    fs.hooks.append(("/hot/", lost_before))
    with pytest.raises(UnknownStateError):
        store.runs()
    assert store.count("r") == 3


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(at=time.time_ns())
    monkeypatch.setattr(object_leases, "time", SimpleNamespace(time_ns=lambda: now.at))
    return now


def test_a_lease_keeps_others_out_until_it_is_released(opened, make):
    one, two = opened(), opened()
    two.append(make(0))  # it has looked, and found no lease
    with one.lease("r") as lease:
        with pytest.raises(LeaseError, match="leased by"):
            two.append(make(1))
        with pytest.raises(LeaseError):
            two.lease("r")
        two.append(make(0, "s"))
        one.append(make(1))
    two.append(make(2))
    with two.lease("r") as later:
        assert later.epoch == lease.epoch + 1
    assert [record.loop for record in opened().records("r")] == [0, 1, 2]


def test_a_lease_expires_and_is_taken_over_and_its_holder_learns_of_it_before_it_writes(opened, make, clock):
    one, two = opened(ttl=10), opened(ttl=10)
    lease = one.lease("r")
    one.append(make(0))
    clock.at += 11 * 10**9
    with pytest.raises(LeaseError, match="expired"):
        one.append(make(1))
    second = two.lease("r")
    assert second.epoch == lease.epoch + 1
    two.append(make(1))
    clock.at -= 5 * 10**9  # the clock of the first one is late
    with pytest.raises(LeaseError, match="taken over"):
        one.append(make(2))
    lease.release()  # which is not the lease of the other one
    with pytest.raises(LeaseError):
        one.append(make(2))
    second.release()
    one.append(make(2))
    assert [record.loop for record in opened().records("r")] == [0, 1, 2]


def test_a_lease_is_renewed_by_appending_when_half_of_it_is_over(opened, make, clock):
    one, two = opened(ttl=10), opened(ttl=10)
    lease = one.lease("r")
    for number in range(5):
        clock.at += 6 * 10**9
        one.append(make(number))
    with pytest.raises(LeaseError):
        two.append(make(9))
    lease.release()


def test_a_dead_holder_keeps_others_out_only_until_its_lease_expires(opened, make, clock):
    opened(ttl=10).lease("r")
    other = opened(ttl=10)
    with pytest.raises(LeaseError):
        other.append(make(0))
    clock.at += 11 * 10**9
    other.append(make(0))


def test_a_lease_is_noticed_by_a_writer_that_only_read_since(opened, make):
    one, two = opened(), opened()
    two.append(make(0))
    lease = one.lease("r")
    assert two.count("r") == 1  # this reads the fence
    with pytest.raises(LeaseError):
        two.append(make(1))
    lease.release()


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
    assert [record.loop for record in opened(fs).records("r")] == list(range(5))


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


def test_places_that_are_no_store(root, fs, opened):
    with pytest.raises(MissingStoreError):
        opened(create=False)
    fs.pipe_file(f"{root}/thesis.tex", b"x")
    with pytest.raises(FormatError, match=r"thesis\.tex"):
        opened()
    fs.rm(f"{root}/thesis.tex")
    for text in (b"other", b'{"format": "metaal-store", "version": 1, "crc": 0}'):
        fs.pipe_file(f"{root}/FORMAT", text)
        with pytest.raises(FormatError):
            opened()
    fs.rm(f"{root}/FORMAT")
    opened()


@pytest.mark.parametrize(
    ("uri", "options", "match"),
    [
        ("nonsense://x", None, "nonsense"),
        ("memory://", None, "names no place"),
        ("file://host/path", None, "three slashes"),
        ("file:///", None, "three slashes"),
        ("memory:", {"a": 1}, "no options"),
        ("plain", {"a": 1}, "no options"),
        ("a\0b", None, "URL"),
    ],
)
def test_impossible_urls_are_refused_with_a_reason(uri, options, match):
    with pytest.raises(OptionError, match=match):
        open_store(uri, options=options)


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(OptionError, match=r"metaal\[s3\]"):
        open_store("s3://bucket/prefix")


def test_a_filesystem_is_one_of_fsspec_or_pyarrow_and_has_its_options_itself(tmp_path):
    with pytest.raises(OptionError, match="pyarrow"):
        open_store("x", filesystem=object())
    with pytest.raises(OptionError, match="no options"):
        open_store("x", filesystem=fsspec.filesystem("memory"), options={})
