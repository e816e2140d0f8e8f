"""A store on S3 with the real client: the contract, requests, faults on the way, processes that race and die."""

import itertools
import json
import signal
import subprocess
import sys

import boto3
import numpy as np
import pytest
from s3_server import Fault

from metadata_store import (
    ConflictError,
    DirectoryStore,
    MissingStoreError,
    ReadError,
    Record,
    Store,
    UnknownStateError,
    WriteError,
    open_store,
)
from metadata_store.testing import CHECKS

numbers = itertools.count()


@pytest.fixture
def url():
    return f"s3://bucket/test-{next(numbers)}"


@pytest.fixture
def opened(server, url):
    stores = []

    def open_one(**options):
        stores.append(open_store(url, options=server.options, **options))
        return stores[-1]

    yield open_one
    server.faults.clear()
    for store in stores:
        store.close()


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_contract(name, server):
    made = {}

    def make(store: Store | None = None) -> Store:
        url = made[id(store)] if store is not None else f"s3://bucket/contract-{next(numbers)}"
        new = open_store(url, options=server.options)
        made[id(new)] = url
        return new

    CHECKS[name](make)


def test_an_append_is_one_put_and_one_look_for_manifests(server, opened, make):
    store = opened()
    store.append(make(0))
    server.asked.clear()
    for number in range(1, 6):
        store.append(make(number))
    kinds = [what.split()[0] for what in server.asked]
    assert kinds == ["PUT", "GET"] * 5
    assert all("manifest" in what for what in server.asked[1::2])
    server.asked.clear()
    store.append_many([make(number) for number in range(6, 30)])
    assert len(server.asked) == 2


def test_opening_fetches_many_objects_once_each(server, opened, make):
    store = opened()
    for number in range(30):
        store.append(make(number))
    server.asked.clear()
    other = opened(create=False)
    assert [record.loop for record in other.records("r")] == list(range(30))
    fetched = [what for what in server.asked if ".seg" in what]
    assert len(fetched) == len(set(fetched)) == 30


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "/hot/", "after"),
        Fault("PUT", "/hot/", "after", 500),
        Fault("PUT", "/hot/", "before"),
        Fault("PUT", "/hot/", "before", 503),
        Fault("PUT", "/hot/", "before", 409),
    ],
    ids=["answer cut", "done and 500", "cut", "503", "409"],
)
def test_a_fault_that_passes_is_no_error_and_stores_once(server, opened, make, fault):
    store = opened()
    store.append(make(0))
    server.faults.append(fault)
    store.append(make(1))
    assert [record.loop for record in opened().records("r")] == [0, 1]
    assert opened().verify().ok


def test_a_refused_put_is_a_write_error(server, opened, make):
    store = opened()
    store.append(make(0))
    server.faults.append(Fault("PUT", "/hot/", "before", 403))
    with pytest.raises(WriteError, match="nothing is stored"):
        store.append(make(1))
    assert opened().count("r") == 1
    store.append(make(1))
    assert opened().count("r") == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_answer_at_all_is_an_unknown_state_that_appending_again_settles(server, opened, make, when):
    store = opened()
    store.append(make(0))
    store.files.client.fs.retries = 1
    # every layer of the client tries again, and at last the store asks what is there
    server.faults += [Fault("PUT", "/hot/", when), *[Fault("PUT", "/hot/") for _ in range(20)]]
    server.faults += [Fault("GET", ".seg") for _ in range(20)]
    with pytest.raises(UnknownStateError, match="append the same"):
        store.append(make(1))
    server.faults.clear()
    store.append(make(1))
    assert [record.loop for record in opened().records("r")] == [0, 1]
    assert opened().verify().ok


def test_a_service_that_cannot_be_read_is_a_read_error(server, opened, make):
    store = opened()
    store.append(make(0))
    server.faults.append(Fault("GET", "prefix=", "before", 403))
    with pytest.raises(ReadError, match="yours"):
        store.runs()
    assert store.runs() == ["r"]


def test_a_bucket_that_is_not_there(server):
    with pytest.raises(MissingStoreError):
        open_store("s3://nowhere/prefix", options=server.options, create=False)
    with pytest.raises(WriteError, match="bucket"):
        open_store("s3://nowhere/prefix", options=server.options)


WRITER = """
import json, sys
from metadata_store import ConflictError, Record, open_store
url, options, who, count, mode = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
store = open_store(url, options=options)
print("ready", flush=True)
sys.stdin.readline()
for loop in range(count):
    try:
        store.append(Record("r", loop, "tell", {"who": who}))
        print(loop, flush=True)
    except ConflictError:
        pass
    if mode == "compact" and loop % 4 == 3:
        store.compact()
store.close()
"""


def start(url, server, who, count, mode="plain"):
    command = [sys.executable, "-c", WRITER, url, json.dumps(server.options), who, str(count), mode]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.mark.parametrize("mode", ["plain", "compact"])
def test_processes_that_write_the_same_keys_and_compact_store_each_key_once(server, url, opened, mode):
    children = {who: start(url, server, who, 16, mode) for who in ("one", "two", "three")}
    for child in children.values():
        go(child)
    won = {who: {int(line) for line in child.communicate()[0].split()} for who, child in children.items()}
    assert [child.returncode for child in children.values()] == [0, 0, 0]
    assert sorted(loop for loops in won.values() for loop in loops) == list(range(16))
    store = opened()
    records = store.records("r")
    assert [record.loop for record in records] == list(range(16))
    assert all(record.loop in won[record.values["who"]] for record in records)
    assert store.verify().ok, str(store.verify())


def test_a_writer_killed_between_the_put_and_its_answer_has_stored_its_record_once(server, url, opened):
    child = start(url, server, "one", 10)
    server.faults.append(Fault("PUT", "0000000000000004-", "after", action=lambda: child.send_signal(signal.SIGKILL)))
    go(child)
    acknowledged = [int(line) for line in child.communicate()[0].split()]
    assert child.returncode == -signal.SIGKILL
    assert acknowledged == [0, 1, 2]
    store = opened()
    assert [record.loop for record in store.records("r")] == [0, 1, 2, 3]
    store.append(Record("r", 3, "tell", {"who": "one"}))
    with pytest.raises(ConflictError):
        store.append(Record("r", 3, "tell", {"who": "two"}))
    assert store.count("r") == 4
    assert store.verify().ok


def test_a_compactor_killed_after_its_manifest_has_lost_nothing(server, url, opened):
    store = opened()
    for loop in range(8):
        store.append(Record("r", loop, "tell", {"who": "one"}))
    child = start(url, server, "one", 4, "compact")
    server.faults.append(Fault("PUT", "manifest/0000000001.json", "after", action=lambda: child.kill()))
    go(child)
    child.communicate()
    for one in (store, opened()):
        assert [record.loop for record in one.records("r")] == list(range(8))
    store.append(Record("r", 8, "tell", {"who": "one"}))
    assert store.compact().records
    assert [record.loop for record in opened().records("r")] == list(range(9))
    assert not any(".seg" in item for item in store.files.client.names(store.files.root + "/hot"))


def test_two_compactors_at_once_make_one_manifest(server, opened, make):
    one, two = opened(), opened()
    one.append_many([make(number) for number in range(6)])
    done = []
    server.faults.append(
        Fault("PUT", "manifest/0000000001.json", "before", 409, action=lambda: done.append(two.compact()))
    )
    assert "another process" in str(one.compact())
    assert done[0].records == 6
    assert len(one.files.sizes("cold/records")) == 1
    assert opened().verify().ok


def test_a_local_store_copied_with_the_service_s_own_client_reads_the_same(server, url, opened, tmp_path, make):
    with DirectoryStore(tmp_path / "local") as local:
        local.append_many([make(number) for number in range(5)])
        local.append_block("r", 6, {"id": np.arange(4)})
        local.compact()
        local.append(make(5))
        before = local.frame()
    client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="t", aws_secret_access_key="t")
    prefix = url.removeprefix("s3://bucket/")
    for path in (tmp_path / "local").rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "bucket", f"{prefix}/{path.relative_to(tmp_path / 'local').as_posix()}")
    store = opened(create=False)
    assert store.frame().equals(before)
    assert store.block("r", 6).num_rows == 4
    assert store.verify().ok
    store.append(make(7))
    store.compact()
    after = store.frame()
    for item in client.list_objects_v2(Bucket="bucket", Prefix=f"{prefix}/")["Contents"]:
        target = tmp_path / "back" / item["Key"].removeprefix(f"{prefix}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file("bucket", item["Key"], str(target))
    client.close()
    with DirectoryStore(tmp_path / "back", create=False) as back:
        assert back.frame().equals(after)
        assert back.verify().ok


def test_a_lease_keeps_other_processes_out(server, url, opened):
    store = opened()
    child = start(url, server, "two", 3)
    with store.lease("r"):
        store.append(Record("r", 0, "tell", {"who": "one"}))
        go(child)
        assert child.communicate()[0] == ""
        assert child.returncode == 1  # LeaseError
    assert store.count("r") == 1
